#pragma once

#include <cstdint>
#include <span>

#include "core/box.hpp"

namespace naglass {

/// The topology of a PeriodicGraph: entry e of row i joins i to the image of targets[e] displaced by shifts[e].
struct PeriodicView {
  std::span<const std::int64_t> offsets;  // rows + 1
  std::span<const int> targets;
  std::span<const Shift> shifts;

  std::int64_t rows() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
};

}  // namespace naglass
