"""Parse CP2K output into validated numbers: single points, trajectories, Wannier centers, cubes, PDOS."""

from .evaluation import BOHR_A, HARTREE_EV, Evaluation
from .layout import NotANumber, OutputError
from .output import Header, Output, header, parse, read, whole_lines

__all__ = [
    "BOHR_A",
    "HARTREE_EV",
    "Evaluation",
    "Header",
    "NotANumber",
    "Output",
    "OutputError",
    "header",
    "parse",
    "read",
    "whole_lines",
]
