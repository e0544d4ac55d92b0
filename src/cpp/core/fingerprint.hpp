#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/bond_valence.hpp"
#include "core/box.hpp"
#include "core/vanadyl.hpp"

namespace naglass {

/// Bond lengths (Å) that separate the families of vanadium–oxygen bonds.
/// Schindler, Hawthorne & Baur, Chem. Mater. 12, 1248 (2000).
struct FamilyLimits {
  double vanadyl = vanadyl_limit;  // a shorter bond is a vanadyl bond
  double trans = 2.10;         // with one vanadyl bond in a polyhedron of 6 or more: a longer bond is a trans bond
  double trans_dioxo = 2.025;  // likewise with two or more vanadyl bonds
  double equatorial = 1.90;    // shortest equatorial bond of V4+
  double v3_shortest = 1.88;   // range of the bonds of V3+O6
  double v3_longest = 2.16;
};

struct FingerprintOptions {
  double cutoff = 2.5;          // Å; ligands closer than this are coordinated
  double valence_cutoff = 3.2;  // Å; ligands closer than this enter the bond-valence sum
  FamilyLimits limits;
  std::vector<BondValence> valence;   // a single state-independent parameter, or one per state; empty: no sums
  std::vector<RedoxState> redox;      // states an atom may be assigned to, with their moments
  ValencePrior prior;                 // with statistics: the state from valence is the most probable one
  bool families_tell_states = false;  // whether `limits` apply to this element (V)
  double tolerance = 0.4;             // valence units; a sum further than this from its state is flagged
  double spin_threshold = 0.5;        // µB; a smaller moment has no side
};

/// The environment of one center. NaN marks quantities not defined for the polyhedron; state 0 is "not determined".
struct Polyhedron {
  int coordination = 0;
  int vanadyl = 0, equatorial = 0, trans = 0;  // bonds per family; their sum is the coordination number
  double bond_valence = 0.0;                   // valence units
  double baur = 0.0;                           // mean |l - l̄| / l̄
  double quadratic = 0.0;                      // mean ((l - l̄) / l̄)²
  double tau4 = 0.0;                           // four-fold: 0 square-planar, 1 tetrahedral
  double tau5 = 0.0;                           // five-fold: 0 square pyramid, 1 trigonal bipyramid
  double off_centering = 0.0;                   // |Σ s_i û_i|, valence units
  double vanadyl_index = 0.0;                  // Å for coordination 6 and more, else relative
  int by_valence = 0;
  int by_geometry = 0;
};

/// Bits of disagreement(): which two assignments differ, and whether the sum is far from the state.
enum DisagreementBit : int { moment_valence = 1, moment_geometry = 2, valence_geometry = 4, sum_off_state = 8 };

/// Throws Error for cutoffs, limits or parameters that are negative or not finite.
void check(const FingerprintOptions &options);

/// The fingerprint of a center whose ligands, images included, are at `ligands` (Å, relative to the center). Ligands
/// beyond both cutoffs are ignored; their order does not matter. O(n log n) in ligands.
Polyhedron polyhedron(std::span<const Vec3> ligands, const FingerprintOptions &options);

/// The state with the moment closest to |moment| (µB); at a tie the larger moment wins. 0 for an empty table.
int state_by_moment(double moment, std::span<const RedoxState> redox);

/// Disagreement bits of three assignments (0: absent, not compared). The sum is compared with the state by moment, or
/// by valence if there is none; `tolerance` in valence units.
int disagreement(int by_moment, const Polyhedron &found, double tolerance);

/// States from the composition: `total` is the sum of all states required by charge balance. The centers are divided
/// between two adjacent entries of `states` (ascending); those with the largest `reduction` get the lower one (ties:
/// first index). Throws Error if no such pair gives the total.
std::vector<int> states_by_charge(std::span<const double> reduction, std::span<const int> states, std::int64_t total);

/// Side of a moment: 0 up, 1 down, 2 neither (|moment| < threshold).
int spin_side(double moment, double threshold);

/// Equal bins over [low, high) Å.
struct LengthBins {
  double low = 1.4;
  double high = 3.2;
  int count = 90;

  /// Bin of a length, or -1 outside.
  int of(double length) const;
};

/// Throws Error unless 0 <= low < high, both finite, and count > 0.
void check(const LengthBins &bins);

/// Adds each length to row `group` of `counts` (rows of bins.count entries); lengths outside the bins are ignored.
void tally(std::span<const Vec3> ligands, int group, const LengthBins &bins, std::span<std::int64_t> counts);

}  // namespace naglass
