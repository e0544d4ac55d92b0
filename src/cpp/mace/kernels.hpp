// The two hot loops of a MACE layer on the CPU, free of libtorch: convolution over edges and product basis on nodes.
#pragma once

#include <cstdint>
#include <vector>

namespace naglass::mace {

/// message[k, u] = sum over paths weight[path, u] sum_ij C[path, i, j, k] up[i, u] harmonics[j]
struct ConvolutionTable {
  struct Path {
    int in, in_dim, channels, out, out_dim, weight;  // offsets into rows of up, message, weights
  };
  /// One input and output component of a path, and the range of `terms` that couple them through harmonics.
  struct Pair {
    int i, k, first, last;
  };
  struct Term {
    int harmonic;
    double value;
  };
  struct Input {
    int offset, dim, channels;
  };
  std::vector<Input> inputs;  // several paths share one
  std::vector<Path> paths;
  std::vector<int> first_pair;  // per path, and the end
  std::vector<Pair> pairs;      // ordered by path, k, i
  std::vector<Term> terms;
  int in_width = 0, out_width = 0, weight_width = 0, harmonics = 0, widest = 0;

  /// From rows (path) in, in_dim, channels, out, out_dim, weight and (entry) path, i, harmonic, k with its value.
  static ConvolutionTable from_rows(const std::vector<std::int64_t> &paths, const std::vector<std::int64_t> &entries,
                                    const std::vector<double> &values, int harmonics);
};

/// Edges grouped by node: those of node n are [start[n], start[n + 1]).
struct EdgeGroups {
  const std::int64_t *sender;
  const std::int64_t *start;
  std::int64_t nodes;
};

/// A polynomial of a node's features as a tree of products: value[s] = value[parent] x[factor]; terms take values.
struct PolynomialTable {
  struct Step {
    int parent, factor;  // parent -1: the feature itself
  };
  struct Term {
    int step, out, row;  // row of the coefficients
  };
  std::vector<Step> steps;
  std::vector<int> first_term;  // per step, and the end
  std::vector<Term> terms;
  std::vector<int> out_offset, out_stride;  // of each output row within a node's e3nn-ordered result
  int features = 0, outputs = 0, width = 0;

  /// From monomials (terms × correlation, padded with `features`) and their output rows; `dims` are the numbers of
  /// components of the irreps that the output rows make up, `channels` that of the channels.
  static PolynomialTable from_rows(const std::vector<std::int64_t> &index, int correlation,
                                   const std::vector<std::int64_t> &out, const std::vector<std::int64_t> &dims,
                                   int features, int channels);
};

/// Channels processed at a time: one cache line.
template <typename Real> inline constexpr int lanes = 64 / static_cast<int>(sizeof(Real));

/// One set of kernels, compiled for one instruction set. Arrays are dense, row by row, in e3nn's order (component
/// fastest); `_back` functions take the gradient of the result and write those of the inputs.
template <typename Real> struct Kernels {
  /// up rows×in_width, harmonics E×H, weights E×W -> message N×out_width, for nodes [first, last).
  void (*convolve)(const ConvolutionTable &, const EdgeGroups &, const Real *up, const Real *harmonics,
                   const Real *weights, Real *message, std::int64_t first, std::int64_t last);
  /// `up_gradient` (rows×in_width) is added to, null if not needed.
  void (*convolve_back)(const ConvolutionTable &, const EdgeGroups &, const Real *up, const Real *harmonics,
                        const Real *weights, const Real *message_gradient, Real *up_gradient, Real *harmonics_gradient,
                        Real *weights_gradient, std::int64_t first, std::int64_t last);
  /// features N×channels×F and one element's coefficients, [channel block][term][lane] -> result N×width, for the
  /// `count` nodes listed.
  void (*couple)(const PolynomialTable &, const Real *coefficients, int channels, const Real *features, Real *result,
                 const std::int64_t *node, std::int64_t count);
  void (*couple_back)(const PolynomialTable &, const Real *coefficients, int channels, const Real *features,
                      const Real *result_gradient, Real *features_gradient, const std::int64_t *node,
                      std::int64_t count);
};

/// The fastest kernels that this processor supports.
template <typename Real> const Kernels<Real> &kernels();

namespace baseline {
template <typename Real> Kernels<Real> table();
}
namespace avx2 {
template <typename Real> Kernels<Real> table();
}
namespace avx512 {
template <typename Real> Kernels<Real> table();
}

}  // namespace naglass::mace
