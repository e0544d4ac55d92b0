#include "core/ring_net.hpp"

#include <algorithm>
#include <string>
#include <tuple>

#include "core/error.hpp"

namespace naglass {
namespace {

constexpr std::size_t most_links = 100'000'000;

struct Link {
  int target;
  Shift shift;
  bool operator<(const Link &other) const { return std::tie(target, shift) < std::tie(other.target, other.shift); }
  bool operator==(const Link &other) const { return target == other.target && shift == other.shift; }
};

Shift operator+(const Shift &a, const Shift &b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }

int degree(const GraphView &graph, int i) { return static_cast<int>(graph.offsets[i + 1] - graph.offsets[i]); }

void check(const GraphView &graph, int longest_walk)
{
  const std::int64_t most = cell_base / 2 / (longest_walk + 1);
  for (int i = 0; i < graph.rows(); ++i)
    for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e) {
      const Shift &s = graph.shifts[e];
      if (graph.targets[e] == i && s == Shift{})
        throw Error("targets", std::to_string(i), "an atom cannot be bonded to itself");
      if (e > graph.offsets[i] && graph.targets[e] == graph.targets[e - 1] && s == graph.shifts[e - 1])
        throw Error("targets", std::to_string(i) + " " + std::to_string(graph.targets[e]), "a bond is given twice");
      for (const int component : s)
        if (std::abs(static_cast<std::int64_t>(component)) >= most)
          throw Error("shifts", std::to_string(component), "bonded atoms are too many cells apart; wrap them");
    }
}

// Sites that are on no ring: those with fewer than two bonds after all such sites have been removed.
std::vector<std::uint8_t> dangling(const GraphView &graph)
{
  const int n = graph.rows();
  std::vector<std::uint8_t> pruned(n, 0);
  std::vector<int> left(n), stack;
  for (int i = 0; i < n; ++i) {
    left[i] = degree(graph, i);
    if (graph.known(i) && left[i] < 2) stack.push_back(i);
  }
  while (!stack.empty()) {
    const int i = stack.back();
    stack.pop_back();
    if (pruned[i]) continue;
    pruned[i] = 1;
    for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e) {
      const int j = graph.targets[e];
      if (graph.known(j) && --left[j] < 2 && !pruned[j]) stack.push_back(j);
    }
  }
  return pruned;
}

// Decided from all bonds, so that every rank with a site's surroundings comes to the same result.
bool is_middle(const GraphView &graph, int i)
{
  if (!graph.known(i) || degree(graph, i) != 2) return false;
  const std::int64_t e = graph.offsets[i];
  for (const int j : {graph.targets[e], graph.targets[e + 1]})
    if (!graph.known(j) || degree(graph, j) < 3) return false;
  return true;
}

}  // namespace

Shift unpack(Cells cells)
{
  Shift shift;
  for (int k = 2; k >= 0; --k) {
    Cells low = cells & (cell_base - 1);
    if (low >= cell_base / 2) low -= cell_base;
    shift[k] = static_cast<int>(low);
    cells = (cells - low) / cell_base;
  }
  return shift;
}

PeriodicGraph former_graph(const GraphView &bonds, std::span<const std::uint8_t> formers,
                           std::span<const std::uint8_t> bridges)
{
  PeriodicGraph out;
  std::vector<Link> row;
  const Interrupt interrupt = Interrupt::current();
  for (int i = 0; i < bonds.rows(); ++i) {
    row.clear();
    interrupt.check();
    if (out.targets.size() > most_links)
      throw Error("graph_kind", "tt",
                  std::to_string(out.targets.size()) + " or more links of formers are too many; the " +
                      "cutoffs are too long for a network");
    bool complete = bonds.known(i);
    for (std::int64_t e = bonds.offsets[i]; formers[i] && e < bonds.offsets[i + 1]; ++e) {
      const int bridge = bonds.targets[e];
      if (!bridges[bridge]) continue;
      complete = complete && bonds.known(bridge);
      for (std::int64_t f = bonds.offsets[bridge]; f < bonds.offsets[bridge + 1]; ++f) {
        const Link link{bonds.targets[f], bonds.shifts[e] + bonds.shifts[f]};
        if (formers[link.target] && !(link == Link{i, Shift{}})) row.push_back(link);
      }
    }
    std::sort(row.begin(), row.end());
    row.erase(std::unique(row.begin(), row.end()), row.end());
    for (const Link &link : row) {
      out.targets.push_back(link.target);
      out.shifts.push_back(link.shift);
    }
    out.offsets.push_back(static_cast<std::int64_t>(out.targets.size()));
    out.complete.push_back(complete);
  }
  return out;
}

RingNet::RingNet(const GraphView &graph, int longest_walk)
{
  check(graph, longest_walk);
  build(graph, dangling(graph));
  bool bonds = false, bridges = false;
  for (const Edge &edge : edges_) (edge.length == 1 ? bonds : bridges) = true;
  mixed_ = bonds && bridges;
  if (bonds || !bridges) return;
  unit_ = 2;
  for (Edge &edge : edges_) edge.length = 1;
}

void RingNet::build(const GraphView &graph, const std::vector<std::uint8_t> &pruned)
{
  const int n = graph.rows();
  std::vector<int> node_of(n, -1);
  std::vector<std::uint8_t> middle(n, 0);
  for (int i = 0; i < n; ++i) {
    if (pruned[i]) continue;
    middle[i] = is_middle(graph, i);
    if (middle[i]) continue;
    node_of[i] = nodes();
    sites_.push_back(i);
  }
  for (const int i : sites_) {
    for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e) {
      const int j = graph.targets[e];
      const Cells cells = pack(graph.shifts[e]);
      if (pruned[j]) continue;
      if (!middle[j]) {
        edges_.push_back({node_of[j], 1, cells});
        middles_.push_back({-1, 0});
        continue;
      }
      for (std::int64_t f = graph.offsets[j]; f < graph.offsets[j + 1]; ++f) {
        const Cells beyond = cells + pack(graph.shifts[f]);
        if (graph.targets[f] == i && beyond == 0) continue;
        edges_.push_back({node_of[graph.targets[f]], 2, beyond});
        middles_.push_back({j, cells});
      }
    }
    first_.push_back(static_cast<std::int64_t>(edges_.size()));
  }
}

}  // namespace naglass
