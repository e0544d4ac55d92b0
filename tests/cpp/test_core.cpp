// The core used from plain C++, without Python: exact answers, agreement with brute force, errors. Run by ctest,
// also under the address and undefined-behavior sanitizers.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "core/bond_graph.hpp"
#include "core/correlators.hpp"
#include "core/error.hpp"
#include "core/exact_sum.hpp"
#include "core/pair_histogram.hpp"
#include "core/hops.hpp"
#include "core/qn.hpp"
#include "ring_cases.hpp"
#include "fingerprint_cases.hpp"
#include "network_cases.hpp"
#include "profile_cases.hpp"

using namespace naglass;

namespace {

int failures = 0;

void expect(bool true_claim, const char *claim)
{
  if (true_claim) return;
  std::printf("FAILED: %s\n", claim);
  ++failures;
}

void expect_error(const std::function<void()> &action, const std::string &message)
{
  try {
    action();
  } catch (const Error &error) {
    if (std::string(error.what()).find(message) == std::string::npos) {
      std::printf("FAILED: message '%s' lacks '%s'\n", error.what(), message.c_str());
      ++failures;
    }
    return;
  }
  expect(false, ("no error: " + message).c_str());
}

const std::array<bool, 3> periodic{true, true, true};

Box cube(double edge) { return Box({{{edge, 0, 0}, {0, edge, 0}, {0, 0, edge}}}, periodic); }

void one_atom_in_a_small_cell()
{
  const std::vector<Vec3> positions{{0.3, 0.4, 0.5}};
  expect(neighbor_list(positions, cube(1.0), 1.1).targets.size() == 6, "simple cubic has 6 nearest images");
  expect(neighbor_list(positions, cube(1.0), 1.5).targets.size() == 18, "and 12 more across the faces");
  expect(std::abs(cube(2.0).volume() - 8.0) < 1e-15, "volume of a cube");
}

using Pair = std::tuple<int, int, Shift>;

std::set<Pair> brute_force(const std::vector<Vec3> &positions, const Box &box, double cutoff, int reach)
{
  std::set<Pair> pairs;
  const int n = static_cast<int>(positions.size());
  for (int a = -reach; a <= reach; ++a)
    for (int b = -reach; b <= reach; ++b)
      for (int c = -reach; c <= reach; ++c)
        for (int i = 0; i < n; ++i)
          for (int j = 0; j < n; ++j) {
            const Shift shift{a, b, c};
            const Vec3 r = (positions[j] - positions[i]) + box.lattice_vector(shift);
            if ((i != j || shift != Shift{}) && dot(r, r) < cutoff * cutoff) pairs.insert({i, j, shift});
          }
  return pairs;
}

void random_cells_agree_with_brute_force()
{
  std::mt19937 random(7);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  for (int trial = 0; trial < 50; ++trial) {
    const Box box({{{2 + unit(random), 0, 0},
                    {unit(random), 2 + unit(random), 0},
                    {2 * unit(random), unit(random), 2 + unit(random)}}},
                  periodic);
    std::vector<Vec3> positions;
    for (int i = 0; i < 6; ++i) positions.push_back({3 * unit(random), 3 * unit(random), 3 * unit(random)});
    const double cutoff = 0.5 + 3.0 * unit(random);
    const PeriodicGraph graph = neighbor_list(positions, box, cutoff);
    std::set<Pair> found;
    for (int i = 0; i < 6; ++i)
      for (std::int64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e)
        found.insert({i, graph.targets[e], graph.shifts[e]});
    expect(found.size() == graph.targets.size(), "no pair twice");
    expect(found == brute_force(positions, box, cutoff, 6), "cell list equals brute force");
  }
}

void chain_through_the_boundary()
{
  const std::vector<Vec3> positions{{0, 0, 0}, {1.5, 0, 0}};
  const std::vector<int> types{0, 1};
  const std::vector<Role> roles{Role::former, Role::oxygen};
  PairCutoffs cutoffs(2);
  cutoffs.set(0, 1, 2.0);
  const Box box({{{3, 0, 0}, {0, 20, 0}, {0, 0, 20}}}, periodic);
  const PeriodicGraph bonds = bond_graph(positions, types, box, cutoffs);
  const OxygenBonds oxygens = oxygen_bonds(bonds, types, {roles});
  const FormerLinks links = former_links(bonds, types, oxygens.formers, oxygens.metals, {roles});
  expect(oxygens.classes[1] == OxygenClass::bridging_former_former, "the oxygen bridges to the image");
  expect(links.n[0] == 2 && links.m[0] == 0, "a chain is Q2");
  expect(links.n[1] == -1, "an oxygen has no n");
}

void an_exact_sum_does_not_know_the_order_of_its_terms()
{
  std::mt19937 random(7);
  std::vector<double> terms(10000);
  for (double &term : terms) term = std::exp(std::uniform_real_distribution(-30.0, 15.0)(random));
  double total = -1.0;
  for (int order = 0; order < 5; ++order) {
    std::shuffle(terms.begin(), terms.end(), random);
    std::array<double, ExactSum::parts> buffer{};
    for (std::size_t first = 0; first < terms.size(); first += 1000) {
      ExactSum part;
      for (std::size_t k = first; k < first + 1000; k += 2) part.add({terms[k], terms[k + 1]});
      part.add_to(buffer.data());
    }
    expect(total < 0.0 || ExactSum::value(buffer.data()) == total, "the sum is the same in any order");
    total = ExactSum::value(buffer.data());
  }
}

void correlators_of_motion_at_constant_speed()
{
  CorrelatorOptions options;
  options.species = 2;
  options.points = 4;
  options.van_hove_reach = 5.0;
  const std::vector<int> species{1, 0, 0};
  Correlator whole(options, species), half(options, species), rest(options, species);
  for (int t = 0; t < 100; ++t) {
    const std::vector<Vec3> positions{{0.1 * t, 0, 0}, {0, 0.2 * t, 0}, {0, -0.2 * t, 0}};
    whole.add(positions);
    if (t == 40) rest.restore(half.state());
    (t < 40 ? half : rest).add(positions);
  }
  expect(rest.state() == whole.state(), "a restored correlator goes on bit for bit");
  for (int k = 0; k < whole.statistics().lags(); ++k) {
    const LagEstimate found = whole.statistics().at(k);
    const double way = 0.1 * static_cast<double>(found.lag);
    expect(std::abs(found.species[1].msd.value - way * way) < 1e-9, "MSD of constant speed");
    expect(std::abs(found.species[1].haven.value - 1.0) < 1e-9, "Haven ratio of a single atom");
    expect(found.species[0].collective.value < 1e-18, "opposite motion cancels");
    expect(whole.statistics().van_hove(k, 0).size() == 51, "50 bins and what lies beyond");
  }
  whole.merge(rest);
  expect(whole.statistics().at(0).origins == 2 * 99, "merged runs pool their origins");
}

void pair_histogram_of_one_atom_and_its_images()
{
  const std::vector<Vec3> positions{{0.3, 5.4, -0.5}};
  const std::vector<int> types{0};
  const auto counts = pair_histogram({positions, positions, types, 1}, cube(1.0), 1.6, 16);
  expect(counts[10] == 6 && counts[14] == 12, "shells of the simple cubic lattice");
}

void hops_go_on_after_a_restart()
{
  const HopOptions options{.window = 4, .return_within = 100, .threads = 2};
  HopDetector whole(3, options), part(3, options);
  std::vector<Hop> found, resumed;
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0.0, 0.1);
  std::vector<std::int64_t> offsets{0, 2, 4, 5}, hosts{1, 0, 7, 7, 2};
  for (int t = 0; t < 700; ++t) {
    std::vector<Vec3> r(3);
    for (Vec3 &x : r) x = {2.0 * (t / 20 % 2) + 0.1 * t + noise(random), noise(random), 1e4 + noise(random)};
    hosts[1] = t / 20 % 2;
    const Cages cages{offsets, hosts};
    for (const Hop &hop : whole.add(r, {0.1 * t, 0, 0}, 5 * t, cages)) found.push_back(hop);
    if (t == 333) {
      HopDetector other(3, options);
      other.restore(part.progress(), part.rows(part.most_hosts()), part.most_hosts(), part.held_back());
      part = other;
    }
    for (const Hop &hop : part.add(r, {0.1 * t, 0, 0}, 5 * t, cages)) resumed.push_back(hop);
  }
  bool equal = found.size() == resumed.size() && found.size() > 80;
  for (std::size_t k = 0; equal && k < found.size(); ++k) equal = found[k].row() == resumed[k].row();
  expect(equal, "hops after a restart equal those without");
  expect(found[3].returned && found[0].step == 100 && found[0].overlap == 0.5, "first hops are as made");
  expect(whole.finish().size() == part.finish().size(), "both end alike");
  expect_error([&] { whole.add({}, {}, 0); }, "positions = 0 atoms: the detector follows 3");
  expect_error([&] { part.restore({}, {}, 0, {}); }, "rows = 0 numbers: expected 60 for each of 3 atoms");
}

void errors_name_argument_and_value()
{
  const std::vector<Vec3> atom{{0, 0, 0}};
  const std::vector<int> types{3};
  const std::vector<Role> roles{Role::former};
  expect_error([&] { neighbor_list(atom, cube(1), -2.0); }, "cutoff = -2: must be a positive");
  expect_error([&] { neighbor_list(std::vector<Vec3>{{0, NAN, 0}}, cube(1), 1.0); }, "positions[0] = nan");
  expect_error([&] { bond_graph(atom, types, cube(1), PairCutoffs(1)); }, "types[0] = 3: types run from 0 to 0");
  expect_error([&] { bond_graph(atom, {}, cube(1), PairCutoffs(1)); }, "types = 0 entries: there are 1 positions");
  expect_error([&] { PairCutoffs(2).set(0, 2, 1.0); }, "cutoff[0,2] = 1: types run from 0 to 1");
  expect_error([&] { PairCutoffs(2).set(0, 1, NAN); }, "cutoff[0,1] = nan: must be a positive");
  expect_error([&] { oxygen_bonds(PeriodicGraph{{0, 0}, {}, {}, {}}, types, {roles}); }, "types[0] = 3: roles");
  expect_error([] { CorrelatorOptions{.points = 3}.check(); }, "points = 3: must be an even number");
  expect_error([&] { Correlator({}, types); }, "species[0] = 3: species run from 0 to 0");
  expect_error([] { Box({{{1, 0, 0}, {2, 0, 0}, {0, 0, 1}}}, periodic); }, "the cell vectors lie in one plane");
}

}  // namespace

int main()
{
  one_atom_in_a_small_cell();
  random_cells_agree_with_brute_force();
  chain_through_the_boundary();
  an_exact_sum_does_not_know_the_order_of_its_terms();
  correlators_of_motion_at_constant_speed();
  pair_histogram_of_one_atom_and_its_images();
  hops_go_on_after_a_restart();
  errors_name_argument_and_value();
  ring_cases(expect, expect_error);
  fingerprint_cases(expect, expect_error);
  spin_cases(expect);
  linkage_cases(expect);
  percolation_cases(expect);
  crystal_cases(expect, expect_error);
  layer_cases(expect, expect_error);
  surface_cases(expect, expect_error);
  std::printf(failures ? "%d failed\n" : "all passed\n", failures);
  return failures != 0;
}
