// Compiled once for each instruction set, in a namespace NAGLASS_KERNELS of its own.
#include <algorithm>

#include "native_kernels.hpp"
#include "product_kernels.hpp"
#include "simd.hpp"

namespace naglass::mace::NAGLASS_KERNELS {
namespace {

template <typename Real, int rows, int vectors>
void multiply_tile(const Real *const *x, Real *const *y, const Real *w, int k, int n)
{
  constexpr int size = vector_size<Real>;
  Vector<Real> sums[rows][vectors];
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) sums[r][v] = load(y[r] + v * size);
  for (int i = 0; i < k; ++i) {
    Vector<Real> own[vectors];
    for (int v = 0; v < vectors; ++v) own[v] = load(w + static_cast<std::ptrdiff_t>(i) * n + v * size);
    for (int r = 0; r < rows; ++r) {
      const Vector<Real> factor = all(x[r][i]);
      for (int v = 0; v < vectors; ++v) sums[r][v] += factor * own[v];
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int v = 0; v < vectors; ++v) store(y[r] + v * size, sums[r][v]);
}

// Six rows and two vectors fill the sixteen registers of AVX2.
template <typename Real>
void multiply(const Real *const *x, Real *const *y, std::int64_t rows, const Real *w, int k, int n)
{
  constexpr int vectors = 2, size = vector_size<Real>;
  for (std::int64_t r = 0; r < rows; r += 6) {
    const int left = static_cast<int>(std::min<std::int64_t>(6, rows - r));
    int column = 0;
    const auto advance = [&](auto width) {
      constexpr int count = decltype(width)::value;
      Real *at[6];
      for (int i = 0; i < left; ++i) at[i] = y[r + i] + column;
      switch (left) {
      case 1:
        multiply_tile<Real, 1, count>(x + r, at, w + column, k, n);
        break;
      case 2:
        multiply_tile<Real, 2, count>(x + r, at, w + column, k, n);
        break;
      case 3:
        multiply_tile<Real, 3, count>(x + r, at, w + column, k, n);
        break;
      case 4:
        multiply_tile<Real, 4, count>(x + r, at, w + column, k, n);
        break;
      case 5:
        multiply_tile<Real, 5, count>(x + r, at, w + column, k, n);
        break;
      default:
        multiply_tile<Real, 6, count>(x + r, at, w + column, k, n);
        break;
      }
      column += count * size;
    };
    while (column + vectors * size <= n) advance(std::integral_constant<int, vectors>{});
    while (column < n) advance(std::integral_constant<int, 1>{});
  }
}

template <typename Real, int edges, int vectors>
void interpolate_tile(const Real *coefficient, int terms, const Real *basis, const std::int32_t *edge, Real *out,
                      int channels, int first, int last)
{
  constexpr int size = vector_size<Real>;
  const Real *own[edges];
  for (int e = 0; e < edges; ++e) own[e] = basis + static_cast<std::ptrdiff_t>(edge[e]) * terms;
  for (int c = first; c < last; c += vectors * size) {
    Vector<Real> sums[edges][vectors] = {};
    for (int d = 0; d < terms; ++d) {
      Vector<Real> factor[edges];
      for (int e = 0; e < edges; ++e) factor[e] = all(own[e][d]);
      for (int v = 0; v < vectors; ++v) {
        const Vector<Real> value = load(coefficient + static_cast<std::ptrdiff_t>(d) * channels + c + v * size);
        for (int e = 0; e < edges; ++e) sums[e][v] += factor[e] * value;
      }
    }
    for (int e = 0; e < edges; ++e)
      for (int v = 0; v < vectors; ++v)
        store(out + static_cast<std::ptrdiff_t>(edge[e]) * channels + c + v * size, sums[e][v]);
  }
}

// Few edges take many channels at a time, so that there are enough sums to hide the latency of an addition.
template <typename Real, int edges, int vectors>
void interpolate_edges(const Real *coefficient, int terms, const Real *basis, const std::int32_t *edge, Real *out,
                       int channels)
{
  const int whole = channels - channels % (vectors * vector_size<Real>);
  interpolate_tile<Real, edges, vectors>(coefficient, terms, basis, edge, out, channels, 0, whole);
  interpolate_tile<Real, edges, 1>(coefficient, terms, basis, edge, out, channels, whole, channels);
}

template <typename Real>
void interpolate(const Real *coefficient, int terms, const Real *basis, const std::int32_t *edge, int count, Real *out,
                 int channels)
{
  for (; count >= 4; edge += 4, count -= 4)
    interpolate_edges<Real, 4, 2>(coefficient, terms, basis, edge, out, channels);
  if (count == 3) interpolate_edges<Real, 3, 4>(coefficient, terms, basis, edge, out, channels);
  if (count == 2) interpolate_edges<Real, 2, 4>(coefficient, terms, basis, edge, out, channels);
  if (count == 1) interpolate_edges<Real, 1, 8>(coefficient, terms, basis, edge, out, channels);
}

template <typename Real>
const Real *powers(const HarmonicTable &table, const Real *unit, int edges, int stride, Real *work)
{
  for (int a = 0; a < 3; ++a) {
    const Real *__restrict const x = unit + static_cast<std::ptrdiff_t>(a) * stride;
    Real *const first = work + static_cast<std::ptrdiff_t>(a * (table.degree + 1)) * stride;
    std::fill_n(first, edges, Real(1));
    for (int n = 1; n <= table.degree; ++n) {
      Real *__restrict const own = first + static_cast<std::ptrdiff_t>(n) * stride;
      const Real *__restrict const before = own - stride;
      for (int e = 0; e < edges; ++e) own[e] = before[e] * x[e];
    }
  }
  return work;
}

template <typename Real>
void harmonics(const HarmonicTable &table, const Real *unit, int edges, int stride, Real *result, Real *work)
{
  const Real *const power = powers(table, unit, edges, stride, work);
  Real *__restrict const monomial = work + static_cast<std::ptrdiff_t>(3 * (table.degree + 1)) * stride;
  const auto axis = [&](int a, int n) {
    return power + static_cast<std::ptrdiff_t>(a * (table.degree + 1) + n) * stride;
  };
  for (int j = 0; j < table.count; ++j) std::fill_n(result + static_cast<std::ptrdiff_t>(j) * stride, edges, Real(0));
  std::size_t t = 0;
  for (int m = 0; m < static_cast<int>(table.exponents.size()); ++m) {
    const auto &[a, b, c] = table.exponents[static_cast<std::size_t>(m)];
    const Real *__restrict const x = axis(0, a), *__restrict const y = axis(1, b), *__restrict const z = axis(2, c);
    for (int e = 0; e < edges; ++e) monomial[e] = x[e] * y[e] * z[e];
    for (; t < table.terms.size() && table.terms[t].monomial == m; ++t) {
      Real *__restrict const to = result + static_cast<std::ptrdiff_t>(table.terms[t].harmonic) * stride;
      const Real value = static_cast<Real>(table.terms[t].value);
      for (int e = 0; e < edges; ++e) to[e] += value * monomial[e];
    }
  }
}

template <typename Real>
void harmonics_back(const HarmonicTable &table, const Real *unit, const Real *gradient, int edges, int stride,
                    Real *unit_gradient, Real *work)
{
  const Real *const power = powers(table, unit, edges, stride, work);
  Real *__restrict const slope = work + static_cast<std::ptrdiff_t>(3 * (table.degree + 1)) * stride;
  const auto axis = [&](int a, int n) {
    return power + static_cast<std::ptrdiff_t>(a * (table.degree + 1) + n) * stride;
  };
  std::size_t t = 0;
  for (int m = 0; m < static_cast<int>(table.exponents.size()); ++m) {
    std::fill_n(slope, edges, Real(0));
    for (; t < table.terms.size() && table.terms[t].monomial == m; ++t) {
      const Real *__restrict const from = gradient + static_cast<std::ptrdiff_t>(table.terms[t].harmonic) * stride;
      const Real value = static_cast<Real>(table.terms[t].value);
      for (int e = 0; e < edges; ++e) slope[e] += value * from[e];
    }
    const auto &n = table.exponents[static_cast<std::size_t>(m)];
    for (int a = 0; a < 3; ++a) {
      if (n[static_cast<std::size_t>(a)] == 0) continue;
      const int b = (a + 1) % 3, c = (a + 2) % 3;
      const Real *__restrict const x = axis(a, n[static_cast<std::size_t>(a)] - 1);
      const Real *__restrict const y = axis(b, n[static_cast<std::size_t>(b)]);
      const Real *__restrict const z = axis(c, n[static_cast<std::size_t>(c)]);
      Real *__restrict const to = unit_gradient + static_cast<std::ptrdiff_t>(a) * stride;
      const Real factor = static_cast<Real>(n[static_cast<std::size_t>(a)]);
      for (int e = 0; e < edges; ++e) to[e] += factor * slope[e] * x[e] * y[e] * z[e];
    }
  }
}

template <typename Real>
void couplings(const std::vector<CouplingEntry> &entries, int pairs, const Real *harmonics, int harmonic_stride,
               int edges, Real *coupling, int stride)
{
  std::fill_n(coupling, static_cast<std::ptrdiff_t>(pairs) * stride, Real(0));
  for (const auto &entry : entries) {
    Real *__restrict const to = coupling + static_cast<std::ptrdiff_t>(entry.pair) * stride;
    const Real *__restrict const from = harmonics + static_cast<std::ptrdiff_t>(entry.harmonic) * harmonic_stride;
    const Real value = static_cast<Real>(entry.value);
    for (int e = 0; e < edges; ++e) to[e] += value * from[e];
  }
}

template <typename Real>
void couplings_back(const std::vector<CouplingEntry> &entries, const Real *coupling_gradient, int stride, int edges,
                    Real *harmonics_gradient, int harmonic_stride)
{
  for (const auto &entry : entries) {
    const Real *__restrict const from = coupling_gradient + static_cast<std::ptrdiff_t>(entry.pair) * stride;
    Real *__restrict const to = harmonics_gradient + static_cast<std::ptrdiff_t>(entry.harmonic) * harmonic_stride;
    const Real value = static_cast<Real>(entry.value);
    for (int e = 0; e < edges; ++e) to[e] += value * from[e];
  }
}

template <typename Real, int components>
void convolve_path(const ConvolutionPath &path, const NodeEdges<Real> &edges, const Real *x, int x_width, Real *message)
{
  constexpr int size = vector_size<Real>, vectors = vectors_per_group < 2 ? vectors_per_group : 2;
  for (int u = 0; u < path.channels; u += vectors * size) {
    Vector<Real> sums[components][vectors] = {};
    for (int e = 0; e < edges.count; ++e) {
      const Real *from = x + static_cast<std::ptrdiff_t>(edges.row[e]) * x_width + path.in + u;
      const Real *const w = edges.weight + static_cast<std::ptrdiff_t>(e) * path.channels + u;
      const Real *coupling = edges.coupling + e;
      for (int i = 0; i < path.in_dim; ++i, from += path.channels) {
        Vector<Real> product[vectors];
        for (int v = 0; v < vectors; ++v) product[v] = load(w + v * size) * load(from + v * size);
        for (int k = 0; k < components; ++k, coupling += edges.stride) {
          const Vector<Real> factor = all(*coupling);
          for (int v = 0; v < vectors; ++v) sums[k][v] += factor * product[v];
        }
      }
    }
    for (int k = 0; k < components; ++k)
      for (int v = 0; v < vectors; ++v) store(message + path.out + k * path.channels + u + v * size, sums[k][v]);
  }
}

template <typename Real, int components>
void convolve_path_back(const ConvolutionPath &path, const NodeEdges<Real> &edges, const Real *x, int x_width,
                        const Real *message_gradient, Real *x_gradient, Real *coupling_gradient,
                        Real *distance_gradient)
{
  constexpr int size = vector_size<Real>;
  const Real *const d = message_gradient + path.out;
  for (int e = 0; e < edges.count; ++e) {
    const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(edges.row[e]) * x_width + path.in;
    const Real *const w = edges.weight + static_cast<std::ptrdiff_t>(e) * path.channels;
    const Real *const slope = edges.slope + static_cast<std::ptrdiff_t>(e) * path.channels;
    Vector<Real> radial = {};
    for (int i = 0; i < path.in_dim; ++i) {
      const Real *const from = x + place + i * path.channels;
      Real *const to = x_gradient ? x_gradient + place + i * path.channels : nullptr;
      const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(i) * components * edges.stride + e;
      Vector<Real> factor[components], sums[components] = {};
      for (int k = 0; k < components; ++k) factor[k] = all(edges.coupling[first + k * edges.stride]);
      for (int u = 0; u < path.channels; u += size) {
        const Vector<Real> own = load(from + u), weight = load(w + u), product = weight * own;
        Vector<Real> pulled = {};
        for (int k = 0; k < components; ++k) {
          const Vector<Real> back = load(d + k * path.channels + u);
          pulled += factor[k] * back;
          sums[k] += product * back;
        }
        radial += own * pulled * load(slope + u);
        if (to) store(to + u, load(to + u) + weight * pulled);
      }
      for (int k = 0; k < components; ++k) coupling_gradient[first + k * edges.stride] = sum<Real>(sums[k]);
    }
    distance_gradient[e] += sum<Real>(radial);
  }
}

// Components of an irrep are 2l + 1.
template <typename Call> void by_components(int components, Call call)
{
  switch (components) {
  case 1:
    call(std::integral_constant<int, 1>{});
    break;
  case 3:
    call(std::integral_constant<int, 3>{});
    break;
  case 5:
    call(std::integral_constant<int, 5>{});
    break;
  case 7:
    call(std::integral_constant<int, 7>{});
    break;
  case 9:
    call(std::integral_constant<int, 9>{});
    break;
  case 11:
    call(std::integral_constant<int, 11>{});
    break;
  case 13:
    call(std::integral_constant<int, 13>{});
    break;
  default:
    call(std::integral_constant<int, 15>{});
    break;
  }
}

template <typename Real>
void convolve(const ConvolutionPath &path, const NodeEdges<Real> &edges, const Real *x, int x_width, Real *message)
{
  by_components(path.out_dim, [&](auto components) {
    convolve_path<Real, decltype(components)::value>(path, edges, x, x_width, message);
  });
}

template <typename Real>
void convolve_back(const ConvolutionPath &path, const NodeEdges<Real> &edges, const Real *x, int x_width,
                   const Real *message_gradient, Real *x_gradient, Real *coupling_gradient, Real *distance_gradient)
{
  by_components(path.out_dim, [&](auto components) {
    convolve_path_back<Real, decltype(components)::value>(path, edges, x, x_width, message_gradient, x_gradient,
                                                          coupling_gradient, distance_gradient);
  });
}

}  // namespace

template <typename Real> NativeKernels<Real> native_table()
{
  return {&multiply<Real>,       &interpolate<Real>, &harmonics<Real>,     &harmonics_back<Real>, &couplings<Real>,
          &couplings_back<Real>, &convolve<Real>,    &convolve_back<Real>, &couple<Real>,         &couple_back<Real>};
}

template NativeKernels<double> native_table<double>();
template NativeKernels<float> native_table<float>();

}  // namespace naglass::mace::NAGLASS_KERNELS
