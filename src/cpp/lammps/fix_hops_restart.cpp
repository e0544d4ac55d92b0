// Restart of fix naglass/hops: the shared state, pending hops, one row per atom ordered by tag.
#include <algorithm>
#include <cstdio>

#include "access.hpp"
#include "comm.h"
#include "core/error.hpp"
#include "fix_hops.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/hops";
constexpr double state_version = 2.0;

// Reads numbers in sequence, with bounds checking.
class Reader {
 public:
  explicit Reader(const std::vector<double> &numbers) : numbers_(numbers) {}
  double number() { return take(1)[0]; }
  std::int64_t whole() { return static_cast<std::int64_t>(number()); }
  const double *take(std::size_t count)
  {
    if (count > numbers_.size() - next_) throw Error("restart", "the fix's state", "is truncated");
    next_ += count;
    return numbers_.data() + next_ - count;
  }

 private:
  const std::vector<double> &numbers_;
  std::size_t next_ = 0;
};

// Ascending numbers as " 1-40 55 60-70".
std::string ranges(const std::vector<std::int64_t> &numbers)
{
  std::string text;
  for (std::size_t first = 0, next; first < numbers.size(); first = next) {
    for (next = first + 1; next < numbers.size() && numbers[next] == numbers[next - 1] + 1;) ++next;
    text += " " + std::to_string(numbers[first]);
    if (next - first > 1) text += "-" + std::to_string(numbers[next - 1]);
  }
  return text;
}

}  // namespace

// Settings that must not change on restart.
std::vector<Setting> FixHops::settings() const
{
  return {{"N", static_cast<double>(nevery)},
          {"window", static_cast<double>(options_.window)},
          {"threshold", options_.threshold},
          {"release", options_.release},
          {"min_length", options_.min_length},
          {"return", static_cast<double>(options_.return_within)},
          {"framework", framework_bit_ ? 1.0 : 0.0, true},
          {"cutoff", cutoffs_.largest() > 0.0 ? 1.0 : 0.0, true},
          {"number of atoms in the group", static_cast<double>(home_->total())},
          atoms_setting()};
}

void FixHops::write_restart(FILE *file)
{
  std::vector<double> state;
  if (!detector_ || detector_->progress().samples == 0) {
    if (comm->me == 0) write_state(file, std::move(state), "");
    return;
  }
  const std::vector<double> frame = frame_state();
  const std::vector<Setting> options = settings();
  std::int64_t most_hosts = static_cast<std::int64_t>(detector_->most_hosts());
  MPI_Allreduce(MPI_IN_PLACE, &most_hosts, 1, MPI_INT64_T, MPI_MAX, communicator(lmp));
  const std::vector<HopRow> held_back = on_root(detector_->held_back());
  const std::vector<double> rows = home_->on_root(detector_->rows(most_hosts), detector_->row_width(most_hosts));
  if (comm->me != 0) return;

  const HopProgress &progress = detector_->progress();
  state.push_back(state_version);
  for (const Setting &setting : options) state.push_back(setting.value);
  for (const std::int64_t n : {progress.samples, progress.last_step, progress.interval, events_, returns_, most_hosts,
                               static_cast<std::int64_t>(held_back.size())})
    state.push_back(static_cast<double>(n));
  state.insert(state.end(), frame.begin(), frame.end());
  for (const HopRow &row : held_back) state.insert(state.end(), row.begin(), row.end());
  state.insert(state.end(), rows.begin(), rows.end());

  write_state(file, std::move(state), "use a smaller window or group");
  guarded([this] {
    if (file_.is_open()) file_.sync();
  });
}

void FixHops::restore()
{
  Reader state(saved_);
  if (state.number() != state_version)
    throw Error("restart file", "its state", "was written by another version of naglass");
  const std::vector<Setting> options = settings();
  require_same(options, state.take(options.size()));
  HopProgress progress;
  progress.samples = state.whole();
  progress.last_step = state.whole();
  progress.interval = state.whole();
  progress.cages = cutoffs_.largest() > 0.0;
  events_ = state.whole();
  returns_ = state.whole();
  const auto most_hosts = static_cast<std::size_t>(state.whole());
  const std::int64_t held = state.whole();
  restore_frame({state.take(frame_size), frame_size});

  std::vector<Hop> held_back;
  const std::vector<std::int64_t> &tags = home_->tags();
  for (std::int64_t k = 0; k < held; ++k) {
    Hop hop = Hop::from_row(std::span<const double, Hop::width>(state.take(Hop::width), Hop::width));
    const auto place = std::lower_bound(tags.begin(), tags.end(), hop.atom);
    if (place == tags.end() || *place != hop.atom) continue;
    hop.atom = place - tags.begin();
    held_back.push_back(hop);
  }
  const int width = detector_->row_width(most_hosts);
  const double *const rows = state.take(static_cast<std::size_t>(home_->total()) * width);
  detector_->restore(progress, home_->from_all(rows, width), most_hosts, std::move(held_back));
  saved_.clear();
  saved_.shrink_to_fit();
}

// All hops up to this step were published.
std::int64_t FixHops::certain_until() const
{
  const HopProgress &progress = detector_->progress();
  return progress.last_step - (2 * options_.window - 1) * nevery;
}

// The first line names the columns, as numpy.genfromtxt(names=True) reads them.
void FixHops::open_file(const std::vector<std::int64_t> &tags)
{
  const std::string header =
      std::string(
          "# step tag from_x from_y from_z to_x to_y to_z p_max overlap waiting returned\n# naglass/hops every ") +
      std::to_string(nevery) + " window " + std::to_string(options_.window) + " threshold " +
      std::to_string(options_.threshold) + " release " + std::to_string(options_.release) + "\n# tags" + ranges(tags) +
      "\n";
  if (detector_->progress().samples == 0) return file_.begin(path_, header);
  const std::int64_t kept = file_.resume(path_, header, certain_until());
  if (kept != events_)
    warn(lmp, std::string(title) + ": file " + path_ + " has " + std::to_string(kept) + " of the " +
                  std::to_string(events_) + " hops before the restart; the others were written elsewhere");
}

}  // namespace naglass
