// Compiled once for each instruction set, in a namespace NAGLASS_KERNELS of its own.
#include <algorithm>
#include <array>
#include <vector>

#include "kernels.hpp"

namespace naglass::mace::NAGLASS_KERNELS {
namespace {

// Rows of up with channels fastest: [component][channel] within each input irrep.
template <typename Real> void transpose(const Real *from, Real *to, int rows, int columns)
{
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
}

template <typename Real> void couplings(const ConvolutionTable &table, const Real *harmonics, Real *coupling)
{
  for (std::size_t p = 0; p < table.pairs.size(); ++p) {
    Real sum = 0;
    for (int t = table.pairs[p].first; t < table.pairs[p].last; ++t)
      sum += static_cast<Real>(table.terms[static_cast<std::size_t>(t)].value) *
             harmonics[table.terms[static_cast<std::size_t>(t)].harmonic];
    coupling[p] = sum;
  }
}

// The inputs of one edge with channels fastest.
template <typename Real> void gather(const ConvolutionTable &table, const Real *up, Real *x)
{
  for (const auto &input : table.inputs) transpose(up + input.offset, x + input.offset, input.channels, input.dim);
}

template <typename Real>
void convolve(const ConvolutionTable &table, const EdgeGroups &edges, const Real *up, const Real *harmonics,
              const Real *weights, Real *message, std::int64_t first, std::int64_t last)
{
  std::vector<Real> sum(static_cast<std::size_t>(table.out_width)), x(static_cast<std::size_t>(table.in_width)),
      coupling(table.pairs.size()), work(static_cast<std::size_t>(table.widest));
  for (std::int64_t n = first; n < last; ++n) {
    std::fill(sum.begin(), sum.end(), Real(0));
    for (std::int64_t e = edges.start[n]; e < edges.start[n + 1]; ++e) {
      couplings(table, harmonics + e * table.harmonics, coupling.data());
      gather(table, up + edges.sender[e] * table.in_width, x.data());
      for (std::size_t p = 0; p < table.paths.size(); ++p) {
        const auto &path = table.paths[p];
        const int channels = path.channels;
        const Real *__restrict const w = weights + e * table.weight_width + path.weight;
        Real *__restrict const t = work.data();
        for (int q = table.first_pair[p]; q < table.first_pair[p + 1];) {
          const int k = table.pairs[static_cast<std::size_t>(q)].k;
          for (int u = 0; u < channels; ++u) t[u] = 0;
          for (; q < table.first_pair[p + 1] && table.pairs[static_cast<std::size_t>(q)].k == k; ++q) {
            const Real c = coupling[static_cast<std::size_t>(q)];
            const Real *__restrict const xi =
                x.data() + path.in + table.pairs[static_cast<std::size_t>(q)].i * channels;
            for (int u = 0; u < channels; ++u) t[u] += c * xi[u];
          }
          Real *__restrict const out = sum.data() + path.out + k * channels;
          for (int u = 0; u < channels; ++u) out[u] += w[u] * t[u];
        }
      }
    }
    for (const auto &path : table.paths)
      transpose(sum.data() + path.out, message + n * table.out_width + path.out, path.out_dim, path.channels);
  }
}

template <typename Real>
void convolve_back(const ConvolutionTable &table, const EdgeGroups &edges, const Real *up, const Real *harmonics,
                   const Real *weights, const Real *message_gradient, Real *up_gradient, Real *harmonics_gradient,
                   Real *weights_gradient, std::int64_t first, std::int64_t last)
{
  const auto in_width = static_cast<std::size_t>(table.in_width), widest = static_cast<std::size_t>(table.widest);
  std::vector<Real> d(static_cast<std::size_t>(table.out_width)), x(in_width), dx(in_width),
      coupling(table.pairs.size()), t_work(widest), wd_work(widest);
  for (std::int64_t n = first; n < last; ++n) {
    for (const auto &path : table.paths)
      transpose(message_gradient + n * table.out_width + path.out, d.data() + path.out, path.channels, path.out_dim);
    for (std::int64_t e = edges.start[n]; e < edges.start[n + 1]; ++e) {
      couplings(table, harmonics + e * table.harmonics, coupling.data());
      gather(table, up + edges.sender[e] * table.in_width, x.data());
      if (up_gradient) std::fill(dx.begin(), dx.end(), Real(0));
      Real *const dy = harmonics_gradient + e * table.harmonics;
      std::fill_n(dy, table.harmonics, Real(0));
      for (std::size_t p = 0; p < table.paths.size(); ++p) {
        const auto &path = table.paths[p];
        const int channels = path.channels;
        const Real *__restrict const w = weights + e * table.weight_width + path.weight;
        Real *__restrict const dw = weights_gradient + e * table.weight_width + path.weight;
        Real *__restrict const t = t_work.data();
        Real *__restrict const wd = wd_work.data();
        for (int u = 0; u < channels; ++u) dw[u] = 0;
        for (int q = table.first_pair[p]; q < table.first_pair[p + 1];) {
          const int k = table.pairs[static_cast<std::size_t>(q)].k;
          const Real *__restrict const dk = d.data() + path.out + k * channels;
          for (int u = 0; u < channels; ++u) {
            t[u] = 0;
            wd[u] = w[u] * dk[u];
          }
          for (; q < table.first_pair[p + 1] && table.pairs[static_cast<std::size_t>(q)].k == k; ++q) {
            const auto &pair = table.pairs[static_cast<std::size_t>(q)];
            const Real c = coupling[static_cast<std::size_t>(q)];
            const Real *__restrict const xi = x.data() + path.in + pair.i * channels;
            Real slope = 0;
#pragma omp simd reduction(+ : slope)
            for (int u = 0; u < channels; ++u) {
              t[u] += c * xi[u];
              slope += wd[u] * xi[u];
            }
            if (up_gradient) {
              Real *__restrict const dxi = dx.data() + path.in + pair.i * channels;
              for (int u = 0; u < channels; ++u) dxi[u] += c * wd[u];
            }
            for (int s = pair.first; s < pair.last; ++s)
              dy[table.terms[static_cast<std::size_t>(s)].harmonic] +=
                  static_cast<Real>(table.terms[static_cast<std::size_t>(s)].value) * slope;
          }
          for (int u = 0; u < channels; ++u) dw[u] += t[u] * dk[u];
        }
      }
      if (!up_gradient) continue;
      Real *const row = up_gradient + edges.sender[e] * table.in_width;
      for (const auto &input : table.inputs)
        for (int i = 0; i < input.dim; ++i)
          for (int u = 0; u < input.channels; ++u)
            row[input.offset + u * input.dim + i] +=
                dx[static_cast<std::size_t>(input.offset + i * input.channels + u)];
    }
  }
}

// One node's features of a block of channels, feature by feature.
template <typename Real>
void load_block(const Real *features, int width, int channels, int block, std::vector<std::array<Real, lanes<Real>>> &x)
{
  constexpr int L = lanes<Real>;
  const int used = std::min(L, channels - block * L);
  for (int f = 0; f < width; ++f)
    for (int l = 0; l < L; ++l)
      x[static_cast<std::size_t>(f)][static_cast<std::size_t>(l)] =
          l < used ? features[(block * L + l) * width + f] : Real(0);
}

template <typename Real>
void values_of(const PolynomialTable &table, const std::vector<std::array<Real, lanes<Real>>> &x,
               std::vector<std::array<Real, lanes<Real>>> &value)
{
  constexpr int L = lanes<Real>;
  for (std::size_t s = 0; s < table.steps.size(); ++s) {
    const auto &step = table.steps[s];
    const Real *const factor = x[static_cast<std::size_t>(step.factor)].data();
    Real *const own = value[s].data();
    if (step.parent < 0) {
      for (int l = 0; l < L; ++l) own[l] = factor[l];
    } else {
      const Real *const parent = value[static_cast<std::size_t>(step.parent)].data();
      for (int l = 0; l < L; ++l) own[l] = parent[l] * factor[l];
    }
  }
}

template <typename Real>
void couple(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features, Real *result,
            const std::int64_t *node, std::int64_t count)
{
  constexpr int L = lanes<Real>;
  using Block = std::array<Real, lanes<Real>>;
  std::vector<Block> x(static_cast<std::size_t>(table.features)), value(table.steps.size()),
      out(static_cast<std::size_t>(table.outputs));
  const int blocks = (channels + L - 1) / L;
  for (int block = 0; block < blocks; ++block) {
    const Real *const own = coefficients + static_cast<std::size_t>(block) * table.terms.size() * L;
    const int used = std::min(L, channels - block * L);
    for (std::int64_t m = 0; m < count; ++m) {
      load_block(features + node[m] * channels * table.features, table.features, channels, block, x);
      values_of(table, x, value);
      for (auto &lane : out) lane.fill(Real(0));
      for (std::size_t s = 0; s < table.steps.size(); ++s)
        for (int t = table.first_term[s]; t < table.first_term[s + 1]; ++t) {
          const auto &term = table.terms[static_cast<std::size_t>(t)];
          const Real *const c = own + static_cast<std::size_t>(t) * L;
          Real *const to = out[static_cast<std::size_t>(term.out)].data();
          for (int l = 0; l < L; ++l) to[l] += c[l] * value[s][static_cast<std::size_t>(l)];
        }
      Real *const row = result + node[m] * table.width;
      for (int o = 0; o < table.outputs; ++o)
        for (int l = 0; l < used; ++l)
          row[table.out_offset[static_cast<std::size_t>(o)] +
              (block * L + l) * table.out_stride[static_cast<std::size_t>(o)]] =
              out[static_cast<std::size_t>(o)][static_cast<std::size_t>(l)];
    }
  }
}

template <typename Real>
void couple_back(const PolynomialTable &table, const Real *coefficients, int channels, const Real *features,
                 const Real *result_gradient, Real *features_gradient, const std::int64_t *node, std::int64_t count)
{
  constexpr int L = lanes<Real>;
  using Block = std::array<Real, lanes<Real>>;
  std::vector<Block> x(static_cast<std::size_t>(table.features)), dx(static_cast<std::size_t>(table.features)),
      value(table.steps.size()), slope(table.steps.size()), out(static_cast<std::size_t>(table.outputs));
  const int blocks = (channels + L - 1) / L;
  for (int block = 0; block < blocks; ++block) {
    const Real *const own = coefficients + static_cast<std::size_t>(block) * table.terms.size() * L;
    const int used = std::min(L, channels - block * L);
    for (std::int64_t m = 0; m < count; ++m) {
      load_block(features + node[m] * channels * table.features, table.features, channels, block, x);
      values_of(table, x, value);
      const Real *const row = result_gradient + node[m] * table.width;
      for (int o = 0; o < table.outputs; ++o)
        for (int l = 0; l < L; ++l)
          out[static_cast<std::size_t>(o)][static_cast<std::size_t>(l)] =
              l < used ? row[table.out_offset[static_cast<std::size_t>(o)] +
                             (block * L + l) * table.out_stride[static_cast<std::size_t>(o)]]
                       : Real(0);
      for (auto &lane : dx) lane.fill(Real(0));
      for (auto &lane : slope) lane.fill(Real(0));
      for (std::size_t s = table.steps.size(); s-- > 0;) {
        Real *const ds = slope[s].data();
        for (int t = table.first_term[s]; t < table.first_term[s + 1]; ++t) {
          const Real *const c = own + static_cast<std::size_t>(t) * L;
          const Real *const from = out[static_cast<std::size_t>(table.terms[static_cast<std::size_t>(t)].out)].data();
          for (int l = 0; l < L; ++l) ds[l] += c[l] * from[l];
        }
        const auto &step = table.steps[s];
        Real *const df = dx[static_cast<std::size_t>(step.factor)].data();
        if (step.parent < 0) {
          for (int l = 0; l < L; ++l) df[l] += ds[l];
          continue;
        }
        const Real *const parent = value[static_cast<std::size_t>(step.parent)].data();
        const Real *const factor = x[static_cast<std::size_t>(step.factor)].data();
        Real *const dp = slope[static_cast<std::size_t>(step.parent)].data();
        for (int l = 0; l < L; ++l) {
          dp[l] += ds[l] * factor[l];
          df[l] += ds[l] * parent[l];
        }
      }
      Real *const to = features_gradient + node[m] * channels * table.features;
      for (int f = 0; f < table.features; ++f)
        for (int l = 0; l < used; ++l)
          to[(block * L + l) * table.features + f] = dx[static_cast<std::size_t>(f)][static_cast<std::size_t>(l)];
    }
  }
}

}  // namespace

template <typename Real> Kernels<Real> table()
{ return {&convolve<Real>, &convolve_back<Real>, &couple<Real>, &couple_back<Real>}; }

template Kernels<double> table<double>();
template Kernels<float> table<float>();

}  // namespace naglass::mace::NAGLASS_KERNELS
