#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "core/pair_histogram.hpp"

namespace naglass::python {
namespace {

// (type_count, type_count, bins)
py::array_t<std::int64_t> histogram(const Array<double> &centers, const Array<double> &others, const Array<int> &types,
                                    int type_count, const std::array<Vec3, 3> &cell, const std::array<bool, 3> &pbc,
                                    double reach, int bins)
{
  const PairHistogramInput input{view_rows<Vec3>(centers, "centers"), view_rows<Vec3>(others, "others"),
                                 view(types, "types"), type_count};
  std::vector<std::int64_t> counts;
  {
    const ReleasedGil released;
    counts = pair_histogram(input, Box(cell, pbc), reach, bins);
  }
  return give<std::int64_t>(std::move(counts)).reshape({type_count, type_count, bins});
}

}  // namespace

void bind_pair_histogram(py::module_ &module)
{
  module.def("pair_histogram", &histogram, py::arg("centers"), py::arg("others"), py::arg("types"),
             py::arg("type_count"), py::arg("cell"), py::arg("pbc"), py::arg("reach"), py::arg("bins"));
}

}  // namespace naglass::python
