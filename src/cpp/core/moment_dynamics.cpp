#include "core/moment_dynamics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include "core/error.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

void check(const MomentTrack &moments)
{
  if (moments.frames < 1 || moments.centers < 1 ||
      static_cast<std::int64_t>(moments.values.size()) != moments.frames * moments.centers)
    throw Error("moments", std::to_string(moments.values.size()) + " values",
                "must have the shape (frames, centers), both at least 1");
  for (std::size_t k = 0; k < moments.values.size(); ++k)
    if (!std::isfinite(moments.values[k]))
      throw Error("moments[" + std::to_string(k / moments.centers) + "," + std::to_string(k % moments.centers) + "]",
                  moments.values[k], "must be finite (µB)");
}

double mean_of(const std::vector<double> &values)
{
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::vector<double> series_of(const MomentTrack &moments, std::int64_t center)
{
  std::vector<double> series(moments.frames);
  for (std::int64_t t = 0; t < moments.frames; ++t) series[t] = moments.at(t, center);
  return series;
}

std::vector<MomentChange> changes_of(const MomentTrack &moments, int center, const PolaronOptions &options)
{
  const std::int64_t w = options.window;
  std::vector<double> sums(moments.frames + 1, 0.0);
  for (std::int64_t t = 0; t < moments.frames; ++t) sums[t + 1] = sums[t] + std::abs(moments.at(t, center));
  std::vector<MomentChange> found;
  int running = 0;
  for (std::int64_t t = w; t + w <= moments.frames; ++t) {
    const double change = (sums[t + w] - 2.0 * sums[t] + sums[t - w]) / static_cast<double>(w);
    const int sign = std::abs(change) > options.threshold ? (change > 0.0 ? 1 : -1) : 0;
    if (sign != 0 && sign != running) found.push_back({t, center, change});
    else if (sign != 0 && std::abs(change) > std::abs(found.back().change)) found.back() = {t, center, change};
    running = sign;
  }
  return found;
}

}  // namespace

Autocorrelation moment_autocorrelation(const MomentTrack &moments, std::int64_t max_lag, bool own_mean)
{
  check(moments);
  if (max_lag < 0 || max_lag >= moments.frames)
    throw Error("max_lag", std::to_string(max_lag),
                "must lie between 0 and the number of frames - 1 = " + std::to_string(moments.frames - 1));
  const std::int64_t n = moments.centers, lags = max_lag + 1;
  double common = 0.0;
  for (const double value : moments.values) common += value;
  common /= static_cast<double>(moments.values.size());

  std::vector<double> products(n * lags);  // per center and lag, mean over origins
#pragma omp parallel for schedule(static) num_threads(threads_for(products.size(), 10000))
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<double> series = series_of(moments, i);
    const double mean = own_mean ? mean_of(series) : common;
    for (double &value : series) value -= mean;
    for (std::int64_t k = 0; k < lags; ++k) {
      double sum = 0.0;
      for (std::int64_t t = 0; t + k < moments.frames; ++t) sum += series[t] * series[t + k];
      products[i * lags + k] = sum / static_cast<double>(moments.frames - k);
    }
  }

  std::vector<double> total(lags, 0.0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 0; k < lags; ++k) total[k] += products[i * lags + k];
  if (!(total[0] > 0.0)) throw Error("moments", common, "do not vary, so there is no correlation to compute");

  Autocorrelation out;
  for (std::int64_t k = 0; k < lags; ++k) {
    out.value.push_back(total[k] / total[0]);
    std::vector<double> without(n);
    for (std::int64_t i = 0; i < n; ++i)
      without[i] = (total[k] - products[i * lags + k]) / (total[0] - products[i * lags]);
    const double mean = mean_of(without);
    double squares = 0.0;
    for (const double value : without) squares += (value - mean) * (value - mean);
    out.error.push_back(n > 1 ? std::sqrt(squares * static_cast<double>(n - 1) / static_cast<double>(n))
                              : std::numeric_limits<double>::quiet_NaN());
  }
  return out;
}

PolaronHops polaron_hops(const MomentTrack &moments, const PolaronOptions &options,
                         std::span<const std::pair<int, int>> linked, bool use_linked)
{
  check(moments);
  if (!(options.threshold > 0.0) || !std::isfinite(options.threshold))
    throw Error("threshold", options.threshold, "must be a positive number (µB)");
  if (options.window < 1 || 2 * options.window > moments.frames)
    throw Error("window", std::to_string(options.window),
                "must be at least 1 and at most half of the " + std::to_string(moments.frames) + " frames");
  if (options.tolerance < 0) throw Error("tolerance", std::to_string(options.tolerance), "must not be negative");
  std::vector<std::pair<int, int>> allowed;
  for (const auto &[a, b] : linked) {
    if (std::min(a, b) < 0 || std::max(a, b) >= moments.centers)
      throw Error("linked", std::to_string(a) + ", " + std::to_string(b),
                  "centers run from 0 to " + std::to_string(moments.centers - 1));
    allowed.emplace_back(std::minmax(a, b));
  }
  std::sort(allowed.begin(), allowed.end());

  std::vector<MomentChange> changes;
  for (int i = 0; i < static_cast<int>(moments.centers); ++i) {
    const std::vector<MomentChange> own = changes_of(moments, i, options);
    changes.insert(changes.end(), own.begin(), own.end());
  }
  std::sort(changes.begin(), changes.end(), [](const MomentChange &a, const MomentChange &b) {
    return std::tie(a.frame, a.center) < std::tie(b.frame, b.center);
  });

  std::vector<std::tuple<std::int64_t, std::size_t, std::size_t>> candidates;  // frames apart, losing, gaining
  for (std::size_t a = 0; a < changes.size(); ++a)
    for (std::size_t b = a + 1; b < changes.size(); ++b) {
      const std::int64_t apart = changes[b].frame - changes[a].frame;
      if (apart > options.tolerance) break;
      const int p = changes[a].center, q = changes[b].center;
      if (p == q || (changes[a].change > 0.0) == (changes[b].change > 0.0)) continue;
      if (use_linked && !std::binary_search(allowed.begin(), allowed.end(), std::pair{std::min(p, q), std::max(p, q)}))
        continue;
      candidates.emplace_back(apart, changes[a].change < 0.0 ? a : b, changes[a].change < 0.0 ? b : a);
    }
  std::sort(candidates.begin(), candidates.end());

  PolaronHops out;
  std::vector<bool> taken(changes.size(), false);
  for (const auto &[apart, losing, gaining] : candidates) {
    if (taken[losing] || taken[gaining]) continue;
    taken[losing] = taken[gaining] = true;
    out.hops.push_back({changes[losing], changes[gaining]});
  }
  std::sort(out.hops.begin(), out.hops.end(), [](const PolaronHop &a, const PolaronHop &b) {
    return std::tie(a.losing.frame, a.losing.center) < std::tie(b.losing.frame, b.losing.center);
  });
  for (std::size_t k = 0; k < changes.size(); ++k)
    if (!taken[k]) out.unpaired.push_back(changes[k]);
  return out;
}

}  // namespace naglass
