"""Cells of a crystal and a glass with two interfaces, and crystallites in a melt or glass: structures, no dynamics."""

#: How a cleavage energy may be computed without a potential of one's own.
RULES = ("rigid-ions", "coulomb")
#: Of crystallites that are not slabs.
SHAPES = ("sphere", "cylinder")
#: Default sizes (Å) of a cell with two interfaces.
CRYSTAL_A, GLASS_A, LATERAL_A = 30.0, 40.0, 20.0
#: Default space (Å) between a slab and a glass that is joined to it.
GAP_A = 1.0
#: The greatest strain that a glass may take.
MOST_STRAIN = 0.02
