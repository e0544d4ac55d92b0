#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "core/rings.hpp"

namespace naglass::python {
namespace {

py::tuple former_graph_of(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
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
  return py::make_tuple(give<std::int64_t>(std::move(graph.offsets)), give<int>(std::move(graph.targets)),
                        give<int>(std::move(graph.shifts), 3));
}

py::tuple rings(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
                const Array<int> &types, RingCriterion criterion, int max_size, KingNeighbors king_neighbors,
                RingSelection selection, int strong_reach, bool members, int threads)
{
  const GraphView graph = view_graph(offsets, targets, shifts);
  RingOptions options;
  options.criterion = criterion;
  options.max_size = max_size;
  options.king_neighbors = king_neighbors;
  options.selection = selection;
  options.types = view(types, "types");
  options.strong_reach = strong_reach;
  options.members = members;
  options.threads = threads;
  RingCounts found;
  {
    const ReleasedGil released;
    found = find_rings(graph, options);
  }
  return py::make_tuple(give<std::int64_t>(std::move(found.counts)), give<std::int64_t>(std::move(found.searches)),
                        give<int>(std::move(found.through)), give<std::uint8_t>(std::move(found.origins)),
                        give<std::int64_t>(std::move(found.members.offsets)), give<int>(std::move(found.members.sites)),
                        give<int>(std::move(found.members.shifts), 3));
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
  module.def("rings", &rings, py::arg("offsets"), py::arg("targets"), py::arg("shifts"), py::arg("types"),
             py::arg("criterion"), py::arg("max_size"), py::arg("king_neighbors"), py::arg("selection"),
             py::arg("strong_reach"), py::arg("members"), py::arg("threads"));
}

}  // namespace naglass::python
