// compute ID group naglass/linkage elements E1 ... EN center E cutoff A B distance ... keyword value ...
//
//   elements  one name per atom type; several types may share a name, NULL means no name (default: the label map)
//   center    center of a polyhedron; may be repeated
//   ligand    shared by polyhedra (default O); may be repeated
//   cutoff    bond cutoff (distance units) of a pair of names; once per pair
//
// Global array: a row per pair of centers (1-1, 1-2 ... 1-n, 2-2 ...), columns: pairs that share a corner, an edge, a
// face. Centers outside the group are ignored.
#pragma once

#include <vector>

#include "shared_ligands.hpp"
#include "style_arguments.hpp"

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
