#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/graph.hpp"
#include "core/translation_forest.hpp"

namespace naglass {

/// Connected components of a periodic graph, largest first, ties ordered by lowest row.
struct Clusters {
  std::vector<int> labels;               // cluster of each row, or -1 if not selected
  std::vector<std::int64_t> sizes;       // number of rows in each cluster; images are not counted separately
  std::vector<Sublattice> translations;  // of each cluster onto itself; the rank is the dimension of percolation
};

/// Components of the selected rows (`selected` not zero) and the edges between them. Nearly O(edges).
/// Throws Error if `selected` does not match the graph.
Clusters find_clusters(const GraphView &graph, std::span<const char> selected);

/// The smallest cutoff (Å) at which sites, joined when closer than the cutoff, percolate. Exact, among distances up to
/// `largest`; NaN if the sites do not percolate below it. Throws Error as neighbor_list() does.
PercolationLevels site_percolation(std::span<const Vec3> positions, const Box &box, double largest);

}  // namespace naglass
