"""input.yaml -> strict models -> run.yaml."""
