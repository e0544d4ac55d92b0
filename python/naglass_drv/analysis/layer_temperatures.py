"""Transport along the surfaces of a crystal at several temperatures, by layer."""

from collections.abc import Iterator, Mapping
from typing import Any

from .interface_motion import LAYERS
from .temperatures import Runs, temperatures


def of_layer(numbers: Mapping[str, Any], layer: str) -> Mapping[str, Any] | None:
    """What `measure` gives of the motion in a whole cell, of one layer of the run; None where it was not looked at."""
    found = ((numbers.get("interface") or {}).get("layer_transport") or {}).get("by_layer")
    return None if not found or numbers.get("transport") is None else numbers["transport"] | found[LAYERS.index(layer)]


def layer_temperatures(structure: str, runs: Runs) -> Iterator[dict[str, Any]]:
    """Of each layer of a structure what `temperatures` gives of a whole one, called ``STRUCTURE-LAYER``, with its
    `layer`. None has a quench rate: the crystal was not quenched, and the ions of the glass change between both.
    """
    for layer in LAYERS:
        own = {run: numbers | {"transport": of_layer(numbers, layer)} for run, numbers in runs.items()}
        if (found := temperatures(f"{structure}-{layer}", own, None)) is not None:
            yield found | {"layer": layer}
