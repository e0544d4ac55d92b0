#include "core/bond_valence.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace naglass {
namespace {

constexpr const char *hu_zhou = "Hu & Zhou, Z. Krist. 219, 614 (2004)";
constexpr const char *palenik_mn = "Palenik, Inorg. Chem. 36, 4888 (1997)";
constexpr const char *palenik_ti = "Palenik, Inorg. Chem. 36, 3394 (1997)";
constexpr const char *palenik_cr = "Wood, Abboud, Palenik & Palenik, Inorg. Chem. 39, 2065 (2000)";
constexpr const char *altermatt = "Brown & Altermatt, Acta Cryst. B41, 244 (1985)";
constexpr const char *brese = "Brese & O'Keeffe, Acta Cryst. B47, 192 (1991)";
constexpr const char *brown = "Brown, private communication in the IUCr table bvparm2016";
constexpr const char *gagne = "Gagné & Hawthorne, Acta Cryst. B71, 561 (2015)";
constexpr const char *soft = "softBV: Chen & Adams, IUCrJ 4, 614 (2017), from the data of BVlain";

// "default" uses the first set that has the element.
constexpr BondValenceEntry table[] = {
    {"hu-zhou", "V", {0, 1.788, 0.32}, hu_zhou},
    {"hu-zhou", "Fe", {0, 1.795, 0.30}, hu_zhou},
    {"palenik", "Ti", {0, 1.790, 0.37}, palenik_ti},
    {"palenik", "Mn", {0, 1.754, 0.37}, palenik_mn},
    {"brown-altermatt", "Ti", {3, 1.791, 0.37}, brese},
    {"brown-altermatt", "Ti", {4, 1.815, 0.37}, altermatt},
    {"brown-altermatt", "V", {3, 1.743, 0.37}, altermatt},
    {"brown-altermatt", "V", {4, 1.784, 0.37}, altermatt},
    {"brown-altermatt", "V", {5, 1.803, 0.37}, altermatt},
    {"brown-altermatt", "Cr", {2, 1.73, 0.37}, brese},
    {"brown-altermatt", "Cr", {3, 1.724, 0.37}, altermatt},
    {"brown-altermatt", "Cr", {6, 1.794, 0.37}, altermatt},
    {"brown-altermatt", "Mn", {2, 1.790, 0.37}, altermatt},
    {"brown-altermatt", "Mn", {3, 1.760, 0.37}, altermatt},
    {"brown-altermatt", "Mn", {4, 1.753, 0.37}, altermatt},
    {"brown-altermatt", "Fe", {2, 1.734, 0.37}, altermatt},
    {"brown-altermatt", "Fe", {3, 1.759, 0.37}, altermatt},
    {"brown-altermatt", "Co", {2, 1.692, 0.37}, altermatt},
    {"brown-altermatt", "Co", {3, 1.70, 0.37}, brese},
    {"brown-altermatt", "Ni", {2, 1.654, 0.37}, altermatt},
    {"brown-altermatt", "Ni", {3, 1.75, 0.37}, brown},
    // After Brown-Altermatt: a state-independent value of complexes falls short of Cr6+.
    {"palenik", "Cr", {0, 1.724, 0.37}, palenik_cr},
    {"gagne-hawthorne", "Ti", {3, 1.654, 0.545}, gagne},
    {"gagne-hawthorne", "Ti", {4, 1.819, 0.342}, gagne},
    {"gagne-hawthorne", "V", {3, 1.718, 0.412}, gagne},
    {"gagne-hawthorne", "V", {4, 1.776, 0.364}, gagne},
    {"gagne-hawthorne", "V", {5, 1.799, 0.388}, gagne},
    {"gagne-hawthorne", "Cr", {2, 1.761, 0.350}, gagne},
    {"gagne-hawthorne", "Cr", {3, 1.725, 0.361}, gagne},
    {"gagne-hawthorne", "Mn", {2, 1.740, 0.417}, gagne},
    {"gagne-hawthorne", "Mn", {3, 1.823, 0.247}, gagne},
    {"gagne-hawthorne", "Mn", {4, 1.750, 0.374}, gagne},
    {"gagne-hawthorne", "Fe", {2, 1.658, 0.447}, gagne},
    {"gagne-hawthorne", "Fe", {3, 1.766, 0.360}, gagne},
    {"gagne-hawthorne", "Co", {2, 1.698, 0.376}, gagne},
    {"gagne-hawthorne", "Co", {3, 1.655, 0.364}, gagne},
    {"gagne-hawthorne", "Ni", {2, 1.689, 0.347}, gagne},
    {"softbv", "V", {3, 1.67799, 1.0 / 2.2779}, soft},
    {"softbv", "V", {4, 1.74932, 1.0 / 2.3474}, soft},
    {"softbv", "V", {5, 1.79445, 1.0 / 1.9608}, soft},
};

// Spin-only moments of the d electrons; Co3+ and Ni3+ are low-spin in most oxides, high-spin in some.
constexpr struct {
  const char *element;
  RedoxState redox;
} moments[] = {
    {"Ti", {3, 1}}, {"Ti", {4, 0}}, {"V", {3, 2}},  {"V", {4, 1}},  {"V", {5, 0}},  {"Cr", {2, 4}}, {"Cr", {3, 3}},
    {"Cr", {6, 0}}, {"Mn", {2, 5}}, {"Mn", {3, 4}}, {"Mn", {4, 3}}, {"Fe", {2, 4}}, {"Fe", {3, 5}}, {"Co", {2, 3}},
    {"Co", {3, 0}}, {"Co", {3, 4}}, {"Ni", {2, 2}}, {"Ni", {3, 1}}, {"Ni", {3, 3}},
};

// ICSD sums as tabulated with pymatgen's BVAnalyzer (icsd_bv.yaml), all anions together.
constexpr struct {
  const char *element;
  ValenceStatistic statistic;
} icsd[] = {
    {"Ti", {3, 3.0507, 0.5551, 119}}, {"Ti", {4, 3.8431, 0.6588, 665}}, {"V", {3, 3.0904, 0.4298, 151}},
    {"V", {4, 3.8320, 0.5290, 225}},  {"V", {5, 4.8752, 0.4629, 527}},  {"Cr", {2, 1.7681, 0.3593, 102}},
    {"Cr", {3, 2.8832, 0.4843, 323}}, {"Cr", {6, 5.3541, 0.7483, 116}}, {"Mn", {2, 1.7034, 0.4826, 577}},
    {"Mn", {3, 2.7775, 0.6182, 256}}, {"Mn", {4, 3.6883, 0.6276, 127}}, {"Fe", {2, 2.4457, 1.1501, 340}},
    {"Fe", {3, 2.8228, 0.7248, 549}}, {"Co", {2, 1.8257, 0.4684, 333}}, {"Co", {3, 2.9829, 1.2698, 93}},
    {"Ni", {2, 1.8201, 0.6402, 407}}, {"Ni", {3, 2.2080, 0.5165, 62}},
};

// Size (Å) and electronegativity of O'Keeffe & Brese, J. Am. Chem. Soc. 113, 3226 (1991).
struct Atomic {
  const char *element;
  double size;
  double electronegativity;
};
constexpr Atomic oxygen{"O", 0.63, 3.15};
constexpr Atomic metals[] = {{"Ti", 1.27, 1.32}, {"V", 1.21, 1.45},  {"Cr", 1.16, 1.56}, {"Mn", 1.17, 1.60},
                             {"Fe", 1.16, 1.64}, {"Co", 1.09, 1.70}, {"Ni", 1.04, 1.75}};
// The width (b) used to compute the ICSD sums above.
constexpr double icsd_width = 0.31;

std::string ion(const std::string &element, int state) { return element + std::to_string(state) + "+"; }

bool is(const char *name, const std::string &text) { return text == name; }

void require_oxygen(const std::string &argument, const std::string &set, const std::string &element,
                    const std::string &ligand)
{
  if (ligand != "O") throw Error(argument, set, "has no value for " + element + "–" + ligand + ", only for oxygen");
}

}  // namespace

std::span<const BondValenceEntry> bond_valence_table() { return table; }

std::vector<BondValence> bond_valence_parameters(const std::string &set, const std::string &element,
                                                 const std::string &ligand, std::span<const int> states)
{
  require_oxygen("bond_valence", set, element, ligand);
  std::string chosen = set;
  const auto knows = [&](const BondValenceEntry &entry) { return is(entry.element, element); };
  if (set == "default") {
    const auto first = std::find_if(std::begin(table), std::end(table), knows);
    if (first == std::end(table)) throw Error("bond_valence", set, "no set has a value for " + element + "–O");
    chosen = first->set;
  }
  if (std::none_of(std::begin(table), std::end(table), [&](const auto &entry) { return is(entry.set, chosen); }))
    throw Error("bond_valence", set,
                "must be one of default, hu-zhou, palenik, brown-altermatt, gagne-hawthorne, softbv");

  std::vector<BondValence> found;
  for (const BondValenceEntry &entry : table) {
    if (!knows(entry) || !is(entry.set, chosen)) continue;
    const int state = entry.parameter.state;
    if (state == 0) return {entry.parameter};
    if (std::find(states.begin(), states.end(), state) != states.end()) found.push_back(entry.parameter);
  }
  for (const int state : states)
    if (std::none_of(found.begin(), found.end(), [&](const BondValence &p) { return p.state == state; }))
      throw Error("bond_valence", chosen,
                  "has no value for " + ion(element, state) + "–O; choose another set, or fewer states");
  return found;
}

std::vector<RedoxState> redox_states(const std::string &element)
{
  std::vector<RedoxState> found;
  for (const auto &[name, redox] : moments)
    if (is(name, element)) found.push_back(redox);
  if (found.empty())
    throw Error("center", element, "oxidation states and moments are tabulated only for Ti, V, Cr, Mn, Fe, Co, Ni");
  return found;
}

std::vector<RedoxState> redox_states(const std::string &element, std::span<const int> states)
{
  std::vector<RedoxState> all = redox_states(element);
  if (states.empty()) return all;
  std::vector<RedoxState> chosen;
  for (const RedoxState &redox : all)
    if (std::find(states.begin(), states.end(), redox.state) != states.end()) chosen.push_back(redox);
  for (const int state : states)
    if (std::none_of(all.begin(), all.end(), [&](const RedoxState &redox) { return redox.state == state; }))
      throw Error("states", std::to_string(state), "no moment is tabulated for " + ion(element, state));
  return chosen;
}

std::vector<int> distinct_states(std::span<const RedoxState> redox)
{
  std::vector<int> states;
  for (const RedoxState &entry : redox) states.push_back(entry.state);
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());
  return states;
}

ValencePrior icsd_prior(const std::string &element, const std::string &ligand, std::span<const int> states)
{
  require_oxygen("assign", "map", element, ligand);
  ValencePrior prior;
  for (const Atomic &metal : metals) {
    if (!is(metal.element, element)) continue;
    const double difference = std::sqrt(metal.electronegativity) - std::sqrt(oxygen.electronegativity);
    const double weight = metal.electronegativity * metal.size + oxygen.electronegativity * oxygen.size;
    const double r0 = metal.size + oxygen.size - metal.size * oxygen.size * difference * difference / weight;
    prior.parameter = {0, r0, icsd_width};
  }
  for (const int state : states) {
    const auto held = std::find_if(std::begin(icsd), std::end(icsd), [&](const auto &entry) {
      return is(entry.element, element) && entry.statistic.state == state;
    });
    if (held == std::end(icsd))
      throw Error("assign", "map", "the ICSD statistics have no entry for " + ion(element, state));
    prior.statistics.push_back(held->statistic);
  }
  return prior;
}

}  // namespace naglass
