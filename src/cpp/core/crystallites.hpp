#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/rotation.hpp"

namespace naglass {

/// Connected groups of crystalline atoms, the largest first, ties ordered by lowest row.
struct Crystallites {
  std::vector<int> labels;  // of each row
  std::vector<std::int64_t> sizes;
  std::vector<int> dimensions;    // in which each extends through the periodic cell, 0 to 3
  std::vector<Vec3> centers;      // mean position (Å), in the image of its lowest row; NaN if it extends
  std::vector<double> gyration;   // radius of gyration (Å); NaN if it extends
};

/// Crystalline atoms that are closer than `cutoff` (Å) belong together. O(N).
/// Throws Error as neighbor_list() does.
Crystallites find_crystallites(std::span<const Vec3> positions, const Box &box, double cutoff);

/// How a crystallite is oriented: the rotation of the reference for which the mean similarity of its atoms (the overlap
/// with the best of the turned references) is largest.
struct Orientation {
  Rotation rotation = no_rotation;
  double similarity = 0.0;
};

/// Neighbors of the crystallite's atoms in CSR form, as for crystal_similarity(); `references` are all environments of
/// the crystal in one orientation. Follows `last` through the symmetry of the crystal, as long as the similarity stays
/// above 0.9 of what it was; else climbs from no rotation and from the best rotations of a few atoms, and takes a later
/// one only if it is clearly better. From 200 of the atoms, evenly spaced, at most.
/// Throws Error as crystal_similarity() does, or without atoms.
Orientation find_orientation(std::span<const std::int64_t> offsets, std::span<const int> types,
                             std::span<const Vec3> vectors, std::span<const Environment> references, double sigma,
                             const std::optional<Orientation> &last);

}  // namespace naglass
