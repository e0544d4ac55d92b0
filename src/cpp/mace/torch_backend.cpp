// The libtorch backend: runs the TorchScript pieces and takes one vector-Jacobian product per piece.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdlib>
#include <sstream>

#include "backend.hpp"
#include "stopwatch.hpp"

namespace naglass::mace {
namespace {

using at::Tensor;
using TensorList = std::vector<Tensor>;

// In a libtorch built for HIP, the name CUDA refers to HIP.
at::Device choose_device(const Placement &placement)
{
  if (placement.device == Device::cpu) return at::kCPU;
  const int visible = at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0;
  if (visible > 0) return {at::kCUDA, static_cast<c10::DeviceIndex>(placement.local_rank % visible)};
  if (placement.device == Device::gpu) throw std::runtime_error("device gpu: no GPU is visible to this process");
  return at::kCPU;
}

torch::jit::Module load_piece(std::string_view bytes, at::ScalarType dtype, at::Device device)
{
  std::istringstream stream{std::string(bytes)};
  auto piece = torch::jit::load(stream, device);
  // Module::to would also convert the integers to floating point
  const auto convert = [dtype](const Tensor &tensor) {
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(dtype));
  };
  for (const auto &tensor : piece.parameters()) convert(tensor);
  for (const auto &tensor : piece.buffers()) convert(tensor);
  piece.eval();
  return piece;
}

TensorList tensors_of(const c10::IValue &tuple)
{
  TensorList tensors;
  for (const auto &element : tuple.toTupleRef().elements()) tensors.push_back(element.toTensor());
  return tensors;
}

TensorList call(torch::jit::Module &piece, const TensorList &inputs)
{ return tensors_of(piece.forward({inputs.begin(), inputs.end()})); }

Tensor leaf(const Tensor &tensor) { return tensor.detach().requires_grad_(); }

// Vector-Jacobian product; outputs that do not depend on any input are omitted, missing gradients are zero.
TensorList pull_back(const TensorList &outputs, const TensorList &gradients, const TensorList &inputs)
{
  TensorList connected, cotangents;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].requires_grad()) continue;
    connected.push_back(outputs[k]);
    cotangents.push_back(gradients[k]);
  }
  TensorList result(inputs.size());
  if (!connected.empty())
    result = torch::autograd::grad(connected, inputs, cotangents, /*retain_graph=*/false, /*create_graph=*/false,
                                   /*allow_unused=*/true);
  for (std::size_t k = 0; k < inputs.size(); ++k)
    if (!result[k].defined()) result[k] = at::zeros_like(inputs[k]);
  return result;
}

Tensor wrap(std::span<const std::int64_t> values)
{
  return at::from_blob(const_cast<std::int64_t *>(values.data()), {static_cast<std::int64_t>(values.size())},
                       at::kLong);
}

void copy_out(const Tensor &tensor, std::span<double> target)
{ at::from_blob(target.data(), tensor.sizes(), at::kDouble).copy_(tensor); }

class TorchBackend final : public Backend {
 public:
  TorchBackend(const ModelPieces &pieces, const Placement &placement);
  int gpu() const override { return device_.is_cpu() ? -1 : device_.index(); }
  void compute(const Graph &graph, GhostExchange &exchange, const Output &output) override;

 private:
  struct Layer {
    torch::jit::Module pre, post;
    int up_width;
  };
  // stored by a layer for its backward pass
  struct Tape {
    Tensor up, sc, energy, features, next_up, next_sc;
  };
  struct LayerGradients {
    Tensor harmonics, radial, up, sc;
  };
  struct Inputs {
    Tensor vectors, sender, receiver, sender_element, node_row, node_element, node_attrs;
    Tensor staged_row;  // node_row on the host, used for the exchange
    std::int64_t rows;
  };

  Inputs prepare(const Graph &graph) const;
  Tape run_layer(std::size_t index, const Inputs &in, const Tensor &up, const Tensor &sc, const TensorList &edge);
  LayerGradients layer_back(std::size_t index, const Tape &tape, const TensorList &edge, const TensorList &outputs,
                            const TensorList &cotangents) const;
  Tensor send_to_ghosts(const Tensor &node_values, const Inputs &in, GhostExchange &exchange) const;
  Tensor collect_from_ghosts(const Tensor &row_values, const Inputs &in, GhostExchange &exchange) const;
  TensorList forward(const Inputs &in, GhostExchange &exchange, const TensorList &edge, std::vector<Tape> &tapes);
  TensorList backward(const Inputs &in, GhostExchange &exchange, const TensorList &edge, std::vector<Tape> &tapes);
  Tensor extra_outputs(const Inputs &in, const std::vector<Tape> &tapes);
  void exchange_only(const Graph &graph, GhostExchange &exchange) const;

  at::ScalarType dtype_;
  at::Device device_;
  torch::jit::Module edge_;
  std::vector<Layer> layers_;
  std::vector<torch::jit::Module> outputs_;
  Tensor one_hot_;   // elements × elements
  Tensor first_up_;  // elements × width: the first layer's features depend only on the element
  Tensor first_sc_;
  mutable Stopwatch watch_;
};

TorchBackend::TorchBackend(const ModelPieces &pieces, const Placement &placement)
    : dtype_(pieces.single_precision ? at::kFloat : at::kDouble), device_(choose_device(placement))
{
  at::set_num_threads(placement.threads);
  const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
  // without these, glibc returns the large tensors to the system at every step
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  const auto load = [this](std::string_view bytes) { return load_piece(bytes, dtype_, device_); };
  edge_ = load(pieces.edge);
  for (const auto &layer : pieces.layers) layers_.push_back({load(layer.pre), load(layer.post), layer.up_width});
  for (const auto &output : pieces.outputs) outputs_.push_back(load(output));
  one_hot_ = at::eye(pieces.elements, at::TensorOptions(dtype_).device(device_));
  const auto first = call(layers_.front().pre, {one_hot_, one_hot_});
  first_up_ = first[0].detach();
  first_sc_ = first[1].detach();
}

void TorchBackend::compute(const Graph &graph, GhostExchange &exchange, const Output &output)
{
  // the symmetric contraction of MACE fails on zero nodes; neighbors still expect this rank's exchanges
  if (graph.node_row.empty()) return exchange_only(graph, exchange);
  const at::AutoGradMode with_gradients(true);
  // TorchScript's own optimizer costs time here: it differentiates symbolically, and again when edge counts change
  const torch::jit::GraphOptimizerEnabledGuard plain_interpreter(false);
  watch_.start();
  const Inputs in = prepare(graph);
  const Tensor receiver_element = in.node_element.index_select(0, in.receiver);
  const TensorList on_edges = call(edge_, {in.vectors, in.sender_element, receiver_element});
  watch_.mark("edge");
  const TensorList edge = {leaf(on_edges[0].contiguous()), leaf(on_edges[1].contiguous())};
  std::vector<Tape> tapes;
  const TensorList energies = forward(in, exchange, edge, tapes);
  if (!output.extra.empty()) copy_out(extra_outputs(in, tapes), output.extra);
  TensorList gradients = backward(in, exchange, edge, tapes);

  Tensor energy = energies[0].detach().to(at::kDouble);
  for (std::size_t k = 1; k < energies.size(); ++k) energy = energy.add(energies[k].detach());
  if (on_edges[2].numel() > 0) energy = energy.index_add(0, in.receiver, on_edges[2].detach().to(at::kDouble));
  gradients.push_back(at::ones_like(on_edges[2]));
  copy_out(energy, output.node_energy);
  copy_out(pull_back(on_edges, gradients, {in.vectors})[0], output.edge_gradient);
  watch_.mark("edge, back");
}

TorchBackend::Inputs TorchBackend::prepare(const Graph &graph) const
{
  Inputs in;
  const auto edges = static_cast<std::int64_t>(graph.sender.size());
  in.vectors =
      leaf(at::from_blob(const_cast<double *>(graph.vectors.data()), {edges, 3}, at::kDouble).to(device_, dtype_));
  in.sender = wrap(graph.sender).to(device_);
  in.receiver = wrap(graph.receiver).to(device_);
  in.node_row = wrap(graph.node_row).to(device_);
  in.staged_row = wrap(graph.node_row);
  const Tensor element = wrap(graph.row_element).to(device_);
  in.rows = element.size(0);
  in.sender_element = element.index_select(0, in.sender);
  in.node_element = element.index_select(0, in.node_row);
  in.node_attrs = one_hot_.index_select(0, in.node_element);
  return in;
}

TensorList TorchBackend::forward(const Inputs &in, GhostExchange &exchange, const TensorList &edge,
                                 std::vector<Tape> &tapes)
{
  TensorList energies;
  Tensor up = first_up_;
  Tensor sc = first_sc_.index_select(0, in.node_element);
  for (std::size_t k = 0; k < layers_.size(); ++k) {
    tapes.push_back(run_layer(k, in, up, sc, edge));
    const Tape &tape = tapes.back();
    energies.push_back(tape.energy);
    watch_.mark("layers");
    if (k + 1 == layers_.size()) break;
    up = leaf(send_to_ghosts(tape.next_up.detach(), in, exchange));
    sc = leaf(tape.next_sc);
  }
  return energies;
}

// The first layer's rows are elements, so it needs no exchange.
TorchBackend::Tape TorchBackend::run_layer(std::size_t index, const Inputs &in, const Tensor &up, const Tensor &sc,
                                           const TensorList &edge)
{
  const Tensor &sender = index == 0 ? in.sender_element : in.sender;
  const auto out = call(layers_[index].post, {up, sender, in.receiver, edge[0], edge[1], in.node_attrs, sc});
  Tape tape{up, sc, out[1], out[0].detach(), {}, {}};
  if (index + 1 < layers_.size()) {
    const auto next = call(layers_[index + 1].pre, {out[0], in.node_attrs});
    tape.next_up = next[0];
    tape.next_sc = next[1];
  }
  return tape;
}

// All extra outputs side by side, from the features of all layers.
Tensor TorchBackend::extra_outputs(const Inputs &in, const std::vector<Tape> &tapes)
{
  const at::NoGradGuard without_gradients;
  TensorList features, columns;
  for (const Tape &tape : tapes) features.push_back(tape.features);
  const Tensor side_by_side = at::cat(features, 1);
  for (auto &piece : outputs_) columns.push_back(piece.forward({side_by_side, in.node_attrs}).toTensor());
  return at::cat(columns, 1);
}

// Gradients of the total energy with respect to the edge piece's harmonics and radial features.
TensorList TorchBackend::backward(const Inputs &in, GhostExchange &exchange, const TensorList &edge,
                                  std::vector<Tape> &tapes)
{
  TensorList total;
  Tensor up_gradient, sc_gradient;
  for (std::size_t k = layers_.size(); k-- > 0;) {
    Tape &tape = tapes[k];
    TensorList outputs = {tape.energy}, cotangents = {at::ones_like(tape.energy)};
    if (up_gradient.defined()) {
      outputs.insert(outputs.end(), {tape.next_up, tape.next_sc});
      cotangents.insert(cotangents.end(), {up_gradient, sc_gradient});
    }
    const LayerGradients gradients = layer_back(k, tape, edge, outputs, cotangents);
    if (k > 0) {
      up_gradient = collect_from_ghosts(gradients.up, in, exchange);
      sc_gradient = gradients.sc;
    }
    if (total.empty()) total = {gradients.harmonics, gradients.radial};
    else total = {total[0].add(gradients.harmonics), total[1].add(gradients.radial)};
    tapes[k] = {};
  }
  return total;
}

// The first layer's features and self-connection are constants.
TorchBackend::LayerGradients TorchBackend::layer_back(std::size_t index, const Tape &tape, const TensorList &edge,
                                                      const TensorList &outputs, const TensorList &cotangents) const
{
  TensorList inputs = edge;
  if (index > 0) inputs.insert(inputs.end(), {tape.sc, tape.up});
  const TensorList found = pull_back(outputs, cotangents, inputs);
  return {found[0], found[1], index > 0 ? found[3] : Tensor(), index > 0 ? found[2] : Tensor()};
}

Tensor TorchBackend::send_to_ghosts(const Tensor &node_values, const Inputs &in, GhostExchange &exchange) const
{
  const auto width = node_values.size(1);
  Tensor rows = at::zeros({in.rows, width}, at::kDouble);
  rows.index_copy_(0, in.staged_row, node_values.to(at::kCPU, at::kDouble));
  exchange.forward(rows.data_ptr<double>(), static_cast<int>(width));
  watch_.mark("exchange");
  return rows.to(device_, dtype_);
}

Tensor TorchBackend::collect_from_ghosts(const Tensor &row_values, const Inputs &in, GhostExchange &exchange) const
{
  Tensor rows = row_values.to(at::kCPU, at::kDouble).contiguous();
  exchange.reverse(rows.data_ptr<double>(), static_cast<int>(rows.size(1)));
  watch_.mark("exchange");
  return rows.index_select(0, in.staged_row).to(device_, dtype_);
}

void TorchBackend::exchange_only(const Graph &graph, GhostExchange &exchange) const
{
  std::vector<double> rows;
  for (std::size_t k = 1; k < layers_.size(); ++k) {
    rows.assign(graph.row_element.size() * static_cast<std::size_t>(layers_[k].up_width), 0.0);
    exchange.forward(rows.data(), layers_[k].up_width);
  }
  for (std::size_t k = layers_.size() - 1; k > 0; --k) {
    rows.assign(graph.row_element.size() * static_cast<std::size_t>(layers_[k].up_width), 0.0);
    exchange.reverse(rows.data(), layers_[k].up_width);
  }
}

}  // namespace
}  // namespace naglass::mace

/// Entry point looked up by the pair style; passes on libtorch's exception if a piece cannot be read.
extern "C" __attribute__((visibility("default"))) naglass::mace::Backend *naglass_mace_torch_backend(
    const naglass::mace::ModelPieces *pieces, const naglass::mace::Placement *placement)
{ return new naglass::mace::TorchBackend(*pieces, *placement); }
