#include "compute_crystal_atom.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <sstream>
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

// Read on rank 0 and broadcast.
std::string read_text(const StyleArguments &arguments, const std::string &path)
{
  const MPI_Comm comm = communicator(arguments.lammps());
  int rank;
  MPI_Comm_rank(comm, &rank);
  std::string text;
  long long size = -1;
  if (rank == 0) {
    std::ifstream file(path);
    std::ostringstream content;
    if (file && content << file.rdbuf()) {
      text = content.str();
      size = static_cast<long long>(text.size());
    }
  }
  MPI_Bcast(&size, 1, MPI_LONG_LONG, 0, comm);
  if (size < 0) arguments.fail("reference", path, "cannot be read, or is empty");
  text.resize(size);
  MPI_Bcast(text.data(), static_cast<int>(size), MPI_CHAR, 0, comm);
  return text;
}

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
  has_reference_ = !reference.empty();
  has_lanterns_ = !cutoffs.empty();
  if (!has_reference_ && !has_lanterns_)
    arguments.fail("reference", "give a reference for similarity, cutoffs for lanterns, or both");
  if (has_reference_) use_reference(arguments, elements, reference);
  if (has_lanterns_) {
    cutoffs_ = pair_cutoffs(arguments, elements, cutoffs);
    roles_ = link_roles(arguments, elements, {{"center", center}, {"bridge", bridge}}, ligands, cutoffs_);
  }
  peratom_flag = 1;
  size_peratom_cols = columns;
}

void ComputeCrystalAtom::use_reference(const StyleArguments &arguments, const ElementMap &elements,
                                       const std::string &path)
{
  try {
    NamedEnvironments named = parse_environments(read_text(arguments, path), path);
    references_ = std::move(named.environments);
    const double cutoff = similarity_cutoff(references_, options_);
    const int types = atom_type_count(lmp);
    neighbor_type_.assign(types, -1);
    is_center_.assign(types, 0);
    similarity_cutoffs_ = PairCutoffs(types);
    for (const int type : elements.types_of(arguments, "reference", named.center)) is_center_[type] = 1;
    for (std::size_t e = 0; e < named.elements.size(); ++e)
      for (const int type : elements.types_of(arguments, "reference", named.elements[e])) {
        neighbor_type_[type] = static_cast<int>(e);
        for (int center = 0; center < types; ++center)
          if (is_center_[center]) similarity_cutoffs_.set(center, type, cutoff);
      }
  } catch (const Error &error) {
    arguments.fail(error);
  }
}

void ComputeCrystalAtom::init()
{
  require_cutoffs_covered(lmp, title, similarity_cutoffs_);
  require_cutoffs_covered(lmp, title, cutoffs_);
  request_full_list(lmp, this);
}

void ComputeCrystalAtom::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  array_atom = values_.fill(lmp, columns, -1.0);
  try {
    if (has_reference_) find_similarity();
    if (has_lanterns_) find_lanterns();
  } catch (const std::exception &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
}

void ComputeCrystalAtom::find_similarity()
{
  fill_local_bonds(lmp, title, list_, similarity_cutoffs_, bonds_);
  std::vector<int> centers, types;
  std::vector<std::int64_t> offsets{0};
  std::vector<Vec3> vectors;
  for (int i = 0; i < atom->nlocal; ++i) {
    if (!is_center_[bonds_.types[i]] || !(atom->mask[i] & groupbit)) continue;
    for (std::int64_t e = bonds_.offsets[i]; e < bonds_.offsets[i + 1]; ++e) {
      const int j = bonds_.targets[e];
      if (neighbor_type_[bonds_.types[j]] < 0) continue;
      types.push_back(neighbor_type_[bonds_.types[j]]);
      vectors.push_back(position(lmp, j) - position(lmp, i));
    }
    offsets.push_back(static_cast<std::int64_t>(vectors.size()));
    centers.push_back(i);
  }
  const std::vector<double> found = crystal_similarity(offsets, types, vectors, references_, options_);
  for (std::size_t k = 0; k < centers.size(); ++k) array_atom[centers[k]][0] = found[k];
}

void ComputeCrystalAtom::find_lanterns()
{
  constexpr int every_atom = 1;  // the bit of LAMMPS's group "all"
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
