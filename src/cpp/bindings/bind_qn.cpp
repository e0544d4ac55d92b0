#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
#include "core/qn.hpp"

namespace naglass::python {
namespace {

py::dict qn(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<double> &lengths,
            const Array<int> &types, const std::vector<Role> &roles, QnOptions options)
{
  const auto kinds = view(types, "types");
  const GraphView bonds = view_graph(offsets, targets, lengths, kinds.size());
  options.roles = roles;
  OxygenBonds oxygens;
  FormerLinks links;
  {
    const ReleasedGil released;
    oxygens = oxygen_bonds(bonds, kinds, options);
    links = former_links(bonds, kinds, oxygens.formers, oxygens.metals, options);
  }
  return py::dict("n"_a = give<int>(std::move(links.n)), "m"_a = give<int>(std::move(links.m)),
                  "oxygen_formers"_a = give<int>(std::move(oxygens.formers)),
                  "oxygen_metals"_a = give<int>(std::move(oxygens.metals)),
                  "oxygen_class"_a = give<int>(std::move(oxygens.classes)));
}

}  // namespace

void bind_qn(py::module_ &module)
{
  py::enum_<Role>(module, "Role")
      .value("other", Role::other)
      .value("oxygen", Role::oxygen)
      .value("former", Role::former)
      .value("metal", Role::metal);
  py::enum_<OxygenClass>(module, "OxygenClass")
      .value("not_oxygen", OxygenClass::not_oxygen)
      .value("free", OxygenClass::free)
      .value("non_bridging_former", OxygenClass::non_bridging_former)
      .value("bridging_former_former", OxygenClass::bridging_former_former)
      .value("bridging_former_metal", OxygenClass::bridging_former_metal)
      .value("bridging_former_two_metal", OxygenClass::bridging_former_two_metal)
      .value("bridging_metal_metal", OxygenClass::bridging_metal_metal)
      .value("tri_coordinated", OxygenClass::tri_coordinated)
      .value("metal_oxo", OxygenClass::metal_oxo)
      .value("non_bridging_metal", OxygenClass::non_bridging_metal);
  bind_options<QnOptions>(module, "QnOptions").def_readwrite("vanadyl_cutoff", &QnOptions::vanadyl_cutoff);
  module.def("qn", &qn, py::arg("offsets"), py::arg("targets"), py::arg("lengths"), py::arg("types"), py::arg("roles"),
             py::arg("options"));
}

}  // namespace naglass::python
