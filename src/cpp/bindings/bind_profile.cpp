#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "core/profile.hpp"
#include "core/surface_fit.hpp"

namespace naglass::python {
namespace {

LayerBins around(double height, double lower, double upper, double width, int side)
{ return LayerBins::around(height, {lower, upper}, width, side); }

py::array_t<int> bins_of(const LayerBins &layers, const Array<double> &fractions)
{
  std::vector<int> bins;
  for (const double fraction : view(fractions, "fractions")) bins.push_back(layers.of(fraction));
  return give<int>(std::move(bins));
}

// (columns, count, 2): atoms, and sum of their values
py::array_t<double> sums(const Array<int> &bins, const Array<double> &values, int count)
{
  const auto places = view(bins, "bins");
  if (values.ndim() != 2 || values.shape(1) != static_cast<py::ssize_t>(places.size()))
    throw Error("values", std::to_string(values.size()) + " numbers", "must have the shape (columns, N)");
  for (const int place : places)
    if (place >= count) throw Error("bins", place, "there are " + std::to_string(count));
  const auto columns = static_cast<std::size_t>(values.shape(0));
  std::vector<double> numbers(columns * count * layer_numbers), out;
  {
    const ReleasedGil released;
    for (std::size_t c = 0; c < columns; ++c)
      add_to_layers(places, {values.data() + c * places.size(), places.size()},
                    std::span(numbers).subspan(c * count * layer_numbers, count * layer_numbers));
    for (auto bin = numbers.begin(); bin != numbers.end(); bin += layer_numbers)
      out.insert(out.end(), {bin[0], ExactSum::value(&bin[1])});
  }
  const std::vector<py::ssize_t> shape{values.shape(0), count, 2};
  return give<double>(std::move(out)).reshape(shape);
}

py::dict surfaces(const Array<double> &atoms, const Array<double> &sums, double height)
{
  const SurfaceFit found = fit_surfaces(view(atoms, "atoms"), view(sums, "sums"), height);
  py::dict out;
  out["problem"] = found.problem;
  out["lower"] = found.at.lower;
  out["upper"] = found.at.upper;
  out["width"] = found.width;
  out["crystal"] = found.crystal;
  out["outside"] = found.outside;
  out["errors"] = found.errors;
  return out;
}

}  // namespace

void bind_profile(py::module_ &module)
{
  py::class_<LayerBins>(module, "LayerBins")
      .def_static("across", &LayerBins::across, py::arg("height"), py::arg("bins"))
      .def_static("around", &around, py::arg("height"), py::arg("lower"), py::arg("upper"), py::arg("width"),
                  py::arg("side"))
      .def_property_readonly("count", &LayerBins::count)
      .def("of", &bins_of, py::arg("fractions"))
      .def("thickness", [](const LayerBins &layers) { return give<double>(layers.thickness()); });
  module.def("layer_sums", &sums, py::arg("bins"), py::arg("values"), py::arg("count"));
  module.def("fit_surfaces", &surfaces, py::arg("atoms"), py::arg("sums"), py::arg("height"));
}

}  // namespace naglass::python
