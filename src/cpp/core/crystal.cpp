#include "core/crystal.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "core/interrupt.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

void check_positive(const char *name, double value)
{
  if (!(value > 0.0) || !std::isfinite(value)) throw Error(name, value, "must be a positive number");
}

void check(std::span<const Environment> references, const SimilarityOptions &options)
{
  check_positive("sigma", options.sigma);
  check_positive("sharpness", options.sharpness);
  check_positive("reach", options.reach);
  if (references.empty()) throw Error("references", "none", "needs at least one reference environment");
  for (std::size_t l = 0; l < references.size(); ++l)
    if (references[l].vectors.empty())
      throw Error("references[" + std::to_string(l) + "]", "no neighbors", "an environment needs at least one");
}

bool coincide(const EnvironmentView &a, const EnvironmentView &b, double tolerance)
{
  if (a.types.size() != b.types.size()) return false;
  for (std::size_t i = 0; i < a.types.size(); ++i) {
    bool found = false;
    for (std::size_t j = 0; j < b.types.size() && !found; ++j) {
      const Vec3 r = a.vectors[i] - b.vectors[j];
      found = a.types[i] == b.types[j] && dot(r, r) < tolerance * tolerance;
    }
    if (!found) return false;
  }
  return true;
}

double similarity(const EnvironmentView &environment, std::span<const Environment> references,
                  const SimilarityOptions &options)
{
  std::vector<double> overlaps;
  for (const Environment &reference : references)
    overlaps.push_back(options.any_rotation ? best_overlap(environment, reference, options.sigma)
                                            : overlap(environment, reference, options.sigma));
  const double largest = *std::max_element(overlaps.begin(), overlaps.end());
  if (options.any_rotation) return largest;
  double sum = 0.0;
  for (const double k : overlaps) sum += std::exp(options.sharpness * (k - largest));
  return largest + std::log(sum) / options.sharpness;
}

}  // namespace

double overlap(const EnvironmentView &environment, const EnvironmentView &reference, double sigma)
{
  const double scale = 1.0 / (4.0 * sigma * sigma);
  double sum = 0.0;
  for (std::size_t j = 0; j < reference.vectors.size(); ++j)
    for (std::size_t i = 0; i < environment.vectors.size(); ++i) {
      if (environment.types[i] != reference.types[j]) continue;
      const Vec3 r = environment.vectors[i] - reference.vectors[j];
      sum += std::exp(-dot(r, r) * scale);
    }
  return sum / static_cast<double>(reference.vectors.size());
}

std::vector<double> crystal_similarity(std::span<const std::int64_t> offsets, std::span<const int> types,
                                       std::span<const Vec3> vectors, std::span<const Environment> references,
                                       const SimilarityOptions &options)
{
  check(references, options);
  std::vector<double> similarities(offsets.size() - 1);
  const Interrupt interrupt = Interrupt::current();
  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads_for(similarities.size(), 64))
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(similarities.size()); ++i)
    errors.run([&] {
      interrupt.check();
      const std::size_t first = offsets[i], count = offsets[i + 1] - offsets[i];
      similarities[i] = similarity({types.subspan(first, count), vectors.subspan(first, count)}, references, options);
    });
  errors.rethrow();
  return similarities;
}

double similarity_cutoff(std::span<const Environment> references, const SimilarityOptions &options)
{
  check(references, options);
  double farthest = 0.0;
  for (const Environment &reference : references)
    for (const Vec3 &r : reference.vectors) farthest = std::max(farthest, dot(r, r));
  return std::sqrt(farthest) + options.reach * options.sigma;
}

std::vector<Environment> distinct_environments(std::span<const Environment> all, double tolerance, bool any_rotation)
{
  check_positive("tolerance", tolerance);
  // With sigma equal to the tolerance, two environments within the tolerance overlap by more than exp(-1/4).
  const double same = std::exp(-0.25);
  std::vector<Environment> kept;
  const Interrupt interrupt = Interrupt::current();
  for (const Environment &candidate : all) {
    interrupt.check();
    const auto known = [&](const Environment &other) {
      if (!any_rotation) return coincide(candidate, other, tolerance);
      return candidate.types.size() == other.types.size() && best_overlap(candidate, other, tolerance) > same;
    };
    if (std::none_of(kept.begin(), kept.end(), known)) kept.push_back(candidate);
  }
  return kept;
}

}  // namespace naglass
