// Rows of the bond graph fetched from their owners, bond by bond: provides a search around a rank's atoms with what it
// needs without a long ghost cutoff. Atoms are identified by tag; images are relative to the owner's copy of each atom.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "core/ring_net.hpp"

namespace naglass {

/// A bonded neighbor in a form that is valid on every rank.
struct BondEnd {
  std::int64_t tag;
  Shift shift;  // from the owner's image to the bonded one
  int type;  // from 0
  int owner;  // rank
};

/// The bonds of some atoms; row i has ends[offsets[i]] ... ends[offsets[i + 1] - 1].
struct BondRows {
  std::vector<std::int64_t> tags;
  std::vector<int> types;
  std::vector<std::int64_t> offsets{0};
  std::vector<BondEnd> ends;
};

/// Part of the bond graph around a rank's own atoms. Sites are in the order of their tags.
struct HaloGraph {
  std::vector<std::int64_t> tags;
  std::vector<int> types;
  std::vector<int> owners;
  PeriodicGraph graph;
};

/// This rank's rows and all rows within `bonds` bonds of them. Collective.
HaloGraph gather_halo(MPI_Comm comm, const BondRows &own, int bonds);

}  // namespace naglass
