"""Networks of scalars inside a MACE model, as a list of steps for the native backend (imports torch)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .heads import Head

Add = Callable[[str, torch.Tensor], str]
_FUNCTIONS = {
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "abs": torch.abs,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}
_CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5}


class Arrays:
    """Named arrays, stored one after another as little-endian float64 or int64."""

    def __init__(self) -> None:
        self.table: list[dict[str, Any]] = []
        self.chunks: list[bytes] = []
        self._offset = 0

    def add(self, name: str, values: torch.Tensor | np.ndarray) -> str:
        """Store `values` and return the name."""
        array = np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)
        kind = "<i8" if np.issubdtype(array.dtype, np.integer) else "<f8"
        data = np.ascontiguousarray(array, dtype=kind)
        self.table.append(
            {
                "name": name,
                "shape": list(data.shape),
                "dtype": "int64" if kind == "<i8" else "float64",
                "offset": self._offset,
            }
        )
        self.chunks.append(data.tobytes())
        self._offset += data.nbytes
        return name


@dataclass
class Step:
    """y = factor activation(norm(x weight + bias)); weight is in × out, norm is that of torch's LayerNorm."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    activation: str = "identity"
    factor: float = 1.0
    gain: torch.Tensor | None = None
    offset: torch.Tensor | None = None
    epsilon: float = 0.0

    def store(self, name: str, add: Add) -> dict[str, Any]:
        """JSON of the step; arrays go to `add`."""
        arrays = {"weight": self.weight, "bias": self.bias, "gain": self.gain, "offset": self.offset}
        stored = {key: None if value is None else add(f"{name}.{key}", value) for key, value in arrays.items()}
        return stored | {"activation": self.activation, "factor": self.factor, "epsilon": self.epsilon}


def activation_of(function: torch.nn.Module | Callable | None, dtype: torch.dtype, width: int = 1) -> tuple[str, float]:
    """Name and factor of an activation, by its values; ValueError for one that is not known."""
    if function is None:
        return "identity", 1.0
    x = torch.linspace(-3.0, 4.0, 29, dtype=dtype)
    # a module of e3nn wants all channels of its irreps
    y = function(x[:, None].expand(len(x), width))[:, 0].double()
    factor = _moment_factor(function)
    for name, known in _FUNCTIONS.items():
        if float((y - factor * known(x.double())).abs().max()) < _CLOSE[dtype] * float(y.abs().max()):
            return name, factor
    raise ValueError(f"activation {function!r}")


def _moment_factor(function: Any) -> float:
    """The factor by which e3nn's normalize2mom keeps the second moment."""
    inner = function.acts[0] if hasattr(function, "acts") else function
    return 1.0 if getattr(inner, "_is_id", True) else float(inner.cst)


def network(module: torch.nn.Module, name: str, add: Add) -> list[dict[str, Any]]:
    """Steps of e3nn's FullyConnectedNet or of mace-torch's RadialMLP."""
    kind = type(module).__name__
    if kind == "FullyConnectedNet":
        steps = [_e3nn_step(layer) for layer in module.children()]
    elif kind == "RadialMLP":
        steps = _torch_steps(list(module.net))
    else:
        raise ValueError(f"radial network {kind}")
    return [step.store(f"{name}.{k}", add) for k, step in enumerate(steps)]


def _e3nn_step(layer: torch.nn.Module) -> Step:
    width = layer.h_in * layer.var_in
    if layer.act is None:
        return Step(layer.weight / (width / layer.var_out) ** 0.5)
    activation, factor = activation_of(layer.act, layer.weight.dtype)
    return Step(layer.weight / width**0.5, None, activation, factor * layer.var_out**0.5)


def _torch_steps(modules: list[torch.nn.Module]) -> list[Step]:
    steps: list[Step] = []
    for module in modules:
        kind = type(module).__name__
        if kind == "Linear":
            steps.append(Step(module.weight.T, module.bias))
        elif kind == "LayerNorm":
            steps[-1].gain, steps[-1].offset, steps[-1].epsilon = module.weight, module.bias, float(module.eps)
        else:
            steps[-1].activation, steps[-1].factor = activation_of(module, steps[-1].weight.dtype)
    return steps


def readout(
    block: torch.nn.Module, heads: list[Head], width: int, dtype: torch.dtype
) -> tuple[torch.Tensor, list[Step]]:
    """Columns of the features that a readout sees, and its steps with an output for each head, its energy (eV)."""
    chains = [_chain(block, head, width, dtype) for head in heads]
    steps = [_side_by_side(parts, first=k == 0) for k, parts in enumerate(zip(*chains, strict=True))]
    columns = torch.nonzero(steps[0].weight.abs().amax(dim=1) > 0).flatten()
    steps[0].weight = steps[0].weight[columns]
    return columns, steps


def _side_by_side(steps: tuple[Step, ...], first: bool) -> Step:
    """One step for all heads, which share the inputs of the first alone."""
    weights = [step.weight for step in steps]
    biases = [
        torch.zeros(step.weight.shape[1], dtype=step.weight.dtype) if step.bias is None else step.bias for step in steps
    ]
    if len({(step.activation, step.factor) for step in steps}) > 1:
        raise ValueError("heads with different activations")
    return Step(
        torch.cat(weights, dim=1) if first else torch.block_diag(*weights),
        None if all(step.bias is None for step in steps) else torch.cat(biases),
        steps[0].activation,
        steps[0].factor,
    )


def _chain(block: torch.nn.Module, head: Head, width: int, dtype: torch.dtype) -> list[Step]:
    """The steps of one head: of the channels of a step only those that are the head's."""
    steps: list[Step] = []
    inputs = torch.arange(width)
    for linear, activation, outputs in _readout_maps(block, head.index):
        constant = linear(torch.zeros(1, width, dtype=dtype))
        weight = linear(torch.eye(width, dtype=dtype)) - constant
        bias = constant[0, outputs] if constant.abs().max() > 0 else None
        steps.append(Step(weight[inputs][:, outputs], bias, *activation_of(activation, dtype, weight.shape[1])))
        inputs, width = outputs, weight.shape[1]
    last = steps[-1]
    last.weight = head.scale * last.weight
    last.bias = None if last.bias is None else head.scale * last.bias
    return steps


def _readout_maps(block: torch.nn.Module, head: int) -> list[tuple[torch.nn.Module, Any, torch.Tensor]]:
    """(linear map, activation or None, channels of its output that are the head's) from the features on."""
    kind = type(block).__name__
    energy = torch.tensor([head])
    if kind == "LinearReadoutBlock":
        return [(block.linear, None, energy)]
    count = getattr(block, "num_heads", 1)
    hidden = torch.arange(block.linear_1.irreps_out.dim)
    own = hidden.reshape(count, -1)[head if count > 1 else 0]
    maps = [(block.linear_1, block.non_linearity, own)]
    if kind == "NonLinearBiasReadoutBlock":
        maps.append((block.linear_mid, block.non_linearity, own))
    elif kind != "NonLinearReadoutBlock":
        raise ValueError(f"readout {kind}")
    return [*maps, (block.linear_2, None, energy)]
