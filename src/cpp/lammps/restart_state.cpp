#include "restart_state.hpp"

#include <climits>
#include <cstring>

#include "core/number_text.hpp"
#include "messages.hpp"

namespace naglass {

void require_same_settings(LAMMPS_NS::LAMMPS *lammps, const std::string &title, const std::vector<Setting> &settings,
                           const double *before)
{
  for (const Setting &setting : settings) {
    const double saved = *before++;
    if (saved == setting.value) continue;
    const auto text = [&setting](double value) {
      return setting.is_choice ? (value != 0.0 ? "given" : "none") : number_text(value);
    };
    if (setting.option == Setting::of_atoms)
      stop_all(lammps, title + ": the group differs from the one in the restart file");
    stop_all(lammps, title + ": " + setting.option + " " + text(setting.value) + ": the restart file has " +
                         text(saved) + "; it must stay the same");
  }
}

void write_restart_state(LAMMPS_NS::LAMMPS *lammps, const std::string &title, FILE *file,
                         const std::vector<double> &state, const std::string &what, const std::string &remedy)
{
  const double size = static_cast<double>(state.size());
  if (state.size() + 1 > INT_MAX / sizeof(double))
    stop_one(lammps, title + ": " + what + " exceeds the 2 GiB limit of a restart file; " + remedy);
  const int bytes = static_cast<int>((state.size() + 1) * sizeof(double));
  std::fwrite(&bytes, sizeof bytes, 1, file);
  std::fwrite(&size, sizeof size, 1, file);
  std::fwrite(state.data(), sizeof(double), state.size(), file);
}

std::vector<double> read_restart_state(const char *buffer)
{
  double size;
  std::memcpy(&size, buffer, sizeof size);
  std::vector<double> state(static_cast<std::size_t>(size));
  std::memcpy(state.data(), buffer + sizeof size, state.size() * sizeof(double));
  return state;
}

}  // namespace naglass
