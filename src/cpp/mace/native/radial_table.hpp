// Radial weights of a convolution as piecewise Chebyshev polynomials of the distance.
#pragma once

#include <cstdint>
#include <vector>

#include "model_file.hpp"
#include "native_kernels.hpp"

namespace naglass::mace {

/// Intervals of equal width, the first one halved again and again toward zero, where distance transforms are powers.
class RadialGrid {
 public:
  static constexpr int terms = 10, halvings = 12;

  RadialGrid(double r_max, int uniform) : width_(r_max / uniform), uniform_(uniform) {}

  int intervals() const { return uniform_ + halvings; }
  double low(int interval) const;
  double high(int interval) const;

  /// The interval of a distance; writes the Chebyshev polynomials there and their derivatives by the distance.
  template <typename Real> int at(double r, Real *value, Real *slope) const;

 private:
  double width_;
  int uniform_;
};

/// Which pairs of elements have radial functions of their own.
class PairSets {
 public:
  PairSets(const ModelFile &model, const std::vector<std::int64_t> &used);

  int count() const { return static_cast<int>(pairs_.size()); }
  int of(std::int64_t sender, std::int64_t receiver) const
  { return set_[static_cast<std::size_t>(sender * elements_ + receiver)]; }
  const std::vector<std::pair<int, int>> &pairs() const { return pairs_; }

 private:
  std::int64_t elements_;
  std::vector<int> set_;  // -1 for elements that do not occur
  std::vector<std::pair<int, int>> pairs_;
};

/// The radial weights of one layer: for every path of the convolution, and for the density where there is one, the
/// coefficients of all intervals of all pairs of elements.
template <typename Real> class RadialTable {
 public:
  struct Part {
    int channels;  // padded
    std::vector<Real> coefficient;
  };
  std::vector<Part> parts;  // the density's is the last

  /// Coefficients of part p for one interval of one pair of elements.
  const Real *coefficients(std::size_t p, int key) const
  {
    const Part &part = parts[p];
    return part.coefficient.data() + static_cast<std::ptrdiff_t>(key) * RadialGrid::terms * part.channels;
  }
};

/// The tables of all layers on one grid that is fine enough for forces exact to 10⁻⁹ eV/Å in double precision.
template <typename Real> struct RadialTables {
  RadialGrid grid;
  PairSets sets;
  std::vector<RadialTable<Real>> layers;

  static RadialTables build(const ModelFile &model, const std::vector<std::int64_t> &used);
};

}  // namespace naglass::mace
