#include <pybind11/complex.h>
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
#include "core/crystallites.hpp"
#include "core/environment_file.hpp"
#include "core/steinhardt.hpp"

namespace naglass::python {
namespace {

// Neighbors of many centers in CSR form.
struct Neighborhoods {
  std::span<const std::int64_t> offsets;
  std::span<const int> types;
  std::span<const Vec3> vectors;
};

Neighborhoods neighborhoods(const Array<std::int64_t> &offsets, const Array<int> &types, const Array<double> &vectors)
{
  const Neighborhoods all{view(offsets, "offsets"), view(types, "types"), view_rows<Vec3>(vectors, "vectors")};
  check_rows(all.offsets, all.vectors.size(), "neighbors");
  if (all.types.size() != all.vectors.size())
    throw Error("types", std::to_string(all.types.size()) + " entries",
                "there are " + std::to_string(all.vectors.size()) + " neighbors");
  return all;
}

std::vector<Environment> environments(const Array<std::int64_t> &offsets, const Array<int> &types,
                                      const Array<double> &vectors)
{
  const Neighborhoods all = neighborhoods(offsets, types, vectors);
  std::vector<Environment> out;
  for (std::size_t i = 0; i + 1 < all.offsets.size(); ++i) {
    const std::int64_t first = all.offsets[i], last = all.offsets[i + 1];
    out.push_back({{all.types.begin() + first, all.types.begin() + last},
                   {all.vectors.begin() + first, all.vectors.begin() + last}});
  }
  return out;
}

py::array_t<double> similarity(const Array<std::int64_t> &offsets, const Array<int> &types,
                               const Array<double> &vectors, const std::vector<Environment> &references,
                               const SimilarityOptions &options)
{
  const Neighborhoods all = neighborhoods(offsets, types, vectors);
  std::vector<double> out;
  {
    const ReleasedGil released;
    out = crystal_similarity(all.offsets, all.types, all.vectors, references, options);
  }
  return give<double>(std::move(out));
}

py::tuple environment_arrays(const Environment &environment)
{
  return py::make_tuple(give<int>(std::vector<int>(environment.types)),
                        give<double>(std::vector<Vec3>(environment.vectors), 3));
}

py::array_t<std::complex<double>> harmonics(const Array<std::int64_t> &offsets, const Array<double> &vectors, int l)
{
  const auto rows = view(offsets, "offsets");
  const auto bonds = view_rows<Vec3>(vectors, "vectors");
  check_rows(rows, bonds.size(), "neighbors");
  std::vector<std::complex<double>> out;
  {
    const ReleasedGil released;
    out = bond_harmonics(rows, bonds, l);
  }
  const auto columns = static_cast<py::ssize_t>(l) + 1;
  return give<std::complex<double>>(std::move(out)).reshape({static_cast<py::ssize_t>(rows.size()) - 1, columns});
}

py::dict crystallites(const Array<double> &positions, const std::array<std::array<double, 3>, 3> &cell,
                      const std::array<bool, 3> &periodic, double cutoff)
{
  const auto places = view_rows<Vec3>(positions, "positions");
  Crystallites found;
  {
    const ReleasedGil released;
    found = find_crystallites(places, Box(cell, periodic), cutoff);
  }
  return py::dict(
      "labels"_a = give<int>(std::move(found.labels)), "sizes"_a = give<std::int64_t>(std::move(found.sizes)),
      "dimensions"_a = give<int>(std::move(found.dimensions)), "centers"_a = give<double>(std::move(found.centers), 3),
      "gyration"_a = give<double>(std::move(found.gyration)));
}

py::tuple orientation(const Array<std::int64_t> &offsets, const Array<int> &types, const Array<double> &vectors,
                      const std::vector<Environment> &references, double sigma,
                      const std::optional<std::pair<Rotation, double>> &last)
{
  const Neighborhoods all = neighborhoods(offsets, types, vectors);
  std::optional<Orientation> before;
  if (last) before = Orientation{last->first, last->second};
  Orientation found;
  {
    const ReleasedGil released;
    found = find_orientation(all.offsets, all.types, all.vectors, references, sigma, before);
  }
  return py::make_tuple(found.rotation, found.similarity);
}

}  // namespace

void bind_crystal(py::module_ &module)
{
  py::class_<Environment>(module, "Environment").def("arrays", &environment_arrays);
  bind_options<SimilarityOptions>(module, "SimilarityOptions")
      .def_readwrite("sigma", &SimilarityOptions::sigma)
      .def_readwrite("sharpness", &SimilarityOptions::sharpness)
      .def_readwrite("reach", &SimilarityOptions::reach)
      .def_readwrite("any_rotation", &SimilarityOptions::any_rotation);
  module.def("environments", &environments, py::arg("offsets"), py::arg("types"), py::arg("vectors"));
  module.def(
      "distinct_environments",
      [](const std::vector<Environment> &all, double tolerance, bool any_rotation) {
        return distinct_environments(all, tolerance, any_rotation);
      },
      py::arg("all"), py::arg("tolerance"), py::arg("any_rotation"));
  module.def(
      "parse_environments",
      [](const std::string &text, const std::string &name) {
        NamedEnvironments named = parse_environments(text, name);
        return py::make_tuple(named.center, named.elements, named.environments);
      },
      py::arg("text"), py::arg("name"));
  module.def(
      "similarity_cutoff",
      [](const std::vector<Environment> &references, const SimilarityOptions &options) {
        return similarity_cutoff(references, options);
      },
      py::arg("references"), py::arg("options"));
  module.def("crystal_similarity", &similarity, py::arg("offsets"), py::arg("types"), py::arg("vectors"),
             py::arg("references"), py::arg("options"));
  module.def("bond_harmonics", &harmonics, py::arg("offsets"), py::arg("vectors"), py::arg("l"));
  module.def("crystallites", &crystallites, py::arg("positions"), py::arg("cell"), py::arg("periodic"),
             py::arg("cutoff"));
  module.def("orientation", &orientation, py::arg("offsets"), py::arg("types"), py::arg("vectors"),
             py::arg("references"), py::arg("sigma"), py::arg("last"));
  module.def("angle_between", &angle_between, py::arg("from"), py::arg("to"));
}

}  // namespace naglass::python
