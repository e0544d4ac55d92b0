#include "core/ring_ball.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"

namespace naglass {

int RingBall::add(int node, Cells cells, int level)
{
  const int v = index_.add(node, cells);
  level_.push_back(level);
  begin_.push_back(0);
  end_.push_back(0);
  by_level_[level].push_back(v);
  return v;
}

int RingBall::reach(int v, const RingNet::Edge &edge, int radius)
{
  const Cells there = cells(v) + edge.cells;
  const int to = index_.find(edge.target, there);
  const int beyond = level_[v] + edge.length;
  if (to < 0) return beyond <= radius ? add(edge.target, there, beyond) : -1;
  if (beyond < level_[to]) {
    level_[to] = beyond;
    by_level_[beyond].push_back(to);
  }
  return to;
}

void RingBall::expand(int v, int radius)
{
  begin_[v] = static_cast<int>(entries_.size());
  const std::int64_t end = net_.end_edge(node(v));
  for (std::int64_t e = net_.first_edge(node(v)); e < end; ++e) {
    const int to = reach(v, net_.edge(e), radius);
    if (to >= 0) entries_.push_back({to, static_cast<int>(e)});
  }
  end_[v] = static_cast<int>(entries_.size());
  check_size();
}

void RingBall::check_size() const
{
  if (level_.size() > most || entries_.size() > most_bonds)
    throw Error("max_size", "for the rings through atom " + std::to_string(net_.site(node(0))),
                "more than " + std::to_string(most) + " atoms or " + std::to_string(most_bonds) +
                    " bonds are within half of it; the cutoffs are too long for a network, or max_size is too large");
}

void RingBall::forget()
{
  index_.clear();
  for (auto *numbers : {&level_, &order_, &begin_, &end_}) numbers->clear();
  entries_.clear();
  for (auto &vertices : by_level_) vertices.clear();
}

void RingBall::grow(int root, int radius, bool rim_bonds)
{
  forget();
  by_level_.resize(radius + 1);
  add(root, 0, 0);
  for (int level = 0; level <= radius; ++level) {
    net_.interrupt().check();
    std::vector<int> &here = by_level_[level];
    std::erase_if(here, [&](int v) { return level_[v] != level; });  // reached again by a shorter path
    // An edge of length 2 may pass the rim to a vertex that only an edge of length 1 brings in.
    if (net_.mixed() && level == radius - 1)
      for (const int v : here)
        for (std::int64_t e = net_.first_edge(node(v)); e < net_.end_edge(node(v)); ++e) reach(v, net_.edge(e), radius);
    for (const int v : here) expand(v, radius);
    order_.insert(order_.end(), here.begin(), here.end());
  }
  if (!rim_bonds)
    for (const int v : by_level_[radius]) {
      const auto within = [&](const Entry &entry) { return level_[entry.vertex] == radius; };
      const auto last = std::remove_if(entries_.begin() + begin_[v], entries_.begin() + end_[v], within);
      end_[v] = static_cast<int>(last - entries_.begin());
    }
}

}  // namespace naglass
