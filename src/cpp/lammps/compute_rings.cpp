#include "compute_rings.hpp"

#include <algorithm>
#include <string>

#include "access.hpp"
#include "atom.h"
#include "comm.h"
#include "core/error.hpp"
#include "messages.hpp"
#include "ring_reduce.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "compute naglass/rings";
constexpr int largest = 10000;  // of max and reach, as in Python

// For each type, the first type of the same name, so that types sharing an element count as one.
std::vector<int> first_types(const ElementMap &elements, int types)
{
  const std::vector<std::string> &names = elements.names();
  std::vector<int> first(types);
  for (int t = 0; t < types; ++t) {
    const bool shared = !names.empty() && names[t] != "NULL";
    first[t] = shared ? static_cast<int>(std::find(names.begin(), names.end(), names[t]) - names.begin()) : t;
  }
  return first;
}

}  // namespace

ComputeRings::ComputeRings(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Compute(lammps, narg, arg)
{
  StyleArguments arguments(lammps, title, narg, arg);
  read(arguments);
  require_cutoffs(arguments);
  options_.threads = threads_per_rank(lammps);

  vector_flag = 1;
  size_vector = options_.max_size;
  extvector = 1;
  counts_.assign(size_vector, 0.0);
  vector = counts_.data();
  size_peratom_cols = peratom_flag ? options_.max_size : 0;
  comm_forward = 4;
}

void ComputeRings::read(StyleArguments &arguments)
{
  ElementMap elements;
  std::vector<NamedCutoff> cutoffs;
  std::vector<std::string> formers, bridges{"O"};
  arguments.read({
      elements.keyword(),
      cutoff_keyword(cutoffs),
      {"criterion",
       choice_into<RingCriterion>(options_.criterion, {{"primitive", RingCriterion::primitive},
                                                       {"king", RingCriterion::king},
                                                       {"guttman", RingCriterion::guttman},
                                                       {"strong", RingCriterion::strong}}),
       "which closed paths are rings"},
      {"graph", choice_into<bool>(formers_only_, {{"full", false}, {"tt", true}}),
       "all bonded atoms, or formers joined when they share at least one bridging atom"},
      {"max", whole_into(options_.max_size, "n", 3, largest), "members of the largest ring"},
      {"former", each_word_into(formers, "E").otherwise("none"), "former of graph tt"},
      {"bridge", each_word_into(bridges, "E"), "bridging element of graph tt"},
      {"king",
       choice_into<KingNeighbors>(options_.king_neighbors,
                                  {{"excluded", KingNeighbors::excluded}, {"center", KingNeighbors::center}}),
       "what King's path avoids: the center's other neighbors, or the center only"},
      {"select",
       choice_into<RingSelection>(options_.selection, {{"all", RingSelection::all},
                                                       {"abab", RingSelection::abab},
                                                       {"not_abab", RingSelection::not_abab},
                                                       {"heteropolar", RingSelection::heteropolar}}),
       "rings to count"},
      {"reach", whole_into(options_.strong_reach, "n", 0, largest).otherwise("max"),
       "for strong: distance (bonds) around a ring within which smaller rings may sum to it"},
      {"peratom", choice_into<int>(peratom_flag, {{"no", 0}, {"yes", 1}}), "count the rings through each atom"},
  });
  if (!formers_only_ && !arguments.given("bridge")) bridges.clear();
  set_roles(arguments, elements, formers_, "former", formers);
  set_roles(arguments, elements, bridges_, "bridge", bridges);
  cutoffs_ = pair_cutoffs(arguments, elements, cutoffs);
  elements_ = first_types(elements, atom->ntypes);
}

void ComputeRings::set_roles(const StyleArguments &arguments, const ElementMap &elements,
                             std::vector<std::uint8_t> &roles, const char *keyword,
                             const std::vector<std::string> &names)
{
  roles.assign(atom->ntypes, 0);
  for (const std::string &name : names)
    for (const int type : elements.types_of(arguments, keyword, name)) {
      if (&roles == &bridges_ && formers_[type]) arguments.fail(keyword, name, "is already a former");
      roles[type] = 1;
    }
}

void ComputeRings::require_cutoffs(const StyleArguments &arguments) const
{
  if (cutoffs_.largest() == 0.0) arguments.fail("cutoff", "at least one pair needs a cutoff");
  if (!formers_only_) return;
  bool any = false;
  for (int a = 0; a < cutoffs_.types(); ++a) {
    any = any || formers_[a];
    for (int b = 0; b < cutoffs_.types(); ++b)
      if (formers_[a] && bridges_[b] && cutoffs_.of_pair(a, b) == 0.0)
        arguments.fail("cutoff", "of atom types " + std::to_string(a + 1) + " and " + std::to_string(b + 1),
                       "is missing; each former needs a cutoff with each bridging element");
  }
  if (!any) arguments.fail("former", "graph tt needs at least one former");
}

void ComputeRings::init()
{
  require_cutoffs_covered(lmp, title, cutoffs_);
  request_full_list(lmp, this);
}

void ComputeRings::init_list(int, LAMMPS_NS::NeighList *list) { list_ = list; }

void ComputeRings::compute_vector()
{
  invoked_vector = update->ntimestep;
  if (!(invoked_flag & Compute::INVOKED_PERATOM)) find();
}

void ComputeRings::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  if (!(invoked_flag & Compute::INVOKED_VECTOR)) find();
}

void ComputeRings::find()
{
  try {
    const HaloGraph halo = gather();
    std::vector<std::uint8_t> roots;
    for (const int owner : halo.owners) roots.push_back(owner == comm->me);
    std::vector<int> kinds;
    for (const int type : halo.types) kinds.push_back(elements_[type]);
    RingOptions options = options_;
    options.roots = roots;
    options.types = kinds;
    options.members = found_more_than_once(options.criterion);
    const RingCounts found = find_rings(halo.graph, options);
    const RingTotals totals = reduce_rings(world, halo, rows_, found, options, peratom_flag);
    expose(totals.counts, totals.per_atom);
  } catch (const std::exception &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
}

HaloGraph ComputeRings::gather()
{
  fill_homes(lmp, homes_);
  comm->forward_comm(this);
  fill_bond_rows(lmp, title, list_, cutoffs_, groupbit, homes_, rows_);
  const int halo = ring_halo(options_);
  if (!formers_only_) return gather_halo(world, rows_, halo);
  keep_former_bonds();
  // A former's links are two bonds long and need the rows of its bridges.
  HaloGraph gathered = gather_halo(world, rows_, 2 * halo + 1);
  use_former_graph(gathered);
  return gathered;
}

void ComputeRings::keep_former_bonds()
{
  BondRows kept;
  for (std::size_t i = 0; i < rows_.tags.size(); ++i) {
    const int type = rows_.types[i];
    for (std::int64_t e = rows_.offsets[i]; e < rows_.offsets[i + 1]; ++e) {
      const int other = rows_.ends[e].type;
      const bool links = (formers_[type] && bridges_[other]) || (bridges_[type] && formers_[other]);
      if (links) kept.ends.push_back(rows_.ends[e]);
    }
    kept.offsets.push_back(static_cast<std::int64_t>(kept.ends.size()));
  }
  kept.tags = std::move(rows_.tags);
  kept.types = std::move(rows_.types);
  rows_ = std::move(kept);
}

void ComputeRings::use_former_graph(HaloGraph &halo) const
{
  std::vector<std::uint8_t> formers, bridges;
  for (const int type : halo.types) {
    formers.push_back(formers_[type]);
    bridges.push_back(bridges_[type]);
  }
  halo.graph = former_graph(halo.graph, formers, bridges);
}

void ComputeRings::expose(const std::vector<std::int64_t> &counts, const std::vector<std::int64_t> &per_atom)
{
  for (int n = 1; n <= options_.max_size; ++n) counts_[n - 1] = static_cast<double>(counts[n]);
  if (!peratom_flag) return;
  const std::size_t width = options_.max_size;
  array_atom = values_.fill(lmp, options_.max_size, 0.0);
  std::size_t row = 0;  // rows are the group's atoms in the order of owned atoms
  for (int i = 0; i < atom->nlocal; ++i) {
    if (!(atom->mask[i] & groupbit)) continue;
    for (std::size_t n = 1; n <= width; ++n)
      array_atom[i][n - 1] = static_cast<double>(per_atom[row * (width + 1) + n]);
    ++row;
  }
}

int ComputeRings::pack_forward_comm(int count, int *atoms, double *buffer, int, int *)
{
  int filled = 0;
  for (int k = 0; k < count; ++k) {
    const Home &home = homes_[atoms[k]];
    for (const double x : home.position) buffer[filled++] = x;
    buffer[filled++] = home.rank;
  }
  return filled;
}

void ComputeRings::unpack_forward_comm(int count, int first, double *buffer)
{
  for (int k = 0; k < count; ++k, buffer += 4)
    homes_[first + k] = {{buffer[0], buffer[1], buffer[2]}, static_cast<int>(buffer[3])};
}

double ComputeRings::memory_usage()
{
  return values_.memory() +
         static_cast<double>(homes_.capacity() * sizeof(Home) + rows_.ends.capacity() * sizeof(BondEnd));
}

}  // namespace naglass
