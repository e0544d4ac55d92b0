#include "crystal_reference.hpp"

#include <fstream>
#include <sstream>

#include "access.hpp"
#include "atom_rows.hpp"
#include "core/environment_file.hpp"

namespace naglass {
namespace {

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

void CrystalReference::read(const StyleArguments &arguments, const ElementMap &elements, const std::string &path,
                            const SimilarityOptions &options)
{
  try {
    NamedEnvironments named = parse_environments(read_text(arguments, path), path);
    environments_ = std::move(named.environments);
    const double cutoff = similarity_cutoff(environments_, options);
    const int types = atom_type_count(arguments.lammps());
    neighbor_type_.assign(types, -1);
    is_center_.assign(types, 0);
    cutoffs_ = PairCutoffs(types);
    for (const int type : elements.types_of(arguments, "reference", named.center)) is_center_[type] = 1;
    for (std::size_t e = 0; e < named.elements.size(); ++e)
      for (const int type : elements.types_of(arguments, "reference", named.elements[e])) {
        neighbor_type_[type] = static_cast<int>(e);
        for (int center = 0; center < types; ++center)
          if (is_center_[center]) cutoffs_.set(center, type, cutoff);
      }
  } catch (const Error &error) {
    arguments.fail(error);
  }
}

void CrystalReference::surround(LAMMPS_NS::LAMMPS *lammps, const LocalBonds &bonds, int i, int groupbit,
                                std::vector<int> &types, std::vector<Vec3> &vectors) const
{
  const OwnedAtoms atoms(lammps, "naglass");
  for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e) {
    const int j = bonds.targets[e], type = bonds.types[j];
    if (neighbor_type_[type] < 0 || !atoms.in_group(j, groupbit) ||
        !cutoffs_.bonded(bonds.types[i], type, bonds.lengths[e]))
      continue;
    types.push_back(neighbor_type_[type]);
    vectors.push_back(position(lammps, j) - position(lammps, i));
  }
}

}  // namespace naglass
