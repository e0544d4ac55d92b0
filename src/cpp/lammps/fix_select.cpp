#include "fix_select.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "access.hpp"
#include "atom.h"
#include "atom_rows.hpp"
#include "atom_values.hpp"
#include "comm.h"
#include "core/error.hpp"
#include "exchange.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/select";

std::string text(const char *format, double value)
{
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

struct Kept {
  std::int64_t bytes = 0, frames = 0, last_step = -1;
};

// The complete frames before a step: the rest is from a run past the restart, or incomplete.
Kept kept_before(const std::string &path, std::int64_t step)
{
  std::ifstream before(path);
  Kept kept;
  std::string line;
  while (std::getline(before, line)) {
    const long long atoms = std::strtoll(line.c_str(), nullptr, 10);
    std::int64_t bytes = static_cast<std::int64_t>(line.size()) + 1;
    if (atoms < 1 || !std::getline(before, line)) break;
    const auto at = line.find(" step=");
    const std::int64_t own = at == std::string::npos ? step : std::strtoll(line.c_str() + at + 6, nullptr, 10);
    if (own >= step) break;
    bytes += static_cast<std::int64_t>(line.size()) + 1;
    long long rows = 0;
    for (; rows < atoms && std::getline(before, line) && !before.eof(); ++rows)
      bytes += static_cast<std::int64_t>(line.size()) + 1;
    if (rows < atoms) break;
    kept.bytes += bytes;
    kept.last_step = own;
    ++kept.frames;
  }
  return kept;
}

}  // namespace

FixSelect::FixSelect(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg)
    : Fix(lammps, narg, arg), deviation_(lammps, title, "deviation")
{
  read_arguments(narg, arg);
  vector_flag = 1;
  size_vector = 4;
  extvector = 0;
  global_freq = nevery;
}

void FixSelect::read_arguments(int narg, char **arg)
{
  StyleArguments arguments(lmp, title, narg, arg);
  ElementMap elements;
  std::optional<std::int64_t> gap;
  arguments.read(
      {"N", whole_into(nevery, "", 1), "check every N steps"},
      {
          {"band", in_sequence({number_into(low_, "LO"), number_into(high_, "HI")}).otherwise(""),
           "write a frame if the largest deviation of the group's atoms is in [LO, HI) (eV/Angstrom)"},
          {"file", word_into(path_, "F"), "extended XYZ to write frames to"},
          elements.keyword(""),
          {"min_gap", whole_into(gap, "K", 1).otherwise("N"), "least number of steps between two frames"},
          {"max_frames", whole_into(max_frames_, "M", 1).otherwise("no limit"), "largest number of frames to write"},
          {"scale", numbers_per_type_into(scale_, "S1 ... SN").otherwise("1 for every type"),
           "factors of the deviations, one per atom type, that make errors of them"},
          {"stop_above", number_into(stop_above_, "X").otherwise("never"),
           "end the run if the largest deviation reaches this (eV/Angstrom)"},
      });
  min_gap_ = gap.value_or(nevery);
  if (!arguments.given("band")) arguments.fail("band", "is missing, as in 'band 0.1 0.4' (eV/Angstrom)");
  if (!(low_ >= 0 && low_ < high_)) arguments.fail("band", "must satisfy 0 <= LO < HI (eV/Angstrom)");
  if (!(stop_above_ > 0)) arguments.fail("stop_above", "must be positive (eV/Angstrom)");
  if (path_.empty()) arguments.fail("file", "is missing");
  if (scale_.empty()) scale_.assign(static_cast<std::size_t>(atom_type_count(lmp)), 1.0);
  element_ = elements.names();
  if (element_.empty()) arguments.fail("elements", "is missing, one name per atom type");
}

int FixSelect::setmask()
{ return LAMMPS_NS::FixConst::PRE_FORCE | LAMMPS_NS::FixConst::PRE_FORCE_RESPA | LAMMPS_NS::FixConst::END_OF_STEP; }

void FixSelect::init() { deviation_.require(); }

void FixSelect::setup_pre_force(int vflag) { pre_force(vflag); }

void FixSelect::pre_force(int) { deviation_.ask(update->ntimestep % nevery == 0); }

// run_style respa calls these instead, on each level; the pair style computes on one of them
void FixSelect::setup_pre_force_respa(int vflag, int) { pre_force(vflag); }

void FixSelect::pre_force_respa(int vflag, int, int) { pre_force(vflag); }

void FixSelect::setup(int)
{
  if (update->ntimestep % nevery == 0 && update->ntimestep != last_look_) look();
  tally_energy_at(lmp, (update->ntimestep / nevery + 1) * nevery);
}

void FixSelect::end_of_step()
{
  look();
  tally_energy_at(lmp, update->ntimestep + nevery);
}

void FixSelect::look()
{
  last_look_ = update->ntimestep;
  deviation_.ask(false);
  if (!opened_) open_file();
  find_largest();
  const bool far_enough = last_frame_ < 0 || update->ntimestep - last_frame_ >= min_gap_;
  if (largest_ >= low_ && largest_ < high_ && frames_ < max_frames_ && far_enough) write_frame();
  if (largest_ < stop_above_) return;
  ended_ = true;
  say(lmp, std::string(title) + ": step " + std::to_string(update->ntimestep) + ": deviation " +
               text("%.4g", largest_) + " eV/Angstrom at atom " + std::to_string(largest_tag_) + " reaches " +
               text("%g", stop_above_) + ": the run ends here\n");
  end_run(lmp);
}

void FixSelect::find_largest()
{
  const OwnedAtoms atoms(lmp, title);
  const double *const values = deviation_.values();
  struct {
    double value;
    int rank;
  } mine{-1.0, comm->me}, most{};
  std::int64_t tag = 0;
  for (int i = 0; i < atoms.count(); ++i) {
    const double value = values[i] * scale_[static_cast<std::size_t>(atoms.type(i))];
    if (atoms.in_group(i, groupbit) && (value > mine.value || (value == mine.value && atoms.tag(i) < tag))) {
      mine.value = value;
      tag = atoms.tag(i);
    }
  }
  MPI_Allreduce(&mine, &most, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  MPI_Bcast(&tag, 1, MPI_INT64_T, most.rank, world);
  largest_ = std::max(most.value, 0.0);
  largest_tag_ = tag;
}

void FixSelect::open_file()
{
  opened_ = true;
  Kept kept;
  try {
    if (comm->me == 0) {
      if (update->ntimestep > 0) kept = kept_before(path_, update->ntimestep);
      file_.resume_at(path_, kept.bytes);
    }
  } catch (const std::logic_error &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
  std::int64_t known[] = {kept.frames, kept.last_step};
  MPI_Bcast(known, 2, MPI_INT64_T, 0, world);
  frames_ = known[0];
  last_frame_ = known[1];
}

void FixSelect::write_frame()
{
  const double energy = potential_energy(lmp);
  const OwnedAtoms atoms(lmp, title);
  const Vec3 corner = box_corner(lmp);
  const double *const values = deviation_.values();
  std::vector<std::vector<Row>> outgoing(static_cast<std::size_t>(comm->nprocs));
  for (int i = 0; i < atoms.count(); ++i) {
    const Vec3 r = position(lmp, i) - corner;
    const double value = values[i] * scale_[static_cast<std::size_t>(atoms.type(i))];
    outgoing[0].push_back({atoms.tag(i), atoms.type(i), {r[0], r[1], r[2]}, value});
  }
  try {
    auto rows = exchange_records(world, outgoing).records;
    if (comm->me == 0) {
      file_.append(frame_text(std::move(rows), energy));
      file_.sync();
    }
  } catch (const std::logic_error &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
  last_frame_ = update->ntimestep;
  ++frames_;
}

std::string FixSelect::frame_text(std::vector<Row> rows, double energy) const
{
  std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) { return a.tag < b.tag; });
  const Box box = current_box(lmp);
  std::string out = std::to_string(rows.size()) + "\nLattice=\"";
  for (int k = 0; k < 3; ++k)
    for (int c = 0; c < 3; ++c) out += text(k + c ? " %.10f" : "%.10f", box.cell()[k][c]);
  out += "\" Properties=species:S:1:pos:R:3:deviation:R:1 model_energy=" + text("%.8f", energy) +
         " max_deviation=" + text("%.8f", largest_) + " step=" + std::to_string(update->ntimestep) + " pbc=\"";
  for (int k = 0; k < 3; ++k) out += std::string(k ? " " : "") + (box.periodic(k) ? "T" : "F");
  out += "\"\n";
  for (const Row &row : rows) {
    out += element_[static_cast<std::size_t>(row.type)];
    for (const double x : row.position) out += text(" %.10f", x);
    out += text(" %.8f\n", row.deviation);
  }
  return out;
}

double FixSelect::compute_vector(int k)
{
  const double values[] = {static_cast<double>(frames_), largest_, static_cast<double>(largest_tag_),
                           ended_ ? 1.0 : 0.0};
  return values[k];
}

}  // namespace naglass
