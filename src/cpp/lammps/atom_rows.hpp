// A rank's own atoms, and the rows of numbers that a compute gives them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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

/// The per-atom array of a compute, a row per atom. LAMMPS may read it up to nmax before it is next computed, so the
/// rows of ghosts, and of atoms to come, exist too.
class PerAtomColumns {
 public:
  /// Sets all numbers to `value`; the array stays valid until the next call.
  double **fill(LAMMPS_NS::LAMMPS *lammps, int columns, double value);
  /// Bytes in use.
  double memory() const;

 private:
  std::vector<double> values_;
  std::vector<double *> rows_;
};

}  // namespace naglass
