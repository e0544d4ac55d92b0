"""MACE models: portable files, export for ``pair_style mace``, training. Nothing here imports torch on import."""
