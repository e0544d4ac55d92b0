// The inner loops of the native backend, compiled for several instruction sets and chosen at run time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace naglass::mace {

/// Channels are padded with zeros to a multiple of this many: one cache line.
template <typename Real> inline constexpr int lanes = 64 / static_cast<int>(sizeof(Real));

template <typename Real> constexpr int padded(int channels)
{ return (channels + lanes<Real> - 1) / lanes<Real> * lanes<Real>; }

/// One path of a convolution: message[k, u] += weight[u] sum_i coupling[i, k] x[i, u].
struct ConvolutionPath {
  int in, in_dim, out, out_dim, channels;  // offsets into rows of x and of messages; channels are padded
};

/// The edges of one node. `coupling` has a row of `stride` values for every pair (i, k), i slowest.
template <typename Real> struct NodeEdges {
  int count, stride;
  const std::int32_t *row;  // per edge, of the sender's features
  const Real *coupling;
  const Real *weight, *slope;  // per edge and channel; slope is the weight's derivative by the distance
};

/// A polynomial of a node's features as a tree of products: value[s] = value[parent] x[factor]; terms take values.
struct PolynomialTable {
  struct Step {
    int parent, factor;  // parent -1: the feature itself
  };
  struct Term {
    int out, row;  // row of the coefficients
  };
  std::vector<Step> steps;
  std::vector<int> first_term;  // per step, and the end
  std::vector<Term> terms;
  std::vector<int> out_offset;  // of each output within a node's result
  int features = 0, outputs = 0;

  /// From monomials (terms × correlation, padded with `features`) and their output rows.
  static PolynomialTable from_rows(const std::vector<std::int64_t> &index, int correlation,
                                   const std::vector<std::int64_t> &out, int features, std::vector<int> out_offset);
};

/// Coupling of one input component with one output component (pair = i out_dim + k) through a harmonic.
struct CouplingEntry {
  int pair, harmonic;
  double value;
};

/// Real spherical harmonics as polynomials of unit vectors; monomials are x^a y^b z^c.
struct HarmonicTable {
  struct Term {
    int harmonic, monomial;
    double value;
  };
  int degree = 0, count = 0;
  std::vector<std::array<int, 3>> exponents;
  std::vector<Term> terms;  // ordered by monomial
};

/// Rows of one node by several energies: those of the energy s start at first + s step.
template <typename Real> struct Gradients {
  Real *first;
  std::ptrdiff_t step;
  Real *of(int s) const { return first + s * step; }
};

/// One set of kernels, compiled for one instruction set. Arrays over edges have one row of `stride` values for each
/// component.
template <typename Real> struct NativeKernels {
  /// y[r][0..n) += x[r][0..k) w (k×n), n padded.
  void (*multiply)(const Real *const *x, Real *const *y, std::int64_t rows, const Real *w, int k, int n);
  /// out[edge[e]][0..channels) = sum_d basis[edge[e]][d] coefficient[d][0..channels) for e < count.
  void (*interpolate)(const Real *coefficient, int terms, const Real *basis, const std::int32_t *edge, int count,
                      Real *out, int channels);
  /// Unit vectors 3×edges -> harmonics. `work` holds (3 (degree + 1) + 1)×stride.
  void (*harmonics)(const HarmonicTable &table, const Real *unit, int edges, int stride, Real *harmonics, Real *work);
  /// Adds the gradient by the components of the unit vectors. `work` holds (3 (degree + 1) + 1)×stride.
  void (*harmonics_back)(const HarmonicTable &table, const Real *unit, const Real *harmonics_gradient, int edges,
                         int stride, Real *unit_gradient, Real *work);
  /// couplings of `pairs` rows; the harmonics' rows are `harmonic_stride` apart.
  void (*couplings)(const std::vector<CouplingEntry> &entries, int pairs, const Real *harmonics, int harmonic_stride,
                    int edges, Real *coupling, int stride);
  /// Adds to the harmonics' gradient.
  void (*couplings_back)(const std::vector<CouplingEntry> &entries, const Real *coupling_gradient, int stride,
                         int edges, Real *harmonics_gradient, int harmonic_stride);
  /// Writes the path's components of one node's message.
  void (*convolve)(const ConvolutionPath &path, const NodeEdges<Real> &edges, const Real *x, int x_width,
                   Real *message);
  /// From the message's gradient: adds to `distance_gradient` (per edge) and to rows of `x_gradient` unless null, and
  /// writes `coupling_gradient`, laid out as the couplings.
  void (*convolve_back)(const ConvolutionPath &path, const NodeEdges<Real> &edges, const Real *x, int x_width,
                        const Real *message_gradient, Real *x_gradient, Real *coupling_gradient,
                        Real *distance_gradient);
  /// Features of one node [feature][channel] and coefficients [channel group][term][lane] -> result, whose rows of
  /// channels start at `out_offset`. `work` has one group of lanes per step.
  void (*couple)(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features,
                 Real *result, Real *work);
  /// For each of several gradients. `work` has two groups of lanes per step.
  void (*couple_back)(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features,
                      const Gradients<const Real> &result, const Gradients<Real> &to_features, int count, Real *work);
};

/// The fastest kernels that this processor supports; NAGLASS_MACE_KERNELS=baseline, avx2 or avx512 asks for others.
template <typename Real> const NativeKernels<Real> &native_kernels();

namespace baseline {
template <typename Real> NativeKernels<Real> native_table();
}
namespace avx2 {
template <typename Real> NativeKernels<Real> native_table();
}
namespace avx512 {
template <typename Real> NativeKernels<Real> native_table();
}

}  // namespace naglass::mace
