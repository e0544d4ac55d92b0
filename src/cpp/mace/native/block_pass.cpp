#include "block_pass.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace naglass::mace {
template <typename Real>
BlockPass<Real>::BlockPass(const NativeModel<Real> &model) : model_(model), kernels_(native_kernels<Real>())
{ groups_.first.resize(static_cast<std::size_t>(model.elements) + 1); }

template <typename Real> std::size_t BlockPass<Real>::rows_of(int width) const
{
  return static_cast<std::size_t>(energies_) * static_cast<std::size_t>(block_.nodes) * static_cast<std::size_t>(width);
}

template <typename Real> std::size_t BlockPass<Real>::row(int node) const
{ return static_cast<std::size_t>(graph_->node_row[static_cast<std::size_t>(block_.first_node + node)]); }

template <typename Real> std::int64_t BlockPass<Real>::element(int node) const
{ return graph_->row_element[row(node)]; }

template <typename Real> std::int64_t BlockPass<Real>::initial(int node) const
{ return graph_->row_initial[row(node)]; }

template <typename Real> void BlockPass<Real>::begin(const Graph &graph, const Block &block, bool each_head)
{
  graph_ = &graph;
  block_ = block;
  energies_ = each_head ? model_.heads : 1;
  stride_ = room_for(block.edges);
  const auto edges = static_cast<std::size_t>(block.edges), stride = static_cast<std::size_t>(stride_);
  constexpr std::size_t terms = RadialGrid::terms;
  length_.resize(edges);
  sender_row_.resize(edges);
  sender_initial_.resize(edges);
  key_.resize(edges);
  make_room(unit_, 3 * stride);
  make_room(basis_, stride * terms);
  make_room(basis_slope_, stride * terms);
  make_room(harmonics_, stride * static_cast<std::size_t>(model_.harmonics.count));
  make_room(work_, stride * static_cast<std::size_t>(3 * (model_.harmonics.degree + 1) + 1));
  const auto &radial = model_.radial;
  for (int n = 0; n < block.nodes; ++n) {
    const auto receiver = element(n);
    for (auto edge = block.edge_start[n]; edge < block.edge_start[n + 1]; ++edge) {
      const auto e = static_cast<std::size_t>(edge - block.first_edge);
      const double *const d = graph.vectors.data() + 3 * edge;
      const double r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
      length_[e] = r;
      for (std::size_t a = 0; a < 3; ++a) unit_[a * stride + e] = static_cast<Real>(d[a] / r);
      const auto row = graph.sender[static_cast<std::size_t>(edge)];
      sender_row_[e] = static_cast<std::int32_t>(row);
      const auto sender = graph.row_element[static_cast<std::size_t>(row)];
      sender_initial_[e] = static_cast<std::int32_t>(graph.row_initial[static_cast<std::size_t>(row)]);
      key_[e] = radial.sets.of(sender, receiver) * radial.grid.intervals() +
                radial.grid.at(r, &basis_[e * terms], &basis_slope_[e * terms]);
    }
  }
  sort_edges();
  kernels_.harmonics(model_.harmonics, unit_.data(), block.edges, stride_, harmonics_.data(), work_.data());
  const auto energies = static_cast<std::size_t>(energies_);
  clear(harmonics_gradient_, energies * stride * static_cast<std::size_t>(model_.harmonics.count));
  clear(radial_gradient_, energies * stride);
  groups_.order.resize(static_cast<std::size_t>(block.nodes));
  std::fill(groups_.first.begin(), groups_.first.end(), 0);
  for (int n = 0; n < block.nodes; ++n) ++groups_.first[static_cast<std::size_t>(element(n)) + 1];
  std::partial_sum(groups_.first.begin(), groups_.first.end(), groups_.first.begin());
  std::vector<std::int32_t> next = groups_.first;
  for (int n = 0; n < block.nodes; ++n)
    groups_.order[static_cast<std::size_t>(next[static_cast<std::size_t>(element(n))]++)] = n;
}

// Edges of one interval share the coefficients of its polynomials.
template <typename Real> void BlockPass<Real>::sort_edges()
{
  order_.resize(key_.size());
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
    const auto ka = key_[static_cast<std::size_t>(a)], kb = key_[static_cast<std::size_t>(b)];
    return ka != kb ? ka < kb : a < b;
  });
  runs_.clear();
  for (int e = 0; e < static_cast<int>(order_.size()); ++e) {
    const int key = key_[static_cast<std::size_t>(order_[static_cast<std::size_t>(e)])];
    if (runs_.empty() || runs_.back().key != key) runs_.push_back({key, e, e});
    ++runs_.back().last;
  }
}

template <typename Real> void BlockPass<Real>::weights(std::size_t k, std::size_t part, bool slopes)
{
  const auto &table = model_.radial.layers[k];
  const int channels = table.parts[part].channels;
  const auto size = static_cast<std::size_t>(stride_) * static_cast<std::size_t>(channels);
  make_room(weight_, size);
  make_room(slope_, size);
  for (const Run &run : runs_) {
    const Real *const coefficients = table.coefficients(part, run.key);
    const std::int32_t *const edges = order_.data() + run.first;
    kernels_.interpolate(coefficients, RadialGrid::terms, basis_.data(), edges, run.last - run.first, weight_.data(),
                         channels);
    if (slopes)
      kernels_.interpolate(coefficients, RadialGrid::terms, basis_slope_.data(), edges, run.last - run.first,
                           slope_.data(), channels);
  }
}

// Couples the components of one path on the edges of a node; `coupling_` holds those of one node at a time.
template <typename Real> NodeEdges<Real> BlockPass<Real>::coupled_edges(std::size_t k, std::size_t p, int node)
{
  const auto &layer = model_.layers[k];
  const auto &path = layer.paths[p];
  const auto first = static_cast<std::ptrdiff_t>(block_.edge_start[node] - block_.first_edge);
  const int count = static_cast<int>(block_.edge_start[node + 1] - block_.edge_start[node]);
  kernels_.couplings(layer.entries[p], path.in_dim * path.out_dim, harmonics_.data() + first, stride_, count,
                     coupling_.data(), room_for(count));
  return {count,
          room_for(count),
          senders(k).data() + first,
          coupling_.data(),
          weight_.data() + first * path.channels,
          slope_.data() + first * path.channels};
}

template <typename Real> void BlockPass<Real>::messages(std::size_t k, const LayerInput<Real> &in)
{
  const auto &layer = model_.layers[k];
  const auto width = static_cast<std::size_t>(layer.message.width);
  clear(message_, static_cast<std::size_t>(block_.nodes) * width);
  make_room(coupling_, static_cast<std::size_t>(layer.most_pairs) * static_cast<std::size_t>(stride_));
  for (std::size_t p = 0; p < layer.paths.size(); ++p) {
    const auto &path = layer.paths[p];
    weights(k, p, false);
    for (int n = 0; n < block_.nodes; ++n)
      kernels_.convolve(path, coupled_edges(k, p, n), in.up, layer.up.width,
                        message_.data() + static_cast<std::size_t>(n) * width);
  }
  scale_.assign(static_cast<std::size_t>(block_.nodes), layer.density_offset);
  if (layer.has_density) {
    weights(k, layer.paths.size(), false);
    for (int n = 0; n < block_.nodes; ++n) {
      Real density = 0;
      for (auto e = block_.edge_start[n] - block_.first_edge; e < block_.edge_start[n + 1] - block_.first_edge; ++e)
        density += weight_[static_cast<std::size_t>(e) * lanes<Real>];
      scale_[static_cast<std::size_t>(n)] += layer.density_factor * density;
    }
  }
  for (Real &value : scale_) value = 1 / value;
}

template <typename Real> void BlockPass<Real>::mix(std::size_t k, const LayerInput<Real> &in)
{
  const auto &layer = model_.layers[k];
  const auto width = static_cast<std::size_t>(layer.mixed.width);
  clear(mixed_, static_cast<std::size_t>(block_.nodes) * width);
  layer.mix.apply(groups_, message_.data(), mixed_.data());
  for (std::size_t n = 0; n < scale_.size(); ++n)
    for (std::size_t c = 0; c < width; ++c) mixed_[n * width + c] *= scale_[n];
  if (!layer.gate) return;
  if (layer.first()) {
    for (int n = 0; n < block_.nodes; ++n)
      for (std::size_t c = 0; c < width; ++c)
        mixed_[static_cast<std::size_t>(n) * width + c] +=
            layer.first_residual[static_cast<std::size_t>(initial(n)) * width + c];
    return;
  }
  const auto up = static_cast<std::size_t>(layer.up.width);
  own_up_.resize(static_cast<std::size_t>(block_.nodes) * up);
  for (int n = 0; n < block_.nodes; ++n)
    std::copy_n(in.up +
                    graph_->node_row[static_cast<std::size_t>(block_.first_node + n)] * static_cast<std::int64_t>(up),
                up, own_up_.data() + static_cast<std::size_t>(n) * up);
  layer.residual_map->apply(groups_, own_up_.data(), mixed_.data());
}

template <typename Real> void BlockPass<Real>::gate(std::size_t k)
{
  const auto &layer = model_.layers[k];
  const auto &gate = *layer.gate;
  const auto from_width = static_cast<std::size_t>(layer.mixed.width),
             to_width = static_cast<std::size_t>(layer.feature.width);
  std::vector<Real> gated(to_width);
  clear(feature_, static_cast<std::size_t>(block_.nodes) * to_width);
  clear(product_, static_cast<std::size_t>(block_.nodes) * to_width);  // serves as the map's input
  for (std::size_t n = 0; n < static_cast<std::size_t>(block_.nodes); ++n) {
    const Real *const from = mixed_.data() + n * from_width;
    Real *const to = product_.data() + n * to_width;
    for (const auto &s : gate.scalars)
      to[s.to] = static_cast<Real>(gate.scalar_factor * activate(NetworkStep::Activation::silu, from[s.from]));
    for (const auto &g : gate.gated) {
      const auto open = static_cast<Real>(gate.gate_factor * activate(NetworkStep::Activation::sigmoid, from[g.gate]));
      for (int m = 0; m < g.components; ++m) to[g.to + m * g.to_step] = open * from[g.from + m * g.from_step];
    }
  }
  gate.map.apply(groups_, product_.data(), feature_.data());
}

// Product basis, linear map, self-connection and readout.
template <typename Real> void BlockPass<Real>::finish(std::size_t k, const LayerInput<Real> &in)
{
  const auto &layer = model_.layers[k];
  const auto nodes = static_cast<std::size_t>(block_.nodes), width = static_cast<std::size_t>(layer.node.width);
  if (layer.gate) gate(k);
  const std::vector<Real> &features = layer.gate ? feature_ : mixed_;
  clear(product_, nodes * static_cast<std::size_t>(layer.product.width));
  make_room(work_, 2 * layer.polynomial.steps.size() * lanes<Real>);
  for (const auto n : groups_.order)
    kernels_.couple(layer.polynomial, layer.product_coefficients(element(n)), layer.channels,
                    features.data() + static_cast<std::ptrdiff_t>(n) * layer.feature.width,
                    product_.data() + static_cast<std::ptrdiff_t>(n) * layer.product.width, work_.data());
  clear(node_, nodes * width);
  if (in.skip)
    for (int n = 0; n < block_.nodes; ++n)
      std::copy_n(in.skip + (layer.first() ? initial(n) : block_.first_node + n) * static_cast<std::int64_t>(width),
                  width, node_.data() + static_cast<std::size_t>(n) * width);
  layer.out.apply(groups_, product_.data(), node_.data());
  read_out(k);
}

template <typename Real> void BlockPass<Real>::read_out(std::size_t k)
{
  const auto &layer = model_.layers[k];
  const auto nodes = static_cast<std::size_t>(block_.nodes), width = static_cast<std::size_t>(layer.node.width);
  const auto heads = static_cast<std::size_t>(model_.heads);
  energy_.assign(nodes * heads, 0.0);
  clear(node_gradient_, rows_of(layer.node.width));
  if (layer.readout.empty()) return;
  const std::size_t inputs = layer.readout_columns.size();
  readout_input_.resize(nodes * inputs);
  for (std::size_t n = 0; n < nodes; ++n)
    for (std::size_t c = 0; c < inputs; ++c)
      readout_input_[n * inputs + c] = node_[n * width + static_cast<std::size_t>(layer.readout_columns[c])];
  layer.readout.forward(readout_input_.data(), nodes, true, readout_);
  const auto energies = static_cast<std::size_t>(padded<double>(model_.heads));
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t n = 0; n < nodes; ++n) energy_[h * nodes + n] = readout_.values.back()[n * energies + h];
  const auto room = static_cast<std::size_t>(padded<double>(layer.readout.inputs()));
  std::vector<double> weight(heads, 1.0 / model_.heads);
  for (int s = 0; s < energies_; ++s) {
    if (energies_ > 1) {
      std::fill(weight.begin(), weight.end(), 0.0);
      weight[static_cast<std::size_t>(s)] = 1.0;
    }
    layer.readout.backward(weight, nodes, readout_);
    Real *const gradient = rows(node_gradient_, s, layer.node.width);
    for (std::size_t n = 0; n < nodes; ++n)
      for (std::size_t c = 0; c < inputs; ++c)
        gradient[n * width + static_cast<std::size_t>(layer.readout_columns[c])] =
            static_cast<Real>(readout_.gradient[n * room + c]);
  }
}

template <typename Real> void BlockPass<Real>::forward(std::size_t k, const LayerInput<Real> &in, Kept<Real> *kept)
{
  messages(k, in);
  mix(k, in);
  if (kept) {
    const auto width = static_cast<std::size_t>(model_.layers[k].mixed.width);
    std::copy(mixed_.begin(), mixed_.begin() + static_cast<std::ptrdiff_t>(scale_.size() * width),
              kept->mixed.begin() + block_.first_node * static_cast<std::int64_t>(width));
    std::copy(scale_.begin(), scale_.end(), kept->scale.begin() + block_.first_node);
  }
  finish(k, in);
}

template <typename Real>
void BlockPass<Real>::resume(std::size_t k, const LayerInput<Real> &in, const Kept<Real> &kept)
{
  const auto width = static_cast<std::int64_t>(model_.layers[k].mixed.width);
  const auto first = kept.mixed.begin() + block_.first_node * width;
  mixed_.assign(first, first + block_.nodes * width);
  scale_.assign(kept.scale.begin() + block_.first_node, kept.scale.begin() + block_.first_node + block_.nodes);
  if (!model_.layers[k].readout.empty() && !model_.layers[k].readout.linear()) return finish(k, in);
  clear(node_, static_cast<std::size_t>(block_.nodes) * static_cast<std::size_t>(model_.layers[k].node.width));
  read_out(k);
}

template <typename Real> void BlockPass<Real>::add_energy(double *node_energy) const
{
  const auto nodes = static_cast<std::size_t>(block_.nodes), all = graph_->node_row.size();
  for (std::size_t h = 0; h < static_cast<std::size_t>(model_.heads); ++h)
    for (std::size_t n = 0; n < nodes; ++n)
      node_energy[h * all + static_cast<std::size_t>(block_.first_node) + n] += energy_[h * nodes + n];
}

template class BlockPass<double>;
template class BlockPass<float>;

}  // namespace naglass::mace
