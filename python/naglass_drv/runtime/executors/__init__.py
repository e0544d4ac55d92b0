"""Where tasks are carried out: in the ranks of this job (the default), or in jobs of Slurm."""
