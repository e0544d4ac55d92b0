"""A MACE model with some of the elements and heads of another, and the same energies (imports torch and mace)."""

import re
from collections.abc import Sequence
from typing import Any

import torch

from ...errors import InputError
from .modelfile import build, default_dtype, describe

# which axes of a weight, as its instructions shape it, run over elements or over heads
_ELEMENT_INPUT = re.compile(r"node_embedding\.linear|interactions\.\d+\.(source|target)_embedding")
_SKIP = re.compile(r"interactions\.\d+\.skip_tp")
_READOUT = re.compile(r"readouts\.\d+\.(linear|linear_1|linear_mid|linear_2)")
_CONTRACTION = re.compile(r"products\.\d+\.symmetric_contractions\.contractions\.\d+\.weights(_max|\.\d+)")
_FROM_CONFIG = {"atomic_numbers", "atomic_energies_fn.atomic_energies", "scale_shift.scale", "scale_shift.shift"}

_Axes = dict[int, torch.Tensor]


def adapted(model: torch.nn.Module, elements: Sequence[int], heads: Sequence[tuple[str, str]]) -> torch.nn.Module:
    """`model` (a ScaleShiftMACE in float64) for some of its `elements` (Z), with `heads`: name and the head it copies.

    Each head gives the energies of the one that it copies, with its E0, scale and shift. Raises InputError for a model
    that cannot be described by its constructor's arguments.
    """
    config = describe(model)
    names = heads_of(model)
    places = [config["atomic_numbers"].index(z) for z in sorted(elements)]
    copied = [names.index(source) for _, source in heads]
    energies = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)[copied][:, places]
    scale, shift = (torch.atleast_1d(values)[copied] for values in (model.scale_shift.scale, model.scale_shift.shift))
    if len(heads) == 1:
        energies, scale, shift = energies[0], scale[0], shift[0]
    config |= {
        "atomic_numbers": sorted(elements), "num_elements": len(elements), "heads": [name for name, _ in heads],
        "atomic_energies": energies.tolist(), "atomic_inter_scale": scale.tolist(),
        "atomic_inter_shift": shift.tolist(),
    }  # fmt: skip
    with default_dtype("float64"):
        new = build(config).eval()
    _fill(new, model, torch.tensor(places), torch.tensor(copied))
    return new


def heads_of(model: torch.nn.Module) -> list[str]:
    """Names of the training heads of a model."""
    return list(getattr(model, "heads", None) or ["Default"])


def _fill(new: torch.nn.Module, old: torch.nn.Module, elements: torch.Tensor, heads: torch.Tensor) -> None:
    given, state = old.state_dict(), new.state_dict()
    for name in state.keys() - _FROM_CONFIG:
        owner, _, kind = name.rpartition(".")
        if kind == "output_mask":
            continue
        value = given[name]
        if kind in ("weight", "bias") and (axes := _axes(owner, old, elements, heads)):
            value = _reshaped(value, old.get_submodule(owner), new.get_submodule(owner), axes, kind == "bias")
        elif _CONTRACTION.fullmatch(name) and len(value) == len(old.atomic_numbers):
            value = value[elements]
        if value.shape != state[name].shape:
            raise InputError(f"{name}: {tuple(value.shape)} cannot become {tuple(state[name].shape)}")
        state[name] = value.clone()
    new.load_state_dict(state)


def _axes(owner: str, old: torch.nn.Module, elements: torch.Tensor, heads: torch.Tensor) -> _Axes:
    """The indices to take along axes of the weight of a module: none if it depends neither on elements nor on heads."""
    if _ELEMENT_INPUT.fullmatch(owner):
        return {0: elements}
    if _SKIP.fullmatch(owner) and hasattr(old.get_submodule(owner), "irreps_in2"):
        return {1: elements}
    if (match := _READOUT.fullmatch(owner)) is None:
        return {}
    if match[1] == "linear":
        return {1: heads}
    readout = old.get_submodule(owner.rpartition(".")[0])
    width = readout.hidden_irreps.dim // len(heads_of(old))
    hidden = (heads[:, None] * width + torch.arange(width)).flatten()
    return {"linear_1": {1: hidden}, "linear_mid": {0: hidden, 1: hidden}, "linear_2": {0: hidden, 1: heads}}[match[1]]


def _reshaped(value: torch.Tensor, old: Any, new: Any, axes: _Axes, bias: bool) -> torch.Tensor:
    """Flat weights of a module of e3nn, which divides them by a norm that depends on the number of its inputs."""
    parts, start = [], 0
    for own, other in zip(_instructions(old, bias), _instructions(new, bias), strict=True):
        count = int(torch.tensor(own.path_shape).prod())
        part = value[start : start + count].reshape(own.path_shape)
        start += count
        # the outputs are the only axis of a bias
        for axis, indices in ({0: axes[1]} if bias else axes).items():
            part = part.index_select(axis, indices)
        parts.append((part * (own.path_weight / other.path_weight)).flatten())
    return torch.cat(parts) if parts else value


def _instructions(module: Any, bias: bool) -> list[Any]:
    """Those of the weights, or of the biases, of a linear map or tensor product."""
    kept = [own for own in module.instructions if getattr(own, "has_weight", True)]
    return [own for own in kept if (getattr(own, "i_in", 0) == -1) == bias]
