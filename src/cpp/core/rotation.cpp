#include "core/rotation.hpp"

#include <cmath>
#include <numbers>

namespace naglass {
namespace {

constexpr double negligible = 40.0;  // exp(-40) is below the rounding of a sum

// Eigenvector of the largest eigenvalue of a symmetric matrix, by Jacobi rotations.
std::array<double, 4> leading_eigenvector(std::array<std::array<double, 4>, 4> a)
{
  std::array<std::array<double, 4>, 4> v{};
  for (int k = 0; k < 4; ++k) v[k][k] = 1.0;
  for (int sweep = 0; sweep < 50; ++sweep) {
    double off = 0.0, on = 0.0;
    for (int p = 0; p < 4; ++p)
      for (int q = 0; q < 4; ++q) (p == q ? on : off) += a[p][q] * a[p][q];
    if (off <= 1e-30 * on) break;
    for (int p = 0; p < 3; ++p)
      for (int q = p + 1; q < 4; ++q) {
        if (a[p][q] == 0.0) continue;
        const double theta = 0.5 * std::atan2(2.0 * a[p][q], a[q][q] - a[p][p]);
        const double c = std::cos(theta), s = std::sin(theta);
        for (int k = 0; k < 4; ++k) {
          const double kp = a[k][p], kq = a[k][q];
          a[k][p] = c * kp - s * kq;
          a[k][q] = s * kp + c * kq;
        }
        for (int k = 0; k < 4; ++k) {
          const double pk = a[p][k], qk = a[q][k];
          a[p][k] = c * pk - s * qk;
          a[q][k] = s * pk + c * qk;
          const double kp = v[k][p], kq = v[k][q];
          v[k][p] = c * kp - s * kq;
          v[k][q] = s * kp + c * kq;
        }
      }
  }
  int best = 0;
  for (int k = 1; k < 4; ++k)
    if (a[k][k] > a[best][best]) best = k;
  return {v[0][best], v[1][best], v[2][best], v[3][best]};
}

}  // namespace

Rotation horn(const Rotation &h)
{
  // Horn's S_xy pairs x of the rotated vector with y of its target, so S is the transpose of h.
  const double xx = h[0][0], xy = h[1][0], xz = h[2][0], yx = h[0][1], yy = h[1][1], yz = h[2][1], zx = h[0][2],
               zy = h[1][2], zz = h[2][2];
  const auto [w, x, y, z] = leading_eigenvector({{{xx + yy + zz, yz - zy, zx - xz, xy - yx},
                                                  {yz - zy, xx - yy - zz, xy + yx, zx + xz},
                                                  {zx - xz, xy + yx, yy - xx - zz, yz + zy},
                                                  {xy - yx, zx + xz, yz + zy, zz - xx - yy}}});
  return {{{w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)},
           {2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)},
           {2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z}}};
}

double turned_overlap(const EnvironmentView &environment, const EnvironmentView &reference, const Rotation &rotation,
                      double sigma, Rotation &h)
{
  const double scale = 1.0 / (4.0 * sigma * sigma);
  double sum = 0.0;
  for (std::size_t j = 0; j < reference.vectors.size(); ++j) {
    const Vec3 to = turned(rotation, reference.vectors[j]);
    for (std::size_t i = 0; i < environment.vectors.size(); ++i) {
      if (environment.types[i] != reference.types[j]) continue;
      const Vec3 r = environment.vectors[i] - to;
      const double exponent = dot(r, r) * scale;
      if (exponent > negligible) continue;
      const double weight = std::exp(-exponent);
      sum += weight;
      for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) h[a][b] += weight * environment.vectors[i][a] * reference.vectors[j][b];
    }
  }
  return sum / static_cast<double>(reference.vectors.size());
}

double angle_between(const Rotation &from, const Rotation &to)
{
  Rotation turn{};  // to · fromᵀ
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < 3; ++k) turn[r][c] += to[r][k] * from[c][k];
  const Vec3 axis{turn[2][1] - turn[1][2], turn[0][2] - turn[2][0], turn[1][0] - turn[0][1]};
  // 2 sin and 2 cos: the arc cosine alone is not exact near 0 and 180 degrees
  return std::atan2(std::sqrt(dot(axis, axis)), turn[0][0] + turn[1][1] + turn[2][2] - 1.0) * 180.0 / std::numbers::pi;
}

}  // namespace naglass
