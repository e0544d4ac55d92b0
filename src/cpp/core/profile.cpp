#include "core/profile.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace naglass {
namespace {

void check_height(double height)
{
  if (!(height > 0.0) || !std::isfinite(height)) throw Error("height", height, "must be a positive length");
}

}  // namespace

LayerBins LayerBins::across(double height, int bins)
{
  check_height(height);
  if (bins < 1) throw Error("bins", bins, "must be at least 1");
  LayerBins layers;
  layers.height_ = height;
  layers.bins_ = bins;
  return layers;
}

LayerBins LayerBins::around(double height, const Surfaces &surfaces, double width, int side)
{
  check_height(height);
  const double slab = surfaces.upper - surfaces.lower;
  if (!(slab >= 0.0 && slab <= height))
    throw Error("upper", surfaces.upper, "must be above `lower` by at most the cell");
  if (!(width > 0.0) || !std::isfinite(width)) throw Error("width", width, "must be a positive length");
  if (side < 1) throw Error("reach", side * width, "must be at least a bin");
  LayerBins layers;
  layers.height_ = height;
  layers.middle_ = 0.5 * (surfaces.lower + surfaces.upper);
  layers.half_slab_ = 0.5 * slab;
  layers.width_ = width;
  layers.side_ = side;
  return layers;
}

int LayerBins::of(double fraction) const
{
  if (side_ == 0) {
    const double wrapped = fraction - std::floor(fraction);
    return std::min(static_cast<int>(wrapped * bins_), bins_ - 1);
  }
  double from_middle = fraction * height_ - middle_;
  from_middle -= height_ * std::round(from_middle / height_);
  const double bin = std::floor((std::abs(from_middle) - half_slab_) / width_) + side_;
  if (!(bin >= 0.0 && bin < 2 * side_)) return -1;
  return static_cast<int>(bin) + (from_middle >= 0.0 ? 2 * side_ : 0);
}

std::vector<double> LayerBins::thickness() const
{
  if (side_ == 0) return std::vector<double>(static_cast<std::size_t>(bins_), height_ / bins_);
  const double least = -half_slab_, most = 0.5 * height_ - half_slab_;
  std::vector<double> thickness;
  for (int surface = 0; surface < 2; ++surface)
    for (int bin = -side_; bin < side_; ++bin)
      thickness.push_back(std::max(0.0, std::min((bin + 1) * width_, most) - std::max(bin * width_, least)));
  return thickness;
}

void add_to_layers(std::span<const int> bins, std::span<const double> values, std::span<double> numbers)
{
  for (std::size_t i = 0; i < bins.size(); ++i) {
    if (bins[i] < 0 || std::isnan(values[i])) continue;
    double *const bin = numbers.data() + static_cast<std::size_t>(bins[i]) * layer_numbers;
    bin[0] += 1.0;
    ExactSum::add_term(values[i], bin + 1);
  }
}

}  // namespace naglass
