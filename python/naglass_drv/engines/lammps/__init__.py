"""LAMMPS: a session in this process, runs in segments that resume, dumps and data files."""
