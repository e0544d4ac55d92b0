"""Run by the interpreters of other environments: nothing here imports naglass."""
