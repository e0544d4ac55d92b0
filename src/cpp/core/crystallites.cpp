#include "core/crystallites.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/clusters.hpp"
#include "core/error.hpp"
#include "core/interrupt.hpp"
#include "core/neighbors.hpp"

namespace naglass {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t searched_atoms = 4, compared_atoms = 32, fitted_atoms = 200;
constexpr double still_followed = 0.9;
constexpr int most_steps = 60;
constexpr double converged = 1e-10;

// Positions with each cluster in one piece, walked from its lowest row.
std::vector<Vec3> in_one_piece(const PeriodicGraph &graph, std::span<const Vec3> positions, const Box &box)
{
  std::vector<Vec3> whole(positions.begin(), positions.end());
  std::vector<char> reached(positions.size(), 0);
  std::vector<int> next;
  for (std::size_t first = 0; first < positions.size(); ++first) {
    if (reached[first]) continue;
    reached[first] = 1;
    next.assign(1, static_cast<int>(first));
    while (!next.empty()) {
      const int i = next.back();
      next.pop_back();
      for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e) {
        const int j = graph.targets[e];
        if (reached[j]) continue;
        reached[j] = 1;
        whole[j] = whole[i] + (positions[j] - positions[i]) + box.lattice_vector(graph.shifts[e]);
        next.push_back(j);
      }
    }
  }
  return whole;
}

using Views = std::vector<EnvironmentView>;

// At most so many of the atoms, evenly spaced.
Views some_of(const Views &all, std::size_t most)
{
  Views some;
  const std::size_t count = std::min(most, all.size());
  for (std::size_t k = 0; k < count; ++k) some.push_back(all[k * all.size() / count]);
  return some;
}

// The mean similarity for a rotation, and the outer products of the pairs that make it up.
double mean_similarity(const Views &around, std::span<const Environment> references, double sigma,
                       const Rotation &rotation, Rotation &h)
{
  double sum = 0.0;
  h = {};
  for (const EnvironmentView &environment : around) {
    double best = 0.0;
    Rotation of_best{};
    for (const Environment &reference : references) {
      Rotation own{};
      const double overlap = turned_overlap(environment, reference, rotation, sigma, own);
      if (overlap <= best) continue;
      best = overlap;
      of_best = own;
    }
    sum += best;
    for (int r = 0; r < 3; ++r) h[r] = h[r] + of_best[r];
  }
  return sum / static_cast<double>(around.size());
}

// Each atom's best reference and exp's tangent bound the sum from below, so no step lowers it.
Orientation climb(const Views &around, std::span<const Environment> references, double sigma, Rotation rotation)
{
  const Interrupt interrupt = Interrupt::current();
  Orientation best{rotation, 0.0};
  for (int step = 0; step < most_steps; ++step) {
    interrupt.check();
    Rotation h;
    const double next = mean_similarity(around, references, sigma, rotation, h);
    const bool done = next <= best.similarity + converged;
    if (next > best.similarity) best = {rotation, next};
    if (done) break;
    rotation = horn(h);
  }
  return best;
}

}  // namespace

Crystallites find_crystallites(std::span<const Vec3> positions, const Box &box, double cutoff)
{
  const PeriodicGraph graph = neighbor_list(positions, box, cutoff);
  const std::vector<char> all(positions.size(), 1);
  const Clusters found = find_clusters(graph, all);
  const std::vector<Vec3> whole = in_one_piece(graph, positions, box);

  Crystallites out;
  out.labels = found.labels;
  out.sizes = found.sizes;
  const std::size_t count = found.sizes.size();
  for (const Sublattice &translations : found.translations) out.dimensions.push_back(translations.rank());
  out.centers.assign(count, Vec3{});
  out.gyration.assign(count, 0.0);
  for (std::size_t i = 0; i < whole.size(); ++i) out.centers[out.labels[i]] = out.centers[out.labels[i]] + whole[i];
  for (std::size_t k = 0; k < count; ++k) out.centers[k] = (1.0 / static_cast<double>(out.sizes[k])) * out.centers[k];
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const Vec3 r = whole[i] - out.centers[out.labels[i]];
    out.gyration[out.labels[i]] += dot(r, r);
  }
  for (std::size_t k = 0; k < count; ++k) {
    out.gyration[k] = out.dimensions[k] ? nan : std::sqrt(out.gyration[k] / static_cast<double>(out.sizes[k]));
    if (out.dimensions[k]) out.centers[k] = {nan, nan, nan};
  }
  return out;
}

Orientation find_orientation(std::span<const std::int64_t> offsets, std::span<const int> types,
                             std::span<const Vec3> vectors, std::span<const Environment> references, double sigma,
                             const std::optional<Orientation> &last)
{
  similarity_cutoff(references, {.sigma = sigma});  // checks both
  Views all;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const std::size_t first = offsets[i], count = offsets[i + 1] - offsets[i];
    all.push_back({types.subspan(first, count), vectors.subspan(first, count)});
  }
  if (all.empty()) throw Error("offsets", "no atoms", "a crystallite has at least one");
  const Views fitted = some_of(all, fitted_atoms), compared = some_of(all, compared_atoms);
  if (last) {
    const Orientation followed = climb(fitted, references, sigma, last->rotation);
    if (followed.similarity >= still_followed * last->similarity) return followed;
  }
  Orientation best = climb(compared, references, sigma, no_rotation);
  for (const EnvironmentView &environment : some_of(all, searched_atoms))
    for (const Environment &reference : references) {
      const Rotation start = best_match(environment, reference, sigma).rotation;
      const Orientation found = climb(compared, references, sigma, start);
      // rotations of the crystal onto itself are equally good: the first one stays
      if (found.similarity > best.similarity / still_followed) best = found;
    }
  return climb(fitted, references, sigma, best.rotation);
}

}  // namespace naglass
