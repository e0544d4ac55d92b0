#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// The neighbors of a center: their types and the vectors to them (Å).
struct EnvironmentView {
  std::span<const int> types;
  std::span<const Vec3> vectors;
};

struct Environment {
  std::vector<int> types;
  std::vector<Vec3> vectors;

  operator EnvironmentView() const { return {types, vectors}; }
};

struct SimilarityOptions {
  double sigma = 0.4;          // Å, width of the Gaussian on each neighbor
  double sharpness = 100.0;    // λ: sharpness of the choice between several references
  double reach = 4.0;          // neighbors count up to this many sigma beyond a reference's farthest one
  bool any_rotation = false;   // compare after the best proper rotation of the reference
};

/// Overlap of an environment with a reference of n neighbors, 1 for a perfect match:
/// (1/n) Σ_i Σ_j exp(-|r_i - r_j|²/4σ²) over pairs of equal type.
/// Piaggi & Parrinello, J. Chem. Phys. 150, 244119 (2019), Eq. 5.
double overlap(const EnvironmentView &environment, const EnvironmentView &reference, double sigma);

/// The same, maximized over proper rotations of the reference. Starting rotations align one pair of the reference's
/// nearest neighbors, per type, with any similar pair of the environment; each is refined to the nearest maximum. 0 if
/// the environment has no such pair.
double best_overlap(const EnvironmentView &environment, const EnvironmentView &reference, double sigma);

/// Similarity of each row's neighbors (CSR: `types` and `vectors` in Å) to a crystal that has several environments:
/// (1/λ) ln Σ_l exp(λ k_l) for a fixed orientation (Eq. 6), the largest k_l with any_rotation. On threads.
/// Throws Error for an option out of range, or without references.
std::vector<double> crystal_similarity(std::span<const std::int64_t> offsets, std::span<const int> types,
                                       std::span<const Vec3> vectors, std::span<const Environment> references,
                                       const SimilarityOptions &options);

/// Distance (Å) from the center to which neighbors enter crystal_similarity().
double similarity_cutoff(std::span<const Environment> references, const SimilarityOptions &options);

/// Keeps one of each kind of environment: two are the same when their neighbors of equal type coincide within
/// `tolerance` (Å), in their own orientation or, with any_rotation, after the best rotation.
std::vector<Environment> distinct_environments(std::span<const Environment> all, double tolerance, bool any_rotation);

}  // namespace naglass
