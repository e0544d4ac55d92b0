#include "core/qn.hpp"

#include <cmath>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

void check(const GraphView &bonds, std::span<const int> types, const QnOptions &options)
{
  if (!(options.vanadyl_cutoff >= 0.0) || !std::isfinite(options.vanadyl_cutoff))
    throw Error("vanadyl_cutoff", options.vanadyl_cutoff, "must be a number of at least 0 (Å)");
  if (static_cast<int>(types.size()) < bonds.rows())
    throw Error("types", std::to_string(types.size()) + " entries",
                "the graph has " + std::to_string(bonds.rows()) + " atoms");
  for (std::size_t i = 0; i < types.size(); ++i)
    if (types[i] < 0 || types[i] >= static_cast<int>(options.roles.size()))
      throw Error("types[" + std::to_string(i) + "]", std::to_string(types[i]),
                  "roles are given for " + std::to_string(options.roles.size()) + " types");
}

OxygenClass classify(int formers, int metals, bool oxo)
{
  if (formers == 1 && metals == 2) return OxygenClass::bridging_former_two_metal;
  if (formers + metals >= 3) return OxygenClass::tri_coordinated;
  if (formers == 2) return OxygenClass::bridging_former_former;
  if (metals == 2) return OxygenClass::bridging_metal_metal;
  if (formers == 1) return metals ? OxygenClass::bridging_former_metal : OxygenClass::non_bridging_former;
  if (metals == 1) return oxo ? OxygenClass::metal_oxo : OxygenClass::non_bridging_metal;
  return OxygenClass::free;
}

}  // namespace

OxygenBonds oxygen_bonds(const GraphView &bonds, std::span<const int> types, const QnOptions &options)
{
  check(bonds, types, options);
  OxygenBonds out;
  out.formers.assign(bonds.rows(), 0);
  out.metals.assign(bonds.rows(), 0);
  out.classes.assign(bonds.rows(), OxygenClass::not_oxygen);
  for (int i = 0; i < bonds.rows(); ++i) {
    if (options.roles[types[i]] != Role::oxygen) continue;
    bool oxo = false;
    for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e) {
      const Role role = options.roles[types[bonds.targets[e]]];
      out.formers[i] += role == Role::former;
      out.metals[i] += role == Role::metal;
      oxo = oxo || (role == Role::metal && bonds.lengths[e] < options.vanadyl_cutoff);
    }
    out.classes[i] = classify(out.formers[i], out.metals[i], oxo);
  }
  return out;
}

FormerLinks former_links(const GraphView &bonds, std::span<const int> types, std::span<const int> formers,
                         std::span<const int> metals, const QnOptions &options)
{
  check(bonds, types, options);
  FormerLinks out;
  out.n.assign(bonds.rows(), -1);
  out.m.assign(bonds.rows(), -1);
  for (int i = 0; i < bonds.rows(); ++i) {
    if (options.roles[types[i]] != Role::former) continue;
    out.n[i] = out.m[i] = 0;
    for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e) {
      const int j = bonds.targets[e];
      if (options.roles[types[j]] != Role::oxygen) continue;
      out.n[i] += formers[j] >= 2;
      out.m[i] += metals[j] >= 1;
    }
  }
  return out;
}

}  // namespace naglass
