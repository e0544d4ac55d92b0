#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// A read-only graph in CSR form: the neighbors of row i are entries offsets[i] ... offsets[i+1]-1.
/// Targets may be beyond the last row (ghost atoms of a parallel run).
struct GraphView {
  std::span<const std::int64_t> offsets;  // rows + 1
  std::span<const int> targets;
  std::span<const double> lengths;  // Å

  std::int64_t rows() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
};

/// A periodic graph: entry e of row i joins atom i to the image of atom targets[e] displaced by shifts[e], so that
/// r_ij = r_j - r_i + shift·cell and lengths[e] = |r_ij|. Both directions of a pair are present. Rows are sorted by
/// target, then shift. An atom may neighbor its own images.
struct PeriodicGraph {
  std::vector<std::int64_t> offsets{0};
  std::vector<int> targets;
  std::vector<Shift> shifts;
  std::vector<double> lengths;

  operator GraphView() const { return {offsets, targets, lengths}; }
};

/// All pairs closer than `cutoff` (Å), images included: any cell shape, also cells smaller than the cutoff.
/// Positions (Å) need not be wrapped. O(N) in the number of atoms at fixed density. Rows before `first_row` stay empty.
/// Throws Error for a cutoff that is not positive and finite, or positions that are not finite.
PeriodicGraph neighbor_list(std::span<const Vec3> positions, const Box &box, double cutoff, std::size_t first_row = 0);

}  // namespace naglass
