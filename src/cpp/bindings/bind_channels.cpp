#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/percolation.hpp"
#include "core/channels.hpp"

namespace naglass::python {
namespace {

std::span<const double> view_map(const Array<double> &map, std::array<int, 3> &shape)
{
  if (map.ndim() != 3) throw Error("map", std::to_string(map.ndim()) + " dimensions", "must have three");
  for (int k = 0; k < 3; ++k) shape[k] = static_cast<int>(map.shape(k));
  return {map.data(), static_cast<std::size_t>(map.size())};
}

py::array_t<double> distances(const Array<double> &positions, const Array<double> &radii,
                              const std::array<std::array<double, 3>, 3> &cell, const std::array<bool, 3> &periodic,
                              const std::array<int, 3> &shape)
{
  const auto places = view_rows<Vec3>(positions, "positions");
  const auto sizes = view(radii, "radii");
  std::vector<double> values;
  {
    const ReleasedGil released;
    values = surface_distance(places, sizes, Box(cell, periodic), shape);
  }
  return give<double>(std::move(values)).reshape(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

py::dict percolation(const Array<double> &map, const std::array<bool, 3> &periodic, double floor)
{
  std::array<int, 3> shape;
  const auto values = view_map(map, shape);
  PercolationLevels levels;
  {
    const ReleasedGil released;
    levels = voxel_percolation(values, {shape, periodic}, floor);
  }
  return levels_by_name(levels);
}

py::array_t<char> inside(const Array<double> &map, const std::array<bool, 3> &periodic, double level)
{
  std::array<int, 3> shape;
  const auto values = view_map(map, shape);
  std::vector<char> voxels;
  {
    const ReleasedGil released;
    voxels = percolating_voxels(values, {shape, periodic}, level);
  }
  return give<char>(std::move(voxels)).reshape(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

}  // namespace

void bind_channels(py::module_ &module)
{
  module.def("surface_distance", &distances, py::arg("positions"), py::arg("radii"), py::arg("cell"),
             py::arg("periodic"), py::arg("shape"));
  module.def("voxel_percolation", &percolation, py::arg("map"), py::arg("periodic"), py::arg("floor"));
  module.def("percolating_voxels", &inside, py::arg("map"), py::arg("periodic"), py::arg("level"));
}

}  // namespace naglass::python
