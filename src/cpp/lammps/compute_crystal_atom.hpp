// compute ID group naglass/crystal/atom elements E1 ... EN keyword value ...
//
//   elements     one name per atom type; several types may share a name, NULL means no name (default: the label map)
//   reference    file of the crystal's environments; without it there is no similarity
//   sigma        width of the Gaussians (distance units, default 0.4)
//   sharpness    of the choice between several environments (default 100)
//   reach        neighbors count up to this many sigma beyond a reference's farthest one (default 4)
//   orientation  fixed (default): the crystal as given in the file; any: after the best rotation
//   cutoff       bond cutoff (distance units) of a pair of names; once per pair; without cutoffs, no lanterns
//   center       center of lanterns (default V)
//   bridge       three of these form a lantern (default P)
//   ligand       bonds a center to a bridge (default O); may be repeated
//
// Per-atom columns: 1 similarity (the reference's centers; -1 otherwise), 2 lanterns (center; -1 otherwise).
// Atoms outside the group read -1 -1; they still count as neighbors and partners.
#pragma once

#include <vector>

#include "core/environment_file.hpp"
#include "shared_ligands.hpp"
#include "style_arguments.hpp"

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

  std::vector<double> values_;
  std::vector<double *> rows_;
};

}  // namespace naglass
