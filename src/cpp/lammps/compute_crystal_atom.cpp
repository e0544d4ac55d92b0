#include "compute_crystal_atom.hpp"

#include <algorithm>
#include <exception>
#include <string>

#include "access.hpp"
#include "atom.h"
#include "atom_rows.hpp"
#include "core/error.hpp"
#include "core/lantern.hpp"
#include "exchange.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "compute naglass/crystal/atom";
constexpr int columns = 2;
constexpr int every_atom = 1;  // the bit of LAMMPS's group "all"

}  // namespace

ComputeCrystalAtom::ComputeCrystalAtom(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg)
    : ImageCompute(lammps, narg, arg)
{
  StyleArguments arguments(lammps, title, narg, arg);
  ElementMap elements;
  std::vector<NamedCutoff> cutoffs;
  std::vector<std::string> ligands{"O"};
  std::string reference, center = "V", bridge = "P";
  arguments.read({
      elements.keyword(),
      {"reference", word_into(reference, "FILE").otherwise("none"), "the crystal's environments, for the similarity"},
      {"sigma", number_into(options_.sigma, "distance"), "width of the Gaussians"},
      {"sharpness", number_into(options_.sharpness, "lambda"), "of the choice between several environments"},
      {"reach", number_into(options_.reach, "sigmas"), "neighbors count this far beyond a reference's farthest one"},
      {"orientation", choice_into<bool>(options_.any_rotation, {{"fixed", false}, {"any", true}}),
       "the crystal as given in the file, or after the best rotation"},
      cutoff_keyword(cutoffs, "bond cutoff (distance units) of a pair of names, once per pair, for lanterns"),
      {"center", word_into(center, "E"), "center of lanterns"},
      {"bridge", word_into(bridge, "E"), "three of these form a lantern"},
      {"ligand", each_word_into(ligands, "E"), "bonds a center to a bridge"},
  });
  has_lanterns_ = !cutoffs.empty();
  if (reference.empty() && !has_lanterns_)
    arguments.fail("reference", "give a reference for similarity, cutoffs for lanterns, or both");
  if (!reference.empty()) reference_.read(arguments, elements, reference, options_);
  if (has_lanterns_) {
    cutoffs_ = pair_cutoffs(arguments, elements, cutoffs);
    roles_ = link_roles(arguments, elements, {{"center", center}, {"bridge", bridge}}, ligands, cutoffs_);
  }
  peratom_flag = 1;
  size_peratom_cols = columns;
}

void ComputeCrystalAtom::init()
{
  require_cutoffs_covered(lmp, title, reference_.cutoffs());
  require_cutoffs_covered(lmp, title, cutoffs_);
  request_full_list(lmp, this);
}

void ComputeCrystalAtom::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  array_atom = values_.fill(lmp, columns, -1.0);
  try {
    if (!reference_.empty()) find_similarity();
    if (has_lanterns_) find_lanterns();
  } catch (const std::exception &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
}

void ComputeCrystalAtom::find_similarity()
{
  fill_local_bonds(lmp, title, list_, reference_.cutoffs(), bonds_);
  std::vector<int> centers, types;
  std::vector<std::int64_t> offsets{0};
  std::vector<Vec3> vectors;
  for (int i = 0; i < atom->nlocal; ++i) {
    if (!reference_.is_center(bonds_.types[i]) || !(atom->mask[i] & groupbit)) continue;
    reference_.surround(lmp, bonds_, i, every_atom, types, vectors);
    offsets.push_back(static_cast<std::int64_t>(vectors.size()));
    centers.push_back(i);
  }
  const std::vector<double> found = crystal_similarity(offsets, types, vectors, reference_.environments(), options_);
  for (std::size_t k = 0; k < centers.size(); ++k) array_atom[centers[k]][0] = found[k];
}

void ComputeCrystalAtom::find_lanterns()
{
  const std::vector<Link> links = count_shared(shared_ligands(title, cutoffs_, roles_, every_atom));
  const std::vector<Link> found = lanterns(gather(world, centers_by_bridge(links)), links);

  const OwnedAtoms owned(lmp, title);
  std::vector<int> centers;
  std::vector<std::int64_t> tags;
  for (int i = 0; i < owned.count(); ++i) {
    if (roles_.kind[owned.type(i)] != lantern_center || !owned.in_group(i, groupbit)) continue;
    centers.push_back(i);
    tags.push_back(owned.tag(i));
  }
  const std::vector<int> counts = counts_of_owned(found, tags);
  for (std::size_t k = 0; k < centers.size(); ++k) array_atom[centers[k]][1] = counts[k];
}

std::vector<int> ComputeCrystalAtom::counts_of_owned(const std::vector<Link> &lanterns,
                                                     const std::vector<std::int64_t> &tags) const
{
  int ranks;
  MPI_Comm_size(world, &ranks);
  std::vector<std::vector<std::int64_t>> questions(ranks);
  for (const std::int64_t tag : tags) questions[gathering_rank(tag, ranks)].push_back(tag);
  const Received<std::int64_t> asked = exchange_records(world, questions);
  std::vector<std::vector<int>> answers(ranks);
  const auto before = [](const Link &link, std::int64_t tag) { return link.a < tag; };
  for (int r = 0; r < ranks; ++r)
    for (int k = asked.offsets[r]; k < asked.offsets[r + 1]; ++k) {
      const std::int64_t tag = asked.records[k];
      const auto first = std::lower_bound(lanterns.begin(), lanterns.end(), tag, before);
      const auto last = std::lower_bound(first, lanterns.end(), tag + 1, before);
      answers[r].push_back(static_cast<int>(last - first));
    }
  const Received<int> told = exchange_records(world, answers);

  // Each rank answers in the order in which it was asked.
  std::vector<int> next(told.offsets.begin(), told.offsets.end() - 1), counts;
  for (const std::int64_t tag : tags) counts.push_back(told.records[next[gathering_rank(tag, ranks)]++]);
  return counts;
}

double ComputeCrystalAtom::memory_usage() { return values_.memory() + bonds_.memory(); }

}  // namespace naglass
