// libnaglass_styles.so: the table of naglass's analysis styles.
#include "compute_fingerprint.hpp"
#include "compute_crystal_atom.hpp"
#include "compute_linkage.hpp"
#include "compute_qn_atom.hpp"
#include "compute_rings.hpp"
#include "fix_correlate.hpp"
#include "fix_crystal.hpp"
#include "fix_guard.hpp"
#include "fix_hops.hpp"
#include "fix_profile.hpp"
#include "fix_select.hpp"
#include "plugin_abi.hpp"

namespace {

template <typename Style> void *create(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg)
{ return new Style(lammps, narg, arg); }

struct Entry {
  const char *style;
  const char *name;
  const char *info;
  lammpsplugin_factory2 *factory;
};

constexpr Entry entries[] = {
    {"compute", "naglass/fingerprint", "bonds, valence and spin of metals", &create<naglass::ComputeFingerprint>},
    {"compute", "naglass/crystal/atom", "similarity to a crystal, lanterns", &create<naglass::ComputeCrystalAtom>},
    {"compute", "naglass/linkage", "corner, edge and face sharing of polyhedra", &create<naglass::ComputeLinkage>},
    {"compute", "naglass/qn/atom", "n of Qn per former, oxygen class", &create<naglass::ComputeQnAtom>},
    {"compute", "naglass/rings", "ring counts by size, rings per atom", &create<naglass::ComputeRings>},
    {"fix", "naglass/correlate", "MSD, alpha2, van Hove, chi4, Haven ratio", &create<naglass::FixCorrelate>},
    {"fix", "naglass/crystal", "crystallites: size, composition, orientation", &create<naglass::FixCrystal>},
    {"fix", "naglass/guard", "ends a run in time to restart it", &create<naglass::FixGuard>},
    {"fix", "naglass/hops", "hops of ions by p_hop", &create<naglass::FixHops>},
    {"fix", "naglass/profile", "profiles about the surfaces of a crystal", &create<naglass::FixProfile>},
    {"fix", "naglass/select", "frames by committee deviation", &create<naglass::FixSelect>},
};

}  // namespace

extern "C" __attribute__((visibility("default"))) void naglass_register(void *lammps, void *handle, void *regfunc)
{
  const auto add = reinterpret_cast<lammpsplugin_regfunc>(regfunc);
  for (const Entry &entry : entries) {
    lammpsplugin_t plugin{};
    plugin.version = NAGLASS_LAMMPS_VERSION_TEXT;
    plugin.style = entry.style;
    plugin.name = entry.name;
    plugin.info = entry.info;
    plugin.author = "naglass";
    plugin.creator.v2 = entry.factory;
    plugin.handle = handle;
    add(&plugin, lammps);
  }
}
