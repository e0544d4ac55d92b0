"""Interatomic potentials of several families, each evaluated by a worker in an environment of its own."""
