"""The command line, one module per family of verbs; it uses all other rooms, and nothing uses it."""
