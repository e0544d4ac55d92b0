// libnaglass_mace.so: pair_style mace and compute mace/atom without any backend; those are opened when a model is read.
#include "compute_mace_atom.hpp"
#include "pair_mace.hpp"
#include "plugin_abi.hpp"

namespace {

void *create_pair(LAMMPS_NS::LAMMPS *lammps) { return new naglass::PairMace(lammps); }

void *create_compute(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg)
{ return new naglass::ComputeMaceAtom(lammps, narg, arg); }

}  // namespace

extern "C" __attribute__((visibility("default"))) void naglass_register(void *lammps, void *handle, void *regfunc)
{
  const auto add = reinterpret_cast<lammpsplugin_regfunc>(regfunc);
  lammpsplugin_t plugin{};
  plugin.version = NAGLASS_LAMMPS_VERSION_TEXT;
  plugin.author = "naglass";
  plugin.handle = handle;
  plugin.style = "pair";
  plugin.name = "mace";
  plugin.info = "MACE potential or committee, per-layer exchange";
  plugin.creator.v1 = &create_pair;
  add(&plugin, lammps);
  plugin.style = "compute";
  plugin.name = "mace/atom";
  plugin.info = "node energy, committee deviation, extra outputs of a model";
  plugin.creator.v2 = &create_compute;
  add(&plugin, lammps);
}
