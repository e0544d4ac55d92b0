"""Workflows: which steps a run takes, in which order, and on which products."""
