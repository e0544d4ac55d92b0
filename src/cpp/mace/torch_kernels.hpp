// The CPU kernels as differentiable operations on tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <vector>

#include "kernels.hpp"

namespace naglass::mace {

/// Of one layer: up M×C, edges by node with their sender rows E, receiver nodes E and ranges `start` N+1, harmonics
/// E×H, radial features E×R.
struct MessageInputs {
  at::Tensor up, sender, receiver, start, harmonics, radial;
};

/// For some edges: radial features, and the output of the layer's radial network: convolution weights and densities.
struct RadialWeights {
  at::Tensor radial, weights, density;
};

/// message N×D, density N×1, or N×0 if the layer has none; `kept` are the weights of the first blocks of edges.
struct Messages {
  at::Tensor message, density;
  std::vector<RadialWeights> kept;
};

/// Shaped as the inputs; `up` is undefined if not needed.
struct MessageGradients {
  at::Tensor up, harmonics, radial;
};

/// One layer's convolution, with its radial weights, and product basis by hand-written kernels, for double or float
/// tensors on the CPU.
class LayerKernels {
 public:
  /// Reads the tables of a post piece. `elements` lists those that occur (indices into the model's); the coefficients
  /// of the others are not built.
  LayerKernels(torch::jit::Module &post, const std::vector<std::int64_t> &elements, int model_elements,
               at::ScalarType dtype);

  /// Messages and densities of all nodes, by blocks of edges.
  Messages convolve(const MessageInputs &in) const;
  /// Gradients of the inputs from those of messages and densities. Consumes `kept`, and recomputes the weights of the
  /// other blocks.
  MessageGradients convolve_back(const MessageInputs &in, const Messages &gradient, std::vector<RadialWeights> &kept,
                                 bool needs_up) const;
  /// features N×channels×F -> N×width. `node` lists nodes by element, `first` (model elements + 1) where each begins.
  at::Tensor couple(const at::Tensor &features, const at::Tensor &node, const std::vector<std::int64_t> &first) const;

  struct Tables {
    ConvolutionTable convolution;
    PolynomialTable product;
    std::vector<at::Tensor> coefficients;  // per element of the model: [channel block][term][lane]
    int channels = 0;
  };

 private:
  mutable torch::jit::Module post_;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace naglass::mace
