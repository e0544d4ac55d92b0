#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/cover_index.hpp"
#include "core/ring_net.hpp"

namespace naglass {

/// Everything within a given distance of one node, on the cover of the periodic graph: a vertex is a node and an image,
/// so a walk through the boundary does not close. Vertex 0 is the root. The memory is reused from root to root.
class RingBall {
 public:
  struct Entry {
    int vertex;  // the neighbor
    int edge;    // in the net, seen from this vertex
  };

  explicit RingBall(const RingNet &net) : net_(net), index_(net.nodes()) {}

  /// Fills the ball. Bonds between two vertices on the rim are omitted unless `rim_bonds`. Throws Error for a
  /// ball of more than `most` vertices or `most_bonds` bonds, before anything is searched in it.
  void grow(int root, int radius, bool rim_bonds);

  static constexpr std::size_t most = 30'000, most_bonds = 1'000'000;

  int size() const { return index_.size(); }
  int node(int v) const { return index_.point(v); }
  Cells cells(int v) const { return index_.cells(v); }
  int level(int v) const { return level_[v]; }
  /// Vertices by rising level.
  const std::vector<int> &order() const { return order_; }
  std::span<const Entry> entries(int v) const { return {entries_.data() + begin_[v], entries_.data() + end_[v]}; }
  /// Whether the vertex comes after the root in the order that says which member of a ring is its first.
  bool after_root(int v) const { return node(v) > node(0) || (node(v) == node(0) && cells(v) > 0); }

 private:
  int add(int node, Cells cells, int level);
  int reach(int v, const RingNet::Edge &edge, int radius);
  void expand(int v, int radius);
  void forget();
  void check_size() const;

  const RingNet &net_;
  CoverIndex index_;
  std::vector<int> level_, order_;
  std::vector<int> begin_, end_;
  std::vector<Entry> entries_;
  std::vector<std::vector<int>> by_level_;
};

}  // namespace naglass
