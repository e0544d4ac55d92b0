// Product basis of one node and its adjoint, for one instruction set.
#pragma once

#include <algorithm>

#include "native_kernels.hpp"
#include "simd.hpp"

namespace naglass::mace::NAGLASS_KERNELS {
namespace {

// One group of channels.
template <typename Real> struct Group {
  Vector<Real> part[vectors_per_group];

  static Group of(const Real *from)
  {
    Group out;
    for (int v = 0; v < vectors_per_group; ++v) out.part[v] = load(from + v * vector_size<Real>);
    return out;
  }
  void to(Real *target) const
  {
    for (int v = 0; v < vectors_per_group; ++v) store(target + v * vector_size<Real>, part[v]);
  }
  Group operator*(const Group &other) const
  {
    Group out;
    for (int v = 0; v < vectors_per_group; ++v) out.part[v] = part[v] * other.part[v];
    return out;
  }
  Group &operator+=(const Group &other)
  {
    for (int v = 0; v < vectors_per_group; ++v) part[v] += other.part[v];
    return *this;
  }
};

template <typename Real>
void products(const PolynomialTable &table, int channels, const Real *features, Real *value)
{
  constexpr int L = lanes<Real>;
  for (std::size_t s = 0; s < table.steps.size(); ++s) {
    const auto &step = table.steps[s];
    auto own = Group<Real>::of(features + static_cast<std::ptrdiff_t>(step.factor) * channels);
    if (step.parent >= 0) own = own * Group<Real>::of(value + static_cast<std::ptrdiff_t>(step.parent) * L);
    own.to(value + s * L);
  }
}

template <typename Real>
void couple(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features, Real *result,
            Real *work)
{
  constexpr int L = lanes<Real>;
  for (int u = 0; u < channels; u += L) {
    const Real *const own =
        coefficients + static_cast<std::ptrdiff_t>(u) * static_cast<std::ptrdiff_t>(table.terms.size());
    products(table, channels, features + u, work);
    for (int o = 0; o < table.outputs; ++o)
      std::fill_n(result + table.out_offset[static_cast<std::size_t>(o)] + u, L, Real(0));
    for (std::size_t s = 0; s < table.steps.size(); ++s) {
      const auto value = Group<Real>::of(work + s * L);
      for (int t = table.first_term[s]; t < table.first_term[s + 1]; ++t) {
        const auto &term = table.terms[static_cast<std::size_t>(t)];
        Real *const to = result + table.out_offset[static_cast<std::size_t>(term.out)] + u;
        auto total = Group<Real>::of(to);
        total += Group<Real>::of(own + static_cast<std::ptrdiff_t>(t) * L) * value;
        total.to(to);
      }
    }
  }
}

// One group of channels: pointers are to its first lane.
template <typename Real>
void couple_back_group(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features,
                       const Real *value, const Real *result_gradient, Real *features_gradient, Real *slope)
{
  constexpr int L = lanes<Real>;
  for (int f = 0; f < table.features; ++f) std::fill_n(features_gradient + f * channels, L, Real(0));
  std::fill_n(slope, table.steps.size() * L, Real(0));
  for (std::size_t s = table.steps.size(); s-- > 0;) {
    auto gradient = Group<Real>::of(slope + s * L);
    for (int t = table.first_term[s]; t < table.first_term[s + 1]; ++t) {
      const auto &term = table.terms[static_cast<std::size_t>(t)];
      gradient += Group<Real>::of(coefficients + static_cast<std::ptrdiff_t>(t) * L) *
                  Group<Real>::of(result_gradient + table.out_offset[static_cast<std::size_t>(term.out)]);
    }
    const auto &step = table.steps[s];
    Real *const to = features_gradient + static_cast<std::ptrdiff_t>(step.factor) * channels;
    auto total = Group<Real>::of(to);
    if (step.parent < 0) {
      total += gradient;
    } else {
      total += gradient * Group<Real>::of(value + static_cast<std::ptrdiff_t>(step.parent) * L);
      Real *const up = slope + static_cast<std::ptrdiff_t>(step.parent) * L;
      auto parent = Group<Real>::of(up);
      parent += gradient * Group<Real>::of(features + static_cast<std::ptrdiff_t>(step.factor) * channels);
      parent.to(up);
    }
    total.to(to);
  }
}

template <typename Real>
void couple_back(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features,
                 const Gradients<const Real> &result, const Gradients<Real> &to_features, int count, Real *work)
{
  constexpr int L = lanes<Real>;
  Real *const value = work, *const slope = work + table.steps.size() * L;
  for (int u = 0; u < channels; u += L) {
    const Real *const own =
        coefficients + static_cast<std::ptrdiff_t>(u) * static_cast<std::ptrdiff_t>(table.terms.size());
    products(table, channels, features + u, value);
    for (int s = 0; s < count; ++s)
      couple_back_group(table, own, channels, features + u, value, result.of(s) + u, to_features.of(s) + u, slope);
  }
}

}  // namespace
}  // namespace naglass::mace::NAGLASS_KERNELS
