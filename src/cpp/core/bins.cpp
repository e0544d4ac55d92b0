#include "core/bins.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

// Beyond these, integer shifts or memory would overflow: such input is an error.
constexpr double most_images = 1000.0;
constexpr double most_cells_away = 1e8;

void check(std::span<const Vec3> positions, double cutoff)
{
  if (!(cutoff > 0.0) || !std::isfinite(cutoff)) throw Error("cutoff", cutoff, "must be a positive number (Å)");
  if (positions.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error("positions", std::to_string(positions.size()) + " atoms", "too many for a 32-bit integer");
  for (std::size_t i = 0; i < positions.size(); ++i)
    for (const double value : positions[i])
      if (!std::isfinite(value))
        throw Error("positions[" + std::to_string(i) + "]", value, "must be finite numbers (Å)");
}

}  // namespace

// A few atoms in a large empty cell must not create many bins.
void Bins::choose_grid(const std::array<double, 3> &width, double cutoff, std::size_t atoms)
{
  // The margin covers rounding of the fractional coordinates at a bin's edge.
  const double reach = cutoff * (1.0 + 1e-9);
  for (int k = 0; k < 3; ++k) count_[k] = static_cast<int>(std::clamp(std::floor(width[k] / reach), 1.0, 1e6));
  const double most = 64.0 + 4.0 * static_cast<double>(atoms);
  while (static_cast<double>(count_[0]) * count_[1] * count_[2] > most)
    *std::max_element(count_.begin(), count_.end()) /= 2;

  for (int k = 0; k < 3; ++k) {
    if (!box_.periodic(k)) {
      reach_[k] = count_[k] > 1 ? static_cast<int>(std::ceil(reach * count_[k] / width[k])) : 0;
      continue;
    }
    const double images = std::ceil(reach * count_[k] / width[k]);
    if (images > most_images)
      throw Error("cutoff", cutoff, "spans too many images of a cell of height " + number_text(width[k]) + " Å");
    reach_[k] = static_cast<int>(images);
  }
}

Bins::Bins(std::span<const Vec3> positions, const Box &box, double cutoff) : box_(box)
{
  check(positions, cutoff);
  const std::size_t n = positions.size();
  std::vector<Vec3> fractions(n);
  for (std::size_t i = 0; i < n; ++i) fractions[i] = box.to_fractional(positions[i]);
  for (int k = 0; k < 3; ++k) {
    if (box.periodic(k) || n == 0) continue;
    const auto [low, high] = std::minmax_element(fractions.begin(), fractions.end(),
                                                 [k](const Vec3 &a, const Vec3 &b) { return a[k] < b[k]; });
    low_[k] = (*low)[k];
    high_[k] = (*high)[k];
  }
  std::array<double, 3> width;
  for (int k = 0; k < 3; ++k) width[k] = (high_[k] - low_[k]) * box.height(k);
  choose_grid(width, cutoff, n);

  first_.assign(static_cast<std::size_t>(count_[0]) * count_[1] * count_[2] + 1, 0);
  places_.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    places_.push_back(place_fraction(fractions[i], positions[i], i));
    ++first_[index(places_[i].bin) + 1];
  }
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  std::vector<int> next(first_.begin(), first_.end() - 1);
  atoms_.resize(n);
  for (std::size_t i = 0; i < n; ++i) atoms_[next[index(places_[i].bin)]++] = static_cast<int>(i);
}

double Bins::candidates() const
{
  double near = static_cast<double>(atoms_.size());
  for (int k = 0; k < 3; ++k) {
    const double seen = 2.0 * reach_[k] + 1.0;
    near *= (box_.periodic(k) ? seen : std::min<double>(seen, count_[k])) / count_[k];
  }
  return near * static_cast<double>(atoms_.size());
}

Bins::Place Bins::place(const Vec3 &position) const
{ return place_fraction(box_.to_fractional(position), position, 0); }

Bins::Place Bins::place_fraction(Vec3 fraction, const Vec3 &position, std::size_t i) const
{
  Place place{};
  for (int k = 0; k < 3; ++k) {
    double &f = fraction[k];
    if (box_.periodic(k)) {
      const double whole = std::floor(f);
      if (std::abs(whole) > most_cells_away)
        throw Error("positions[" + std::to_string(i) + "]", position[k], "is too many cells away to be wrapped");
      place.wrapping[k] = -static_cast<int>(whole);
      f -= whole;
    }
    const double span = high_[k] - low_[k];
    const double bin = span > 0.0 ? (f - low_[k]) / span * count_[k] : 0.0;
    place.bin[k] = static_cast<int>(std::clamp(bin, 0.0, count_[k] - 1.0));
  }
  return place;
}

std::vector<Bins::Image> Bins::images_along(int k, int center) const
{
  std::vector<Image> images;
  const int count = count_[k];
  for (int place = center - reach_[k]; place <= center + reach_[k]; ++place) {
    if (!box_.periodic(k) && (place < 0 || place >= count)) continue;
    const int cells = place >= 0 ? place / count : -((count - 1 - place) / count);
    images.push_back({place - cells * count, cells});
  }
  return images;
}

}  // namespace naglass
