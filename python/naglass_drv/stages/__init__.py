"""The stages of a run in their order, one module each with `name`, `wanted`, `plan`, `run` and `collect`."""

from importlib import import_module

ORDER = ("glass", "reference", "dataset", "train", "md", "analysis", "report")


def load(name: str):
    """The stage module `name`, imported only on demand so that light verbs stay light."""
    return import_module(f".{name}", __name__)


def sections_of(input) -> list[str]:
    """The stages that a validated input asks for, in order, without importing any stage."""
    return [name for name in ORDER if getattr(input, name)]
