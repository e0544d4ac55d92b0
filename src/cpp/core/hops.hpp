#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

struct HopOptions {
  int window = 10;          // samples in each half of the window
  double threshold = 1.0;   // Å²; a hop starts when p_hop exceeds it
  double release = 0.5;     // Å²; a hop ends when p_hop falls below it
  double min_length = 1.5;  // Å; shorter ones are rattling
  int return_within = 200;  // samples; a hop back to a site left at most this long ago is a return
  int threads = 0;          // 0: OpenMP's default
};

/// One hop of one atom.
struct Hop {
  std::int64_t step = 0;     // of the first sample at the new site, where p_hop is largest
  std::int64_t atom = 0;     // index among the positions
  Vec3 from{};               // mean position over the half-window before (Å)
  Vec3 to{};                 // mean position over the half-window starting at `step`
  double p_max = 0.0;        // Å²
  double overlap = std::numeric_limits<double>::quiet_NaN();  // Jaccard overlap of the cages before and after
  std::int64_t waiting = -1; // steps since the atom's previous hop, -1 if it had none
  bool returned = false;     // back to within half a hop length of a site it left shortly before

  double length() const;

  /// The members as plain numbers, in the order above, and back.
  static constexpr int width = 12;
  std::array<double, width> row() const;
  static Hop from_row(std::span<const double, width> row);
};

/// Host neighbors of every atom at one sample, in CSR form; hosts are identified by any non-negative number. Empty: no
/// cages.
struct Cages {
  std::span<const std::int64_t> offsets;  // atoms + 1
  std::span<const std::int64_t> hosts;
};

/// The part of a detector's state that all atoms share.
struct HopProgress {
  std::int64_t samples = 0;
  std::int64_t last_step = 0;
  std::int64_t interval = 0;  // steps between samples, set at the second sample
  bool cages = false;
  bool finished = false;
};

/// Streaming detector of hops by p_hop (Candelier, Dauchot, Biroli, PRL 102, 088001 (2009); in the form of
/// Smessaert & Rottler, PRE 88, 022314 (2013)). With A the older and B the newer half of a window of 2w samples,
///   p = sqrt(<|r - <r>_B|^2>_A <|r - <r>_A|^2>_B).
/// O(1) per atom and sample. Each atom's hops depend only on its own samples, so they are identical to the last bit for
/// any number of threads and any distribution of the atoms over detectors.
class HopDetector {
 public:
  /// Throws Error for options out of range.
  HopDetector(std::size_t atoms, const HopOptions &options);

  /// Adds the next sample: unwrapped positions (Å), from which `offset` (the framework's drift) is subtracted. Returns
  /// the hops that are now certain, ordered by step and atom: all those at the sample 2w-1 before this one. Throws
  /// Error for positions that are not finite, unevenly spaced steps, cages given at some samples only.
  std::vector<Hop> add(std::span<const Vec3> positions, const Vec3 &offset, std::int64_t step, const Cages &cages = {});
  /// Ends the stream: returns the hops still pending, and those whose p_hop has passed its maximum but not fallen below
  /// the release. No more samples may follow.
  std::vector<Hop> finish();

  /// p_hop of each atom now (Å²), at the sample w-1 before the last one; NaN until 2w samples have been added.
  std::vector<double> p_hop() const;

  const HopOptions &options() const { return options_; }
  std::size_t atoms() const { return sums_.size(); }
  /// Number of hops of each atom that are certain (or pending) so far.
  std::int64_t count(std::size_t atom) const { return tracks_[atom].hops; }
  /// Number of samples at which a hop could have been reported so far: the denominator of a rate.
  std::int64_t observed_samples() const;

  /// The state, for a bit-exact restart: the shared part, one row of row_width(most_hosts()) numbers per atom, and
  /// pending hops. If several detectors share the atoms, use the largest most_hosts().
  const HopProgress &progress() const { return progress_; }
  const std::vector<Hop> &held_back() const { return held_back_; }
  std::size_t most_hosts() const;
  int row_width(std::size_t most_hosts) const;
  std::vector<double> rows(std::size_t most_hosts);
  /// Throws Error if the rows do not match atoms and options.
  void restore(const HopProgress &progress, std::span<const double> rows, std::size_t most_hosts,
               std::vector<Hop> held_back);

 private:
  static constexpr int sites_kept = 4;

  // One cache line per atom: means of the two halves and sums of squared deviations from them.
  struct alignas(64) Sums {
    Vec3 mean_a{}, mean_b{};
    double spread_a = 0.0, spread_b = 0.0;
  };
  struct Site {
    Vec3 position{};
    std::int64_t left = -1;  // sample, -1 for none
  };
  // Used only while p_hop is above its thresholds.
  struct Track {
    double peak = 0.0;  // square of the largest p_hop
    std::int64_t peak_sample = 0;
    Vec3 from{}, to{};
    double overlap = 0.0;
    std::int64_t last_hop = -1;  // step
    std::int64_t hops = 0;
    Site sites[sites_kept];  // latest first
  };
  // A sample's cages: hosts ascending, each once.
  struct CageSample {
    std::vector<std::int64_t> offsets, hosts;
  };

  void check_step(std::int64_t step) const;
  void keep_cages(const Cages &cages);
  void slide(std::size_t i, const Vec3 &position, Vec3 &oldest, const Vec3 &middle);
  void sum_anew(std::size_t i);
  double p_squared(std::size_t i) const;
  void follow(std::size_t i, double p, std::vector<Hop> &found);
  void close(std::size_t i, std::vector<Hop> &found);
  std::vector<Hop> take_until(std::int64_t last_step);
  bool is_return(const Track &track, double length) const;
  double cage_overlap(std::size_t i) const;
  void majority(std::size_t i, std::int64_t first, std::vector<std::int64_t> &hosts) const;
  std::size_t slot(std::int64_t sample) const { return static_cast<std::size_t>(sample % (2 * options_.window)); }
  std::int64_t step_of(std::int64_t sample) const;
  void visit_row(std::size_t i, auto &&visit);

  HopOptions options_;
  HopProgress progress_;
  std::int64_t center_ = 0;  // first sample of the newer half
  std::vector<Vec3> ring_;  // [slot][atom]
  std::vector<Sums> sums_;
  std::vector<unsigned char> open_;
  std::vector<Track> tracks_;
  std::vector<CageSample> cages_;  // [slot]
  std::vector<Hop> held_back_;
};

}  // namespace naglass
