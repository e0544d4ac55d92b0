// The backward half of BlockPass.
#include <algorithm>

#include "block_pass.hpp"
#include "radial_functions.hpp"

namespace naglass::mace {

template <typename Real> void BlockPass<Real>::gate_back(std::size_t k)
{
  const auto &layer = model_.layers[k];
  const auto &gate = *layer.gate;
  const auto from_width = static_cast<std::size_t>(layer.mixed.width),
             to_width = static_cast<std::size_t>(layer.feature.width);
  std::vector<Real> back(static_cast<std::size_t>(block_.nodes) * to_width, Real(0));
  gate.map.apply_back(groups_, feature_gradient_.data(), back.data());
  clear(mixed_gradient_, static_cast<std::size_t>(block_.nodes) * from_width);
  for (std::size_t n = 0; n < static_cast<std::size_t>(block_.nodes); ++n) {
    const Real *const from = mixed_.data() + n * from_width, *const d = back.data() + n * to_width;
    Real *const to = mixed_gradient_.data() + n * from_width;
    for (const auto &s : gate.scalars)
      to[s.from] +=
          static_cast<Real>(gate.scalar_factor * activate_slope(NetworkStep::Activation::silu, from[s.from])) * d[s.to];
    for (const auto &g : gate.gated) {
      const double x = from[g.gate];
      const auto open = static_cast<Real>(gate.gate_factor * activate(NetworkStep::Activation::sigmoid, x));
      Real sum = 0;
      for (int m = 0; m < g.components; ++m) {
        to[g.from + m * g.from_step] += open * d[g.to + m * g.to_step];
        sum += from[g.from + m * g.from_step] * d[g.to + m * g.to_step];
      }
      to[g.gate] += static_cast<Real>(gate.gate_factor * activate_slope(NetworkStep::Activation::sigmoid, x)) * sum;
    }
  }
}

template <typename Real>
void BlockPass<Real>::backward(std::size_t k, const LayerInput<Real> &in, const Real *incoming,
                               const LayerGradient<Real> &out)
{
  const auto &layer = model_.layers[k];
  const auto nodes = static_cast<std::size_t>(block_.nodes), width = static_cast<std::size_t>(layer.node.width);
  if (incoming)
    for (std::size_t c = 0; c < nodes * width; ++c)
      node_gradient_[c] += incoming[static_cast<std::size_t>(block_.first_node) * width + c];
  if (out.previous && layer.skip_map) {
    const auto before = static_cast<std::int64_t>(model_.layers[k - 1].node.width);
    layer.skip_map->apply_back(groups_, node_gradient_.data(), out.previous + block_.first_node * before);
  }
  clear(product_gradient_, nodes * static_cast<std::size_t>(layer.product.width));
  layer.out.apply_back(groups_, node_gradient_.data(), product_gradient_.data());
  clear(feature_gradient_, nodes * static_cast<std::size_t>(layer.feature.width));
  const std::vector<Real> &features = layer.gate ? feature_ : mixed_;
  make_room(work_, 2 * layer.polynomial.steps.size() * lanes<Real>);
  for (const auto n : groups_.order)
    kernels_.couple_back(layer.polynomial, layer.product_coefficients(element(n)), layer.channels,
                         features.data() + static_cast<std::ptrdiff_t>(n) * layer.feature.width,
                         product_gradient_.data() + static_cast<std::ptrdiff_t>(n) * layer.product.width,
                         feature_gradient_.data() + static_cast<std::ptrdiff_t>(n) * layer.feature.width, work_.data());
  mix_back(k, out.up);
  messages_back(k, in, out.up);
}

template <typename Real>
void BlockPass<Real>::mix_back(std::size_t k, Real *up_gradient)
{
  const auto &layer = model_.layers[k];
  const auto nodes = static_cast<std::size_t>(block_.nodes), width = static_cast<std::size_t>(layer.mixed.width);
  if (layer.gate) gate_back(k);
  else
    mixed_gradient_.assign(feature_gradient_.begin(),
                           feature_gradient_.begin() + static_cast<std::ptrdiff_t>(nodes * width));
  if (layer.gate && !layer.first()) {
    const auto up = static_cast<std::size_t>(layer.up.width);
    std::vector<Real> back(nodes * up, Real(0));
    layer.residual_map->apply_back(groups_, mixed_gradient_.data(), back.data());
    for (std::size_t n = 0; n < nodes; ++n) {
      Real *const row = up_gradient + graph_->node_row[static_cast<std::size_t>(block_.first_node) + n] *
                                          static_cast<std::int64_t>(up);
      for (std::size_t c = 0; c < up; ++c) row[c] += back[n * up + c];
    }
  }
  clear(message_gradient_, nodes * static_cast<std::size_t>(layer.message.width));
  std::vector<Real> &scaled = feature_gradient_;
  scale_gradient_.assign(nodes, Real(0));
  make_room(scaled, nodes * width);
  if (layer.has_density) {
    // d(scale L m)/d(density) = -factor scale (scale L m), and what a gate adds later does not belong to scale L m
    std::vector<Real> linear(nodes * width, Real(0));
    if (layer.gate) layer.mix.apply(groups_, message_.data(), linear.data());
    for (std::size_t n = 0; n < nodes; ++n) {
      Real dot = 0;
      for (std::size_t c = 0; c < width; ++c)
        dot +=
            mixed_gradient_[n * width + c] * (layer.gate ? scale_[n] * linear[n * width + c] : mixed_[n * width + c]);
      scale_gradient_[n] = -layer.density_factor * scale_[n] * dot;
    }
  }
  for (std::size_t n = 0; n < nodes; ++n)
    for (std::size_t c = 0; c < width; ++c) scaled[n * width + c] = scale_[n] * mixed_gradient_[n * width + c];
  layer.mix.apply_back(groups_, scaled.data(), message_gradient_.data());
}

template <typename Real>
void BlockPass<Real>::messages_back(std::size_t k, const LayerInput<Real> &in, Real *up_gradient)
{
  const auto &layer = model_.layers[k];
  const auto width = static_cast<std::size_t>(layer.message.width);
  const auto room = static_cast<std::size_t>(layer.most_pairs) * static_cast<std::size_t>(stride_);
  make_room(coupling_, room);
  make_room(coupling_gradient_, room);
  for (std::size_t p = 0; p < layer.paths.size(); ++p) {
    const auto &path = layer.paths[p];
    weights(k, p, true);
    for (int n = 0; n < block_.nodes; ++n) {
      const auto first = block_.edge_start[n] - block_.first_edge;
      const auto edges = coupled_edges(k, p, n);
      kernels_.convolve_back(path, edges, in.up, layer.up.width,
                             message_gradient_.data() + static_cast<std::size_t>(n) * width, up_gradient,
                             coupling_gradient_.data(), radial_gradient_.data() + first);
      kernels_.couplings_back(layer.entries[p], coupling_gradient_.data(), edges.stride, edges.count,
                              harmonics_gradient_.data() + first, stride_);
    }
  }
  if (!layer.has_density) return;
  weights(k, layer.paths.size(), true);
  for (int n = 0; n < block_.nodes; ++n)
    for (auto e = block_.edge_start[n] - block_.first_edge; e < block_.edge_start[n + 1] - block_.first_edge; ++e)
      radial_gradient_[static_cast<std::size_t>(e)] +=
          scale_gradient_[static_cast<std::size_t>(n)] * slope_[static_cast<std::size_t>(e) * lanes<Real>];
}

template <typename Real> void BlockPass<Real>::add_edge_gradient(double *edge_gradient)
{
  const auto stride = static_cast<std::size_t>(stride_);
  clear(unit_gradient_, 3 * stride);
  make_room(work_, stride * static_cast<std::size_t>(3 * (model_.harmonics.degree + 1) + 1));
  kernels_.harmonics_back(model_.harmonics, unit_.data(), harmonics_gradient_.data(), block_.edges, stride_,
                          unit_gradient_.data(), work_.data());
  for (std::size_t e = 0; e < static_cast<std::size_t>(block_.edges); ++e) {
    double *const to = edge_gradient + 3 * (static_cast<std::size_t>(block_.first_edge) + e);
    const double *const d = graph_->vectors.data() + 3 * (static_cast<std::size_t>(block_.first_edge) + e);
    const double r = length_[e];
    double along = 0;
    for (std::size_t a = 0; a < 3; ++a) along += d[a] / r * static_cast<double>(unit_gradient_[a * stride + e]);
    for (std::size_t a = 0; a < 3; ++a)
      to[a] += static_cast<double>(radial_gradient_[e]) * d[a] / r +
               (static_cast<double>(unit_gradient_[a * stride + e]) - along * d[a] / r) / r;
  }
}

template void BlockPass<double>::backward(std::size_t, const LayerInput<double> &, const double *,
                                          const LayerGradient<double> &);
template void BlockPass<float>::backward(std::size_t, const LayerInput<float> &, const float *,
                                         const LayerGradient<float> &);
template void BlockPass<double>::add_edge_gradient(double *);
template void BlockPass<float>::add_edge_gradient(double *);

}  // namespace naglass::mace
