// Fingerprints, links and moments from plain C++; included by test_core.cpp.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "core/fingerprint.hpp"
#include "core/moment_dynamics.hpp"
#include "core/spin_topology.hpp"

namespace naglass {

template <typename Expect, typename ExpectError> void fingerprint_cases(Expect expect, ExpectError expect_error)
{
  FingerprintOptions options;
  options.redox = redox_states("V");
  options.valence = bond_valence_parameters("default", "V", "O", distinct_states(options.redox));
  options.families_tell_states = true;
  check(options);
  const std::vector<Vec3> vo6{{0, 0, 1.6}, {0, 0, -2.2}, {2, 0, 0}, {-2, 0, 0}, {0, 2, 0}, {0, -2, 0}, {3, 3, 3}};
  const Polyhedron found = polyhedron(vo6, options);
  expect(found.coordination == 6 && found.vanadyl == 1 && found.equatorial == 4 && found.trans == 1, "1+4+1");
  expect(found.by_geometry == 4 && found.by_valence == 4, "vanadyl with long equatorial bonds is V4+");
  expect(std::abs(found.vanadyl_index - 0.6) < 1e-12, "trans minus vanadyl length");
  expect(disagreement(5, found, 0.4) == (moment_valence | moment_geometry | sum_off_state), "flags");

  const Polyhedron bare = polyhedron({}, options);
  expect(bare.coordination == 0 && bare.by_valence == 0 && std::isnan(bare.baur), "a bare center");
  const std::vector<Vec3> coincident{{0, 0, 0}, {0, 0, 0}, {1, 0, 0}, {0, 1, 0}};
  expect(polyhedron(coincident, options).coordination == 4, "coincident atoms do no harm");

  const std::vector<double> reduction{0.1, 0.9, 0.5};
  expect(states_by_charge(reduction, std::vector<int>{3, 4, 5}, 13) == std::vector<int>({5, 4, 4}), "ranks");
  expect_error([&] { states_by_charge(reduction, std::vector<int>{4, 5}, 16); }, "charge = 16");
  expect_error([] { bond_valence_parameters("softbv", "Fe", "O", std::vector<int>{2}); }, "no value for Fe2+");

  LengthBins bins{1.0, 2.0, 4};
  std::vector<std::int64_t> counts(4, 0);
  tally(std::vector<Vec3>{{0.999, 0, 0}, {1, 0, 0}, {0, 1.999, 0}, {0, 0, 2}}, 0, bins, counts);
  expect(counts == std::vector<std::int64_t>({1, 0, 0, 1}), "bins are half-open");
}

template <typename Expect> void spin_cases(Expect expect)
{
  // V–O–V through the boundary: the V is linked to its own image and forms an endless chain.
  const PeriodicGraph graph{{0, 2, 4}, {1, 1, 0, 0}, {{-1, 0, 0}, {0, 0, 0}, {0, 0, 0}, {1, 0, 0}}, {2, 2, 2, 2}};
  const std::vector<LinkRole> roles{LinkRole::center, LinkRole::bridge};
  const CenterLinks links = direct_links(graph, roles);
  expect(links.first == std::vector<int>{0} && links.shifts == std::vector<Shift>{{1, 0, 0}}, "one link to the image");
  const LinkClusters clusters = link_clusters(links, std::vector<int>{1}, roles);
  expect(clusters.dimension == std::vector<int>{1} && clusters.label[1] == -1, "an endless chain");

  std::vector<double> moments;
  for (int t = 0; t < 20; ++t) moments.insert(moments.end(), {t < 10 ? 1.0 : 0.0, t < 10 ? 0.0 : 1.0});
  const MomentTrack track{moments, 20, 2};
  const PolaronHops hops = polaron_hops(track, {0.5, 5, 0}, {}, false);
  expect(hops.hops.size() == 1 && hops.hops[0].losing.frame == 10 && hops.hops[0].gaining.center == 1, "a hop");
  expect(std::abs(moment_autocorrelation(track, 19, false).value[19] + 1.0) < 1e-12, "first and last are opposite");
}

}  // namespace naglass
