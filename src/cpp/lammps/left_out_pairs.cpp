#include "left_out_pairs.hpp"

#include <mpi.h>

#include <vector>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "group.h"
#include "lammps.h"
#include "neighbor.h"

namespace naglass {
namespace {

using LAMMPS_NS::Atom;
using LAMMPS_NS::LAMMPS;
using LAMMPS_NS::Neighbor;

constexpr int bit_of_all = 1;
constexpr const char *remedy = " leaves pairs out of neighbor lists; 'neigh_modify exclude none' undoes it";

// Whether an exclusion removes one group from all atoms; `bit` is that of the group.
bool is_from_all(const LAMMPS *lammps, int exclusion, int &bit)
{
  const int first = lammps->group->bitmask[lammps->neighbor->ex1_group[exclusion]];
  const int second = lammps->group->bitmask[lammps->neighbor->ex2_group[exclusion]];
  bit = first == bit_of_all ? second : first;
  return (first == bit_of_all) != (second == bit_of_all);
}

// Per type, whether the group contains atoms of it on any rank.
std::vector<int> types_in(const LAMMPS *lammps, int group)
{
  const Atom *const atom = lammps->atom;
  std::vector<int> held(atom->ntypes, 0);
  for (int i = 0; i < atom->nlocal; ++i)
    if (atom->mask[i] & lammps->group->bitmask[group]) held[atom->type[i] - 1] = 1;
  MPI_Allreduce(MPI_IN_PLACE, held.data(), atom->ntypes, MPI_INT, MPI_MAX, lammps->world);
  return held;
}

// 'comm_modify group' works only with the first group, and then only its atoms have ghosts.
bool ghosts_are_left_out(const LAMMPS *lammps)
{
  const Atom *const atom = lammps->atom;
  if (atom->firstgroup < 0) return false;
  long long outside[2] = {0, 0};  // owned atoms, ghosts
  for (int i = 0; i < atom->nlocal + atom->nghost; ++i)
    outside[i >= atom->nlocal] += !(atom->mask[i] & lammps->group->bitmask[atom->firstgroup]);
  MPI_Allreduce(MPI_IN_PLACE, outside, 2, MPI_LONG_LONG, MPI_SUM, lammps->world);
  return outside[0] > 0 && outside[1] == 0 && (!lammps->domain->nonperiodic || lammps->comm->nprocs > 1);
}

}  // namespace

std::string pairs_left_out(LAMMPS *lammps, const PairFilter &matters)
{
  const Neighbor *const neighbor = lammps->neighbor;
  char **const names = lammps->group->names;
  for (int k = 0; k < neighbor->nex_type; ++k) {
    const int a = neighbor->ex1_type[k], b = neighbor->ex2_type[k];
    if (matters(a - 1, b - 1))
      return "neigh_modify exclude type " + std::to_string(a) + " " + std::to_string(b) + remedy;
  }
  if (neighbor->nex_mol > 0)
    return std::string("neigh_modify exclude molecule/") + (neighbor->ex_mol_intra[0] ? "intra " : "inter ") +
           names[neighbor->ex_mol_group[0]] + remedy;
  return "";
}

std::string atoms_left_out(LAMMPS *lammps, const PairFilter &matters, bool of_group_and_all)
{
  const Neighbor *const neighbor = lammps->neighbor;
  if (ghosts_are_left_out(lammps))
    return std::string("comm_modify group ") + lammps->group->names[lammps->atom->firstgroup] +
           " leaves ghost atoms out; use 'comm_modify group all'";
  for (int k = 1; k <= 3 && lammps->atom->molecular != Atom::ATOMIC; ++k)
    if (neighbor->special_flag[k] == 0)
      return "special_bonds leaves bonded neighbors out of neighbor lists; use 'special_bonds lj/coul 1 1 1'";
  for (int k = 0; k < neighbor->nex_group; ++k) {
    int bit;
    if (!of_group_and_all && is_from_all(lammps, k, bit)) continue;
    const int groups[2] = {neighbor->ex1_group[k], neighbor->ex2_group[k]};
    const std::vector<int> first = types_in(lammps, groups[0]), second = types_in(lammps, groups[1]);
    for (std::size_t a = 0; a < first.size(); ++a)
      for (std::size_t b = 0; b < second.size(); ++b)
        if (first[a] && second[b] && matters(static_cast<int>(a), static_cast<int>(b)))
          return std::string("neigh_modify exclude group ") + lammps->group->names[groups[0]] + " " +
                 lammps->group->names[groups[1]] + remedy;
  }
  return "";
}

int bits_left_out_of_all(LAMMPS *lammps)
{
  int bits = 0;
  for (int k = 0, bit; k < lammps->neighbor->nex_group; ++k)
    if (is_from_all(lammps, k, bit)) bits |= bit;
  return bits;
}

}  // namespace naglass
