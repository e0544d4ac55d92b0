// The backward half of BlockPass. Gradients of several energies are kept one after another.
#include <algorithm>

#include "block_pass.hpp"

namespace naglass::mace {

template <typename Real> void BlockPass<Real>::gate_back(std::size_t k)
{
  const auto &layer = model_.layers[k];
  const auto &gate = *layer.gate;
  const auto from_width = static_cast<std::size_t>(layer.mixed.width),
             to_width = static_cast<std::size_t>(layer.feature.width);
  std::vector<Real> back(rows_of(layer.feature.width), Real(0));
  clear(mixed_gradient_, rows_of(layer.mixed.width));
  for (int s = 0; s < energies_; ++s)
    gate.map.apply_back(groups_, rows(feature_gradient_, s, layer.feature.width), rows(back, s, layer.feature.width));
  const auto nodes = static_cast<std::size_t>(block_.nodes);
  for (std::size_t row = 0; row < nodes * static_cast<std::size_t>(energies_); ++row) {
    const Real *const from = mixed_.data() + row % nodes * from_width, *const d = back.data() + row * to_width;
    Real *const to = mixed_gradient_.data() + row * from_width;
    double slope = 0;
    for (const auto &s : gate.scalars) {
      activate(NetworkStep::Activation::silu, from[s.from], slope);
      to[s.from] += static_cast<Real>(gate.scalar_factor * slope) * d[s.to];
    }
    for (const auto &g : gate.gated) {
      const auto open =
          static_cast<Real>(gate.gate_factor * activate(NetworkStep::Activation::sigmoid, from[g.gate], slope));
      Real sum = 0;
      for (int m = 0; m < g.components; ++m) {
        to[g.from + m * g.from_step] += open * d[g.to + m * g.to_step];
        sum += from[g.from + m * g.from_step] * d[g.to + m * g.to_step];
      }
      to[g.gate] += static_cast<Real>(gate.gate_factor * slope) * sum;
    }
  }
}

template <typename Real>
void BlockPass<Real>::backward(std::size_t k, const LayerInput<Real> &in, const Gradients<const Real> &incoming,
                               const LayerGradient<Real> &out)
{
  const auto &layer = model_.layers[k];
  const int width = layer.node.width, product = layer.product.width, feature = layer.feature.width;
  clear(product_gradient_, rows_of(product));
  clear(feature_gradient_, rows_of(feature));
  for (int s = 0; s < energies_; ++s) {
    Real *const own = rows(node_gradient_, s, width);
    if (incoming.first) {
      const Real *const from = incoming.of(s) + block_.first_node * width;
      for (std::ptrdiff_t c = 0; c < static_cast<std::ptrdiff_t>(block_.nodes) * width; ++c) own[c] += from[c];
    }
    if (out.previous.first && layer.skip_map) {
      const auto before = static_cast<std::int64_t>(model_.layers[k - 1].node.width);
      layer.skip_map->apply_back(groups_, own, out.previous.of(s) + block_.first_node * before);
    }
    layer.out.apply_back(groups_, own, rows(product_gradient_, s, product));
  }
  const std::vector<Real> &features = layer.gate ? feature_ : mixed_;
  make_room(work_, 2 * layer.polynomial.steps.size() * lanes<Real>);
  for (const std::ptrdiff_t n : groups_.order)
    kernels_.couple_back(layer.polynomial, layer.product_coefficients(element(static_cast<int>(n))), layer.channels,
                         features.data() + n * feature,
                         {product_gradient_.data() + n * product, static_cast<std::ptrdiff_t>(block_.nodes) * product},
                         {feature_gradient_.data() + n * feature, static_cast<std::ptrdiff_t>(block_.nodes) * feature},
                         energies_, work_.data());
  mix_back(k, out.up);
  messages_back(k, in, out.up);
}

template <typename Real> void BlockPass<Real>::mix_back(std::size_t k, const Gradients<Real> &up_gradient)
{
  const auto &layer = model_.layers[k];
  const int width = layer.mixed.width;
  if (layer.gate) gate_back(k);
  else
    mixed_gradient_.assign(feature_gradient_.begin(),
                           feature_gradient_.begin() + static_cast<std::ptrdiff_t>(rows_of(width)));
  if (layer.gate && !layer.first()) residual_back(k, up_gradient);
  if (layer.has_density) density_back(k);
  clear(message_gradient_, rows_of(layer.message.width));
  std::vector<Real> &scaled = feature_gradient_;
  make_room(scaled, rows_of(width));
  const auto nodes = static_cast<std::size_t>(block_.nodes), columns = static_cast<std::size_t>(width);
  for (std::size_t row = 0; row < nodes * static_cast<std::size_t>(energies_); ++row)
    for (std::size_t c = 0; c < columns; ++c)
      scaled[row * columns + c] = scale_[row % nodes] * mixed_gradient_[row * columns + c];
  for (int s = 0; s < energies_; ++s)
    layer.mix.apply_back(groups_, rows(scaled, s, width), rows(message_gradient_, s, layer.message.width));
}

template <typename Real> void BlockPass<Real>::residual_back(std::size_t k, const Gradients<Real> &up_gradient)
{
  const auto &layer = model_.layers[k];
  const auto nodes = static_cast<std::size_t>(block_.nodes), up = static_cast<std::size_t>(layer.up.width);
  std::vector<Real> back;
  for (int s = 0; s < energies_; ++s) {
    back.assign(nodes * up, Real(0));
    layer.residual_map->apply_back(groups_, rows(mixed_gradient_, s, layer.mixed.width), back.data());
    for (std::size_t n = 0; n < nodes; ++n) {
      Real *const row = up_gradient.of(s) + graph_->node_row[static_cast<std::size_t>(block_.first_node) + n] *
                                                static_cast<std::int64_t>(up);
      for (std::size_t c = 0; c < up; ++c) row[c] += back[n * up + c];
    }
  }
}

// d(scale L m)/d(density) = -factor scale (scale L m), and what a gate adds later does not belong to scale L m.
template <typename Real> void BlockPass<Real>::density_back(std::size_t k)
{
  const auto &layer = model_.layers[k];
  const auto nodes = static_cast<std::size_t>(block_.nodes), width = static_cast<std::size_t>(layer.mixed.width);
  std::vector<Real> linear(layer.gate ? nodes * width : 0, Real(0));
  if (layer.gate) layer.mix.apply(groups_, message_.data(), linear.data());
  scale_gradient_.assign(rows_of(1), Real(0));
  for (std::size_t row = 0; row < scale_gradient_.size(); ++row) {
    const std::size_t n = row % nodes;
    Real dot = 0;
    for (std::size_t c = 0; c < width; ++c)
      dot +=
          mixed_gradient_[row * width + c] * (layer.gate ? scale_[n] * linear[n * width + c] : mixed_[n * width + c]);
    scale_gradient_[row] = -layer.density_factor * scale_[n] * dot;
  }
}

template <typename Real>
void BlockPass<Real>::messages_back(std::size_t k, const LayerInput<Real> &in, const Gradients<Real> &up_gradient)
{
  const auto &layer = model_.layers[k];
  const auto room = static_cast<std::size_t>(layer.most_pairs) * static_cast<std::size_t>(stride_);
  const std::ptrdiff_t width = layer.message.width,
                       harmonics = static_cast<std::ptrdiff_t>(stride_) * model_.harmonics.count;
  make_room(coupling_, room);
  make_room(coupling_gradient_, room);
  for (std::size_t p = 0; p < layer.paths.size(); ++p) {
    const auto &path = layer.paths[p];
    weights(k, p, true);
    for (int n = 0; n < block_.nodes; ++n) {
      const auto first = block_.edge_start[n] - block_.first_edge;
      const auto edges = coupled_edges(k, p, n);
      for (int s = 0; s < energies_; ++s) {
        kernels_.convolve_back(path, edges, in.up, layer.up.width,
                               rows(message_gradient_, s, layer.message.width) + n * width,
                               up_gradient.first ? up_gradient.of(s) : nullptr, coupling_gradient_.data(),
                               radial_gradient_.data() + s * stride_ + first);
        kernels_.couplings_back(layer.entries[p], coupling_gradient_.data(), edges.stride, edges.count,
                                harmonics_gradient_.data() + s * harmonics + first, stride_);
      }
    }
  }
  if (!layer.has_density) return;
  weights(k, layer.paths.size(), true);
  for (int s = 0; s < energies_; ++s)
    for (int n = 0; n < block_.nodes; ++n)
      for (auto e = block_.edge_start[n] - block_.first_edge; e < block_.edge_start[n + 1] - block_.first_edge; ++e)
        radial_gradient_[static_cast<std::size_t>(s * stride_ + e)] +=
            *(rows(scale_gradient_, s, 1) + n) * slope_[static_cast<std::size_t>(e) * lanes<Real>];
}

template <typename Real> void BlockPass<Real>::add_edge_gradient(const Gradients<double> &edge_gradient)
{
  const auto stride = static_cast<std::size_t>(stride_);
  make_room(work_, stride * static_cast<std::size_t>(3 * (model_.harmonics.degree + 1) + 1));
  for (int s = 0; s < energies_; ++s) {
    clear(unit_gradient_, 3 * stride);
    kernels_.harmonics_back(model_.harmonics, unit_.data(),
                            harmonics_gradient_.data() +
                                static_cast<std::ptrdiff_t>(s) * stride_ * model_.harmonics.count,
                            block_.edges, stride_, unit_gradient_.data(), work_.data());
    const Real *const radial = radial_gradient_.data() + static_cast<std::ptrdiff_t>(s) * stride_;
    for (std::size_t e = 0; e < static_cast<std::size_t>(block_.edges); ++e) {
      const std::size_t edge = 3 * (static_cast<std::size_t>(block_.first_edge) + e);
      double *const to = edge_gradient.of(s) + edge;
      const double *const d = graph_->vectors.data() + edge;
      const double r = length_[e];
      double along = 0;
      for (std::size_t a = 0; a < 3; ++a) along += d[a] / r * static_cast<double>(unit_gradient_[a * stride + e]);
      for (std::size_t a = 0; a < 3; ++a)
        to[a] += static_cast<double>(radial[e]) * d[a] / r +
                 (static_cast<double>(unit_gradient_[a * stride + e]) - along * d[a] / r) / r;
    }
  }
}

template void BlockPass<double>::backward(std::size_t, const LayerInput<double> &, const Gradients<const double> &,
                                          const LayerGradient<double> &);
template void BlockPass<float>::backward(std::size_t, const LayerInput<float> &, const Gradients<const float> &,
                                         const LayerGradient<float> &);
template void BlockPass<double>::add_edge_gradient(const Gradients<double> &);
template void BlockPass<float>::add_edge_gradient(const Gradients<double> &);

}  // namespace naglass::mace
