"""Where tasks are carried out: in the ranks of this job (the default), in jobs of Slurm, or as tasks of HyperQueue."""
