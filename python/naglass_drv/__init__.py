"""naglass: sodium glasses from composition to report, with LAMMPS, CP2K and MACE."""

__version__ = "0.1.0"
