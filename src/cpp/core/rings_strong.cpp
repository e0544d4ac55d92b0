#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>

#include "core/cover_index.hpp"
#include "core/error.hpp"
#include "core/ring_search.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

// Sets of bonds under addition modulo 2, reduced so that each has a highest bond of its own.
class BondSpace {
 public:
  using Bonds = std::vector<std::uint64_t>;

  void clear()
  {
    rows_.clear();
    row_with_top_.clear();
  }

  /// The remainder of the set after reduction by the space; empty if the set is in the space.
  void reduce(Bonds &bonds) const
  {
    for (trim(bonds); !bonds.empty(); trim(bonds)) {
      const std::size_t top = top_of(bonds);
      if (top >= row_with_top_.size() || row_with_top_[top] < 0) return;
      const Bonds &row = rows_[row_with_top_[top]];
      for (std::size_t w = 0; w < row.size(); ++w) bonds[w] ^= row[w];
      work_ += static_cast<std::int64_t>(row.size());
    }
  }

  /// Words combined since the last call.
  std::int64_t take_work() { return std::exchange(work_, 0); }

  void insert(Bonds &bonds)
  {
    reduce(bonds);
    if (bonds.empty()) return;
    const std::size_t top = top_of(bonds);
    if (top >= row_with_top_.size()) row_with_top_.resize(top + 1, -1);
    row_with_top_[top] = static_cast<int>(rows_.size());
    rows_.push_back(bonds);
  }

 private:
  static void trim(Bonds &bonds)
  {
    while (!bonds.empty() && bonds.back() == 0) bonds.pop_back();
  }
  static std::size_t top_of(const Bonds &bonds) { return bonds.size() * 64 - 1 - std::countl_zero(bonds.back()); }

  std::vector<Bonds> rows_;
  mutable std::int64_t work_ = 0;
  std::vector<int> row_with_top_;  // per bond: the row whose highest it is, or -1
};

// Limits the work of all tests: a fraction of a second per atom, where a network needs milliseconds.
class WorkLimit {
 public:
  explicit WorkLimit(const GraphView &graph) : most_(most_per_site * graph.rows()) {}

  void add(std::int64_t words)
  {
    if (done_.fetch_add(words, std::memory_order_relaxed) + words > most_)
      throw Error("criterion", "strong",
                  "too many smaller rings surround each ring; the cutoffs are too long for a "
                  "network, or max_size or strong_reach is too large");
  }

 private:
  static constexpr std::int64_t most_per_site = 1'000'000'000;

  std::int64_t most_;
  std::atomic<std::int64_t> done_ = 0;
};

// Rings by the site of their first member.
struct RingsAt {
  std::vector<std::int64_t> first, rings;

  RingsAt(int sites, const RingSet &all) : first(sites + 1, 0), rings(all.size())
  {
    for (std::int64_t k = 0; k < all.size(); ++k) ++first[all[k].front().site + 1];
    for (int i = 0; i < sites; ++i) first[i + 1] += first[i];
    std::vector<std::int64_t> next(first.begin(), first.end() - 1);
    for (std::int64_t k = 0; k < all.size(); ++k) rings[next[all[k].front().site]++] = k;
  }
};

class StrongTest {
 public:
  StrongTest(const GraphView &graph, const Interrupt &interrupt, WorkLimit &limit, const RingSet &rings,
             const RingsAt &at, int reach)
      : graph_(graph), interrupt_(interrupt), limit_(limit), rings_(rings), at_(at), reach_(reach), index_(graph.rows())
  {
  }

  /// Extends the ring's surroundings bond by bond, so that most sums are found with only a few rings.
  bool is_strong(std::span<const RingSite> ring)
  {
    index_.clear();
    layer_.clear();
    bonds_before_.assign(1, 0);
    smaller_.clear();
    for (const RingSite &member : ring) add(member.site, member.cells, 0);
    BondSpace::Bonds rest;
    write_bonds(ring, 0, rest);
    for (int layer = 0, done = 0; layer <= reach_; ++layer) {
      if (layer > 0) done = add_layer(done, layer);
      add_smaller(layer, ring.size());
      smaller_.reduce(rest);
      if (rest.empty()) return false;
    }
    return true;
  }

 private:
  void add(int site, Cells cells, int layer)
  {
    index_.add(site, cells);
    layer_.push_back(layer);
    bonds_before_.push_back(bonds_before_.back() + graph_.offsets[site + 1] - graph_.offsets[site]);
  }

  // The neighbors of all vertices from `begin` on; returns where the new ones begin.
  int add_layer(int begin, int layer)
  {
    const int end = index_.size();
    for (int v = begin; v < end; ++v) {
      const int site = index_.point(v);
      for (std::int64_t e = graph_.offsets[site]; e < graph_.offsets[site + 1]; ++e) {
        const Cells there = index_.cells(v) + pack(graph_.shifts[e]);
        if (index_.find(graph_.targets[e], there) < 0) add(graph_.targets[e], there, layer);
      }
      limit_.add(graph_.offsets[site + 1] - graph_.offsets[site]);
    }
    return end;
  }

  // Smaller rings that are within the surroundings and reach the given layer.
  void add_smaller(int layer, std::size_t size)
  {
    for (int v = 0; v < index_.size(); ++v) {
      interrupt_.check();
      limit_.add(smaller_.take_work() + at_.first[index_.point(v) + 1] - at_.first[index_.point(v)]);
      for (std::int64_t k = at_.first[index_.point(v)]; k < at_.first[index_.point(v) + 1]; ++k) {
        const auto ring = rings_[at_.rings[k]];
        if (ring.size() >= size || outermost(ring, index_.cells(v)) != layer) continue;
        write_bonds(ring, index_.cells(v), bonds_);
        smaller_.insert(bonds_);
      }
    }
  }

  // The highest layer of the displaced ring's members, -1 if one is outside.
  int outermost(std::span<const RingSite> ring, Cells moved) const
  {
    int highest = 0;
    for (const RingSite &member : ring) {
      const int v = index_.find(member.site, member.cells + moved);
      if (v < 0) return -1;
      highest = std::max(highest, layer_[v]);
    }
    return highest;
  }

  void write_bonds(std::span<const RingSite> ring, Cells moved, BondSpace::Bonds &bonds) const
  {
    bonds.assign((bonds_before_.back() + 63) / 64, 0);
    for (std::size_t k = 0; k < ring.size(); ++k) {
      const RingSite &a = ring[k], &b = ring[(k + 1) % ring.size()];
      const int u = index_.find(a.site, a.cells + moved), v = index_.find(b.site, b.cells + moved);
      const std::int64_t bond = bond_between(std::min(u, v), std::max(u, v));
      bonds[bond / 64] ^= std::uint64_t{1} << bond % 64;
    }
  }

  std::int64_t bond_between(int u, int v) const
  {
    const int site = index_.point(u);
    std::int64_t e = graph_.offsets[site];
    const Cells step = index_.cells(v) - index_.cells(u);
    while (graph_.targets[e] != index_.point(v) || pack(graph_.shifts[e]) != step) ++e;
    return bonds_before_[u] + e - graph_.offsets[site];
  }

  const GraphView &graph_;
  const Interrupt &interrupt_;
  WorkLimit &limit_;
  const RingSet &rings_;
  const RingsAt &at_;
  int reach_;
  CoverIndex index_;
  std::vector<int> layer_;
  std::vector<std::int64_t> bonds_before_;  // per vertex: bonds of all vertices visited before
  BondSpace smaller_;
  BondSpace::Bonds bonds_;
};

// The first member that is a node of the net: where the primitive search found the ring.
int root_site(std::span<const RingSite> ring, const std::vector<std::uint8_t> &is_node)
{
  const auto earlier = [&](const RingSite &a, const RingSite &b) {
    return is_node[a.site] == is_node[b.site] ? a < b : is_node[a.site] > is_node[b.site];
  };
  return std::min_element(ring.begin(), ring.end(), earlier)->site;
}

}  // namespace

std::vector<std::uint8_t> strong_rings(const GraphView &graph, const RingNet &net, const RingSet &primitive,
                                       const RingOptions &options)
{
  std::vector<std::uint8_t> is_node(graph.rows(), 0);
  for (int node = 0; node < net.nodes(); ++node) is_node[net.site(node)] = 1;
  const RingsAt at(graph.rows(), primitive);
  std::vector<std::uint8_t> strong(primitive.size(), 0);
  ParallelErrors errors;
  WorkLimit limit(graph);
#pragma omp parallel num_threads(threads_for(primitive.size(), 64, options.threads))
  {
    StrongTest test(graph, net.interrupt(), limit, primitive, at, strong_reach(options));
#pragma omp for schedule(dynamic, 16)
    for (std::int64_t k = 0; k < primitive.size(); ++k)
      errors.run([&] {
        if (options.roots.empty() || options.roots[root_site(primitive[k], is_node)])
          strong[k] = test.is_strong(primitive[k]);
      });
  }
  errors.rethrow();
  return strong;
}

}  // namespace naglass
