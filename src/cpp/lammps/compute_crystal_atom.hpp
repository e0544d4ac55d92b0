// compute ID group naglass/crystal/atom keyword value ...
//
// Per-atom columns: 1 similarity (the reference's centers; -1 otherwise), 2 lanterns (center; -1 otherwise).
// Atoms outside the group read -1 -1; they still count as neighbors and partners.
#pragma once

#include <vector>

#include "atom_rows.hpp"
#include "core/environment_file.hpp"
#include "shared_ligands.hpp"

namespace naglass {

class ComputeCrystalAtom : public ImageCompute {
 public:
  ComputeCrystalAtom(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void compute_peratom() override;
  double memory_usage() override;

 private:
  void use_reference(const StyleArguments &arguments, const ElementMap &elements, const std::string &path);
  void find_similarity();
  void find_lanterns();
  std::vector<int> counts_of_owned(const std::vector<Link> &lanterns, const std::vector<std::int64_t> &tags) const;

  bool has_reference_ = false, has_lanterns_ = false;
  SimilarityOptions options_;
  std::vector<Environment> references_;
  std::vector<int> neighbor_type_;  // per atom type: its place among the reference's elements, or -1
  std::vector<char> is_center_;     // per atom type: center of the reference
  PairCutoffs similarity_cutoffs_{0};

  PairCutoffs cutoffs_{0};
  LinkRoles roles_;

  PerAtomColumns values_;
};

}  // namespace naglass
