#include <algorithm>
#include <array>
#include <cmath>

#include "core/crystal.hpp"

namespace naglass {
namespace {

using Matrix = std::array<Vec3, 3>;  // rows

// Below this sine, two directions do not define a plane.
constexpr double collinear = 0.2;
// Pairs of neighbors whose lengths or distance differ by more than this many sigma do not correspond.
constexpr double most_mismatch = 3.0;
constexpr int most_steps = 60;
constexpr double converged = 1e-12;

double length(const Vec3 &r) { return std::sqrt(dot(r, r)); }

Vec3 turned(const Matrix &rotation, const Vec3 &r)
{ return {dot(rotation[0], r), dot(rotation[1], r), dot(rotation[2], r)}; }

bool spans_plane(const Vec3 &a, const Vec3 &b) { return length(cross(a, b)) > collinear * length(a) * length(b); }

// Orthonormal rows, the first along a, the second in the plane of a and b.
Matrix frame(const Vec3 &a, const Vec3 &b)
{
  const Vec3 x = (1.0 / length(a)) * a;
  const Vec3 normal = cross(a, b);
  const Vec3 z = (1.0 / length(normal)) * normal;
  return {x, cross(z, x), z};
}

// The rotation that carries one frame into the other.
Matrix between(const Matrix &from, const Matrix &to)
{
  Matrix rotation{};
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < 3; ++k) rotation[r][c] += to[k][r] * from[k][c];
  return rotation;
}

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

// The rotation R that makes Σ_rc h[r][c] R[r][c] largest: Horn, J. Opt. Soc. Am. A 4, 629 (1987).
Matrix horn(const Matrix &h)
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

struct Climb {
  const EnvironmentView &environment, &reference;
  double sigma;

  // The overlap for one rotation, and the pairs' weighted outer products for the next.
  double at(const Matrix &rotation, Matrix &h) const
  {
    const double scale = 1.0 / (4.0 * sigma * sigma);
    double sum = 0.0;
    h = {};
    for (std::size_t j = 0; j < reference.vectors.size(); ++j) {
      const Vec3 to = turned(rotation, reference.vectors[j]);
      for (std::size_t i = 0; i < environment.vectors.size(); ++i) {
        if (environment.types[i] != reference.types[j]) continue;
        const Vec3 r = environment.vectors[i] - to;
        const double weight = std::exp(-dot(r, r) * scale);
        sum += weight;
        for (int a = 0; a < 3; ++a)
          for (int b = 0; b < 3; ++b) h[a][b] += weight * environment.vectors[i][a] * reference.vectors[j][b];
      }
    }
    return sum / static_cast<double>(reference.vectors.size());
  }

  // exp is convex, so the weighted least-squares rotation never lowers the overlap.
  double from(Matrix rotation) const
  {
    Matrix h;
    double best = at(rotation, h);
    for (int step = 0; step < most_steps; ++step) {
      const double next = at(horn(h), h);
      if (next <= best + converged) return std::max(best, next);
      best = next;
    }
    return best;
  }
};

// Two of the reference's neighbors that define a rotation: the nearest of a type, and the nearest that is not collinear
// with it, of the same type if there is one.
struct Anchor {
  int first = -1, second = -1;
};

Anchor anchor_of(const EnvironmentView &reference, int type)
{
  Anchor anchor;
  const auto &r = reference.vectors;
  const int neighbors = static_cast<int>(r.size());
  for (int j = 0; j < neighbors; ++j)
    if (reference.types[j] == type && (anchor.first < 0 || dot(r[j], r[j]) < dot(r[anchor.first], r[anchor.first])))
      anchor.first = j;
  for (const bool same_type : {true, false})
    for (int j = 0; j < neighbors && (same_type || anchor.second < 0); ++j) {
      if ((reference.types[j] == type) != same_type || !spans_plane(r[anchor.first], r[j])) continue;
      if (anchor.second < 0 || dot(r[j], r[j]) < dot(r[anchor.second], r[anchor.second])) anchor.second = j;
    }
  return anchor;
}

// Whether two neighbors of the environment can correspond to the two of the anchor.
bool corresponds(const EnvironmentView &environment, int i, int k, const EnvironmentView &reference,
                 const Anchor &anchor, double sigma)
{
  const Vec3 &a = environment.vectors[i], &b = environment.vectors[k];
  const Vec3 &first = reference.vectors[anchor.first], &second = reference.vectors[anchor.second];
  const auto alike = [&](double p, double q) { return std::abs(p - q) < most_mismatch * sigma; };
  return i != k && environment.types[k] == reference.types[anchor.second] && alike(length(a), length(first)) &&
         alike(length(b), length(second)) && alike(length(a - b), length(first - second)) && spans_plane(a, b);
}

Vec3 any_other_direction(const Vec3 &r)
{
  int smallest = 0;
  for (int d = 1; d < 3; ++d)
    if (std::abs(r[d]) < std::abs(r[smallest])) smallest = d;
  Vec3 axis{};
  axis[smallest] = 1.0;
  return axis;
}

}  // namespace

double best_overlap(const EnvironmentView &environment, const EnvironmentView &reference, double sigma)
{
  const Climb climb{environment, reference, sigma};
  double best = 0.0;
  const int neighbors = static_cast<int>(environment.vectors.size());
  std::vector<int> types(reference.types.begin(), reference.types.end());
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());

  for (const int type : types) {
    const Anchor anchor = anchor_of(reference, type);
    const Vec3 &first = reference.vectors[anchor.first];
    const bool linear = anchor.second < 0;
    const Matrix from = frame(first, linear ? any_other_direction(first) : reference.vectors[anchor.second]);
    for (int i = 0; i < neighbors; ++i) {
      if (environment.types[i] != type) continue;
      const Vec3 &to = environment.vectors[i];
      if (linear) {
        best = std::max(best, climb.from(between(from, frame(to, any_other_direction(to)))));
        continue;
      }
      for (int k = 0; k < neighbors; ++k)
        if (corresponds(environment, i, k, reference, anchor, sigma))
          best = std::max(best, climb.from(between(from, frame(to, environment.vectors[k]))));
    }
  }
  return best;
}

}  // namespace naglass
