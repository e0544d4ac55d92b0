// The simulation cell as it would be without the box flips of LAMMPS, so that unwrapped positions stay continuous.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/box.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// A flip (fix deform, fix npt; flip yes is the default) replaces b by b + n a, and c by c + m b + k a. The same atoms
/// then have different fractional coordinates. The integers are accumulated from check to check and undone.
class CellHistory {
 public:
  static constexpr std::size_t state_size = 18;

  bool begun() const { return reference_.has_value(); }
  /// Uses the current cell as the reference cell for positions.
  void begin(LAMMPS_NS::LAMMPS *lammps);
  const Box &reference() const { return *reference_; }
  const Vec3 &corner() const { return corner_; }

  /// Checks whether the box was flipped since the last check. Ends the run, with `title` before the message, if the
  /// shape changed too much to tell a flip from shear.
  void follow(LAMMPS_NS::LAMMPS *lammps, const std::string &title);
  /// Checks a cell that a command changed between runs, which is not a flip.
  void accept(LAMMPS_NS::LAMMPS *lammps);
  /// Position (Å, from the corner) in the reference cell of an atom at these fractional coordinates of the current
  /// cell.
  Vec3 lay(const Vec3 &fraction) const;

  std::vector<double> state() const;
  void restore(std::span<const double, state_size> state);

 private:
  std::optional<Box> reference_;
  Vec3 corner_{};
  Vec3 tilts_{};  // xy / lx, xz / lx, yz / ly at the last check
  Vec3 turns_{};  // integers: current b = b' + turns[0] a', c = c' + turns[2] b' + turns[1] a'
};

}  // namespace naglass
