"""Levels of theory: templates, what each element gets, what a version of CP2K supports."""
