// Shared by the ring criteria: a ring as a list of sites on the cover, storage of found rings, one search per root.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ring_ball.hpp"
#include "core/rings.hpp"

namespace naglass {

struct RingSite {
  int site;
  Cells cells;

  auto operator<=>(const RingSite &) const = default;
};

using Ring = std::vector<RingSite>;

/// Puts a ring into the form described at RingList.
void make_canonical(Ring &ring);
bool is_selected(std::span<const RingSite> ring, const RingOptions &options);

/// Rings in canonical form, each kept once.
class RingSet {
 public:
  /// Returns false if the ring was already present.
  bool insert(std::span<const RingSite> ring);
  /// Adds without checking whether it is present.
  void append(std::span<const RingSite> ring);

  /// Adds the rings of another set; `disjoint` sets have none in common.
  void absorb(RingSet &&other, bool disjoint);

  std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::span<const RingSite> operator[](std::int64_t k) const
  { return {sites_.data() + offsets_[k], static_cast<std::size_t>(offsets_[k + 1] - offsets_[k])}; }

 private:
  void rehash(std::size_t slots);
  std::size_t slot_of(std::span<const RingSite> ring) const;

  std::vector<std::int64_t> offsets_{0};
  std::vector<RingSite> sites_;
  std::vector<std::int64_t> slots_;  // ring or -1, open addressing
};

/// The parts of RingCounts that many threads add to.
class RingTally {
 public:
  RingTally(int sites, int max_size, RingCounts &out);
  void add(std::span<const RingSite> ring);
  void originates(int site, std::size_t size);

 private:
  std::size_t row_;
  RingCounts &out_;
};

/// Adds the vertex of the ball, and before it the site inside the edge that leads there from `from` (-1: none).
void append_vertex(Ring &ring, const RingNet &net, const RingBall &ball, int vertex);
void append_middle(Ring &ring, const RingNet &net, const RingBall &ball, int vertex, int edge);

/// The primitive rings that start from the roots. Adds the selected ones to the tally and, if members are requested, to
/// the set; without a tally all go to the set.
RingSet primitive_rings(const RingNet &net, const RingOptions &options, RingTally *tally);

/// Limits the paths followed from one root, and allows the search to be interrupted.
class PathCount {
 public:
  PathCount(const RingNet &net, int root) : net_(&net), root_(root) {}

  /// Counts one step of a path. Throws Error if there are too many, Interrupted if the search should stop.
  void step();

 private:
  const RingNet *net_;
  int root_;
  std::int64_t steps_ = 0;
};

/// The rings of king and guttman; fills `searches` and the origins.
RingSet closed_path_rings(const RingNet &net, const RingOptions &options, RingTally &tally,
                          std::vector<std::int64_t> &searches);

/// Which of all primitive rings start from the roots and are not sums of smaller ones.
std::vector<std::uint8_t> strong_rings(const GraphView &graph, const RingNet &net, const RingSet &primitive,
                                       const RingOptions &options);

}  // namespace naglass
