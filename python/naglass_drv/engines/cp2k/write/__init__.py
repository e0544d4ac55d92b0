"""Inputs of CP2K: a label, the motion on top of it, what is printed, paths to a converged SCF."""
