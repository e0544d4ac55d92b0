#pragma once

#include "bindings/arrays.hpp"
#include "core/translation_forest.hpp"

namespace naglass::python {

inline py::dict levels_by_name(const PercolationLevels &levels)
{
  return py::dict("by_dimension"_a = py::array_t<double>(3, levels.dimension.data()),
                  "by_direction"_a = py::array_t<double>(3, levels.direction.data()));
}

}  // namespace naglass::python
