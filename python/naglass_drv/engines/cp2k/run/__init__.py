"""CP2K as a child: one label, runs in parts that move atoms, and whether what came out is a label."""
