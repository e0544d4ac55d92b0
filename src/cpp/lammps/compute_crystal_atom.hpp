// compute ID group naglass/crystal/atom keyword value ...
//
// Per-atom columns: 1 similarity (the reference's centers; -1 otherwise), 2 lanterns (center; -1 otherwise).
// Atoms outside the group read -1 -1; they still count as neighbors and partners.
#pragma once

#include <vector>

#include "atom_rows.hpp"
#include "crystal_reference.hpp"
#include "shared_ligands.hpp"

namespace naglass {

class ComputeCrystalAtom : public ImageCompute {
 public:
  ComputeCrystalAtom(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void compute_peratom() override;
  double memory_usage() override;

 private:
  void find_similarity();
  void find_lanterns();
  std::vector<int> counts_of_owned(const std::vector<Link> &lanterns, const std::vector<std::int64_t> &tags) const;

  bool has_lanterns_ = false;
  SimilarityOptions options_;
  CrystalReference reference_;

  PairCutoffs cutoffs_{0};
  LinkRoles roles_;

  PerAtomColumns values_;
};

}  // namespace naglass
