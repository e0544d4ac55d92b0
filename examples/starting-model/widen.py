"""A model of vectors beside scalars that gives the energies of one of scalars alone: a start for the larger fit.

python widen.py small.mace widened.mace

The widened model has as many channels for l = 1 as the other has for l = 0. What the vectors do to the energy has
weight zero at first, and learns from there.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from naglass_drv.engines.mace.modelfile import build, default_dtype, describe, load_portable, save_portable

SEED = 4200


def main() -> None:
    parser = argparse.ArgumentParser(description="Give vectors to a model of scalars.")
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    save_portable(widened(load_portable(options.model, "float64")), options.output)


def widened(model: torch.nn.Module) -> torch.nn.Module:
    """A copy of a MACE model with hidden irreps ``Nx0e``, in double precision, with ``Nx0e + Nx1o``."""
    config = describe(model)
    scalars = config["hidden_irreps"]
    if "+" in scalars or not scalars.endswith("x0e"):
        raise SystemExit(f"hidden_irreps {scalars}: must be scalars alone")
    torch.manual_seed(SEED)
    with default_dtype("float64"):
        wide = build(config | {"hidden_irreps": f"{scalars}+{scalars.replace('0e', '1o')}"}).eval()
    given = model.state_dict()
    state = {name: value.clone() for name, value in wide.state_dict().items()}
    for name, value in given.items():
        if state[name].shape == value.shape:
            state[name] = value.clone()
    for layer, (old, new) in enumerate(zip(model.interactions, wide.interactions, strict=True)):
        place = f"interactions.{layer}"
        _start_of(state, given, f"{place}.linear_up.weight")
        _start_of(state, given, f"products.{layer}.linear.weight")
        # the last layer of the radial network: one column per path and channel
        last = f"{place}.conv_tp_weights.layer3.weight"
        channels = old.conv_tp.irreps_in1[0].mul
        state[last].unflatten(1, (-1, channels))[:, _of_scalars(new)] = given[last].unflatten(1, (-1, channels))
        state[f"{place}.linear.weight"] = _mixed(old, new, given[f"{place}.linear.weight"])
    wide.load_state_dict(state)
    return wide


def _start_of(state: dict[str, torch.Tensor], given: dict[str, torch.Tensor], name: str) -> None:
    """The maps of scalars come before those of vectors."""
    state[name][: len(given[name])] = given[name]


def _of_scalars(layer: Any) -> list[int]:
    """The paths of a layer's messages that begin at scalars, by the l that they end with."""
    paths = layer.conv_tp.instructions
    return sorted((k for k, path in enumerate(paths) if path.i_in1 == 0), key=lambda k: paths[k].i_in2)


def _mixed(old: Any, new: Any, weight: torch.Tensor) -> torch.Tensor:
    """Weights of the linear map after the messages: those of scalars as they were, 0 for the messages of vectors."""
    taken = dict(zip(_of_scalars(new), weight.unflatten(0, (len(old.linear.instructions), -1)), strict=True))
    parts = []
    for path in new.linear.instructions:
        ratio = old.linear.instructions[0].path_weight / path.path_weight
        part = taken.get(path.i_in)
        parts.append(torch.zeros(path.path_shape).flatten() if part is None else part * ratio)
    return torch.cat(parts)


if __name__ == "__main__":
    main()
