#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/graph.hpp"
#include "core/interrupt.hpp"

namespace naglass {

/// The former–former graph: two formers are joined, once, when they share at least one bridging atom. Its sites are
/// those of `bonds`; all but the formers have empty rows. A row is complete where the former and its bridges are.
PeriodicGraph former_graph(const GraphView &bonds, std::span<const std::uint8_t> formers,
                           std::span<const std::uint8_t> bridges);

/// An integer lattice shift as one number: sums and the lexicographic order carry over.
using Cells = std::int64_t;
constexpr Cells cell_base = Cells{1} << 21;
inline Cells pack(const Shift &s) { return (s[0] * cell_base + s[1]) * cell_base + s[2]; }
Shift unpack(Cells cells);

/// The graph that ring searches walk on. Sites that cannot be on a ring are removed, and a site that only joins two
/// others (a bridging oxygen) becomes an edge of length 2: searches visit a third of the vertices in silica.
class RingNet {
 public:
  struct Edge {
    int target;  // node
    int length;  // in units of unit() bonds
    Cells cells;
  };
  /// The site inside an edge, -1 if the edge is a bond.
  struct Middle {
    int site;
    Cells cells;
  };

  /// Throws Error for a bond of a site to itself, a bond given twice, or shifts so large that a walk of
  /// `longest_walk` bonds would overflow a Cells.
  RingNet(const GraphView &graph, int longest_walk);

  int nodes() const { return static_cast<int>(sites_.size()); }
  int site(int node) const { return sites_[node]; }
  std::int64_t first_edge(int node) const { return first_[node]; }
  std::int64_t end_edge(int node) const { return first_[node + 1]; }
  const Edge &edge(std::int64_t e) const { return edges_[e]; }
  const Middle &middle(std::int64_t e) const { return middles_[e]; }
  /// Bonds per unit of length: 2 where every edge has a site inside.
  int unit() const { return unit_; }
  /// Whether edges of length 1 and 2 occur.
  bool mixed() const { return mixed_; }
  /// Checked by the searches from time to time.
  const Interrupt &interrupt() const { return interrupt_; }

 private:
  void build(const GraphView &graph, const std::vector<std::uint8_t> &pruned);

  std::vector<int> sites_;
  std::vector<std::int64_t> first_{0};
  std::vector<Edge> edges_;
  std::vector<Middle> middles_;
  int unit_ = 1;
  bool mixed_ = false;
  Interrupt interrupt_ = Interrupt::current();
};

}  // namespace naglass
