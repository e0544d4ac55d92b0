// LAMMPS commands that exclude pairs of atoms from neighbor lists, so that bonds would silently be missed.
#pragma once

#include <functional>
#include <string>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Whether pairs of two atom types (from 0) matter to a style.
using PairFilter = std::function<bool(int, int)>;

/// The command that excludes pairs that matter, independent of the atoms: in words for a message, or empty.
std::string pairs_left_out(LAMMPS_NS::LAMMPS *lammps, const PairFilter &matters);

/// The same for exclusions that depend on the atoms: by group and by special bonds. Collective. Exclusions of a group
/// from all others are ignored if `of_group_and_all` is false.
std::string atoms_left_out(LAMMPS_NS::LAMMPS *lammps, const PairFilter &matters, bool of_group_and_all = true);

/// The bits of groups excluded from every pair by `neigh_modify exclude group X all`, as used by fix gcmc and fix
/// widom.
int bits_left_out_of_all(LAMMPS_NS::LAMMPS *lammps);

}  // namespace naglass
