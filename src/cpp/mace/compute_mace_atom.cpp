#include "compute_mace_atom.hpp"

#include <algorithm>

#include "atom.h"
#include "error.h"
#include "force.h"
#include "pair_mace.hpp"
#include "update.h"

namespace naglass {

using namespace LAMMPS_NS;

ComputeMaceAtom::ComputeMaceAtom(LAMMPS *lammps, int narg, char **arg) : Compute(lammps, narg, arg)
{
  if (narg < 4)
    error->all(FLERR, "Compute mace/atom: name one or more quantities, as in 'compute ID all mace/atom energy spin'");
  quantities_.assign(arg + 3, arg + narg);
  peratom_flag = 1;
  size_peratom_cols = narg == 4 ? 0 : narg - 3;
  // the pair style evaluates quantities on the steps on which LAMMPS tallies energies per atom
  peatomflag = timeflag = 1;
}

void ComputeMaceAtom::init()
{
  pair_ = dynamic_cast<PairMace *>(force->pair_match("mace", 1));
  if (!pair_) error->all(FLERR, "Compute mace/atom: there is no pair_style mace, or more than one");
  for (const std::string &name : quantities_) {
    const int columns = pair_->want(name);
    if (columns == 1) continue;
    std::string offered;
    for (const std::string &other : pair_->quantities()) offered += " " + other;
    error->all(FLERR, "Compute mace/atom: " +
                          (columns == 0 ? "the pair style has no quantity '" + name + "'; it has" + offered
                                        : "'" + name + "' has " + std::to_string(columns) + " columns; use fix pair"));
  }
}

void ComputeMaceAtom::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  if (update->eflag_atom != invoked_peratom)
    error->all(FLERR, "Compute mace/atom: quantities were not evaluated on step " + std::to_string(invoked_peratom) +
                          "; request them only on steps known in advance");
  const auto width = quantities_.size();
  values_.assign(static_cast<std::size_t>(std::max(1, atom->nmax)) * width, 0.0);
  for (std::size_t k = 0; k < width; ++k) {
    int columns = 0;
    const auto *const source = static_cast<const double *>(pair_->extract_peratom(quantities_[k].c_str(), columns));
    for (int i = 0; i < atom->nlocal; ++i)
      if (atom->mask[i] & groupbit) values_[static_cast<std::size_t>(i) * width + k] = source[i];
  }
  if (width == 1) {
    vector_atom = values_.data();
    return;
  }
  rows_.clear();
  for (std::size_t at = 0; at < values_.size(); at += width) rows_.push_back(&values_[at]);
  array_atom = rows_.data();
}

double ComputeMaceAtom::memory_usage()
{ return static_cast<double>(values_.capacity() * sizeof(double) + rows_.capacity() * sizeof(double *)); }

}  // namespace naglass
