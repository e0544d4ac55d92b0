#include "access.hpp"

#include <memory>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "group.h"
#include "lammps.h"
#include "timer.h"
#include "utils.h"

namespace naglass {

using LAMMPS_NS::LAMMPS;

namespace {

int index_of_group(const LAMMPS_NS::Group *group, int groupbit)
{
  int k = 0;
  while (group->bitmask[k] != groupbit) ++k;
  return k;
}

}  // namespace

bool has_box(LAMMPS *lammps) { return lammps->domain->box_exist != 0; }

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

int atom_type_count(LAMMPS *lammps) { return lammps->atom->ntypes; }

int type_of_label(LAMMPS *lammps, const std::string &label)
{
  if (!lammps->atom->labelmapflag) return -1;
  const std::unique_ptr<char[]> number(LAMMPS_NS::utils::expand_type(FLERR, label, LAMMPS_NS::Atom::ATOM, lammps));
  return number ? std::stoi(number.get()) - 1 : -1;
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

MPI_Comm communicator(LAMMPS *lammps) { return lammps->world; }

int threads_per_rank(LAMMPS *lammps) { return lammps->comm->nthreads; }

void end_run(LAMMPS *lammps) { lammps->timer->force_timeout(); }

}  // namespace naglass
