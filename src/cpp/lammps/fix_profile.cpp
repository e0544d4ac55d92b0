#include "fix_profile.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>

#include "access.hpp"
#include "atom.h"
#include "atom_rows.hpp"
#include "comm.h"
#include "core/error.hpp"
#include "core/profile.hpp"
#include "messages.hpp"
#include "modify.h"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/profile";
constexpr double state_version = 1.0;
constexpr int least_bins = 8;  // of the profile to which surfaces are fitted
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// A whole number below 2^24 that tells texts apart.
double checksum(const std::string &text)
{
  std::uint64_t sum = 0;
  for (const char letter : text) sum = (sum * 1099511628211u + static_cast<unsigned char>(letter)) % (1u << 24);
  return static_cast<double>(sum);
}

void append(std::string &text, double number)
{
  char word[40];
  std::snprintf(word, sizeof word, " %.17g", number);
  text += word;
}

}  // namespace

FixProfile::FixProfile(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Fix(lammps, narg, arg)
{
  read_arguments(narg, arg);
  restart_global = 1;
  time_depend = 1;
  vector_flag = 1;
  size_vector = 6;
  extvector = 0;
  global_freq = nevery;
  modify->addstep_compute_all((update->ntimestep + nevery - 1) / nevery * nevery);
}

void FixProfile::read_arguments(int narg, char **arg)
{
  StyleArguments arguments(lmp, title, narg, arg);
  ElementMap elements;
  std::vector<std::array<std::string, 3>> given;  // keyword, value, element
  const auto read = [&given](StyleArguments &from, const std::string &keyword) {
    const std::string value = from.word(keyword), name = from.word(keyword);
    given.push_back({keyword, value, name});
  };
  arguments.read(
      {"N", whole_into(nevery, "", 1), "sample every N steps"},
      {
          elements.keyword("each type by its number"),
          {"axis", choice_into<int>(axis_, {{"x", 0}, {"y", 1}, {"z", 2}}), "cell vector along which layers follow"},
          {"width", number_into(width_, "w", Sign::positive), "thickness of a layer (distance units)"},
          {"surface",
           {.form = "VALUE E", .fallback = "none", .read = read},
           "order parameter per atom of E; layers follow the surfaces of the crystal where it is large"},
          {"reach", number_into(reach_, "r").otherwise("half the cell"),
           "layers up to this distance from a surface (distance units)"},
          {"value",
           {.form = "VALUE E", .fallback = "", .read = read, .repeats = true},
           "mean of a value over atoms of E"},
          {"write", whole_into(write_every_, "n", 1), "samples in a block of the file"},
          {"file", word_into(path_, "F"), "where each block is written"},
      });
  if (path_.empty()) arguments.fail("file", "is missing");
  if (reach_ && !(*reach_ >= width_)) arguments.fail("reach", "must be at least the width of a layer");
  auto [names, of_type] = elements.species(arguments);
  names_ = std::move(names);
  species_of_type_ = std::move(of_type);
  for (const auto &[keyword, value, name] : given) {
    std::vector<char> types(static_cast<std::size_t>(atom->ntypes));
    for (const int type : elements.types_of(arguments, keyword, name)) types[type] = 1;
    Value wanted{AtomValue(lmp, std::string(title) + ": " + keyword, value), value + ":" + name, std::move(types)};
    if (keyword == "surface") order_ = std::move(wanted);
    else values_.push_back(std::move(wanted));
  }
}

int FixProfile::setmask() { return LAMMPS_NS::FixConst::END_OF_STEP; }

void FixProfile::init()
{
  if (!current_box(lmp).periodic(axis_)) stop_all(lmp, std::string(title) + ": axis: the box is not periodic along it");
  for (const Value &value : values_) value.source.require();
  if (order_) order_->source.require();
  if (opened_) return;
  opened_ = true;
  guarded(lmp, title, [this] {
    if (!saved_.empty()) restore();
    if (comm->me == 0) open_file();
  });
}

void FixProfile::open_file()
{
  const std::string header = "# step surface distance samples position width volume" + columns_text() +
                             "\n# fix naglass/profile: blocks of " + std::to_string(write_every_) +
                             " samples, one every " + std::to_string(nevery) +
                             " steps; mean positions and widths, sums of the other columns over samples and atoms\n";
  if (last_step_ < 0) file_.begin(path_, header);
  else file_.resume(path_, header, last_block_);
}

void FixProfile::setup(int)
{
  // the first step of a run, and every frame of a rerun
  if (update->ntimestep % nevery == 0 && update->ntimestep != last_step_) sample();
  modify->addstep_compute_all((update->ntimestep / nevery + 1) * nevery);
}

void FixProfile::end_of_step()
{
  // a rerun calls both
  if (update->ntimestep != last_step_) sample();
  modify->addstep_compute(update->ntimestep + nevery);
}

void FixProfile::sample()
{
  modify->clearstep_compute();
  // A fix before this one may have strained the cell in this step; the values of atoms depend on ghosts.
  comm->forward_comm();
  guarded(lmp, title, [this] {
    if (size_ == 0) choose_bins();
    last_step_ = update->ntimestep;
    const std::vector<double> places = fractions();
    ++tried_;
    if (!order_ || find_surfaces(places)) {
      ++samples_;
      ++found_;
      add_layers(places);
    } else {
      ++missed_;
    }
    if (tried_ < write_every_) return;
    last_block_ = last_step_;
    if (comm->me == 0) file_.append(block_text());
    begin_block();
  });
}

void FixProfile::choose_bins()
{
  const double height = current_box(lmp).height(axis_);
  const double reach = reach_.value_or(height / 2.0);
  size_ = static_cast<int>(std::max(1.0, order_ ? std::ceil(reach / width_ - 1e-9) : std::nearbyint(height / width_)));
  begin_block();
}

void FixProfile::begin_block()
{
  const std::size_t bins = static_cast<std::size_t>(size_) * (order_ ? 4 : 1);
  tried_ = found_ = 0;
  volume_.assign(bins, 0.0);
  sums_.assign(2 * columns() * bins, 0.0);
  means_ = {};
}

std::vector<double> FixProfile::fractions() const
{
  const OwnedAtoms owned(lmp, title);
  std::vector<double> found;
  for (int i = 0; i < owned.count(); ++i) found.push_back(owned.unwrapped(i)[axis_]);
  return found;
}

std::vector<double> FixProfile::read(const Value &value) const
{
  std::vector<double> numbers;
  value.source.read(igroup, numbers);
  const OwnedAtoms owned(lmp, title);
  for (int i = 0; i < owned.count(); ++i) {
    if (!owned.in_group(i, groupbit) || !value.of_type[owned.type(i)]) numbers[i] = nan;
    else if (!std::isfinite(numbers[i]))
      throw Error(value.text, numbers[i], "of atom " + std::to_string(owned.tag(i)) + " is not a finite number");
  }
  return numbers;
}

bool FixProfile::find_surfaces(const std::vector<double> &fractions)
{
  const double height = current_box(lmp).height(axis_);
  const int bins = std::max(least_bins, static_cast<int>(std::nearbyint(height / width_)));
  const LayerBins layers = LayerBins::across(height, bins);
  std::vector<int> place;
  for (const double fraction : fractions) place.push_back(layers.of(fraction));
  std::vector<double> numbers(static_cast<std::size_t>(bins) * layer_numbers), atoms, sums;
  add_to_layers(place, read(*order_), numbers);
  MPI_Allreduce(MPI_IN_PLACE, numbers.data(), static_cast<int>(numbers.size()), MPI_DOUBLE, MPI_SUM, world);
  for (auto bin = numbers.begin(); bin != numbers.end(); bin += layer_numbers) {
    atoms.push_back(bin[0]);
    sums.push_back(ExactSum::value(&bin[1]));
  }
  SurfaceFit found = fit_surfaces(atoms, sums, height);
  if (!found.problem.empty()) return false;
  if (samples_ > 0) {
    // next to where they were, so that a moving crystal has no jump
    const double moved = 0.5 * (found.at.lower - surfaces_.at.lower + found.at.upper - surfaces_.at.upper);
    const double images = height * std::nearbyint(moved / height);
    found.at = {found.at.lower - images, found.at.upper - images};
  }
  surfaces_ = std::move(found);
  return true;
}

std::vector<double> FixProfile::numbers_of(const std::vector<int> &bins) const
{
  const std::size_t per_column = volume_.size() * layer_numbers;
  const OwnedAtoms owned(lmp, title);
  std::vector<double> numbers(columns() * per_column), values(bins.size());
  std::size_t column = 0;
  const auto add = [&](const std::vector<double> &own) {
    add_to_layers(bins, own, std::span(numbers).subspan(column++ * per_column, per_column));
  };
  for (int species = 0; species < static_cast<int>(names_.size()); ++species) {
    for (int i = 0; i < owned.count(); ++i) values[i] = species_of_type_[owned.type(i)] == species ? 1.0 : nan;
    add(values);
  }
  for (int i = 0; i < owned.count(); ++i) values[i] = atom->rmass ? atom->rmass[i] : atom->mass[owned.type(i) + 1];
  add(values);
  for (const Value &value : values_) add(read(value));
  return numbers;
}

void FixProfile::add_layers(const std::vector<double> &fractions)
{
  const Box box = current_box(lmp);
  const double height = box.height(axis_), area = box.volume() / height;
  const LayerBins layers =
      order_ ? LayerBins::around(height, surfaces_.at, width_, size_) : LayerBins::across(height, size_);
  const OwnedAtoms owned(lmp, title);
  std::vector<int> bins;
  for (int i = 0; i < owned.count(); ++i) bins.push_back(owned.in_group(i, groupbit) ? layers.of(fractions[i]) : -1);
  std::vector<double> numbers = numbers_of(bins);
  const bool root = comm->me == 0;
  MPI_Reduce(root ? MPI_IN_PLACE : numbers.data(), numbers.data(), static_cast<int>(numbers.size()), MPI_DOUBLE,
             MPI_SUM, 0, world);
  if (!root) return;
  for (std::size_t k = 0; k < sums_.size() / 2; ++k) {
    sums_[2 * k] += numbers[k * layer_numbers];
    sums_[2 * k + 1] += ExactSum::value(&numbers[k * layer_numbers + 1]);
  }
  const std::vector<double> thickness = layers.thickness();
  for (std::size_t bin = 0; bin < volume_.size(); ++bin) volume_[bin] += area * thickness[bin];
  const std::array<double, 5> now{surfaces_.at.lower, surfaces_.at.upper, surfaces_.width[0], surfaces_.width[1],
                                  height};
  for (std::size_t k = 0; k < now.size(); ++k) means_[k] += now[k];
}

// Empty without samples.
std::string FixProfile::block_text() const
{
  std::string text;
  const int bins = static_cast<int>(volume_.size()), per_surface = order_ ? 2 * size_ : size_;
  const double samples = static_cast<double>(found_);
  for (int bin = 0; found_ > 0 && bin < bins; ++bin) {
    const int surface = bin / per_surface;
    const double layer = bin % per_surface + 0.5;
    text += std::to_string(last_step_);
    append(text, surface);
    append(text, order_ ? (layer - size_) * width_ : layer * means_[4] / samples / size_);
    append(text, samples);
    append(text, order_ ? means_[surface] / samples : 0.0);
    append(text, order_ ? means_[2 + surface] / samples : 0.0);
    append(text, volume_[bin]);
    for (std::size_t column = 0; column < columns(); ++column) {
      const double *const own = &sums_[2 * (column * bins + bin)];
      if (column != names_.size()) append(text, own[0]);
      if (column >= names_.size()) append(text, own[1]);
    }
    text += "\n";
  }
  return text;
}

// The block that is not complete, until the next run completes it.
void FixProfile::post_run()
{
  if (comm->me != 0 || tried_ == 0) return;
  guarded(lmp, title, [this] { file_.end_with(block_text()); });
}

double FixProfile::compute_vector(int n)
{
  const double numbers[] = {static_cast<double>(samples_),
                            static_cast<double>(missed_),
                            surfaces_.at.lower,
                            surfaces_.at.upper,
                            surfaces_.width[0],
                            surfaces_.width[1]};
  return numbers[n];
}

std::string FixProfile::columns_text() const
{
  std::string text;
  for (const std::string &name : names_) text += " n_" + name;
  text += " mass";
  for (const Value &value : values_) text += " n:" + value.text + " " + value.text;
  return text;
}

// Settings that must not change on restart.
std::vector<Setting> FixProfile::settings() const
{
  return {{"N", static_cast<double>(nevery)},
          {"axis", static_cast<double>(axis_)},
          {"width", width_},
          {"reach", reach_.value_or(0.0)},
          {"surface", order_ ? 1.0 : 0.0, true},
          {"write", static_cast<double>(write_every_)},
          {"number of elements", static_cast<double>(names_.size())},
          {"number of values", static_cast<double>(values_.size())},
          {"checksum of elements and values", checksum(columns_text() + (order_ ? order_->text : ""))}};
}

void FixProfile::write_restart(FILE *file)
{
  if (comm->me != 0) return;
  std::vector<double> state;  // stays empty before the first sample
  if (size_ > 0) {
    state.push_back(state_version);
    for (const Setting &setting : settings()) state.push_back(setting.value);
    for (const std::int64_t whole : {std::int64_t{size_}, last_step_, last_block_, samples_, missed_, tried_, found_})
      state.push_back(static_cast<double>(whole));
    state.insert(state.end(), {surfaces_.at.lower, surfaces_.at.upper, surfaces_.width[0], surfaces_.width[1]});
    state.insert(state.end(), means_.begin(), means_.end());
    state.insert(state.end(), volume_.begin(), volume_.end());
    state.insert(state.end(), sums_.begin(), sums_.end());
  }
  write_restart_state(lmp, title, file, state, "the block", "use wider layers");
}

void FixProfile::restart(char *buffer) { saved_ = read_restart_state(buffer); }

void FixProfile::restore()
{
  if (saved_[0] != state_version) throw Error("restart file", "its state", "was written by another version of naglass");
  const std::vector<Setting> options = settings();
  require_same_settings(lmp, title, options, saved_.data() + 1);
  const double *next = saved_.data() + 1 + options.size();
  size_ = static_cast<int>(*next++);
  begin_block();
  for (std::int64_t *whole : {&last_step_, &last_block_, &samples_, &missed_, &tried_, &found_})
    *whole = static_cast<std::int64_t>(*next++);
  surfaces_.at = {next[0], next[1]};
  surfaces_.width = {next[2], next[3]};
  next += 4;
  for (std::span<double> part : {std::span<double>(means_), std::span(volume_), std::span(sums_)}) {
    std::copy_n(next, part.size(), part.begin());
    next += part.size();
  }
  saved_.clear();
}

double FixProfile::memory_usage()
{ return static_cast<double>((volume_.capacity() + sums_.capacity()) * sizeof(double)); }

}  // namespace naglass
