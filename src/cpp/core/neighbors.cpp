#include "core/neighbors.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>

#include "core/error.hpp"

namespace naglass {
namespace {

// Atoms sorted into a grid of bins over the cell; along a direction that is not periodic the grid spans the atoms.
struct Bins {
  std::array<int, 3> count;
  std::array<int, 3> reach;  // how many bins away a neighbour can be
  std::vector<int> first;    // atoms[first[b]] ... atoms[first[b+1]-1] are in bin b
  std::vector<int> atoms;
  std::vector<Shift> bin_of;    // per atom
  std::vector<Shift> wrapping;  // per atom: lattice shift that brings it into the cell

  int index(const Shift &bin) const { return (bin[0] * count[1] + bin[1]) * count[2] + bin[2]; }
};

// Beyond these, integer shifts or memory would overflow: such input is a mistake.
constexpr double most_images = 1000.0;
constexpr double most_cells_away = 1e8;

struct Neighbor {
  int target;
  Shift shift;
  double length;
};

void check(std::span<const Vec3> positions, double cutoff)
{
  if (!(cutoff > 0.0) || !std::isfinite(cutoff))
    throw Error("cutoff", std::to_string(cutoff), "must be a positive number (Å)");
  if (positions.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error("positions", std::to_string(positions.size()) + " atoms", "more than an int can count");
  for (std::size_t i = 0; i < positions.size(); ++i)
    for (const double value : positions[i])
      if (!std::isfinite(value))
        throw Error("positions[" + std::to_string(i) + "]", std::to_string(value), "must be finite numbers (Å)");
}

// Bins at least as wide as the cutoff, but not many more bins than atoms (a few atoms in a large empty cell).
void choose_grid(Bins &bins, const Box &box, const std::array<double, 3> &width, double cutoff, std::size_t atoms)
{
  // The margin covers rounding of the fractional coordinates at a bin's edge.
  const double reach = cutoff * (1.0 + 1e-9);
  for (int k = 0; k < 3; ++k) bins.count[k] = static_cast<int>(std::clamp(std::floor(width[k] / reach), 1.0, 1e6));
  const double most = 64.0 + 4.0 * static_cast<double>(atoms);
  while (static_cast<double>(bins.count[0]) * bins.count[1] * bins.count[2] > most)
    *std::max_element(bins.count.begin(), bins.count.end()) /= 2;

  for (int k = 0; k < 3; ++k) {
    if (!box.periodic(k)) {
      bins.reach[k] = bins.count[k] > 1 ? static_cast<int>(std::ceil(reach * bins.count[k] / width[k])) : 0;
      continue;
    }
    const double images = std::ceil(reach * bins.count[k] / width[k]);
    if (images > most_images)
      throw Error("cutoff", std::to_string(cutoff),
                  "spans too many images of a cell of height " + std::to_string(width[k]) + " Å");
    bins.reach[k] = static_cast<int>(images);
  }
}

Bins fill_bins(std::span<const Vec3> positions, const Box &box, double cutoff)
{
  Bins bins;
  const std::size_t n = positions.size();
  std::vector<Vec3> fractional(n);
  bins.wrapping.resize(n);
  Vec3 low{0.0, 0.0, 0.0}, high{1.0, 1.0, 1.0};
  for (int k = 0; k < 3; ++k)
    if (!box.periodic(k) && n > 0) low[k] = std::numeric_limits<double>::max(), high[k] = -low[k];
  for (std::size_t i = 0; i < n; ++i) {
    fractional[i] = box.to_fractional(positions[i]);
    for (int k = 0; k < 3; ++k) {
      double &f = fractional[i][k];
      if (box.periodic(k)) {
        const double whole = std::floor(f);
        if (std::abs(whole) > most_cells_away)
          throw Error("positions[" + std::to_string(i) + "]", std::to_string(positions[i][k]),
                      "lies too many cells away to be wrapped");
        bins.wrapping[i][k] = -static_cast<int>(whole);
        f -= whole;
      } else {
        low[k] = std::min(low[k], f);
        high[k] = std::max(high[k], f);
      }
    }
  }

  std::array<double, 3> width;
  for (int k = 0; k < 3; ++k) width[k] = (high[k] - low[k]) * box.height(k);
  choose_grid(bins, box, width, cutoff, n);

  bins.bin_of.resize(n);
  bins.first.assign(static_cast<std::size_t>(bins.count[0]) * bins.count[1] * bins.count[2] + 1, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (int k = 0; k < 3; ++k) {
      const double span = high[k] - low[k];
      const double place = span > 0.0 ? (fractional[i][k] - low[k]) / span * bins.count[k] : 0.0;
      bins.bin_of[i][k] = std::clamp(static_cast<int>(place), 0, bins.count[k] - 1);
    }
    ++bins.first[bins.index(bins.bin_of[i]) + 1];
  }
  std::partial_sum(bins.first.begin(), bins.first.end(), bins.first.begin());
  std::vector<int> next(bins.first.begin(), bins.first.end() - 1);
  bins.atoms.resize(n);
  for (std::size_t i = 0; i < n; ++i) bins.atoms[next[bins.index(bins.bin_of[i])]++] = static_cast<int>(i);
  return bins;
}

// A bin along one direction seen from a neighbouring one: where it lies in the grid, and how many cells away.
struct BinImage {
  int bin;
  int cells;
};

void images_along(const Bins &bins, const Box &box, int k, int centre, std::vector<BinImage> &images)
{
  images.clear();
  const int count = bins.count[k];
  for (int place = centre - bins.reach[k]; place <= centre + bins.reach[k]; ++place) {
    if (!box.periodic(k) && (place < 0 || place >= count)) continue;
    const int cells = place >= 0 ? place / count : -((count - 1 - place) / count);
    images.push_back({place - cells * count, cells});
  }
}

}  // namespace

PeriodicGraph neighbor_list(std::span<const Vec3> positions, const Box &box, double cutoff)
{
  check(positions, cutoff);
  const Bins bins = fill_bins(positions, box, cutoff);
  const double cutoff_squared = cutoff * cutoff;
  PeriodicGraph graph;
  graph.offsets.reserve(positions.size() + 1);
  std::vector<Neighbor> row;
  std::array<std::vector<BinImage>, 3> images;

  for (std::size_t i = 0; i < positions.size(); ++i) {
    row.clear();
    for (int k = 0; k < 3; ++k) images_along(bins, box, k, bins.bin_of[i][k], images[k]);
    for (const BinImage &a : images[0])
      for (const BinImage &b : images[1])
        for (const BinImage &c : images[2]) {
          const int bin = bins.index({a.bin, b.bin, c.bin});
          for (int entry = bins.first[bin]; entry < bins.first[bin + 1]; ++entry) {
            const int j = bins.atoms[entry];
            const Shift shift{a.cells + bins.wrapping[j][0] - bins.wrapping[i][0],
                              b.cells + bins.wrapping[j][1] - bins.wrapping[i][1],
                              c.cells + bins.wrapping[j][2] - bins.wrapping[i][2]};
            if (static_cast<std::size_t>(j) == i && shift == Shift{}) continue;
            // In this order the pair seen from j is the exact negative, so that both directions agree.
            const Vec3 r = (positions[j] - positions[i]) + box.lattice_vector(shift);
            const double squared = dot(r, r);
            if (squared < cutoff_squared) row.push_back({j, shift, std::sqrt(squared)});
          }
        }
    std::sort(row.begin(), row.end(), [](const Neighbor &p, const Neighbor &q) {
      return std::tie(p.target, p.shift) < std::tie(q.target, q.shift);
    });
    for (const Neighbor &neighbor : row) {
      graph.targets.push_back(neighbor.target);
      graph.shifts.push_back(neighbor.shift);
      graph.lengths.push_back(neighbor.length);
    }
    graph.offsets.push_back(static_cast<std::int64_t>(graph.targets.size()));
  }
  return graph;
}

}  // namespace naglass
