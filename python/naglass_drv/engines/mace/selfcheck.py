"""Compare what is written with the original model on one cluster of atoms before anything is written (imports torch).

Blocks are known by name. This catches what a name does not tell: a release of mace-torch that changed what is below it,
an attribute that someone set.
"""

from collections.abc import Callable
from typing import Any

import torch

from ...errors import InputError
from .described import Described
from .modelfile import one_line, versions
from .networks import Arrays

# of the largest node energy, by the precision of the export
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}


def check_pieces(model: torch.nn.Module, pieces: dict[str, torch.nn.Module], head: int) -> None:
    """Raise InputError unless node energies (eV, without isolated atoms and shift) by the pieces equal the model's."""
    _compare(model, [head], lambda *cluster: _by_pieces(pieces, *cluster)[None])


def check_description(model: torch.nn.Module, document: dict[str, Any], arrays: Arrays, heads: list[int]) -> None:
    """As `check_pieces`, for a description of the model with these heads (`native.describe`)."""
    described = Described(document, arrays, float(model.r_max))

    def energies(vectors, edges, elements) -> torch.Tensor:
        found = described.energies(vectors.double().numpy(), edges.numpy(), elements.numpy())
        return torch.from_numpy(found).to(vectors.dtype)

    _compare(model, heads, energies)


def _compare(model: torch.nn.Module, heads: list[int], energies: Callable[..., torch.Tensor]) -> None:
    """`energies` gives heads×N for vectors, edges and elements."""
    cluster = _cluster(model)
    release = f"mace-torch {versions()['mace-torch']}"
    with torch.no_grad():
        try:
            references = [_by_model(model, *cluster, head) for head in heads]
        except Exception as error:
            raise InputError(f"{release} cannot evaluate this model ({one_line(error)})") from error
        found = energies(*cluster)
    for (expected, rounding), own in zip(references, found, strict=True):
        _hold(own, expected, rounding, release)


def _hold(found: torch.Tensor, expected: torch.Tensor, rounding: float, release: str) -> None:
    if not expected.isfinite().all():
        raise InputError("the model's energies are not finite; nothing was written")
    off = float((found - expected).abs().max())
    if not off <= _TOLERANCE[found.dtype] * float(expected.abs().max()) + rounding:
        raise InputError(
            f"the energy of the model differs from that of its blocks by {off:.2g} eV on an atom "
            f"({release}): not supported by the export; nothing was written"
        )


def _cluster(model: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors E×3 (Å), edges 2×E, elements N: every element twice, distances from the core to the cutoff."""
    generator = torch.Generator().manual_seed(1)
    r_max = float(model.r_max)
    count = max(8, 2 * len(model.atomic_numbers))
    elements = torch.arange(count) % len(model.atomic_numbers)
    places = torch.rand(count, 3, generator=generator, dtype=torch.float64) * 0.5 * r_max * count ** (1 / 3)
    between = places[None, :, :] - places[:, None, :]
    length = between.norm(dim=2)
    edges = torch.nonzero((length < r_max) & (length > 0.2 * r_max))
    return between[edges[:, 0], edges[:, 1]].to(model.r_max.dtype), edges.T.contiguous(), elements


def _by_pieces(pieces, vectors, edge_index, elements) -> torch.Tensor:
    one_hot = torch.eye(pieces["edge"].one_hot.shape[0], dtype=vectors.dtype)[elements]
    sender, receiver = edge_index
    harmonics, radial, repulsion = pieces["edge"](vectors, elements[sender], elements[receiver])
    energy, features = vectors.new_zeros(len(elements)), one_hot
    if len(repulsion):
        energy = energy.index_add(0, receiver, repulsion)
    for layer in range((len(pieces) - 1) // 2):
        up, sc = pieces[f"pre_{layer}"](features, one_hot)
        features, own = pieces[f"post_{layer}"](up, sender, receiver, harmonics, radial, one_hot, sc)
        energy = energy + own
    return energy


def _by_model(model, vectors, edge_index, elements, head) -> tuple[torch.Tensor, float]:
    """By the model's own forward, with all vectors given as shifts; and what adding isolated atoms may round off."""
    count = len(elements)
    data = {
        "positions": vectors.new_zeros(count, 3),
        "shifts": vectors,
        "unit_shifts": vectors,
        "cell": torch.zeros(3, 3, dtype=vectors.dtype),
        "edge_index": edge_index,
        "node_attrs": torch.eye(len(model.atomic_numbers), dtype=vectors.dtype)[elements],
        "batch": torch.zeros(count, dtype=torch.int64),
        "ptr": torch.tensor([0, count]),
        "head": torch.tensor([head]),
    }
    out = model(data, compute_force=False)
    e0 = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)[head][elements]
    energy = out["node_energy"] - e0
    if hasattr(model, "scale_shift"):
        energy = energy - torch.atleast_1d(model.scale_shift.shift)[head]
    return energy, 16 * torch.finfo(out["node_energy"].dtype).eps * float(e0.abs().max())
