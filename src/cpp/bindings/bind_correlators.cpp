#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "core/correlators.hpp"

namespace naglass::python {
namespace {

constexpr int quantities = 6;

py::array_t<double> shaped(std::vector<double> &&values, const std::vector<py::ssize_t> &shape)
{ return give<double>(std::move(values)).reshape(shape); }

void put(std::vector<double> &values, const Estimate &estimate)
{
  values.push_back(estimate.value);
  values.push_back(estimate.error);
}

// (lags,) lag and origins, (lags, species, quantities, 2) and (lags, 2)
py::tuple estimates(const Correlator &correlator)
{
  const DisplacementStatistics &statistics = correlator.statistics();
  std::vector<std::int64_t> lags, origins;
  std::vector<double> species, charge;
  py::ssize_t count = 0;
  {
    const ReleasedGil released;
    for (int k = 0; k < statistics.lags(); ++k) {
      const LagEstimate found = statistics.at(k);
      lags.push_back(found.lag);
      origins.push_back(found.origins);
      count = static_cast<py::ssize_t>(found.species.size());
      for (const SpeciesEstimate &s : found.species)
        for (const Estimate &e : {s.msd, s.alpha2, s.overlap, s.chi4, s.collective, s.haven}) put(species, e);
      put(charge, found.charge);
    }
  }
  const auto rows = static_cast<py::ssize_t>(lags.size());
  return py::make_tuple(give<std::int64_t>(std::move(lags)), give<std::int64_t>(std::move(origins)),
                        shaped(std::move(species), {rows, count, quantities, 2}), shaped(std::move(charge), {rows, 2}));
}

py::array_t<double> van_hove(const Correlator &correlator, int lag, int species)
{
  std::vector<double> values;
  for (const Estimate &e : correlator.statistics().van_hove(lag, species)) put(values, e);
  const auto rows = static_cast<py::ssize_t>(values.size() / 2);
  return shaped(std::move(values), {rows, 2});
}

// (blocks, lags, numbers) without the histograms
py::array_t<double> blocks(const Correlator &correlator, std::int64_t width)
{
  const DisplacementStatistics &statistics = correlator.statistics();
  const auto tables = statistics.blocks(width);
  std::vector<double> values;
  for (const auto &table : tables) values.insert(values.end(), table.begin(), table.end());
  return shaped(std::move(values), {static_cast<py::ssize_t>(tables.size()), statistics.lags(), statistics.numbers()});
}

}  // namespace

void bind_correlators(py::module_ &module)
{
  py::class_<Correlator>(module, "Correlator")
      .def(py::init([](const Array<int> &species, int species_count, int points, std::int64_t longest, double overlap,
                       double reach, double width, const std::vector<double> &charges) {
             const CorrelatorOptions options{species_count, points, longest, overlap, reach, width, charges, 0};
             return Correlator(options, view(species, "species"));
           }),
           py::arg("species"), py::arg("species_count"), py::arg("points"), py::arg("longest"), py::arg("overlap"),
           py::arg("van_hove_reach"), py::arg("van_hove_width"), py::arg("charges"))
      .def("add",
           [](Correlator &self, const Array<double> &positions) {
             const auto points = view_rows<Vec3>(positions, "positions");
             const ReleasedGil released;
             self.add(points);
           })
      .def("merge", &Correlator::merge)
      .def("frames", [](const Correlator &self) { return self.statistics().frames(); })
      .def("estimates", &estimates)
      .def("van_hove", &van_hove)
      .def("blocks", &blocks)
      .def("state", [](const Correlator &self) { return give<double>(self.state()); })
      .def("restore", [](Correlator &self, const Array<double> &state) { self.restore(view(state, "state")); });
}

}  // namespace naglass::python
