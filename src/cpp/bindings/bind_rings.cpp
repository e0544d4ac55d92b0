#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
#include "core/rings.hpp"

namespace naglass::python {
namespace {

py::dict former_graph_of(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
                         const Array<std::uint8_t> &formers, const Array<std::uint8_t> &bridges)
{
  const GraphView bonds = view_graph(offsets, targets, shifts);
  const auto is_former = view(formers, "formers"), is_bridge = view(bridges, "bridges");
  for (const auto &[flags, name] : {std::pair{is_former, "formers"}, std::pair{is_bridge, "bridges"}})
    if (flags.size() != static_cast<std::size_t>(bonds.rows()))
      throw Error(name, std::to_string(flags.size()) + " entries", "must be one per atom");
  PeriodicGraph graph;
  {
    const ReleasedGil released;
    graph = former_graph(bonds, is_former, is_bridge);
  }
  return py::dict("offsets"_a = give<std::int64_t>(std::move(graph.offsets)),
                  "targets"_a = give<int>(std::move(graph.targets)),
                  "shifts"_a = give<int>(std::move(graph.shifts), 3));
}

py::dict rings(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
               const Array<int> &types, RingOptions options)
{
  const GraphView graph = view_graph(offsets, targets, shifts);
  options.types = view(types, "types");
  RingCounts found;
  {
    const ReleasedGil released;
    found = find_rings(graph, options);
  }
  py::dict members("offsets"_a = give<std::int64_t>(std::move(found.members.offsets)),
                   "atoms"_a = give<int>(std::move(found.members.sites)),
                   "shifts"_a = give<int>(std::move(found.members.shifts), 3));
  return py::dict("counts"_a = give<std::int64_t>(std::move(found.counts)),
                  "searches"_a = give<std::int64_t>(std::move(found.searches)),
                  "through"_a = give<int>(std::move(found.through)),
                  "origins"_a = give<std::uint8_t>(std::move(found.origins)), "members"_a = members);
}

}  // namespace

void bind_rings(py::module_ &module)
{
  py::enum_<RingCriterion>(module, "RingCriterion")
      .value("primitive", RingCriterion::primitive)
      .value("king", RingCriterion::king)
      .value("guttman", RingCriterion::guttman)
      .value("strong", RingCriterion::strong);
  py::enum_<KingNeighbors>(module, "KingNeighbors")
      .value("excluded", KingNeighbors::excluded)
      .value("center", KingNeighbors::center);
  py::enum_<RingSelection>(module, "RingSelection")
      .value("all", RingSelection::all)
      .value("abab", RingSelection::abab)
      .value("not_abab", RingSelection::not_abab)
      .value("heteropolar", RingSelection::heteropolar);
  module.def("former_graph", &former_graph_of, py::arg("offsets"), py::arg("targets"), py::arg("shifts"),
             py::arg("formers"), py::arg("bridges"));
  bind_options<RingOptions>(module, "RingOptions")
      .def_readwrite("criterion", &RingOptions::criterion)
      .def_readwrite("max_size", &RingOptions::max_size)
      .def_readwrite("king_neighbors", &RingOptions::king_neighbors)
      .def_readwrite("selection", &RingOptions::selection)
      .def_readwrite("strong_reach", &RingOptions::strong_reach)
      .def_readwrite("members", &RingOptions::members)
      .def_readwrite("threads", &RingOptions::threads);
  module.def("rings", &rings, py::arg("offsets"), py::arg("targets"), py::arg("shifts"), py::arg("types"),
             py::arg("options"));
}

}  // namespace naglass::python
