// Messages of the styles, through LAMMPS.
#pragma once

#include <functional>
#include <string>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Ends the run with a message; called by all ranks.
[[noreturn]] void stop_all(LAMMPS_NS::LAMMPS *lammps, const std::string &message);
/// Ends the run from a single rank.
[[noreturn]] void stop_one(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// Core errors and out-of-memory in `action` end the run, with `title` before the message; LAMMPS's own exceptions pass
/// through.
void guarded(LAMMPS_NS::LAMMPS *lammps, const std::string &title, const std::function<void()> &action);

/// A warning, from rank 0.
void warn(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// Prints a message once, on screen and in the log file.
void say(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

}  // namespace naglass
