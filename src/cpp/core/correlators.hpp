#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/displacements.hpp"

namespace naglass {

/// A value and its standard error; the error is NaN if there are too few time blocks.
struct Estimate {
  double value;
  double error;
};

/// One species at one lag.
struct SpeciesEstimate {
  Estimate msd;         // Å², ⟨Δr²⟩
  Estimate alpha2;      // 3⟨Δr⁴⟩/(5⟨Δr²⟩²) - 1
  Estimate overlap;     // ⟨Q⟩/N
  Estimate chi4;        // (⟨Q²⟩ - ⟨Q⟩²)/N
  Estimate collective;  // Å², ⟨|ΣΔr|²⟩/N
  Estimate haven;       // ⟨Δr²⟩ / (⟨|ΣΔr|²⟩/N)
};

struct LagEstimate {
  std::int64_t lag;      // frames
  std::int64_t origins;  // averaged over
  std::vector<SpeciesEstimate> species;
  Estimate charge;  // e²Å², ⟨|Σ q Δr|²⟩; zero without charges
};

/// Sums over time origins for the atoms of all ranks, in time blocks for the errors. An error is the jackknife
/// over blocks at least twice as long as the lag, NaN with fewer than four. Memory: (32 to 64 blocks) × lags ×
/// numbers(), independent of the atoms and logarithmic in the frames.
class DisplacementStatistics {
 public:
  /// `atoms` counts the atoms of each species.
  DisplacementStatistics(const CorrelatorOptions &options, std::span<const std::int64_t> atoms);

  /// The sums of the next frame, from DisplacementHistory::add, added up over ranks.
  void add(std::span<const double> sums);
  /// Adds the origins of another, independent run of the same atoms; no displacement spans both runs.
  /// Throws Error if options or atoms differ.
  void merge(const DisplacementStatistics &other);

  std::int64_t frames() const { return frames_; }
  int lags() const { return lags_; }
  std::int64_t lag(int index) const { return scheme_.lag(index); }
  LagEstimate at(int index) const;
  /// 4πr²G_s(r,t) per bin (1/Å); the last is the fraction of atoms beyond the reach. Empty without a histogram.
  std::vector<Estimate> van_hove(int index, int species) const;

  /// Sums of all lags in blocks of time of at least `width` frames, each lags() × numbers(): origins; per species
  /// ΣΔr², ΣΔr⁴, ΣQ, ΣQ²; per pair of species s ≤ t Σ D_s·D_t with D = Σ_i Δr; Σ|Σ q Δr|²; histograms.
  std::vector<std::vector<double>> blocks(std::int64_t width) const;
  int numbers() const;

  /// Everything that add() and merge() changed. restore() throws Error if options or atoms differ.
  std::vector<double> state() const;
  void restore(std::span<const double> state);

 private:
  using Table = std::vector<double>;  // lags × numbers; the last lags may still be missing

  // Consecutive time blocks of equal width.
  struct Blocks {
    std::int64_t width = 1;
    std::vector<Table> tables;
    void coarsen();
  };

  int pair(int s, int t) const;
  void add_lag(int index, std::size_t k, std::span<const double> sums, const std::vector<double> &centers);
  std::vector<std::vector<double>> slices(int index) const;
  std::vector<double> header() const;

  CorrelatorOptions options_;
  LagScheme scheme_;
  SumLayout layout_;
  std::vector<std::int64_t> atoms_;
  std::int64_t frames_ = 0;
  int lags_ = 0;
  Blocks own_, merged_;
  HeldFrames<double> centers_;
};

/// Combines both halves for a program that has all atoms.
class Correlator {
 public:
  Correlator(const CorrelatorOptions &options, std::span<const int> species);

  /// The next frame's unwrapped positions (Å), evenly spaced in time.
  void add(std::span<const Vec3> positions) { statistics_.add(history_.add(positions)); }
  void merge(const Correlator &other) { statistics_.merge(other.statistics_); }
  const DisplacementStatistics &statistics() const { return statistics_; }

  /// A correlator restored from a state gives bit-for-bit the same results as an uninterrupted one.
  std::vector<double> state() const;
  void restore(std::span<const double> state);

 private:
  DisplacementHistory history_;
  DisplacementStatistics statistics_;
};

}  // namespace naglass
