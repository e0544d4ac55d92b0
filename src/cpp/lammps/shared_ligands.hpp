// Links between centers across ranks: each ligand's owner sees all its bonds, each center's links meet on one rank.
#pragma once

#include <string>
#include <vector>

#include "bond_lists.hpp"
#include "compute.h"
#include "core/linkage.hpp"
#include "element_map.hpp"

namespace naglass {

/// Role of each atom type in the links: `kind` is the index of a center's kind or -1, `ligand` is nonzero for a ligand.
struct LinkRoles {
  std::vector<int> kind;
  std::vector<char> ligand;
};

/// An element's name and the keyword before it.
struct GivenName {
  std::string keyword, name;
};

/// Roles by name: the centers are the kinds in their order. Fails for a name with two roles, or without a cutoff
/// between a center and a ligand.
LinkRoles link_roles(const StyleArguments &arguments, const ElementMap &elements, const std::vector<GivenName> &centers,
                     const std::vector<std::string> &ligands, const PairCutoffs &cutoffs);

/// A compute that distinguishes the images of atoms through their owners' positions.
class ImageCompute : public LAMMPS_NS::Compute {
 public:
  ImageCompute(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  int pack_forward_comm(int count, int *atoms, double *buffer, int pbc_flag, int *pbc) override;
  void unpack_forward_comm(int count, int first, double *buffer) override;

 protected:
  /// The ligands that centers of the atom group `centers` share, each record on the rank that gathers for its center
  /// `a`. Ids are tags. Collective.
  std::vector<SharedLigand> shared_ligands(const std::string &title, const PairCutoffs &cutoffs, const LinkRoles &roles,
                                           int centers);

  LAMMPS_NS::NeighList *list_ = nullptr;
  LocalBonds bonds_;

 private:
  std::vector<double> owner_positions_;  // three per atom, owned then ghosts
};

/// The rank that gathers the records of an atom.
int gathering_rank(std::int64_t tag, int ranks);

/// Sends each record to the rank that gathers for its center `a`. Collective.
std::vector<SharedLigand> gather(MPI_Comm comm, const std::vector<SharedLigand> &records);

}  // namespace naglass
