// Structs of options in Python: members are set by name, and those that are not keep the default that the core states.
#pragma once

#include <pybind11/pybind11.h>

namespace naglass::python {

/// A class whose constructor takes members by name; the caller adds them with def_readwrite().
template <typename Options> pybind11::class_<Options> bind_options(pybind11::module_ &module, const char *name)
{
  pybind11::class_<Options> bound(module, name);
  bound.def(pybind11::init([](const pybind11::kwargs &given) {
    Options options;
    const pybind11::object members = pybind11::cast(&options, pybind11::return_value_policy::reference);
    for (const auto &[member, value] : given) pybind11::setattr(members, member, value);
    return options;
  }));
  return bound;
}

}  // namespace naglass::python
