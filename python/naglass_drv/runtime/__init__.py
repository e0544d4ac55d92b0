"""What a run is: MPI groups, child processes, task store, events."""
