#include "lammps_views.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "lammps.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"
#include "utils.h"

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

void stop_all(LAMMPS *lammps, const std::string &message)
{
  lammps->error->all(FLERR, message);
}

void stop_one(LAMMPS *lammps, const std::string &message)
{
  lammps->error->one(FLERR, message);
}

int atom_type_count(LAMMPS *lammps)
{
  return lammps->atom->ntypes;
}

int type_of_label(LAMMPS *lammps, const std::string &label)
{
  if (!lammps->atom->labelmapflag) return -1;
  const std::unique_ptr<char[]> number(LAMMPS_NS::utils::expand_type(FLERR, label, Atom::ATOM, lammps));
  return number ? std::stoi(number.get()) - 1 : -1;
}

MPI_Comm communicator(LAMMPS *lammps)
{
  return lammps->world;
}

Box current_box(LAMMPS *lammps)
{
  const LAMMPS_NS::Domain *const domain = lammps->domain;
  return Box({{{domain->xprd, 0.0, 0.0}, {domain->xy, domain->yprd, 0.0}, {domain->xz, domain->yz, domain->zprd}}},
             {domain->xperiodic != 0, domain->yperiodic != 0, domain->zperiodic != 0});
}

OwnedAtoms::OwnedAtoms(LAMMPS *lammps, const std::string &title) : lammps_(lammps), title_(title)
{
  if (!lammps->atom->tag_enable) stop_all(lammps, title + ": atoms have no tags (atom_modify id no)");
}

int OwnedAtoms::count() const
{
  return lammps_->atom->nlocal;
}

bool OwnedAtoms::in_group(int i, int groupbit) const
{
  return lammps_->atom->mask[i] & groupbit;
}

std::int64_t OwnedAtoms::tag(int i) const
{
  return lammps_->atom->tag[i];
}

int OwnedAtoms::type(int i) const
{
  return lammps_->atom->type[i] - 1;
}

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

void request_full_list(LAMMPS *lammps, LAMMPS_NS::Compute *compute)
{
  lammps->neighbor->add_request(compute, LAMMPS_NS::NeighConst::REQ_FULL | LAMMPS_NS::NeighConst::REQ_OCCASIONAL);
}

void require_cutoffs_covered(LAMMPS *lammps, const std::string &title, const PairCutoffs &cutoffs)
{
  const LAMMPS_NS::Pair *const pair = lammps->force->pair;
  if (!pair)
    stop_all(lammps, title + ": no pair style is defined, so that LAMMPS has no neighbour list; define one");
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
  for (int i = 0; i < atom->nlocal; ++i)
    homes[i] = {{atom->x[i][0], atom->x[i][1], atom->x[i][2]}, lammps->comm->me};
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

int threads_per_rank(LAMMPS *lammps)
{
  return lammps->comm->nthreads;
}

}  // namespace naglass
