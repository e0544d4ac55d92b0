"""MACE models: portable files, split export, training as a child process."""
