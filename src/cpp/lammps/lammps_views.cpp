#include "lammps_views.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <span>

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "input.h"
#include "group.h"
#include "lammps.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "timer.h"
#include "update.h"
#include "utils.h"
#include "variable.h"

namespace naglass {

using LAMMPS_NS::Atom;
using LAMMPS_NS::LAMMPS;

namespace {

// Per owned atom; the list need not hold its rows in the order of the atoms.
std::vector<std::span<const int>> neighbors_by_atom(const Atom *atom, const LAMMPS_NS::NeighList *list)
{
  std::vector<std::span<const int>> rows(atom->nlocal);
  for (int row = 0; row < list->inum; ++row) {
    const int i = list->ilist[row];
    rows[i] = {list->firstneigh[i], static_cast<std::size_t>(list->numneigh[i])};
  }
  return rows;
}

}  // namespace

void stop_all(LAMMPS *lammps, const std::string &message) { lammps->error->all(FLERR, message); }

void stop_one(LAMMPS *lammps, const std::string &message) { lammps->error->one(FLERR, message); }

void warn(LAMMPS *lammps, const std::string &message)
{
  if (lammps->comm->me == 0) lammps->error->warning(FLERR, message);
}

int atom_type_count(LAMMPS *lammps) { return lammps->atom->ntypes; }

int type_of_label(LAMMPS *lammps, const std::string &label)
{
  if (!lammps->atom->labelmapflag) return -1;
  const std::unique_ptr<char[]> number(LAMMPS_NS::utils::expand_type(FLERR, label, Atom::ATOM, lammps));
  return number ? std::stoi(number.get()) - 1 : -1;
}

MPI_Comm communicator(LAMMPS *lammps) { return lammps->world; }

Box current_box(LAMMPS *lammps)
{
  const LAMMPS_NS::Domain *const domain = lammps->domain;
  return Box({{{domain->xprd, 0.0, 0.0}, {domain->xy, domain->yprd, 0.0}, {domain->xz, domain->yz, domain->zprd}}},
             {domain->xperiodic != 0, domain->yperiodic != 0, domain->zperiodic != 0});
}

Vec3 box_corner(LAMMPS *lammps)
{
  const double *const corner = lammps->domain->boxlo;
  return {corner[0], corner[1], corner[2]};
}

int group_bit(LAMMPS *lammps, const std::string &name)
{
  const int group = lammps->group->find(name);
  return group < 0 ? 0 : lammps->group->bitmask[group];
}

OwnedAtoms::OwnedAtoms(LAMMPS *lammps, const std::string &title) : lammps_(lammps), title_(title)
{
  if (!lammps->atom->tag_enable) stop_all(lammps, title + ": atoms have no tags (atom_modify id no)");
}

int OwnedAtoms::count() const { return lammps_->atom->nlocal; }

bool OwnedAtoms::in_group(int i, int groupbit) const { return lammps_->atom->mask[i] & groupbit; }

std::int64_t OwnedAtoms::tag(int i) const { return lammps_->atom->tag[i]; }

int OwnedAtoms::type(int i) const { return lammps_->atom->type[i] - 1; }

Vec3 OwnedAtoms::unwrapped(int i, const Box &reference) const
{
  LAMMPS_NS::Domain *const domain = lammps_->domain;
  double fraction[3];
  domain->x2lamda(lammps_->atom->x[i], fraction);
  const LAMMPS_NS::imageint image = lammps_->atom->image[i];
  fraction[0] += (image & IMGMASK) - IMGMAX;
  fraction[1] += ((image >> IMGBITS) & IMGMASK) - IMGMAX;
  fraction[2] += (image >> IMG2BITS) - IMGMAX;
  Vec3 r{0.0, 0.0, 0.0};
  for (int k = 0; k < 3; ++k)
    for (int d = 0; d < 3; ++d) r[d] += fraction[k] * reference.cell()[k][d];
  return r;
}

int OwnedAtoms::local_of(std::int64_t tag) const
{
  if (by_tag_.empty()) {
    for (int i = 0; i < count(); ++i) by_tag_.emplace_back(this->tag(i), i);
    std::sort(by_tag_.begin(), by_tag_.end());
  }
  const auto found = std::lower_bound(by_tag_.begin(), by_tag_.end(), std::pair{tag, 0});
  if (found == by_tag_.end() || found->first != tag)
    stop_one(lammps_, title_ + ": atom " + std::to_string(tag) + " is not on its rank");
  return found->second;
}

Vec3 position(LAMMPS *lammps, int i)
{
  const double *const x = lammps->atom->x[i];
  return {x[0], x[1], x[2]};
}

std::vector<Shift> image_shifts(LAMMPS *lammps, const std::vector<double> &owner_positions)
{
  const Box box = current_box(lammps);
  std::vector<Shift> shifts(lammps->atom->nlocal + lammps->atom->nghost, Shift{});
  for (int i = lammps->atom->nlocal; i < static_cast<int>(shifts.size()); ++i) {
    const double *const owner = owner_positions.data() + 3 * static_cast<std::size_t>(i);
    const Vec3 apart = box.to_fractional(position(lammps, i) - Vec3{owner[0], owner[1], owner[2]});
    for (int k = 0; k < 3; ++k) shifts[i][k] = static_cast<int>(std::lround(apart[k]));
  }
  return shifts;
}

void request_full_list(LAMMPS *lammps, LAMMPS_NS::Compute *compute)
{ lammps->neighbor->add_request(compute, LAMMPS_NS::NeighConst::REQ_FULL | LAMMPS_NS::NeighConst::REQ_OCCASIONAL); }

void request_full_list(LAMMPS *lammps, LAMMPS_NS::Fix *fix)
{ lammps->neighbor->add_request(fix, LAMMPS_NS::NeighConst::REQ_FULL | LAMMPS_NS::NeighConst::REQ_OCCASIONAL); }

void require_cutoffs_covered(LAMMPS *lammps, const std::string &title, const PairCutoffs &cutoffs)
{
  const LAMMPS_NS::Pair *const pair = lammps->force->pair;
  if (!pair) stop_all(lammps, title + ": no pair style is defined, so that LAMMPS has no neighbour list; define one");
  for (int a = 0; a < cutoffs.types(); ++a)
    for (int b = a; b < cutoffs.types(); ++b) {
      const double held = std::sqrt(pair->cutsq[a + 1][b + 1]);
      if (cutoffs.of_pair(a, b) > held)
        stop_all(lammps, title + ": cutoff of types " + std::to_string(a + 1) + " " + std::to_string(b + 1) + " " +
                             std::to_string(cutoffs.of_pair(a, b)) + ": beyond the pair style's cutoff of " +
                             std::to_string(held));
    }
}

void fill_local_bonds(LAMMPS *lammps, LAMMPS_NS::NeighList *list, const PairCutoffs &cutoffs, LocalBonds &bonds)
{
  lammps->neighbor->build_one(list);
  const Atom *const atom = lammps->atom;
  bonds.types.resize(atom->nlocal + atom->nghost);
  for (std::size_t i = 0; i < bonds.types.size(); ++i) bonds.types[i] = atom->type[i] - 1;

  const auto neighbors_of = neighbors_by_atom(atom, list);
  bonds.offsets.assign(1, 0);
  bonds.targets.clear();
  bonds.lengths.clear();
  for (int i = 0; i < atom->nlocal; ++i) {
    const double *const at = atom->x[i];
    for (const int neighbor : neighbors_of[i]) {
      const int j = neighbor & NEIGHMASK;
      const double *const to = atom->x[j];
      const Vec3 r{to[0] - at[0], to[1] - at[1], to[2] - at[2]};
      const double length = std::sqrt(dot(r, r));
      if (!cutoffs.bonded(bonds.types[i], bonds.types[j], length)) continue;
      bonds.targets.push_back(j);
      bonds.lengths.push_back(length);
    }
    bonds.offsets.push_back(static_cast<std::int64_t>(bonds.targets.size()));
  }
}

void fill_homes(LAMMPS *lammps, std::vector<Home> &homes)
{
  const Atom *const atom = lammps->atom;
  homes.resize(atom->nlocal + atom->nghost);
  for (int i = 0; i < atom->nlocal; ++i) homes[i] = {{atom->x[i][0], atom->x[i][1], atom->x[i][2]}, lammps->comm->me};
}

void fill_bond_rows(LAMMPS *lammps, const std::string &title, LAMMPS_NS::NeighList *list, const PairCutoffs &cutoffs,
                    int groupbit, const std::vector<Home> &homes, BondRows &rows)
{
  lammps->neighbor->build_one(list);
  const Atom *const atom = lammps->atom;
  const Box box = current_box(lammps);
  const OwnedAtoms owned(lammps, title);
  rows = {};
  const double nearly = 1.0 + 1e-6;  // a ghost's position is rounded; what it leaves open is decided exactly
  const auto neighbors_of = neighbors_by_atom(atom, list);
  for (int i = 0; i < atom->nlocal; ++i) {
    if (!owned.in_group(i, groupbit)) continue;
    for (const int neighbor : neighbors_of[i]) {
      const int j = neighbor & NEIGHMASK;
      const double cutoff = cutoffs.of_pair(owned.type(i), owned.type(j));
      if (cutoff == 0.0 || !owned.in_group(j, groupbit)) continue;
      const Vec3 ghost{atom->x[j][0], atom->x[j][1], atom->x[j][2]};
      const Vec3 near = ghost - homes[i].position;
      if (dot(near, near) > nearly * cutoff * cutoff) continue;
      const Vec3 cells = box.to_fractional(ghost - homes[j].position);
      const Shift shift{static_cast<int>(std::lround(cells[0])), static_cast<int>(std::lround(cells[1])),
                        static_cast<int>(std::lround(cells[2]))};
      const Vec3 r = (homes[j].position - homes[i].position) + box.lattice_vector(shift);
      if (dot(r, r) < cutoff * cutoff) rows.ends.push_back({owned.tag(j), shift, owned.type(j), homes[j].rank});
    }
    rows.tags.push_back(owned.tag(i));
    rows.types.push_back(owned.type(i));
    rows.offsets.push_back(static_cast<std::int64_t>(rows.ends.size()));
  }
}

int threads_per_rank(LAMMPS *lammps) { return lammps->comm->nthreads; }

void fill_bond_vectors(LAMMPS *lammps, const LocalBonds &bonds, std::vector<Vec3> &vectors)
{
  double *const *const x = lammps->atom->x;
  vectors.resize(bonds.targets.size());
  for (std::size_t i = 0; i + 1 < bonds.offsets.size(); ++i)
    for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e)
      for (int d = 0; d < 3; ++d) vectors[e][d] = x[bonds.targets[e]][d] - x[i][d];
}

void say(LAMMPS *lammps, const std::string &message)
{
  if (lammps->comm->me == 0) LAMMPS_NS::utils::logmesg(lammps, message + "\n");
}

void compute_peratom_once(LAMMPS *lammps, LAMMPS_NS::Compute *compute)
{
  if (compute->invoked_peratom != lammps->update->ntimestep) compute->compute_peratom();
  compute->invoked_flag |= LAMMPS_NS::Compute::INVOKED_PERATOM;
}

AtomValue::AtomValue(LAMMPS *lammps, std::string title, std::string text)
    : lammps_(lammps), title_(std::move(title)), text_(std::move(text))
{
  const bool array = text_.rfind("d2_", 0) == 0;
  const std::size_t start = array ? 3 : 2;
  if (text_.size() <= start || !(array || (std::string("cfdv").find(text_[0]) != std::string::npos && text_[1] == '_')))
    fail("must be c_ID, c_ID[i], f_ID, f_ID[i], d_name, d2_name[i] or v_name");
  kind_ = array ? '2' : text_[0];
  const std::size_t bracket = text_.find('[');
  name_ = text_.substr(start, bracket == std::string::npos ? bracket : bracket - start);
  if (bracket != std::string::npos) {
    const std::string index = text_.substr(bracket + 1);
    char *end = nullptr;
    column_ = static_cast<int>(std::strtol(index.c_str(), &end, 10));
    if (std::string(end) != "]" || column_ < 1) fail("the column in brackets must be a number of at least 1");
  }
  if (column_ > 0 && (kind_ == 'd' || kind_ == 'v')) fail("has no columns");
  if (column_ == 0 && kind_ == '2') fail("needs a column in brackets");
}

void AtomValue::fail(const std::string &problem) const { stop_all(lammps_, title_ + " " + text_ + ": " + problem); }

void AtomValue::require_column(int peratom, int columns) const
{
  if (!peratom) fail("does not give a number per atom");
  if (column_ == 0 && columns > 0) fail("has " + std::to_string(columns) + " columns; choose one in brackets");
  if (column_ > columns) fail("has " + std::to_string(columns) + " columns");
}

void AtomValue::require() const
{
  if (kind_ == 'c') {
    const LAMMPS_NS::Compute *const compute = lammps_->modify->get_compute_by_id(name_);
    if (!compute) fail("there is no such compute");
    require_column(compute->peratom_flag, compute->size_peratom_cols);
  } else if (kind_ == 'f') {
    const LAMMPS_NS::Fix *const fix = lammps_->modify->get_fix_by_id(name_);
    if (!fix) fail("there is no such fix");
    require_column(fix->peratom_flag, fix->size_peratom_cols);
  } else if (kind_ == 'v') {
    const int index = lammps_->input->variable->find(name_.c_str());
    if (index < 0) fail("there is no such variable");
    if (!lammps_->input->variable->atomstyle(index)) fail("is not an atom-style variable");
  } else {
    int is_double = 0, columns = 0;
    const int index = lammps_->atom->find_custom(name_.c_str(), is_double, columns);
    if (index < 0 || !is_double) fail("there is no such property of floating-point numbers (fix property/atom)");
    require_column(1, columns);
  }
}

void AtomValue::copy(const double *vector, double **array, std::vector<double> &values) const
{
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = column_ ? array[i][column_ - 1] : vector[i];
}

void AtomValue::read(int igroup, std::vector<double> &values) const
{
  require();
  const std::int64_t step = lammps_->update->ntimestep;
  values.assign(lammps_->atom->nlocal, 0.0);
  if (kind_ == 'c') {
    LAMMPS_NS::Compute *const compute = lammps_->modify->get_compute_by_id(name_);
    compute_peratom_once(lammps_, compute);
    copy(compute->vector_atom, compute->array_atom, values);
  } else if (kind_ == 'f') {
    const LAMMPS_NS::Fix *const fix = lammps_->modify->get_fix_by_id(name_);
    if (step % fix->peratom_freq)
      fail("is not computed at step " + std::to_string(step) + ", only every " + std::to_string(fix->peratom_freq));
    copy(fix->vector_atom, fix->array_atom, values);
  } else if (kind_ == 'v') {
    LAMMPS_NS::Variable *const variable = lammps_->input->variable;
    // With no atoms here the evaluation still takes part in what other ranks do together.
    double nothing = 0.0;
    variable->compute_atom(variable->find(name_.c_str()), igroup, values.empty() ? &nothing : values.data(), 1, 0);
  } else {
    int is_double = 0, columns = 0;
    Atom *const atom = lammps_->atom;
    const int index = atom->find_custom(name_.c_str(), is_double, columns);
    copy(columns ? nullptr : atom->dvector[index], columns ? atom->darray[index] : nullptr, values);
  }
}

void end_run(LAMMPS *lammps) { lammps->timer->force_timeout(); }

double potential_energy(LAMMPS *lammps)
{
  auto *const energy = lammps->modify->get_compute_by_id("thermo_pe");
  return energy->invoked_scalar == lammps->update->ntimestep ? energy->scalar : energy->compute_scalar();
}

void tally_energy_at(LAMMPS *lammps, std::int64_t step)
{ lammps->modify->get_compute_by_id("thermo_pe")->addstep(step); }

PairQuantity::PairQuantity(LAMMPS *lammps, std::string title, std::string name)
    : lammps_(lammps), title_(std::move(title)), name_(std::move(name))
{
}

void PairQuantity::require()
{
  LAMMPS_NS::Pair *const pair = lammps_->force->pair_match("mace", 1);
  if (!pair) stop_all(lammps_, title_ + ": there is no pair_style mace, or more than one");
  int dim = 0;
  flag_ = static_cast<int *>(pair->extract((name_ + "_flag").c_str(), dim));
  if (!flag_)
    stop_all(lammps_, title_ + ": the pair style offers no " + name_ + "; a committee of two or more models does");
}

void PairQuantity::ask(bool wanted) { *flag_ = wanted; }

const double *PairQuantity::values() const
{
  int columns = 0;
  return static_cast<const double *>(lammps_->force->pair_match("mace", 1)->extract_peratom(name_.c_str(), columns));
}

}  // namespace naglass
