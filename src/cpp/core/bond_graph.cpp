#include "core/bond_graph.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"

namespace naglass {

PairCutoffs::PairCutoffs(int types) : types_(types)
{
  if (types < 0) throw Error("types", std::to_string(types), "must not be negative");
  cutoffs_.assign(static_cast<std::size_t>(types) * types, 0.0);
}

void PairCutoffs::set(int a, int b, double cutoff)
{
  const std::string name = "cutoff[" + std::to_string(a) + "," + std::to_string(b) + "]";
  if (std::min(a, b) < 0 || std::max(a, b) >= types_)
    throw Error(name, cutoff, "types run from 0 to " + std::to_string(types_ - 1));
  if (!(cutoff > 0.0) || !std::isfinite(cutoff)) throw Error(name, cutoff, "must be a positive number (Å)");
  cutoffs_[a * types_ + b] = cutoffs_[b * types_ + a] = cutoff;
  largest_ = std::max(largest_, cutoff);
}

PeriodicGraph bond_graph(std::span<const Vec3> positions, std::span<const int> types, const Box &box,
                         const PairCutoffs &cutoffs)
{
  if (types.size() != positions.size())
    throw Error("types", std::to_string(types.size()) + " entries",
                "there are " + std::to_string(positions.size()) + " positions");
  for (std::size_t i = 0; i < types.size(); ++i)
    if (types[i] < 0 || types[i] >= cutoffs.types())
      throw Error("types[" + std::to_string(i) + "]", std::to_string(types[i]),
                  "types run from 0 to " + std::to_string(cutoffs.types() - 1));

  PeriodicGraph graph;
  graph.offsets.reserve(positions.size() + 1);
  if (cutoffs.largest() == 0.0) {
    graph.offsets.assign(positions.size() + 1, 0);
    return graph;
  }
  const PeriodicGraph near = neighbor_list(positions, box, cutoffs.largest());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    for (std::int64_t e = near.offsets[i]; e < near.offsets[i + 1]; ++e) {
      const int j = near.targets[e];
      if (!cutoffs.bonded(types[i], types[j], near.lengths[e])) continue;
      graph.targets.push_back(j);
      graph.shifts.push_back(near.shifts[e]);
      graph.lengths.push_back(near.lengths[e]);
    }
    graph.offsets.push_back(static_cast<std::int64_t>(graph.targets.size()));
  }
  return graph;
}

}  // namespace naglass
