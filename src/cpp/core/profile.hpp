#pragma once

#include <span>
#include <vector>

#include "core/exact_sum.hpp"

namespace naglass {

/// Positions (Å) of the two surfaces of a slab along a periodic axis of the cell; the slab lies between them.
struct Surfaces {
  double lower = 0.0, upper = 0.0;
};

/// Bins of one frame along an axis of the cell. Distances are normal to the faces that the axis connects; the height is
/// the distance between these faces (Å).
class LayerBins {
 public:
  /// Equal bins over the whole cell, in one row.
  static LayerBins across(double height, int bins);
  /// For each of the two surfaces, lower first, 2 · `side` bins of a width (Å) by the distance to it, which is negative
  /// within the slab. An atom belongs to the nearer surface: the middles of the slab and of what surrounds it are the
  /// limits. Throws Error for surfaces that are not a height apart at most.
  static LayerBins around(double height, const Surfaces &surfaces, double width, int side);

  int count() const { return side_ > 0 ? 4 * side_ : bins_; }
  /// Bin of a fractional coordinate along the axis; -1 for atoms out of reach.
  int of(double fraction) const;
  /// Thickness (Å) of the part of each bin that lies between the limits.
  std::vector<double> thickness() const;

 private:
  LayerBins() = default;

  double height_ = 0.0;
  int bins_ = 0;
  double middle_ = 0.0, half_slab_ = 0.0, width_ = 0.0;
  int side_ = 0;  // 0 for bins across the cell
};

/// In each bin, how many atoms count and the exact sum of their values.
constexpr int layer_numbers = 1 + ExactSum::parts;

/// Adds one value per atom to the numbers of its bin (`layer_numbers` per bin, -1 for no bin); an atom whose value is NaN
/// does not count. Numbers of several ranks may be added up in any order.
void add_to_layers(std::span<const int> bins, std::span<const double> values, std::span<double> numbers);

}  // namespace naglass
