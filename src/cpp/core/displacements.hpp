#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// Options for the statistics of displacements Δr = r(t0 + t) - r(t0).
struct CorrelatorOptions {
  int species = 1;
  int points = 16;              // lags of the first level; each further level has half as many, twice as far apart
  std::int64_t longest = 0;     // longest lag in frames; 0 for no limit
  double overlap = 1.3;         // Å; an atom that moved less still overlaps with its original position
  double van_hove_reach = 0.0;  // Å; 0 for no histogram
  double van_hove_width = 0.1;  // Å; of a bin
  std::vector<double> charges;  // e, per species; empty for none
  int threads = 0;              // 0: OpenMP's default; results do not depend on it

  /// Bins of the van Hove histogram below the reach; one extra bin counts larger displacements.
  int bins() const;
  /// Throws Error for an option out of range.
  void check() const;
};

/// Lags t in frames: 1 ... p-1 with origins at every frame, then on level b = 1, 2, ... the lags j 2^b, j = p/2 ...
/// p-1, with origins at every 2^b-th frame. D. Frenkel, B. Smit, Understanding Molecular Simulation, Algorithm 9;
/// D. Dubbeldam et al., doi:10.1080/08927020902818039, but without averaging of positions: each lag is exact.
class LagScheme {
 public:
  explicit LagScheme(const CorrelatorOptions &options) : points_(options.points), longest_(options.longest) {}

  std::int64_t lag(int index) const;
  /// Number of lags up to this many frames.
  int count(std::int64_t frames) const;
  /// Indices, ascending, of the lags for which the frame one lag earlier is an origin.
  std::vector<int> ending_at(std::int64_t frame) const;
  /// Whether a frame after `frame` will use `origin`.
  bool needed(std::int64_t origin, std::int64_t frame) const;

 private:
  int level(int index) const;

  int points_;
  std::int64_t longest_;
};

/// Past frames that a scheme still needs, about p + (p/2) log2(frames/p) of them.
template <typename Value> class HeldFrames {
 public:
  const std::vector<Value> &at(std::int64_t frame) const { return frames_.at(frame); }
  void add(std::int64_t frame, std::vector<Value> values, const LagScheme &scheme)
  {
    std::erase_if(frames_, [&](auto &entry) {
      if (scheme.needed(entry.first, frame)) return false;
      spare_ = std::move(entry.second);
      return true;
    });
    if (scheme.needed(frame, frame)) frames_.emplace(frame, std::move(values));
  }
  /// Storage for a frame; reuses that of the last dropped frame, since allocating costs more than the sums.
  std::vector<Value> room(std::size_t size)
  {
    spare_.resize(size);
    return std::move(spare_);
  }
  std::map<std::int64_t, std::vector<Value>> &all() { return frames_; }
  const std::map<std::int64_t, std::vector<Value>> &all() const { return frames_; }

 private:
  std::map<std::int64_t, std::vector<Value>> frames_;
  std::vector<Value> spare_;
};

/// Order of the sums of one frame, as written by DisplacementHistory and read by DisplacementStatistics: first
/// the sums of positions per species, then per lag that ends at the frame and per species the sums over atoms.
struct SumLayout {
  explicit SumLayout(const CorrelatorOptions &options);

  std::size_t center(int s) const;                  // Σ r: three exact sums
  std::size_t square(std::size_t k, int s) const;   // Σ Δr²: one exact sum
  std::size_t fourth(std::size_t k, int s) const;   // Σ Δr⁴
  std::size_t overlap(std::size_t k, int s) const;  // number of atoms
  std::size_t bins(std::size_t k, int s) const;     // numbers of atoms
  std::size_t size(std::size_t lags) const;

  int species, histogram;  // length of a histogram including the overflow bin; 0 if none
};

/// Past positions of the atoms of one rank. Memory: 24 bytes per atom and stored frame.
class DisplacementHistory {
 public:
  /// `species` has one number in [0, options.species) per atom; otherwise throws Error.
  DisplacementHistory(const CorrelatorOptions &options, std::span<const int> species);

  /// Takes the next frame's unwrapped positions (Å) and returns its sums by SumLayout. All sums are exact: sums from
  /// several ranks may be added in any order, and the number of threads does not matter. About 1.5 p pairs per atom and
  /// frame. Throws Error for a wrong number of positions or one that is not finite.
  std::vector<double> add(std::span<const Vec3> positions);

  std::int64_t frames() const { return frames_; }
  /// The indices of the stored frames, and per atom a row of its positions in these frames: everything add() depends
  /// on.
  std::vector<std::int64_t> held() const;
  std::vector<double> rows() const;
  void restore(std::int64_t frames, std::span<const std::int64_t> held, std::span<const double> rows);

 private:
  struct Chunk {
    int species;
    std::size_t first, last;
  };

  void add_chunk(const Chunk &chunk, const std::vector<Vec3> &now, const std::vector<const Vec3 *> &then,
                 double *sums) const;

  CorrelatorOptions options_;
  LagScheme scheme_;
  SumLayout layout_;
  std::int64_t frames_ = 0;
  std::vector<std::size_t> order_;  // atoms sorted by species
  std::vector<Chunk> chunks_;
  HeldFrames<Vec3> held_;
};

}  // namespace naglass
