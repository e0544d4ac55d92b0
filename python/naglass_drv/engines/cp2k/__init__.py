"""CP2K: levels of theory, inputs, the parser, one label."""
