#pragma once

#include <array>

#include "core/crystal.hpp"

namespace naglass {

/// A rotation matrix as rows, or another 3 x 3 matrix.
using Rotation = std::array<Vec3, 3>;

inline constexpr Rotation no_rotation{{{1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}, {0.0, 0.0, 1.0}}};

inline Vec3 turned(const Rotation &rotation, const Vec3 &r)
{ return {dot(rotation[0], r), dot(rotation[1], r), dot(rotation[2], r)}; }

/// The rotation R that makes Σ_rc h[r][c] R[r][c] largest: Horn, J. Opt. Soc. Am. A 4, 629 (1987).
Rotation horn(const Rotation &h);

/// The overlap of an environment with a turned reference; adds to `h` the weighted outer products of its pairs, from
/// which horn() gives a rotation with an overlap at least as large.
double turned_overlap(const EnvironmentView &environment, const EnvironmentView &reference, const Rotation &rotation,
                      double sigma, Rotation &h);

/// The rotation of the reference that best_overlap() finds, and the overlap there.
struct Match {
  double overlap;
  Rotation rotation;
};
Match best_match(const EnvironmentView &environment, const EnvironmentView &reference, double sigma);

/// Angle (degrees, 0 to 180) of the rotation that leads from one to the other.
double angle_between(const Rotation &from, const Rotation &to);

}  // namespace naglass
