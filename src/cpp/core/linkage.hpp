#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "core/periodic_view.hpp"

namespace naglass {

/// An image of a centre as seen from an atom bonded to it. `kind` is the centre's place in the list of kinds.
struct CentreImage {
  std::int64_t id;
  int kind;
  Shift shift;
};

/// One ligand that centre `a` shares with the image of centre `b` displaced by `shift` from a's own cell. Every pair
/// comes twice, once from each end.
struct SharedLigand {
  std::int64_t a, b;
  Shift shift;
  int kind_a, kind_b;

  auto operator<=>(const SharedLigand &) const = default;
};

/// Two centres that share ligands: 1 is a shared corner, 2 an edge, 3 and more a face.
struct Link {
  std::int64_t a, b;
  Shift shift;
  int kind_a, kind_b;
  int shared;

  /// True for one of the two directions in which a pair of centres appears.
  bool counts_pair() const { return a < b || (a == b && shift > Shift{}); }
};

/// Corner, edge and face sharing pairs.
using LinkCounts = std::array<std::int64_t, 3>;

/// What a ligand contributes to the ordered pair of two of the centres around it.
SharedLigand shared_by(const CentreImage &a, const CentreImage &b);

/// Appends what one ligand contributes: each ordered pair of the centres `around` it.
void append_shared(std::span<const CentreImage> around, std::vector<SharedLigand> &records);

/// Sums the records of each pair; the links are sorted by a, b, shift. O(n log n).
std::vector<Link> count_shared(std::vector<SharedLigand> &&records);

/// The links of a periodic graph through its ligands. Per row: `kinds` is the centre's kind or -1, `ligand` is not
/// zero for a ligand. An image of a centre is a centre of its own. O(bonds) plus a sort.
/// Throws Error if kinds or ligands do not match the graph.
std::vector<Link> centre_links(const PeriodicView &bonds, std::span<const int> kinds, std::span<const char> ligand);

/// Place of an unordered pair of kinds in (0,0), (0,1) ... (0,kinds-1), (1,1) ...
std::size_t kind_pair(int a, int b, int kinds);

/// Pairs of centres per kind_pair(); each pair counts once. The links may be those of some of the centres `a` only:
/// the counts of disjoint parts add up.
std::vector<LinkCounts> linkage_counts(std::span<const Link> links, int kinds);

}  // namespace naglass
