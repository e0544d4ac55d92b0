#include "fix_hops.hpp"

#include <algorithm>
#include <cstdio>

#include "access.hpp"
#include "atom.h"
#include "atom_rows.hpp"
#include "comm.h"
#include "core/error.hpp"
#include "core/number_text.hpp"
#include "exchange.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/hops";

}  // namespace

FixHops::FixHops(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : FixSamples(lammps, narg, arg, title)
{
  read_arguments(narg, arg);
  vector_flag = 1;
  size_vector = 3;
  extvector = -1;
  extlist = kinds_of_number_;
  peratom_flag = 1;
  size_peratom_cols = 0;
  global_freq = peratom_freq = nevery;
  // LAMMPS may read the vector before the first sample.
  owned_counts_.assign(std::max(atom->nmax, 1), 0.0);
  vector_atom = owned_counts_.data();
}

void FixHops::read_arguments(int narg, char **arg)
{
  StyleArguments arguments(lmp, title, narg, arg);
  ElementMap elements;
  std::vector<NamedCutoff> cutoffs;
  std::optional<double> release;
  arguments.read(
      {"N", whole_into(nevery, "", 1), "sample every N steps"},
      {
          {"window", whole_into(options_.window, "w", 1), "samples in each half of the window"},
          {"threshold", number_into(options_.threshold, "p"),
           "p_hop above which a hop starts (distance units squared)"},
          {"release", number_into(release, "p").otherwise("threshold / 2"), "p_hop below which it ends"},
          {"min_length", number_into(options_.min_length, "d"), "shortest hop (distance units)"},
          {"return", whole_into(options_.return_within, "n", 0).known_as("return_within"),
           "samples within which a hop back to a former site is a return"},
          framework_keyword(),
          {"file", word_into(path_, "F").otherwise("none"), "where events are written as they become certain"},
          elements.keyword(),
          cutoff_keyword(cutoffs, "B atoms within this distance of an A atom of the group form its cage"),
      });
  options_.release = release.value_or(options_.threshold / 2);
  options_.threads = comm->nthreads;
  cutoffs_ = pair_cutoffs(arguments, elements, cutoffs);
  try {
    HopDetector(0, options_);
  } catch (const Error &error) {
    arguments.fail(error);
  }
}

void FixHops::init()
{
  if (cutoffs_.largest() > 0.0) {
    require_cutoffs_covered(lmp, title, cutoffs_);
    request_full_list(lmp, this);
  }
  FixSamples::init();
}

void FixHops::settle()
{
  detector_ = std::make_unique<HopDetector>(home_->tags().size(), options_);
  if (!saved_.empty()) restore();
  if (path_.empty()) return;
  // a double holds every tag below 2^53
  const std::vector<double> tags = home_->on_root({home_->tags().begin(), home_->tags().end()}, 1);
  if (comm->me == 0) open_file({tags.begin(), tags.end()});
}

void FixHops::init_list(int, LAMMPS_NS::NeighList *list) { list_ = list; }

std::int64_t FixHops::last_sample() const
{
  const HopProgress &progress = detector_->progress();
  return progress.samples > 0 ? progress.last_step : -1;
}

void FixHops::sample()
{
  const Vec3 offset = drift();
  report(detector_->add(home_->positions(), offset, update->ntimestep, cages()));
}

Cages FixHops::cages()
{
  if (cutoffs_.largest() == 0.0) return {};
  // A fix before this one may have strained the cell in this step.
  comm->forward_comm();
  fill_local_bonds(lmp, title, list_, cutoffs_, bonds_);
  const OwnedAtoms owned(lmp, title);
  owned_hosts_.resize(bonds_.targets.size());
  for (std::size_t e = 0; e < owned_hosts_.size(); ++e) owned_hosts_[e] = owned.tag(bonds_.targets[e]);
  home_->lists_from_owners(bonds_.offsets, owned_hosts_, offsets_, hosts_);
  return {offsets_, hosts_};
}

void FixHops::report(const std::vector<Hop> &found)
{
  std::int64_t counts[2] = {static_cast<std::int64_t>(found.size()), 0};
  for (const Hop &hop : found) counts[1] += hop.returned;
  MPI_Allreduce(MPI_IN_PLACE, counts, 2, MPI_INT64_T, MPI_SUM, communicator(lmp));
  if (counts[0] == 0) return;
  events_ += counts[0];
  returns_ += counts[1];
  std::vector<HopRow> rows = on_root(found);
  if (comm->me == 0) write_events(std::move(rows));
}

// Rows contain tags instead of indices, and positions relative to the cell's corner.
std::vector<FixHops::HopRow> FixHops::on_root(const std::vector<Hop> &hops) const
{
  std::vector<std::vector<HopRow>> leaving(comm->nprocs);
  for (Hop hop : hops) {
    hop.atom = home_->tags()[hop.atom];
    leaving[0].push_back(hop.row());
  }
  std::vector<HopRow> rows = exchange_records(communicator(lmp), leaving).records;
  std::sort(rows.begin(), rows.end());
  return rows;
}

void FixHops::write_events(std::vector<HopRow> rows)
{
  const double half =
      std::min({cell_.reference().height(0), cell_.reference().height(1), cell_.reference().height(2)}) / 2;
  std::string lines;
  for (const HopRow &row : rows) {
    const Hop hop = Hop::from_row(row);
    if (hop.length() > half && !warned_) {
      warn(lmp, std::string(title) + ": atom " + std::to_string(hop.atom) + " hopped " + number_text(hop.length()) +
                    ", more than half the cell; a rerun needs unwrapped positions or image flags");
      warned_ = true;
    }
    const Vec3 from = hop.from + cell_.corner(), to = hop.to + cell_.corner();
    char line[512];
    std::snprintf(line, sizeof line, "%lld %lld %.10g %.10g %.10g %.10g %.10g %.10g %.10g %.6g %lld %d\n",
                  static_cast<long long>(hop.step), static_cast<long long>(hop.atom), from[0], from[1], from[2], to[0],
                  to[1], to[2], hop.p_max, hop.overlap, static_cast<long long>(hop.waiting), hop.returned);
    lines += line;
  }
  if (file_.is_open()) file_.append(lines);
}

void FixHops::publish()
{
  counts_.resize(home_->tags().size());
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] = static_cast<double>(detector_->count(i));
  home_->to_owners(counts_, 1, owned_counts_);
  owned_counts_.resize(std::max(atom->nmax, 1));
  vector_atom = owned_counts_.data();
}

// What a rate needs in addition to the events.
void FixHops::post_run()
{
  FixSamples::post_run();
  if (!file_.is_open()) return;
  guarded([this] {
    file_.end_with("# until " + std::to_string(update->ntimestep) + " observed_steps " +
                   std::to_string(detector_->observed_samples() * nevery) + "\n");
  });
}

double FixHops::compute_vector(int n)
{
  if (n < 2) return static_cast<double>(n == 0 ? events_ : returns_);
  const double time = detector_ ? detector_->observed_samples() * nevery * update->dt : 0.0;
  return time > 0.0 ? events_ / (static_cast<double>(home_->total()) * time) : 0.0;
}

double FixHops::memory_usage()
{
  if (!detector_) return 0.0;
  const std::size_t numbers = detector_->atoms() * detector_->row_width(detector_->most_hosts());
  return static_cast<double>((numbers + owned_counts_.capacity() + counts_.capacity()) * sizeof(double));
}

}  // namespace naglass
