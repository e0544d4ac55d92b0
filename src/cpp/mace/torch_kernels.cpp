#include "torch_kernels.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace naglass::mace {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Tables = LayerKernels::Tables;

template <typename Number> std::vector<Number> list_of(const Tensor &tensor)
{
  const Tensor dense = tensor.to(at::CppTypeToScalarType<Number>()).contiguous();
  return {dense.data_ptr<Number>(), dense.data_ptr<Number>() + dense.numel()};
}

template <typename Action> auto by_type(const Tensor &tensor, Action action)
{ return tensor.scalar_type() == at::kDouble ? action(double{}) : action(float{}); }

// Even shares of the nodes, one for each thread.
void over_shares(std::int64_t nodes, const std::function<void(std::int64_t, std::int64_t, std::int64_t)> &work)
{
  const std::int64_t shares = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(1, nodes / 8));
  if (shares == 1) return work(0, 0, nodes);
  at::parallel_for(0, shares, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto s = begin; s < end; ++s) work(s, nodes * s / shares, nodes * (s + 1) / shares);
  });
}

// Sized so that the gradients of one block's weights stay in the cache.
constexpr std::int64_t edges_per_block = 2048;

// Weights are by far the largest array: this many bytes per layer are kept for the backward pass, the rest is
// recomputed.
std::size_t kept_bytes()
{
  const char *const asked = std::getenv("NAGLASS_MACE_KEEP_MB");
  return (asked ? std::strtoull(asked, nullptr, 10) : 256u) << 20;
}

// Consecutive nodes with about `edges_per_block` edges: calls work(first node, end node, first edge, end edge).
template <typename Work> void over_blocks(const Tensor &start, Work work)
{
  const auto *const edge = start.data_ptr<std::int64_t>();
  const std::int64_t nodes = start.numel() - 1;
  for (std::int64_t first = 0, last = 0; first < nodes; first = last) {
    do ++last;
    while (last < nodes && edge[last + 1] - edge[first] <= edges_per_block);
    work(first, last, edge[first], edge[last]);
  }
}

// The edges of one block, counted from its first.
struct Block {
  Block(const MessageInputs &in, std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end)
      : start(in.start.slice(0, first, last + 1).sub(begin)), harmonics(in.harmonics.slice(0, begin, end)),
        receiver(in.receiver.slice(0, begin, end).sub(first)),
        edges{in.sender.data_ptr<std::int64_t>() + begin, start.data_ptr<std::int64_t>(), last - first}
  {
  }
  Tensor start, harmonics, receiver;
  EdgeGroups edges;
};

RadialWeights radial_weights(torch::jit::Module &post, const Tensor &radial, bool with_gradients)
{
  const at::AutoGradMode mode(with_gradients);
  const Tensor own = radial.detach().requires_grad_(with_gradients);
  const auto result = post.get_method("weights")({own});
  const auto &parts = result.toTupleRef().elements();
  return {own, parts[0].toTensor().contiguous(), parts[1].toTensor()};
}

// Runs work on the nodes of each element; elements without coefficients do not occur.
template <typename Work>
void over_elements(const Tables &tables, const Tensor &node, const std::vector<std::int64_t> &first, Work work)
{
  for (std::size_t z = 0; z + 1 < first.size(); ++z) {
    if (first[z] == first[z + 1]) continue;
    TORCH_CHECK(tables.coefficients[z].defined(), "element ", z, " of the model was not announced");
    over_shares(first[z + 1] - first[z], [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      work(tables.coefficients[z], node.data_ptr<std::int64_t>() + first[z] + begin, end - begin);
    });
  }
}

struct Coupling : torch::autograd::Function<Coupling> {
  static Tensor forward(AutogradContext *context, const Tables *tables, const Tensor &features, const Tensor &node,
                        const std::vector<std::int64_t> &first)
  {
    const Tensor x = features.contiguous();
    Tensor result = at::empty({x.size(0), tables->product.width}, x.options());
    by_type(x, [&](auto zero) {
      using Real = decltype(zero);
      over_elements(*tables, node, first, [&](const Tensor &coefficients, const std::int64_t *own, std::int64_t count) {
        kernels<Real>().couple(tables->product, coefficients.data_ptr<Real>(), tables->channels, x.data_ptr<Real>(),
                               result.data_ptr<Real>(), own, count);
      });
    });
    context->saved_data["tables"] = reinterpret_cast<std::int64_t>(tables);
    context->saved_data["first"] = first;
    context->save_for_backward({x, node});
    return result;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto *const tables = reinterpret_cast<const Tables *>(context->saved_data["tables"].toInt());
    const auto first = context->saved_data["first"].toIntVector();
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], d = gradients[0].contiguous();
    Tensor dx = at::empty_like(x);
    by_type(x, [&](auto zero) {
      using Real = decltype(zero);
      over_elements(
          *tables, saved[1], first, [&](const Tensor &coefficients, const std::int64_t *own, std::int64_t count) {
            kernels<Real>().couple_back(tables->product, coefficients.data_ptr<Real>(), tables->channels,
                                        x.data_ptr<Real>(), d.data_ptr<Real>(), dx.data_ptr<Real>(), own, count);
          });
    });
    return {Tensor(), dx, Tensor(), Tensor()};
  }
};

// T×channels -> [channel block][term][lane], in the order of the table's terms, zero beyond the last channel.
template <typename Real> Tensor packed(const PolynomialTable &table, const Tensor &coefficients)
{
  constexpr int L = lanes<Real>;
  const Tensor dense = coefficients.contiguous();
  const auto channels = dense.size(1), blocks = (channels + L - 1) / L;
  const auto terms = static_cast<std::int64_t>(table.terms.size());
  Tensor out = at::zeros({blocks, terms, L}, dense.options());
  for (std::int64_t t = 0; t < terms; ++t)
    for (std::int64_t c = 0; c < channels; ++c)
      out.data_ptr<Real>()[((c / L) * terms + t) * L + c % L] =
          dense.data_ptr<Real>()[table.terms[static_cast<std::size_t>(t)].row * channels + c];
  return out;
}

}  // namespace

LayerKernels::LayerKernels(torch::jit::Module &post, const std::vector<std::int64_t> &elements, int model_elements,
                           at::ScalarType dtype)
    : post_(post)
{
  auto tables = std::make_shared<Tables>();
  auto product = post.attr("product_table").toModule();
  const Tensor chosen = at::tensor(elements, at::kLong);
  const Tensor coefficients = product.forward({chosen}).toTensor().to(dtype);
  tables->channels = static_cast<int>(coefficients.size(2));
  const Tensor index = product.attr("index").toTensor();
  const auto harmonics = post.attr("harmonics").toInt();
  tables->convolution = ConvolutionTable::from_rows(
      list_of<std::int64_t>(post.attr("paths").toTensor()), list_of<std::int64_t>(post.attr("entries").toTensor()),
      list_of<double>(post.attr("values").toTensor()), static_cast<int>(harmonics));
  tables->product = PolynomialTable::from_rows(list_of<std::int64_t>(index), static_cast<int>(index.size(1)),
                                               list_of<std::int64_t>(product.attr("out").toTensor()),
                                               list_of<std::int64_t>(product.attr("dims").toTensor()),
                                               static_cast<int>(product.attr("features").toInt()), tables->channels);
  tables->coefficients.resize(static_cast<std::size_t>(model_elements));
  for (std::size_t k = 0; k < elements.size(); ++k) {
    const Tensor own = coefficients[static_cast<std::int64_t>(k)];
    tables->coefficients[static_cast<std::size_t>(elements[k])] =
        by_type(own, [&](auto zero) { return packed<decltype(zero)>(tables->product, own); });
  }
  tables_ = std::move(tables);
}

Messages LayerKernels::convolve(const MessageInputs &in) const
{
  const Tensor x = in.up.contiguous();
  const auto nodes = in.start.numel() - 1;
  Messages out{at::empty({nodes, tables_->convolution.out_width}, x.options().requires_grad(false)), {}, {}};
  std::size_t kept = 0;
  const std::size_t most = kept_bytes();
  over_blocks(in.start, [&](std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end) {
    const Block block(in, first, last, begin, end);
    const bool keep = kept < most;
    const RadialWeights made = radial_weights(post_, in.radial.slice(0, begin, end), keep);
    if (keep) {
      kept += made.weights.nbytes();
      out.kept.push_back(made);
    }
    by_type(x, [&](auto zero) {
      using Real = decltype(zero);
      Real *const target = out.message.data_ptr<Real>() + first * out.message.size(1);
      over_shares(last - first, [&](std::int64_t, std::int64_t from, std::int64_t to) {
        kernels<Real>().convolve(tables_->convolution, block.edges, x.data_ptr<Real>(),
                                 block.harmonics.data_ptr<Real>(), made.weights.data_ptr<Real>(), target, from, to);
      });
    });
    if (!out.density.defined()) out.density = at::zeros({nodes, made.density.size(1)}, out.message.options());
    out.density.slice(0, first, last).index_add_(0, block.receiver, made.density.detach());
  });
  return out;
}

MessageGradients LayerKernels::convolve_back(const MessageInputs &in, const Messages &gradient,
                                             std::vector<RadialWeights> &kept, bool needs_up) const
{
  const Tensor x = in.up.contiguous(), d = gradient.message.contiguous();
  const std::int64_t shares = at::get_num_threads();
  // every thread adds to its own copy of the senders
  Tensor dx = needs_up ? at::zeros({shares, x.size(0), x.size(1)}, d.options()) : Tensor();
  MessageGradients out{Tensor(), at::empty_like(in.harmonics), at::empty_like(in.radial)};
  std::size_t number = 0;
  over_blocks(in.start, [&](std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end) {
    const Block block(in, first, last, begin, end);
    const RadialWeights made = number < kept.size() ? std::exchange(kept[number], {})
                                                    : radial_weights(post_, in.radial.slice(0, begin, end), true);
    ++number;
    Tensor dw = at::empty_like(made.weights);
    by_type(x, [&](auto zero) {
      using Real = decltype(zero);
      Real *const dy = out.harmonics.data_ptr<Real>() + begin * out.harmonics.size(1);
      over_shares(last - first, [&](std::int64_t share, std::int64_t from, std::int64_t to) {
        Real *const own = needs_up ? dx.data_ptr<Real>() + share * x.numel() : nullptr;
        kernels<Real>().convolve_back(tables_->convolution, block.edges, x.data_ptr<Real>(),
                                      block.harmonics.data_ptr<Real>(), made.weights.data_ptr<Real>(),
                                      d.data_ptr<Real>() + first * d.size(1), own, dy, dw.data_ptr<Real>(), from, to);
      });
    });
    std::vector<Tensor> outputs{made.weights}, cotangents{dw};
    if (made.density.requires_grad()) {
      outputs.push_back(made.density);
      cotangents.push_back(gradient.density.slice(0, first, last).index_select(0, block.receiver));
    }
    out.radial.slice(0, begin, end).copy_(torch::autograd::grad(outputs, {made.radial}, cotangents)[0]);
  });
  if (needs_up) out.up = shares == 1 ? dx[0] : dx.sum(0);
  return out;
}

Tensor LayerKernels::couple(const Tensor &features, const Tensor &node, const std::vector<std::int64_t> &first) const
{ return Coupling::apply(tables_.get(), features, node, first); }

}  // namespace naglass::mace
