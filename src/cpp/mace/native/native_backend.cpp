#include "native_backend.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <type_traits>

#include "block_pass.hpp"
#ifdef _OPENMP
#include <omp.h>
#endif

namespace naglass::mace {
namespace {

// A block's weights of one path fit a core's second-level cache.
constexpr int edges_per_block = 512, nodes_per_block = 32;
// Intermediate values of a layer up to this size are kept for the backward pass, others computed again.
double kept_bytes()
{
  const char *const asked = std::getenv("NAGLASS_MACE_KEEP_MB");
  return 1e6 * (asked ? std::atof(asked) : 256);
}

template <typename Real> class NativeBackend final : public Backend {
 public:
  NativeBackend(const ModelFile &file, const std::vector<std::int64_t> &used, int threads)
      : model_(file, used), threads_(threads), kept_(model_.layers.size()), up_(model_.layers.size()),
        skip_(model_.layers.size()), up_gradient_(static_cast<std::size_t>(threads))
  {
    for (int t = 0; t < threads; ++t) passes_.push_back(std::make_unique<BlockPass<Real>>(model_));
  }

  int gpu() const override { return -1; }
  void compute(const Graph &graph, GhostExchange &exchange, const Output &output) override;

 private:
  void cut_into_blocks(const Graph &graph);
  template <typename Work> void for_blocks(const Work &work);
  LayerInput<Real> input(std::size_t k) const;
  Kept<Real> *prepare_kept(std::size_t k);
  void forward(std::size_t k, const Graph &graph, const Output &output);
  void last(const Graph &graph, const Output &output);
  void backward(std::size_t k, const Graph &graph, const Output &output);
  void hand_on(std::size_t k, const Graph &graph, const BlockPass<Real> &pass, const Block &block);
  void prepare_gradients(std::size_t k);
  void send(std::size_t k, GhostExchange &exchange);
  void collect(std::size_t k, GhostExchange &exchange);
  void extra_outputs(const Graph &graph, std::span<double> extra) const;
  void repel(const Graph &graph, const Output &output) const;
  LayerGradient<Real> given_back(std::size_t k, std::size_t thread);
  int energies() const { return each_head_ ? model_.heads : 1; }
  // values of all rows, or of all nodes, that belong to one energy
  std::ptrdiff_t up_step(std::size_t k) const { return rows_ * model_.layers[k].up.width; }
  std::ptrdiff_t node_step(std::size_t k) const { return nodes_ * model_.layers[k].node.width; }

  NativeModel<Real> model_;
  int threads_;
  double kept_bytes_ = kept_bytes();
  std::vector<std::unique_ptr<BlockPass<Real>>> passes_;
  std::vector<Block> blocks_;
  std::vector<std::int64_t> start_;
  std::int64_t rows_ = 0, nodes_ = 0, edges_ = 0;
  bool each_head_ = false;
  std::vector<Kept<Real>> kept_;                 // per layer
  std::vector<std::vector<Real>> up_, skip_;     // per layer but the first: rows, nodes
  std::vector<std::vector<Real>> up_gradient_;   // per thread: energies, rows
  std::vector<Real> gradient_, next_gradient_;   // by the features between two layers: energies, nodes
  std::vector<std::vector<Real>> features_;      // per layer, for extra outputs: nodes
  std::vector<double> exchanged_;
};

template <typename Real> void NativeBackend<Real>::cut_into_blocks(const Graph &graph)
{
  rows_ = static_cast<std::int64_t>(graph.row_element.size());
  nodes_ = static_cast<std::int64_t>(graph.node_row.size());
  edges_ = static_cast<std::int64_t>(graph.sender.size());
  start_.assign(static_cast<std::size_t>(nodes_) + 1, 0);
  for (const auto n : graph.receiver) ++start_[static_cast<std::size_t>(n) + 1];
  for (std::size_t n = 0; n < static_cast<std::size_t>(nodes_); ++n) start_[n + 1] += start_[n];
  blocks_.clear();
  for (std::int64_t n = 0; n < nodes_;) {
    Block block{n, start_[static_cast<std::size_t>(n)], 0, 0, start_.data() + n};
    while (n < nodes_ && block.nodes < nodes_per_block) {
      const auto more = static_cast<int>(start_[static_cast<std::size_t>(n) + 1] - start_[static_cast<std::size_t>(n)]);
      if (block.nodes > 0 && block.edges + more > edges_per_block) break;
      block.edges += more;
      ++block.nodes;
      ++n;
    }
    blocks_.push_back(block);
  }
}

// Work gets a pass of its own for each thread, the thread's number and a block.
template <typename Real> template <typename Work> void NativeBackend<Real>::for_blocks(const Work &work)
{
  const auto count = static_cast<std::int64_t>(blocks_.size());
#ifdef _OPENMP
#pragma omp parallel for schedule(static) num_threads(threads_)
#endif
  for (std::int64_t b = 0; b < count; ++b) {
#ifdef _OPENMP
    const auto thread = static_cast<std::size_t>(omp_get_thread_num());
#else
    const std::size_t thread = 0;
#endif
    work(*passes_[thread], thread, blocks_[static_cast<std::size_t>(b)]);
  }
}

template <typename Real> LayerInput<Real> NativeBackend<Real>::input(std::size_t k) const
{
  const auto &layer = model_.layers[k];
  if (layer.first()) return {layer.first_up.data(), layer.first_skip.empty() ? nullptr : layer.first_skip.data()};
  return {up_[k].data(), layer.skip_map ? skip_[k].data() : nullptr};
}

template <typename Real> Kept<Real> *NativeBackend<Real>::prepare_kept(std::size_t k)
{
  const auto &layer = model_.layers[k];
  const auto values = static_cast<std::size_t>(nodes_) * static_cast<std::size_t>(layer.mixed.width);
  // a gate's backward pass needs the messages, too
  if (layer.gate || static_cast<double>(values * sizeof(Real)) > kept_bytes_) {
    kept_[k] = {};
    return nullptr;
  }
  kept_[k].mixed.resize(values);
  kept_[k].scale.resize(static_cast<std::size_t>(nodes_));
  return &kept_[k];
}

template <typename Real>
void NativeBackend<Real>::compute(const Graph &graph, GhostExchange &exchange, const Output &output)
{
  cut_into_blocks(graph);
  each_head_ = output.each_head;
  std::fill(output.node_energy.begin(), output.node_energy.end(), 0.0);
  std::fill(output.edge_gradient.begin(), output.edge_gradient.end(), 0.0);
  if (model_.repulsion) repel(graph, output);
  features_.assign(output.extra.empty() ? 0 : model_.layers.size(), {});
  const std::size_t deepest = model_.layers.size() - 1;
  for (std::size_t k = 0; k < deepest; ++k) {
    forward(k, graph, output);
    send(k + 1, exchange);
  }
  last(graph, output);
  if (!output.extra.empty()) extra_outputs(graph, output.extra);
  for (std::size_t k = deepest; k-- > 0;) {
    collect(k + 1, exchange);
    backward(k, graph, output);
  }
}

template <typename Real> void NativeBackend<Real>::forward(std::size_t k, const Graph &graph, const Output &output)
{
  const auto &next = model_.layers[k + 1];
  up_[k + 1].assign(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(next.up.width), Real(0));
  skip_[k + 1].assign(next.skip_map ? static_cast<std::size_t>(nodes_) * static_cast<std::size_t>(next.node.width) : 0,
                      Real(0));
  if (!features_.empty())
    features_[k].resize(static_cast<std::size_t>(nodes_) * static_cast<std::size_t>(model_.layers[k].node.width));
  Kept<Real> *const kept = prepare_kept(k);
  for_blocks([&](BlockPass<Real> &pass, std::size_t, const Block &block) {
    pass.begin(graph, block, each_head_);
    pass.forward(k, input(k), kept);
    pass.add_energy(output.node_energy.data());
    hand_on(k, graph, pass, block);
  });
}

// From the features after a layer to what the next one takes of a node, and what the extra outputs see.
template <typename Real>
void NativeBackend<Real>::hand_on(std::size_t k, const Graph &graph, const BlockPass<Real> &pass, const Block &block)
{
  const auto &features = pass.node_features();
  const auto width = static_cast<std::int64_t>(model_.layers[k].node.width);
  if (!features_.empty())
    std::copy(features.begin(), features.begin() + block.nodes * width,
              features_[k].begin() + block.first_node * width);
  if (k + 1 == model_.layers.size()) return;
  const auto &next = model_.layers[k + 1];
  const auto up = static_cast<std::int64_t>(next.up.width);
  std::vector<Real> rows(static_cast<std::size_t>(block.nodes * up), Real(0));
  next.up_map->apply(pass.groups(), features.data(), rows.data());
  for (int n = 0; n < block.nodes; ++n)
    std::copy_n(rows.begin() + n * up, up,
                up_[k + 1].begin() + graph.node_row[static_cast<std::size_t>(block.first_node + n)] * up);
  if (next.skip_map)
    next.skip_map->apply(pass.groups(), features.data(),
                         skip_[k + 1].data() + block.first_node * static_cast<std::int64_t>(next.node.width));
}

template <typename Real> void NativeBackend<Real>::last(const Graph &graph, const Output &output)
{
  const std::size_t k = model_.layers.size() - 1;
  if (!features_.empty())
    features_[k].resize(static_cast<std::size_t>(nodes_) * static_cast<std::size_t>(model_.layers[k].node.width));
  prepare_gradients(k);
  for_blocks([&](BlockPass<Real> &pass, std::size_t thread, const Block &block) {
    pass.begin(graph, block, each_head_);
    pass.forward(k, input(k), nullptr);
    pass.add_energy(output.node_energy.data());
    if (!features_.empty()) hand_on(k, graph, pass, block);
    pass.backward(k, input(k), {nullptr, 0}, given_back(k, thread));
    pass.add_edge_gradient({output.edge_gradient.data(), 3 * edges_});
  });
}

// Room for the gradients that layer k gives back.
template <typename Real> void NativeBackend<Real>::prepare_gradients(std::size_t k)
{
  if (k == 0) return;
  const auto count = static_cast<std::size_t>(energies());
  // every thread adds to its own copy of the senders
  for (auto &own : up_gradient_) own.assign(count * static_cast<std::size_t>(up_step(k)), Real(0));
  gradient_.assign(count * static_cast<std::size_t>(node_step(k - 1)), Real(0));
}

template <typename Real> LayerGradient<Real> NativeBackend<Real>::given_back(std::size_t k, std::size_t thread)
{
  if (k == 0) return {{nullptr, 0}, {nullptr, 0}};
  return {{up_gradient_[thread].data(), up_step(k)}, {gradient_.data(), node_step(k - 1)}};
}

template <typename Real> void NativeBackend<Real>::backward(std::size_t k, const Graph &graph, const Output &output)
{
  next_gradient_.swap(gradient_);
  const auto &next = model_.layers[k + 1];
  const auto up = static_cast<std::int64_t>(next.up.width),
             width = static_cast<std::int64_t>(model_.layers[k].node.width);
  std::vector<Real> collected;
  collected.swap(up_gradient_.front());
  prepare_gradients(k);
  for_blocks([&](BlockPass<Real> &pass, std::size_t thread, const Block &block) {
    pass.begin(graph, block, each_head_);
    std::vector<Real> rows(static_cast<std::size_t>(block.nodes * up));
    for (int s = 0; s < energies(); ++s) {
      const auto from = collected.begin() + s * up_step(k + 1);
      for (int n = 0; n < block.nodes; ++n)
        std::copy_n(from + graph.node_row[static_cast<std::size_t>(block.first_node + n)] * up, up,
                    rows.begin() + n * up);
      next.up_map->apply_back(pass.groups(), rows.data(),
                              next_gradient_.data() + s * node_step(k) + block.first_node * width);
    }
    if (kept_[k].scale.empty()) pass.forward(k, input(k), nullptr);
    else pass.resume(k, input(k), kept_[k]);
    pass.backward(k, input(k), {next_gradient_.data(), node_step(k)}, given_back(k, thread));
    pass.add_edge_gradient({output.edge_gradient.data(), 3 * edges_});
  });
}

template <typename Real> void NativeBackend<Real>::send(std::size_t k, GhostExchange &exchange)
{
  const int width = model_.layers[k].up.width;
  if constexpr (std::is_same_v<Real, double>) {
    exchange.forward(up_[k].data(), width);
  } else {
    exchanged_.assign(up_[k].begin(), up_[k].end());
    exchange.forward(exchanged_.data(), width);
    std::transform(exchanged_.begin(), exchanged_.end(), up_[k].begin(), [](double x) { return static_cast<Real>(x); });
  }
}

// Sums the threads' gradients of layer k's senders, then those of the ranks, into the first thread's.
template <typename Real> void NativeBackend<Real>::collect(std::size_t k, GhostExchange &exchange)
{
  const int width = model_.layers[k].up.width;
  auto &total = up_gradient_.front();
  for (std::size_t t = 1; t < up_gradient_.size(); ++t)
    for (std::size_t c = 0; c < total.size(); ++c) total[c] += up_gradient_[t][c];
  for (int s = 0; s < energies(); ++s) {
    Real *const own = total.data() + s * up_step(k);
    if constexpr (std::is_same_v<Real, double>) {
      exchange.reverse(own, width);
    } else {
      exchanged_.assign(own, own + up_step(k));
      exchange.reverse(exchanged_.data(), width);
      std::transform(exchanged_.begin(), exchanged_.end(), own, [](double x) { return static_cast<Real>(x); });
    }
  }
}

template <typename Real> void NativeBackend<Real>::extra_outputs(const Graph &graph, std::span<double> extra) const
{
  const std::size_t width = model_.outputs.size();
  std::vector<double> x, inner;
  for (std::size_t o = 0; o < width; ++o) {
    const auto &[columns, file] = model_.outputs[o];
    const std::size_t hidden = file.inner_bias.size() / static_cast<std::size_t>(model_.elements);
    for (std::int64_t n = 0; n < nodes_; ++n) {
      const auto z = static_cast<std::size_t>(
          graph.row_element[static_cast<std::size_t>(graph.node_row[static_cast<std::size_t>(n)])]);
      x.clear();
      for (const auto &[k, column] : columns)
        x.push_back(features_[static_cast<std::size_t>(k)][static_cast<std::size_t>(
            n * model_.layers[static_cast<std::size_t>(k)].node.width + column)]);
      if (hidden > 0) {
        inner.assign(file.inner_bias.begin() + static_cast<std::ptrdiff_t>(z * hidden),
                     file.inner_bias.begin() + static_cast<std::ptrdiff_t>((z + 1) * hidden));
        for (std::size_t h = 0; h < hidden; ++h) {
          for (std::size_t c = 0; c < x.size(); ++c) inner[h] += file.inner_weight[h * x.size() + c] * x[c];
          inner[h] = activate(NetworkStep::Activation::silu, inner[h]);
        }
        x = inner;
      }
      double value = file.bias[z];
      for (std::size_t c = 0; c < x.size(); ++c) value += file.weight[z * x.size() + c] * x[c];
      extra[static_cast<std::size_t>(n) * width + o] = std::max(0.0, value);
    }
  }
}

// Half of the pair's energy per directed edge (Ziegler, Biersack and Littmark 1985, switched off by a polynomial).
template <typename Real> void NativeBackend<Real>::repel(const Graph &graph, const Output &output) const
{
  const Repulsion &own = *model_.repulsion;
  const double p = own.power;
  const std::size_t nodes = graph.node_row.size();
  for (std::size_t e = 0; e < graph.sender.size(); ++e) {
    const auto n = static_cast<std::size_t>(graph.receiver[e]);
    const auto receiver = graph.row_element[static_cast<std::size_t>(graph.node_row[n])];
    const auto pair = static_cast<std::size_t>(
        graph.row_element[static_cast<std::size_t>(graph.sender[e])] * model_.elements + receiver);
    const double *const d = graph.vectors.data() + 3 * e;
    const double r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), u = r / own.cutoff[pair];
    if (u >= 1) continue;
    double screening = 0, slope = 0;
    for (std::size_t k = 0; k < own.weights.size(); ++k) {
      const double term = own.weights[k] * std::exp(own.rates[k] * r / own.length[pair]);
      screening += term;
      slope += term * own.rates[k] / own.length[pair];
    }
    const double power = std::pow(u, p), before = std::pow(u, p - 1);
    const double polynomial = 0.5 * (p + 1) * (p + 2) - p * (p + 2) * u + 0.5 * p * (p + 1) * u * u;
    const double envelope = 1 - power * polynomial;
    const double envelope_slope =
        -(p * before * polynomial + power * (-p * (p + 2) + p * (p + 1) * u)) / own.cutoff[pair];
    const double factor = 0.5 * own.strength[pair] / r;
    const double radial = factor * (slope * envelope + screening * envelope_slope - screening * envelope / r);
    for (std::size_t h = 0; h < own.scale.size(); ++h) {
      output.node_energy[h * nodes + n] += own.scale[h] * factor * screening * envelope;
      const double share = each_head_ ? own.scale[h] : own.scale[h] / static_cast<double>(own.scale.size());
      double *const to = output.edge_gradient.data() + 3 * (each_head_ ? h * graph.sender.size() + e : e);
      for (std::size_t a = 0; a < 3; ++a) to[a] += share * radial * d[a] / r;
    }
  }
}

}  // namespace

std::unique_ptr<Backend> make_native_backend(const Archive &archive, const std::vector<std::int64_t> &used,
                                             bool single_precision, int threads)
{
  const Metadata &metadata = archive.metadata();
  const ArrayFile arrays(Json::parse(archive.entry("metadata.json")).at("weights"), archive.entry("weights.bin"));
  const ModelFile file = ModelFile::read(Json::parse(archive.entry("model.json")), arrays, metadata);
  if (file.outputs.size() != metadata.outputs.size())
    throw std::runtime_error("outputs of model.json and metadata.json differ");
  if (single_precision) return std::make_unique<NativeBackend<float>>(file, used, threads);
  return std::make_unique<NativeBackend<double>>(file, used, threads);
}

}  // namespace naglass::mace
