// Radial basis and radial networks of a model, evaluated exactly.
#pragma once

#include <vector>

#include "packed_network.hpp"

namespace naglass::mace {

/// The basis at distance r (Å) between two elements; `cutoff` is the cutoff function, 1 where the basis contains it.
void radial_basis(const RadialBasis &basis, double r, double r_max, int sender, int receiver, double *values,
                  double &cutoff);

/// Outputs of a layer's radial network and, in the last column, of its density (where it has one), for many distances
/// between one pair of elements.
class RadialFunctions {
 public:
  RadialFunctions(const ModelFile &model, const LayerFile &layer);
  int width() const { return weights_width_ + (density_ ? 1 : 0); }
  std::vector<double> operator()(const std::vector<double> &distances, int sender, int receiver) const;

 private:
  const ModelFile &model_;
  const LayerFile &layer_;
  int weights_width_;
  bool density_;
  PackedNetwork weights_, density_network_;
};

}  // namespace naglass::mace
