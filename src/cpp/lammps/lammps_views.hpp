// LAMMPS services that most styles need: messages, the cell, groups, and a rank's own atoms.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>

#include "core/box.hpp"

namespace LAMMPS_NS {
class Compute;
class LAMMPS;
}  // namespace LAMMPS_NS

namespace naglass {

/// Ends the run with a message; called by all ranks.
[[noreturn]] void stop_all(LAMMPS_NS::LAMMPS *lammps, const std::string &message);
/// Ends the run from a single rank.
[[noreturn]] void stop_one(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// A warning, from rank 0.
void warn(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// Whether a box exists: read_data, read_restart or create_box was called.
bool has_box(LAMMPS_NS::LAMMPS *lammps);
int atom_type_count(LAMMPS_NS::LAMMPS *lammps);
/// Type (from 0) with this label in LAMMPS's label map, or -1.
int type_of_label(LAMMPS_NS::LAMMPS *lammps, const std::string &label);

/// Ends this run after the current step, and any later runs, as a time limit does.
void end_run(LAMMPS_NS::LAMMPS *lammps);

/// Potential energy of the system, tallied on this step; `tally_energy_at` requests it in advance.
double potential_energy(LAMMPS_NS::LAMMPS *lammps);
void tally_energy_at(LAMMPS_NS::LAMMPS *lammps, std::int64_t step);

/// The communicator of this LAMMPS instance.
MPI_Comm communicator(LAMMPS_NS::LAMMPS *lammps);
/// The current simulation cell, and its lower corner (Å).
Box current_box(LAMMPS_NS::LAMMPS *lammps);
Vec3 box_corner(LAMMPS_NS::LAMMPS *lammps);
/// The bit of a group, or 0 if there is no group of this name.
int group_bit(LAMMPS_NS::LAMMPS *lammps, const std::string &name);
/// The name of the group with this bit, and whether LAMMPS keeps reassigning its atoms (group ... dynamic).
std::string group_name(LAMMPS_NS::LAMMPS *lammps, int groupbit);
bool is_dynamic(LAMMPS_NS::LAMMPS *lammps, int groupbit);

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

/// Threads that LAMMPS assigns to a rank.
int threads_per_rank(LAMMPS_NS::LAMMPS *lammps);

/// Runs a compute's per-atom part unless it already ran at this step.
void compute_peratom_once(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Compute *compute);

/// Prints a message once, on screen and in the log file.
void say(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

}  // namespace naglass
