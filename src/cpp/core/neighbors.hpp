#pragma once

#include <span>

#include "core/graph.hpp"

namespace naglass {

/// All pairs closer than `cutoff` (Å), images included: any cell shape, also cells smaller than the cutoff.
/// Positions (Å) need not be wrapped. O(N) in the number of atoms at fixed density. Rows before `first_row` stay empty.
/// Throws Error for a cutoff that is not positive and finite, or positions that are not finite.
PeriodicGraph neighbor_list(std::span<const Vec3> positions, const Box &box, double cutoff, std::size_t first_row = 0);

}  // namespace naglass
