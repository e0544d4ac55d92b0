#include "radial_functions.hpp"

#include <algorithm>
#include <cmath>

#include "native_kernels.hpp"

namespace naglass::mace {
namespace {

double cutoff_function(double r, double r_max, int p)
{
  const double u = r / r_max, power = std::pow(u, p);
  if (u >= 1) return 0;
  return 1 - power * (0.5 * (p + 1.0) * (p + 2.0) - p * (p + 2.0) * u + 0.5 * p * (p + 1.0) * u * u);
}

// Agnesi: doi:10.1063/5.0158783; both as in mace-torch.
double transformed(const RadialBasis &basis, double r, int sender, int receiver)
{
  const auto radius = [&](int z) { return basis.radii[static_cast<std::size_t>(z)]; };
  switch (basis.transform) {
  case RadialBasis::Transform::none:
    return r;
  case RadialBasis::Transform::agnesi: {
    const double x = r / (0.5 * (radius(sender) + radius(receiver)));
    return 1 / (1 + basis.a * std::pow(x, basis.q) / (1 + std::pow(x, basis.q - basis.p)));
  }
  case RadialBasis::Transform::soft: {
    const double r_0 = radius(sender) + radius(receiver), p_0 = 0.75 * r_0, p_1 = 4 * r_0 / 3;
    const double steepness = basis.alpha / (p_1 - p_0);
    return p_0 + (r - p_0) * 0.5 * (1 + std::tanh(steepness * (r - 0.5 * (p_0 + p_1))));
  }
  }
  return r;
}

}  // namespace

void radial_basis(const RadialBasis &basis, double r, double r_max, int sender, int receiver, double *values,
                  double &cutoff)
{
  const double envelope = cutoff_function(r, r_max, basis.cutoff_power);
  const double x = transformed(basis, r, sender, receiver);
  const std::size_t count = basis.values.size();
  switch (basis.kind) {
  case RadialBasis::Kind::bessel:
    for (std::size_t n = 0; n < count; ++n) values[n] = basis.factor * std::sin(basis.values[n] * x) / x;
    break;
  case RadialBasis::Kind::gaussian:
    for (std::size_t n = 0; n < count; ++n)
      values[n] = std::exp(basis.factor * (x - basis.values[n]) * (x - basis.values[n]));
    break;
  case RadialBasis::Kind::chebyshev: {
    double before = 1, own = x;
    std::size_t degree = 1;
    for (std::size_t n = 0; n < count; ++n) {
      for (; static_cast<double>(degree) < basis.values[n]; ++degree) {
        const double next = 2 * x * own - before;
        before = own;
        own = next;
      }
      values[n] = own;
    }
    break;
  }
  }
  cutoff = basis.cutoff_apart ? envelope : 1.0;
  if (!basis.cutoff_apart)
    for (std::size_t n = 0; n < count; ++n) values[n] *= envelope;
}

RadialFunctions::RadialFunctions(const ModelFile &model, const LayerFile &layer)
    : model_(model), layer_(layer), weights_width_(layer.weights.back().out), density_(!layer.density.empty()),
      weights_(layer.weights)
{
  if (density_) density_network_ = PackedNetwork(layer.density);
}

std::vector<double> RadialFunctions::operator()(const std::vector<double> &distances, int sender, int receiver) const
{
  const std::size_t rows = distances.size(), basis = model_.radial.values.size(),
                    ends = static_cast<std::size_t>(layer_.embedding), inputs = basis + 2 * ends;
  std::vector<double> x(rows * inputs), cutoff(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    double *const row = x.data() + r * inputs;
    radial_basis(model_.radial, distances[r], model_.r_max, sender, receiver, row, cutoff[r]);
    std::copy_n(layer_.sender_embedding.begin() + static_cast<std::ptrdiff_t>(ends) * sender, ends, row + basis);
    std::copy_n(layer_.receiver_embedding.begin() + static_cast<std::ptrdiff_t>(ends) * receiver, ends,
                row + basis + ends);
  }
  PackedNetwork::Trace found, density;
  weights_.forward(x.data(), rows, false, found);
  if (density_) density_network_.forward(x.data(), rows, false, density);
  const auto own = static_cast<std::size_t>(weights_width_), all = static_cast<std::size_t>(width());
  const auto step = static_cast<std::size_t>(padded<double>(weights_width_));
  std::vector<double> out(rows * all);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < own; ++c) out[r * all + c] = found.values.back()[r * step + c] * cutoff[r];
    if (!density_) continue;
    const double value = density.values.back()[r * static_cast<std::size_t>(lanes<double>)];
    out[r * all + own] = std::tanh(value * value) * cutoff[r];
  }
  return out;
}

}  // namespace naglass::mace
