#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/channels.hpp"
#include "core/error.hpp"
#include "core/interrupt.hpp"
#include "core/neighbors.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

struct Sphere {
  Vec3 center;
  double radius;
};

// Neighboring voxels that share one short list of spheres.
struct Block {
  std::array<int, 3> first, last;  // voxels [first, last) along each direction
  Vec3 center;
  double reach;  // no voxel's center is further from the block's
  std::vector<Sphere> spheres;
};

// Å; wide enough that lists are few, narrow enough that they are short.
constexpr double block_width = 2.5;

Vec3 at(const Box &box, const Vec3 &fractional)
{
  Vec3 r{};
  for (int k = 0; k < 3; ++k)
    for (int d = 0; d < 3; ++d) r[d] += fractional[k] * box.cell()[k][d];
  return r;
}

double length(const Vec3 &r) { return std::sqrt(dot(r, r)); }

// Half of the longest diagonal of a parallelepiped with these fractions of the cell vectors as edges.
double half_diagonal(const Box &box, const Vec3 &edges)
{
  double longest = 0.0;
  for (const int b : {-1, 1})
    for (const int c : {-1, 1}) longest = std::max(longest, length(at(box, {edges[0], b * edges[1], c * edges[2]})));
  return longest / 2.0;
}

std::vector<Block> make_blocks(const Box &box, const std::array<int, 3> &shape)
{
  std::array<int, 3> step;  // voxels of a block along each direction
  for (int k = 0; k < 3; ++k) {
    const double wanted = std::floor(block_width * shape[k] / box.height(k));
    step[k] = static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(shape[k])));
  }
  std::vector<Block> blocks;
  for (int i = 0; i < shape[0]; i += step[0])
    for (int j = 0; j < shape[1]; j += step[1])
      for (int k = 0; k < shape[2]; k += step[2]) {
        Block block{{i, j, k}, {}, {}, 0.0, {}};
        Vec3 middle, edges;
        for (int d = 0; d < 3; ++d) {
          block.last[d] = std::min(block.first[d] + step[d], shape[d]);
          middle[d] = 0.5 * (block.first[d] + block.last[d]) / shape[d];
          edges[d] = static_cast<double>(block.last[d] - block.first[d]) / shape[d];
        }
        block.center = at(box, middle);
        block.reach = half_diagonal(box, edges);
        blocks.push_back(std::move(block));
      }
  return blocks;
}

// Assigns to each block of `open` the spheres that can be nearest to one of its points, if those within `cutoff` of its
// center determine this; returns the other blocks.
std::vector<int> find_spheres(std::vector<Block> &blocks, const std::vector<int> &open, std::span<const Vec3> positions,
                              std::span<const double> radii, const Box &box, double cutoff)
{
  const double largest = *std::max_element(radii.begin(), radii.end());
  const int spheres = static_cast<int>(positions.size());
  std::vector<Vec3> points(positions.begin(), positions.end());
  for (const int b : open) points.push_back(blocks[b].center);
  const PeriodicGraph near = neighbor_list(points, box, cutoff, positions.size());

  std::vector<int> left;
  for (std::size_t k = 0; k < open.size(); ++k) {
    Block &block = blocks[open[k]];
    const std::int64_t row = spheres + static_cast<std::int64_t>(k);
    double nearest = cutoff;
    for (std::int64_t e = near.offsets[row]; e < near.offsets[row + 1]; ++e)
      if (near.targets[e] < spheres) nearest = std::min(nearest, near.lengths[e] - radii[near.targets[e]]);
    // The nearest surface of any point of the block is within nearest + 2 reach of the block's center.
    const double bound = nearest + 2.0 * block.reach;
    if (bound + largest > cutoff) {
      left.push_back(open[k]);
      continue;
    }
    for (std::int64_t e = near.offsets[row]; e < near.offsets[row + 1]; ++e) {
      const int i = near.targets[e];
      if (i < spheres && near.lengths[e] - radii[i] <= bound)
        block.spheres.push_back({positions[i] + box.lattice_vector(near.shifts[e]), radii[i]});
    }
  }
  return left;
}

void check(std::span<const Vec3> positions, std::span<const double> radii, const std::array<int, 3> &shape)
{
  if (positions.empty()) throw Error("positions", "0 atoms", "free volume needs at least one sphere");
  if (radii.size() != positions.size())
    throw Error("radii", std::to_string(radii.size()) + " entries",
                "there are " + std::to_string(positions.size()) + " positions");
  for (std::size_t i = 0; i < radii.size(); ++i)
    if (!(radii[i] >= 0.0) || !std::isfinite(radii[i]))
      throw Error("radii[" + std::to_string(i) + "]", radii[i], "must be a number of at least 0 (Å)");
  for (const int n : shape)
    if (n < 1) throw Error("shape", std::to_string(n), "a grid needs at least one voxel along each direction");
}

}  // namespace

std::vector<double> surface_distance(std::span<const Vec3> positions, std::span<const double> radii, const Box &box,
                                     const std::array<int, 3> &shape)
{
  check(positions, radii, shape);
  std::vector<Block> blocks = make_blocks(box, shape);
  std::vector<int> open(blocks.size());
  std::iota(open.begin(), open.end(), 0);
  const double largest = *std::max_element(radii.begin(), radii.end());
  for (double cutoff = 2.0 * block_width + largest; !open.empty(); cutoff *= 1.5)
    open = find_spheres(blocks, open, positions, radii, box, cutoff);

  std::vector<double> distances(static_cast<std::size_t>(shape[0]) * shape[1] * shape[2]);
  const Interrupt interrupt = Interrupt::current();
  ParallelErrors errors;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads_for(blocks.size(), 32))
  for (std::int64_t b = 0; b < static_cast<std::int64_t>(blocks.size()); ++b)
    errors.run([&] {
      interrupt.check();
      const Block &block = blocks[b];
      for (int i = block.first[0]; i < block.last[0]; ++i)
        for (int j = block.first[1]; j < block.last[1]; ++j)
          for (int k = block.first[2]; k < block.last[2]; ++k) {
            const Vec3 r = at(box, {(i + 0.5) / shape[0], (j + 0.5) / shape[1], (k + 0.5) / shape[2]});
            double nearest = length(r - block.spheres.front().center) - block.spheres.front().radius;
            for (const Sphere &sphere : block.spheres)
              nearest = std::min(nearest, length(r - sphere.center) - sphere.radius);
            distances[(static_cast<std::size_t>(i) * shape[1] + j) * shape[2] + k] = nearest;
          }
    });
  errors.rethrow();
  return distances;
}

}  // namespace naglass
