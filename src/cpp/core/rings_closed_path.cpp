#include <algorithm>
#include <array>
#include <atomic>
#include <initializer_list>

#include "core/ring_search.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

// Shortest closed paths through a node: through two of its edges (King) or through one (Guttman, and King about the
// site inside an edge). All of them if several are equally short.
class ClosedPathSearch {
 public:
  ClosedPathSearch(const RingNet &net, const RingOptions &options)
      : net_(net), largest_(options.max_size / net.unit()), ball_(net),
        exclude_(options.criterion == RingCriterion::king && options.king_neighbors == KingNeighbors::excluded)
  {
  }

  /// Whether the node, or the site inside one of its edges, is a root.
  template <typename IsRoot> bool has_work(int node, IsRoot &&is_root) const
  {
    if (is_root(net_.site(node))) return true;
    for (std::int64_t e = net_.first_edge(node); e < net_.end_edge(node); ++e)
      if (net_.middle(e).site >= 0 && is_root(net_.middle(e).site)) return true;
    return false;
  }

  void grow(int center)
  {
    paths_ = PathCount(net_, center);
    ball_.grow(center, largest_ / 2, largest_ % 2 == 1);
    closed_.assign(ball_.size(), 0);
    distance_.resize(ball_.size());
    by_distance_.resize(std::max<std::size_t>(by_distance_.size(), largest_ + 1));
  }

  /// Paths between each two neighbors of the center. `found(ring)` sees each; `searched(size)` each pair that has any.
  template <typename Found, typename Searched> void about_center(Found &&found, Searched &&searched)
  {
    const auto spokes = ball_.entries(0);
    if (exclude_)
      for (const RingBall::Entry &spoke : spokes)
        if (is_bond(spoke)) closed_[spoke.vertex] = 1;
    closed_[0] = 1;
    for (std::size_t a = 0; a + 1 < spokes.size(); ++a) {
      walk_from(spokes[a], -1, spokes.subspan(a + 1));
      for (std::size_t b = a + 1; b < spokes.size(); ++b) {
        const int end = spokes[b].vertex;
        const int size = length(spokes[a]) + length(spokes[b]) + distance_[end];
        if (distance_[end] < 0 || size > largest_) continue;
        if (passes_excluded(spokes[a], spokes[b]) || passes_excluded(spokes[b], spokes[a])) continue;
        spokes_ = {spokes[a], spokes[b]};
        searched(bonds(size));
        return_from(end, found);
      }
    }
    std::fill(closed_.begin(), closed_.end(), 0);
  }

  /// Paths from the far end of one of the center's edges back to the center.
  template <typename Found, typename Searched>
  void about_edge(const RingBall::Entry &spoke, Found &&found, Searched &&searched)
  {
    closed_[0] = 1;
    const RingBall::Entry home{0, -1};
    walk_from(spoke, same_edge_back(spoke), {&home, 1});
    closed_[0] = 0;
    if (distance_[0] < 0) return;
    spokes_ = {spoke, {-1, -1}};
    searched(bonds(length(spoke) + distance_[0]));
    return_from(0, found);
  }

  const RingBall &ball() const { return ball_; }

 private:
  int length(const RingBall::Entry &entry) const { return net_.edge(entry.edge).length; }
  bool is_bond(const RingBall::Entry &entry) const { return net_.middle(entry.edge).site < 0; }
  int bonds(int size) const { return size * net_.unit(); }

  // Seen from the far end, the edge that is the spoke itself.
  int same_edge_back(const RingBall::Entry &spoke) const
  {
    for (const RingBall::Entry &entry : ball_.entries(spoke.vertex))
      if (entry.vertex == 0 && net_.middle(entry.edge).site == net_.middle(spoke.edge).site) return entry.edge;
    return -1;
  }

  // A path over a spoke goes through an excluded neighbor, unless that is the pair's other member.
  bool passes_excluded(const RingBall::Entry &spoke, const RingBall::Entry &other) const
  { return !is_bond(spoke) && closed_[spoke.vertex] && !(is_bond(other) && other.vertex == spoke.vertex); }

  // Distances from the spoke's far end until all targets are reached; closed vertices are reached but not traversed.
  void walk_from(const RingBall::Entry &spoke, int skipped_edge, std::span<const RingBall::Entry> targets)
  {
    net_.interrupt().check();
    const int most = largest_ - length(spoke);
    std::fill(distance_.begin(), distance_.end(), -1);
    for (auto &vertices : by_distance_) vertices.clear();
    start_ = spoke.vertex;
    skipped_edge_ = skipped_edge;
    distance_[start_] = 0;
    by_distance_[0].push_back(start_);
    for (int d = 0; d <= most; ++d) {
      const auto reached = [&](const RingBall::Entry &target) {
        return distance_[target.vertex] >= 0 && distance_[target.vertex] <= d;
      };
      if (std::ranges::all_of(targets, reached)) break;
      for (const int v : by_distance_[d]) {
        const bool ends = closed_[v] && !(v == start_ && is_bond(spoke));
        if (distance_[v] != d || ends) continue;
        for (const RingBall::Entry &entry : ball_.entries(v)) {
          const int beyond = d + length(entry);
          int &known = distance_[entry.vertex];
          if ((known >= 0 && known <= beyond) || beyond > most || skips(v, entry)) continue;
          known = beyond;
          by_distance_[beyond].push_back(entry.vertex);
        }
      }
    }
  }

  bool skips(int v, const RingBall::Entry &entry) const { return v == start_ && entry.edge == skipped_edge_; }

  // Writes every shortest path from `end` back to the start.
  template <typename Found> void return_from(int end, Found &&found)
  {
    ring_.clear();
    append_vertex(ring_, net_, ball_, 0);
    if (end != 0) {
      append_middle(ring_, net_, ball_, 0, spokes_[1].edge);
      append_vertex(ring_, net_, ball_, end);
    }
    back(end, found);
  }

  template <typename Found> void back(int v, Found &&found)
  {
    paths_.step();
    const std::size_t kept = ring_.size();
    if (v == start_) {
      append_middle(ring_, net_, ball_, 0, spokes_[0].edge);
      found(ring_);
      ring_.resize(kept);
      return;
    }
    for (const RingBall::Entry &entry : ball_.entries(v)) {
      const int to = entry.vertex;
      if (distance_[to] < 0 || distance_[to] + length(entry) != distance_[v]) continue;
      if (closed_[to] && to != start_) continue;
      if (to == start_ && v == 0 && is_spoke(entry)) continue;
      append_middle(ring_, net_, ball_, v, entry.edge);
      append_vertex(ring_, net_, ball_, to);
      back(to, found);
      ring_.resize(kept);
    }
  }

  bool is_spoke(const RingBall::Entry &entry) const { return entry.edge == spokes_[0].edge; }

  const RingNet &net_;
  PathCount paths_{net_, 0};
  int largest_;
  RingBall ball_;
  bool exclude_;
  std::vector<std::uint8_t> closed_;
  std::vector<int> distance_;
  std::vector<std::vector<int>> by_distance_;
  int start_ = 0, skipped_edge_ = -1;
  std::array<RingBall::Entry, 2> spokes_{};
  Ring ring_;
};

}  // namespace

RingSet closed_path_rings(const RingNet &net, const RingOptions &options, RingTally &tally,
                          std::vector<std::int64_t> &searches)
{
  const bool king = options.criterion == RingCriterion::king;
  const auto is_root = [&](int site) { return options.roots.empty() || options.roots[site]; };
  const auto count_search = [&](int size, int times) {
    std::atomic_ref(searches[size]).fetch_add(times, std::memory_order_relaxed);
  };
  RingSet all;
  ParallelErrors errors;
#pragma omp parallel num_threads(threads_for(net.nodes(), 256, options.threads))
  {
    ClosedPathSearch search(net, options);
    RingSet own;
    Ring ring;
    const auto keep = [&](const Ring &found, std::initializer_list<int> origins) {
      if (!is_selected(found, options)) return;
      for (const int site : origins)
        if (site >= 0) tally.originates(site, found.size());
      ring = found;
      make_canonical(ring);
      own.insert(ring);
    };
#pragma omp for schedule(dynamic, 64)
    for (int node = 0; node < net.nodes(); ++node)
      errors.run([&] {
        const int site = net.site(node);
        if (!search.has_work(node, is_root)) return;
        search.grow(node);
        if (king && is_root(site))
          search.about_center([&](const Ring &found) { keep(found, {site}); },
                              [&](int size) { count_search(size, 1); });
        for (const RingBall::Entry &spoke : search.ball().entries(0)) {
          if (!search.ball().after_root(spoke.vertex)) continue;  // each edge from its first end
          const int middle = net.middle(spoke.edge).site;
          if ((king && middle < 0) || !is_root(middle < 0 ? site : middle)) continue;
          const int far = net.site(search.ball().node(spoke.vertex));
          const auto found = [&](const Ring &closed) {
            if (king) keep(closed, {middle});
            else keep(closed, {site, middle, far});
          };
          // Of the directed bonds of an edge with a site inside, all four have the same closed paths.
          search.about_edge(spoke, found, [&](int size) { count_search(size, king ? 1 : middle < 0 ? 2 : 4); });
        }
      });
#pragma omp critical
    errors.run([&] { all.absorb(std::move(own), false); });
  }
  errors.rethrow();
  for (std::int64_t k = 0; k < all.size(); ++k) tally.add(all[k]);
  return all;
}

}  // namespace naglass
