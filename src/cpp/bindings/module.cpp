#include <pybind11/pybind11.h>

#include "bindings/families.hpp"
#include "core/error.hpp"
#include "core/interrupt.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, module)
{
  module.doc() = "naglass's compiled core; naglass_drv.core is its documented interface.";
  // A bad argument found by the core is bad input to the program: exit code 2.
  py::register_exception<naglass::Error>(module, "CoreError",
                                         py::module_::import("naglass_drv.errors").attr("InputError"));
  // The signal's handler has set the Python error already.
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const naglass::Interrupted &) {
      if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  });
  naglass::python::bind_correlators(module);
  naglass::python::bind_graph(module);
  naglass::python::bind_fingerprint(module);
  naglass::python::bind_pair_histogram(module);
  naglass::python::bind_profile(module);
  naglass::python::bind_channels(module);
  naglass::python::bind_crystal(module);
  naglass::python::bind_linkage(module);
  naglass::python::bind_hops(module);
  naglass::python::bind_qn(module);
  naglass::python::bind_rings(module);
  naglass::python::bind_spin(module);
}
