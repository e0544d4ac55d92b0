#include "native_model.hpp"

#include <cmath>
#include <map>
#include <stdexcept>

namespace naglass::mace {
namespace {

// [group of channels][term of the table][lane]
template <typename Real>
std::vector<Real> grouped(const double *values, const PolynomialTable &table, int channels)
{
  constexpr std::size_t L = lanes<Real>;
  const auto own = static_cast<std::size_t>(channels);
  const std::size_t terms = table.terms.size();
  std::vector<Real> out(terms * static_cast<std::size_t>(padded<Real>(channels)), Real(0));
  for (std::size_t t = 0; t < terms; ++t)
    for (std::size_t c = 0; c < own; ++c)
      out[(c / L * terms + t) * L + c % L] =
          static_cast<Real>(values[static_cast<std::size_t>(table.terms[t].row) * own + c]);
  return out;
}

template <typename Real>
std::vector<Real> rows_of(const std::vector<double> &flat, const Layout &layout, int rows)
{
  std::vector<Real> out;
  if (flat.empty()) return out;
  out.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(layout.width));
  for (int r = 0; r < rows; ++r)
    layout.template fill<Real>(flat.data() + static_cast<std::ptrdiff_t>(r) * layout.flat_width,
                               out.data() + static_cast<std::ptrdiff_t>(r) * layout.width);
  return out;
}

template <typename Real> void lay_out_paths(const LayerFile &file, NativeLayer<Real> &layer)
{
  for (const auto &[in, in_dim, channels, out, out_dim, weight] : file.paths) {
    const auto &from = layer.up.at(in), &to = layer.message.at(out);
    layer.paths.push_back({from.offset, in_dim, to.offset, out_dim, to.padded});
    layer.most_pairs = std::max(layer.most_pairs, in_dim * out_dim);
  }
  layer.entries.resize(file.paths.size());
  for (std::size_t t = 0; t < file.entries.size(); ++t) {
    const auto &[path, i, j, k] = file.entries[t];
    const auto p = static_cast<std::size_t>(path);
    layer.entries[p].push_back({i * layer.paths[p].out_dim + k, j, file.values[t]});
  }
}

template <typename Real> typename NativeLayer<Real>::Gate lay_out_gate(const LayerFile &file,
                                                                       const NativeLayer<Real> &layer,
                                                                       const std::vector<std::int64_t> &used)
{
  const LayerFile::Gate &own = *file.gate;
  typename NativeLayer<Real>::Gate gate{{},
                                        {},
                                        own.scalar_factor,
                                        own.gate_factor,
                                        PackedMap<Real>(own.map, layer.feature, layer.feature, used)};
  for (int u = 0; u < own.scalar_count; ++u)
    gate.scalars.push_back({layer.mixed.column(own.scalars + u), layer.feature.column(u)});
  int out = own.scalar_count;
  for (const auto &[first, gates, channels, components] : own.gated)
    for (int u = 0; u < channels; ++u, out += components) {
      const int from = layer.mixed.column(first + u * components), to = layer.feature.column(out);
      const int step = components > 1 ? layer.mixed.column(first + u * components + 1) - from : 0;
      const int to_step = components > 1 ? layer.feature.column(out + 1) - to : 0;
      gate.gated.push_back({layer.mixed.column(gates + u), from, step, to, to_step, components});
    }
  if (out != layer.feature.flat_width) throw std::runtime_error("a gate's output is not the layer's features");
  return gate;
}

template <typename Real>
void lay_out_product(const LayerFile &file, const std::vector<std::int64_t> &used, NativeLayer<Real> &layer)
{
  std::vector<int> offsets;
  for (const auto &block : layer.product.blocks)
    for (int m = 0; m < block.components; ++m) offsets.push_back(block.offset + m * block.padded);
  int features = 0;
  for (const auto &block : layer.feature.blocks) features += block.components;
  layer.channels = layer.feature.blocks.front().padded;
  layer.polynomial =
      PolynomialTable::from_rows(file.product_index, file.correlation, file.product_out, features, offsets);
  const std::size_t terms = file.product_out.size();
  const int channels = layer.feature.blocks.front().channels;
  layer.shared_product = file.coefficient_elements == 1;
  layer.coefficients.resize(static_cast<std::size_t>(file.coefficient_elements));
  const std::vector<std::int64_t> needed = layer.shared_product ? std::vector<std::int64_t>{0} : used;
  for (const auto z : needed)
    layer.coefficients.at(static_cast<std::size_t>(z)) = grouped<Real>(
        file.coefficients.data() + static_cast<std::size_t>(z) * terms * static_cast<std::size_t>(channels),
        layer.polynomial, channels);
}

template <typename Real>
NativeLayer<Real> lay_out(const LayerFile &file, const NativeLayer<Real> *before, int initial,
                          const std::vector<std::int64_t> &used)
{
  NativeLayer<Real> layer;
  layer.up = Layout::of<Real>(file.up);
  layer.message = Layout::of<Real>(file.message);
  layer.feature = Layout::of<Real>(file.feature);
  layer.product = Layout::of<Real>(file.product);
  layer.node = Layout::of<Real>(file.node);
  layer.mixed = file.gate ? Layout::of<Real>(file.gate->irreps) : layer.feature;
  lay_out_paths(file, layer);
  layer.first_up = rows_of<Real>(file.first_up, layer.up, initial);
  layer.first_skip = rows_of<Real>(file.first_skip, layer.node, initial);
  layer.first_residual = rows_of<Real>(file.first_residual, layer.mixed, initial);
  if (file.up_map) layer.up_map.emplace(*file.up_map, before->node, layer.up, used);
  if (file.skip_map) layer.skip_map.emplace(*file.skip_map, before->node, layer.node, used);
  if (file.residual_map) layer.residual_map.emplace(*file.residual_map, layer.up, layer.mixed, used);
  layer.mix = PackedMap<Real>(file.mix, layer.message, layer.mixed, used);
  layer.density_offset = static_cast<Real>(file.density_offset);
  layer.density_factor = static_cast<Real>(file.density_factor);
  layer.has_density = !file.density.empty();
  if (file.gate) layer.gate = lay_out_gate(file, layer, used);
  lay_out_product(file, used, layer);
  layer.out = PackedMap<Real>(file.out, layer.product, layer.node, used);
  for (const auto column : file.readout_columns)
    layer.readout_columns.push_back(layer.node.column(static_cast<int>(column)));
  layer.readout = PackedNetwork(file.readout);
  return layer;
}

HarmonicTable sparse_harmonics(const ModelFile &file)
{
  HarmonicTable table{file.degree, file.harmonic_count, file.exponents, {}};
  const auto count = static_cast<std::size_t>(file.harmonic_count);
  for (std::size_t m = 0; m < file.exponents.size(); ++m)
    for (std::size_t j = 0; j < count; ++j)
      if (const double value = file.harmonics[m * count + j]; value != 0)
        table.terms.push_back({static_cast<int>(j), static_cast<int>(m), value});
  return table;
}

}  // namespace

PolynomialTable PolynomialTable::from_rows(const std::vector<std::int64_t> &index, int correlation,
                                           const std::vector<std::int64_t> &out, int features,
                                           std::vector<int> out_offset)
{
  PolynomialTable table;
  table.features = features;
  table.out_offset = std::move(out_offset);
  table.outputs = static_cast<int>(table.out_offset.size());
  // every prefix of a monomial is a step of the tree; lexicographic order puts parents before children
  std::map<std::vector<int>, std::vector<std::pair<int, int>>> tree;
  for (std::size_t t = 0; t < out.size(); ++t) {
    std::vector<int> word;
    for (int k = 0; k < correlation; ++k) {
      const auto factor = index[t * static_cast<std::size_t>(correlation) + static_cast<std::size_t>(k)];
      if (factor == features) break;
      if (factor < 0 || factor > features || out[t] < 0 || out[t] >= table.outputs)
        throw std::runtime_error("the archive's product basis table is inconsistent");
      word.push_back(static_cast<int>(factor));
      tree[word];
    }
    if (word.empty()) throw std::runtime_error("the archive's product basis table is inconsistent");
    tree[word].emplace_back(static_cast<int>(out[t]), static_cast<int>(t));
  }
  std::map<std::vector<int>, int> number;
  for (const auto &[word, users] : tree) {
    number[word] = static_cast<int>(table.steps.size());
    const std::vector<int> shorter(word.begin(), word.end() - 1);
    table.steps.push_back({shorter.empty() ? -1 : number.at(shorter), word.back()});
    table.first_term.push_back(static_cast<int>(table.terms.size()));
    for (const auto &[row, t] : users) table.terms.push_back({row, t});
  }
  table.first_term.push_back(static_cast<int>(table.terms.size()));
  return table;
}

template <typename Real>
PackedMap<Real>::PackedMap(const IrrepsMap &map, const Layout &in, const Layout &out,
                           const std::vector<std::int64_t> &used)
    : in_width_(in.width), out_width_(out.width)
{
  std::ptrdiff_t size = 0, size_back = 0;
  for (const auto &block : map.blocks) {
    const auto &from = in.at(block.in), &to = out.at(block.out);
    blocks_.push_back({from.offset, from.channels, from.padded, to.offset, to.channels, to.padded, block.components,
                       size, size_back});
    size += static_cast<std::ptrdiff_t>(from.channels) * to.padded;
    size_back += static_cast<std::ptrdiff_t>(to.channels) * from.padded;
  }
  forward_.resize(map.weights.size());
  backward_.resize(map.weights.size());
  const std::vector<std::int64_t> needed = map.weights.size() == 1 ? std::vector<std::int64_t>{0} : used;
  for (const auto z : needed) {
    const double *from = map.weights.at(static_cast<std::size_t>(z)).data();
    auto &forward = forward_[static_cast<std::size_t>(z)], &backward = backward_[static_cast<std::size_t>(z)];
    forward.assign(static_cast<std::size_t>(size), Real(0));
    backward.assign(static_cast<std::size_t>(size_back), Real(0));
    for (const Block &block : blocks_)
      for (int i = 0; i < block.in_channels; ++i)
        for (int o = 0; o < block.out_channels; ++o, ++from) {
          forward[static_cast<std::size_t>(block.place + i * block.out_padded + o)] = static_cast<Real>(*from);
          backward[static_cast<std::size_t>(block.place_back + o * block.in_padded + i)] = static_cast<Real>(*from);
        }
  }
  if (!map.constant.empty()) {
    constant_.resize(static_cast<std::size_t>(out.width));
    out.template fill<Real>(map.constant.data(), constant_.data());
  }
}

template <typename Real>
void PackedMap<Real>::run(std::span<const std::int32_t> nodes, std::size_t element, bool back, const Real *x,
                          Real *y) const
{
  if (nodes.empty()) return;
  thread_local std::vector<const Real *> from;
  thread_local std::vector<Real *> to;
  const auto &kernels = native_kernels<Real>();
  const std::ptrdiff_t x_width = back ? out_width_ : in_width_, y_width = back ? in_width_ : out_width_;
  for (const Block &block : blocks_) {
    from.clear();
    to.clear();
    const int x_first = back ? block.out : block.in, y_first = back ? block.in : block.out;
    const int x_step = back ? block.out_padded : block.in_padded, y_step = back ? block.in_padded : block.out_padded;
    for (const auto n : nodes)
      for (int m = 0; m < block.components; ++m) {
        from.push_back(x + n * x_width + x_first + m * x_step);
        to.push_back(y + n * y_width + y_first + m * y_step);
      }
    const auto &all = back ? backward_[element] : forward_[element];
    kernels.multiply(from.data(), to.data(), static_cast<std::int64_t>(from.size()),
                     all.data() + (back ? block.place_back : block.place),
                     back ? block.out_channels : block.in_channels, back ? block.in_padded : block.out_padded);
  }
}

template <typename Real>
void PackedMap<Real>::for_each_element(const ElementGroups &nodes, bool back, const Real *x, Real *y) const
{
  const std::span<const std::int32_t> order = nodes.order;
  if (forward_.size() == 1) return run(order, 0, back, x, y);
  for (std::size_t z = 0; z + 1 < nodes.first.size(); ++z)
    run(order.subspan(static_cast<std::size_t>(nodes.first[z]),
                      static_cast<std::size_t>(nodes.first[z + 1] - nodes.first[z])),
        z, back, x, y);
}

template <typename Real> void PackedMap<Real>::apply(const ElementGroups &nodes, const Real *x, Real *y) const
{
  if (!constant_.empty())
    for (const auto n : nodes.order)
      for (int c = 0; c < out_width_; ++c)
        y[static_cast<std::ptrdiff_t>(n) * out_width_ + c] += constant_[static_cast<std::size_t>(c)];
  for_each_element(nodes, false, x, y);
}

template <typename Real>
void PackedMap<Real>::apply_back(const ElementGroups &nodes, const Real *y_gradient, Real *x_gradient) const
{ for_each_element(nodes, true, y_gradient, x_gradient); }

template <typename Real>
NativeModel<Real>::NativeModel(const ModelFile &file, const std::vector<std::int64_t> &used)
    : elements(file.elements), heads(file.heads), harmonics(sparse_harmonics(file)),
      radial(RadialTables<Real>::build(file, used)), repulsion(file.repulsion)
{
  layers.reserve(file.layers.size());
  for (const auto &layer : file.layers)
    layers.push_back(lay_out<Real>(layer, layers.empty() ? nullptr : &layers.back(), file.initial, used));
  for (const auto &output : file.outputs) {
    NativeOutput own{{}, output};
    for (const auto column : output.columns) {
      int left = static_cast<int>(column), k = 0;
      for (; left >= layers[static_cast<std::size_t>(k)].node.flat_width; ++k)
        left -= layers[static_cast<std::size_t>(k)].node.flat_width;
      own.columns.emplace_back(k, layers[static_cast<std::size_t>(k)].node.column(left));
    }
    outputs.push_back(std::move(own));
  }
}

template class PackedMap<double>;
template class PackedMap<float>;
template struct NativeModel<double>;
template struct NativeModel<float>;

}  // namespace naglass::mace
