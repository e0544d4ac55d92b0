#include <pybind11/stl.h>

#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "bindings/options.hpp"
#include "core/fingerprint.hpp"

namespace naglass::python {
namespace {

using Parameters = std::vector<std::tuple<int, double, double>>;

std::vector<BondValence> to_parameters(const Parameters &given)
{
  std::vector<BondValence> parameters;
  for (const auto &[state, r0, b] : given) parameters.push_back({state, r0, b});
  return parameters;
}

Parameters named_parameters(const std::string &set, const std::string &element, const std::string &ligand,
                            const std::vector<int> &states)
{
  Parameters found;
  for (const BondValence &p : bond_valence_parameters(set, element, ligand, states))
    found.emplace_back(p.state, p.r0, p.b);
  return found;
}

template <typename T> py::array_t<T> column(const std::vector<Polyhedron> &rows, T Polyhedron::*field)
{
  std::vector<T> values;
  values.reserve(rows.size());
  for (const Polyhedron &row : rows) values.push_back(row.*field);
  return give<T>(std::move(values));
}

py::dict columns(const std::vector<Polyhedron> &rows)
{
  py::dict out;
  out["coordination"] = column(rows, &Polyhedron::coordination);
  out["vanadyl"] = column(rows, &Polyhedron::vanadyl);
  out["equatorial"] = column(rows, &Polyhedron::equatorial);
  out["trans"] = column(rows, &Polyhedron::trans);
  out["bond_valence"] = column(rows, &Polyhedron::bond_valence);
  out["baur"] = column(rows, &Polyhedron::baur);
  out["quadratic"] = column(rows, &Polyhedron::quadratic);
  out["tau4"] = column(rows, &Polyhedron::tau4);
  out["tau5"] = column(rows, &Polyhedron::tau5);
  out["off_centering"] = column(rows, &Polyhedron::off_centering);
  out["vanadyl_index"] = column(rows, &Polyhedron::vanadyl_index);
  out["by_valence"] = column(rows, &Polyhedron::by_valence);
  out["by_geometry"] = column(rows, &Polyhedron::by_geometry);
  return out;
}

// Completes options by what is tabulated for the element.
void set_tables(FingerprintOptions &options, const Parameters &valence, const std::string &element,
                const std::string &ligand, const std::vector<int> &states, bool most_probable)
{
  options.valence = to_parameters(valence);
  options.redox = redox_states(element, states);
  if (most_probable) options.prior = icsd_prior(element, ligand, distinct_states(options.redox));
  options.families_tell_states = element == "V" && ligand == "O";
  check(options);
}

py::dict fingerprint(const Array<std::int64_t> &offsets, const Array<double> &vectors, FingerprintOptions options,
                     const Parameters &valence, const std::string &element, const std::string &ligand,
                     const std::vector<int> &states, bool most_probable, const py::object &moments)
{
  const auto rows = view(offsets, "offsets");
  const auto ligands = view_rows<Vec3>(vectors, "vectors");
  check_rows(rows, ligands.size(), "vectors");
  const Array<double> given = moments.is_none() ? Array<double>(0) : moments.cast<Array<double>>();
  const auto moment = view(given, "moments");
  const std::size_t centers = rows.size() - 1;
  if (!moments.is_none() && moment.size() != centers)
    throw Error("moments", std::to_string(moment.size()) + " entries",
                "there are " + std::to_string(centers) + " centers");
  set_tables(options, valence, element, ligand, states, most_probable);
  std::vector<Polyhedron> found;
  std::vector<int> by_moment, flags;
  {
    const ReleasedGil released;
    for (std::size_t i = 0; i < centers; ++i) {
      found.push_back(polyhedron(ligands.subspan(rows[i], rows[i + 1] - rows[i]), options));
      if (!moment.empty()) by_moment.push_back(state_by_moment(moment[i], options.redox));
      flags.push_back(disagreement(moment.empty() ? 0 : by_moment.back(), found.back(), options.tolerance));
    }
  }
  py::dict out = columns(found);
  out["flags"] = give<int>(std::move(flags));
  if (!moments.is_none()) out["by_moment"] = give<int>(std::move(by_moment));
  return out;
}

py::array_t<std::int64_t> bond_histogram(const Array<std::int64_t> &offsets, const Array<double> &vectors,
                                         const Array<int> &groups, int group_count, const LengthBins &bins)
{
  const auto rows = view(offsets, "offsets");
  const auto ligands = view_rows<Vec3>(vectors, "vectors");
  const auto group = view(groups, "groups");
  check_rows(rows, ligands.size(), "vectors");
  check(bins);
  if (group.size() != rows.size() - 1)
    throw Error("groups", std::to_string(group.size()) + " entries",
                "there are " + std::to_string(rows.size() - 1) + " centers");
  std::vector<std::int64_t> counts(static_cast<std::size_t>(group_count) * bins.count, 0);
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (group[i] < 0) continue;
    if (group[i] >= group_count)
      throw Error("groups[" + std::to_string(i) + "]", std::to_string(group[i]),
                  "there are " + std::to_string(group_count) + " groups");
    tally(ligands.subspan(rows[i], rows[i + 1] - rows[i]), group[i], bins, counts);
  }
  return give<std::int64_t>(std::move(counts)).reshape({static_cast<py::ssize_t>(group_count), py::ssize_t(-1)});
}

py::array_t<int> charge_states(const Array<double> &reduction, const std::vector<int> &states, std::int64_t total)
{ return give<int>(states_by_charge(view(reduction, "reduction"), states, total)); }

py::list table()
{
  py::list rows;
  for (const BondValenceEntry &entry : bond_valence_table())
    rows.append(py::make_tuple(entry.set, entry.element, entry.parameter.state, entry.parameter.r0, entry.parameter.b,
                               entry.source));
  return rows;
}

std::vector<std::pair<int, double>> state_moments(const std::string &element, const std::vector<int> &states)
{
  std::vector<std::pair<int, double>> found;
  for (const RedoxState &redox : redox_states(element, states)) found.emplace_back(redox.state, redox.moment);
  return found;
}

}  // namespace

void bind_fingerprint(py::module_ &module)
{
  bind_options<FamilyLimits>(module, "FamilyLimits")
      .def_readwrite("vanadyl", &FamilyLimits::vanadyl)
      .def_readwrite("trans", &FamilyLimits::trans)
      .def_readwrite("trans_dioxo", &FamilyLimits::trans_dioxo);
  bind_options<FingerprintOptions>(module, "FingerprintOptions")
      .def_readwrite("cutoff", &FingerprintOptions::cutoff)
      .def_readwrite("valence_cutoff", &FingerprintOptions::valence_cutoff)
      .def_readwrite("limits", &FingerprintOptions::limits)
      .def_readwrite("tolerance", &FingerprintOptions::tolerance)
      .def_readwrite("spin_threshold", &FingerprintOptions::spin_threshold);
  bind_options<LengthBins>(module, "LengthBins")
      .def_readwrite("low", &LengthBins::low)
      .def_readwrite("high", &LengthBins::high)
      .def_readwrite("count", &LengthBins::count);
  module.def("fingerprint", &fingerprint, py::arg("offsets"), py::arg("vectors"), py::arg("options"),
             py::arg("valence"), py::arg("element"), py::arg("ligand"), py::arg("states"), py::arg("most_probable"),
             py::arg("moments"));
  module.def("bond_histogram", &bond_histogram, py::arg("offsets"), py::arg("vectors"), py::arg("groups"),
             py::arg("group_count"), py::arg("bins"));
  module.def("charge_states", &charge_states, py::arg("reduction"), py::arg("states"), py::arg("total"));
  module.def("bond_valence_parameters", &named_parameters, py::arg("set"), py::arg("element"), py::arg("ligand"),
             py::arg("states"));
  module.def("bond_valence_table", &table);
  module.def("redox_states", &state_moments, py::arg("element"), py::arg("states"));
}

}  // namespace naglass::python
