// The numbers that a fix keeps in LAMMPS's restart files.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// An option that must be the same after a restart. Yes-or-no options are shown as words.
struct Setting {
  static constexpr const char *of_atoms = "the atoms of the group";

  std::string option;
  double value;
  bool is_choice = false;
};

/// Ends the run unless the restart file's options, in the same order, match the current ones. Collective.
void require_same_settings(LAMMPS_NS::LAMMPS *lammps, const std::string &title, const std::vector<Setting> &settings,
                           const double *before);
/// Writes a fix's numbers into the restart file, on rank 0; `what` is too large for it where there are too many.
void write_restart_state(LAMMPS_NS::LAMMPS *lammps, const std::string &title, FILE *file,
                         const std::vector<double> &state, const std::string &what, const std::string &remedy);
/// The numbers that were written.
std::vector<double> read_restart_state(const char *buffer);

}  // namespace naglass
