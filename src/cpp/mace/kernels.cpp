#include "kernels.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

namespace naglass::mace {

ConvolutionTable ConvolutionTable::from_rows(const std::vector<std::int64_t> &paths,
                                             const std::vector<std::int64_t> &entries,
                                             const std::vector<double> &values, int harmonics)
{
  ConvolutionTable table;
  table.harmonics = harmonics;
  for (std::size_t at = 0; at + 6 <= paths.size(); at += 6) {
    const auto part = [&](int k) { return static_cast<int>(paths[at + static_cast<std::size_t>(k)]); };
    const Path path{part(0), part(1), part(2), part(3), part(4), part(5)};
    table.paths.push_back(path);
    const bool known = std::any_of(table.inputs.begin(), table.inputs.end(),
                                   [&](const Input &input) { return input.offset == path.in; });
    if (!known) table.inputs.push_back({path.in, path.in_dim, path.channels});
    table.in_width = std::max(table.in_width, path.in + path.in_dim * path.channels);
    table.out_width = std::max(table.out_width, path.out + path.out_dim * path.channels);
    table.weight_width = std::max(table.weight_width, path.weight + path.channels);
    table.widest = std::max(table.widest, path.channels);
  }
  // path, output component, input component -> harmonics
  std::map<std::array<std::int64_t, 3>, std::vector<Term>> sorted;
  for (std::size_t t = 0; t < values.size(); ++t) {
    const std::int64_t *const entry = &entries[4 * t];
    if (entry[0] < 0 || entry[0] >= static_cast<std::int64_t>(table.paths.size()) || entry[2] < 0 ||
        entry[2] >= harmonics)
      throw std::runtime_error("the archive's convolution table is inconsistent");
    sorted[{entry[0], entry[3], entry[1]}].push_back({static_cast<int>(entry[2]), values[t]});
  }
  table.first_pair.assign(table.paths.size() + 1, 0);
  for (const auto &[key, terms] : sorted) {
    const int first = static_cast<int>(table.terms.size());
    table.terms.insert(table.terms.end(), terms.begin(), terms.end());
    table.pairs.push_back(
        {static_cast<int>(key[2]), static_cast<int>(key[1]), first, static_cast<int>(table.terms.size())});
    table.first_pair[static_cast<std::size_t>(key[0]) + 1] = static_cast<int>(table.pairs.size());
  }
  for (std::size_t p = 1; p < table.first_pair.size(); ++p)
    table.first_pair[p] = std::max(table.first_pair[p], table.first_pair[p - 1]);
  return table;
}

PolynomialTable PolynomialTable::from_rows(const std::vector<std::int64_t> &index, int correlation,
                                           const std::vector<std::int64_t> &out, const std::vector<std::int64_t> &dims,
                                           int features, int channels)
{
  PolynomialTable table;
  table.features = features;
  int offset = 0;
  for (const auto dim : dims) {
    for (int m = 0; m < dim; ++m) {
      table.out_offset.push_back(offset + m);
      table.out_stride.push_back(static_cast<int>(dim));
    }
    offset += static_cast<int>(dim) * channels;
  }
  table.outputs = static_cast<int>(table.out_offset.size());
  table.width = offset;
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
    tree[word].emplace_back(static_cast<int>(out[t]), static_cast<int>(t));
  }
  std::map<std::vector<int>, int> number;
  for (const auto &[word, users] : tree) {
    number[word] = static_cast<int>(table.steps.size());
    const std::vector<int> shorter(word.begin(), word.end() - 1);
    table.steps.push_back({shorter.empty() ? -1 : number.at(shorter), word.back()});
    table.first_term.push_back(static_cast<int>(table.terms.size()));
    for (const auto &[row, t] : users) table.terms.push_back({number[word], row, t});
  }
  table.first_term.push_back(static_cast<int>(table.terms.size()));
  return table;
}

namespace {

// The environment may select a smaller instruction set than the processor's, for comparison.
template <typename Real> Kernels<Real> choose(const std::string &asked)
{
#ifdef NAGLASS_X86_KERNELS
  const bool fma = __builtin_cpu_supports("fma");
  const bool v4 = fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  const bool v3 = fma && __builtin_cpu_supports("avx2");
  if (v4 && (asked.empty() || asked == "avx512")) return avx512::table<Real>();
  if (v3 && asked != "baseline") return avx2::table<Real>();
#endif
  return baseline::table<Real>();
}

}  // namespace

template <typename Real> const Kernels<Real> &kernels()
{
  const char *const asked = std::getenv("NAGLASS_MACE_KERNELS");
  static const Kernels<Real> found = choose<Real>(asked ? asked : "");
  return found;
}

template const Kernels<double> &kernels<double>();
template const Kernels<float> &kernels<float>();

}  // namespace naglass::mace
