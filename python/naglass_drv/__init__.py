"""naglass: sodium glasses from composition to report, on LAMMPS, CP2K and MACE."""

__version__ = "0.1.0"
