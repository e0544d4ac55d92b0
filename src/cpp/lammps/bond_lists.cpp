#include "bond_lists.hpp"

#include <cmath>
#include <span>

#include "access.hpp"
#include "atom.h"
#include "atom_rows.hpp"
#include "comm.h"
#include "core/number_text.hpp"
#include "force.h"
#include "lammps.h"
#include "left_out_pairs.hpp"
#include "messages.hpp"
#include "neigh_list.h"
#include "neighbor.h"
#include "pair.h"

namespace naglass {

using LAMMPS_NS::Atom;
using LAMMPS_NS::LAMMPS;

namespace {

// Per owned atom; the rows of the list need not be in the order of the atoms.
std::vector<std::span<const int>> neighbors_by_atom(const Atom *atom, const LAMMPS_NS::NeighList *list)
{
  std::vector<std::span<const int>> rows(atom->nlocal);
  for (int row = 0; row < list->inum; ++row) {
    const int i = list->ilist[row];
    rows[i] = {list->firstneigh[i], static_cast<std::size_t>(list->numneigh[i])};
  }
  return rows;
}

PairFilter has_cutoff(const PairCutoffs &cutoffs)
{
  return [&cutoffs](int a, int b) { return a < cutoffs.types() && b < cutoffs.types() && cutoffs.of_pair(a, b) > 0.0; };
}

void refuse(LAMMPS *lammps, const std::string &title, const std::string &problem)
{
  if (!problem.empty()) stop_all(lammps, title + ": " + problem);
}

}  // namespace

double LocalBonds::memory() const
{
  return static_cast<double>((types.capacity() + targets.capacity()) * sizeof(int) +
                             offsets.capacity() * sizeof(std::int64_t) + lengths.capacity() * sizeof(double));
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

void require_cutoffs_covered(LAMMPS *lammps, const std::string &title, const PairCutoffs &cutoffs,
                             const std::string &keyword)
{
  const LAMMPS_NS::Pair *const pair = lammps->force->pair;
  if (!pair) stop_all(lammps, title + ": no pair style is defined, so LAMMPS builds no neighbor list; define one");
  refuse(lammps, title, pairs_left_out(lammps, has_cutoff(cutoffs)));
  for (int a = 0; a < cutoffs.types(); ++a)
    for (int b = a; b < cutoffs.types(); ++b) {
      const double held = std::sqrt(pair->cutsq[a + 1][b + 1]);
      if (cutoffs.of_pair(a, b) > held)
        stop_all(lammps, title + ": " + keyword + " of types " + std::to_string(a + 1) + " " + std::to_string(b + 1) +
                             " " + number_text(cutoffs.of_pair(a, b)) + ": exceeds the pair style's cutoff of " +
                             number_text(held));
    }
}

void fill_local_bonds(LAMMPS *lammps, const std::string &title, LAMMPS_NS::NeighList *list, const PairCutoffs &cutoffs,
                      LocalBonds &bonds)
{
  refuse(lammps, title, atoms_left_out(lammps, has_cutoff(cutoffs)));
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
  refuse(lammps, title, atoms_left_out(lammps, has_cutoff(cutoffs)));
  lammps->neighbor->build_one(list);
  const Atom *const atom = lammps->atom;
  const Box box = current_box(lammps);
  const OwnedAtoms owned(lammps, title);
  rows = {};
  const double nearly = 1.0 + 1e-6;  // a ghost's position is rounded; borderline cases are decided exactly
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

void fill_bond_vectors(LAMMPS *lammps, const LocalBonds &bonds, std::vector<Vec3> &vectors)
{
  double *const *const x = lammps->atom->x;
  vectors.resize(bonds.targets.size());
  for (std::size_t i = 0; i + 1 < bonds.offsets.size(); ++i)
    for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e)
      for (int d = 0; d < 3; ++d) vectors[e][d] = x[bonds.targets[e]][d] - x[i][d];
}

}  // namespace naglass
