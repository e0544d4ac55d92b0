// What the styles ask LAMMPS about the simulation: the cell, types and groups, ranks and threads.
#pragma once

#include <mpi.h>

#include <string>

#include "core/box.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Whether a box exists: read_data, read_restart or create_box was called.
bool has_box(LAMMPS_NS::LAMMPS *lammps);
/// The current simulation cell, and its lower corner (Å).
Box current_box(LAMMPS_NS::LAMMPS *lammps);
Vec3 box_corner(LAMMPS_NS::LAMMPS *lammps);

int atom_type_count(LAMMPS_NS::LAMMPS *lammps);
/// Type (from 0) with this label in LAMMPS's label map, or -1.
int type_of_label(LAMMPS_NS::LAMMPS *lammps, const std::string &label);

/// The bit of a group, or 0 if there is no group of this name.
int group_bit(LAMMPS_NS::LAMMPS *lammps, const std::string &name);
/// The name of the group with this bit, and whether LAMMPS keeps reassigning its atoms (group ... dynamic).
std::string group_name(LAMMPS_NS::LAMMPS *lammps, int groupbit);
bool is_dynamic(LAMMPS_NS::LAMMPS *lammps, int groupbit);

/// The communicator of this LAMMPS instance, and the threads that LAMMPS assigns to a rank.
MPI_Comm communicator(LAMMPS_NS::LAMMPS *lammps);
int threads_per_rank(LAMMPS_NS::LAMMPS *lammps);

/// Ends this run after the current step, and any later runs, as a time limit does.
void end_run(LAMMPS_NS::LAMMPS *lammps);

}  // namespace naglass
