#include "model_file.hpp"

#include <limits>
#include <numeric>
#include <stdexcept>

namespace naglass::mace {
namespace {

bool is_null(const Json &json) { return std::holds_alternative<std::nullptr_t>(json.value); }

bool flag(const Json &json)
{
  const bool *const value = std::get_if<bool>(&json.value);
  if (!value) inconsistent("neither true nor false");
  return *value;
}

class Reader {
 public:
  Reader(const ArrayFile &arrays, int elements) : arrays_(arrays), elements_(elements) {}

  std::vector<double> reals(const Json &name) const { return arrays_.reals(name.text()); }
  std::vector<double> reals(const Json &name, std::size_t count) const
  {
    auto values = reals(name);
    if (values.size() != count) inconsistent(name.text() + " has " + std::to_string(values.size()) + " numbers");
    return values;
  }
  std::vector<double> optional(const Json &name, std::size_t count) const
  { return is_null(name) ? std::vector<double>{} : reals(name, count); }
  std::vector<std::int64_t> integers(const Json &name) const { return arrays_.integers(name.text()); }

  template <std::size_t N> std::vector<std::array<int, N>> rows(const std::vector<std::int64_t> &flat) const
  {
    if (flat.size() % N) inconsistent("a table of " + std::to_string(N) + " columns");
    std::vector<std::array<int, N>> out(flat.size() / N);
    for (std::size_t k = 0; k < flat.size(); ++k) {
      if (flat[k] < 0 || flat[k] > std::numeric_limits<int>::max()) inconsistent("a number of a table");
      out[k / N][k % N] = static_cast<int>(flat[k]);
    }
    return out;
  }
  template <std::size_t N> std::vector<std::array<int, N>> rows(const Json &list) const
  {
    std::vector<std::int64_t> flat;
    for (const auto &row : list.array()) {
      if (row.array().size() != N) inconsistent("a table of " + std::to_string(N) + " columns");
      for (const auto &item : row.array()) flat.push_back(item.integer());
    }
    return rows<N>(flat);
  }

  Irreps irreps(const Json &list) const
  {
    Irreps out = rows<2>(list);
    for (const auto &[channels, components] : out)
      if (channels < 1 || channels > 1 << 16 || components % 2 == 0 || components > 15) inconsistent("irreps");
    return out;
  }

  IrrepsMap map(const Json &json, const Irreps &in, const Irreps &out) const
  {
    IrrepsMap map;
    std::size_t size = 0;
    for (const auto &[a, b, c, d, e] : rows<5>(json.at("blocks"))) {
      check_block(in, a, b, e);
      check_block(out, c, d, e);
      map.blocks.push_back({a, b, c, d, e});
      size += static_cast<std::size_t>(b) * static_cast<std::size_t>(d);
    }
    const auto all = reals(json.at("weights"));
    const std::size_t number = arrays_.shape(json.at("weights").text()).at(0);
    if (all.size() != number * size || (number != 1 && number != static_cast<std::size_t>(elements_)))
      inconsistent(json.at("weights").text());
    for (std::size_t z = 0; z < number; ++z)
      map.weights.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(z * size),
                               all.begin() + static_cast<std::ptrdiff_t>((z + 1) * size));
    map.constant = optional(json.at("constant"), width(out));
    return map;
  }

  Network network(const Json &steps) const
  {
    static const std::map<std::string, NetworkStep::Activation> names{{"identity", NetworkStep::Activation::identity},
                                                                      {"silu", NetworkStep::Activation::silu},
                                                                      {"tanh", NetworkStep::Activation::tanh},
                                                                      {"abs", NetworkStep::Activation::abs},
                                                                      {"sigmoid", NetworkStep::Activation::sigmoid}};
    Network out;
    for (const auto &json : steps.array()) {
      NetworkStep step;
      const auto &shape = arrays_.shape(json.at("weight").text());
      if (shape.size() != 2 || shape[0] > 1 << 20 || shape[1] > 1 << 20 || shape[1] < 1) inconsistent("a network");
      step.in = static_cast<int>(shape[0]);
      step.out = static_cast<int>(shape[1]);
      if (!out.empty() && out.back().out != step.in) inconsistent("a network");
      const auto width = static_cast<std::size_t>(step.out);
      step.weight = reals(json.at("weight"));
      step.bias = optional(json.at("bias"), width);
      step.gain = optional(json.at("gain"), width);
      step.offset = optional(json.at("offset"), width);
      if (step.gain.empty() != step.offset.empty()) inconsistent("a network");
      step.epsilon = json.at("epsilon").number();
      step.factor = json.at("factor").number();
      const auto found = names.find(json.at("activation").text());
      if (found == names.end()) inconsistent("activation " + json.at("activation").text());
      step.activation = found->second;
      out.push_back(std::move(step));
    }
    if (out.empty()) inconsistent("a network without layers");
    return out;
  }

  static std::size_t width(const Irreps &irreps)
  {
    std::size_t total = 0;
    for (const auto &[channels, components] : irreps)
      total += static_cast<std::size_t>(channels) * static_cast<std::size_t>(components);
    return total;
  }

 private:
  static void check_block(const Irreps &irreps, int first, int channels, int components)
  {
    int at = 0;
    for (const auto &[own, dim] : irreps) {
      if (at == first && own == channels && dim == components) return;
      at += own * dim;
    }
    inconsistent("a map's block is none of the irreps");
  }

  const ArrayFile &arrays_;
  int elements_;
};

RadialBasis read_radial(const Json &json, const Reader &reader, int elements)
{
  RadialBasis out;
  const std::string &kind = json.at("basis").text();
  if (kind != "bessel" && kind != "gaussian" && kind != "chebyshev") inconsistent("radial basis " + kind);
  out.kind = kind == "bessel"     ? RadialBasis::Kind::bessel
             : kind == "gaussian" ? RadialBasis::Kind::gaussian
                                  : RadialBasis::Kind::chebyshev;
  out.values = reader.reals(json.at("values"));
  out.factor = json.at("factor").number();
  out.cutoff_power = json.at("cutoff_power").integer();
  out.cutoff_apart = flag(json.at("cutoff_apart"));
  if (out.values.empty() || out.values.size() > 4096 || out.cutoff_power < 1 || out.cutoff_power > 1000)
    inconsistent("radial basis");
  const Json &transform = json.at("transform");
  if (is_null(transform)) return out;
  out.radii = reader.reals(transform.at("radii"), static_cast<std::size_t>(elements));
  if (const std::string &name = transform.at("kind").text(); name == "agnesi") {
    out.transform = RadialBasis::Transform::agnesi;
    out.q = transform.at("q").number();
    out.p = transform.at("p").number();
    out.a = transform.at("a").number();
  } else if (name == "soft") {
    out.transform = RadialBasis::Transform::soft;
    out.alpha = transform.at("alpha").number();
  } else {
    inconsistent("distance transform " + name);
  }
  return out;
}

Repulsion read_repulsion(const Json &json, const Reader &reader, int elements, int heads)
{
  const auto pairs = static_cast<std::size_t>(elements) * static_cast<std::size_t>(elements);
  Repulsion out{reader.reals(json.at("length"), pairs),
                reader.reals(json.at("cutoff"), pairs),
                reader.reals(json.at("strength"), pairs),
                reader.reals(json.at("weights")),
                {},
                reader.reals(json.at("scale"), static_cast<std::size_t>(heads)),
                json.at("power").integer()};
  out.rates = reader.reals(json.at("rates"), out.weights.size());
  return out;
}

void read_radial_networks(const Json &json, const Reader &reader, int elements, int basis, LayerFile &out)
{
  out.weights = reader.network(json.at("weights"));
  if (!is_null(json.at("density"))) out.density = reader.network(json.at("density"));
  int inputs = basis;
  if (const Json &ends = json.at("embeddings"); !is_null(ends)) {
    out.sender_embedding = reader.reals(ends.at("sender"));
    out.embedding = static_cast<int>(out.sender_embedding.size()) / elements;
    out.receiver_embedding = reader.reals(ends.at("receiver"), out.sender_embedding.size());
    if (out.sender_embedding.size() != static_cast<std::size_t>(out.embedding) * static_cast<std::size_t>(elements))
      inconsistent("embeddings");
    inputs += 2 * out.embedding;
  }
  if (out.weights.front().in != inputs) inconsistent("inputs of the radial network");
  if (!out.density.empty() && (out.density.front().in != inputs || out.density.back().out != 1))
    inconsistent("the density's network");
}

void read_convolution(const Json &json, const Reader &reader, int harmonics, LayerFile &out)
{
  out.paths = reader.rows<6>(reader.integers(json.at("paths")));
  out.entries = reader.rows<4>(reader.integers(json.at("entries")));
  out.values = reader.reals(json.at("values"), out.entries.size());
  const auto fits = [](const Irreps &irreps, int first, int channels, int components) {
    int at = 0;
    for (const auto &[own, dim] : irreps) {
      if (at == first) return own == channels && dim == components;
      at += own * dim;
    }
    return false;
  };
  for (const auto &[in, in_dim, channels, to, out_dim, weight] : out.paths)
    if (!fits(out.up, in, channels, in_dim) || !fits(out.message, to, channels, out_dim) ||
        weight > out.weights.back().out - channels)
      inconsistent("a path of the convolution");
  for (const auto &[path, i, j, k] : out.entries)
    if (path >= static_cast<int>(out.paths.size()) || j >= harmonics ||
        i >= out.paths[static_cast<std::size_t>(path)][1] || k >= out.paths[static_cast<std::size_t>(path)][4])
      inconsistent("an entry of the convolution");
}

void read_mix(const Json &json, const Reader &reader, LayerFile &out)
{
  const auto &density = json.at("density").array();
  if (density.size() != 2) inconsistent("the density's constants");
  out.density_offset = density[0].number();
  out.density_factor = density[1].number();
  if (out.density_factor != 0 && out.density.empty()) inconsistent("a density without network");
  const Json &gate = json.at("gate");
  if (is_null(gate)) {
    out.mix = reader.map(json.at("map"), out.message, out.feature);
  } else {
    LayerFile::Gate own{reader.irreps(gate.at("irreps")), 0, 0, {}, 1, 1, {}};
    out.mix = reader.map(json.at("map"), out.message, own.irreps);
    const auto &scalars = gate.at("scalars").array(), &factors = gate.at("factors").array();
    if (scalars.size() != 2 || factors.size() != 2) inconsistent("a gate");
    own.scalars = scalars[0].integer();
    own.scalar_count = scalars[1].integer();
    own.scalar_factor = factors[0].number();
    own.gate_factor = factors[1].number();
    own.gated = reader.rows<4>(gate.at("gated"));
    own.map = reader.map(gate.at("map"), out.feature, out.feature);
    out.gate = std::move(own);
  }
  if (!out.mix.constant.empty()) inconsistent("a constant in the map of the messages");
}

void read_product(const Json &json, const Reader &reader, const ArrayFile &arrays, LayerFile &out)
{
  out.product_index = reader.integers(json.at("index"));
  out.product_out = reader.integers(json.at("out"));
  out.product_dims = reader.integers(json.at("dims"));
  const auto &shape = arrays.shape(json.at("index").text());
  const auto &coefficients = arrays.shape(json.at("coefficients").text());
  if (shape.size() != 2 || coefficients.size() != 3 || coefficients[0] < 1 || shape[0] != coefficients[1] ||
      out.product_out.size() != static_cast<std::size_t>(shape[0]) || coefficients[2] != out.feature.front()[0])
    inconsistent("the product basis");
  out.correlation = static_cast<int>(shape[1]);
  out.coefficient_elements = static_cast<int>(coefficients[0]);
  out.coefficients = reader.reals(json.at("coefficients"));
  if (out.product_dims.size() != out.product.size()) inconsistent("the product basis");
  for (std::size_t k = 0; k < out.product.size(); ++k)
    if (out.product_dims[k] != out.product[k][1] || out.product[k][0] != out.feature.front()[0])
      inconsistent("the product basis");
}

void read_readout(const Json &json, const Reader &reader, int heads, LayerFile &out)
{
  out.readout_columns = reader.integers(json.at("columns"));
  out.readout = reader.network(json.at("steps"));
  if (out.readout.front().in != static_cast<int>(out.readout_columns.size()) || out.readout.back().out != heads)
    inconsistent("a readout");
  for (const auto &step : out.readout)
    if (!step.gain.empty()) inconsistent("a readout");
  for (const auto column : out.readout_columns)
    if (column < 0 || column >= static_cast<std::int64_t>(Reader::width(out.node))) inconsistent("a readout");
}

LayerFile read_layer(const Json &json, const Reader &reader, const ArrayFile &arrays, const ModelFile &model,
                     const LayerFile *before)
{
  LayerFile out;
  out.up = reader.irreps(json.at("up_irreps"));
  out.message = reader.irreps(json.at("message_irreps"));
  out.feature = reader.irreps(json.at("feature_irreps"));
  out.product = reader.irreps(json.at("product_irreps"));
  out.node = reader.irreps(json.at("node_irreps"));
  if (out.feature.empty() || out.node.empty() || out.up.empty()) inconsistent("empty irreps");
  for (const auto &block : out.feature)
    if (block[0] != out.feature.front()[0]) inconsistent("channels of the features");
  const auto initial = static_cast<std::size_t>(model.initial);
  read_radial_networks(json.at("radial"), reader, model.elements, static_cast<int>(model.radial.values.size()), out);
  read_convolution(json, reader, model.harmonic_count, out);
  read_mix(json.at("mix"), reader, out);
  const Json &skip = json.at("skip"), &residual = json.at("residual");
  if (is_null(residual) == out.gate.has_value()) inconsistent("a gate and its residual");
  if (!before) {
    out.first_up = reader.reals(json.at("up"), initial * Reader::width(out.up));
    out.first_skip = reader.optional(skip, initial * Reader::width(out.node));
    if (out.gate) out.first_residual = reader.reals(residual, initial * Reader::width(out.gate->irreps));
  } else {
    out.up_map = reader.map(json.at("up"), before->node, out.up);
    if (!is_null(skip)) out.skip_map = reader.map(skip, before->node, out.node);
    if (out.gate) out.residual_map = reader.map(residual, out.up, out.gate->irreps);
  }
  read_product(json.at("product"), reader, arrays, out);
  out.out = reader.map(json.at("out"), out.product, out.node);
  if (const Json &readout = json.at("readout"); !is_null(readout)) read_readout(readout, reader, model.heads, out);
  return out;
}

OutputFile read_output(const Json &json, const Reader &reader, const ModelFile &model)
{
  const auto elements = static_cast<std::size_t>(model.elements);
  OutputFile out;
  out.columns = reader.integers(json.at("columns"));
  std::size_t all = 0;
  for (const auto &layer : model.layers) all += Reader::width(layer.node);
  for (const auto column : out.columns)
    if (column < 0 || column >= static_cast<std::int64_t>(all)) inconsistent("columns of an output");
  std::size_t width = out.columns.size();
  if (!is_null(json.at("inner_bias"))) {
    out.inner_bias = reader.reals(json.at("inner_bias"));
    if (out.inner_bias.empty() || out.inner_bias.size() % elements) inconsistent("an output's hidden layer");
    out.inner_weight = reader.reals(json.at("inner_weight"), width * out.inner_bias.size() / elements);
    width = out.inner_bias.size() / elements;
  }
  out.weight = reader.reals(json.at("weight"), elements * width);
  out.bias = reader.reals(json.at("bias"), elements);
  return out;
}

}  // namespace

ModelFile ModelFile::read(const Json &document, const ArrayFile &arrays, const Metadata &metadata)
{
  const int elements = static_cast<int>(metadata.elements.size()), heads = static_cast<int>(metadata.heads.size());
  ModelFile model;
  model.elements = elements;
  model.initial = std::accumulate(metadata.states.begin(), metadata.states.end(), 0);
  model.heads = heads;
  model.r_max = metadata.r_max;
  const Reader reader(arrays, elements);
  const Json &harmonics = document.at("harmonics");
  model.degree = harmonics.at("degree").integer();
  model.exponents = reader.rows<3>(reader.integers(harmonics.at("exponents")));
  model.harmonics = reader.reals(harmonics.at("table"));
  if (model.exponents.empty() || model.harmonics.size() % model.exponents.size() || model.degree < 0 ||
      model.degree > 7)
    inconsistent("harmonics");
  for (const auto &[a, b, c] : model.exponents)
    if (a > model.degree || b > model.degree || c > model.degree) inconsistent("harmonics");
  model.harmonic_count = static_cast<int>(model.harmonics.size() / model.exponents.size());
  model.radial = read_radial(document.at("radial"), reader, elements);
  if (const Json &repulsion = document.at("repulsion"); !is_null(repulsion))
    model.repulsion = read_repulsion(repulsion, reader, elements, heads);
  for (const auto &layer : document.at("layers").array()) {
    auto read = read_layer(layer, reader, arrays, model, model.layers.empty() ? nullptr : &model.layers.back());
    model.layers.push_back(std::move(read));
  }
  if (model.layers.empty()) inconsistent("no layers");
  for (const auto &output : document.at("outputs").array()) model.outputs.push_back(read_output(output, reader, model));
  return model;
}

}  // namespace naglass::mace
