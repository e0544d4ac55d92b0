#pragma once

#include <span>
#include <string>
#include <vector>

namespace naglass {

/// s = exp((r0 - d) / b) of one bond of length d. `state` 0 means any oxidation state of the element.
struct BondValence {
  int state;
  double r0;  // Å
  double b;   // Å
};

/// One published parameter of an element bonded to oxygen.
struct BondValenceEntry {
  const char *set;
  const char *element;
  BondValence parameter;
  const char *source;
};

/// An oxidation state and the spin-only moment (µB) of its d electrons.
struct RedoxState {
  int state;
  double moment;
};

/// Bond-valence sums found in a crystal database for sites of one oxidation state.
struct ValenceStatistic {
  int state;
  double mean;
  double deviation;
  double occurrence;
};

/// Database statistics for an element bonded to oxygen; sums are computed with `parameter` before comparison.
struct ValencePrior {
  BondValence parameter{};
  std::vector<ValenceStatistic> statistics;  // empty: the database is not used
};

/// Every parameter with its source.
std::span<const BondValenceEntry> bond_valence_table();

/// The parameters of `set` for an element bonded to `ligand`: a single state-independent one, or one per requested
/// state. "default" uses the first set in the table that has the element. Throws Error, naming element and state, for
/// values missing from the set.
std::vector<BondValence> bond_valence_parameters(const std::string &set, const std::string &element,
                                                 const std::string &ligand, std::span<const int> states);

/// Oxidation states of an element with their moments: high-spin, and low-spin where that is common; a state
/// may appear twice. Throws Error for an element without an entry.
std::vector<RedoxState> redox_states(const std::string &element);

/// redox_states() of the given oxidation states only; all of them where `states` is empty. Throws Error for a state
/// that the element does not have in the table.
std::vector<RedoxState> redox_states(const std::string &element, std::span<const int> states);

/// The distinct oxidation states of a table, ascending.
std::vector<int> distinct_states(std::span<const RedoxState> redox);

/// Means, deviations and occurrences of bond-valence sums in the ICSD for the given states of an element bonded to
/// `ligand`. Throws Error for entries missing from the database.
ValencePrior icsd_prior(const std::string &element, const std::string &ligand, std::span<const int> states);

}  // namespace naglass
