"""From a composition to a glass: chemistry, packing, potentials, melt-quench."""
