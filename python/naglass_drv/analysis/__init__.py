"""Physics of trajectories and structures, with error bars."""
