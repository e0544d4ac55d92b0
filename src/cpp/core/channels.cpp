#include "core/channels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

std::string text(const std::array<int, 3> &shape)
{ return std::to_string(shape[0]) + " x " + std::to_string(shape[1]) + " x " + std::to_string(shape[2]); }

void check(std::span<const double> values, const VoxelGrid &grid)
{
  if (std::min({grid.shape[0], grid.shape[1], grid.shape[2]}) < 1)
    throw Error("shape", text(grid.shape), "a grid needs at least one voxel along each direction");
  if (grid.voxels() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error("shape", text(grid.shape), "too many voxels for a 32-bit integer");
  if (values.size() != grid.voxels())
    throw Error("values", std::to_string(values.size()) + " entries", "the grid has " + text(grid.shape) + " voxels");
  for (std::size_t v = 0; v < values.size(); ++v)
    if (std::isnan(values[v])) throw Error("values[" + std::to_string(v) + "]", "nan", "must be a number");
}

// Voxels joined to their face neighbors as they are opened one by one.
class OpenVoxels {
 public:
  explicit OpenVoxels(const VoxelGrid &grid) : grid_(grid), open_(grid.voxels(), 0), forest_(grid.voxels()) {}

  // Opens a voxel; `grown` is called with the translations of its component when they gain a direction or get finer.
  template <typename Grown> void open(int voxel, Grown &&grown)
  {
    open_[voxel] = 1;
    const std::array<int, 3> stride{grid_.shape[1] * grid_.shape[2], grid_.shape[2], 1};
    for (int k = 0; k < 3; ++k) {
      const int place = voxel / stride[k] % grid_.shape[k];
      for (const int step : {-1, 1}) {
        const bool crosses = place + step < 0 || place + step >= grid_.shape[k];
        if (crosses && !grid_.periodic[k]) continue;
        const int other = voxel + (crosses ? step * (1 - grid_.shape[k]) : step) * stride[k];
        if (!open_[other]) continue;
        Shift shift{};
        shift[k] = crosses ? step : 0;
        if (forest_.join(voxel, other, shift)) grown(forest_.translations(forest_.root(voxel)));
      }
    }
  }

  bool is_open(int voxel) const { return open_[voxel]; }
  bool percolates(int voxel) { return forest_.translations(forest_.root(voxel)).rank() > 0; }

 private:
  VoxelGrid grid_;
  std::vector<char> open_;
  TranslationForest forest_;
};

}  // namespace

PercolationLevels voxel_percolation(std::span<const double> values, const VoxelGrid &grid, double floor)
{
  check(values, grid);
  std::vector<int> order;
  for (int v = 0; v < static_cast<int>(values.size()); ++v)
    if (values[v] > floor) order.push_back(v);
  std::sort(order.begin(), order.end(), [&](int p, int q) { return values[p] > values[q]; });

  const int directions = grid.periodic[0] + grid.periodic[1] + grid.periodic[2];
  OpenVoxels open(grid);
  PercolationLevels levels;
  for (const int voxel : order) {
    open.open(voxel, [&](const Sublattice &translations) { levels.note(translations, values[voxel]); });
    if (directions == 0 || !std::isnan(levels.dimension[directions - 1])) break;
  }
  return levels;
}

std::vector<char> percolating_voxels(std::span<const double> values, const VoxelGrid &grid, double level)
{
  check(values, grid);
  OpenVoxels open(grid);
  const int voxels = static_cast<int>(values.size());
  for (int v = 0; v < voxels; ++v)
    if (values[v] >= level) open.open(v, [](const Sublattice &) {});
  std::vector<char> inside(values.size(), 0);
  for (int v = 0; v < voxels; ++v) inside[v] = open.is_open(v) && open.percolates(v);
  return inside;
}

}  // namespace naglass
