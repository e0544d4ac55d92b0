// The only file of the styles that knows LAMMPS's data: atoms, types, neighbour lists, messages.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/bond_graph.hpp"
#include "graph_halo.hpp"

namespace LAMMPS_NS {
class Compute;
class LAMMPS;
class NeighList;
}  // namespace LAMMPS_NS

namespace naglass {

/// Ends the run with a message that all ranks agree on.
[[noreturn]] void stop_all(LAMMPS_NS::LAMMPS *lammps, const std::string &message);
/// Ends the run from a single rank.
[[noreturn]] void stop_one(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

int atom_type_count(LAMMPS_NS::LAMMPS *lammps);
/// Type (from 0) that carries this label in LAMMPS's label map, or -1.
int type_of_label(LAMMPS_NS::LAMMPS *lammps, const std::string &label);

/// The communicator of this LAMMPS instance.
MPI_Comm communicator(LAMMPS_NS::LAMMPS *lammps);
/// The present simulation cell.
Box current_box(LAMMPS_NS::LAMMPS *lammps);

/// This rank's atoms at this moment; valid until they move to another rank or are sorted.
class OwnedAtoms {
 public:
  /// Ends the run, with `title` before the message, for atoms without tags.
  OwnedAtoms(LAMMPS_NS::LAMMPS *lammps, const std::string &title);

  int count() const;
  bool in_group(int i, int groupbit) const;
  std::int64_t tag(int i) const;
  int type(int i) const;  // from 0
  /// Unwrapped position (Å) with the cell's fractions laid into `reference`.
  Vec3 unwrapped(int i, const Box &reference) const;
  /// Index of an owned atom by its tag; ends the run if this rank does not own it.
  int local_of(std::int64_t tag) const;

 private:
  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_;
  mutable std::vector<std::pair<std::int64_t, int>> by_tag_;  // sorted on first use
};

/// Owned atoms' bonds: rows are owned atoms, targets owned or ghost. The memory is reused from step to step.
struct LocalBonds {
  std::vector<int> types;  // owned, then ghosts; from 0
  std::vector<std::int64_t> offsets;
  std::vector<int> targets;
  std::vector<double> lengths;

  GraphView view() const { return {offsets, targets, lengths}; }
};

/// Asks for a full neighbour list that is built when the compute is invoked.
void request_full_list(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Compute *compute);

/// Ends the run, with `title` before the message, unless the pair style's cutoffs hold every bond.
void require_cutoffs_covered(LAMMPS_NS::LAMMPS *lammps, const std::string &title, const PairCutoffs &cutoffs);

/// Builds the list if need be and keeps its pairs that are bonded.
void fill_local_bonds(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::NeighList *list, const PairCutoffs &cutoffs,
                      LocalBonds &bonds);

/// Where an atom's owner holds it, as the owner's ghosts learn it.
struct Home {
  Vec3 position;
  int rank;
};

/// The homes of owned atoms; those of ghosts, behind them, are left to communication.
void fill_homes(LAMMPS_NS::LAMMPS *lammps, std::vector<Home> &homes);

/// Builds the list if need be and writes the bonds between atoms of the group, the rows in the order of owned atoms.
/// Lengths are taken from the homes, so that both ends agree on a bond to the last bit. `title` opens messages.
void fill_bond_rows(LAMMPS_NS::LAMMPS *lammps, const std::string &title, LAMMPS_NS::NeighList *list,
                    const PairCutoffs &cutoffs, int groupbit, const std::vector<Home> &homes, BondRows &rows);

/// Threads that LAMMPS gives to a rank.
int threads_per_rank(LAMMPS_NS::LAMMPS *lammps);

}  // namespace naglass
