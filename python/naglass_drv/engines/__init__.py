"""The outside programs: LAMMPS, CP2K, MACE. They know nothing of stages."""
