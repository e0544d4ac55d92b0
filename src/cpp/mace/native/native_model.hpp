// A model laid out for the kernels: rows of padded channels, matrices in both directions, tables by element.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "layout.hpp"
#include "model_file.hpp"
#include "native_kernels.hpp"
#include "packed_network.hpp"
#include "radial_table.hpp"

namespace naglass::mace {

/// Nodes of a block, ordered by element: those of element z are order[first[z]] to order[first[z + 1] - 1].
struct ElementGroups {
  std::vector<std::int32_t> order;
  std::vector<std::int32_t> first;
};

/// A linear map between rows of two layouts, for each element or one for all.
template <typename Real> class PackedMap {
 public:
  PackedMap() = default;
  PackedMap(const IrrepsMap &map, const Layout &in, const Layout &out, const std::vector<std::int64_t> &used);

  /// Adds the map of x to y, rows of nodes; and its constant.
  void apply(const ElementGroups &nodes, const Real *x, Real *y) const;
  /// Adds the transposed map of y's gradient to x's gradient.
  void apply_back(const ElementGroups &nodes, const Real *y_gradient, Real *x_gradient) const;

 private:
  struct Block {
    int in, in_channels, in_padded, out, out_channels, out_padded, components;
    std::ptrdiff_t place, place_back;  // of the matrix
  };
  void run(std::span<const std::int32_t> nodes, std::size_t element, bool back, const Real *x, Real *y) const;
  void for_each_element(const ElementGroups &nodes, bool back, const Real *x, Real *y) const;

  std::vector<Block> blocks_;
  std::vector<std::vector<Real>> forward_, backward_;  // per element, or one
  std::vector<Real> constant_;
  int in_width_ = 0, out_width_ = 0;
};

/// One layer of the model.
template <typename Real> struct NativeLayer {
  /// Scalars pass silu, other channels are multiplied by the sigmoid of a scalar of their own.
  struct Gate {
    struct Scalar {
      int from, to;
    };
    struct Gated {
      int gate, from, from_step, to, to_step, components;
    };
    std::vector<Scalar> scalars;
    std::vector<Gated> gated;
    double scalar_factor, gate_factor;
    PackedMap<Real> map;
  };
  Layout up, message, feature, product, node, mixed;  // mixed: of the map's output, the gate's input or the features
  std::vector<ConvolutionPath> paths;
  std::vector<std::vector<CouplingEntry>> entries;  // per path
  int most_pairs = 0;                               // of a path
  std::vector<Real> first_up, first_skip, first_residual;
  std::optional<PackedMap<Real>> up_map, skip_map, residual_map;
  PackedMap<Real> mix, out;
  Real density_offset, density_factor;
  bool has_density = false;
  std::optional<Gate> gate;
  PolynomialTable polynomial;
  int channels = 0;                             // padded, of features
  std::vector<std::vector<Real>> coefficients;  // per element; shared ones once, at 0
  bool shared_product = false;
  std::vector<int> readout_columns;
  PackedNetwork readout;  // an output for each head

  bool first() const { return !up_map; }
  const Real *product_coefficients(std::int64_t element) const
  { return coefficients[shared_product ? 0 : static_cast<std::size_t>(element)].data(); }
};

/// Extra output: columns are (layer, column of its node features).
struct NativeOutput {
  std::vector<std::pair<int, int>> columns;
  OutputFile file;
};

template <typename Real> struct NativeModel {
  NativeModel(const ModelFile &file, const std::vector<std::int64_t> &used);

  int elements, heads;
  HarmonicTable harmonics;
  RadialTables<Real> radial;
  std::optional<Repulsion> repulsion;
  std::vector<NativeLayer<Real>> layers;
  std::vector<NativeOutput> outputs;
};

}  // namespace naglass::mace
