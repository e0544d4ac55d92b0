"""Interfaces to the external programs LAMMPS, CP2K and MACE, independent of the stages."""
