#include "fix_samples.hpp"

#include <algorithm>
#include <climits>
#include <cmath>

#include "access.hpp"
#include "atom_rows.hpp"
#include "comm.h"
#include "messages.hpp"
#include "update.h"

namespace naglass {

FixSamples::FixSamples(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg, std::string title)
    : Fix(lammps, narg, arg), title_(std::move(title))
{
  restart_global = 1;
  time_depend = 1;
  stores_ids = 1;  // LAMMPS then keeps commands from renumbering atoms
}

Keyword FixSamples::framework_keyword()
{
  const auto read = [this](StyleArguments &arguments, const std::string &keyword) {
    framework_ = arguments.word(keyword);
    framework_bit_ = group_bit(lmp, framework_);
    if (!framework_bit_) arguments.fail(keyword, "no group has this name");
  };
  return {"framework", {"GROUP", "none", read}, "group whose mean displacement is subtracted"};
}

int FixSamples::setmask() { return LAMMPS_NS::FixConst::PRE_NEIGHBOR | LAMMPS_NS::FixConst::END_OF_STEP; }

void FixSamples::guarded(const std::function<void()> &action) const { naglass::guarded(lmp, title_, action); }

void FixSamples::init()
{
  constexpr int minimization = 2;
  if (update->whichflag == minimization && home_ && last_sample() >= 0)
    stop_all(lmp, title_ + ": a minimization ran between samples; define the fix after it");
  require_static_groups();
  if (home_) return;
  guarded([this] {
    home_ = std::make_unique<TagHome>(lmp, title_, groupbit);
    settle();
  });
}

void FixSamples::require_static_groups() const
{
  for (const int bit : {groupbit, framework_bit_})
    if (bit && is_dynamic(lmp, bit))
      stop_all(lmp, title_ + ": group " + group_name(lmp, bit) +
                        " is dynamic; atoms are followed over many steps, so the group must not change");
}

void FixSamples::setup(int)
{
  const bool is_next_run = seen_ && update->ntimestep == ended_at_;
  const bool is_frame_of_rerun = seen_ && !is_next_run;
  if (is_next_run) {
    cell_.accept(lmp);
    require_unmoved();
  }
  if (update->ntimestep % nevery != 0) return;
  const std::vector<Vec3> before = home_->positions();
  end_of_step();
  if (is_frame_of_rerun) require_image_flags(before);
}

void FixSamples::pre_neighbor()
{
  if (cell_.begun()) cell_.follow(lmp, title_);
}

void FixSamples::end_of_step()
{
  const bool taken = last_sample() == update->ntimestep;
  if (!taken && last_sample() >= 0 && update->ntimestep != last_sample() + nevery)
    stop_all(lmp, title_ + ": step " + std::to_string(update->ntimestep) +
                      ": samples must be evenly spaced, but the last one was at step " + std::to_string(last_sample()) +
                      " and N is " + std::to_string(nevery));
  guarded([this, taken] {
    if (cell_.begun()) cell_.follow(lmp, title_);
    else begin_frame();
    home_->positions(cell_);
    seen_ = true;
    if (!taken) sample();
    publish();
  });
}

void FixSamples::begin_frame()
{
  cell_.begin(lmp);
  if (framework_bit_) framework_mean_ = group_mean(lmp, title_, framework_bit_, cell_, &framework_atoms_);
}

Vec3 FixSamples::drift() const
{
  if (!framework_bit_) return {};
  std::int64_t atoms;
  const Vec3 mean = group_mean(lmp, title_, framework_bit_, cell_, &atoms);
  if (atoms != framework_atoms_)
    stop_all(lmp, title_ + ": framework: group " + framework_ + " has " + std::to_string(atoms) + " atoms instead of " +
                      std::to_string(framework_atoms_) + ": it changed during the run");
  return mean - framework_mean_;
}

std::vector<double> FixSamples::frame_state()
{
  cell_.follow(lmp, title_);
  std::vector<double> state = cell_.state();
  state.insert(state.end(), framework_mean_.begin(), framework_mean_.end());
  state.push_back(static_cast<double>(framework_atoms_));
  return state;
}

void FixSamples::restore_frame(std::span<const double> state)
{
  cell_.restore(state.first<CellHistory::state_size>());
  const auto mean = state.subspan(CellHistory::state_size);
  framework_mean_ = {mean[0], mean[1], mean[2]};
  framework_atoms_ = static_cast<std::int64_t>(mean[3]);
}

void FixSamples::post_run()
{
  if (!cell_.begun()) return;
  cell_.follow(lmp, title_);
  guarded([this] { end_ = home_->positions(cell_); });
  ended_at_ = update->ntimestep;
}

// Commands between runs may strain the cell with its atoms; other motion is not diffusion.
void FixSamples::require_unmoved()
{
  guarded([this] { home_->positions(cell_); });
  const double tolerance = 1e-6 * std::cbrt(cell_.reference().volume());
  std::int64_t moved = LLONG_MAX;
  for (std::size_t i = 0; i < end_.size() && moved == LLONG_MAX; ++i) {
    const Vec3 step = home_->positions()[i] - end_[i];
    if (dot(step, step) > tolerance * tolerance) moved = home_->tags()[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, &moved, 1, MPI_INT64_T, MPI_MIN, communicator(lmp));
  if (moved != LLONG_MAX)
    stop_all(lmp,
             title_ + ": atom " + std::to_string(moved) +
                 " was moved between two runs, by displace_atoms, read_dump or similar; define the fix after that");
}

// The frames of a rerun. With wrapped coordinates alone all image flags are zero and atoms jump across the cell.
void FixSamples::require_image_flags(const std::vector<Vec3> &before) const
{
  const OwnedAtoms owned(lmp, title_);
  int flagged = 0;
  for (int i = 0; i < owned.count() && !flagged; ++i) {
    const Vec3 fraction = owned.unwrapped(i);
    flagged = std::any_of(fraction.begin(), fraction.end(), [](double f) { return f < -1e-6 || f > 1.0 + 1e-6; });
  }
  std::int64_t jumped = LLONG_MAX;
  for (std::size_t i = 0; i < before.size() && jumped == LLONG_MAX; ++i) {
    const Vec3 step = cell_.reference().to_fractional(home_->positions()[i] - before[i]);
    if (std::any_of(step.begin(), step.end(), [](double s) { return std::abs(s) > 0.5; })) jumped = home_->tags()[i];
  }
  MPI_Allreduce(MPI_IN_PLACE, &flagged, 1, MPI_INT, MPI_MAX, communicator(lmp));
  MPI_Allreduce(MPI_IN_PLACE, &jumped, 1, MPI_INT64_T, MPI_MIN, communicator(lmp));
  if (!flagged && jumped != LLONG_MAX)
    stop_all(lmp, title_ + ": step " + std::to_string(update->ntimestep) + ": atom " + std::to_string(jumped) +
                      " jumps across the cell and no atom has image flags: the positions are wrapped; a rerun needs "
                      "'xu yu zu' with 'wrapped no', or 'x y z ix iy iz'");
}

Setting FixSamples::atoms_setting() const { return {Setting::of_atoms, static_cast<double>(home_->tags_checksum())}; }

void FixSamples::require_same(const std::vector<Setting> &settings, const double *before) const
{ require_same_settings(lmp, title_, settings, before); }

void FixSamples::write_state(FILE *file, const std::vector<double> &state, const std::string &remedy) const
{
  write_restart_state(lmp, title_, file, state, "the state of " + std::to_string(home_ ? home_->total() : 0) + " atoms",
                      remedy);
}

void FixSamples::restart(char *buffer) { saved_ = read_restart_state(buffer); }

}  // namespace naglass
