#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/percolation.hpp"
#include "core/clusters.hpp"
#include "core/lantern.hpp"
#include "core/linkage.hpp"

namespace naglass::python {
namespace {

py::dict linkage(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
                 const Array<int> &kinds, const Array<char> &ligand, int kind_count)
{
  const GraphView bonds = view_graph(offsets, targets, shifts);
  const auto kind_of = view(kinds, "kinds");
  const auto is_ligand = view(ligand, "ligand");
  for (const int kind : kind_of)
    if (kind < -1 || kind >= kind_count)
      throw Error("kinds", std::to_string(kind), "run from -1 to " + std::to_string(kind_count) + " - 1");
  std::vector<std::int64_t> i, j;
  std::vector<Shift> between;
  std::vector<int> shared;
  std::vector<LinkCounts> counts;
  {
    const ReleasedGil released;
    const std::vector<Link> links = center_links(bonds, kind_of, is_ligand);
    counts = linkage_counts(links, kind_count);
    for (const Link &link : links) {
      i.push_back(link.a);
      j.push_back(link.b);
      between.push_back(link.shift);
      shared.push_back(link.shared);
    }
  }
  return py::dict("i"_a = give<std::int64_t>(std::move(i)), "j"_a = give<std::int64_t>(std::move(j)),
                  "shifts"_a = give<int>(std::move(between), 3), "shared"_a = give<int>(std::move(shared)),
                  "counts"_a = give<std::int64_t>(std::move(counts), 3));
}

py::array_t<int> lanterns(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
                          const Array<int> &kinds, const Array<char> &ligand)
{
  const GraphView bonds = view_graph(offsets, targets, shifts);
  const auto kind_of = view(kinds, "kinds");
  const auto is_ligand = view(ligand, "ligand");
  std::vector<int> counts;
  {
    const ReleasedGil released;
    counts = lantern_counts(bonds, kind_of, is_ligand);
  }
  return give<int>(std::move(counts));
}

py::dict clusters(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
                  const Array<char> &selected)
{
  const GraphView graph = view_graph(offsets, targets, shifts);
  const auto chosen = view(selected, "selected");
  Clusters found;
  std::vector<std::array<Sublattice::Row, 3>> translations;
  {
    const ReleasedGil released;
    found = find_clusters(graph, chosen);
    for (const Sublattice &lattice : found.translations) translations.push_back(lattice.basis());
  }
  return py::dict("labels"_a = give<int>(std::move(found.labels)),
                  "sizes"_a = give<std::int64_t>(std::move(found.sizes)),
                  "translations"_a = give<std::int64_t>(std::move(translations), 9).reshape({-1, 3, 3}));
}

py::dict sites(const Array<double> &positions, const std::array<std::array<double, 3>, 3> &cell,
               const std::array<bool, 3> &periodic, double largest)
{
  const auto places = view_rows<Vec3>(positions, "positions");
  PercolationLevels levels;
  {
    const ReleasedGil released;
    levels = site_percolation(places, Box(cell, periodic), largest);
  }
  return levels_by_name(levels);
}

}  // namespace

void bind_linkage(py::module_ &module)
{
  module.def("linkage", &linkage, py::arg("offsets"), py::arg("targets"), py::arg("shifts"), py::arg("kinds"),
             py::arg("ligand"), py::arg("kind_count"));
  module.def("lanterns", &lanterns, py::arg("offsets"), py::arg("targets"), py::arg("shifts"), py::arg("kinds"),
             py::arg("ligand"));
  module.def("clusters", &clusters, py::arg("offsets"), py::arg("targets"), py::arg("shifts"), py::arg("selected"));
  module.def("site_percolation", &sites, py::arg("positions"), py::arg("cell"), py::arg("periodic"),
             py::arg("largest"));
}

}  // namespace naglass::python
