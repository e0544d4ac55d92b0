// Rows of the bond graph fetched from their owners, bond by bond: what a search around a rank's atoms needs, without a
// ghost cutoff that long. Atoms are named by tag; images count from where each atom's owner holds it.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "core/ring_net.hpp"

namespace naglass {

/// A bonded neighbor as every rank understands it.
struct BondEnd {
  std::int64_t tag;
  Shift shift;  // from the image that the owner holds to the bonded one
  int type;     // from 0
  int owner;    // rank
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
  Topology graph;
};

/// The own rows and all rows within `bonds` bonds of them. Collective.
HaloGraph gather_halo(MPI_Comm comm, const BondRows &own, int bonds);

}  // namespace naglass
