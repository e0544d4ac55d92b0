#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace naglass {

/// Moments of the same centers frame after frame: values[frame * centers + center], µB.
struct MomentTrack {
  std::span<const double> values;
  std::int64_t frames;
  std::int64_t centers;

  double at(std::int64_t frame, std::int64_t center) const { return values[frame * centers + center]; }
};

/// C(k) = ⟨δm(t) δm(t + k)⟩ / ⟨δm²⟩ for k = 0 ... max_lag, over centers and all origins.
struct Autocorrelation {
  std::vector<double> value;
  std::vector<double> error;  // jackknife over centers; NaN for a single center
};

/// δm is relative to the mean over all centers and frames, or (`own_mean`) to each center's own mean.
/// O(centers · frames · lags). Throws Error for mismatched sizes, values that are not finite, a lag beyond the
/// last frame, or moments that do not vary.
Autocorrelation moment_autocorrelation(const MomentTrack &moments, std::int64_t max_lag, bool own_mean);

struct PolaronOptions {
  double threshold = 0.5;      // µB
  std::int64_t window = 10;    // frames averaged before and after
  std::int64_t tolerance = 10; // frames between the two halves of a hop
};

/// A lasting change of |m| at one center; `frame` is the first of the new plateau.
struct MomentChange {
  std::int64_t frame;
  int center;
  double change;  // µB
};

struct PolaronHop {
  MomentChange losing, gaining;
};

struct PolaronHops {
  std::vector<PolaronHop> hops;          // by frame of the losing half
  std::vector<MomentChange> unpaired;    // by frame
};

/// Changes of the mean |m| over `window` frames by more than the threshold, and pairs of them: one center loses,
/// another gains within `tolerance` frames. The closest in time are paired first; each change is used once. With
/// `linked` (pairs of centers) only those pairs can hop. O(centers · frames). Throws Error for mismatched sizes, values
/// that are not finite, or options out of range.
PolaronHops polaron_hops(const MomentTrack &moments, const PolaronOptions &options,
                         std::span<const std::pair<int, int>> linked, bool use_linked);

}  // namespace naglass
