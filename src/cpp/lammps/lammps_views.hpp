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
class Fix;
class LAMMPS;
class NeighList;
}  // namespace LAMMPS_NS

namespace naglass {

/// Ends the run with a message that all ranks agree on.
[[noreturn]] void stop_all(LAMMPS_NS::LAMMPS *lammps, const std::string &message);
/// Ends the run from a single rank.
[[noreturn]] void stop_one(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// A warning, from rank 0.
void warn(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

int atom_type_count(LAMMPS_NS::LAMMPS *lammps);
/// Type (from 0) that carries this label in LAMMPS's label map, or -1.
int type_of_label(LAMMPS_NS::LAMMPS *lammps, const std::string &label);

/// Ends the present run and those that follow after the present step, as a time limit does.
void end_run(LAMMPS_NS::LAMMPS *lammps);

/// Potential energy of the system, tallied on this step; `tally_energy_at` asks for it beforehand.
double potential_energy(LAMMPS_NS::LAMMPS *lammps);
void tally_energy_at(LAMMPS_NS::LAMMPS *lammps, std::int64_t step);

/// The communicator of this LAMMPS instance.
MPI_Comm communicator(LAMMPS_NS::LAMMPS *lammps);
/// The present simulation cell, and its lower corner (Å).
Box current_box(LAMMPS_NS::LAMMPS *lammps);
Vec3 box_corner(LAMMPS_NS::LAMMPS *lammps);
/// The bit of a group, 0 if no group has the name.
int group_bit(LAMMPS_NS::LAMMPS *lammps, const std::string &name);

/// This rank's atoms at this moment; valid until they move to another rank or are sorted.
class OwnedAtoms {
 public:
  /// Ends the run, with `title` before the message, for atoms without tags.
  OwnedAtoms(LAMMPS_NS::LAMMPS *lammps, const std::string &title);

  int count() const;
  bool in_group(int i, int groupbit) const;
  std::int64_t tag(int i) const;  // also of a ghost
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

/// Position (Å) of an owned atom or a ghost.
Vec3 position(LAMMPS_NS::LAMMPS *lammps, int i);

/// Image of each atom, owned then ghosts, relative to where its owner holds it. `owner_positions` has three numbers per
/// atom: those of its owner.
std::vector<Shift> image_shifts(LAMMPS_NS::LAMMPS *lammps, const std::vector<double> &owner_positions);

/// Asks for a full neighbour list that is built when the compute is invoked.
/// Asks for a full neighbour list that is built when the compute is invoked, or the fix asks for it.
void request_full_list(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Compute *compute);
void request_full_list(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Fix *fix);

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

/// Per bond the vector from the owned atom to its partner's image (Å).
void fill_bond_vectors(LAMMPS_NS::LAMMPS *lammps, const LocalBonds &bonds, std::vector<Vec3> &vectors);

/// Runs a compute's per-atom part unless it was run at this step already.
void compute_peratom_once(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Compute *compute);

/// Prints a message once, on screen and in the log file.
void say(LAMMPS_NS::LAMMPS *lammps, const std::string &message);

/// A per-atom number that something else in the input script provides: c_ID, c_ID[i], f_ID, f_ID[i], d_name,
/// d2_name[i] or v_name.
class AtomValue {
 public:
  /// Ends the run, with `title` before the message, for text that is none of these.
  AtomValue(LAMMPS_NS::LAMMPS *lammps, std::string title, std::string text);

  /// Ends the run if the provider does not exist or has no such per-atom number.
  void require() const;
  /// The numbers of the owned atoms at this step; computes them if need be. Collective. A variable is 0 outside of the
  /// group.
  void read(int igroup, std::vector<double> &values) const;

 private:
  [[noreturn]] void fail(const std::string &problem) const;
  void require_column(int peratom, int columns) const;
  void copy(const double *vector, double **array, std::vector<double> &values) const;

  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_, text_;
  std::string name_;
  char kind_ = ' ';  // 'c', 'f', 'd', '2' or 'v'
  int column_ = 0;   // from 1; 0 for a vector
};

/// A per-atom quantity that pair_style mace offers by the protocol of LAMMPS's fix pair, also within a hybrid style.
class PairQuantity {
 public:
  PairQuantity(LAMMPS_NS::LAMMPS *lammps, std::string title, std::string name);

  /// Ends the run when there is no such pair style, or it does not offer the quantity.
  void require();
  /// Whether the pair style evaluates the quantity from now on.
  void ask(bool wanted);
  /// Values of the owned atoms, as last evaluated.
  const double *values() const;

 private:
  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_, name_;
  int *flag_ = nullptr;
};

}  // namespace naglass
