#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
#include "core/hops.hpp"

namespace naglass::python {
namespace {

py::array_t<double> table(const std::vector<Hop> &hops)
{
  std::vector<std::array<double, Hop::width>> rows;
  for (const Hop &hop : hops) rows.push_back(hop.row());
  return give<double>(std::move(rows), Hop::width);
}

py::array_t<double> add(HopDetector &detector, const Array<double> &positions, const Array<double> &offset,
                        std::int64_t step, const std::optional<Array<std::int64_t>> &offsets,
                        const std::optional<Array<std::int64_t>> &hosts)
{
  const auto points = view_rows<Vec3>(positions, "positions");
  if (offset.ndim() != 1 || offset.size() != 3)
    throw Error("offset", std::to_string(offset.size()) + " numbers", "must be a vector of 3");
  const Vec3 drift{offset.at(0), offset.at(1), offset.at(2)};
  Cages cages;
  if (offsets && hosts) cages = {view(*offsets, "offsets"), view(*hosts, "hosts")};
  std::vector<Hop> hops;
  {
    const ReleasedGil released;
    hops = detector.add(points, drift, step, cages);
  }
  return table(hops);
}

// Options, shared state, one row per atom, pending hops: also the pickled state.
py::tuple save(HopDetector &detector)
{
  const HopOptions &o = detector.options();
  const HopProgress &p = detector.progress();
  const std::size_t most = detector.most_hosts();
  return py::make_tuple(detector.atoms(),
                        py::make_tuple(o.window, o.threshold, o.release, o.min_length, o.return_within),
                        py::make_tuple(p.samples, p.last_step, p.interval, p.cages, p.finished), most,
                        give<double>(detector.rows(most)), table(detector.held_back()));
}

HopDetector load(const py::tuple &state)
{
  const py::tuple o = state[1], p = state[2];
  HopDetector detector(state[0].cast<std::size_t>(), {.window = o[0].cast<int>(),
                                                      .threshold = o[1].cast<double>(),
                                                      .release = o[2].cast<double>(),
                                                      .min_length = o[3].cast<double>(),
                                                      .return_within = o[4].cast<int>()});
  const auto rows = state[4].cast<Array<double>>();
  const auto held = state[5].cast<Array<double>>();
  std::vector<Hop> held_back;
  for (py::ssize_t k = 0; k < held.shape(0); ++k)
    held_back.push_back(Hop::from_row(std::span<const double, Hop::width>(held.data(k, 0), Hop::width)));
  const HopProgress progress{p[0].cast<std::int64_t>(), p[1].cast<std::int64_t>(), p[2].cast<std::int64_t>(),
                             p[3].cast<bool>(), p[4].cast<bool>()};
  detector.restore(progress, view(rows, "rows"), state[3].cast<std::size_t>(), std::move(held_back));
  return detector;
}

}  // namespace

void bind_hops(py::module_ &module)
{
  bind_options<HopOptions>(module, "HopOptions")
      .def_readwrite("window", &HopOptions::window)
      .def_readwrite("threshold", &HopOptions::threshold)
      .def_readwrite("release", &HopOptions::release)
      .def_readwrite("min_length", &HopOptions::min_length)
      .def_readwrite("return_within", &HopOptions::return_within);
  py::class_<HopDetector>(module, "HopDetector")
      .def(py::init<std::size_t, const HopOptions &>(), py::arg("atoms"), py::arg("options"))
      .def("add", &add, py::arg("positions"), py::arg("offset"), py::arg("step"), py::arg("offsets") = py::none(),
           py::arg("hosts") = py::none())
      .def("finish", [](HopDetector &detector) { return table(detector.finish()); })
      .def("p_hop", [](const HopDetector &detector) { return give<double>(detector.p_hop()); })
      .def_property_readonly("observed_samples", &HopDetector::observed_samples)
      .def_property_readonly("interval", [](const HopDetector &detector) { return detector.progress().interval; })
      .def(py::pickle(&save, &load));
}

}  // namespace naglass::python
