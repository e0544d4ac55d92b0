#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
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

// (lags,) lags and origins, (lags, species, quantities, 2) and (lags, 2)
py::dict estimates(const Correlator &correlator)
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
  return py::dict("lags"_a = give<std::int64_t>(std::move(lags)), "origins"_a = give<std::int64_t>(std::move(origins)),
                  "species"_a = shaped(std::move(species), {rows, count, quantities, 2}),
                  "charge"_a = shaped(std::move(charge), {rows, 2}));
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
  bind_options<CorrelatorOptions>(module, "CorrelatorOptions")
      .def_readwrite("species", &CorrelatorOptions::species)
      .def_readwrite("points", &CorrelatorOptions::points)
      .def_readwrite("longest", &CorrelatorOptions::longest)
      .def_readwrite("overlap", &CorrelatorOptions::overlap)
      .def_readwrite("van_hove_reach", &CorrelatorOptions::van_hove_reach)
      .def_readwrite("van_hove_width", &CorrelatorOptions::van_hove_width)
      .def_readwrite("charges", &CorrelatorOptions::charges);
  py::class_<Correlator>(module, "Correlator")
      .def(py::init([](const Array<int> &species, const CorrelatorOptions &options) {
             return Correlator(options, view(species, "species"));
           }),
           py::arg("species"), py::arg("options"))
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
