#include "radial_table.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "radial_functions.hpp"

namespace naglass::mace {
namespace {

constexpr int terms = RadialGrid::terms;
// Of what is left out, see below. Measured on models of several kinds, errors of forces are 100 times smaller.
template <typename Real> constexpr double tolerance = sizeof(Real) == 4 ? 1e-5 : 4e-9;
constexpr int coarsest = 24, finest = 768;

// Chebyshev coefficients [interval][term][output] of all functions of one pair of elements.
std::vector<double> expand(const RadialFunctions &functions, const RadialGrid &grid, int sender, int receiver)
{
  const auto width = static_cast<std::size_t>(functions.width());
  const auto intervals = static_cast<std::size_t>(grid.intervals());
  std::vector<double> distances;
  for (int i = 0; i < grid.intervals(); ++i)
    for (int j = 0; j < terms; ++j)
      distances.push_back(0.5 * (grid.low(i) + grid.high(i)) +
                          0.5 * (grid.high(i) - grid.low(i)) * std::cos(std::numbers::pi * (j + 0.5) / terms));
  const std::vector<double> values = functions(distances, sender, receiver);
  std::vector<double> out(intervals * terms * width, 0.0);
  for (std::size_t i = 0; i < intervals; ++i)
    for (std::size_t k = 0; k < terms; ++k)
      for (std::size_t j = 0; j < terms; ++j) {
        const double factor =
            (k == 0 ? 1.0 : 2.0) / terms *
            std::cos(std::numbers::pi * static_cast<double>(k) * (static_cast<double>(j) + 0.5) / terms);
        const double *const from = values.data() + (i * terms + j) * width;
        double *const to = out.data() + (i * terms + k) * width;
        for (std::size_t c = 0; c < width; ++c) to[c] += factor * from[c];
      }
  return out;
}

// What is left out beyond the last term, as the slope that it would have where it is steepest, by the root mean square
// over the functions: forces are sums over all of them. Closer pairs than 1 Å are rare, and their forces are large.
double left_out(const std::vector<double> &coefficients, const RadialGrid &grid, std::size_t width)
{
  double scale = 0, worst = 0;
  for (int i = 0; i < grid.intervals(); ++i) {
    if (grid.low(i) < 1.0) continue;
    const double *const own = coefficients.data() + static_cast<std::size_t>(i) * terms * width;
    const double *const last = own + (terms - 1) * width;
    double values = 0, slopes = 0;
    for (std::size_t c = 0; c < width; ++c) {
      values += own[c] * own[c];
      slopes += last[c] * last[c];
    }
    scale = std::max(scale, std::sqrt(values));
    worst = std::max(worst, std::sqrt(slopes) * (terms - 1) * 2 / (grid.high(i) - grid.low(i)));
  }
  return worst / scale;
}

template <typename Real> RadialTable<Real> empty_table(const LayerFile &layer, int keys)
{
  RadialTable<Real> table;
  const auto add = [&](int channels) {
    const int room = padded<Real>(channels);
    table.parts.push_back(
        {room, std::vector<Real>(static_cast<std::size_t>(keys) * terms * static_cast<std::size_t>(room))});
  };
  for (const auto &path : layer.paths) add(path[2]);
  if (!layer.density.empty()) add(1);
  return table;
}

template <typename Real>
void store(RadialTable<Real> &table, const LayerFile &layer, const std::vector<double> &coefficients, int first_key,
           int intervals, std::size_t width)
{
  for (std::size_t p = 0; p < table.parts.size(); ++p) {
    const bool density = p == layer.paths.size();
    const auto from = static_cast<std::size_t>(density ? static_cast<int>(width) - 1 : layer.paths[p][5]);
    const auto channels = static_cast<std::size_t>(density ? 1 : layer.paths[p][2]);
    auto &part = table.parts[p];
    for (std::size_t row = 0; row < static_cast<std::size_t>(intervals) * terms; ++row)
      for (std::size_t c = 0; c < channels; ++c)
        part.coefficient[(static_cast<std::size_t>(first_key) * terms + row) * static_cast<std::size_t>(part.channels) +
                         c] = static_cast<Real>(coefficients[row * width + from + c]);
  }
}

}  // namespace

double RadialGrid::low(int interval) const
{
  if (interval == 0) return 0;
  return interval <= halvings ? std::ldexp(width_, interval - halvings - 1) : (interval - halvings) * width_;
}

double RadialGrid::high(int interval) const
{ return interval <= halvings ? std::ldexp(width_, interval - halvings) : (interval - halvings + 1) * width_; }

template <typename Real> int RadialGrid::at(double r, Real *value, Real *slope) const
{
  const double x = r / width_;
  // the graph of a committee reaches as far as its longest model
  if (x >= uniform_) {
    std::fill_n(value, terms, Real(0));
    std::fill_n(slope, terms, Real(0));
    return intervals() - 1;
  }
  int interval = halvings + std::min(static_cast<int>(x), uniform_ - 1);
  if (x < 1) {
    int exponent = 0;
    std::frexp(x, &exponent);
    interval = std::max(0, halvings + exponent);
  }
  const double from = low(interval), to = high(interval), t = (2 * r - from - to) / (to - from), rate = 2 / (to - from);
  double before = 1, own = t, slope_before = 0, slope_own = rate;
  value[0] = 1;
  slope[0] = 0;
  for (int k = 1; k < terms; ++k) {
    value[k] = static_cast<Real>(own);
    slope[k] = static_cast<Real>(slope_own);
    const double next = 2 * t * own - before, slope_next = 2 * (rate * own + t * slope_own) - slope_before;
    before = own;
    own = next;
    slope_before = slope_own;
    slope_own = slope_next;
  }
  return interval;
}

template int RadialGrid::at(double, double *, double *) const;
template int RadialGrid::at(double, float *, float *) const;

PairSets::PairSets(const ModelFile &model, const std::vector<std::int64_t> &used)
    : elements_(model.elements), set_(static_cast<std::size_t>(model.elements * model.elements), -1)
{
  const bool ordered =
      std::any_of(model.layers.begin(), model.layers.end(), [](const LayerFile &layer) { return layer.embedding > 0; });
  const bool same = !ordered && model.radial.transform == RadialBasis::Transform::none;
  for (const auto a : used)
    for (const auto b : used) {
      int &own = set_[static_cast<std::size_t>(a * elements_ + b)];
      const int mirrored = set_[static_cast<std::size_t>(b * elements_ + a)];
      if (same && !pairs_.empty()) own = 0;
      else if (!ordered && mirrored >= 0) own = mirrored;
      else {
        own = static_cast<int>(pairs_.size());
        pairs_.emplace_back(static_cast<int>(a), static_cast<int>(b));
      }
    }
}

template <typename Real>
RadialTables<Real> RadialTables<Real>::build(const ModelFile &model, const std::vector<std::int64_t> &used)
{
  const PairSets sets(model, used);
  for (int uniform = coarsest;; uniform *= 2) {
    RadialTables out{RadialGrid(model.r_max, uniform), sets, {}};
    bool fine = true;
    for (const LayerFile &layer : model.layers) {
      const RadialFunctions functions(model, layer);
      const auto width = static_cast<std::size_t>(functions.width());
      out.layers.push_back(empty_table<Real>(layer, sets.count() * out.grid.intervals()));
      for (int s = 0; fine && s < sets.count(); ++s) {
        const auto [sender, receiver] = sets.pairs()[static_cast<std::size_t>(s)];
        const auto coefficients = expand(functions, out.grid, sender, receiver);
        fine = uniform >= finest || left_out(coefficients, out.grid, width) < tolerance<Real>;
        store(out.layers.back(), layer, coefficients, s * out.grid.intervals(), out.grid.intervals(), width);
      }
    }
    if (fine) return out;
  }
}

template struct RadialTables<double>;
template struct RadialTables<float>;

}  // namespace naglass::mace
