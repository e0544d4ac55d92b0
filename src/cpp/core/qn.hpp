#pragma once

#include <span>
#include <vector>

#include "core/graph.hpp"
#include "core/vanadyl.hpp"

namespace naglass {

/// Role of an atom type in the network.
enum class Role { other, oxygen, former, metal };

/// Oxygen classes by the formers (P) and transition metals (V) the oxygen is bonded to.
enum class OxygenClass : int {
  not_oxygen = 0,
  free = 1,                       // (0,0)
  non_bridging_former = 2,        // (1,0): NBO_P
  bridging_former_former = 3,     // (2,0): BO_PP
  bridging_former_metal = 4,      // (1,1): BO_PV
  bridging_former_two_metal = 5,  // (1,2)
  bridging_metal_metal = 6,       // (0,2): BO_VV
  tri_coordinated = 7,            // any other with three or more
  metal_oxo = 8,                  // (0,1) closer than the vanadyl cutoff: V=O
  non_bridging_metal = 9          // (0,1) at the vanadyl cutoff or farther
};

struct QnOptions {
  std::span<const Role> roles;            // per type
  double vanadyl_cutoff = vanadyl_limit;  // Å; a terminal metal–oxygen bond below it is V=O
};

/// Per row of the graph; all zero for an atom that is not an oxygen.
struct OxygenBonds {
  std::vector<int> formers;  // bonded formers, images counted separately
  std::vector<int> metals;   // bonded metals
  std::vector<OxygenClass> classes;
};

/// Per row of the graph; -1 for an atom that is not a former.
struct FormerLinks {
  std::vector<int> n;  // n of Q^n: bonded oxygens that are bonded to another former too
  std::vector<int> m;  // m of Q^n_m: bonded oxygens that are bonded to a metal too
};

/// Counts each oxygen's bonds and classifies it. `types` covers rows and targets of the graph. O(bonds).
/// Throws Error for a type without a role, or a vanadyl cutoff that is negative or not finite.
OxygenBonds oxygen_bonds(const GraphView &bonds, std::span<const int> types, const QnOptions &options);

/// Counts each former's bridges from its oxygens' bonds: `formers` and `metals` as in OxygenBonds, but for every
/// atom that the graph's targets name. In a parallel run each oxygen's owner counts, and ghosts receive. O(bonds).
FormerLinks former_links(const GraphView &bonds, std::span<const int> types, std::span<const int> formers,
                         std::span<const int> metals, const QnOptions &options);

}  // namespace naglass
