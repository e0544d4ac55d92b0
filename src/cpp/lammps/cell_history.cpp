#include "cell_history.hpp"

#include <algorithm>
#include <cmath>

#include "access.hpp"
#include "core/number_text.hpp"
#include "messages.hpp"

namespace naglass {
namespace {

// In cell edges: up to this shear a flip is unambiguous; at one half it would be a guess.
constexpr double largest_shear = 0.25;

Vec3 tilts_of(const Box &box)
{
  const std::array<Vec3, 3> &cell = box.cell();
  return {cell[1][0] / cell[0][0], cell[2][0] / cell[0][0], cell[2][1] / cell[1][1]};
}

}  // namespace

void CellHistory::begin(LAMMPS_NS::LAMMPS *lammps)
{
  reference_ = current_box(lammps);
  corner_ = box_corner(lammps);
  tilts_ = tilts_of(*reference_);
  turns_ = {};
}

void CellHistory::follow(LAMMPS_NS::LAMMPS *lammps, const std::string &title)
{
  const Vec3 now = tilts_of(current_box(lammps));
  const double xy = now[0] - tilts_[0], yz = now[2] - tilts_[2];
  const double n = std::round(xy), m = std::round(yz);
  const double xz = now[1] - m * (now[0] - n) - tilts_[1], k = std::round(xz);
  tilts_ = now;
  if (n == 0.0 && m == 0.0 && k == 0.0) return;
  const double shear = std::max({std::abs(xy - n), std::abs(xz - k), std::abs(yz - m)});
  if (shear > largest_shear)
    stop_all(lammps, title + ": flips aside, the box tilt changed by " + number_text(std::round(1000 * shear) / 1000) +
                         " of an edge since the last sample, too much to tell a flip from shear; use "
                         "'flip no', or more closely spaced frames in a rerun");
  turns_ = {turns_[0] + n, turns_[1] + k + m * turns_[0], turns_[2] + m};
}

void CellHistory::accept(LAMMPS_NS::LAMMPS *lammps) { tilts_ = tilts_of(current_box(lammps)); }

Vec3 CellHistory::lay(const Vec3 &fraction) const
{
  const Vec3 unflipped{fraction[0] + fraction[1] * turns_[0] + fraction[2] * turns_[1],
                       fraction[1] + fraction[2] * turns_[2], fraction[2]};
  Vec3 r{0.0, 0.0, 0.0};
  for (int k = 0; k < 3; ++k)
    for (int d = 0; d < 3; ++d) r[d] += unflipped[k] * reference_->cell()[k][d];
  return r;
}

std::vector<double> CellHistory::state() const
{
  std::vector<double> numbers;
  for (const Vec3 &edge : reference_->cell()) numbers.insert(numbers.end(), edge.begin(), edge.end());
  for (const Vec3 &part : {corner_, tilts_, turns_}) numbers.insert(numbers.end(), part.begin(), part.end());
  return numbers;
}

void CellHistory::restore(std::span<const double, state_size> state)
{
  const auto vector = [&state](std::size_t k) { return Vec3{state[3 * k], state[3 * k + 1], state[3 * k + 2]}; };
  reference_ = Box({vector(0), vector(1), vector(2)}, {true, true, true});
  corner_ = vector(3);
  tilts_ = vector(4);
  turns_ = vector(5);
}

}  // namespace naglass
