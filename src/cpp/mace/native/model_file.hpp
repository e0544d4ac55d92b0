// The description of a model for the native backend: model.json and the arrays of weights.bin, checked.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../archive.hpp"
#include "../json.hpp"
#include "array_file.hpp"

namespace naglass::mace {

/// y = factor activation(norm(x weight + bias)); weight is in × out. norm is left out where `gain` is empty.
struct NetworkStep {
  enum class Activation { identity, silu, tanh, abs, sigmoid };
  int in = 0, out = 0;
  std::vector<double> weight, bias, gain, offset;
  double epsilon = 0, factor = 1;
  Activation activation = Activation::identity;
};
using Network = std::vector<NetworkStep>;

/// A map between irreps: blocks of e3nn columns and their matrices (in × out) one after another, for each element or
/// one for all.
struct IrrepsMap {
  struct Block {
    int in, in_channels, out, out_channels, components;
  };
  std::vector<Block> blocks;
  std::vector<std::vector<double>> weights;
  std::vector<double> constant;  // e3nn columns of the output, or empty
};

struct RadialBasis {
  enum class Kind { bessel, gaussian, chebyshev };
  enum class Transform { none, agnesi, soft };
  Kind kind{};
  Transform transform = Transform::none;
  std::vector<double> values, radii;  // radii: of each element, for the transform
  double factor = 1, q = 0, p = 0, a = 0, alpha = 0;
  int cutoff_power = 0;
  bool cutoff_apart = false;
};

/// Pair repulsion; the first three are elements × elements. Each head has a factor of its own.
struct Repulsion {
  std::vector<double> length, cutoff, strength, weights, rates, scale;
  int power = 0;
};

using Irreps = std::vector<std::array<int, 2>>;  // channels, components

struct LayerFile {
  Irreps up, message, feature, product, node;
  // the first layer: rows by element and state; others: maps
  std::vector<double> first_up, first_skip, first_residual;
  std::optional<IrrepsMap> up_map, skip_map, residual_map;
  Network weights, density;
  std::vector<double> sender_embedding, receiver_embedding;
  int embedding = 0;
  std::vector<std::array<int, 6>> paths;
  std::vector<std::array<int, 4>> entries;
  std::vector<double> values;
  IrrepsMap mix;
  double density_offset = 1, density_factor = 0;
  struct Gate {
    Irreps irreps;
    int scalars, scalar_count;
    std::vector<std::array<int, 4>> gated;  // first column, its first gate's column, channels, components
    double scalar_factor, gate_factor;
    IrrepsMap map;
  };
  std::optional<Gate> gate;
  std::vector<std::int64_t> product_index, product_out, product_dims;
  int correlation = 0;
  std::vector<double> coefficients;  // elements (or one) × terms × channels
  int coefficient_elements = 0;
  IrrepsMap out;
  std::vector<std::int64_t> readout_columns;
  Network readout;  // of the node's features after the layer; an output for each head, or empty
};

/// An output besides the energy: max(0, w_z · f(x) + b_z) with f the identity or one hidden layer of silu.
struct OutputFile {
  std::vector<std::int64_t> columns;  // of the features of all layers side by side
  std::vector<double> inner_weight, inner_bias;  // hidden × columns, elements × hidden; empty if there is none
  std::vector<double> weight, bias;              // elements × (columns or hidden), elements
};

struct ModelFile {
  int elements = 0, heads = 1, degree = 0;
  int initial = 0;  // rows of initial features: the states of all elements
  double r_max = 0;
  std::vector<std::array<int, 3>> exponents;  // of the monomials of the harmonics
  std::vector<double> harmonics;              // monomials × harmonics
  int harmonic_count = 0;
  RadialBasis radial;
  std::optional<Repulsion> repulsion;
  std::vector<LayerFile> layers;
  std::vector<OutputFile> outputs;

  /// Throws std::runtime_error with one sentence if the description is inconsistent.
  static ModelFile read(const Json &document, const ArrayFile &arrays, const Metadata &metadata);
};

}  // namespace naglass::mace
