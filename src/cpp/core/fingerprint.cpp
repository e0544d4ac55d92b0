#include "core/fingerprint.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <numbers>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

struct Ligand {
  double length;
  Vec3 unit;
};

void require_length(const char *name, double value)
{
  if (!(value > 0.0) || !std::isfinite(value)) throw Error(name, value, "must be a positive number (Å)");
}

// Sorted by length, so that no sum depends on the order in which ligands were found.
std::vector<Ligand> sorted_ligands(std::span<const Vec3> vectors, double reach)
{
  std::vector<Ligand> ligands;
  for (const Vec3 &r : vectors) {
    const double length = std::sqrt(dot(r, r));
    if (!(length < reach)) continue;
    const double scale = length > 0.0 ? 1.0 / length : 0.0;
    ligands.push_back({length, {r[0] * scale, r[1] * scale, r[2] * scale}});
  }
  std::sort(ligands.begin(), ligands.end(), [](const Ligand &p, const Ligand &q) {
    return p.length != q.length ? p.length < q.length : p.unit < q.unit;
  });
  return ligands;
}

std::span<const Ligand> within(const std::vector<Ligand> &ligands, double cutoff)
{
  const auto end = std::partition_point(ligands.begin(), ligands.end(),
                                        [&](const Ligand &ligand) { return ligand.length < cutoff; });
  return {ligands.begin(), end};
}

double valence(const Ligand &ligand, const BondValence &parameter)
{ return std::exp((parameter.r0 - ligand.length) / parameter.b); }

double valence_sum(std::span<const Ligand> ligands, const BondValence &parameter)
{
  double sum = 0.0;
  for (const Ligand &ligand : ligands) sum += valence(ligand, parameter);
  return sum;
}

void count_families(std::span<const Ligand> shell, const FamilyLimits &limits, Polyhedron &out)
{
  for (const Ligand &ligand : shell) out.vanadyl += ligand.length < limits.vanadyl;
  if (out.coordination >= 6 && out.vanadyl > 0) {
    const double limit = out.vanadyl == 1 ? limits.trans : limits.trans_dioxo;
    for (const Ligand &ligand : shell) out.trans += ligand.length > limit;
  }
  out.equatorial = out.coordination - out.vanadyl - out.trans;
}

int state_by_families(std::span<const Ligand> shell, const FamilyLimits &limits, const Polyhedron &found)
{
  if (found.vanadyl >= 2) return 5;
  if (found.vanadyl == 1) {
    if (found.equatorial == 0) return 0;
    return shell[1].length < limits.equatorial ? 5 : 4;
  }
  const bool v3 =
      found.coordination == 6 && shell.front().length >= limits.v3_shortest && shell.back().length <= limits.v3_longest;
  return v3 ? 3 : 0;
}

void measure_distortion(std::span<const Ligand> shell, Polyhedron &out)
{
  out.baur = out.quadratic = none;
  if (shell.empty()) return;
  double mean = 0.0;
  for (const Ligand &ligand : shell) mean += ligand.length;
  mean /= static_cast<double>(shell.size());
  out.baur = out.quadratic = 0.0;
  for (const Ligand &ligand : shell) {
    const double relative = (ligand.length - mean) / mean;
    out.baur += std::abs(relative);
    out.quadratic += relative * relative;
  }
  out.baur /= static_cast<double>(shell.size());
  out.quadratic /= static_cast<double>(shell.size());
}

// The two largest angles between bonds, in degrees.
std::array<double, 2> largest_angles(std::span<const Ligand> shell)
{
  std::array<double, 2> largest{0.0, 0.0};
  for (std::size_t i = 0; i < shell.size(); ++i)
    for (std::size_t j = i + 1; j < shell.size(); ++j) {
      const double cosine = std::clamp(dot(shell[i].unit, shell[j].unit), -1.0, 1.0);
      const double angle = std::acos(cosine) * 180.0 / std::numbers::pi;
      if (angle > largest[0]) largest = {angle, largest[0]};
      else if (angle > largest[1]) largest[1] = angle;
    }
  return largest;
}

void measure_shape(std::span<const Ligand> shell, Polyhedron &out)
{
  out.tau4 = out.tau5 = none;
  if (shell.size() != 4 && shell.size() != 5) return;
  const auto [beta, alpha] = largest_angles(shell);
  if (shell.size() == 4) out.tau4 = (360.0 - alpha - beta) / 141.0;
  else out.tau5 = (beta - alpha) / 60.0;
}

double vanadyl_index(std::span<const Ligand> shell)
{
  if (shell.size() < 2) return none;
  const Ligand &shortest = shell.front();
  if (shell.size() <= 5) return (shell[1].length - shortest.length) / shortest.length;
  const auto opposite = std::min_element(shell.begin() + 1, shell.end(), [&](const Ligand &p, const Ligand &q) {
    return dot(p.unit, shortest.unit) < dot(q.unit, shortest.unit);
  });
  return opposite->length - shortest.length;
}

int nearest_state(double sum, std::span<const RedoxState> redox)
{
  int best = 0;
  for (const RedoxState &entry : redox)
    if (best == 0 || std::abs(sum - entry.state) < std::abs(sum - best)) best = entry.state;
  return best;
}

int most_probable_state(std::span<const Ligand> ligands, const ValencePrior &prior)
{
  const double sum = valence_sum(ligands, prior.parameter);
  int best = 0;
  double highest = -std::numeric_limits<double>::infinity();
  for (const ValenceStatistic &entry : prior.statistics) {
    const double off = (sum - entry.mean) / entry.deviation;
    // The logarithm keeps sums far from every mean comparable.
    const double score = std::log(entry.occurrence / entry.deviation) - 0.5 * off * off;
    if (score > highest) highest = score, best = entry.state;
  }
  return best;
}

// With one parameter per state, the sum closest to its own state is used.
const BondValence &consistent_parameter(std::span<const Ligand> ligands, std::span<const BondValence> parameters)
{
  const BondValence *best = &parameters.front();
  double smallest = std::numeric_limits<double>::infinity();
  for (const BondValence &parameter : parameters) {
    const double off = std::abs(valence_sum(ligands, parameter) - parameter.state);
    if (off < smallest) smallest = off, best = &parameter;
  }
  return *best;
}

void measure_valence(std::span<const Ligand> ligands, const FingerprintOptions &options, Polyhedron &out)
{
  out.bond_valence = out.off_centering = none;
  if (options.valence.empty()) return;
  const BondValence &parameter = consistent_parameter(ligands, options.valence);
  Vec3 vector{};
  out.bond_valence = 0.0;
  for (const Ligand &ligand : ligands) {
    const double s = valence(ligand, parameter);
    out.bond_valence += s;
    for (int d = 0; d < 3; ++d) vector[d] += s * ligand.unit[d];
  }
  out.off_centering = std::sqrt(dot(vector, vector));
  if (ligands.empty()) return;
  if (!options.prior.statistics.empty()) out.by_valence = most_probable_state(ligands, options.prior);
  else out.by_valence = parameter.state ? parameter.state : nearest_state(out.bond_valence, options.redox);
}

}  // namespace

void check(const FingerprintOptions &options)
{
  require_length("cutoff", options.cutoff);
  require_length("valence_cutoff", options.valence_cutoff);
  for (const auto &[name, value] : {std::pair{"vanadyl_cutoff", options.limits.vanadyl},
                                    {"trans_cutoff", options.limits.trans},
                                    {"trans_dioxo_cutoff", options.limits.trans_dioxo}})
    require_length(name, value);
  for (const BondValence &parameter : options.valence) {
    const std::string name = "bond_valence[" + std::to_string(parameter.state) + "]";
    require_length((name + ".r0").c_str(), parameter.r0);
    require_length((name + ".b").c_str(), parameter.b);
    if (parameter.state == 0 && options.valence.size() > 1)
      throw Error("bond_valence", std::to_string(options.valence.size()) + " parameters",
                  "a state-independent parameter must be the only one");
  }
}

Polyhedron polyhedron(std::span<const Vec3> ligands, const FingerprintOptions &options)
{
  const std::vector<Ligand> sorted = sorted_ligands(ligands, std::max(options.cutoff, options.valence_cutoff));
  const std::span<const Ligand> shell = within(sorted, options.cutoff);
  Polyhedron out;
  out.coordination = static_cast<int>(shell.size());
  count_families(shell, options.limits, out);
  measure_distortion(shell, out);
  measure_shape(shell, out);
  out.vanadyl_index = vanadyl_index(shell);
  measure_valence(within(sorted, options.valence_cutoff), options, out);
  if (options.families_tell_states) out.by_geometry = state_by_families(shell, options.limits, out);
  return out;
}

int state_by_moment(double moment, std::span<const RedoxState> redox)
{
  const double size = std::abs(moment);
  const RedoxState *best = nullptr;
  for (const RedoxState &entry : redox) {
    const double off = std::abs(size - entry.moment);
    const double held = best ? std::abs(size - best->moment) : 0.0;
    if (!best || off < held || (off == held && entry.moment > best->moment)) best = &entry;
  }
  return best ? best->state : 0;
}

int disagreement(int by_moment, const Polyhedron &found, double tolerance)
{
  const auto differ = [](int a, int b) { return a != 0 && b != 0 && a != b; };
  int bits = 0;
  if (differ(by_moment, found.by_valence)) bits |= moment_valence;
  if (differ(by_moment, found.by_geometry)) bits |= moment_geometry;
  if (differ(found.by_valence, found.by_geometry)) bits |= valence_geometry;
  const int state = by_moment ? by_moment : found.by_valence;
  if (state && std::abs(found.bond_valence - state) > tolerance) bits |= sum_off_state;
  return bits;
}

std::vector<int> states_by_charge(std::span<const double> reduction, std::span<const int> states, std::int64_t total)
{
  const auto n = static_cast<std::int64_t>(reduction.size());
  const std::string sum = std::to_string(total);
  const std::string centers = std::to_string(n) + " centers";
  for (std::size_t k = 0; k < states.size(); ++k) {
    const std::int64_t low = states[k], high = k + 1 < states.size() ? states[k + 1] : low + 1;
    if (total < n * low || total > n * high || (k + 1 == states.size() && total > n * low)) continue;
    if ((n * high - total) % (high - low) != 0)
      throw Error("charge", sum,
                  "cannot be shared by " + centers + " of states " + std::to_string(low) + " and " +
                      std::to_string(high));
    const auto reduced = static_cast<std::size_t>((n * high - total) / (high - low));
    std::vector<std::size_t> order(reduction.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return reduction[a] > reduction[b]; });
    std::vector<int> assigned(reduction.size(), static_cast<int>(high));
    for (std::size_t rank = 0; rank < reduced; ++rank) assigned[order[rank]] = static_cast<int>(low);
    return assigned;
  }
  throw Error("charge", sum, "the sum of the states is impossible for " + centers);
}

int spin_side(double moment, double threshold)
{
  if (!(std::abs(moment) >= threshold)) return 2;
  return moment > 0.0 ? 0 : 1;
}

int LengthBins::of(double length) const
{
  if (!(length >= low) || !(length < high)) return -1;
  return std::min(static_cast<int>((length - low) / (high - low) * count), count - 1);
}

void check(const LengthBins &bins)
{
  const std::string range = number_text(bins.low) + " to " + number_text(bins.high);
  if (!std::isfinite(bins.low) || !std::isfinite(bins.high) || bins.low < 0.0 || !(bins.low < bins.high))
    throw Error("histogram", range, "must be a range of non-negative lengths (Å)");
  if (bins.count < 1) throw Error("histogram", std::to_string(bins.count) + " bins", "at least one is needed");
}

void tally(std::span<const Vec3> ligands, int group, const LengthBins &bins, std::span<std::int64_t> counts)
{
  for (const Vec3 &r : ligands) {
    const int bin = bins.of(std::sqrt(dot(r, r)));
    if (bin >= 0) ++counts[static_cast<std::size_t>(group) * bins.count + bin];
  }
}

}  // namespace naglass
