// naglassplugin.so: what LAMMPS opens; the styles are in libnaglass_styles.so.
#include "plugin_abi.hpp"
#include "plugin_host.hpp"

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lammps, void *handle, void *regfunc)
{
  const naglass::PluginHost host{lammps, handle, regfunc};
  if (naglass::version_matches(host, "naglassplugin.so"))
    naglass::register_styles_of(host, "naglassplugin.so", "libnaglass_styles.so");
}
