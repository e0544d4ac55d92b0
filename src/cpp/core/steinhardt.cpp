#include "core/steinhardt.hpp"

#include <cmath>
#include <numbers>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

constexpr int largest_l = 20;

// Associated Legendre functions with the normalization of Y_lm, for one l and m = 0 ... l, by upward recursion in l.
void normalized_legendre(int l, double z, std::vector<double> &out)
{
  const double sine = std::sqrt(std::max(0.0, 1.0 - z * z));
  double diagonal = std::sqrt(1.0 / (4.0 * std::numbers::pi));
  for (int m = 0; m <= l; ++m) {
    if (m > 0) diagonal *= -sine * std::sqrt((2.0 * m + 1.0) / (2.0 * m));
    double before = 0.0, at = diagonal;
    for (int k = m + 1; k <= l; ++k) {
      const double k2 = k * k, before2 = (k - 1) * (k - 1), m2 = m * m;
      const double a = std::sqrt((4.0 * k2 - 1.0) / (k2 - m2));
      const double b = std::sqrt((before2 - m2) / (4.0 * before2 - 1.0));
      const double next = a * (z * at - b * before);
      before = at;
      at = next;
    }
    out[m] = at;
  }
}

}  // namespace

std::vector<std::complex<double>> bond_harmonics(std::span<const std::int64_t> offsets, std::span<const Vec3> vectors,
                                                 int l)
{
  if (l < 0 || l > largest_l) throw Error("l", std::to_string(l), "runs from 0 to " + std::to_string(largest_l));
  const std::int64_t rows = static_cast<std::int64_t>(offsets.size()) - 1;
  std::vector<std::complex<double>> out(static_cast<std::size_t>(rows) * (l + 1));
  std::vector<double> legendre(l + 1);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t e = offsets[i]; e < offsets[i + 1]; ++e) {
      const Vec3 &r = vectors[e];
      const double length = std::sqrt(dot(r, r));
      if (!(length > 0.0) || !std::isfinite(length))
        throw Error("vectors[" + std::to_string(e) + "]", length, "must have a positive length (Å)");
      normalized_legendre(l, r[2] / length, legendre);
      const std::complex<double> turn = std::polar(1.0, std::atan2(r[1], r[0]));
      std::complex<double> phase = 1.0;
      for (int m = 0; m <= l; ++m, phase *= turn) out[i * (l + 1) + m] += legendre[m] * phase;
    }
    const double neighbors = static_cast<double>(offsets[i + 1] - offsets[i]);
    for (int m = 0; m <= l && neighbors > 0.0; ++m) out[i * (l + 1) + m] /= neighbors;
  }
  return out;
}

}  // namespace naglass
