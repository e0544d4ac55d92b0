// Messages of the styles, through LAMMPS.
#pragma once

#include <string>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Ends the run with a message; called by all ranks.
[[noreturn]] void stop_all(LAMMPS_NS::LAMMPS *lammps, const std::string &message);
/// Ends the run from a single rank.
[[noreturn]] void stop_one(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// A warning, from rank 0.
void warn(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// Prints a message once, on screen and in the log file.
void say(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

}  // namespace naglass
