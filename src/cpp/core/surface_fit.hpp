#pragma once

#include <array>
#include <span>
#include <string>

#include "core/profile.hpp"

namespace naglass {

/// Where the order parameter of a slab (a crystal) gives way to that of its surroundings, by
///   s(z) = g + (c - g)/2 Σ_n [tanh((z - l - nH)/w_l) - tanh((z - u - nH)/w_u)],
/// averaged over each bin. For this form the dividing surface of equal areas (Gibbs) is at l and u.
struct SurfaceFit {
  std::string problem;            // why there are no surfaces; empty if there are
  Surfaces at;                    // Å; 0 <= lower < height, lower < upper < lower + height
  std::array<double, 2> width{};  // Å, from 10 to 90 % of the step: w ln 9
  double crystal = 0.0, outside = 0.0;  // levels c and g
  // Standard errors, from the scatter of the bins about the fit: lower, upper, both widths, c, g. NaN where a width is
  // below the resolution of the bins.
  std::array<double, 6> errors{};
};

/// Weighted least squares (Levenberg-Marquardt) over equal bins of a periodic cell of this height (Å): atoms in each bin,
/// and the sum of their order parameters. Depends on nothing but its arguments. Throws Error for too few bins.
SurfaceFit fit_surfaces(std::span<const double> atoms, std::span<const double> sums, double height);

}  // namespace naglass
