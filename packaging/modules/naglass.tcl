#%Module1.0
# Installed as <prefix>/share/modulefiles/naglass/<version>; Environment Modules and Lmod both read it:
#     module use <prefix>/share/modulefiles; module load naglass
set root [file normalize $ModulesCurrentModulefile/../../../..]

proc ModulesHelp {} {
    puts stderr "LAMMPS styles for sodium glasses; load the LAMMPS that they were built for, too"
}
module-whatis "LAMMPS styles for sodium glasses: rings, Qn, hops, transport, redox classes, and pair_style mace"
conflict naglass
prepend-path LAMMPS_PLUGIN_PATH $root/lib/naglass/plugins
