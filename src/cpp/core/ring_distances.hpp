#pragma once

#include <cstdint>
#include <vector>

#include "core/ring_ball.hpp"

namespace naglass {

/// Distances between all vertices of a ball, as bit sets of the vertices within 0, 1, 2, ... of each vertex: one pass
/// over the bonds handles 64 sources at once.
class BallDistances {
 public:
  /// Distances up to `most` among the vertices with `place` other than -1; `place` numbers them 0 ... count - 1.
  void fill(const RingNet &net, const RingBall &ball, const std::vector<int> &place, int count, int most);

  bool within(int distance, int a, int b) const
  {
    return distance >= 0 && (bits_[(static_cast<std::size_t>(distance) * count_ + a) * words_ + b / 64] >> b % 64) & 1;
  }

 private:
  struct Bond {
    int a, b, length;
  };

  std::size_t count_ = 0, words_ = 0;
  std::vector<Bond> bonds_;
  std::vector<std::uint64_t> bits_;
};

}  // namespace naglass
