#include <algorithm>

#include "core/ring_distances.hpp"
#include "core/ring_search.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

// The rings whose first node is the root: two geodesics of the root that go through later vertices only, and meet in
// a vertex or are joined by one edge, and whose members are as far apart in the graph as on the ring.
class PrimitiveSearch {
 public:
  PrimitiveSearch(const RingNet &net, const RingOptions &options)
      : net_(net), largest_(options.max_size / net.unit()), ball_(net)
  { second_.reserve(largest_); }

  /// Calls found(search, closing edge) for each ring, which write() then returns.
  template <typename Found> void from(int root, Found &&found)
  {
    if (!two_later_neighbors(root)) return;
    ball_.grow(root, largest_ / 2, largest_ % 2 == 1);
    keep_good();
    collect_closings();
    if (closings_.empty()) return;
    paths_ = PathCount(net_, root);
    number_vertices();
    distances_.fill(net_, ball_, place_, placed_, largest_ / 2 - 1);
    for (const Closing &closing : closings_) close(closing, found);
  }

  /// The ring just found: down the first geodesic to the root, and up the second one.
  void write(Ring &ring, int closing_edge) const
  {
    ring.clear();
    for (const Step &step : first_) {
      append_vertex(ring, net_, ball_, step.vertex);
      if (step.vertex != 0) append_middle(ring, net_, ball_, step.vertex, step.edge);
    }
    const bool meets = closing_edge < 0;
    for (std::size_t k = second_.size(); k-- > 0;) {
      append_middle(ring, net_, ball_, second_[k].vertex, second_[k].edge);
      if (k > 0 || !meets) append_vertex(ring, net_, ball_, second_[k].vertex);
    }
    if (!meets) append_middle(ring, net_, ball_, first_.front().vertex, closing_edge);
  }

 private:
  struct Step {
    int vertex;
    int edge;  // toward the root
  };

  // Where two geodesics meet: in `vertex` by two of its entries (edge -1), or across `edge` from vertex to `other`.
  struct Closing {
    int vertex, other, edge;
    RingBall::Entry first, second;
  };

  bool two_later_neighbors(int root) const
  {
    int later = 0;
    for (std::int64_t e = net_.first_edge(root); e < net_.end_edge(root); ++e) {
      const RingNet::Edge &edge = net_.edge(e);
      later += edge.target > root || (edge.target == root && edge.cells > 0);
    }
    return later >= 2;
  }

  int length(const RingBall::Entry &entry) const { return net_.edge(entry.edge).length; }
  bool leads_down(int v, const RingBall::Entry &entry) const
  { return good_[entry.vertex] && ball_.level(entry.vertex) + length(entry) == ball_.level(v); }

  // Good: reached from the root by a geodesic through later vertices only.
  void keep_good()
  {
    good_.assign(ball_.size(), 0);
    good_[0] = 1;
    for (const int v : ball_.order()) {
      if (!ball_.after_root(v)) continue;
      for (const RingBall::Entry &entry : ball_.entries(v))
        if (leads_down(v, entry)) {
          good_[v] = 1;
          break;
        }
    }
  }

  void collect_closings()
  {
    closings_.clear();
    PathCount pairs(net_, ball_.node(0));
    for (const int v : ball_.order()) {
      if (!good_[v]) continue;
      const auto entries = ball_.entries(v);
      const int level = ball_.level(v);
      for (std::size_t a = 0; a < entries.size(); ++a) {
        const int to = entries[a].vertex;
        if (leads_down(v, entries[a])) {
          for (std::size_t b = a + 1; b < entries.size(); ++b)
            if (leads_down(v, entries[b]) && (to != entries[b].vertex || to == 0)) {
              pairs.step();
              closings_.push_back({v, v, -1, entries[a], entries[b]});
            }
        } else if (good_[to] && v < to && std::abs(level - ball_.level(to)) < length(entries[a]) &&
                   level + ball_.level(to) + length(entries[a]) <= largest_) {
          closings_.push_back({v, to, entries[a].edge, {}, {}});
        }
      }
    }
  }

  // A vertex at the rim matters only where two geodesics meet there: no shortcut of a ring goes that far.
  void number_vertices()
  {
    place_.assign(ball_.size(), -1);
    placed_ = 0;
    for (const int v : ball_.order())
      if (2 * ball_.level(v) < largest_) place_[v] = placed_++;
    for (const Closing &closing : closings_)
      for (const int v : {closing.vertex, closing.other})
        if (place_[v] < 0) place_[v] = placed_++;
  }

  template <typename Found> void close(const Closing &closing, Found &&found)
  {
    const int a = ball_.level(closing.vertex), b = ball_.level(closing.other);
    size_ = closing.edge < 0 ? 2 * a : a + b + net_.edge(closing.edge).length;
    first_.assign(1, {closing.vertex, -1});
    if (closing.edge < 0) {
      first_.back().edge = closing.first.edge;
      descend_first(closing.first.vertex, closing, found);
    } else {
      descend_first(-1, closing, found);
    }
  }

  // Walks all geodesics from the closing's vertex down to the root; `next` is the vertex to continue with, -1 to stay.
  template <typename Found> void descend_first(int next, const Closing &closing, Found &&found)
  {
    paths_.step();
    if (next >= 0) first_.push_back({next, -1});
    const int v = first_.back().vertex;
    if (v == 0) {
      index_first();
      second_.clear();
      if (closing.edge < 0) {
        second_.push_back({closing.vertex, closing.second.edge});
        descend_second(closing.second.vertex, closing, found);
      } else {
        descend_second(closing.other, closing, found);
      }
    } else {
      for (const RingBall::Entry &entry : ball_.entries(v)) {
        if (!leads_down(v, entry)) continue;
        first_.back().edge = entry.edge;
        descend_first(entry.vertex, closing, found);
      }
    }
    if (next >= 0) first_.pop_back();
  }

  template <typename Found> void descend_second(int v, const Closing &closing, Found &&found)
  {
    paths_.step();
    if (v == 0) {
      found(*this, closing.edge);
      return;
    }
    if (!fits(v)) return;
    second_.push_back({v, -1});
    for (const RingBall::Entry &entry : ball_.entries(v)) {
      if (!leads_down(v, entry)) continue;
      second_.back().edge = entry.edge;
      descend_second(entry.vertex, closing, found);
    }
    second_.pop_back();
  }

  // For each level the members of the first geodesic at or next below it, and at or next above it.
  void index_first()
  {
    const int top = ball_.level(first_.front().vertex);
    at_or_below_.assign(top + 1, -1);
    at_or_above_.assign(top + 1, -1);
    for (const Step &step : first_) at_or_below_[ball_.level(step.vertex)] = step.vertex;
    at_or_above_ = at_or_below_;
    for (int l = 1; l <= top; ++l)
      if (at_or_below_[l] < 0) at_or_below_[l] = at_or_below_[l - 1];
    for (int l = top - 1; l >= 0; --l)
      if (at_or_above_[l] < 0) at_or_above_[l] = at_or_above_[l + 1];
  }

  // Whether the vertex, as member of the second geodesic, is nowhere nearer to the first one than along the ring. The
  // members next to its antipode on either side decide: a shortcut to any other would bring them nearer too.
  bool fits(int v) const
  {
    const int level = ball_.level(v), top = static_cast<int>(at_or_below_.size()) - 1;
    const int low = (size_ - 2 * level) / 2, high = (size_ - 2 * level + 1) / 2;
    const auto far_enough = [&](int other) {
      const int way = level + ball_.level(other);
      return !distances_.within(std::min(way, size_ - way) - 1, place_[v], place_[other]);
    };
    return far_enough(at_or_below_[std::min(low, top)]) && (high > top || far_enough(at_or_above_[high]));
  }

  const RingNet &net_;
  PathCount paths_{net_, 0};
  int largest_;
  RingBall ball_;
  BallDistances distances_;
  std::vector<std::uint8_t> good_;
  std::vector<Closing> closings_;
  std::vector<int> place_;
  int placed_ = 0;
  int size_ = 0;
  std::vector<Step> first_, second_;
  std::vector<int> at_or_below_, at_or_above_;
};

}  // namespace

RingSet primitive_rings(const RingNet &net, const RingOptions &options, RingTally *tally)
{
  RingSet all;
  ParallelErrors errors;
#pragma omp parallel num_threads(threads_for(net.nodes(), 256, options.threads))
  {
    PrimitiveSearch search(net, options);
    RingSet own;
    Ring ring;
    const auto found = [&](const PrimitiveSearch &at, int closing_edge) {
      at.write(ring, closing_edge);
      if (tally && !is_selected(ring, options)) return;
      if (tally) tally->add(ring);
      if (!options.members) return;
      make_canonical(ring);
      own.append(ring);
    };
#pragma omp for schedule(dynamic, 64) nowait
    for (int root = 0; root < net.nodes(); ++root)
      errors.run([&] {
        if (options.roots.empty() || options.roots[net.site(root)]) search.from(root, found);
      });
#pragma omp critical
    errors.run([&] { all.absorb(std::move(own), true); });
  }
  errors.rethrow();
  return all;
}

}  // namespace naglass
