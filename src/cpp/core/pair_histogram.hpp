#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// Atoms at two times (or at one, with the same positions twice): atom i is at centers[i] and, later, at others[i].
struct PairHistogramInput {
  std::span<const Vec3> centers, others;  // Å, need not be wrapped
  std::span<const int> types;             // per atom, in [0, type_count)
  int type_count = 1;
};

/// Number of ordered pairs i ≠ j, images included, per types of i and j and bin of the distance |others[j] + shift -
/// centers[i]|: bins of equal width up to `reach` (Å), index (type_i · type_count + type_j) · bins + bin. An atom's own
/// images count, the atom itself does not. O(N reach³) at fixed density; the same for any number of threads. Throws
/// Error for sizes that differ, types out of range, fewer than one bin, and as neighbor_list() does.
std::vector<std::int64_t> pair_histogram(const PairHistogramInput &input, const Box &box, double reach, int bins);

}  // namespace naglass
