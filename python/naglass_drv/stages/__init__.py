"""The stages, one module each with `name`, `revision`, `plan`, `run` and `collect`."""

from importlib import import_module


def load(name: str):
    """The stage module `name`, imported only on demand so that light verbs stay light."""
    return import_module(f".{name}", __name__)
