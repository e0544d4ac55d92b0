#include "core/ring_distances.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

// 2 GiB for each thread
constexpr std::size_t most_words = std::size_t{1} << 28;

}  // namespace

void BallDistances::fill(const RingNet &net, const RingBall &ball, const std::vector<int> &place, int count, int most)
{
  count_ = count;
  words_ = (count_ + 63) / 64;
  bonds_.clear();
  for (int v = 0; v < ball.size(); ++v) {
    if (place[v] < 0) continue;
    for (const RingBall::Entry &entry : ball.entries(v))
      if (place[entry.vertex] >= 0) bonds_.push_back({place[v], place[entry.vertex], net.edge(entry.edge).length});
  }
  const std::size_t layer = count_ * words_;
  if (layer * (most + 1) > most_words)
    throw Error("max_size", "for the rings through atom " + std::to_string(net.site(ball.node(0))),
                std::to_string(count) + " atoms are within half of it, too many to search; use a smaller max_size");
  bits_.assign(layer * (most + 1), 0);
  for (std::size_t v = 0; v < count_; ++v) bits_[v * words_ + v / 64] |= std::uint64_t{1} << v % 64;
  for (int t = 1; t <= most; ++t) {
    net.interrupt().check();
    std::uint64_t *const now = bits_.data() + layer * t;
    std::copy_n(now - layer, layer, now);
    for (const Bond &bond : bonds_) {
      if (bond.length > t) continue;
      const std::uint64_t *const from = now - layer * bond.length + bond.b * words_;
      std::uint64_t *const to = now + bond.a * words_;
      for (std::size_t w = 0; w < words_; ++w) to[w] |= from[w];
    }
  }
}

}  // namespace naglass
