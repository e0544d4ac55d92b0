#include "messages.hpp"

#include <new>
#include <stdexcept>

#include "comm.h"
#include "error.h"
#include "lammps.h"
#include "utils.h"

namespace naglass {

using LAMMPS_NS::LAMMPS;

void stop_all(LAMMPS *lammps, const std::string &message) { lammps->error->all(FLERR, message); }

void stop_one(LAMMPS *lammps, const std::string &message) { lammps->error->one(FLERR, message); }

void guarded(LAMMPS *lammps, const std::string &title, const std::function<void()> &action)
{
  std::string message;
  try {
    action();
    return;
  } catch (const std::logic_error &error) {
    message = error.what();
  } catch (const std::bad_alloc &) {
    message = "out of memory";
  }
  stop_one(lammps, title + ": " + message);
}

void warn(LAMMPS *lammps, const std::string &message)
{
  if (lammps->comm->me == 0) lammps->error->warning(FLERR, message);
}

void say(LAMMPS *lammps, const std::string &message)
{
  if (lammps->comm->me == 0) LAMMPS_NS::utils::logmesg(lammps, message + "\n");
}

}  // namespace naglass
