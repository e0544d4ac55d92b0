#pragma once

#include <span>
#include <vector>

#include "core/linkage.hpp"

namespace naglass {

/// Kinds of the links that lanterns are made of.
constexpr int lantern_centre = 0, lantern_bridge = 1;

/// What the bridges of these links contribute: each ordered pair of the centres that a bridge is linked to. All links
/// of a bridge `a` must be among them, in the order of count_shared().
std::vector<SharedLigand> centres_by_bridge(std::span<const Link> links);

/// Those pairs of centres that share exactly three bridges, out of centres_by_bridge()'s records.
std::vector<Link> lanterns(std::vector<SharedLigand> &&records);

/// Lanterns of each row of a periodic graph: the centres that share exactly three bridges with it, images counted
/// apart; -1 for a row that is no centre. A bridge is shared when both centres have a ligand in common with it.
/// Per row: `kinds` is lantern_centre, lantern_bridge or -1; `ligand` is not zero for a ligand.
/// Throws Error as centre_links() does.
std::vector<int> lantern_counts(const PeriodicView &bonds, std::span<const int> kinds, std::span<const char> ligand);

}  // namespace naglass
