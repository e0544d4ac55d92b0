#include "core/neighbors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <tuple>

#include "core/bins.hpp"
#include "core/error.hpp"
#include "core/interrupt.hpp"

namespace naglass {
namespace {

struct Neighbor {
  int target;
  Shift shift;
  double length;
};

// About 2 GB of pairs, and no more per atom than are within about 70 Å in an oxide
constexpr double most_pairs = 1e8, most_of_one = 1e5;

void check_pairs(const Bins &bins, double cutoff, const Box &box, std::size_t atoms)
{
  const double candidates = bins.candidates();
  double pairs = candidates;
  if (box.periodic(0) && box.periodic(1) && box.periodic(2)) {
    constexpr double unit_sphere = 4.18879020478639098;
    const double n = static_cast<double>(atoms);
    pairs = std::min(pairs, unit_sphere * cutoff * cutoff * cutoff * n * n / box.volume());
  }
  const double limit = std::min(most_pairs, most_of_one * static_cast<double>(atoms));
  if (pairs <= limit && candidates <= 100.0 * most_pairs) return;
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", pairs);
  throw Error("cutoff", cutoff,
              "about " + std::string(text) +
                  " pairs of atoms are within it, too many to list; check the cutoff, the cell and the positions (Å)");
}

}  // namespace

PeriodicGraph neighbor_list(std::span<const Vec3> positions, const Box &box, double cutoff, std::size_t first_row)
{
  const Bins bins(positions, box, cutoff);
  check_pairs(bins, cutoff, box, positions.size());
  const Interrupt interrupt = Interrupt::current();
  const double cutoff_squared = cutoff * cutoff;
  PeriodicGraph graph;
  graph.offsets.reserve(positions.size() + 1);
  graph.offsets.resize(std::min(first_row, positions.size()) + 1, 0);
  std::vector<Neighbor> row;

  for (std::size_t i = first_row; i < positions.size(); ++i) {
    row.clear();
    interrupt.check();
    const Shift &own = bins.of(i).wrapping;
    bins.visit_near(bins.of(i).bin, [&](int j, const Shift &cells) {
      const Shift &other = bins.of(j).wrapping;
      const Shift shift{cells[0] + other[0] - own[0], cells[1] + other[1] - own[1], cells[2] + other[2] - own[2]};
      if (static_cast<std::size_t>(j) == i && shift == Shift{}) return;
      // In this order the pair seen from j is the exact negative, so both directions agree.
      const Vec3 r = (positions[j] - positions[i]) + box.lattice_vector(shift);
      const double squared = dot(r, r);
      if (squared < cutoff_squared) row.push_back({j, shift, std::sqrt(squared)});
    });
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
