// A rank's own atoms.
#pragma once

#include <cstdint>
#include <string>

#include "core/box.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// This rank's current atoms; valid until they move to another rank or are sorted.
class OwnedAtoms {
 public:
  /// Ends the run, with `title` before the message, for atoms without tags.
  OwnedAtoms(LAMMPS_NS::LAMMPS *lammps, const std::string &title);

  int count() const;
  bool in_group(int i, int groupbit) const;
  std::int64_t tag(int i) const;  // also of a ghost
  int type(int i) const;  // from 0
  /// Unwrapped position in fractional coordinates of the current cell, from its lower corner.
  Vec3 unwrapped(int i) const;

 private:
  LAMMPS_NS::LAMMPS *lammps_;
};

/// Position (Å) of an owned atom or a ghost.
Vec3 position(LAMMPS_NS::LAMMPS *lammps, int i);

}  // namespace naglass
