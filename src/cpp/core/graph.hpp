#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// A read-only graph in CSR form: entries offsets[i] ... offsets[i+1]-1 are the neighbors of row i, and entry e joins i
/// to the image of targets[e] displaced by shifts[e]. Both directions of a pair are present. What a function does not
/// need may be empty. In a parallel run, targets may lie beyond the last row (ghost atoms).
struct GraphView {
  std::span<const std::int64_t> offsets;  // rows + 1
  std::span<const int> targets;
  std::span<const Shift> shifts = {};           // cell vectors
  std::span<const double> lengths = {};         // Å
  std::span<const std::uint8_t> complete = {};  // per row, whether it is known; empty where all are

  int rows() const { return static_cast<int>(offsets.size()) - 1; }
  bool known(int i) const { return complete.empty() || complete[i]; }
};

/// A graph of atoms and their images, with the memory that GraphView refers to: r_ij = r_j - r_i + shift·cell and
/// lengths[e] = |r_ij|. Rows are sorted by target, then shift. An atom may neighbor its own images.
struct PeriodicGraph {
  std::vector<std::int64_t> offsets{0};
  std::vector<int> targets;
  std::vector<Shift> shifts;
  std::vector<double> lengths;
  std::vector<std::uint8_t> complete = {};

  operator GraphView() const { return {offsets, targets, shifts, lengths, complete}; }
};

}  // namespace naglass
