// Rings from plain C++; included by test_core.cpp.
#pragma once

#include <map>
#include <random>
#include <vector>

#include "core/rings.hpp"

namespace naglass {

// A simple cubic lattice of n x n x n sites in a periodic cell, with a site inside every bond if `bridged`.
inline PeriodicGraph cubic_lattice(int n, bool bridged)
{
  std::vector<std::map<int, Shift>> rows(bridged ? 4 * n * n * n : n * n * n);
  const auto site = [n](int x, int y, int z) { return (x * n + y) * n + z; };
  for (int x = 0; x < n; ++x)
    for (int y = 0; y < n; ++y)
      for (int z = 0; z < n; ++z)
        for (int k = 0; k < 3; ++k) {
          std::array<int, 3> next{x, y, z};
          Shift shift{}, back{};
          if (++next[k] == n) next[k] = 0, shift[k] = 1, back[k] = -1;
          const int a = site(x, y, z), b = site(next[0], next[1], next[2]), inside = n * n * n + 3 * a + k;
          rows[a][bridged ? inside : b] = bridged ? Shift{} : shift;
          if (bridged) {
            rows[inside][a] = {};
            rows[inside][b] = shift;
          }
          rows[b][bridged ? inside : a] = back;
        }
  PeriodicGraph graph;
  for (const auto &row : rows) {
    for (const auto &[target, shift] : row) {
      graph.targets.push_back(target);
      graph.shifts.push_back(shift);
    }
    graph.offsets.push_back(static_cast<std::int64_t>(graph.targets.size()));
  }
  return graph;
}

template <typename Expect, typename ExpectError> void ring_cases(Expect expect, ExpectError expect_error)
{
  const PeriodicGraph plain = cubic_lattice(3, false), bridged = cubic_lattice(3, true);
  for (const auto criterion :
       {RingCriterion::primitive, RingCriterion::king, RingCriterion::guttman, RingCriterion::strong}) {
    RingOptions options;
    options.criterion = criterion;
    options.max_size = 5;
    options.members = true;
    const RingCounts squares = find_rings(plain, options);
    expect(squares.counts[4] == 3 * 27 && squares.counts[3] == 0 && squares.counts[5] == 0, "three squares a site");
    expect(squares.members.rings() == 81 && squares.members.sites.size() == 4 * 81, "all of them listed");
    options.max_size = 8;
    options.threads = 2;
    const RingCounts octagons = find_rings(bridged, options);
    expect(octagons.counts[8] == 3 * 27, "a site inside each bond doubles the size");
    expect(octagons.through[9 * 80 + 8] == 4, "a bond of the lattice lies on four squares");
  }

  std::mt19937 random(5);
  std::vector<std::uint8_t> first(bridged.offsets.size() - 1), second;
  for (auto &root : first) root = random() % 2;
  for (const auto root : first) second.push_back(!root);
  RingOptions options;
  options.max_size = 12;
  const std::int64_t all = find_rings(bridged, options).counts[12];
  options.roots = first;
  const std::int64_t part = find_rings(bridged, options).counts[12];
  options.roots = second;
  expect(all == 4 * 27 && part + find_rings(bridged, options).counts[12] == all, "each ring belongs to one root");

  expect_error([&] { find_rings(plain, {.max_size = 2}); }, "max_size = 2: a ring has at least 3 members");
  expect_error([&] { find_rings(plain, {.selection = RingSelection::abab}); }, "types = 0 entries: the graph has 27");
  expect_error([&] { find_rings(plain, {.roots = first}); }, "roots = 108 entries: the graph has 27 atoms");
}

}  // namespace naglass
