#include "compute_linkage.hpp"

#include <exception>
#include <string>

#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "compute naglass/linkage";
constexpr int columns = 3;

}  // namespace

ComputeLinkage::ComputeLinkage(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : ImageCompute(lammps, narg, arg)
{
  StyleArguments arguments(lammps, title, narg, arg);
  ElementMap elements;
  std::vector<NamedCutoff> cutoffs;
  std::vector<std::string> centers, ligands{"O"};
  arguments.read({
      elements.keyword(),
      {"center", each_word_into(centers, "E"), "center of a polyhedron"},
      {"ligand", each_word_into(ligands, "E"), "shared by polyhedra"},
      cutoff_keyword(cutoffs),
  });
  if (centers.empty()) arguments.fail("center", "name at least one");
  std::vector<GivenName> kinds;
  for (const std::string &name : centers) kinds.push_back({"center", name});
  cutoffs_ = pair_cutoffs(arguments, elements, cutoffs);
  roles_ = link_roles(arguments, elements, kinds, ligands, cutoffs_);
  kinds_ = static_cast<int>(centers.size());

  array_flag = 1;
  size_array_rows = kinds_ * (kinds_ + 1) / 2;
  size_array_cols = columns;
  extarray = 1;
  values_.resize(static_cast<std::size_t>(size_array_rows) * columns);
  for (int row = 0; row < size_array_rows; ++row) rows_.push_back(values_.data() + row * columns);
  array = rows_.data();
}

void ComputeLinkage::init()
{
  require_cutoffs_covered(lmp, title, cutoffs_);
  request_full_list(lmp, this);
}

void ComputeLinkage::compute_array()
{
  invoked_array = update->ntimestep;
  try {
    const std::vector<Link> links = count_shared(shared_ligands(title, cutoffs_, roles_, groupbit));
    std::vector<LinkCounts> counts = linkage_counts(links, kinds_);
    MPI_Allreduce(MPI_IN_PLACE, counts.data(), columns * size_array_rows, MPI_INT64_T, MPI_SUM, world);
    for (int row = 0; row < size_array_rows; ++row)
      for (int k = 0; k < columns; ++k) array[row][k] = static_cast<double>(counts[row][k]);
  } catch (const std::exception &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
}

double ComputeLinkage::memory_usage() { return bonds_.memory(); }

}  // namespace naglass
