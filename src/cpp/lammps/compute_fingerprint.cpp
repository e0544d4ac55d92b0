#include "compute_fingerprint.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "atom.h"
#include "atom_values.hpp"
#include "core/error.hpp"
#include "core/number_text.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "compute naglass/fingerprint";
constexpr int columns_without_spin = 13;
constexpr int columns_with_spin = 15;

double or_zero(double value) { return std::isnan(value) ? 0.0 : value; }

}  // namespace

struct ComputeFingerprint::Given {
  ElementMap elements;
  std::vector<NamedCutoff> cutoffs;
  std::string center = "V", ligand = "O", valence = "default", spin;
  std::vector<int> states;
  bool most_probable = false;
};

ComputeFingerprint::ComputeFingerprint(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Compute(lammps, narg, arg)
{
  StyleArguments arguments(lammps, title, narg, arg);
  Given given;
  read(arguments, given);
  try {
    choose(arguments, given);
  } catch (const Error &error) {
    arguments.fail(error);
  }
  lay_out();
  if (!spin_)
    say(lmp, std::string(title) + ": no 'spin' given: columns 14 (moment) and 15 (state from moment) and the up, down "
                                  "and neither sides of the global vector are omitted");
}

void ComputeFingerprint::read(StyleArguments &arguments, Given &given)
{
  FamilyLimits &limits = options_.limits;
  const auto range =
      in_sequence({number_into(bins_.low, "low"), number_into(bins_.high, "high"), whole_into(bins_.count, "bins", 1)});
  arguments.read({
      given.elements.keyword(),
      {"center", word_into(given.center, "E"), "the metal"},
      {"ligand", word_into(given.ligand, "E"), "its ligand"},
      cutoff_keyword(given.cutoffs, "coordination cutoff of the pair (distance units)"),
      {"spin", word_into(given.spin, "c_ID|c_ID[i]|f_ID|f_ID[i]|d_name|d2_name[i]|v_name").otherwise("none"),
       "moments per atom (Bohr magnetons)"},
      {"valence", word_into(given.valence, "set").known_as("bond_valence"),
       "bond-valence parameters: default, hu-zhou, palenik, brown-altermatt, gagne-hawthorne or softbv"},
      {"valence_cutoff", number_into(options_.valence_cutoff, "distance"), "ligands within it enter the valence sum"},
      {"assign", choice_into<bool>(given.most_probable, {{"nearest", false}, {"map", true}}), "state by valence"},
      {"state", each_whole_into(given.states, "z", 0).otherwise("all tabulated for the metal").known_as("states"),
       "an oxidation state to consider"},
      {"vanadyl", number_into(limits.vanadyl, "distance").known_as("vanadyl_cutoff"),
       "a shorter bond is a vanadyl bond (distance units)"},
      {"trans", number_into(limits.trans, "distance").known_as("trans_cutoff"),
       "beside one vanadyl bond, a longer bond is a trans bond"},
      {"dioxo", number_into(limits.trans_dioxo, "distance").known_as("trans_dioxo_cutoff"),
       "the same limit beside two or more vanadyl bonds"},
      {"tolerance", number_into(options_.tolerance, "s", Sign::not_negative),
       "flag a valence sum further than this from its state"},
      {"threshold", number_into(options_.spin_threshold, "m", Sign::positive),
       "a smaller moment has no side (Bohr magnetons)"},
      {"histogram", Argument(range).otherwise("none"), "bond lengths per state and side in the global vector"},
  });
  histograms_ = arguments.given("histogram");
  if (!given.spin.empty()) spin_ = std::make_unique<AtomValue>(lmp, std::string(title) + ": spin", given.spin);
}

void ComputeFingerprint::choose(const StyleArguments &arguments, const Given &given)
{
  choose_pair(arguments, given);
  options_.redox = redox_states(given.center, given.states);
  states_ = distinct_states(options_.redox);
  options_.valence = bond_valence_parameters(given.valence, given.center, given.ligand, states_);
  if (given.most_probable) options_.prior = icsd_prior(given.center, given.ligand, states_);
  options_.families_tell_states = given.center == "V" && given.ligand == "O";
  check(options_);
  if (!histograms_) return;
  check(bins_);
  const double reach = reach_.largest();
  if (bins_.high > reach) arguments.fail("histogram", "exceeds the longest cutoff " + number_text(reach));
}

void ComputeFingerprint::choose_pair(const StyleArguments &arguments, const Given &given)
{
  const std::vector<int> centers = given.elements.types_of(arguments, "center", given.center);
  const std::vector<int> ligands = given.elements.types_of(arguments, "ligand", given.ligand);
  if (given.center == given.ligand) arguments.fail("ligand", given.ligand, "is also the center");
  const std::string pair = given.center + " " + given.ligand;
  for (const NamedCutoff &entry : given.cutoffs)
    if (std::minmax(entry.a, entry.b) != std::minmax(given.center, given.ligand))
      arguments.fail("cutoff", entry.text, "only " + pair + " takes a cutoff");
  if (given.cutoffs.size() != 1)
    arguments.fail("cutoff", pair, given.cutoffs.empty() ? "is missing" : "is given twice");

  options_.cutoff = given.cutoffs.front().cutoff;
  is_center_.assign(atom->ntypes, false);
  reach_ = PairCutoffs(atom->ntypes);
  for (const int a : centers) {
    is_center_[a] = true;
    for (const int b : ligands) reach_.set(a, b, std::max(options_.cutoff, options_.valence_cutoff));
  }
}

void ComputeFingerprint::lay_out()
{
  sides_ = spin_ ? 3 : 1;
  const std::size_t groups = states_.size() * sides_;
  counts_.assign(2 + groups + (histograms_ ? groups * bins_.count : 0), 0);
  totals_ = counts_;
  global_.assign(counts_.size(), 0.0);

  peratom_flag = 1;
  size_peratom_cols = spin_ ? columns_with_spin : columns_without_spin;
  vector_flag = 1;
  size_vector = static_cast<int>(global_.size());
  extvector = 1;
  vector = global_.data();
}

void ComputeFingerprint::init()
{
  require_cutoffs_covered(lmp, title, reach_, options_.valence_cutoff > options_.cutoff ? "valence_cutoff" : "cutoff");
  if (spin_) spin_->require();
  request_full_list(lmp, this);
}

void ComputeFingerprint::init_list(int, LAMMPS_NS::NeighList *list) { list_ = list; }

double ComputeFingerprint::moment_of(int i) const
{
  if (!spin_) return 0.0;
  if (!std::isfinite(moments_[i]))
    stop_one(lmp, std::string(title) + ": spin of atom " + std::to_string(atom->tag[i]) + " " +
                      number_text(moments_[i]) + ": must be finite");
  return moments_[i];
}

void ComputeFingerprint::clear_results()
{
  array_atom = values_.fill(lmp, size_peratom_cols, 0.0);
  std::fill(counts_.begin(), counts_.end(), 0);
}

void ComputeFingerprint::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  if (spin_) spin_->read(igroup, moments_);
  fill_local_bonds(lmp, title, list_, reach_, bonds_);
  fill_bond_vectors(lmp, bonds_, vectors_);
  clear_results();
  for (int i = 0; i < atom->nlocal; ++i)
    if (is_center_[bonds_.types[i]] && (atom->mask[i] & groupbit)) measure(i, moment_of(i));
}

void ComputeFingerprint::measure(int i, double moment)
{
  const auto bonds = static_cast<std::size_t>(bonds_.offsets[i + 1] - bonds_.offsets[i]);
  const std::span<const Vec3> ligands(vectors_.data() + bonds_.offsets[i], bonds);
  const Polyhedron found = polyhedron(ligands, options_);
  const int by_moment = spin_ ? state_by_moment(moment, options_.redox) : 0;
  const int flags = disagreement(by_moment, found, options_.tolerance);

  double *const row = array_atom[i];
  const double tau = found.coordination == 4 ? found.tau4 : found.tau5;
  const double measured[columns_without_spin] = {double(found.coordination),
                                                 double(found.vanadyl),
                                                 double(found.equatorial),
                                                 double(found.trans),
                                                 found.bond_valence,
                                                 found.baur,
                                                 found.quadratic,
                                                 tau,
                                                 found.off_centering,
                                                 found.vanadyl_index,
                                                 double(found.by_valence),
                                                 double(found.by_geometry),
                                                 double(flags)};
  std::transform(std::begin(measured), std::end(measured), row, or_zero);
  if (spin_) row[13] = moment, row[14] = by_moment;

  ++counts_[0];
  counts_[1] += flags != 0;
  const int state = spin_ ? by_moment : found.by_valence;
  const auto place = std::find(states_.begin(), states_.end(), state);
  if (place == states_.end()) return;
  const int group =
      static_cast<int>(place - states_.begin()) * sides_ + (spin_ ? spin_side(moment, options_.spin_threshold) : 0);
  ++counts_[2 + group];
  const std::span<std::int64_t> histograms(counts_.begin() + 2 + states_.size() * sides_, counts_.end());
  if (histograms_) tally(ligands, group, bins_, histograms);
}

void ComputeFingerprint::compute_vector()
{
  invoked_vector = update->ntimestep;
  compute_peratom_once(lmp, this);
  MPI_Allreduce(counts_.data(), totals_.data(), size_vector, MPI_INT64_T, MPI_SUM, world);
  std::copy(totals_.begin(), totals_.end(), global_.begin());
}

double ComputeFingerprint::memory_usage()
{
  return values_.memory() + bonds_.memory() +
         static_cast<double>(moments_.capacity() * sizeof(double) + vectors_.capacity() * sizeof(Vec3) +
                             counts_.capacity() * sizeof(std::int64_t));
}

}  // namespace naglass
