// The CPU kernels as differentiable operations on tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <vector>

#include "kernels.hpp"

namespace naglass::mace {

/// One layer's convolution and product basis by hand-written kernels, for double or float tensors on the CPU.
class LayerKernels {
 public:
  /// Reads the tables of a post piece. `elements` lists those that occur (indices into the model's); the coefficients
  /// of the others are not made.
  LayerKernels(torch::jit::Module &post, const std::vector<std::int64_t> &elements, int model_elements,
               at::ScalarType dtype);

  /// up M×C, sender rows E, edge ranges N+1, harmonics E×H, weights E×W -> messages N×D. `needs_up_gradient` is false
  /// for a layer whose features are constants.
  at::Tensor convolve(const at::Tensor &up, const at::Tensor &sender, const at::Tensor &start,
                      const at::Tensor &harmonics, const at::Tensor &weights) const;
  /// features N×channels×F -> N×width. `node` lists nodes by element, `first` (model elements + 1) where each begins.
  at::Tensor couple(const at::Tensor &features, const at::Tensor &node, const std::vector<std::int64_t> &first) const;

  struct Tables {
    ConvolutionTable convolution;
    PolynomialTable product;
    std::vector<at::Tensor> coefficients;  // per element of the model: [channel block][term][lane]
    int channels = 0;
  };

 private:
  std::shared_ptr<const Tables> tables_;
};

}  // namespace naglass::mace
