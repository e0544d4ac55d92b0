#include "core/box.hpp"

#include <cmath>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

// Volume relative to the product of the edges below which a cell counts as flat.
constexpr double flat = 1e-10;

double norm(const Vec3 &a) { return std::sqrt(dot(a, a)); }

std::string text(const std::array<Vec3, 3> &cell)
{
  std::string out = "[";
  for (int k = 0; k < 3; ++k) {
    out += k ? ", [" : "[";
    for (int d = 0; d < 3; ++d) out += (d ? ", " : "") + number_text(cell[k][d]);
    out += ']';
  }
  return out + "]";
}

// A unit vector normal to both arguments, either of which may be zero.
Vec3 unit_normal(const Vec3 &a, const Vec3 &b)
{
  Vec3 normal = cross(a, b);
  if (norm(normal) == 0.0) {
    const Vec3 &given = norm(a) > 0.0 ? a : b;
    int smallest = 0;
    for (int d = 1; d < 3; ++d)
      if (std::abs(given[d]) < std::abs(given[smallest])) smallest = d;
    Vec3 axis{};
    axis[smallest] = 1.0;
    normal = norm(given) > 0.0 ? cross(given, axis) : axis;
  }
  return (1.0 / norm(normal)) * normal;
}

}  // namespace

Box::Box(const std::array<Vec3, 3> &cell, const std::array<bool, 3> &periodic) : cell_(cell), periodic_(periodic)
{
  for (const Vec3 &row : cell)
    for (const double value : row)
      if (!std::isfinite(value)) throw Error("cell", text(cell), "every component must be a finite number (Å)");

  for (int k = 0; k < 3; ++k) {
    if (norm(cell_[k]) > 0.0) continue;
    if (periodic[k]) throw Error("cell[" + std::to_string(k) + "]", "0", "a periodic direction needs a cell vector");
    cell_[k] = unit_normal(cell_[(k + 1) % 3], cell_[(k + 2) % 3]);
  }

  const double signed_volume = dot(cell_[0], cross(cell_[1], cell_[2]));
  volume_ = std::abs(signed_volume);
  if (volume_ <= flat * norm(cell_[0]) * norm(cell_[1]) * norm(cell_[2]))
    throw Error("cell", text(cell), "the cell vectors lie in one plane");

  for (int k = 0; k < 3; ++k) {
    reciprocal_[k] = (1.0 / signed_volume) * cross(cell_[(k + 1) % 3], cell_[(k + 2) % 3]);
    height_[k] = 1.0 / norm(reciprocal_[k]);
  }
}

Vec3 Box::to_fractional(const Vec3 &position) const
{ return {dot(position, reciprocal_[0]), dot(position, reciprocal_[1]), dot(position, reciprocal_[2])}; }

Vec3 Box::lattice_vector(const Shift &shift) const
{
  Vec3 out{};
  for (int k = 0; k < 3; ++k)
    for (int d = 0; d < 3; ++d) out[d] += shift[k] * cell_[k][d];
  return out;
}

}  // namespace naglass
