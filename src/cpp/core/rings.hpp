#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ring_net.hpp"

namespace naglass {

enum class RingCriterion {
  primitive,  // no shortcut between any two members (Franzblau's shortest-path ring)
  king,       // shortest closed path through an atom and two of its neighbors
  guttman,    // shortest closed path through a bond
  strong      // not a sum, modulo 2, of smaller rings (Goetzke & Klein)
};

/// What a closed path of King's criterion must avoid besides its center.
enum class KingNeighbors {
  excluded,  // the center's other neighbors
  center     // nothing
};

enum class RingSelection {
  all,
  abab,        // two types that strictly alternate
  not_abab,    // all but those
  heteropolar  // no bond between two atoms of one type
};

struct RingOptions {
  RingCriterion criterion = RingCriterion::primitive;
  int max_size = 16;  // size of the largest ring searched for
  KingNeighbors king_neighbors = KingNeighbors::excluded;
  RingSelection selection = RingSelection::all;
  std::span<const int> types = {};           // per site; needed unless `selection` is all
  std::span<const std::uint8_t> roots = {};  // per site, whether searches start there; empty: everywhere
  int strong_reach = -1;  // distance (bonds) around a ring within which smaller rings may sum to it; -1: max_size
  bool members = false;  // list the rings themselves
  int threads = 0;  // 0: OpenMP's default
};

/// Ring k has members offsets[k] ... offsets[k+1]-1 in the order of its bonds. It starts at its first member (lowest
/// site, then image), which is in cell 0, and continues to the lower of that member's two neighbors.
struct RingList {
  std::vector<std::int64_t> offsets{0};
  std::vector<int> sites;
  std::vector<Shift> shifts;

  std::int64_t rings() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
};

struct RingCounts {
  std::vector<std::int64_t> counts;  // index: size; each ring once, images of a ring are one ring
  std::vector<std::int64_t> searches;  // king: pairs of neighbors, guttman: directed bonds, by their shortest ring
  std::vector<int> through;  // sites x (max_size + 1): rings of each size through a site
  std::vector<std::uint8_t> origins;  // same shape: whether a search from the site finds a ring of the size
  RingList members;  // sorted by size, then members; empty unless requested
};

/// The rings of a periodic graph up to `max_size` members, the only limit. Rings live on the cover of the graph, where
/// a vertex is a site and an image: a loop through the boundary that does not return to the same image is not a ring,
/// and cells may be smaller than a ring. Which rings are found does not depend on the number of threads.
///
/// With `roots`, a primitive or strong ring is counted where its first member that joins three or more bonds is a
/// root; king and guttman start only from roots, so a ring may be found from several sets of roots. Rows within
/// ring_halo() bonds of the roots must then be complete.
///
/// Cost: linear in the number of sites; per site it grows with the number of atoms within max_size / 2 bonds.
/// Sources: Franzblau, Phys. Rev. B 44, 4925 (1991); King, Nature 213, 1112 (1967); Guttman, J. Non-Cryst. Solids
/// 116, 145 (1990); Goetzke & Klein, J. Non-Cryst. Solids 127, 215 (1991).
/// Throws Error for a max_size below 3, a reach below -1, types or roots that do not match the graph, and as RingNet
/// does.
RingCounts find_rings(const GraphView &graph, const RingOptions &options);

/// strong_reach with its default filled in.
int strong_reach(const RingOptions &options);

/// Distance (bonds) around a root that must be known for exact counts.
int ring_halo(const RingOptions &options);

}  // namespace naglass
