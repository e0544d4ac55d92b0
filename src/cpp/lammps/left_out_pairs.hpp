// Commands of LAMMPS that take pairs of atoms out of neighbor lists, so that bonds would be missing unnoticed.
#pragma once

#include <functional>
#include <string>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Whether pairs of two atom types (from 0) matter to a style.
using PairFilter = std::function<bool(int, int)>;

/// The command that leaves out pairs that matter, whatever atoms there are: in words for a message, empty for none.
std::string pairs_left_out(LAMMPS_NS::LAMMPS *lammps, const PairFilter &matters);

/// The same for what depends on the atoms at hand, exclusion by groups and special bonds. Collective. Exclusions of a
/// group from all others are passed over with `of_group_and_all` false.
std::string atoms_left_out(LAMMPS_NS::LAMMPS *lammps, const PairFilter &matters, bool of_group_and_all = true);

/// The bits of groups that `neigh_modify exclude group X all` takes out of every pair, as fix gcmc and fix widom do.
int bits_left_out_of_all(LAMMPS_NS::LAMMPS *lammps);

}  // namespace naglass
