#include "core/displacements.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error.hpp"
#include "core/exact_sum.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

// Positions of a chunk stay in the L1 cache while all lags are processed.
constexpr std::size_t chunk_size = 512;
constexpr double most_bins = 1e6;

struct PairSums {
  ExactSum square, fourth;
  std::int64_t overlap = 0;
};

// No square root is needed without a histogram.
template <bool histogram>
PairSums pair_sums(const Vec3 *now, const Vec3 *then, std::size_t count, const CorrelatorOptions &options, double *bins)
{
  PairSums sums;
  const double near = options.overlap * options.overlap;
  const double per_width = 1.0 / options.van_hove_width;
  const double last = options.bins();
  constexpr std::size_t lanes = ExactSum::lanes;
  std::array<Vec3, lanes> steps{};
  for (std::size_t i = 0; i < count; i += lanes) {
    const std::size_t here = std::min(lanes, count - i);
    if (here == lanes)
      for (std::size_t l = 0; l < lanes; ++l) steps[l] = now[i + l] - then[i + l];
    else
      for (std::size_t l = 0; l < lanes; ++l) steps[l] = l < here ? now[i + l] - then[i + l] : Vec3{};
    std::array<double, lanes> squares, fourths;
    for (std::size_t l = 0; l < lanes; ++l) squares[l] = dot(steps[l], steps[l]);
    for (std::size_t l = 0; l < lanes; ++l) fourths[l] = squares[l] * squares[l];
    sums.square.add(squares);
    sums.fourth.add(fourths);
    for (std::size_t l = 0; l < here; ++l) {
      sums.overlap += squares[l] < near;
      if constexpr (histogram) bins[static_cast<std::size_t>(std::min(std::sqrt(squares[l]) * per_width, last))] += 1.0;
    }
  }
  return sums;
}

}  // namespace

int CorrelatorOptions::bins() const
{ return van_hove_reach > 0.0 ? static_cast<int>(std::lround(van_hove_reach / van_hove_width)) : 0; }

void CorrelatorOptions::check() const
{
  const auto number = [](const char *name, double value, bool good, const char *problem) {
    if (!good || !std::isfinite(value)) throw Error(name, value, problem);
  };
  if (species < 1) throw Error("species", std::to_string(species), "at least one is needed");
  if (points < 2 || points % 2 || points > 1024)
    throw Error("points", std::to_string(points), "must be an even number from 2 to 1024");
  if (longest < 0) throw Error("longest", std::to_string(longest), "must not be negative (frames)");
  number("overlap", overlap, overlap > 0.0, "must be a positive distance (Å)");
  number("van_hove_reach", van_hove_reach, van_hove_reach >= 0.0, "must be a distance (Å), 0 for none");
  number("van_hove_width", van_hove_width, van_hove_width > 0.0, "must be a positive distance (Å)");
  if (van_hove_reach > 0.0 && !(van_hove_reach / van_hove_width >= 0.5 && van_hove_reach / van_hove_width < most_bins))
    throw Error("van_hove_width", van_hove_width, "must divide the reach into 1 to 10^6 bins");
  if (!charges.empty() && charges.size() != static_cast<std::size_t>(species))
    throw Error("charges", std::to_string(charges.size()) + " numbers",
                "there are " + std::to_string(species) + " species");
  for (const double charge : charges) number("charges", charge, true, "must be finite (e)");
}

int LagScheme::level(int index) const { return index < points_ - 1 ? 0 : 1 + (index - (points_ - 1)) / (points_ / 2); }

std::int64_t LagScheme::lag(int index) const
{
  if (index < points_ - 1) return index + 1;
  return static_cast<std::int64_t>(points_ / 2 + (index - (points_ - 1)) % (points_ / 2)) << level(index);
}

int LagScheme::count(std::int64_t frames) const
{
  const std::int64_t most = longest_ > 0 ? std::min(longest_, frames) : frames;
  int count = 0;
  while (lag(count) <= most) ++count;
  return count;
}

std::vector<int> LagScheme::ending_at(std::int64_t frame) const
{
  std::vector<int> indices;
  const int lags = count(frame);
  for (int k = 0; k < lags; ++k)
    if (frame % (std::int64_t{1} << level(k)) == 0) indices.push_back(k);
  return indices;
}

bool LagScheme::needed(std::int64_t origin, std::int64_t frame) const
{
  for (int b = 0; b < 62; ++b) {
    const std::int64_t spacing = std::int64_t{1} << b;
    if (origin % spacing) return false;
    if (longest_ > 0 && spacing * (b ? points_ / 2 : 1) > longest_) return false;
    const std::int64_t most = longest_ > 0 ? longest_ / spacing : points_ - 1;
    const std::int64_t reach = spacing * std::min<std::int64_t>(points_ - 1, most);
    if (origin + reach > frame) return true;
  }
  return true;
}

SumLayout::SumLayout(const CorrelatorOptions &options)
    : species(options.species), histogram(options.bins() > 0 ? options.bins() + 1 : 0)
{
}

std::size_t SumLayout::center(int s) const { return static_cast<std::size_t>(s) * 3 * ExactSum::parts; }

std::size_t SumLayout::square(std::size_t k, int s) const
{ return center(species) + (k * species + s) * (2 * ExactSum::parts + 1 + histogram); }

std::size_t SumLayout::fourth(std::size_t k, int s) const { return square(k, s) + ExactSum::parts; }

std::size_t SumLayout::overlap(std::size_t k, int s) const { return fourth(k, s) + ExactSum::parts; }

std::size_t SumLayout::bins(std::size_t k, int s) const { return overlap(k, s) + 1; }

std::size_t SumLayout::size(std::size_t lags) const { return square(lags, 0); }

DisplacementHistory::DisplacementHistory(const CorrelatorOptions &options, std::span<const int> species)
    : options_(options), scheme_(options), layout_(options)
{
  options.check();
  for (std::size_t i = 0; i < species.size(); ++i)
    if (species[i] < 0 || species[i] >= options.species)
      throw Error("species[" + std::to_string(i) + "]", std::to_string(species[i]),
                  "species run from 0 to " + std::to_string(options.species - 1));
  order_.resize(species.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(), [&](auto a, auto b) { return species[a] < species[b]; });
  for (std::size_t first = 0; first < order_.size();) {
    const int own = species[order_[first]];
    std::size_t last = first;
    while (last < order_.size() && last - first < chunk_size && species[order_[last]] == own) ++last;
    chunks_.push_back({own, first, last});
    first = last;
  }
}

void DisplacementHistory::add_chunk(const Chunk &chunk, const std::vector<Vec3> &now,
                                    const std::vector<const Vec3 *> &then, double *sums) const
{
  std::array<ExactSum, 3> center;
  for (std::size_t i = chunk.first; i < chunk.last; ++i)
    for (int d = 0; d < 3; ++d) center[d].add({now[i][d]});
  for (int d = 0; d < 3; ++d) center[d].add_to(sums + layout_.center(chunk.species) + d * ExactSum::parts);

  const auto add = layout_.histogram ? &pair_sums<true> : &pair_sums<false>;
  for (std::size_t k = 0; k < then.size(); ++k) {
    const PairSums found = add(now.data() + chunk.first, then[k] + chunk.first, chunk.last - chunk.first, options_,
                               sums + layout_.bins(k, chunk.species));
    found.square.add_to(sums + layout_.square(k, chunk.species));
    found.fourth.add_to(sums + layout_.fourth(k, chunk.species));
    sums[layout_.overlap(k, chunk.species)] += static_cast<double>(found.overlap);
  }
}

std::vector<double> DisplacementHistory::add(std::span<const Vec3> positions)
{
  if (positions.size() != order_.size())
    throw Error("positions", std::to_string(positions.size()) + " atoms",
                "the first frame has " + std::to_string(order_.size()));
  std::vector<Vec3> now = held_.room(order_.size());
  for (std::size_t k = 0; k < order_.size(); ++k) {
    now[k] = positions[order_[k]];
    for (const double x : now[k])
      if (!std::isfinite(x))
        throw Error("positions[" + std::to_string(order_[k]) + "]", x, "must be finite numbers (Å)");
  }
  std::vector<const Vec3 *> then;
  for (const int k : scheme_.ending_at(frames_)) then.push_back(held_.at(frames_ - scheme_.lag(k)).data());

  std::vector<double> sums(layout_.size(then.size()), 0.0);
#pragma omp parallel num_threads(threads_for(chunks_.size(), 2, options_.threads))
  {
    std::vector<double> own(sums.size(), 0.0);
#pragma omp for schedule(static)
    for (std::ptrdiff_t c = 0; c < static_cast<std::ptrdiff_t>(chunks_.size()); ++c)
      add_chunk(chunks_[c], now, then, own.data());
#pragma omp critical
    for (std::size_t n = 0; n < sums.size(); ++n) sums[n] += own[n];
  }
  held_.add(frames_, std::move(now), scheme_);
  ++frames_;
  return sums;
}

std::vector<std::int64_t> DisplacementHistory::held() const
{
  std::vector<std::int64_t> numbers;
  for (const auto &[frame, positions] : held_.all()) numbers.push_back(frame);
  return numbers;
}

std::vector<double> DisplacementHistory::rows() const
{
  const std::size_t width = 3 * held_.all().size();
  std::vector<double> rows(order_.size() * width);
  std::size_t column = 0;
  for (const auto &[frame, positions] : held_.all()) {
    for (std::size_t k = 0; k < order_.size(); ++k)
      std::copy_n(positions[k].begin(), 3, rows.begin() + static_cast<std::ptrdiff_t>(order_[k] * width + column));
    column += 3;
  }
  return rows;
}

void DisplacementHistory::restore(std::int64_t frames, std::span<const std::int64_t> held, std::span<const double> rows)
{
  const std::size_t width = 3 * held.size();
  if (rows.size() != order_.size() * width)
    throw Error("rows", std::to_string(rows.size()) + " numbers",
                "expected " + std::to_string(width) + " for each of " + std::to_string(order_.size()) + " atoms");
  frames_ = frames;
  held_.all().clear();
  for (std::size_t column = 0; column < held.size(); ++column) {
    std::vector<Vec3> &positions = held_.all()[held[column]];
    positions.resize(order_.size());
    for (std::size_t k = 0; k < order_.size(); ++k)
      for (int d = 0; d < 3; ++d) positions[k][d] = rows[order_[k] * width + 3 * column + d];
  }
}

}  // namespace naglass
