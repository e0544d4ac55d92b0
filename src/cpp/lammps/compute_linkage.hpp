// compute ID group naglass/linkage keyword value ...
//
// Global array: a row per pair of centers (1-1, 1-2 ... 1-n, 2-2 ...), columns: pairs that share a corner, an edge, a
// face. Centers outside the group are ignored.
#pragma once

#include <vector>

#include "shared_ligands.hpp"

namespace naglass {

class ComputeLinkage : public ImageCompute {
 public:
  ComputeLinkage(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void compute_array() override;
  double memory_usage() override;

 private:
  PairCutoffs cutoffs_{0};
  LinkRoles roles_;
  int kinds_ = 0;
  std::vector<double> values_;
  std::vector<double *> rows_;
};

}  // namespace naglass
