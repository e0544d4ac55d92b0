#include "core/hops.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

// Windows after which the running sums are recomputed, so that rounding errors do not accumulate.
constexpr std::int64_t windows_between_sums = 64;
constexpr double return_radius = 0.5;  // of the hop's length
constexpr std::int64_t block = 4096;   // atoms

void check_number(const char *name, double value, bool allowed, const char *problem)
{
  if (!std::isfinite(value) || !allowed) throw Error(name, value, problem);
}

bool before(const Hop &a, const Hop &b) { return a.step != b.step ? a.step < b.step : a.atom < b.atom; }

bool finite(const Vec3 &r) { return std::isfinite(r[0]) && std::isfinite(r[1]) && std::isfinite(r[2]); }

double norm(const Vec3 &r) { return std::sqrt(dot(r, r)); }

// One value of a half-window is replaced: mean and sum of squared deviations follow without cancellation.
void replace(Vec3 &mean, double &spread, const Vec3 &in, const Vec3 &out, double share)
{
  const Vec3 change = in - out;
  const Vec3 moved{mean[0] + share * change[0], mean[1] + share * change[1], mean[2] + share * change[2]};
  spread += dot(change, (in - moved) + (out - mean));
  mean = moved;
}

}  // namespace

double Hop::length() const { return norm(to - from); }

HopDetector::HopDetector(std::size_t atoms, const HopOptions &options) : options_(options)
{
  check_number("window", options.window, options.window >= 1, "must be at least 1 sample");
  check_number("threshold", options.threshold, options.threshold > 0.0, "must be a positive number (Å²)");
  check_number("release", options.release, options.release > 0.0 && options.release <= options.threshold,
               "must be positive and at most the threshold (Å²)");
  check_number("min_length", options.min_length, options.min_length >= 0.0, "must be a number of at least 0 (Å)");
  check_number("return_within", options.return_within, options.return_within >= 0, "must be at least 0 samples");
  ring_.resize(atoms * 2 * options.window);
  sums_.resize(atoms);
  open_.resize(atoms);
  tracks_.resize(atoms);
}

void HopDetector::check_step(std::int64_t step) const
{
  if (progress_.finished) throw Error("step", std::to_string(step), "the detector has already finished");
  if (progress_.samples == 0) return;
  const std::int64_t interval = step - progress_.last_step;
  if (interval <= 0 || (progress_.samples > 1 && interval != progress_.interval))
    throw Error("step", std::to_string(step),
                "samples must be evenly spaced; the last one was at step " + std::to_string(progress_.last_step) +
                    (progress_.samples > 1 ? ", the interval " + std::to_string(progress_.interval) : ""));
}

void HopDetector::keep_cages(const Cages &cages)
{
  const bool given = !cages.offsets.empty();
  if (progress_.samples > 0 && given != progress_.cages)
    throw Error("cages", given ? "given" : "absent", "must be given with every sample or with none");
  progress_.cages = given;
  if (!given) return;
  const auto entries = static_cast<std::int64_t>(cages.hosts.size());
  if (cages.offsets.size() != atoms() + 1 || cages.offsets.front() != 0 || cages.offsets.back() != entries ||
      !std::is_sorted(cages.offsets.begin(), cages.offsets.end()))
    throw Error("cages", std::to_string(cages.offsets.size()) + " offsets",
                "must increase from 0 to the number of hosts, with one more entry than atoms");

  cages_.resize(2 * options_.window);
  CageSample &sample = cages_[slot(progress_.samples)];
  sample.offsets.assign(1, 0);
  sample.hosts.clear();
  for (std::size_t i = 0; i < atoms(); ++i) {
    const auto first = sample.hosts.insert(sample.hosts.end(), cages.hosts.begin() + cages.offsets[i],
                                           cages.hosts.begin() + cages.offsets[i + 1]);
    std::sort(first, sample.hosts.end());
    if (first != sample.hosts.end() && *first < 0)
      throw Error("cages", std::to_string(*first), "hosts must not be negative");
    sample.hosts.erase(std::unique(first, sample.hosts.end()), sample.hosts.end());
    sample.offsets.push_back(static_cast<std::int64_t>(sample.hosts.size()));
  }
}

std::vector<Hop> HopDetector::add(std::span<const Vec3> positions, const Vec3 &offset, std::int64_t step,
                                  const Cages &cages)
{
  if (positions.size() != atoms())
    throw Error("positions", std::to_string(positions.size()) + " atoms",
                "the detector follows " + std::to_string(atoms()));
  if (!finite(offset)) throw Error("offset", norm(offset), "must be finite numbers (Å)");
  check_step(step);
  keep_cages(cages);

  const std::int64_t w = options_.window, n = progress_.samples;
  Vec3 *const oldest = ring_.data() + slot(n) * atoms();
  const Vec3 *const middle = ring_.data() + slot(n + w) * atoms();
  const bool full = n >= 2 * w - 1;
  const bool anew = n == 2 * w - 1 || (n + 1) % (2 * w * windows_between_sums) == 0;
  const double opens = options_.threshold * options_.threshold;
  center_ = n - w + 1;
  progress_.interval = n > 0 ? step - progress_.last_step : 0;
  progress_.last_step = step;
  progress_.samples = n + 1;

  const auto count = static_cast<std::int64_t>(atoms());
  const std::int64_t blocks = (count + block - 1) / block;
  std::vector<std::vector<Hop>> found(blocks);
  std::int64_t broken = count;
  [[maybe_unused]] const int threads = threads_for(blocks, 1, options_.threads);
#pragma omp parallel for schedule(static) reduction(min : broken) num_threads(threads)
  for (std::int64_t b = 0; b < blocks; ++b)
    for (std::int64_t i = b * block; i < std::min(count, (b + 1) * block); ++i) {
      const Vec3 position = positions[i] - offset;
      if (!full) {
        if (!finite(position)) broken = std::min(broken, i);
        oldest[i] = position;
        continue;
      }
      if (anew) {
        oldest[i] = position;
        sum_anew(i);
      } else {
        slide(i, position, oldest[i], middle[i]);
      }
      const double p = p_squared(i);
      if (!open_[i] && p <= opens) continue;
      // NaN compares false: positions that are not finite end up here.
      if (finite(position)) follow(i, p, found[b]);
      else broken = std::min(broken, i);
    }
  if (broken < count)
    throw Error("positions[" + std::to_string(broken) + "]", "not finite", "must be finite numbers (Å)");

  for (const std::vector<Hop> &part : found) held_back_.insert(held_back_.end(), part.begin(), part.end());
  // Every hop of this sample or before has been closed by now.
  return full ? take_until(step_of(center_ - w)) : std::vector<Hop>{};
}

std::vector<Hop> HopDetector::take_until(std::int64_t last_step)
{
  const auto due =
      std::partition(held_back_.begin(), held_back_.end(), [&](const Hop &hop) { return hop.step > last_step; });
  std::vector<Hop> hops(due, held_back_.end());
  held_back_.erase(due, held_back_.end());
  std::sort(hops.begin(), hops.end(), before);
  return hops;
}

std::vector<Hop> HopDetector::finish()
{
  for (std::size_t i = 0; i < atoms(); ++i)
    if (open_[i]) close(i, held_back_);
  progress_.finished = true;
  return take_until(std::numeric_limits<std::int64_t>::max());
}

std::int64_t HopDetector::observed_samples() const
{
  const std::int64_t centers = progress_.samples - 2 * options_.window + 1;
  return std::max<std::int64_t>(0, progress_.finished ? centers - 2 : centers - options_.window - 1);
}

std::int64_t HopDetector::step_of(std::int64_t sample) const
{ return progress_.last_step - (progress_.samples - 1 - sample) * progress_.interval; }

void HopDetector::slide(std::size_t i, const Vec3 &position, Vec3 &oldest, const Vec3 &middle)
{
  const double share = 1.0 / options_.window;
  Sums &sums = sums_[i];
  replace(sums.mean_b, sums.spread_b, position, middle, share);
  replace(sums.mean_a, sums.spread_a, middle, oldest, share);
  oldest = position;
}

void HopDetector::sum_anew(std::size_t i)
{
  const int w = options_.window;
  const std::int64_t first = progress_.samples - 2 * w;
  for (const bool newer : {false, true}) {
    const Vec3 origin = ring_[slot(first + newer * w) * atoms() + i];
    Vec3 sum{};
    double squares = 0.0;
    for (int k = 0; k < w; ++k) {
      const Vec3 r = ring_[slot(first + newer * w + k) * atoms() + i] - origin;
      sum = sum + r;
      squares += dot(r, r);
    }
    Sums &sums = sums_[i];
    (newer ? sums.mean_b : sums.mean_a) = origin + Vec3{sum[0] / w, sum[1] / w, sum[2] / w};
    (newer ? sums.spread_b : sums.spread_a) = squares - dot(sum, sum) / w;
  }
}

double HopDetector::p_squared(std::size_t i) const
{
  const Sums &sums = sums_[i];
  const Vec3 jump = sums.mean_b - sums.mean_a;
  const double squared = dot(jump, jump);
  const double share = 1.0 / options_.window;
  return (squared + share * std::max(sums.spread_a, 0.0)) * (squared + share * std::max(sums.spread_b, 0.0));
}

std::vector<double> HopDetector::p_hop() const
{
  std::vector<double> p(atoms(), std::numeric_limits<double>::quiet_NaN());
  if (progress_.samples >= 2 * options_.window)
    for (std::size_t i = 0; i < atoms(); ++i) p[i] = std::sqrt(p_squared(i));
  return p;
}

void HopDetector::follow(std::size_t i, double p, std::vector<Hop> &found)
{
  Track &track = tracks_[i];
  // Once the peak is w samples old, both halves contain only times after the hop: p now reflects a different motion.
  if (open_[i] && (p < options_.release * options_.release || center_ - track.peak_sample >= options_.window))
    close(i, found);
  if (!open_[i]) {
    if (p <= options_.threshold * options_.threshold) return;
    open_[i] = true;
    track.peak = 0.0;
  }
  if (p <= track.peak) return;
  track.peak = p;
  track.peak_sample = center_;
  track.from = sums_[i].mean_a;
  track.to = sums_[i].mean_b;
  track.overlap = cage_overlap(i);
}

void HopDetector::close(std::size_t i, std::vector<Hop> &found)
{
  open_[i] = false;
  Track &track = tracks_[i];
  Hop hop;
  hop.step = step_of(track.peak_sample);
  hop.atom = static_cast<std::int64_t>(i);
  hop.from = track.from;
  hop.to = track.to;
  hop.p_max = std::sqrt(track.peak);
  hop.overlap = track.overlap;
  const double length = hop.length();
  // At the first or last center the maximum itself may be outside the sampled range.
  const bool at_an_end =
      track.peak_sample == options_.window || track.peak_sample == progress_.samples - options_.window;
  if (length <= options_.min_length || at_an_end) return;
  hop.waiting = track.hops > 0 ? hop.step - track.last_hop : -1;
  hop.returned = is_return(track, length);
  found.push_back(hop);

  track.last_hop = hop.step;
  ++track.hops;
  std::move_backward(track.sites, track.sites + sites_kept - 1, track.sites + sites_kept);
  track.sites[0] = {track.from, track.peak_sample};
}

bool HopDetector::is_return(const Track &track, double length) const
{
  return std::any_of(track.sites, track.sites + sites_kept, [&](const Site &site) {
    return site.left >= 0 && track.peak_sample - site.left <= options_.return_within &&
           norm(track.to - site.position) < return_radius * length;
  });
}

double HopDetector::cage_overlap(std::size_t i) const
{
  if (!progress_.cages) return std::numeric_limits<double>::quiet_NaN();
  const int w = options_.window;
  std::vector<std::int64_t> before, after, common;
  majority(i, progress_.samples - 2 * w, before);
  majority(i, progress_.samples - w, after);
  std::set_intersection(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(common));
  const std::size_t either = before.size() + after.size() - common.size();
  return either ? static_cast<double>(common.size()) / static_cast<double>(either)
                : std::numeric_limits<double>::quiet_NaN();
}

void HopDetector::majority(std::size_t i, std::int64_t first, std::vector<std::int64_t> &hosts) const
{
  std::vector<std::int64_t> seen;
  for (int k = 0; k < options_.window; ++k) {
    const CageSample &sample = cages_[slot(first + k)];
    seen.insert(seen.end(), sample.hosts.begin() + sample.offsets[i], sample.hosts.begin() + sample.offsets[i + 1]);
  }
  std::sort(seen.begin(), seen.end());
  for (auto at = seen.begin(); at != seen.end();) {
    const auto next = std::upper_bound(at, seen.end(), *at);
    if (2 * (next - at) > options_.window) hosts.push_back(*at);
    at = next;
  }
}

}  // namespace naglass
