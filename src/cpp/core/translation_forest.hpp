#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// A lattice of integer translations, kept as a basis in Hermite normal form: the same for any order of insertion.
class Sublattice {
 public:
  using Row = std::array<std::int64_t, 3>;

  /// Adds a generator; returns whether the lattice grew.
  bool add(Row translation);
  bool add(const Sublattice &other);
  int rank() const;
  /// Whether some translation moves along cell vector k.
  bool along(int k) const;
  /// Row k has its first nonzero entry, positive, in column k, or is zero.
  const std::array<Row, 3> &basis() const { return basis_; }

 private:
  void reduce();

  std::array<Row, 3> basis_{};
};

/// Connected components of a periodic graph that grows edge by edge: union-find in which every node stores its image
/// relative to its root, so a loop through the boundary appears as a translation of the component onto itself.
class TranslationForest {
 public:
  /// Nodes count from 0.
  explicit TranslationForest(std::size_t nodes);

  int root(int node);
  /// Adds the edge from a to the image of b displaced by `shift`. Returns whether the merged component has more
  /// translations than either part.
  bool join(int a, int b, const Shift &shift);
  /// Translations of the component of a root onto itself.
  const Sublattice &translations(int root) const;
  /// Nodes of the component of a root.
  int size(int root) const { return -parent_[root]; }

 private:
  std::vector<int> parent_;    // -size at a root
  std::vector<Shift> offset_;  // image of the node relative to its parent; zero at a root
  std::vector<int> path_;
  std::unordered_map<int, Sublattice> translations_;
};

/// The level at which a growing periodic graph first percolates, or NaN if it never does.
struct PercolationLevels {
  static constexpr double never = std::numeric_limits<double>::quiet_NaN();

  std::array<double, 3> dimension{never, never, never};  // [d]: in d + 1 independent directions at once
  std::array<double, 3> direction{never, never, never};  // [k]: along cell vector k

  /// Records the percolation of a component with these translations at `level`, unless already recorded.
  void note(const Sublattice &translations, double level);
};

}  // namespace naglass
