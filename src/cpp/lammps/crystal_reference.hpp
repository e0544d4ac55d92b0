// The environments of a reference crystal, in the atom types of the simulation.
#pragma once

#include <string>
#include <vector>

#include "bond_lists.hpp"
#include "core/crystal.hpp"
#include "element_map.hpp"

namespace naglass {

class CrystalReference {
 public:
  /// Reads the file on rank 0 and sends it to all; fails for a bad line, or a name that is unknown. Collective.
  void read(const StyleArguments &arguments, const ElementMap &elements, const std::string &path,
            const SimilarityOptions &options);

  bool empty() const { return environments_.empty(); }
  const std::vector<Environment> &environments() const { return environments_; }
  bool is_center(int type) const { return is_center_[type]; }
  /// How far neighbors count, between a center and the elements of its neighbors.
  const PairCutoffs &cutoffs() const { return cutoffs_; }
  /// Appends the types and vectors of the neighbors in a group of an owned center; bonds by these cutoffs or longer
  /// ones.
  void surround(LAMMPS_NS::LAMMPS *lammps, const LocalBonds &bonds, int i, int groupbit, std::vector<int> &types,
                std::vector<Vec3> &vectors) const;

 private:
  std::vector<Environment> environments_;
  std::vector<int> neighbor_type_;  // per atom type: its place among the reference's elements, or -1
  std::vector<char> is_center_;     // per atom type
  PairCutoffs cutoffs_{0};
};

}  // namespace naglass
