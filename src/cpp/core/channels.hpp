#pragma once

#include <array>
#include <span>
#include <vector>

#include "core/box.hpp"
#include "core/translation_forest.hpp"

namespace naglass {

/// A grid of voxels over the cell, in C order (the last index runs fastest). Voxels are connected through their faces,
/// and across the boundary along periodic directions.
struct VoxelGrid {
  std::array<int, 3> shape;
  std::array<bool, 3> periodic;

  std::size_t voxels() const
  {
    return static_cast<std::size_t>(shape[0]) * static_cast<std::size_t>(shape[1]) * static_cast<std::size_t>(shape[2]);
  }
};

/// The largest level at which the voxels with at least that value percolate; NaN where even all voxels above `floor`
/// do not. Exact for the grid. O(n log n) in voxels.
/// Throws Error if the number of values does not match the grid, or a value is NaN.
PercolationLevels voxel_percolation(std::span<const double> values, const VoxelGrid &grid, double floor);

/// Per voxel: 1 if it belongs to a component of voxels of at least `level` that percolates in any direction, else 0.
/// Throws Error as voxel_percolation() does.
std::vector<char> percolating_voxels(std::span<const double> values, const VoxelGrid &grid, double level);

/// Distance (Å) from each voxel's center to the nearest surface of the spheres of `radii` (Å, at least 0) around
/// `positions`, images included; negative inside a sphere. Voxel (i, j, k) is centered at the fractional coordinates
/// (i + ½)/shape[0] ... of the cell. O(voxels) at fixed density; multithreaded.
/// Throws Error without spheres, for a radius that is negative or not finite, and as neighbor_list() does.
std::vector<double> surface_distance(std::span<const Vec3> positions, std::span<const double> radii, const Box &box,
                                     const std::array<int, 3> &shape);

}  // namespace naglass
