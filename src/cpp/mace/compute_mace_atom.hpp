// compute mace/atom: per-atom quantities of pair_style mace other than the force.
#pragma once

#include <string>
#include <vector>

#include "compute.h"

namespace naglass {

class PairMace;

class ComputeMaceAtom final : public LAMMPS_NS::Compute {
 public:
  ComputeMaceAtom(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);
  void init() override;
  void compute_peratom() override;
  double memory_usage() override;

 private:
  PairMace *pair_ = nullptr;
  std::vector<std::string> quantities_;
  std::vector<double> values_;
  std::vector<double *> rows_;
};

}  // namespace naglass
