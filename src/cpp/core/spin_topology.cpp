#include "core/spin_topology.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

using IntVector = std::array<std::int64_t, 3>;

struct Image {
  int atom;
  Shift shift;

  auto operator<=>(const Image &) const = default;
};

Shift plus(const Shift &a, const Shift &b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
Shift minus(const Shift &a, const Shift &b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

struct Network {
  const GraphView &graph;
  std::span<const LinkRole> roles;

  // Bonded images of one role, seen from atom i in its home cell.
  std::vector<Image> bonded(int i, LinkRole role) const
  {
    std::vector<Image> found;
    for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e)
      if (roles[graph.targets[e]] == role) found.push_back({graph.targets[e], graph.shifts[e]});
    return found;
  }
};

void check(const Network &network)
{
  if (network.roles.size() != static_cast<std::size_t>(network.graph.rows()))
    throw Error("roles", std::to_string(network.roles.size()) + " entries",
                "the graph has " + std::to_string(network.graph.rows()) + " atoms");
  if (network.graph.shifts.size() != network.graph.targets.size())
    throw Error("shifts", std::to_string(network.graph.shifts.size()) + " entries",
                "there are " + std::to_string(network.graph.targets.size()) + " bonds");
}

struct Path {
  int first;
  int second;
  Shift shift;

  auto operator<=>(const Path &) const = default;
};

// One of the two orders in which a pair can be written.
void add_path(std::vector<Path> &paths, const Image &a, const Image &b)
{
  if (a == b) return;
  Path path{a.atom, b.atom, minus(b.shift, a.shift)};
  const Path reverse{b.atom, a.atom, minus(a.shift, b.shift)};
  if (path.first > path.second || (path.first == path.second && path.shift < Shift{})) path = reverse;
  paths.push_back(path);
}

CenterLinks count_paths(std::vector<Path> &paths)
{
  std::sort(paths.begin(), paths.end());
  CenterLinks links;
  for (std::size_t k = 0; k < paths.size(); ++k) {
    if (k > 0 && paths[k] == paths[k - 1]) {
      ++links.paths.back();
      continue;
    }
    links.first.push_back(paths[k].first);
    links.second.push_back(paths[k].second);
    links.shifts.push_back(paths[k].shift);
    links.paths.push_back(1);
  }
  return links;
}

IntVector cross(const IntVector &a, const IntVector &b)
{ return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}; }

// Number of independent directions among the lattice vectors by which closed walks are displaced.
class LoopRank {
 public:
  void add(const Shift &loop)
  {
    const IntVector v{loop[0], loop[1], loop[2]};
    if (rank_ == 0 && v != IntVector{}) basis_ = v, rank_ = 1;
    else if (rank_ == 1 && cross(basis_, v) != IntVector{}) normal_ = cross(basis_, v), rank_ = 2;
    else if (rank_ == 2 && normal_[0] * v[0] + normal_[1] * v[1] + normal_[2] * v[2] != 0) rank_ = 3;
  }
  int rank() const { return rank_; }

 private:
  int rank_ = 0;
  IntVector basis_{}, normal_{};
};

}  // namespace

CenterLinks direct_links(const GraphView &graph, std::span<const LinkRole> roles)
{
  const Network network{graph, roles};
  check(network);
  std::vector<Path> paths;
  for (int i = 0; i < graph.rows(); ++i) {
    if (roles[i] != LinkRole::bridge) continue;
    const std::vector<Image> centers = network.bonded(i, LinkRole::center);
    for (std::size_t a = 0; a < centers.size(); ++a)
      for (std::size_t b = a + 1; b < centers.size(); ++b) add_path(paths, centers[a], centers[b]);
  }
  return count_paths(paths);
}

CenterLinks mediated_links(const GraphView &graph, std::span<const LinkRole> roles)
{
  const Network network{graph, roles};
  check(network);
  std::vector<Path> paths;
  for (int i = 0; i < graph.rows(); ++i) {
    if (roles[i] != LinkRole::former) continue;
    std::vector<std::vector<Image>> beyond;
    for (const Image &bridge : network.bonded(i, LinkRole::bridge)) {
      beyond.push_back(network.bonded(bridge.atom, LinkRole::center));
      for (Image &center : beyond.back()) center.shift = plus(center.shift, bridge.shift);
    }
    for (std::size_t p = 0; p < beyond.size(); ++p)
      for (std::size_t q = p + 1; q < beyond.size(); ++q)
        for (const Image &a : beyond[p])
          for (const Image &b : beyond[q]) add_path(paths, a, b);
  }
  return count_paths(paths);
}

std::vector<int> alkali_neighbors(const GraphView &graph, std::span<const LinkRole> roles)
{
  const Network network{graph, roles};
  check(network);
  std::vector<int> counts(graph.rows(), 0);
  for (int i = 0; i < graph.rows(); ++i) {
    if (roles[i] != LinkRole::center) continue;
    std::vector<Image> found;
    for (const Image &bridge : network.bonded(i, LinkRole::bridge))
      for (const Image &alkali : network.bonded(bridge.atom, LinkRole::alkali))
        found.push_back({alkali.atom, plus(alkali.shift, bridge.shift)});
    std::sort(found.begin(), found.end());
    counts[i] = static_cast<int>(std::unique(found.begin(), found.end()) - found.begin());
  }
  return counts;
}

LinkClusters link_clusters(const CenterLinks &links, std::span<const int> used, std::span<const LinkRole> roles)
{
  if (used.size() != links.first.size())
    throw Error("used", std::to_string(used.size()) + " entries",
                "there are " + std::to_string(links.first.size()) + " links");
  std::vector<std::vector<Image>> linked(roles.size());
  for (std::size_t k = 0; k < used.size(); ++k) {
    if (!used[k]) continue;
    linked[links.first[k]].push_back({links.second[k], links.shifts[k]});
    linked[links.second[k]].push_back({links.first[k], minus(Shift{}, links.shifts[k])});
  }

  LinkClusters clusters;
  clusters.label.assign(roles.size(), -1);
  std::vector<Shift> place(roles.size());
  std::vector<int> queue;
  for (int start = 0; start < static_cast<int>(roles.size()); ++start) {
    if (roles[start] != LinkRole::center || clusters.label[start] >= 0) continue;
    const int label = static_cast<int>(clusters.size.size());
    LoopRank loops;
    clusters.label[start] = label;
    queue.assign(1, start);
    for (std::size_t k = 0; k < queue.size(); ++k)
      for (const Image &next : linked[queue[k]]) {
        const Shift there = plus(place[queue[k]], next.shift);
        if (clusters.label[next.atom] < 0) {
          clusters.label[next.atom] = label;
          place[next.atom] = there;
          queue.push_back(next.atom);
        } else {
          loops.add(minus(there, place[next.atom]));
        }
      }
    clusters.size.push_back(static_cast<int>(queue.size()));
    clusters.dimension.push_back(loops.rank());
  }
  return clusters;
}

}  // namespace naglass
