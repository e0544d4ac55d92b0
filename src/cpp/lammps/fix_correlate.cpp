#include "fix_correlate.hpp"

#include <climits>
#include <cstring>
#include <new>

#include "atom.h"
#include "comm.h"
#include "core/error.hpp"
#include "correlation_table.hpp"
#include "lammps_views.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/correlate";
constexpr int common_columns = 3;
constexpr int species_columns = 6;
constexpr int clock_size = 15;

// Errors of the core and of memory; LAMMPS's own pass.
template <typename Action> void guarded(LAMMPS_NS::LAMMPS *lammps, Action &&action)
{
  std::string message;
  try {
    action();
    return;
  } catch (const std::logic_error &error) {
    message = error.what();
  } catch (const std::bad_alloc &) {
    message = "out of memory; fewer points or a longest lag need less";
  }
  stop_one(lammps, std::string(title) + ": " + message);
}

}  // namespace

FixCorrelate::FixCorrelate(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Fix(lammps, narg, arg)
{
  read_arguments(narg, arg);
  restart_global = 1;
  time_depend = 1;
  array_flag = 1;
  size_array_rows_variable = 1;
  size_array_rows = 0;
  size_array_cols = common_columns + species_columns * options_.species;
  extarray = 0;
  global_freq = nevery;
}

void FixCorrelate::read_arguments(int narg, char **arg)
{
  StyleArguments arguments(lmp, title, narg, arg, 3);
  nevery = static_cast<int>(arguments.whole("N", 1));
  ElementMap elements;
  std::vector<std::pair<std::string, double>> charges;
  while (arguments.more()) {
    const std::string keyword = arguments.word("keyword");
    if (keyword == "elements") elements.read(arguments);
    else if (keyword == "points") options_.points = static_cast<int>(arguments.whole(keyword, 2));
    else if (keyword == "longest") options_.longest = arguments.whole(keyword, 1);
    else if (keyword == "overlap") options_.overlap = arguments.number(keyword);
    else if (keyword == "van_hove") {
      options_.van_hove_reach = arguments.number(keyword);
      options_.van_hove_width = arguments.number(keyword);
    } else if (keyword == "charge") {
      const std::string name = arguments.word(keyword);
      charges.emplace_back(name, arguments.number(keyword + " " + name));
    } else if (keyword == "framework") {
      framework_ = arguments.word(keyword);
      framework_bit_ = group_bit(lmp, framework_);
      if (!framework_bit_) arguments.fail(keyword, framework_, "no group has this name");
    } else if (keyword == "file") path_ = arguments.word(keyword);
    else if (keyword == "write") write_every_ = arguments.whole(keyword, 0);
    else
      arguments.fail("keyword", keyword,
                     "known are elements, points, longest, overlap, van_hove, charge, framework, file, write");
  }
  name_species(arguments, elements);
  read_charges(arguments, elements, charges);
  options_.threads = comm->nthreads;
  try {
    options_.check();
  } catch (const Error &error) {
    stop_all(lmp, std::string(title) + ": " + error.what());
  }
}

void FixCorrelate::name_species(const StyleArguments &arguments, const ElementMap &elements)
{
  for (int type = 0; type < atom->ntypes; ++type) {
    const std::string name = elements.names().empty() ? std::to_string(type + 1) : elements.names()[type];
    int species = 0;
    while (species < static_cast<int>(names_.size()) && names_[species] != name) ++species;
    if (name == "NULL") species = -1;
    else if (species == static_cast<int>(names_.size())) names_.push_back(name);
    species_of_type_.push_back(species);
  }
  if (names_.empty()) arguments.fail("elements", "NULL", "no atom type has a name");
  options_.species = static_cast<int>(names_.size());
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

int FixCorrelate::setmask() { return LAMMPS_NS::FixConst::END_OF_STEP; }

void FixCorrelate::init()
{
  if (!home_) guarded(lmp, [this] { settle(); });
  const double interval = update->dt * nevery;
  if (interval_ == 0.0) interval_ = interval;
  if (interval != interval_)
    stop_all(lmp, std::string(title) + ": timestep " + std::to_string(update->dt) +
                      ": samples must be evenly spaced, before it was " + std::to_string(interval_ / nevery));
}

void FixCorrelate::settle()
{
  home_ = std::make_unique<TagHome>(lmp, title, groupbit);
  std::vector<int> species;
  atoms_.assign(names_.size(), 0);
  for (const int type : home_->types()) {
    species.push_back(species_of_type_[type]);
    if (species.back() < 0)
      throw Error("elements", "NULL", "the group holds atoms of type " + std::to_string(type + 1));
    ++atoms_[species.back()];
  }
  MPI_Allreduce(MPI_IN_PLACE, atoms_.data(), options_.species, MPI_INT64_T, MPI_SUM, communicator(lmp));
  history_ = std::make_unique<DisplacementHistory>(options_, species);
  statistics_ = std::make_unique<DisplacementStatistics>(options_, atoms_);
  if (!saved_.empty()) restore();
}

void FixCorrelate::setup(int)
{
  if (update->ntimestep % nevery == 0 && update->ntimestep != last_step_) end_of_step();
}

void FixCorrelate::end_of_step()
{
  if (last_step_ >= 0 && update->ntimestep != last_step_ + nevery)
    stop_all(lmp, std::string(title) + ": step " + std::to_string(update->ntimestep) +
                      ": samples must be evenly spaced, the last one was step " + std::to_string(last_step_));
  guarded(lmp, [this] { sample(); });
  last_step_ = update->ntimestep;
  table_is_new_ = false;
  size_array_rows = LagScheme(options_).count(history_->frames() - 1);
  if (write_every_ > 0 && history_->frames() % write_every_ == 0) write_file();
}

void FixCorrelate::sample()
{
  const bool first = !reference_;
  if (first) reference_ = current_box(lmp);
  std::vector<Vec3> positions = home_->positions(*reference_);
  if (framework_bit_) {
    const Vec3 mean = group_mean(lmp, title, framework_bit_, *reference_);
    if (first) framework_mean_ = mean;
    const Vec3 drift = mean - framework_mean_;
    for (Vec3 &r : positions) r = r - drift;
  }
  std::vector<double> sums = history_->add(positions);
  const bool root = comm->me == 0;
  MPI_Reduce(root ? MPI_IN_PLACE : sums.data(), sums.data(), static_cast<int>(sums.size()), MPI_DOUBLE, MPI_SUM, 0,
             communicator(lmp));
  if (root) statistics_->add(sums);
}

void FixCorrelate::post_run() { write_file(); }

void FixCorrelate::write_file() const
{
  if (comm->me != 0 || path_.empty()) return;
  guarded(lmp, [this] {
    const std::string sampled = "# fix naglass/correlate: " + std::to_string(statistics_->frames()) +
                                " samples up to step " + std::to_string(last_step_) + ", relative to " +
                                (framework_bit_ ? "group " + framework_ : std::string("the box")) + "\n# atoms:";
    TableHeader header{sampled, interval_, options_.van_hove_width, names_, atoms_};
    for (std::size_t s = 0; s < names_.size(); ++s)
      if (atoms_[s] > 0) header.step += " " + names_[s] + " " + std::to_string(atoms_[s]);
    header.step += "\n";
    write_table(path_, header, *statistics_);
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

std::vector<double> FixCorrelate::clock() const
{
  std::vector<double> values{static_cast<double>(nevery), interval_, static_cast<double>(last_step_)};
  for (const Vec3 &row : reference_->cell()) values.insert(values.end(), row.begin(), row.end());
  values.insert(values.end(), framework_mean_.begin(), framework_mean_.end());
  return values;
}

void FixCorrelate::write_restart(FILE *file)
{
  std::vector<double> state;  // stays empty before the first sample
  if (history_ && history_->frames() > 0) {
    const std::vector<std::int64_t> held = history_->held();
    std::vector<double> rows;
    guarded(lmp, [&] { rows = home_->on_root(history_->rows(), static_cast<int>(3 * held.size())); });
    state = clock();
    const std::vector<double> statistics = statistics_->state();
    state.push_back(static_cast<double>(statistics.size()));
    state.insert(state.end(), statistics.begin(), statistics.end());
    state.push_back(static_cast<double>(held.size()));
    state.insert(state.end(), held.begin(), held.end());
    state.insert(state.end(), rows.begin(), rows.end());
  }
  if (comm->me != 0) return;
  state.insert(state.begin(), static_cast<double>(state.size()));
  if (state.size() > INT_MAX / sizeof(double))
    stop_one(lmp, std::string(title) + ": state of " + std::to_string(state.size() * sizeof(double)) +
                      " bytes: a restart file holds 2 GiB per fix; fewer points or a longest lag need less");
  const int size = static_cast<int>(state.size() * sizeof(double));
  std::fwrite(&size, sizeof(int), 1, file);
  std::fwrite(state.data(), sizeof(double), state.size(), file);
}

void FixCorrelate::restart(char *buffer)
{
  double size;
  std::memcpy(&size, buffer, sizeof(double));
  saved_.resize(static_cast<std::size_t>(size));
  std::memcpy(saved_.data(), buffer + sizeof(double), saved_.size() * sizeof(double));
}

void FixCorrelate::restore()
{
  if (static_cast<int>(saved_[0]) != nevery)
    throw Error("N", std::to_string(nevery),
                "the restart file was sampled every " + std::to_string(static_cast<int>(saved_[0])) + " steps");
  interval_ = saved_[1];
  last_step_ = static_cast<std::int64_t>(saved_[2]);
  std::array<Vec3, 3> cell;
  for (int k = 0; k < 9; ++k) cell[k / 3][k % 3] = saved_[3 + k];
  reference_ = Box(cell, {true, true, true});
  for (int d = 0; d < 3; ++d) framework_mean_[d] = saved_[12 + d];

  std::span<const double> rest = std::span<const double>(saved_).subspan(clock_size);
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
  if (rest.size() != static_cast<std::size_t>(home_->total()) * width)
    throw Error("group", std::to_string(home_->total()) + " atoms", "the restart file has another number");
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
