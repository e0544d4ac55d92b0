#pragma once

#include <span>
#include <vector>

#include "core/linkage.hpp"

namespace naglass {

/// Kinds of the links that form lanterns.
constexpr int lantern_center = 0, lantern_bridge = 1;

/// The contributions of the bridges of these links: each ordered pair of centers linked to a bridge. All links
/// of a bridge `a` must be among them, in the order of count_shared(). A bridge that shares more than a corner with one
/// of the two contributes four records instead of one.
std::vector<SharedLigand> centers_by_bridge(std::span<const Link> links);

/// The pairs of centers, from the records of centers_by_bridge(), that share exactly three bridges and no ligand: all
/// links of the records' centers `a` must be among `links`, in the order of count_shared().
std::vector<Link> lanterns(std::vector<SharedLigand> &&records, std::span<const Link> links);

/// Lanterns of each row of a periodic graph: the centers that share exactly three bridges and no ligand with it, images
/// counted separately; -1 for a row that is not a center. A bridge is shared when both centers have a ligand in common
/// with it; each bridge of a lantern has exactly one in common with each of the two. Per row: `kinds` is
/// lantern_center, lantern_bridge or -1; `ligand` is not zero for a ligand. Throws Error as center_links() does.
std::vector<int> lantern_counts(const GraphView &bonds, std::span<const int> kinds, std::span<const char> ligand);

}  // namespace naglass
