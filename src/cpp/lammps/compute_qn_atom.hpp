// compute ID group naglass/qn/atom keyword value ...
//
// Per-atom columns: 1 n of Q^n, 2 m of Q^n_m (formers; -1 otherwise), 3 oxygen class (oxygens; 0 otherwise).
// Atoms outside the group read -1 -1 0; they still count as bond partners.
#pragma once

#include <vector>

#include "atom_rows.hpp"
#include "bond_lists.hpp"
#include "compute.h"
#include "core/qn.hpp"
#include "element_map.hpp"

namespace naglass {

class ComputeQnAtom : public LAMMPS_NS::Compute {
 public:
  ComputeQnAtom(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  void compute_peratom() override;
  int pack_forward_comm(int count, int *atoms, double *buffer, int pbc_flag, int *pbc) override;
  void unpack_forward_comm(int count, int first, double *buffer) override;
  double memory_usage() override;

 private:
  void assign_roles(const StyleArguments &arguments, const ElementMap &elements, const char *keyword, Role role,
                    const std::vector<std::string> &names);
  void require_cutoffs(const StyleArguments &arguments) const;
  void expose(const OxygenBonds &oxygens, const FormerLinks &links);

  PairCutoffs cutoffs_{0};
  std::vector<Role> roles_;
  double vanadyl_cutoff_ = QnOptions{}.vanadyl_cutoff;

  LAMMPS_NS::NeighList *list_ = nullptr;
  LocalBonds bonds_;
  std::vector<int> formers_, metals_;  // of oxygens, owned then ghosts
  PerAtomColumns values_;
};

}  // namespace naglass
