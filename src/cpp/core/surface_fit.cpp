#include "core/surface_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

#include "core/error.hpp"

namespace naglass {
namespace {

constexpr int parameters = 6;
enum { outside, step, lower, upper, log_lower_width, log_upper_width };
using Parameters = std::array<double, parameters>;
using Matrix = std::array<Parameters, parameters>;

constexpr int least_bins = 8;
constexpr int most_steps = 200;
constexpr double converged = 1e-12;   // decrease of the squares, in units of those about the mean
constexpr double least_explained = 0.5;
constexpr double narrowest = 0.02;    // width w in bins: below it, nothing changes any more
const double ten_to_ninety = std::log(9.0);

double log_cosh(double x) { return std::abs(x) + std::log1p(std::exp(-2.0 * std::abs(x))) - std::numbers::ln2; }

// Mean over [a, b] of tanh(x/w), and its derivatives by a shift of x and by ln w.
struct MeanTanh {
  double value, by_shift, by_log_width;

  MeanTanh(double a, double b, double w)
  {
    const double ta = std::tanh(a / w), tb = std::tanh(b / w);
    value = w * (log_cosh(b / w) - log_cosh(a / w)) / (b - a);
    by_shift = (tb - ta) / (b - a);
    by_log_width = value - (b * tb - a * ta) / (b - a);
  }
};

class Fit {
 public:
  Fit(std::span<const double> atoms, std::span<const double> sums, double height)
      : atoms_(atoms), height_(height), bin_(height / static_cast<double>(atoms.size()))
  {
    for (std::size_t k = 0; k < atoms.size(); ++k) level_.push_back(atoms[k] > 0.0 ? sums[k] / atoms[k] : 0.0);
  }

  /// Level and derivatives of the bin that begins at z.
  double model(const Parameters &p, double z, Parameters &slope) const
  {
    const double low = std::exp(p[log_lower_width]), high = std::exp(p[log_upper_width]);
    double shape = 0.0;
    slope = {1.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    for (int n = -1; n <= 1; ++n) {
      const double l = z - p[lower] - n * height_, u = z - p[upper] - n * height_;
      const MeanTanh up(l, l + bin_, low), down(u, u + bin_, high);
      shape += 0.5 * (up.value - down.value);
      slope[lower] -= 0.5 * p[step] * up.by_shift;
      slope[upper] += 0.5 * p[step] * down.by_shift;
      slope[log_lower_width] += 0.5 * p[step] * up.by_log_width;
      slope[log_upper_width] -= 0.5 * p[step] * down.by_log_width;
    }
    slope[step] = shape;
    return p[outside] + p[step] * shape;
  }

  double squares(const Parameters &p, Matrix *normal = nullptr, Parameters *right = nullptr) const
  {
    double sum = 0.0;
    Parameters slope;
    const double from = 0.5 * (p[lower] + p[upper] - height_);
    // the bins of one period around the middle of the slab
    const auto first = static_cast<std::int64_t>(std::floor(from / bin_)),
               count = static_cast<std::int64_t>(level_.size());
    for (std::int64_t k = first; k < first + count; ++k) {
      const std::size_t bin = static_cast<std::size_t>(((k % count) + count) % count);
      if (!(atoms_[bin] > 0.0)) continue;
      const double off = level_[bin] - model(p, static_cast<double>(k) * bin_, slope);
      sum += atoms_[bin] * off * off;
      if (!normal) continue;
      for (int a = 0; a < parameters; ++a) {
        (*right)[a] += atoms_[bin] * off * slope[a];
        for (int b = 0; b < parameters; ++b) (*normal)[a][b] += atoms_[bin] * slope[a] * slope[b];
      }
    }
    return sum;
  }

  Parameters start(double width_in_bins) const;
  double least_squares(Parameters &p) const;
  double about_mean() const;
  double bin() const { return bin_; }
  double occupied() const
  {
    return static_cast<double>(std::count_if(atoms_.begin(), atoms_.end(), [](double n) { return n > 0.0; }));
  }

 private:
  void bound(Parameters &p) const
  {
    for (const int k : {log_lower_width, log_upper_width})
      p[k] = std::clamp(p[k], std::log(narrowest * bin_), std::log(height_));
  }

  std::span<const double> atoms_;
  double height_, bin_;
  std::vector<double> level_;
};

// Solves A x = b by elimination with pivots; nothing for a singular matrix.
std::optional<Parameters> solved(Matrix a, Parameters b)
{
  double scale = 0.0;
  for (int k = 0; k < parameters; ++k) scale = std::max(scale, std::abs(a[k][k]));
  for (int k = 0; k < parameters; ++k) {
    int pivot = k;
    for (int r = k + 1; r < parameters; ++r)
      if (std::abs(a[r][k]) > std::abs(a[pivot][k])) pivot = r;
    if (!(std::abs(a[pivot][k]) > 1e-14 * scale)) return std::nullopt;
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    for (int r = k + 1; r < parameters; ++r) {
      const double factor = a[r][k] / a[k][k];
      for (int c = k; c < parameters; ++c) a[r][c] -= factor * a[k][c];
      b[r] -= factor * b[k];
    }
  }
  for (int k = parameters - 1; k >= 0; --k) {
    for (int c = k + 1; c < parameters; ++c) b[k] -= a[k][c] * b[c];
    b[k] /= a[k][k];
  }
  return b;
}

// Levels from the lowest and the highest quarter of the bins, the middle from the phase of the profile's first
// harmonic, the thickness from its mean.
Parameters Fit::start(double width_in_bins) const
{
  double atoms = 0.0, mean = 0.0;
  std::vector<double> known;
  for (std::size_t k = 0; k < level_.size(); ++k) {
    if (!(atoms_[k] > 0.0)) continue;
    known.push_back(level_[k]);
    atoms += atoms_[k];
    mean += atoms_[k] * level_[k];
  }
  mean /= atoms;
  std::sort(known.begin(), known.end());
  const double low = known[known.size() / 8], high = known[known.size() - 1 - known.size() / 8];
  double sine = 0.0, cosine = 0.0;
  for (std::size_t k = 0; k < level_.size(); ++k) {
    if (!(atoms_[k] > 0.0)) continue;
    const double angle = 2.0 * std::numbers::pi * (static_cast<double>(k) + 0.5) / static_cast<double>(level_.size());
    sine += (level_[k] - mean) * std::sin(angle);
    cosine += (level_[k] - mean) * std::cos(angle);
  }
  const double fraction = high > low ? std::clamp((mean - low) / (high - low), 0.1, 0.9) : 0.5;
  const double middle = height_ * std::atan2(sine, cosine) / (2.0 * std::numbers::pi);
  const double width = std::log(width_in_bins * bin_);
  return {low, high - low, middle - 0.5 * fraction * height_, middle + 0.5 * fraction * height_, width, width};
}

double Fit::least_squares(Parameters &p) const
{
  const double scale = about_mean();
  double damping = 1e-3, now = squares(p);
  for (int s = 0; s < most_steps && damping < 1e12; ++s) {
    Matrix normal{};
    Parameters right{};
    squares(p, &normal, &right);
    bool better = false;
    for (; damping < 1e12 && !better; damping *= 10.0) {
      Matrix damped = normal;
      for (int k = 0; k < parameters; ++k) damped[k][k] += damping * (normal[k][k] + 1e-12 * normal[outside][outside]);
      const auto change = solved(damped, right);
      if (!change) continue;
      Parameters next = p;
      for (int k = 0; k < parameters; ++k) next[k] += (*change)[k];
      bound(next);
      const double squares_there = squares(next);
      if (!(squares_there < now)) continue;
      better = true;
      const bool done = now - squares_there < converged * scale;
      p = next;
      now = squares_there;
      if (done) return now;
      damping *= 0.01;
    }
  }
  return now;
}

double Fit::about_mean() const
{
  double atoms = 0.0, mean = 0.0, sum = 0.0;
  for (std::size_t k = 0; k < level_.size(); ++k) {
    atoms += atoms_[k];
    mean += atoms_[k] * level_[k];
  }
  mean /= atoms;
  for (std::size_t k = 0; k < level_.size(); ++k) sum += atoms_[k] * (level_[k] - mean) * (level_[k] - mean);
  return sum;
}

// lower, upper, widths, c, g
std::array<double, parameters> errors_of(const Fit &fit, const Parameters &p, double squares)
{
  std::array<double, parameters> errors;
  errors.fill(std::numeric_limits<double>::quiet_NaN());
  Matrix normal{};
  Parameters unused{};
  fit.squares(p, &normal, &unused);
  const double variance = squares / std::max(fit.occupied() - parameters, 1.0);
  Matrix covariance{};
  for (int k = 0; k < parameters; ++k) {
    Parameters unit{};
    unit[k] = 1.0;
    const auto column = solved(normal, unit);
    if (!column) return errors;
    for (int r = 0; r < parameters; ++r) covariance[r][k] = variance * (*column)[r];
  }
  const auto error = [&](int k) { return std::sqrt(covariance[k][k]); };
  errors = {error(lower),
            error(upper),
            ten_to_ninety * std::exp(p[log_lower_width]) * error(log_lower_width),
            ten_to_ninety * std::exp(p[log_upper_width]) * error(log_upper_width),
            std::sqrt(covariance[outside][outside] + covariance[step][step] + 2.0 * covariance[outside][step]),
            error(outside)};
  return errors;
}

std::string problem_of(const SurfaceFit &found, double squares, double about_mean, double height)
{
  if (!(squares <= (1.0 - least_explained) * about_mean) || !(about_mean > 0.0))
    return "two surfaces explain less than half of the variance of the order parameter along the axis";
  const double slab = found.at.upper - found.at.lower, width = 0.5 * (found.width[0] + found.width[1]);
  if (!(found.crystal > found.outside)) return "the order parameter has no maximum along the axis";
  if (!(slab > width && height - slab > width)) return "one of the phases is thinner than its surfaces";
  return {};
}

}  // namespace

SurfaceFit fit_surfaces(std::span<const double> atoms, std::span<const double> sums, double height)
{
  if (atoms.size() != sums.size()) throw Error("sums", std::to_string(sums.size()) + " bins", "as many as of atoms");
  const Fit fit(atoms, sums, height);
  SurfaceFit found;
  if (fit.occupied() < least_bins) {
    found.problem = "fewer than " + std::to_string(least_bins) + " bins contain atoms that have an order parameter";
    return found;
  }
  Parameters best{};
  double squares = std::numeric_limits<double>::infinity();
  for (const double width : {0.7, 3.0}) {
    Parameters p = fit.start(width);
    const double reached = fit.least_squares(p);
    if (!(reached < squares)) continue;
    best = p;
    squares = reached;
  }
  const double shift = height * std::floor(best[lower] / height);
  found.at = {best[lower] - shift, best[upper] - shift};
  found.width = {ten_to_ninety * std::exp(best[log_lower_width]), ten_to_ninety * std::exp(best[log_upper_width])};
  found.crystal = best[outside] + best[step];
  found.outside = best[outside];
  found.problem = problem_of(found, squares, fit.about_mean(), height);
  found.errors = errors_of(fit, best, squares);
  return found;
}

}  // namespace naglass
