#include <algorithm>
#include <cmath>

#include "core/rotation.hpp"

namespace naglass {
namespace {

// Below this sine, two directions do not define a plane.
constexpr double collinear = 0.2;
// Pairs of neighbors whose lengths or distance differ by more than this many sigma do not correspond.
constexpr double most_mismatch = 3.0;
constexpr int most_steps = 60;
constexpr double converged = 1e-12;

double length(const Vec3 &r) { return std::sqrt(dot(r, r)); }

bool spans_plane(const Vec3 &a, const Vec3 &b) { return length(cross(a, b)) > collinear * length(a) * length(b); }

// Orthonormal rows, the first along a, the second in the plane of a and b.
Rotation frame(const Vec3 &a, const Vec3 &b)
{
  const Vec3 x = (1.0 / length(a)) * a;
  const Vec3 normal = cross(a, b);
  const Vec3 z = (1.0 / length(normal)) * normal;
  return {x, cross(z, x), z};
}

// The rotation that carries one frame into the other.
Rotation between(const Rotation &from, const Rotation &to)
{
  Rotation rotation{};
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < 3; ++k) rotation[r][c] += to[k][r] * from[k][c];
  return rotation;
}

struct Climb {
  const EnvironmentView &environment, &reference;
  double sigma;

  // exp is convex, so the weighted least-squares rotation never lowers the overlap.
  Match from(Rotation rotation) const
  {
    Match best{0.0, rotation};
    for (int step = 0; step < most_steps; ++step) {
      Rotation h{};
      const double next = turned_overlap(environment, reference, rotation, sigma, h);
      const bool done = next <= best.overlap + converged;
      if (next > best.overlap) best = {next, rotation};
      if (done) return best;
      rotation = horn(h);
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
{ return best_match(environment, reference, sigma).overlap; }

Match best_match(const EnvironmentView &environment, const EnvironmentView &reference, double sigma)
{
  const Climb climb{environment, reference, sigma};
  Match best{0.0, no_rotation};
  const auto consider = [&](const Match &found) {
    if (found.overlap > best.overlap) best = found;
  };
  const int neighbors = static_cast<int>(environment.vectors.size());
  std::vector<int> types(reference.types.begin(), reference.types.end());
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());

  for (const int type : types) {
    const Anchor anchor = anchor_of(reference, type);
    const Vec3 &first = reference.vectors[anchor.first];
    const bool linear = anchor.second < 0;
    const Rotation from = frame(first, linear ? any_other_direction(first) : reference.vectors[anchor.second]);
    for (int i = 0; i < neighbors; ++i) {
      if (environment.types[i] != type) continue;
      const Vec3 &to = environment.vectors[i];
      if (linear) {
        consider(climb.from(between(from, frame(to, any_other_direction(to)))));
        continue;
      }
      for (int k = 0; k < neighbors; ++k)
        if (corresponds(environment, i, k, reference, anchor, sigma))
          consider(climb.from(between(from, frame(to, environment.vectors[k]))));
    }
  }
  return best;
}

}  // namespace naglass
