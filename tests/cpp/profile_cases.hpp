// Layers and surfaces from plain C++; included by test_core.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/profile.hpp"
#include "core/surface_fit.hpp"

namespace naglass {

template <typename Expect, typename ExpectError> void layer_cases(Expect expect, ExpectError expect_error)
{
  const LayerBins across = LayerBins::across(10.0, 4);
  expect(across.count() == 4 && across.of(0.99) == 3 && across.of(-0.01) == 3 && across.of(7.3) == 1, "across a cell");
  // a slab from 18 to 26 in a cell of 24: through the boundary
  const LayerBins around = LayerBins::around(24.0, {18.0, 26.0}, 3.0, 2);
  expect(around.of(19.0 / 24) == 1 && around.of(17.0 / 24) == 2 && around.of(10.5 / 24) == -1,
         "about the lower surface");
  expect(around.of(1.0 / 24) == 5 && around.of(5.0 / 24) == 7 && around.of(22.5 / 24) == 4, "about the upper surface");
  const std::vector<double> thickness = around.thickness();
  expect(thickness == std::vector<double>{1, 3, 3, 3, 1, 3, 3, 3}, "up to the middle of the slab, and within reach");
  expect_error([] { LayerBins::around(24.0, {26.0, 18.0}, 3.0, 2); }, "upper = 18: must be above");
  expect_error([] { LayerBins::around(24.0, {1.0, 2.0}, 0.0, 2); }, "width = 0: must be a positive");

  std::vector<double> numbers(4 * layer_numbers), parts(4 * layer_numbers);
  const std::vector<int> bins{0, 3, 3, -1, 3};
  const std::vector<double> values{1e15, 0.1, std::numeric_limits<double>::quiet_NaN(), 5.0, -0.3};
  add_to_layers(bins, values, numbers);
  for (std::size_t i = bins.size(); i-- > 0;) add_to_layers(std::span(bins).subspan(i, 1), {&values[i], 1}, parts);
  expect(numbers == parts && numbers[0] == 1.0 && numbers[3 * layer_numbers] == 2.0, "in any order and any parts");
  expect(ExactSum::value(&numbers[1]) == 1e15 && ExactSum::value(&numbers[3 * layer_numbers + 1]) == 0.1 - 0.3, "sums");
}

template <typename Expect, typename ExpectError> void surface_cases(Expect expect, ExpectError expect_error)
{
  constexpr double height = 30.0, lower = 22.3, upper = 37.1, width = 1.4;
  std::vector<double> atoms(30, 2.0), sums;
  const auto primitive = [](double z, double at) { return width * std::log(std::cosh((z - at) / width)); };
  for (int k = 0; k < 30; ++k) {
    double inside = 0.0;
    for (int n = -2; n <= 1; ++n)
      inside += 0.5 * (primitive(k + 1, lower + n * height) - primitive(k, lower + n * height) -
                       primitive(k + 1, upper + n * height) + primitive(k, upper + n * height));
    sums.push_back(2.0 * (0.1 + 0.7 * inside));
  }
  const SurfaceFit found = fit_surfaces(atoms, sums, height);
  expect(found.problem.empty() && std::abs(found.at.lower - lower) < 1e-4 && std::abs(found.at.upper - upper) < 1e-4,
         "a profile of two steps through the boundary");
  expect(std::abs(found.width[0] - width * std::log(9.0)) < 1e-3 && std::abs(found.crystal - 0.8) < 1e-4, "its shape");
  expect(!fit_surfaces(atoms, atoms, height).problem.empty(), "no surface in a uniform profile");
  std::fill(atoms.begin() + 5, atoms.end(), 0.0);
  expect(!fit_surfaces(atoms, sums, height).problem.empty(), "nor in a few bins");
  expect_error([&] { fit_surfaces(atoms, {}, height); }, "sums = 0 bins");
}

}  // namespace naglass
