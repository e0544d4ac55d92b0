// Combines the ring counts of all ranks.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <vector>

#include "core/rings.hpp"
#include "graph_halo.hpp"

namespace naglass {

struct RingTotals {
  std::vector<std::int64_t> counts;    // by size, the same on all ranks
  std::vector<std::int64_t> per_atom;  // own atoms x (max_size + 1), empty unless requested
};

/// Sums the rings each rank found from its own atoms. A ring that several ranks may have found (king, guttman) is sent
/// to one rank, determined by its members, which counts it once. `own` are the rows that the halo was gathered from.
/// Collective.
RingTotals reduce_rings(MPI_Comm comm, const HaloGraph &halo, const BondRows &own, const RingCounts &found,
                        const RingOptions &options, bool per_atom);

/// Whether reduce_rings() needs the member lists.
bool found_more_than_once(RingCriterion criterion);

}  // namespace naglass
