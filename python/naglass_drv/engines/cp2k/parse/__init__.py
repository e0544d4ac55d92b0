"""What CP2K wrote, as numbers that can be trusted: single points, trajectories, Wannier centres, cubes, PDOS."""

from .evaluation import BOHR_A, HARTREE_EV, Evaluation
from .layout import OutputError
from .output import Header, Output, parse, read

__all__ = ["BOHR_A", "HARTREE_EV", "Evaluation", "Header", "Output", "OutputError", "parse", "read"]
