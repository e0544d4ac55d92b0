#pragma once

#include <pybind11/pybind11.h>

namespace naglass::python {

void bind_correlators(pybind11::module_ &module);
void bind_graph(pybind11::module_ &module);
void bind_fingerprint(pybind11::module_ &module);
void bind_pair_histogram(pybind11::module_ &module);
void bind_profile(pybind11::module_ &module);
void bind_channels(pybind11::module_ &module);
void bind_crystal(pybind11::module_ &module);
void bind_linkage(pybind11::module_ &module);
void bind_hops(pybind11::module_ &module);
void bind_qn(pybind11::module_ &module);
void bind_rings(pybind11::module_ &module);
void bind_spin(pybind11::module_ &module);

}  // namespace naglass::python
