"""The spin readout as TorchScript for LAMMPS (imports torch): node features of all layers, one-hot -> |moment| (µB)."""

from collections.abc import Mapping

import numpy as np
import torch
from e3nn.util.jit import compile_mode


def _buffers(module: torch.nn.Module, arrays: Mapping[str, np.ndarray], names: tuple[str, ...]) -> None:
    for name in names:
        module.register_buffer(name, torch.tensor(arrays[name]))


@compile_mode("script")
class LinearSpin(torch.nn.Module):
    """A linear map for each element."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        super().__init__()
        _buffers(self, arrays, ("columns", "mean", "scale", "weight", "bias"))

    def forward(self, features: torch.Tensor, node_attrs: torch.Tensor) -> torch.Tensor:
        x = (features.index_select(1, self.columns) - self.mean) / self.scale
        moments = x @ self.weight.t() + self.bias
        return (moments * node_attrs).sum(dim=1, keepdim=True).clamp(min=0.0)


@compile_mode("script")
class HiddenSpin(torch.nn.Module):
    """One hidden layer that sees features and element, and a linear map of it for each element."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        super().__init__()
        _buffers(self, arrays, ("columns", "mean", "scale", "weight", "bias", "inner_weight", "inner_bias"))

    def forward(self, features: torch.Tensor, node_attrs: torch.Tensor) -> torch.Tensor:
        x = (features.index_select(1, self.columns) - self.mean) / self.scale
        inner = torch.cat([x, node_attrs], dim=1) @ self.inner_weight.t() + self.inner_bias
        moments = torch.nn.functional.silu(inner) @ self.weight.t() + self.bias
        return (moments * node_attrs).sum(dim=1, keepdim=True).clamp(min=0.0)
