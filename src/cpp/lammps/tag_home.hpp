// Homes for atoms: the state of an atom stays on one rank for the whole run, whichever rank currently owns the atom.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "cell_history.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// The atoms of a group, spread over the ranks by tag (tag mod ranks): a state indexed like tags() needs no migration,
/// and each atom's history is the same on any number of ranks. The atoms of the group must not change.
class TagHome {
 public:
  /// Collective. `title` opens error messages. Fails for atoms without tags and for an empty group.
  TagHome(LAMMPS_NS::LAMMPS *lammps, std::string title, int groupbit);

  /// Tags of the atoms with their home on this rank, ascending, and their types (from 0).
  const std::vector<std::int64_t> &tags() const { return tags_; }
  const std::vector<int> &types() const { return types_; }
  /// Atoms of the group on all ranks.
  std::int64_t total() const { return total_; }

  /// A number below 2^53 that identifies the group's atoms, the same on any number of ranks. Collective.
  std::int64_t tags_checksum() const;

  /// Unwrapped positions of the atoms at home here, in fractional coordinates of the current cell mapped to the
  /// reference cell (Å): under a barostat, displacements then show motion through the material, not of the cell.
  /// Collective.
  const std::vector<Vec3> &positions(const CellHistory &cell);
  /// Those of the last call.
  const std::vector<Vec3> &positions() const { return positions_; }
  /// Ends the run if an atom's type has changed since.
  void require_same_types() const;

  /// Sends one row of `width` numbers per atom at home here to the atom's owner. `owned` gets a row for each owned
  /// atom (nlocal rows, zero outside the group). Collective; on the step of the last positions() only.
  void to_owners(const std::vector<double> &home, int width, std::vector<double> &owned) const;

  /// Brings home the owners' lists, one of any length for each owned atom in CSR form (nlocal + 1 offsets; lists of
  /// atoms outside the group are ignored). Collective; on the step of the last positions() only.
  void lists_from_owners(const std::vector<std::int64_t> &owned_offsets, const std::vector<std::int64_t> &owned_values,
                         std::vector<std::int64_t> &offsets, std::vector<std::int64_t> &values) const;

  /// All ranks' rows, ordered by tag, on rank 0 (empty elsewhere). Collective.
  std::vector<double> on_root(const std::vector<double> &home, int width) const;
  /// The rows of this rank's atoms out of all rows ordered by tag, as on_root() gave them. Collective.
  std::vector<double> from_all(const double *all, int width) const;

 private:
  int home_of(std::int64_t tag) const { return static_cast<int>(tag % ranks_); }
  int index_of(std::int64_t tag) const;

  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_;
  int groupbit_;
  int ranks_ = 1;
  std::int64_t total_ = 0;
  std::vector<std::int64_t> tags_;
  std::vector<int> types_;
  std::vector<std::int64_t> order_;   // place of each atom at home here among all tags of the group
  std::vector<int> place_of_;         // of tag t, at t / ranks: its place in tags_, -1 for none
  // Of the last positions(), by the other rank: owned atoms sent, and places in tags_ that arrived, in the same order.
  std::vector<std::vector<int>> sent_, arrived_;
  std::vector<Vec3> positions_;
  std::int64_t other_type_ = -1;  // tag of an atom that arrived with another type
};

/// Mean unwrapped position (Å, in the reference as above) of a group, the same to the last bit on any number of ranks:
/// summed in integers of 2^-26 Å. `atoms` receives how many there are. Collective. Fails for an empty group.
Vec3 group_mean(LAMMPS_NS::LAMMPS *lammps, const std::string &title, int groupbit, const CellHistory &cell,
                std::int64_t *atoms = nullptr);

}  // namespace naglass
