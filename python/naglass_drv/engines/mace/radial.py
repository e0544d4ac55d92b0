"""Radial weights of messages in a fit: a network's values at nodes, interpolated (imports torch).

The weights of a pair depend on its distance alone. A fit would evaluate their network for every pair, and twice more
for the gradients of forces; here it is evaluated at nodes 0.01 Å apart or less, between which a polynomial of fifth
degree gives the weights, their slopes, and the gradients of both. Nodes are in double precision, since slopes are small
differences of them: the error is that of weights in single precision.
"""

import copy
import functools
from typing import Any

from .modelfile import import_torch

# e3nn's constants can be read only after this
torch = import_torch()

_SPACING_A = 0.01
_POINTS = 6


class RadialTable:
    """Stands for a model's radial embedding, which has no parameters, and evaluates the networks behind it."""

    def __init__(self, embedding: torch.nn.Module):
        r_max = float(embedding.cutoff_fn.r_max)
        self._nodes = int(r_max / _SPACING_A) + 1
        self._spacing = r_max / self._nodes
        distances = self._spacing * torch.arange(1, self._nodes + 1, dtype=torch.float64)
        self._features = copy.deepcopy(embedding).double()(distances.unsqueeze(1), None, None, None)[0]
        self._known: tuple[torch.Tensor, _Stencil] | None = None

    def weights(self, network: torch.nn.Module, lengths: torch.Tensor) -> torch.Tensor:
        """Pairs × weights of `network` for pairs at `lengths` (pairs × 1, Å)."""
        # all layers ask for the same pairs
        if self._known is None or self._known[0] is not lengths:
            self._known = lengths, _Stencil(lengths.detach().flatten(), self._nodes, self._spacing)
        double = {name: parameter.double() for name, parameter in network.named_parameters()}
        nodes = torch.func.functional_call(network, double, self._features)
        return _Interpolated.apply(lengths, nodes, self._known[1])


class _Stencil:
    """What interpolates between nodes (nodes × weights, double) at the pairs of a batch, and the transposes of it."""

    def __init__(self, lengths: torch.Tensor, nodes: int, spacing: float):
        self._size = len(lengths), nodes
        self._spacing = spacing
        self._dtype = lengths.dtype
        place = lengths.double() / spacing - 1
        first = (place.long() - _POINTS // 2 + 1).clamp(0, nodes - _POINTS)
        offset = place - first - (_POINTS - 1) / 2
        self._powers = offset.unsqueeze(1) ** torch.arange(_POINTS)
        self._columns = (first.unsqueeze(1) + torch.arange(_POINTS)).flatten()
        self._starts = torch.arange(0, _POINTS * len(lengths) + 1, _POINTS)
        self._order = torch.argsort(self._columns, stable=True)
        counts = torch.bincount(self._columns, minlength=nodes)
        self._node_starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        value, slope = self._coefficients(0).to(self._dtype), self._coefficients(1)
        self._value, self._value_of_nodes = self._matrix(value), self._transposed(value)
        self._slope, self._slope_of_nodes = self._matrix(slope), self._transposed(slope.to(self._dtype))

    def values(self, nodes: torch.Tensor) -> torch.Tensor:
        return self._value @ nodes.to(self._dtype)

    def slopes(self, nodes: torch.Tensor) -> torch.Tensor:
        return (self._slope @ nodes).to(self._dtype)

    def curvatures(self, nodes: torch.Tensor) -> torch.Tensor:
        return (self._matrix(self._coefficients(2)) @ nodes).to(self._dtype)

    def from_values(self, of_pairs: torch.Tensor) -> torch.Tensor:
        """Gradient by the nodes from that by values."""
        return (self._value_of_nodes @ of_pairs).double()

    def from_slopes(self, of_pairs: torch.Tensor) -> torch.Tensor:
        """Gradient by the nodes from that by slopes."""
        return (self._slope_of_nodes @ of_pairs).double()

    def _coefficients(self, derivative: int) -> torch.Tensor:
        return (self._powers @ _lagrange(derivative)).flatten() / self._spacing**derivative

    def _matrix(self, coefficients: torch.Tensor) -> torch.Tensor:
        return torch.sparse_csr_tensor(self._starts, self._columns, coefficients, self._size, check_invariants=False)

    def _transposed(self, coefficients: torch.Tensor) -> torch.Tensor:
        return torch.sparse_csr_tensor(
            self._node_starts, self._order // _POINTS, coefficients[self._order], self._size[::-1],
            check_invariants=False,
        )  # fmt: skip


@functools.cache
def _lagrange(derivative: int) -> torch.Tensor:
    """Powers × points: coefficients of the cardinal polynomials, or a derivative of theirs, about the center."""
    powers = torch.arange(_POINTS)
    points = powers.double() - (_POINTS - 1) / 2
    found = torch.linalg.inv(points.unsqueeze(1) ** powers)
    for _ in range(derivative):
        found = (found * powers.unsqueeze(1)).roll(-1, dims=0)
    return found


class _Interpolated(torch.autograd.Function):
    """Weights of pairs, by their lengths and the nodes."""

    @staticmethod
    def forward(ctx: Any, lengths: torch.Tensor, nodes: torch.Tensor, stencil: _Stencil) -> torch.Tensor:
        ctx.save_for_backward(lengths, nodes)
        ctx.stencil = stencil
        return stencil.values(nodes)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        return *_Gradients.apply(*ctx.saved_tensors, gradient, ctx.stencil), None


class _Gradients(torch.autograd.Function):
    """Those of `_Interpolated` by lengths and nodes, which can be differentiated once more."""

    @staticmethod
    def forward(
        ctx: Any, lengths: torch.Tensor, nodes: torch.Tensor, gradient: torch.Tensor, stencil: _Stencil
    ) -> tuple[torch.Tensor, torch.Tensor]:
        slopes = stencil.slopes(nodes)
        ctx.save_for_backward(nodes, gradient, slopes)
        ctx.stencil = stencil
        ctx.set_materialize_grads(False)
        return (gradient * slopes).sum(dim=1, keepdim=True), stencil.from_values(gradient)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_lengths: torch.Tensor | None, by_nodes: torch.Tensor | None) -> tuple[Any, ...]:
        nodes, gradient, slopes = ctx.saved_tensors
        stencil = ctx.stencil
        of_lengths, of_nodes, of_gradient = [], [], []
        if by_lengths is not None:
            scaled = by_lengths * gradient
            of_nodes.append(stencil.from_slopes(scaled))
            of_gradient.append(by_lengths * slopes)
            if ctx.needs_input_grad[0]:
                of_lengths.append((scaled * stencil.curvatures(nodes)).sum(dim=1, keepdim=True))
        if by_nodes is not None:
            of_gradient.append(stencil.values(by_nodes))
            if ctx.needs_input_grad[0]:
                of_lengths.append((gradient * stencil.slopes(by_nodes)).sum(dim=1, keepdim=True))
        return *(sum(parts) if parts else None for parts in (of_lengths, of_nodes, of_gradient)), None
