// libnaglass_mace.so: pair_style mace without any backend; those are opened when a model is read.
#include "pair_mace.hpp"
#include "plugin_abi.hpp"

namespace {

void *create(LAMMPS_NS::LAMMPS *lammps) { return new naglass::PairMace(lammps); }

}  // namespace

extern "C" __attribute__((visibility("default"))) void naglass_register(void *lammps, void *handle, void *regfunc)
{
  lammpsplugin_t plugin{};
  plugin.version = NAGLASS_LAMMPS_VERSION_TEXT;
  plugin.style = "pair";
  plugin.name = "mace";
  plugin.info = "MACE potential, per-layer exchange";
  plugin.author = "naglass";
  plugin.creator.v1 = &create;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(regfunc)(&plugin, lammps);
}
