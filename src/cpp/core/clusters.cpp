#include "core/clusters.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error.hpp"
#include "core/neighbors.hpp"

namespace naglass {
namespace {

struct Edge {
  double length;
  int a, b;
  Shift shift;
};

// One direction of each pair, the shortest first.
std::vector<Edge> edges_by_length(const PeriodicGraph &graph)
{
  std::vector<Edge> edges;
  for (int i = 0; i + 1 < static_cast<int>(graph.offsets.size()); ++i)
    for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e)
      if (i < graph.targets[e] || (i == graph.targets[e] && graph.shifts[e] > Shift{}))
        edges.push_back({graph.lengths[e], i, graph.targets[e], graph.shifts[e]});
  std::sort(edges.begin(), edges.end(), [](const Edge &p, const Edge &q) { return p.length < q.length; });
  return edges;
}

bool complete(const PercolationLevels &levels, const Box &box)
{
  const int directions = box.periodic(0) + box.periodic(1) + box.periodic(2);
  return directions == 0 || !std::isnan(levels.dimension[directions - 1]);
}

PercolationLevels levels_below(std::span<const Vec3> positions, const Box &box, double cutoff)
{
  TranslationForest forest(positions.size());
  PercolationLevels levels;
  for (const Edge &edge : edges_by_length(neighbor_list(positions, box, cutoff)))
    if (forest.join(edge.a, edge.b, edge.shift)) {
      levels.note(forest.translations(forest.root(edge.a)), edge.length);
      if (complete(levels, box)) break;
    }
  return levels;
}

}  // namespace

Clusters find_clusters(const GraphView &graph, std::span<const char> selected)
{
  const int rows = graph.rows();
  if (static_cast<int>(selected.size()) != rows)
    throw Error("selected", std::to_string(selected.size()) + " entries",
                "the graph has " + std::to_string(rows) + " atoms");
  TranslationForest forest(selected.size());
  for (int i = 0; i < rows; ++i)
    for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e)
      if (selected[i] && selected[graph.targets[e]]) forest.join(i, graph.targets[e], graph.shifts[e]);

  std::vector<int> roots;
  std::vector<int> place(selected.size(), -1);  // of a root, in order of its component's lowest row
  for (int i = 0; i < rows; ++i) {
    if (!selected[i]) continue;
    const int root = forest.root(i);
    if (place[root] >= 0) continue;
    place[root] = static_cast<int>(roots.size());
    roots.push_back(root);
  }
  std::vector<int> order(roots.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int p, int q) { return forest.size(roots[p]) > forest.size(roots[q]); });

  Clusters out;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const int root = roots[order[k]];
    place[root] = static_cast<int>(k);
    out.sizes.push_back(forest.size(root));
    out.translations.push_back(forest.translations(root));
  }
  out.labels.assign(selected.size(), -1);
  for (int i = 0; i < rows; ++i)
    if (selected[i]) out.labels[i] = place[forest.root(i)];
  return out;
}

PercolationLevels site_percolation(std::span<const Vec3> positions, const Box &box, double largest)
{
  if (positions.empty()) return {};
  const double spacing = std::cbrt(box.volume() / static_cast<double>(positions.size()));
  // Sites at random percolate near 0.87 of this; a longer list is built only if needed.
  double cutoff = 1.2 * spacing;
  while (cutoff < largest) {
    const PercolationLevels levels = levels_below(positions, box, cutoff);
    if (complete(levels, box)) return levels;
    cutoff *= 1.4;
  }
  return levels_below(positions, box, largest);
}

}  // namespace naglass
