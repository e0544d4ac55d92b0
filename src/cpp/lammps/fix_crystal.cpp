#include "fix_crystal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <tuple>

#include "access.hpp"
#include "atom.h"
#include "atom_rows.hpp"
#include "comm.h"
#include "core/error.hpp"
#include "exchange.hpp"
#include "messages.hpp"
#include "modify.h"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "fix naglass/crystal";

struct Site {
  std::int64_t tag;
  Vec3 position;
};

struct Neighbor {
  std::int64_t center;
  int type;
  Vec3 vector;
};

std::string text(double value)
{
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, " %.8g", value);
  return buffer;
}

// Positive scalar part, so that equal rotations are equal rows.
std::array<double, 4> quaternion(const Rotation &r)
{
  const double trace = r[0][0] + r[1][1] + r[2][2];
  std::array<double, 4> q;
  int k = 0;
  for (int d = 1; d < 3; ++d)
    if (r[d][d] > r[k][k]) k = d;
  if (trace > r[k][k]) {
    const double s = 2.0 * std::sqrt(1.0 + trace);
    q = {s / 4.0, (r[2][1] - r[1][2]) / s, (r[0][2] - r[2][0]) / s, (r[1][0] - r[0][1]) / s};
  } else {
    const int i = (k + 1) % 3, j = (k + 2) % 3;
    const double s = 2.0 * std::sqrt(1.0 + r[k][k] - r[i][i] - r[j][j]);
    q[0] = (r[j][i] - r[i][j]) / s;
    q[1 + k] = s / 4.0;
    q[1 + i] = (r[i][k] + r[k][i]) / s;
    q[1 + j] = (r[j][k] + r[k][j]) / s;
  }
  if (q[0] < 0.0)
    for (double &part : q) part = -part;
  return q;
}

}  // namespace

FixCrystal::FixCrystal(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Fix(lammps, narg, arg)
{
  read_arguments(narg, arg);
  vector_flag = 1;
  size_vector = static_cast<int>(vector_.size());
  extvector = 0;
  global_freq = nevery;
  restart_global = 1;
}

void FixCrystal::read_arguments(int narg, char **arg)
{
  StyleArguments arguments(lmp, title, narg, arg);
  ElementMap elements;
  std::string reference;
  arguments.read(
      {"N", whole_into(nevery, "", 1), "look every N steps"},
      {
          {"order", word_into(order_text_, "V").otherwise(""), "per-atom order parameter, such as c_ID[1]"},
          {"threshold", number_into(threshold_, "x").otherwise(""), "atoms of at least this are crystalline"},
          {"connect", number_into(connect_, "d").otherwise(""),
           "crystalline atoms closer than this belong to one crystallite (distance units)"},
          {"inside", number_into(inside_, "d").otherwise("none"),
           "atoms within this distance of one of the largest crystallite's are counted with it"},
          {"shell", number_into(shell_, "d").otherwise("none"), "others within this further are its shell"},
          {"reference", word_into(reference, "FILE").otherwise("none"),
           "the crystal's environments, for the orientation"},
          {"sigma", number_into(similarity_.sigma, "distance"), "width of the Gaussians"},
          {"reach", number_into(similarity_.reach, "sigmas"),
           "neighbors count this far beyond a reference's farthest one"},
          elements.keyword("type numbers"),
          {"file", word_into(path_, "F").otherwise("none"), "table with a line per look"},
      });
  for (const char *needed : {"order", "threshold", "connect"})
    if (!arguments.given(needed)) arguments.fail(needed, "is missing");
  order_ = std::make_unique<AtomValue>(lmp, std::string(title) + ": order", order_text_);
  if (!(connect_ > 0.0)) arguments.fail("connect", "must be a positive distance");
  if (arguments.given("inside") && !(inside_ > 0.0)) arguments.fail("inside", "must be a positive distance");
  if (arguments.given("shell") && !(shell_ > 0.0)) arguments.fail("shell", "must be a positive distance");
  if (shell_ > 0.0 && inside_ == 0.0) arguments.fail("shell", "needs 'inside'");
  species_ = elements.species(arguments);
  if (!reference.empty()) reference_.read(arguments, elements, reference, similarity_);
  const int types = atom_type_count(lmp);
  cutoffs_ = PairCutoffs(types);
  for (int a = 0; a < types; ++a)
    for (int b = a; b < types; ++b) {
      const double own =
          reference_.empty() ? 0.0 : std::max(reference_.cutoffs().of_pair(a, b), reference_.cutoffs().of_pair(b, a));
      if (const double cutoff = std::max(inside_ + shell_, own); cutoff > 0.0) cutoffs_.set(a, b, cutoff);
    }
}

int FixCrystal::setmask() { return LAMMPS_NS::FixConst::END_OF_STEP; }

void FixCrystal::init()
{
  order_->require();
  if (cutoffs_.largest() == 0.0) return;
  require_cutoffs_covered(lmp, title, cutoffs_, reference_.empty() ? "inside" : "reference");
  request_full_list(lmp, this);
}

void FixCrystal::init_list(int, LAMMPS_NS::NeighList *list) { list_ = list; }

void FixCrystal::setup(int)
{
  if (update->ntimestep % nevery == 0 && update->ntimestep != last_look_) look();
  modify->addstep_compute((update->ntimestep / nevery + 1) * nevery);
}

void FixCrystal::end_of_step()
{
  look();
  modify->addstep_compute(update->ntimestep + nevery);
}

void FixCrystal::look()
{
  if (!path_.empty() && comm->me == 0 && !file_.is_open()) guarded(lmp, title, [this] { open_file(); });
  last_look_ = update->ntimestep;
  modify->clearstep_compute();
  order_->read(igroup, values_);
  const Summary found = find_largest();
  std::vector<std::int64_t> counts;
  if (cutoffs_.largest() > 0.0) {
    // a fix before this one may have strained the cell in this step
    comm->forward_comm();
    fill_local_bonds(lmp, title, list_, cutoffs_, bonds_);
    const std::vector<char> is_member = members();
    if (inside_ > 0.0) counts = composition(is_member);
    if (!reference_.empty()) orient(is_member);
  }
  if (comm->me == 0) {
    vector_ = {static_cast<double>(found.crystalline), static_cast<double>(found.crystallites),
               static_cast<double>(found.largest), 0.0, 0.0};
    if (orientation_ && found.largest > 0) {
      vector_[3] = orientation_->similarity;
      vector_[4] = angle_between(*first_, orientation_->rotation);
    }
    if (file_.is_open()) guarded(lmp, title, [&] { write(found, counts); });
  }
  MPI_Bcast(vector_.data(), static_cast<int>(vector_.size()), MPI_DOUBLE, 0, world);
}

// Crystalline atoms go to rank 0, ordered by tag, so that the number of ranks changes nothing.
FixCrystal::Summary FixCrystal::find_largest()
{
  const OwnedAtoms owned(lmp, title);
  std::vector<std::vector<Site>> leaving(comm->nprocs);
  const Vec3 corner = box_corner(lmp);
  for (int i = 0; i < owned.count(); ++i)
    if (owned.in_group(i, groupbit) && values_[i] >= threshold_)
      leaving[0].push_back({owned.tag(i), position(lmp, i) - corner});
  Summary found;
  guarded(lmp, title, [&] {
    std::vector<Site> sites = exchange_records(world, leaving).records;
    largest_.clear();
    if (sites.empty()) return;
    std::sort(sites.begin(), sites.end(), [](const Site &a, const Site &b) { return a.tag < b.tag; });
    std::vector<Vec3> positions;
    for (const Site &site : sites) positions.push_back(site.position);
    const Crystallites all = find_crystallites(positions, current_box(lmp), connect_);
    for (std::size_t k = 0; k < sites.size(); ++k)
      if (all.labels[k] == 0) largest_.push_back(sites[k].tag);
    found = {static_cast<std::int64_t>(sites.size()),
             static_cast<std::int64_t>(all.sizes.size()),
             all.sizes[0],
             all.dimensions[0],
             all.centers[0] + corner,
             all.gyration[0]};
  });
  std::int64_t size = static_cast<std::int64_t>(largest_.size());
  MPI_Bcast(&size, 1, MPI_INT64_T, 0, world);
  largest_.resize(size);
  MPI_Bcast(largest_.data(), static_cast<int>(size), MPI_INT64_T, 0, world);
  return found;
}

// Owned atoms, then ghosts.
std::vector<char> FixCrystal::members() const
{
  const OwnedAtoms atoms(lmp, title);
  std::vector<char> is_member(bonds_.types.size());
  for (std::size_t i = 0; i < is_member.size(); ++i)
    is_member[i] = std::binary_search(largest_.begin(), largest_.end(), atoms.tag(static_cast<int>(i)));
  return is_member;
}

// Per species inside, and then in the shell.
std::vector<std::int64_t> FixCrystal::composition(const std::vector<char> &is_member) const
{
  const std::size_t names = species_.names.size();
  std::vector<std::int64_t> counts(shell_ > 0.0 ? 2 * names : names, 0);
  const OwnedAtoms atoms(lmp, title);
  for (int i = 0; i < atoms.count(); ++i) {
    const int species = species_.of_type[atoms.type(i)];
    if (species < 0 || !atoms.in_group(i, groupbit)) continue;
    double nearest = is_member[i] ? 0.0 : inside_ + shell_;
    for (std::int64_t e = bonds_.offsets[i]; e < bonds_.offsets[i + 1]; ++e)
      if (is_member[bonds_.targets[e]]) nearest = std::min(nearest, bonds_.lengths[e]);
    if (nearest < inside_) ++counts[species];
    else if (nearest < inside_ + shell_) ++counts[names + species];
  }
  MPI_Allreduce(MPI_IN_PLACE, counts.data(), static_cast<int>(counts.size()), MPI_INT64_T, MPI_SUM, world);
  return counts;
}

void FixCrystal::orient(const std::vector<char> &is_member)
{
  const OwnedAtoms atoms(lmp, title);
  std::vector<std::vector<Neighbor>> leaving(comm->nprocs);
  std::vector<int> types;
  std::vector<Vec3> vectors;
  for (int i = 0; i < atoms.count(); ++i) {
    if (!is_member[i] || !reference_.is_center(bonds_.types[i])) continue;
    types.clear();
    vectors.clear();
    reference_.surround(lmp, bonds_, i, groupbit, types, vectors);
    for (std::size_t e = 0; e < types.size(); ++e) leaving[0].push_back({atoms.tag(i), types[e], vectors[e]});
  }
  guarded(lmp, title, [&] {
    std::vector<Neighbor> rows = exchange_records(world, leaving).records;
    if (rows.empty()) return;
    std::sort(rows.begin(), rows.end(), [](const Neighbor &a, const Neighbor &b) {
      return std::tie(a.center, a.type, a.vector) < std::tie(b.center, b.type, b.vector);
    });
    types.clear();
    vectors.clear();
    std::vector<std::int64_t> offsets{0};
    for (std::size_t k = 0; k < rows.size(); ++k) {
      if (k > 0 && rows[k].center != rows[k - 1].center) offsets.push_back(static_cast<std::int64_t>(k));
      types.push_back(rows[k].type);
      vectors.push_back(rows[k].vector);
    }
    offsets.push_back(static_cast<std::int64_t>(rows.size()));
    orientation_ =
        find_orientation(offsets, types, vectors, reference_.environments(), similarity_.sigma, orientation_);
    if (!first_) first_ = orientation_->rotation;
  });
}

void FixCrystal::write(const Summary &found, const std::vector<std::int64_t> &counts)
{
  std::string line = std::to_string(update->ntimestep) + " " + std::to_string(found.crystalline) + " " +
                     std::to_string(found.crystallites) + " " + std::to_string(found.largest) + " " +
                     std::to_string(found.dimension);
  const double none = std::nan("");
  for (const double x : found.center) line += text(found.largest ? x : none);
  line += text(found.largest ? found.gyration : none);
  for (const std::int64_t count : counts) line += " " + std::to_string(count);
  if (!reference_.empty()) {
    const bool known = orientation_ && found.largest > 0;
    const auto q = quaternion(known ? orientation_->rotation : no_rotation);
    line += text(known ? vector_[3] : none) + text(known ? vector_[4] : none);
    for (const double part : q) line += text(known ? part : none);
  }
  file_.append(line + "\n");
}

// The first line names the columns, as numpy.genfromtxt(names=True) reads them.
void FixCrystal::open_file()
{
  std::string header = "# step crystalline crystallites largest dimension x y z gyration";
  if (inside_ > 0.0)
    for (const std::string &name : species_.names) header += " inside_" + name;
  if (shell_ > 0.0)
    for (const std::string &name : species_.names) header += " shell_" + name;
  if (!reference_.empty()) header += " similarity angle qw qx qy qz";
  header += "\n# naglass/crystal every " + std::to_string(nevery) + " order " + order_text_ + " threshold" +
            text(threshold_) + " connect" + text(connect_) + "\n";
  if (last_look_ < 0) file_.begin(path_, header);
  else file_.resume(path_, header, last_look_);
}

double FixCrystal::compute_vector(int k) { return vector_[k]; }

void FixCrystal::write_restart(FILE *file)
{
  std::vector<double> state{static_cast<double>(last_look_), static_cast<double>(orientation_.has_value())};
  state.insert(state.end(), vector_.begin(), vector_.end());
  if (orientation_) {
    state.push_back(orientation_->similarity);
    for (const Rotation &rotation : {orientation_->rotation, *first_})
      for (const Vec3 &row : rotation) state.insert(state.end(), row.begin(), row.end());
  }
  const int bytes = static_cast<int>(state.size() * sizeof(double));
  std::fwrite(&bytes, sizeof bytes, 1, file);
  std::fwrite(state.data(), sizeof(double), state.size(), file);
  if (file_.is_open()) guarded(lmp, title, [this] { file_.sync(); });
}

void FixCrystal::restart(char *buffer)
{
  constexpr std::size_t head = 2 + 5;
  std::array<double, head + 1 + 18> state{};
  std::memcpy(state.data(), buffer, head * sizeof(double));
  last_look_ = static_cast<std::int64_t>(state[0]);
  std::copy_n(state.begin() + 2, vector_.size(), vector_.begin());
  if (state[1] == 0.0) return;
  std::memcpy(state.data(), buffer, sizeof state);
  orientation_ = Orientation{.similarity = state[head]};
  first_.emplace();
  const double *next = state.data() + head + 1;
  for (Rotation *const rotation : {&orientation_->rotation, &*first_})
    for (Vec3 &row : *rotation)
      for (double &part : row) part = *next++;
}

}  // namespace naglass
