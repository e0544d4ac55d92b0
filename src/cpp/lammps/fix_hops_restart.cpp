// Restart of fix naglass/hops: what is shared, hops held back, one row per atom in the order of tags.
#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>

#include "comm.h"
#include "core/error.hpp"
#include "fix_hops.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/hops";

// Numbers one after the other, checked against their end.
class Reader {
 public:
  explicit Reader(const std::vector<double> &numbers) : numbers_(numbers) {}
  double number() { return take(1)[0]; }
  std::int64_t whole() { return static_cast<std::int64_t>(number()); }
  Vec3 vector()
  {
    const double *const r = take(3);
    return {r[0], r[1], r[2]};
  }
  const double *take(std::size_t count)
  {
    if (count > numbers_.size() - next_) throw Error("restart", "the fix's state", "ends too early");
    next_ += count;
    return numbers_.data() + next_ - count;
  }

 private:
  const std::vector<double> &numbers_;
  std::size_t next_ = 0;
};

void put(std::vector<double> &numbers, const Vec3 &r) { numbers.insert(numbers.end(), r.begin(), r.end()); }

}  // namespace

// What must be the same when the run goes on.
std::vector<std::pair<std::string, double>> FixHops::settings() const
{
  return {{"version of the state", 1.0},
          {"N", nevery},
          {"window", options_.window},
          {"threshold", options_.threshold},
          {"release", options_.release},
          {"min_length", options_.min_length},
          {"return", options_.return_within},
          {"framework (0 none, 1 given)", framework_bit_ ? 1 : 0},
          {"cutoff (0 none, 1 given)", cutoffs_.largest() > 0.0 ? 1 : 0},
          {"number of atoms in the group", home_ ? static_cast<double>(home_->total()) : 0.0}};
}

void FixHops::write_restart(FILE *file)
{
  std::int64_t most_hosts = static_cast<std::int64_t>(detector_->most_hosts());
  MPI_Allreduce(MPI_IN_PLACE, &most_hosts, 1, MPI_INT64_T, MPI_MAX, communicator(lmp));
  const std::vector<HopRow> held_back = on_root(detector_->held_back());
  const std::vector<double> rows = home_->on_root(detector_->rows(most_hosts), detector_->row_width(most_hosts));
  if (comm->me != 0) return;

  const HopProgress &progress = detector_->progress();
  std::vector<double> state;
  for (const auto &[name, value] : settings()) state.push_back(value);
  for (const std::int64_t n : {progress.samples, progress.last_step, progress.interval, events_, returns_,
                               framework_atoms_, most_hosts, static_cast<std::int64_t>(held_back.size())})
    state.push_back(static_cast<double>(n));
  const Box box = reference_.value_or(current_box(lmp));
  for (const Vec3 &edge : box.cell()) put(state, edge);
  put(state, corner_);
  put(state, framework_mean_);
  for (const HopRow &row : held_back) state.insert(state.end(), row.begin(), row.end());
  state.insert(state.end(), rows.begin(), rows.end());

  const double count = static_cast<double>(state.size());
  if (state.size() + 1 > INT_MAX / sizeof(double))
    stop_one(lmp, std::string(title) + ": the state of " + std::to_string(home_->total()) +
                      " atoms is beyond the 2 GiB that a restart file takes; use a smaller window or group");
  const int bytes = static_cast<int>((state.size() + 1) * sizeof(double));
  std::fwrite(&bytes, sizeof bytes, 1, file);
  std::fwrite(&count, sizeof count, 1, file);
  std::fwrite(state.data(), sizeof(double), state.size(), file);
  try {
    if (file_.is_open()) file_.sync();
  } catch (const Error &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
}

void FixHops::restart(char *buffer)
{
  double count;
  std::memcpy(&count, buffer, sizeof count);
  saved_.resize(static_cast<std::size_t>(count));
  std::memcpy(saved_.data(), buffer + sizeof count, saved_.size() * sizeof(double));
}

void FixHops::restore()
{
  Reader state(saved_);
  for (const auto &[name, value] : settings()) {
    const double before = state.number();
    if (before != value)
      stop_all(lmp, std::string(title) + ": " + name + " " + std::to_string(value) + ": the restart file has " +
                        std::to_string(before) + "; it must stay the same");
  }
  HopProgress progress;
  progress.samples = state.whole();
  progress.last_step = state.whole();
  progress.interval = state.whole();
  progress.cages = cutoffs_.largest() > 0.0;
  events_ = state.whole();
  returns_ = state.whole();
  framework_atoms_ = state.whole();
  const auto most_hosts = static_cast<std::size_t>(state.whole());
  const std::int64_t held = state.whole();
  const Vec3 a = state.vector(), b = state.vector(), c = state.vector();
  corner_ = state.vector();
  framework_mean_ = state.vector();
  if (progress.samples > 0) reference_ = Box({a, b, c}, {true, true, true});

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

void FixHops::open_file()
{
  const std::string header = std::string("# naglass/hops every ") + std::to_string(nevery) + " window " +
                             std::to_string(options_.window) + " threshold " + std::to_string(options_.threshold) +
                             " release " + std::to_string(options_.release) +
                             "\n# step tag from_x from_y from_z to_x to_y to_z p_max overlap waiting returned\n";
  if (detector_->progress().samples == 0) return file_.begin(path_, header);
  const std::int64_t kept = file_.resume(path_, header, certain_until());
  if (kept != events_)
    warn(lmp, std::string(title) + ": file " + path_ + " holds " + std::to_string(kept) + " of the " +
                  std::to_string(events_) + " hops before the restart; the others were written elsewhere");
}

}  // namespace naglass
