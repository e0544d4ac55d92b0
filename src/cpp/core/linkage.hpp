#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "core/graph.hpp"

namespace naglass {

/// An image of a center as seen from an atom bonded to it. `kind` is the index of the center's kind.
struct CenterImage {
  std::int64_t id;
  int kind;
  Shift shift;
};

/// One ligand that center `a` shares with the image of center `b` displaced by `shift` from a's own cell. Every pair
/// occurs twice, once from each end.
struct SharedLigand {
  std::int64_t a, b;
  Shift shift;
  int kind_a, kind_b;

  auto operator<=>(const SharedLigand &) const = default;
};

/// Two centers that share ligands: 1 is a shared corner, 2 an edge, 3 and more a face.
struct Link {
  std::int64_t a, b;
  Shift shift;
  int kind_a, kind_b;
  int shared;

  /// True for one of the two directions in which a pair of centers appears.
  bool counts_pair() const { return a < b || (a == b && shift > Shift{}); }
};

/// Corner, edge and face sharing pairs.
using LinkCounts = std::array<std::int64_t, 3>;

/// A ligand's contribution to an ordered pair of the centers around it.
SharedLigand shared_by(const CenterImage &a, const CenterImage &b);

/// Appends the contributions of one ligand: each ordered pair of the centers `around` it.
void append_shared(std::span<const CenterImage> around, std::vector<SharedLigand> &records);

/// Sums the records of each pair; the links are sorted by a, b, shift. O(n log n).
std::vector<Link> count_shared(std::vector<SharedLigand> &&records);

/// The links of a periodic graph through its ligands. Per row: `kinds` is the center's kind or -1, `ligand` is not
/// zero for a ligand. An image of a center counts as a separate center. O(bonds) plus a sort.
/// Throws Error if kinds or ligands do not match the graph.
std::vector<Link> center_links(const GraphView &bonds, std::span<const int> kinds, std::span<const char> ligand);

/// Index of an unordered pair of kinds in (0,0), (0,1) ... (0,kinds-1), (1,1) ...
std::size_t kind_pair(int a, int b, int kinds);

/// Pairs of centers per kind_pair(); each pair counts once. The links may cover only some of the centers `a`; the
/// counts of disjoint parts add up.
std::vector<LinkCounts> linkage_counts(std::span<const Link> links, int kinds);

}  // namespace naglass
