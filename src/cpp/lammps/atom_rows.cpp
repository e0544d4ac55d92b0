#include "atom_rows.hpp"

#include "atom.h"
#include "domain.h"
#include "lammps.h"
#include "messages.hpp"

namespace naglass {

using LAMMPS_NS::LAMMPS;

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

double **PerAtomColumns::fill(LAMMPS *lammps, int columns, double value)
{
  const auto rows = static_cast<std::size_t>(lammps->atom->nmax);
  values_.assign(rows * columns, value);
  rows_.resize(rows);
  for (std::size_t i = 0; i < rows; ++i) rows_[i] = values_.data() + i * columns;
  return rows_.data();
}

double PerAtomColumns::memory() const
{ return static_cast<double>(values_.capacity() * sizeof(double) + rows_.capacity() * sizeof(double *)); }

}  // namespace naglass
