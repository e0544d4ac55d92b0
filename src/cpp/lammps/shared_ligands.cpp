#include "shared_ligands.hpp"

#include <algorithm>

#include "atom.h"
#include "atom_rows.hpp"
#include "comm.h"
#include "exchange.hpp"

namespace naglass {

LinkRoles link_roles(const StyleArguments &arguments, const ElementMap &elements, const std::vector<GivenName> &centers,
                     const std::vector<std::string> &ligands, const PairCutoffs &cutoffs)
{
  LinkRoles roles{std::vector<int>(cutoffs.types(), -1), std::vector<char>(cutoffs.types(), 0)};
  for (std::size_t kind = 0; kind < centers.size(); ++kind)
    for (const int type : elements.types_of(arguments, centers[kind].keyword, centers[kind].name)) {
      if (roles.kind[type] >= 0) arguments.fail(centers[kind].keyword, centers[kind].name, "already has a role");
      roles.kind[type] = static_cast<int>(kind);
    }
  for (const std::string &ligand : ligands)
    for (const int type : elements.types_of(arguments, "ligand", ligand)) {
      if (roles.kind[type] >= 0 || roles.ligand[type]) arguments.fail("ligand", ligand, "already has a role");
      roles.ligand[type] = 1;
    }
  for (int a = 0; a < cutoffs.types(); ++a)
    for (int b = 0; b < cutoffs.types(); ++b)
      if (roles.kind[a] >= 0 && roles.ligand[b] && cutoffs.of_pair(a, b) == 0.0)
        arguments.fail("cutoff", "of atom types " + std::to_string(a + 1) + " and " + std::to_string(b + 1),
                       "is missing; each center needs a cutoff with each ligand");
  return roles;
}

ImageCompute::ImageCompute(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Compute(lammps, narg, arg)
{ comm_forward = 3; }

void ImageCompute::init_list(int, LAMMPS_NS::NeighList *list) { list_ = list; }

std::vector<SharedLigand> ImageCompute::shared_ligands(const std::string &title, const PairCutoffs &cutoffs,
                                                       const LinkRoles &roles, int centers)
{
  fill_local_bonds(lmp, title, list_, cutoffs, bonds_);
  owner_positions_.resize(3 * bonds_.types.size());
  for (int i = 0; i < atom->nlocal; ++i) {
    const Vec3 at = position(lmp, i);
    for (int d = 0; d < 3; ++d) owner_positions_[3 * static_cast<std::size_t>(i) + d] = at[d];
  }
  comm->forward_comm(this);
  const std::vector<Shift> images = image_shifts(lmp, owner_positions_);

  const OwnedAtoms atoms(lmp, title);
  const GraphView bonds = bonds_.view();
  std::vector<SharedLigand> records;
  std::vector<CenterImage> around;
  for (int i = 0; i < bonds.rows(); ++i) {
    if (!roles.ligand[bonds_.types[i]]) continue;
    around.clear();
    for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e) {
      const int j = bonds.targets[e], kind = roles.kind[bonds_.types[j]];
      if (kind >= 0 && atoms.in_group(j, centers)) around.push_back({atoms.tag(j), kind, images[j]});
    }
    append_shared(around, records);
  }
  return gather(world, records);
}

int ImageCompute::pack_forward_comm(int count, int *atoms, double *buffer, int, int *)
{
  for (int k = 0; k < count; ++k)
    for (int d = 0; d < 3; ++d) buffer[3 * k + d] = owner_positions_[3 * static_cast<std::size_t>(atoms[k]) + d];
  return 3 * count;
}

void ImageCompute::unpack_forward_comm(int count, int first, double *buffer)
{
  std::copy_n(buffer, 3 * static_cast<std::size_t>(count),
              owner_positions_.begin() + 3 * static_cast<std::ptrdiff_t>(first));
}

int gathering_rank(std::int64_t tag, int ranks) { return static_cast<int>(tag % ranks); }

std::vector<SharedLigand> gather(MPI_Comm comm, const std::vector<SharedLigand> &records)
{
  int ranks;
  MPI_Comm_size(comm, &ranks);
  std::vector<std::vector<SharedLigand>> leaving(ranks);
  for (const SharedLigand &record : records) leaving[gathering_rank(record.a, ranks)].push_back(record);
  return exchange_records(comm, leaving).records;
}

}  // namespace naglass
