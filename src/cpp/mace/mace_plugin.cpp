// maceplugin.so: what LAMMPS opens; the pair style is in libnaglass_mace.so, libtorch behind it is opened on use.
#include "plugin_abi.hpp"
#include "plugin_host.hpp"

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lammps, void *handle, void *regfunc)
{
  const naglass::PluginHost host{lammps, handle, regfunc};
  if (naglass::version_matches(host, "maceplugin.so"))
    naglass::register_styles_of(host, "maceplugin.so", "libnaglass_mace.so");
}
