#include "torch_kernels.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

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
{
  return tensor.scalar_type() == at::kDouble ? action(double{}) : action(float{});
}

// Even shares of the nodes, one for each thread.
void over_shares(std::int64_t nodes, const std::function<void(std::int64_t, std::int64_t, std::int64_t)> &work)
{
  const std::int64_t shares = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(1, nodes / 8));
  if (shares == 1) return work(0, 0, nodes);
  at::parallel_for(0, shares, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto s = begin; s < end; ++s) work(s, nodes * s / shares, nodes * (s + 1) / shares);
  });
}

struct Convolution : torch::autograd::Function<Convolution> {
  static Tensor forward(AutogradContext *context, const Tables *tables, const Tensor &up, const Tensor &sender,
                        const Tensor &start, const Tensor &harmonics, const Tensor &weights)
  {
    const Tensor x = up.contiguous(), y = harmonics.contiguous(), w = weights.contiguous();
    const EdgeGroups edges{sender.data_ptr<std::int64_t>(), start.data_ptr<std::int64_t>(), start.numel() - 1};
    Tensor message = at::empty({edges.nodes, tables->convolution.out_width}, x.options());
    by_type(x, [&](auto zero) {
      using Real = decltype(zero);
      over_shares(edges.nodes, [&](std::int64_t, std::int64_t first, std::int64_t last) {
        kernels<Real>().convolve(tables->convolution, edges, x.data_ptr<Real>(), y.data_ptr<Real>(),
                                 w.data_ptr<Real>(), message.data_ptr<Real>(), first, last);
      });
    });
    context->saved_data["tables"] = reinterpret_cast<std::int64_t>(tables);
    context->saved_data["up"] = up.requires_grad();
    context->save_for_backward({x, sender, start, y, w});
    return message;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients)
  {
    const auto *const tables = reinterpret_cast<const Tables *>(context->saved_data["tables"].toInt());
    const bool needs_up = context->saved_data["up"].toBool();
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &y = saved[3], &w = saved[4], d = gradients[0].contiguous();
    const EdgeGroups edges{saved[1].data_ptr<std::int64_t>(), saved[2].data_ptr<std::int64_t>(),
                           saved[2].numel() - 1};
    const std::int64_t shares = at::get_num_threads();
    // every thread adds to senders of its own copy
    Tensor dx = needs_up ? at::zeros({shares, x.size(0), x.size(1)}, x.options()) : Tensor();
    Tensor dy = at::empty_like(y), dw = at::empty_like(w);
    by_type(x, [&](auto zero) {
      using Real = decltype(zero);
      over_shares(edges.nodes, [&](std::int64_t share, std::int64_t first, std::int64_t last) {
        Real *const own = needs_up ? dx.data_ptr<Real>() + share * x.numel() : nullptr;
        kernels<Real>().convolve_back(tables->convolution, edges, x.data_ptr<Real>(), y.data_ptr<Real>(),
                                      w.data_ptr<Real>(), d.data_ptr<Real>(), own, dy.data_ptr<Real>(),
                                      dw.data_ptr<Real>(), first, last);
      });
    });
    if (needs_up) dx = shares == 1 ? dx[0] : dx.sum(0);
    return {Tensor(), dx, Tensor(), Tensor(), dy, dw};
  }
};

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
      over_elements(*tables, saved[1], first,
                    [&](const Tensor &coefficients, const std::int64_t *own, std::int64_t count) {
                      kernels<Real>().couple_back(tables->product, coefficients.data_ptr<Real>(), tables->channels,
                                                  x.data_ptr<Real>(), d.data_ptr<Real>(), dx.data_ptr<Real>(), own,
                                                  count);
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
{
  auto tables = std::make_shared<Tables>();
  auto product = post.attr("product_table").toModule();
  const Tensor chosen = at::tensor(elements, at::kLong);
  const Tensor coefficients = product.forward({chosen}).toTensor().to(dtype);
  tables->channels = static_cast<int>(coefficients.size(2));
  const Tensor index = product.attr("index").toTensor();
  const auto harmonics = post.attr("harmonics").toInt();
  tables->convolution =
      ConvolutionTable::from_rows(list_of<std::int64_t>(post.attr("paths").toTensor()),
                                  list_of<std::int64_t>(post.attr("entries").toTensor()),
                                  list_of<double>(post.attr("values").toTensor()), static_cast<int>(harmonics));
  tables->product = PolynomialTable::from_rows(
      list_of<std::int64_t>(index), static_cast<int>(index.size(1)),
      list_of<std::int64_t>(product.attr("out").toTensor()), list_of<std::int64_t>(product.attr("dims").toTensor()),
      static_cast<int>(product.attr("features").toInt()), tables->channels);
  tables->coefficients.resize(static_cast<std::size_t>(model_elements));
  for (std::size_t k = 0; k < elements.size(); ++k) {
    const Tensor own = coefficients[static_cast<std::int64_t>(k)];
    tables->coefficients[static_cast<std::size_t>(elements[k])] =
        by_type(own, [&](auto zero) { return packed<decltype(zero)>(tables->product, own); });
  }
  tables_ = std::move(tables);
}

Tensor LayerKernels::convolve(const Tensor &up, const Tensor &sender, const Tensor &start, const Tensor &harmonics,
                              const Tensor &weights) const
{
  return Convolution::apply(tables_.get(), up, sender, start, harmonics, weights);
}

Tensor LayerKernels::couple(const Tensor &features, const Tensor &node, const std::vector<std::int64_t> &first) const
{
  return Coupling::apply(tables_.get(), features, node, first);
}

}  // namespace naglass::mace
