"""Cells of a crystal and a glass with two interfaces, and crystallites in a melt or glass: structures, no dynamics."""
