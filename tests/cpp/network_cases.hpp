// Linkage, clusters, channels and crystal order from plain C++; included by test_core.cpp.
#pragma once

#include <cmath>
#include <vector>

#include "core/bond_graph.hpp"
#include "core/channels.hpp"
#include "core/clusters.hpp"
#include "core/environment_file.hpp"
#include "core/lantern.hpp"
#include "core/steinhardt.hpp"

namespace naglass {

template <typename Expect> void linkage_cases(Expect expect)
{
  // A chain of one center and one ligand a cell: the center is linked to both of its images.
  PairCutoffs cutoffs(2);
  cutoffs.set(0, 1, 2.0);
  const Box box({{{3, 0, 0}, {0, 9, 0}, {0, 0, 9}}}, {true, true, true});
  const std::vector<Vec3> places{{0, 0, 0}, {1.5, 0, 0}};
  const PeriodicGraph chain = bond_graph(places, std::vector<int>{0, 1}, box, cutoffs);
  const std::vector<Link> links = center_links(chain, std::vector<int>{0, -1}, std::vector<char>{0, 1});
  expect(links.size() == 2 && links[0].shift == Shift{-1, 0, 0} && links[1].shared == 1, "links to its own images");
  expect(linkage_counts(links, 1) == std::vector<LinkCounts>{{1, 0, 0}}, "one corner a cell");
  expect(kind_pair(2, 1, 3) == 4 && kind_pair(0, 2, 3) == 2, "places of pairs of kinds");
  expect(lantern_counts(chain, std::vector<int>{0, -1}, std::vector<char>{0, 1}) == std::vector<int>{0, -1},
         "no lantern without bridges");

  const Clusters clusters = find_clusters(chain, std::vector<char>{1, 1});
  expect(clusters.sizes == std::vector<std::int64_t>{2} && clusters.translations[0].rank() == 1, "a chain");
}

template <typename Expect> void percolation_cases(Expect expect)
{
  Sublattice lattice;
  expect(lattice.add({2, 2, 0}) && lattice.add({0, 3, 0}) && !lattice.add({4, 1, 0}), "a multiple adds nothing");
  expect(lattice.rank() == 2 && lattice.along(1) && !lattice.along(2), "a plane");
  expect(lattice.basis()[0] == Sublattice::Row{2, 2, 0} && lattice.basis()[1] == Sublattice::Row{0, 3, 0}, "its basis");

  const Box cube({{{4, 0, 0}, {0, 4, 0}, {0, 0, 4}}}, {true, true, true});
  const std::vector<Vec3> one{{1, 1, 1}};
  expect(site_percolation(one, cube, 6.0).dimension[2] == 4.0, "simple cubic sites");
  const std::array<int, 3> shape{16, 16, 16};
  const std::vector<double> distance = surface_distance(one, std::vector<double>{1.0}, cube, shape);
  const double window = voxel_percolation(distance, {shape, {true, true, true}}, -100.0).dimension[2];
  expect(std::abs(window - (4 / std::sqrt(2.0) - 1)) < 0.22, "window of a simple cubic lattice");
  const std::vector<char> inside = percolating_voxels(distance, {shape, {true, true, true}}, window);
  expect(inside.size() == 4096 && !inside[0x333], "inside the sphere nothing passes");
}

template <typename Expect, typename ExpectError> void crystal_cases(Expect expect, ExpectError expect_error)
{
  const std::string text = "center V # at the origin\nenvironment\nO 2 0 0\nO 0 2.1 0\nP 0 0 3\n";
  const NamedEnvironments named = parse_environments(text, "file");
  expect(named.elements == std::vector<std::string>{"O", "P"} && named.environments.size() == 1, "environment file");
  const Environment &reference = named.environments[0];
  const Environment turned{{0, 0, 1}, {{0, 0, 2}, {2.1, 0, 0}, {0, 3, 0}}};
  expect(std::abs(overlap(reference, reference, 0.2) - 1.0) < 1e-10, "perfect match");
  expect(overlap(turned, reference, 0.2) < 0.4, "lost by a rotation");
  expect(std::abs(best_overlap(turned, reference, 0.2) - 1.0) < 1e-10, "found after a rotation");
  expect(best_overlap(Environment{}, reference, 0.2) == 0.0, "no neighbors, no overlap");
  expect_error([&] { parse_environments("center V\nP 1 1\n", "file"); }, "file:2 = P 1 1: expected");

  const std::vector<Vec3> octahedron{{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
  const auto q4 = bond_harmonics(std::vector<std::int64_t>{0, 6}, octahedron, 4);
  double sum = std::norm(q4[0]);
  for (int m = 1; m <= 4; ++m) sum += 2.0 * std::norm(q4[m]);
  expect(std::abs(std::sqrt(4.0 * std::acos(-1.0) / 9.0 * sum) - std::sqrt(7.0 / 12.0)) < 1e-12, "q4 of an octahedron");
}

}  // namespace naglass
