#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "core/bond_graph.hpp"

namespace naglass::python {
namespace {

using Cell = std::array<Vec3, 3>;
using Periodic = std::array<bool, 3>;
using CutoffList = std::vector<std::tuple<int, int, double>>;

py::dict by_name(PeriodicGraph &&graph)
{
  return py::dict("offsets"_a = give<std::int64_t>(std::move(graph.offsets)),
                  "targets"_a = give<int>(std::move(graph.targets)), "shifts"_a = give<int>(std::move(graph.shifts), 3),
                  "lengths"_a = give<double>(std::move(graph.lengths)));
}

py::dict find_neighbors(const Array<double> &positions, const Cell &cell, const Periodic &pbc, double cutoff,
                        std::size_t first_row)
{
  const auto points = view_rows<Vec3>(positions, "positions");
  PeriodicGraph graph;
  {
    const ReleasedGil released;
    graph = neighbor_list(points, Box(cell, pbc), cutoff, first_row);
  }
  return by_name(std::move(graph));
}

py::dict find_bonds(const Array<double> &positions, const Array<int> &types, const Cell &cell, const Periodic &pbc,
                    int type_count, const CutoffList &cutoffs)
{
  const auto points = view_rows<Vec3>(positions, "positions");
  const auto kinds = view(types, "types");
  PeriodicGraph graph;
  {
    const ReleasedGil released;
    PairCutoffs pairs(type_count);
    for (const auto &[a, b, cutoff] : cutoffs) pairs.set(a, b, cutoff);
    graph = bond_graph(points, kinds, Box(cell, pbc), pairs);
  }
  return by_name(std::move(graph));
}

}  // namespace

void bind_graph(py::module_ &module)
{
  module.def("neighbor_list", &find_neighbors, py::arg("positions"), py::arg("cell"), py::arg("pbc"), py::arg("cutoff"),
             py::arg("first_row") = 0);
  module.def("bond_graph", &find_bonds, py::arg("positions"), py::arg("types"), py::arg("cell"), py::arg("pbc"),
             py::arg("type_count"), py::arg("cutoffs"));
}

}  // namespace naglass::python
