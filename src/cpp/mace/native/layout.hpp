// Features of a node: blocks of irreps, each [component][channel] with channels padded to whole cache lines.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "native_kernels.hpp"

namespace naglass::mace {

/// Where the blocks of e3nn's flat features ([channel][component], nothing between) are in rows of this backend.
struct Layout {
  struct Block {
    int flat, channels, components, offset, padded;
  };
  std::vector<Block> blocks;
  int flat_width = 0, width = 0;

  template <typename Real> static Layout of(const std::vector<std::array<int, 2>> &irreps)
  {
    Layout out;
    for (const auto &[channels, components] : irreps) {
      const int room = mace::padded<Real>(channels);
      out.blocks.push_back({out.flat_width, channels, components, out.width, room});
      out.flat_width += channels * components;
      out.width += room * components;
    }
    return out;
  }

  const Block &at(int flat) const
  {
    const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const Block &b) { return b.flat == flat; });
    if (found == blocks.end()) throw std::runtime_error("no irreps start at column " + std::to_string(flat));
    return *found;
  }

  /// Column of this backend for one of e3nn's.
  int column(int flat) const
  {
    for (const Block &b : blocks)
      if (flat >= b.flat && flat < b.flat + b.channels * b.components) {
        const int inside = flat - b.flat;
        return b.offset + inside % b.components * b.padded + inside / b.components;
      }
    throw std::runtime_error("column " + std::to_string(flat) + " is outside the irreps");
  }

  template <typename Real> void fill(const double *flat, Real *row) const
  {
    std::fill_n(row, width, Real(0));
    for (int c = 0; c < flat_width; ++c) row[column(c)] = static_cast<Real>(flat[c]);
  }
};

}  // namespace naglass::mace
