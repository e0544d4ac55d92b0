"""SOAP, Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., arXiv:2409.11321), for MACE (imports torch).

A weight matrix has correlated gradients on either side. Here the moments of Adam are those of the gradient rotated to
the eigenvectors of its averaged outer products, which are brought up to date by a step of orthogonal iteration. What
e3nn stores as one vector is taken apart into the matrices that it consists of.
"""

import math
from collections.abc import Iterable
from typing import Any

from .modelfile import import_torch

# e3nn's constants can be read only after this
torch = import_torch()

from e3nn import o3  # noqa: E402

_DECAY = 0.95
_EVERY = 10
# at first the averages change fast
_EARLY = 5
# of the root mean square of a matrix: directions without gradient have rounding errors in place of one
_TINY = 1e-4
# a batch with a wild frame would throw the weights far off, which are moved by the ratio to earlier gradients
_MOST, _NORM_DECAY = 2.0, 0.98
_LONGEST = 128
_SLOPE = 1e-3
# steps are so many times the learning rate, so that a rate that suits Adam serves
_RATE = 3.0


class Soap(torch.optim.Optimizer):
    """Updates of the trainable parameters of `model`; the first step only begins the averages.

    Gradients are to be clipped at `largest_norm` before.
    """

    def __init__(self, model: torch.nn.Module, learning_rate: float):
        super().__init__([p for p in model.parameters() if p.requires_grad], {"lr": learning_rate, "norm": 0.0})
        self._parts = dict(_parts(model))

    def largest_norm(self) -> float:
        """That of the gradient before a step, by the running mean of those before it."""
        norm = self.param_groups[0]["norm"]
        return _MOST * norm if norm else math.inf

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        (group,) = self.param_groups
        moving = [parameter for parameter in group["params"] if parameter.grad is not None]
        norm = float(torch.nn.utils.get_total_norm([parameter.grad for parameter in moving]))
        group["norm"] = _NORM_DECAY * group["norm"] + (1 - _NORM_DECAY) * norm if group["norm"] else norm
        for parameter in moving:
            state = self.state[parameter]
            gradients = self._matrices(parameter, parameter.grad)
            if not state:
                state |= {"count": 0, "matrices": [_begun(gradient) for gradient in gradients]}
                continue
            state["count"] += 1
            for gradient, weight, own in zip(
                gradients, self._matrices(parameter, parameter), state["matrices"], strict=True
            ):
                _step(gradient, weight, own, state["count"], _RATE * group["lr"])

    def _matrices(self, parameter: torch.Tensor, values: torch.Tensor) -> list[torch.Tensor]:
        """Views of `values` (as the parameter), each many × rows × columns."""
        if parts := self._parts.get(parameter):
            pieces = values.view(-1).split([math.prod(shape) for shape in parts])
            own = [piece.view(shape) for piece, shape in zip(pieces, parts, strict=True)]
            # the elements or other attributes that a matrix belongs to come second
            return [piece.transpose(0, 1) if piece.dim() == 3 else piece.unsqueeze(0) for piece in own]
        if values.dim() > 1:
            return [values.view(-1, *values.shape[-2:])]
        # of a long vector of unknown structure each number is by itself, as in Adam
        return [values.view(1, -1, 1) if values.numel() <= _LONGEST else values.view(-1, 1, 1)]


def _parts(model: torch.nn.Module) -> Iterable[tuple[torch.Tensor, list[tuple[int, ...]]]]:
    for module in model.modules():
        if isinstance(module, o3.Linear | o3.FullyConnectedTensorProduct):
            # a path from nowhere is a bias
            paths = [path for path in module.instructions if getattr(path, "has_weight", getattr(path, "i_in", 0) >= 0)]
            shapes = [tuple(path.path_shape) for path in paths]
            if sum(map(math.prod, shapes)) == module.weight.numel() and all(len(shape) < 4 for shape in shapes):
                yield module.weight, shapes


def _begun(gradient: torch.Tensor) -> dict[str, torch.Tensor]:
    left, right = _parted(gradient @ gradient.mT), _parted(gradient.mT @ gradient)
    return {
        "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient), "left": left, "right": right,
        "left_basis": _eigenvectors(left), "right_basis": _eigenvectors(right),
    }  # fmt: skip


def _parted(matrix: torch.Tensor) -> torch.Tensor:
    """With a slope on the diagonal, without which rounding would decide the basis where the first gradient is zero."""
    size = matrix.shape[-1]
    slope = _SLOPE * torch.linspace(0, 1, size, dtype=matrix.dtype)
    return matrix + torch.diag(slope) * matrix.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]


def _eigenvectors(matrix: torch.Tensor) -> torch.Tensor:
    return torch.linalg.eigh(matrix.double())[1].flip(-1).to(matrix.dtype)


def _step(gradient: torch.Tensor, weight: torch.Tensor, own: dict[str, Any], count: int, rate: float) -> None:
    left, right = own["left_basis"], own["right_basis"]
    rotated = left.mT @ gradient @ right
    own["mean"].lerp_(gradient, 1 - _DECAY)
    own["square"].lerp_(rotated.square(), 1 - _DECAY)
    # both averages begin at zero
    whole = 1 - _DECAY**count
    mean = left.mT @ own["mean"] @ right / whole
    size = (own["square"] / whole).sqrt()
    tiny = _TINY * size.square().mean(dim=(1, 2), keepdim=True).sqrt() + 1e-30
    weight.sub_(rate * (left @ (mean / (size + tiny)) @ right.mT))
    own["left"].lerp_(gradient @ gradient.mT, 1 - _DECAY)
    own["right"].lerp_(gradient.mT @ gradient, 1 - _DECAY)
    if count % _EVERY == 0 or count < _EARLY:
        own["left_basis"], order = _improved(own["left"], left)
        own["square"] = own["square"].gather(1, order.unsqueeze(2).expand_as(rotated))
        own["right_basis"], order = _improved(own["right"], right)
        own["square"] = own["square"].gather(2, order.unsqueeze(1).expand_as(rotated))


def _improved(matrix: torch.Tensor, basis: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The basis after a step of orthogonal iteration, by falling eigenvalue, and the order taken of the old one."""
    moved = matrix @ basis
    order = (basis * moved).sum(dim=1).argsort(dim=-1, descending=True)
    return torch.linalg.qr(moved.gather(2, order.unsqueeze(1).expand_as(moved)))[0], order
