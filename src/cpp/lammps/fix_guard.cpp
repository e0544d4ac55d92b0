#include "fix_guard.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <limits>

#include <unistd.h>

#include "access.hpp"
#include "comm.h"
#include "input.h"
#include "messages.hpp"
#include "style_arguments.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/guard";
constexpr std::array<int, 2> watched = {SIGTERM, SIGUSR1};

// what a handler may touch; one of each for all guards of a process
volatile std::sig_atomic_t heard = 0;
int guards = 0;
std::array<struct sigaction, watched.size()> before;

void note(int number) { heard = number; }

}  // namespace

FixGuard::FixGuard(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Fix(lammps, narg, arg)
{
  StyleArguments arguments(lmp, title, narg, arg);
  arguments.read({"N", whole_into(nevery, "", 1), "look every N steps"},
                 {
                     {"restart", word_into(restart_, "F"), "restart file to write when the run is ended"},
                     {"exit", word_into(exit_, "E"), "end the run when this file exists"},
                     {"seconds", number_into(seconds_, "T", Sign::positive).otherwise("the end of the Slurm job"),
                      "end the run T seconds after the fix was defined"},
                     {"margin", number_into(margin_, "M", Sign::not_negative), "end it M seconds before that"},
                 });
  if (restart_.empty()) arguments.fail("restart", "is missing");
  if (seconds_ > 0 && margin_ >= seconds_) arguments.fail("margin", "must be shorter than 'seconds'");
  scalar_flag = 1;
  extscalar = 0;
  global_freq = nevery;
  struct sigaction action{};
  action.sa_handler = note;
  if (guards++ == 0)
    for (std::size_t k = 0; k < watched.size(); ++k) sigaction(watched[k], &action, &before[k]);
}

FixGuard::~FixGuard()
{
  if (--guards == 0)
    for (std::size_t k = 0; k < watched.size(); ++k) sigaction(watched[k], &before[k], nullptr);
}

int FixGuard::setmask() { return LAMMPS_NS::FixConst::END_OF_STEP | LAMMPS_NS::FixConst::POST_RUN; }

double FixGuard::seconds_left() const
{
  if (seconds_ > 0) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    return seconds_ - margin_ - passed.count();
  }
  const char *const end = std::getenv("SLURM_JOB_END_TIME");
  if (end == nullptr || *end == '\0') return std::numeric_limits<double>::infinity();
  return std::strtod(end, nullptr) - margin_ - static_cast<double>(std::time(nullptr));
}

int FixGuard::seen_here() const
{
  if (heard) return by_signal;
  if (comm->me != 0) return nothing;
  if (access(exit_.c_str(), F_OK) == 0) return by_file;
  return seconds_left() <= 0 ? by_time : nothing;
}

void FixGuard::end_of_step()
{
  if (why_) return;
  const int mine = seen_here();
  MPI_Allreduce(&mine, &why_, 1, MPI_INT, MPI_MAX, world);
  if (!why_) return;
  const char *const words[] = {"", "a signal", "the file ", "the time is up"};
  say(lmp, std::string(title) + ": step " + std::to_string(update->ntimestep) + ": " + words[why_] +
               (why_ == by_file ? exit_ : "") + ": the run ends here\n");
  end_run(lmp);
}

void FixGuard::post_run()
{
  if (!why_ || written_) return;
  written_ = true;
  input->one("write_restart " + restart_ + " noinit");
  say(lmp,
      std::string(title) + ": " + restart_ + " has step " + std::to_string(update->ntimestep) + ": can be restarted\n");
}

}  // namespace naglass
