#include "lammps_views.hpp"

#include <memory>

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "domain.h"
#include "error.h"
#include "group.h"
#include "lammps.h"
#include "modify.h"
#include "timer.h"
#include "update.h"
#include "utils.h"

namespace naglass {

using LAMMPS_NS::Atom;
using LAMMPS_NS::LAMMPS;

namespace {

int index_of_group(const LAMMPS_NS::Group *group, int groupbit)
{
  int k = 0;
  while (group->bitmask[k] != groupbit) ++k;
  return k;
}

}  // namespace

void stop_all(LAMMPS *lammps, const std::string &message) { lammps->error->all(FLERR, message); }

void stop_one(LAMMPS *lammps, const std::string &message) { lammps->error->one(FLERR, message); }

void warn(LAMMPS *lammps, const std::string &message)
{
  if (lammps->comm->me == 0) lammps->error->warning(FLERR, message);
}

bool has_box(LAMMPS *lammps) { return lammps->domain->box_exist != 0; }

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

std::string group_name(LAMMPS *lammps, int groupbit)
{
  const LAMMPS_NS::Group *const group = lammps->group;
  return group->names[index_of_group(group, groupbit)];
}

bool is_dynamic(LAMMPS *lammps, int groupbit)
{
  const LAMMPS_NS::Group *const group = lammps->group;
  return group->dynamic[index_of_group(group, groupbit)] != 0;
}

OwnedAtoms::OwnedAtoms(LAMMPS *lammps, const std::string &title) : lammps_(lammps)
{
  if (!lammps->atom->tag_enable) stop_all(lammps, title + ": atoms have no IDs (atom_modify id no)");
}

int OwnedAtoms::count() const { return lammps_->atom->nlocal; }

bool OwnedAtoms::in_group(int i, int groupbit) const { return lammps_->atom->mask[i] & groupbit; }

std::int64_t OwnedAtoms::tag(int i) const { return lammps_->atom->tag[i]; }

int OwnedAtoms::type(int i) const { return lammps_->atom->type[i] - 1; }

Vec3 OwnedAtoms::unwrapped(int i) const
{
  Vec3 fraction;
  lammps_->domain->x2lamda(lammps_->atom->x[i], fraction.data());
  const LAMMPS_NS::imageint image = lammps_->atom->image[i];
  fraction[0] += (image & IMGMASK) - IMGMAX;
  fraction[1] += ((image >> IMGBITS) & IMGMASK) - IMGMAX;
  fraction[2] += (image >> IMG2BITS) - IMGMAX;
  return fraction;
}

Vec3 position(LAMMPS *lammps, int i)
{
  const double *const x = lammps->atom->x[i];
  return {x[0], x[1], x[2]};
}

int threads_per_rank(LAMMPS *lammps) { return lammps->comm->nthreads; }

void say(LAMMPS *lammps, const std::string &message)
{
  if (lammps->comm->me == 0) LAMMPS_NS::utils::logmesg(lammps, message + "\n");
}

void compute_peratom_once(LAMMPS *lammps, LAMMPS_NS::Compute *compute)
{
  if (compute->invoked_peratom != lammps->update->ntimestep) compute->compute_peratom();
  compute->invoked_flag |= LAMMPS_NS::Compute::INVOKED_PERATOM;
}

void end_run(LAMMPS *lammps) { lammps->timer->force_timeout(); }

double potential_energy(LAMMPS *lammps)
{
  auto *const energy = lammps->modify->get_compute_by_id("thermo_pe");
  return energy->invoked_scalar == lammps->update->ntimestep ? energy->scalar : energy->compute_scalar();
}

void tally_energy_at(LAMMPS *lammps, std::int64_t step)
{ lammps->modify->get_compute_by_id("thermo_pe")->addstep(step); }

}  // namespace naglass
