#include "core/translation_forest.hpp"

#include <cmath>

namespace naglass {
namespace {

void subtract(Sublattice::Row &row, const Sublattice::Row &other, std::int64_t times)
{
  for (int d = 0; d < 3; ++d) row[d] -= times * other[d];
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

}  // namespace

bool Sublattice::add(Row translation)
{
  const auto before = basis_;
  for (int k = 0; k < 3; ++k) {
    Row &pivot = basis_[k];
    while (translation[k] != 0) {
      subtract(pivot, translation, pivot[k] / translation[k]);
      std::swap(pivot, translation);
    }
    if (pivot[k] < 0)
      for (std::int64_t &entry : pivot) entry = -entry;
  }
  reduce();
  return basis_ != before;
}

bool Sublattice::add(const Sublattice &other)
{
  bool grew = false;
  for (const Row &row : other.basis_) grew = add(row) || grew;
  return grew;
}

void Sublattice::reduce()
{
  for (int k = 1; k < 3; ++k)
    for (int above = 0; above < k && basis_[k][k] != 0; ++above)
      subtract(basis_[above], basis_[k], floor_divide(basis_[above][k], basis_[k][k]));
}

int Sublattice::rank() const { return (basis_[0][0] != 0) + (basis_[1][1] != 0) + (basis_[2][2] != 0); }

bool Sublattice::along(int k) const { return basis_[0][k] != 0 || basis_[1][k] != 0 || basis_[2][k] != 0; }

TranslationForest::TranslationForest(std::size_t nodes) : parent_(nodes, -1), offset_(nodes, Shift{}) {}

int TranslationForest::root(int node)
{
  path_.clear();
  for (; parent_[node] >= 0; node = parent_[node]) path_.push_back(node);
  // From the root down, so that each parent is already attached to the root.
  for (std::size_t k = path_.size(); k-- > 0;) {
    const int at = path_[k], above = parent_[at];
    if (above == node) continue;
    for (int d = 0; d < 3; ++d) offset_[at][d] += offset_[above][d];
    parent_[at] = node;
  }
  return node;
}

bool TranslationForest::join(int a, int b, const Shift &shift)
{
  int root_a = root(a), root_b = root(b);
  Shift step;
  for (int d = 0; d < 3; ++d) step[d] = offset_[a][d] + shift[d] - offset_[b][d];
  if (root_a == root_b) {
    if (step == Shift{}) return false;
    return translations_[root_a].add({step[0], step[1], step[2]});
  }
  if (size(root_a) < size(root_b)) {
    std::swap(root_a, root_b);
    for (int &component : step) component = -component;
  }
  parent_[root_a] += parent_[root_b];
  parent_[root_b] = root_a;
  offset_[root_b] = step;
  const auto moved = translations_.find(root_b);
  if (moved == translations_.end()) return false;
  const Sublattice joined = moved->second;
  translations_.erase(moved);
  const auto kept = translations_.find(root_a);
  if (kept == translations_.end()) {
    translations_.emplace(root_a, joined);
    return false;
  }
  return kept->second.add(joined);
}

const Sublattice &TranslationForest::translations(int root) const
{
  static const Sublattice none;
  const auto found = translations_.find(root);
  return found == translations_.end() ? none : found->second;
}

void PercolationLevels::note(const Sublattice &translations, double level)
{
  for (int d = 0; d < translations.rank(); ++d)
    if (std::isnan(dimension[d])) dimension[d] = level;
  for (int k = 0; k < 3; ++k)
    if (translations.along(k) && std::isnan(direction[k])) direction[k] = level;
}

}  // namespace naglass
