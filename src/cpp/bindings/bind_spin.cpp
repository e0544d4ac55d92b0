#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
#include "core/moment_dynamics.hpp"
#include "core/spin_topology.hpp"

namespace naglass::python {
namespace {

py::dict by_name(CenterLinks &&links)
{
  return py::dict("first"_a = give<int>(std::move(links.first)), "second"_a = give<int>(std::move(links.second)),
                  "shifts"_a = give<int>(std::move(links.shifts), 3), "paths"_a = give<int>(std::move(links.paths)));
}

py::dict center_links(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts,
                      const std::vector<LinkRole> &roles)
{
  const GraphView graph = view_graph(offsets, targets, shifts);
  CenterLinks direct, mediated;
  std::vector<int> alkali;
  {
    const ReleasedGil released;
    direct = direct_links(graph, roles);
    mediated = mediated_links(graph, roles);
    alkali = alkali_neighbors(graph, roles);
  }
  return py::dict("direct"_a = by_name(std::move(direct)), "mediated"_a = by_name(std::move(mediated)),
                  "alkali_neighbors"_a = give<int>(std::move(alkali)));
}

py::dict clusters(const Array<int> &first, const Array<int> &second, const Array<int> &shifts, const Array<int> &used,
                  const std::vector<LinkRole> &roles)
{
  const auto a = view(first, "first"), b = view(second, "second");
  const auto images = view_rows<Shift>(shifts, "shifts");
  if (a.size() != b.size() || a.size() != images.size())
    throw Error("second", std::to_string(b.size()) + " entries", "first, second and shifts must have the same length");
  for (const auto ends : {a, b})
    for (const int i : ends)
      if (i < 0 || static_cast<std::size_t>(i) >= roles.size() || roles[i] != LinkRole::center)
        throw Error("first", std::to_string(i), "is not a center");
  const CenterLinks links{{a.begin(), a.end()}, {b.begin(), b.end()}, {images.begin(), images.end()}, {}};
  LinkClusters found = link_clusters(links, view(used, "used"), roles);
  return py::dict("label"_a = give<int>(std::move(found.label)), "size"_a = give<int>(std::move(found.size)),
                  "dimension"_a = give<int>(std::move(found.dimension)));
}

MomentTrack view_track(const Array<double> &moments)
{
  if (moments.ndim() != 2)
    throw Error("moments", std::to_string(moments.ndim()) + " dimensions", "must have the shape (frames, centers)");
  return {{moments.data(), static_cast<std::size_t>(moments.size())}, moments.shape(0), moments.shape(1)};
}

py::dict autocorrelation(const Array<double> &moments, std::int64_t max_lag, bool own_mean)
{
  const MomentTrack track = view_track(moments);
  Autocorrelation found;
  {
    const ReleasedGil released;
    found = moment_autocorrelation(track, max_lag, own_mean);
  }
  return py::dict("value"_a = give<double>(std::move(found.value)), "error"_a = give<double>(std::move(found.error)));
}

py::dict by_name(const std::vector<MomentChange> &changes)
{
  std::vector<std::int64_t> frames;
  std::vector<int> centers;
  std::vector<double> sizes;
  for (const MomentChange &change : changes) {
    frames.push_back(change.frame);
    centers.push_back(change.center);
    sizes.push_back(change.change);
  }
  return py::dict("frame"_a = give<std::int64_t>(std::move(frames)), "center"_a = give<int>(std::move(centers)),
                  "change"_a = give<double>(std::move(sizes)));
}

py::dict find_hops(const Array<double> &moments, const PolaronOptions &options,
                   const std::optional<std::vector<std::pair<int, int>>> &linked)
{
  const MomentTrack track = view_track(moments);
  PolaronHops found;
  {
    const ReleasedGil released;
    const std::vector<std::pair<int, int>> pairs = linked.value_or(std::vector<std::pair<int, int>>{});
    found = polaron_hops(track, options, pairs, linked.has_value());
  }
  std::vector<MomentChange> losing, gaining;
  for (const PolaronHop &hop : found.hops) {
    losing.push_back(hop.losing);
    gaining.push_back(hop.gaining);
  }
  return py::dict("losing"_a = by_name(losing), "gaining"_a = by_name(gaining), "unpaired"_a = by_name(found.unpaired));
}

}  // namespace

void bind_spin(py::module_ &module)
{
  py::enum_<LinkRole>(module, "LinkRole")
      .value("other", LinkRole::other)
      .value("center", LinkRole::center)
      .value("bridge", LinkRole::bridge)
      .value("former", LinkRole::former)
      .value("alkali", LinkRole::alkali);
  bind_options<PolaronOptions>(module, "PolaronOptions")
      .def_readwrite("threshold", &PolaronOptions::threshold)
      .def_readwrite("window", &PolaronOptions::window)
      .def_readwrite("tolerance", &PolaronOptions::tolerance);
  module.def("center_links", &center_links, py::arg("offsets"), py::arg("targets"), py::arg("shifts"),
             py::arg("roles"));
  module.def("link_clusters", &clusters, py::arg("first"), py::arg("second"), py::arg("shifts"), py::arg("used"),
             py::arg("roles"));
  module.def("moment_autocorrelation", &autocorrelation, py::arg("moments"), py::arg("max_lag"), py::arg("own_mean"));
  module.def("polaron_hops", &find_hops, py::arg("moments"), py::arg("options"), py::arg("linked"));
}

}  // namespace naglass::python
