// Bonds from LAMMPS's neighbor lists, within a rank and for the exchange between ranks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/bond_graph.hpp"
#include "graph_halo.hpp"

namespace LAMMPS_NS {
class Compute;
class Fix;
class LAMMPS;
class NeighList;
}  // namespace LAMMPS_NS

namespace naglass {

/// Owned atoms' bonds: rows are owned atoms, targets owned or ghost. The memory is reused from step to step.
struct LocalBonds {
  std::vector<int> types;  // owned, then ghosts; from 0
  std::vector<std::int64_t> offsets;
  std::vector<int> targets;
  std::vector<double> lengths;

  GraphView view() const { return {.offsets = offsets, .targets = targets, .lengths = lengths}; }
  /// Bytes in use.
  double memory() const;
};

/// Image of each atom, owned then ghosts, relative to its owner's copy. `owner_positions` has three numbers per atom:
/// the position on its owner.
std::vector<Shift> image_shifts(LAMMPS_NS::LAMMPS *lammps, const std::vector<double> &owner_positions);

/// Requests a full neighbor list that is built when the compute is invoked, or the fix requests it.
void request_full_list(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Compute *compute);
void request_full_list(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Fix *fix);

/// Ends the run, with `title` before the message, unless the pair style's cutoffs cover every bond and no command
/// excludes pairs with a cutoff from neighbor lists.
void require_cutoffs_covered(LAMMPS_NS::LAMMPS *lammps, const std::string &title, const PairCutoffs &cutoffs,
                             const std::string &keyword = "cutoff");

/// Builds the list if necessary and keeps the bonded pairs. Collective. Ends the run, with `title` before the message,
/// if a command excludes such pairs from the list.
void fill_local_bonds(LAMMPS_NS::LAMMPS *lammps, const std::string &title, LAMMPS_NS::NeighList *list,
                      const PairCutoffs &cutoffs, LocalBonds &bonds);

/// An atom's position on its owner, as communicated to its ghosts.
struct Home {
  Vec3 position;
  int rank;
};

/// The homes of owned atoms; those of ghosts, stored after them, are filled by communication.
void fill_homes(LAMMPS_NS::LAMMPS *lammps, std::vector<Home> &homes);

/// Builds the list if necessary and writes the bonds between atoms of the group, in rows ordered by owned atom. Lengths
/// are computed from the homes, so both ends agree on a bond to the last bit. Otherwise like fill_local_bonds.
void fill_bond_rows(LAMMPS_NS::LAMMPS *lammps, const std::string &title, LAMMPS_NS::NeighList *list,
                    const PairCutoffs &cutoffs, int groupbit, const std::vector<Home> &homes, BondRows &rows);

/// Per bond the vector from the owned atom to its partner's image (Å).
void fill_bond_vectors(LAMMPS_NS::LAMMPS *lammps, const LocalBonds &bonds, std::vector<Vec3> &vectors);

}  // namespace naglass
