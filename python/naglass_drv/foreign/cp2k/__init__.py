"""Folders of CP2K runs: what their input says, what their output shows, and whether the two agree."""
