#pragma once

#include <span>
#include <vector>

#include "core/neighbors.hpp"

namespace naglass {

/// Bond cutoffs (Å) per unordered pair of types; a pair without a cutoff never bonds.
class PairCutoffs {
 public:
  /// Throws Error if `types` is negative.
  explicit PairCutoffs(int types);

  /// Throws Error for a type out of range, or a cutoff that is not positive and finite.
  void set(int a, int b, double cutoff);
  /// Whether a pair at this distance (Å) is bonded.
  bool bonded(int a, int b, double length) const { return length < of_pair(a, b); }
  /// The pair's cutoff (Å), 0 where none is set.
  double of_pair(int a, int b) const { return cutoffs_[a * types_ + b]; }
  int types() const { return types_; }
  double largest() const { return largest_; }

 private:
  int types_;
  double largest_ = 0.0;
  std::vector<double> cutoffs_;
};

/// The periodic graph of bonds: atoms i and j (or its image) are joined when their distance is below the cutoff of
/// their types. `types` has one number in [0, cutoffs.types()) per atom. O(N).
/// Throws Error for types that do not match positions or cutoffs, and as neighbor_list() does.
PeriodicGraph bond_graph(std::span<const Vec3> positions, std::span<const int> types, const Box &box,
                         const PairCutoffs &cutoffs);

}  // namespace naglass
