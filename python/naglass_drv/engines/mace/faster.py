"""The parts of a MACE model that a fit on processors spends its time in, evaluated in a cheaper order (imports torch).

mace-torch evaluates the product basis (Batatia et al., NeurIPS 2022, arXiv:2206.07697, eq. 10) with dense coupling
tensors, and the messages path by path for every edge before it sums them over edges. Here the product basis is a sum
over the monomials that its couplings have, messages are summed within one matrix product per path and atom, and in
single precision radial weights come from a table. The numbers are the same up to rounding, as are parameters and their
names, and all can be differentiated twice.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .modelfile import import_torch

# e3nn's constants can be read only after this
torch = import_torch()

from e3nn import o3  # noqa: E402
from e3nn.o3 import TensorProduct  # noqa: E402
from mace.modules.blocks import RadialEmbeddingBlock, RealAgnosticResidualInteractionBlock  # noqa: E402
from mace.modules.symmetric_contraction import SymmetricContraction  # noqa: E402

from .radial import RadialTable  # noqa: E402

_NO_COUPLING = 1e-9


@contextmanager
def faster(model: torch.nn.Module) -> Iterator[None]:
    """Evaluate `model` (a MACE of mace-torch, in the dtype that it has now) in the cheaper order meanwhile."""
    changed = []
    table = _radial_table(model)
    for module in model.modules():
        if "forward" in vars(module):
            # a caller has changed it, and will change it back
            continue
        if type(module) is SymmetricContraction:
            module.forward = _product_basis(module)
        elif _is_changeable(module):
            module.forward = _interaction(module, table)
        elif table and module is model.radial_embedding:
            module.forward = _lengths
        else:
            continue
        changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _radial_table(model: torch.nn.Module) -> RadialTable | None:
    """A table in place of radial networks, where all that use them can, and single precision hides its error."""
    embedding, dtype = getattr(model, "radial_embedding", None), next(model.parameters()).dtype
    plain = (
        type(embedding) is RadialEmbeddingBlock
        and getattr(embedding, "apply_cutoff", True)
        and not hasattr(embedding, "distance_transform")
        and not any(True for _ in embedding.parameters())
        and all(_is_changeable(block) for block in model.interactions)
    )
    return RadialTable(embedding) if plain and dtype == torch.float32 else None


def _lengths(lengths: torch.Tensor, *_: Any) -> tuple[torch.Tensor, None]:
    """Replaces ``forward`` of a radial embedding, which is looked up where weights are made of it."""
    return lengths, None


def _product_basis(module: SymmetricContraction) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Replaces ``forward(x, y)``: x is atoms × channels × lm, y atoms × elements (one-hot)."""
    parts = [(contraction, _monomials(contraction)) for contraction in module.contractions]

    def forward(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        # rows of monomials are contiguous over channels and atoms
        by_lm = x.permute(2, 1, 0).contiguous()
        return torch.cat([_contracted(contraction, terms, by_lm, y) for contraction, terms in parts], dim=-1)

    return forward


@dataclass(frozen=True)
class _Degree:
    """Monomials of a degree: each is one of the degree before (`parent`) times a component (`last`).

    `coupling` is m × monomials × paths.
    """

    parent: torch.Tensor
    last: torch.Tensor
    coupling: torch.Tensor


def _monomials(contraction: Any) -> list[_Degree]:
    """Those that couplings have, and those that they are made of, from the first degree on."""
    degrees: list[_Degree] = []
    kept: list[tuple[int, ...]] = []
    for degree in range(contraction.correlation, 0, -1):
        coupling = contraction.U_tensors(degree)
        # scalars have no axis of m
        coupling = coupling.reshape(-1, *([coupling.shape[-2]] * degree), coupling.shape[-1])
        made, rows = {own[:-1] for own in kept}, {}
        for own in itertools.combinations_with_replacement(range(coupling.shape[1]), degree):
            row = sum(coupling[:, *order] for order in set(itertools.permutations(own)))
            if own in made or degree == 1 or row.abs().max() > _NO_COUPLING:
                rows[own] = row
        if degrees:
            place = {own: number for number, own in enumerate(rows)}
            degrees[0] = replace(degrees[0], parent=_indices(place[own[:-1]] for own in kept))
        kept = list(rows)
        last = _indices(own[-1] for own in kept)
        none = coupling.new_zeros(len(coupling), 0, coupling.shape[-1])
        degrees.insert(0, _Degree(last, last, torch.stack(list(rows.values()), dim=1) if rows else none))
    return degrees


def _indices(values: Iterable[int]) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.long)


def _contracted(contraction: Any, degrees: list[_Degree], by_lm: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    weights = [*reversed(list(contraction.weights)), contraction.weights_max]
    values = [by_lm]
    for own in degrees[1:]:
        values.append(values[-1][own.parent] * by_lm[own.last])
    value = torch.cat(values).permute(1, 0, 2)
    factor = torch.cat(
        [torch.einsum("mtk,ekc->cemt", own.coupling, weight) for own, weight in zip(degrees, weights, strict=True)],
        dim=-1,
    )
    channels, elements, components, _ = factor.shape
    per_element = torch.bmm(factor.flatten(1, 2), value).view(channels, elements, components, -1)
    return torch.einsum("cemb,be->bcm", per_element, y).flatten(1)


def _is_changeable(block: Any) -> bool:
    """Whether it is mace-torch's, not changed yet, with e3nn's product that has one weight per channel and path."""
    return (
        type(block) is RealAgnosticResidualInteractionBlock
        and "forward" not in vars(block)
        and isinstance(block.conv_tp, TensorProduct)
        and all(path.connection_mode == "uvu" and path.has_weight for path in block.conv_tp.instructions)
    )


def _interaction(
    block: RealAgnosticResidualInteractionBlock, table: RadialTable | None
) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Replaces ``forward`` of an interaction; with a `table`, its edge features are their lengths."""
    message = _Messages(block.conv_tp)

    def forward(
        node_attrs: torch.Tensor,
        node_feats: torch.Tensor,
        edge_attrs: torch.Tensor,
        edge_feats: torch.Tensor,
        edge_index: torch.Tensor,
        cutoff: torch.Tensor | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        skipped = block.skip_tp(node_feats, node_attrs)
        network = block.conv_tp_weights
        weights = table.weights(network, edge_feats) if table else network(edge_feats)
        if cutoff is not None:
            weights = weights * cutoff
        summed = message(block.linear_up(node_feats), edge_attrs, weights, edge_index)
        return block.reshape(block.linear(summed) / block.avg_num_neighbors), skipped

    return forward


class _Messages:
    """The sum over edges of a tensor product of senders' features with spherical harmonics."""

    def __init__(self, product: Any):
        self._inputs = product.irreps_in1
        self._paths = sorted(enumerate(product.instructions), key=lambda own: own[1].i_out)
        harmonics = product.irreps_in2
        self._columns, couplings = [], []
        for _, path in self._paths:
            l1, l2, l3 = (
                irreps[i].ir.l
                for irreps, i in ((self._inputs, path.i_in1), (harmonics, path.i_in2), (product.irreps_out, path.i_out))
            )
            own = torch.zeros(harmonics.dim, 2 * l1 + 1, 2 * l3 + 1, dtype=torch.float64)
            coupling = o3.wigner_3j(l1, l2, l3, dtype=torch.float64).transpose(0, 1)
            own[harmonics.slices()[path.i_in2]] = path.path_weight * coupling
            couplings.append(own.flatten(1))
            self._columns.append(own[0].numel())
        self._coupling = torch.cat(couplings, dim=1)

    def __call__(
        self, features: torch.Tensor, harmonics: torch.Tensor, weights: torch.Tensor, edges: torch.Tensor
    ) -> torch.Tensor:
        """Atoms × components; `edges` are senders and receivers, `weights` edges × (paths × channels)."""
        slots = _slots(edges[1], len(features))
        atoms, most = slots.shape
        # an edge more, of weight zero, fills the rows of atoms with fewer neighbors
        weight = _padded(weights)[slots].view(atoms, most, len(self._paths), -1)
        coupling = (_padded(harmonics) @ self._coupling.to(harmonics.dtype))[slots].split(self._columns, dim=-1)
        sender = torch.cat([edges[0], edges[0].new_zeros(1)])[slots]
        senders = [
            part.view(len(features), -1, 2 * own.ir.l + 1).transpose(1, 2)[sender]
            for own, part in zip(self._inputs, features.split([own.dim for own in self._inputs], dim=-1), strict=True)
        ]
        by_path = weight.unbind(2)
        summed = []
        for (number, path), columns in zip(self._paths, coupling, strict=True):
            given = senders[path.i_in1]
            weighted = (by_path[number].unsqueeze(2) * given).flatten(1, 2)
            summed.append(torch.bmm(weighted.transpose(1, 2), columns.reshape(atoms, weighted.shape[1], -1)).flatten(1))
        return torch.cat(summed, dim=-1)


def _padded(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values, values.new_zeros(1, values.shape[1])])


def _slots(receivers: torch.Tensor, atoms: int) -> torch.Tensor:
    """Edges by the atom that they end at (atoms × most neighbors), filled up with the number of edges."""
    counts = torch.bincount(receivers, minlength=atoms)
    order = torch.argsort(receivers)
    first = torch.cumsum(counts, 0) - counts
    place = torch.arange(len(order)) - first[receivers[order]]
    slots = torch.full((atoms, max(1, int(counts.max()))), len(receivers))
    slots[receivers[order], place] = order
    return slots
