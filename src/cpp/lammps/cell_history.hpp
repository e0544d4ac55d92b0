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
/// then have other fractions of the cell. The whole numbers are added up from look to look and undone.
class CellHistory {
 public:
  static constexpr std::size_t state_size = 18;

  bool begun() const { return reference_.has_value(); }
  /// Takes the present cell as the one that positions are laid into.
  void begin(LAMMPS_NS::LAMMPS *lammps);
  const Box &reference() const { return *reference_; }
  const Vec3 &corner() const { return corner_; }

  /// Looks whether the box was flipped since the last look. Ends the run, with `title` before the message, where the
  /// shape changed so much that a flip cannot be told from shear.
  void follow(LAMMPS_NS::LAMMPS *lammps, const std::string &title);
  /// A look at a cell that a command between runs has changed, which flips nothing.
  void accept(LAMMPS_NS::LAMMPS *lammps);
  /// Position (Å, from the corner) in the reference cell of an atom at these fractions of the present cell.
  Vec3 lay(const Vec3 &fraction) const;

  std::vector<double> state() const;
  void restore(std::span<const double, state_size> state);

 private:
  std::optional<Box> reference_;
  Vec3 corner_{};
  Vec3 tilts_{};  // xy / lx, xz / lx, yz / ly at the last look
  Vec3 turns_{};  // whole numbers: present b = b' + turns[0] a', c = c' + turns[2] b' + turns[1] a'
};

}  // namespace naglass
