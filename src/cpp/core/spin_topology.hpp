#pragma once

#include <array>
#include <span>
#include <vector>

#include "core/graph.hpp"

namespace naglass {

/// Role of an atom in the links between transition-metal centers.
enum class LinkRole { other, center, bridge, former, alkali };

/// Pairs of centers, each once: `first` <= `second`, the latter displaced by `shifts` cell vectors. A center may be
/// linked to its own images. Sorted by first, second, shift.
struct CenterLinks {
  std::vector<int> first;
  std::vector<int> second;
  std::vector<Shift> shifts;
  std::vector<int> paths;  // number of bridges, or bridge–former–bridge paths, joining the pair
};

/// Clusters of linked centers.
struct LinkClusters {
  std::vector<int> label;  // per atom, from 0 in the order of their lowest atom; -1 for atoms that are not centers
  std::vector<int> size;  // centers per cluster
  std::vector<int> dimension;  // 0 finite, 1 endless chain, 2 sheet, 3 framework
};

/// Links center–bridge–center (V–O–V). Throws Error for roles or shifts that do not match the graph.
CenterLinks direct_links(const GraphView &graph, std::span<const LinkRole> roles);

/// Links center–bridge–former–bridge–center (V–O–P–O–V) through two different bridges of one former.
CenterLinks mediated_links(const GraphView &graph, std::span<const LinkRole> roles);

/// Per center the number of alkali atoms, images counted separately, that share at least one bridge with it; 0 for
/// others.
std::vector<int> alkali_neighbors(const GraphView &graph, std::span<const LinkRole> roles);

/// Clusters of all centers, joined by the links with a nonzero entry in `used`. Unlinked centers are clusters of one.
LinkClusters link_clusters(const CenterLinks &links, std::span<const int> used, std::span<const LinkRole> roles);

}  // namespace naglass
