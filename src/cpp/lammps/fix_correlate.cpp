#include "fix_correlate.hpp"

#include <algorithm>

#include "access.hpp"
#include "atom.h"
#include "comm.h"
#include "core/error.hpp"
#include "core/number_text.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/correlate";
constexpr int common_columns = 3;
constexpr int species_columns = 6;
constexpr double state_version = -2.0;  // in older versions the first number was N

}  // namespace

FixCorrelate::FixCorrelate(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : FixSamples(lammps, narg, arg, title)
{
  read_arguments(narg, arg);
  array_flag = 1;
  size_array_rows_variable = 1;
  size_array_rows = 0;
  size_array_cols = common_columns + species_columns * options_.species;
  extarray = 0;
  global_freq = nevery;
}

void FixCorrelate::read_arguments(int narg, char **arg)
{
  StyleArguments arguments(lmp, title, narg, arg);
  ElementMap elements;
  std::vector<std::pair<std::string, double>> charges;
  const auto read_charge = [&charges](StyleArguments &from, const std::string &keyword) {
    const std::string name = from.word(keyword);
    const double value = from.number(keyword);
    if (std::any_of(charges.begin(), charges.end(), [&](const auto &given) { return given.first == name; }))
      from.fail(keyword, name, "is given twice");
    charges.emplace_back(name, value);
  };
  const auto histogram = in_sequence({number_into(options_.van_hove_reach, "reach").known_as("van_hove_reach"),
                                      number_into(options_.van_hove_width, "width").known_as("van_hove_width")});
  arguments.read({"N", whole_into(nevery, "", 1), "sample every N steps"},
                 {
                     elements.keyword("each type by its number"),
                     {"points", whole_into(options_.points, "p", 2), "lags of the first level, even"},
                     {"longest", whole_into(options_.longest, "n", 1).otherwise("no limit"), "longest lag in samples"},
                     {"overlap", number_into(options_.overlap, "a"),
                      "an atom that moved less still overlaps with its original position (distance units)"},
                     {"van_hove", Argument(histogram).otherwise("none"), "histogram of displacements (distance units)"},
                     {"charge",
                      {.form = "NAME q", .fallback = "0", .read = read_charge, .repeats = true},
                      "charge (e) of a species in the charge displacement"},
                     framework_keyword(),
                     {"file", word_into(path_, "F").otherwise("none"), "table written at the end of each run"},
                     {"write", whole_into(write_every_, "n", 0), "write the table every n samples too, 0 for never"},
                 });
  Species species = species_of(arguments, elements);
  names_ = std::move(species.names);
  species_of_type_ = std::move(species.of_type);
  options_.species = static_cast<int>(names_.size());
  read_charges(arguments, elements, charges);
  options_.threads = comm->nthreads;
  try {
    options_.check();
  } catch (const Error &error) {
    arguments.fail(error);
  }
}

void FixCorrelate::read_charges(const StyleArguments &arguments, const ElementMap &elements,
                                const std::vector<std::pair<std::string, double>> &charges)
{
  if (!charges.empty()) options_.charges.assign(names_.size(), 0.0);
  for (const auto &[name, charge] : charges) {
    bool is_number = false;
    for (std::size_t s = 0; s < names_.size() && elements.names().empty(); ++s)
      if (names_[s] == name) {
        options_.charges[s] = charge;
        is_number = true;
      }
    if (is_number) continue;
    for (const int type : elements.types_of(arguments, "charge", name))
      options_.charges[species_of_type_[type]] = charge;
  }
}

void FixCorrelate::init()
{
  FixSamples::init();
  const double interval = update->dt * nevery;
  if (interval_ == 0.0) interval_ = interval;
  if (interval != interval_)
    stop_all(lmp, title_ + ": timestep " + number_text(update->dt) + ": samples must be evenly spaced, but it was " +
                      number_text(interval_ / nevery) + " before");
}

void FixCorrelate::settle()
{
  std::vector<int> species;
  atoms_.assign(names_.size(), 0);
  for (const int type : home_->types()) {
    species.push_back(species_of_type_[type]);
    if (species.back() < 0)
      throw Error("elements", "NULL", "the group contains atoms of type " + std::to_string(type + 1));
    ++atoms_[species.back()];
  }
  MPI_Allreduce(MPI_IN_PLACE, atoms_.data(), options_.species, MPI_INT64_T, MPI_SUM, communicator(lmp));
  history_ = std::make_unique<DisplacementHistory>(options_, species);
  statistics_ = std::make_unique<DisplacementStatistics>(options_, atoms_);
  if (!saved_.empty()) restore();
  if (comm->me == 0 && !path_.empty()) file_.claim(path_, options_.van_hove_reach > 0.0);
}

void FixCorrelate::sample()
{
  home_->require_same_types();
  std::vector<Vec3> positions = home_->positions();
  const Vec3 moved = drift();
  for (Vec3 &r : positions) r = r - moved;
  std::vector<double> sums = history_->add(positions);
  const bool root = comm->me == 0;
  MPI_Reduce(root ? MPI_IN_PLACE : sums.data(), sums.data(), static_cast<int>(sums.size()), MPI_DOUBLE, MPI_SUM, 0,
             communicator(lmp));
  if (root) statistics_->add(sums);
  last_step_ = update->ntimestep;
  table_is_new_ = false;
  size_array_rows = LagScheme(options_).count(history_->frames() - 1);
  if (write_every_ > 0 && history_->frames() % write_every_ == 0) write_file();
}

void FixCorrelate::post_run()
{
  FixSamples::post_run();
  write_file();
}

void FixCorrelate::write_file()
{
  if (comm->me != 0 || path_.empty()) return;
  guarded([this] {
    const std::string sampled = "# fix naglass/correlate: " + std::to_string(statistics_->frames()) +
                                " samples up to step " + std::to_string(last_step_) + ", relative to " +
                                (framework_bit_ ? "group " + framework_ : std::string("the box")) + "\n# atoms:";
    TableHeader header{sampled, interval_, options_.van_hove_width, names_, atoms_};
    for (std::size_t s = 0; s < names_.size(); ++s)
      if (atoms_[s] > 0) header.step += " " + names_[s] + " " + std::to_string(atoms_[s]);
    header.step += "\n";
    file_.write(header, *statistics_);
  });
}

double FixCorrelate::compute_array(int row, int column)
{
  const MPI_Comm comm_all = communicator(lmp);
  if (!table_is_new_) {
    table_.assign(static_cast<std::size_t>(size_array_rows) * size_array_cols, 0.0);
    auto entry = table_.begin();
    for (int k = 0; comm->me == 0 && k < size_array_rows; ++k) {
      const LagEstimate found = statistics_->at(k);
      *entry++ = static_cast<double>(found.lag) * interval_;
      *entry++ = static_cast<double>(found.origins);
      *entry++ = found.charge.value;
      for (std::size_t s = 0; s < names_.size(); ++s) {
        const SpeciesEstimate &own = found.species[s];
        for (const Estimate &e : {own.msd, own.alpha2, own.overlap, own.chi4, own.collective, own.haven})
          *entry++ = atoms_[s] > 0 ? e.value : 0.0;
      }
    }
    MPI_Bcast(table_.data(), static_cast<int>(table_.size()), MPI_DOUBLE, 0, comm_all);
    table_is_new_ = true;
  }
  return row < size_array_rows ? table_[static_cast<std::size_t>(row) * size_array_cols + column] : 0.0;
}

// Settings that must not change on restart.
std::vector<Setting> FixCorrelate::settings() const
{
  std::vector<Setting> found{{"N", static_cast<double>(nevery)},
                             {"points", static_cast<double>(options_.points)},
                             {"longest", static_cast<double>(options_.longest)},
                             {"overlap", options_.overlap},
                             {"van_hove reach", options_.van_hove_reach},
                             {"van_hove width", options_.van_hove_width},
                             {"framework", framework_bit_ ? 1.0 : 0.0, true},
                             {"number of atoms in the group", static_cast<double>(home_->total())},
                             atoms_setting(),
                             {"number of species in elements", static_cast<double>(names_.size())}};
  for (std::size_t s = 0; s < names_.size(); ++s) {
    found.push_back({"number of atoms of " + names_[s], static_cast<double>(atoms_[s])});
    found.push_back({"charge of " + names_[s], options_.charges.empty() ? 0.0 : options_.charges[s]});
  }
  return found;
}

void FixCorrelate::write_restart(FILE *file)
{
  std::vector<double> state;  // stays empty before the first sample
  if (history_ && history_->frames() > 0) {
    const std::vector<double> frame = frame_state(), statistics = statistics_->state();
    const std::vector<std::int64_t> held = history_->held();
    std::vector<double> rows;
    guarded([&] { rows = home_->on_root(history_->rows(), static_cast<int>(3 * held.size())); });
    state.push_back(state_version);
    for (const Setting &setting : settings()) state.push_back(setting.value);
    state.insert(state.end(), {interval_, static_cast<double>(last_step_)});
    state.insert(state.end(), frame.begin(), frame.end());
    state.push_back(static_cast<double>(statistics.size()));
    state.insert(state.end(), statistics.begin(), statistics.end());
    state.push_back(static_cast<double>(held.size()));
    state.insert(state.end(), held.begin(), held.end());
    state.insert(state.end(), rows.begin(), rows.end());
  }
  if (comm->me == 0) write_state(file, std::move(state), "use fewer points or a shorter longest lag");
}

void FixCorrelate::restore()
{
  if (saved_[0] != state_version) throw Error("restart file", "its state", "was written by another version of naglass");
  const std::vector<Setting> options = settings();
  require_same(options, saved_.data() + 1);
  std::span<const double> rest = std::span<const double>(saved_).subspan(1 + options.size());
  interval_ = rest[0];
  last_step_ = static_cast<std::int64_t>(rest[1]);
  restore_frame(rest.subspan(2, frame_size));
  rest = rest.subspan(2 + frame_size);
  const auto length = [&rest] {
    const auto count = static_cast<std::size_t>(rest.front());
    rest = rest.subspan(1);
    return count;
  };
  const std::size_t numbers = length();
  statistics_->restore(rest.first(numbers));
  rest = rest.subspan(numbers);
  std::vector<std::int64_t> held(length());
  for (std::size_t k = 0; k < held.size(); ++k) held[k] = static_cast<std::int64_t>(rest[k]);
  rest = rest.subspan(held.size());
  const int width = static_cast<int>(3 * held.size());
  history_->restore(statistics_->frames(), held, home_->from_all(rest.data(), width));
  if (comm->me != 0) statistics_ = std::make_unique<DisplacementStatistics>(options_, atoms_);
  size_array_rows = LagScheme(options_).count(history_->frames() - 1);
  saved_.clear();
  saved_.shrink_to_fit();
}

double FixCorrelate::memory_usage()
{
  const double held = history_ ? static_cast<double>(history_->held().size()) : 0.0;
  const double atoms = home_ ? static_cast<double>(home_->tags().size()) : 0.0;
  return held * atoms * sizeof(Vec3) + static_cast<double>(table_.capacity()) * sizeof(double);
}

}  // namespace naglass
