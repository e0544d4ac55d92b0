"""Machinery of a run: MPI groups, child processes, task store, events."""
