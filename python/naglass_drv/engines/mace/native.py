"""Describe a MACE model as numbers and tables for the native backend of ``pair_style mace`` (imports torch).

Every part of a model is one of a few forms: a linear map between irreps, for each element or shared; the table of a
convolution; the polynomial of a product basis; a small network of scalars. Maps are read off the model's own blocks by
feeding them unit vectors, which leaves no room for a factor to be forgotten, and are checked on random input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from e3nn import o3

from .heads import Head
from .networks import Arrays, network, readout
from .pieces import GATED, Harmonics, PairRepulsion
from .product_table import convolution_entries, polynomial

_TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
# flat features N×D and the elements of the nodes N -> flat features N×D'
Map = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def blocks_of(irreps: o3.Irreps) -> list[list[int]]:
    """[multiplicity, components] of each block."""
    return [[mul, ir.dim] for mul, ir in irreps if mul > 0]


def describe(model: torch.nn.Module, heads: list[Head]) -> tuple[dict[str, Any], Arrays]:
    """The model with these heads as a JSON document and the arrays that it names.

    Raises ValueError where a block is not of the form that its name promises.
    """
    arrays = Arrays()
    radial = _radial_basis(model, arrays)
    harmonics = Harmonics(model.spherical_harmonics)
    document: dict[str, Any] = {
        "harmonics": {
            "degree": harmonics.l_max,
            "exponents": arrays.add("harmonics.exponents", harmonics.exponents.T),
            "table": arrays.add("harmonics.table", harmonics.table),
        },
        "radial": radial,
        "repulsion": _repulsion(model, heads, arrays),
        "layers": [],
        "outputs": [],
    }
    elements = len(model.atomic_numbers)
    for number, (interaction, product) in enumerate(zip(model.interactions, model.products, strict=True)):
        layer = _Layer(model, number, interaction, product, elements, arrays)
        document["layers"].append(layer.describe(heads))
    return document, arrays


def _radial_basis(model: torch.nn.Module, arrays: Arrays) -> dict[str, Any]:
    block = model.radial_embedding
    basis = block.bessel_fn
    kind = type(basis).__name__
    out: dict[str, Any] = {
        "cutoff_power": int(block.cutoff_fn.p),
        "cutoff_apart": not getattr(block, "apply_cutoff", True),
    }
    if kind == "BesselBasis":
        out |= {"basis": "bessel", "values": arrays.add("radial.values", basis.bessel_weights)}
        out["factor"] = float(basis.prefactor)
    elif kind == "GaussianBasis":
        out |= {"basis": "gaussian", "values": arrays.add("radial.values", basis.gaussian_weights)}
        out["factor"] = float(basis.coeff)
    elif kind == "ChebychevBasis":
        out |= {"basis": "chebyshev", "values": arrays.add("radial.values", basis.n.flatten()), "factor": 1.0}
    else:
        raise ValueError(f"radial basis {kind}")
    transform = getattr(block, "distance_transform", None)
    out["transform"] = None
    if transform is not None:
        radii = transform.covalent_radii[model.atomic_numbers.to(torch.int64)]
        kind = type(transform).__name__
        names = {"AgnesiTransform": ("agnesi", "q", "p", "a"), "SoftTransform": ("soft", "alpha")}[kind]
        out["transform"] = {"kind": names[0], "radii": arrays.add("radial.radii", radii)}
        out["transform"] |= {name: float(getattr(transform, name)) for name in names[1:]}
    return out


def _repulsion(model: torch.nn.Module, heads: list[Head], arrays: Arrays) -> dict[str, Any] | None:
    if not hasattr(model, "pair_repulsion"):
        return None
    piece = PairRepulsion(model.pair_repulsion_fn, model.atomic_numbers, 1.0)
    names = ("length", "cutoff", "strength", "weights", "rates")
    stored = {name: arrays.add(f"repulsion.{name}", getattr(piece, name)) for name in names}
    scale = arrays.add("repulsion.scale", torch.tensor([head.scale for head in heads], dtype=torch.float64))
    return {"power": piece.p, "scale": scale} | stored


class _Layer:
    """One interaction and product, described."""

    def __init__(self, model, number, interaction, product, elements, arrays):
        self.model, self.number, self.interaction, self.product = model, number, interaction, product
        self.kind = type(interaction).__name__
        self.gated, self.residual = self.kind == GATED, "Residual" in self.kind
        self.elements, self.arrays = elements, arrays
        self.dtype = model.r_max.dtype
        self.one_hot = torch.eye(elements, dtype=self.dtype)

    def add(self, name: str, values: torch.Tensor) -> str:
        return self.arrays.add(f"layers.{self.number}.{name}", values)

    def read(self, name: str, apply: Map, irreps_in: o3.Irreps, irreps_out: o3.Irreps, per_element: bool) -> LinearMap:
        elements = self.elements if per_element else 1
        return linear_map(lambda x, z: apply(x, self.one_hot[z]), irreps_in, irreps_out, elements, name)

    def map(self, name: str, apply: Map, irreps_in: o3.Irreps, irreps_out: o3.Irreps, per_element: bool) -> dict:
        return self.read(name, apply, irreps_in, irreps_out, per_element).store(name, self.add)

    def describe(self, heads: list[Head]) -> dict[str, Any]:
        interaction, product = self.interaction, self.product
        table = polynomial(product)
        paths, entries, values = convolution_entries(interaction.conv_tp)
        target = interaction.irreps_out
        if len({mul for mul, _ in target}) != 1:
            raise ValueError(f"messages {target} differ in their number of channels")
        node_irreps = product.linear.irreps_out
        return {
            "up_irreps": blocks_of(interaction.linear_up.irreps_out),
            "message_irreps": blocks_of(interaction.conv_tp.irreps_out),
            "feature_irreps": blocks_of(target),
            "product_irreps": blocks_of(product.linear.irreps_in),
            "node_irreps": blocks_of(node_irreps),
            **self.before(node_irreps),
            "radial": self.radial(),
            "paths": self.add("paths", paths),
            "entries": self.add("entries", entries),
            "values": self.add("values", values),
            "mix": self.mix(target),
            "product": {
                "index": self.add("product.index", table.index),
                "out": self.add("product.out", table.out),
                "dims": self.add("product.dims", table.dims),
                "coefficients": self.add("product.coefficients", table.coefficients),
            },
            "out": self.map("out", lambda x, z: product.linear(x), product.linear.irreps_in, node_irreps, False),
            "readout": self.readout(heads, node_irreps.dim),
        }  # fmt: skip

    def before(self, node_irreps: o3.Irreps) -> dict[str, Any]:
        """``up``, the self-connection and a gated block's residual: per element in the first layer, else as maps."""
        block = self.interaction
        adds = self.residual and bool(self.product.use_sc)
        width = node_irreps.dim

        def skip(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            return (block.skip_tp(x) if self.gated else block.skip_tp(x, z))[:, :width]

        if self.number == 0:
            features = self.model.node_embedding(self.one_hot)
            up = block.linear_up(features)
            return {
                "up": self.add("up", up),
                "skip": self.add("skip", skip(features, self.one_hot)) if adds else None,
                "residual": self.add("residual", block.linear_res(up)) if self.gated else None,
            }
        irreps_in, irreps_up = block.linear_up.irreps_in, block.linear_up.irreps_out
        return {
            "up": self.map("up", lambda x, z: block.linear_up(x), irreps_in, irreps_up, False),
            "skip": self.map("skip", skip, irreps_in, node_irreps, not self.gated) if adds else None,
            "residual": self.map(
                "residual", lambda x, z: block.linear_res(x), irreps_up, self.split(block.linear_res.irreps_out), False
            ) if self.gated else None,
        }  # fmt: skip

    def split(self, irreps: o3.Irreps) -> o3.Irreps:
        """Irreps of a gate's input, cut where scalars, gates and gated features meet."""
        gate = self.interaction.equivariant_nonlin
        cuts = {gate._s_start, gate._s_start + gate._s_len}
        for start, length, _, mul, first in gate._gated_info:
            cuts |= {start, start + length, gate._g_start + first, gate._g_start + first + mul}
        out, at = [], 0
        for mul, ir in irreps:
            left = mul
            while left:
                ahead = [c for c in cuts if at < c < at + left * ir.dim]
                take = (min(ahead) - at) // ir.dim if ahead else left
                out.append((take, ir))
                at += take * ir.dim
                left -= take
        return o3.Irreps(out)

    def radial(self) -> dict[str, Any]:
        block = self.interaction
        out: dict[str, Any] = {"weights": network(block.conv_tp_weights, "radial", self.add), "density": None}
        out["embeddings"] = None
        if self.gated or "Density" in self.kind:
            out["density"] = network(block.density_fn, "density", self.add)
        if self.gated:
            out["embeddings"] = {
                "sender": self.add("sender", block.source_embedding(self.one_hot)),
                "receiver": self.add("receiver", block.target_embedding(self.one_hot)),
            }
        return out

    def mix(self, target: o3.Irreps) -> dict[str, Any]:
        """From messages to the features of the product basis; densities and the mean number of neighbors are scalars
        of a node and commute with linear maps."""
        block, message = self.interaction, self.interaction.conv_tp.irreps_out
        if self.gated:
            gate = block.equivariant_nonlin
            irreps = self.split(block.linear_1.irreps_out)
            gated = [[start, gate._g_start + first, mul, dim] for start, _, dim, mul, first in gate._gated_info]
            return {
                "map": self.map("mix", lambda x, z: block.linear_1(x), message, irreps, False),
                "density": [float(block.alpha), float(block.beta)],
                "gate": {
                    "irreps": blocks_of(irreps),
                    "scalars": [gate._s_start, gate._s_len],
                    "gated": gated,
                    "factors": [float(gate._scalar_cst), float(gate._gate_cst)],
                    "map": self.map("after_gate", lambda x, z: block.linear_2(x), target, target, False),
                },
            }  # fmt: skip
        density = [1.0, 1.0] if "Density" in self.kind else [float(block.avg_num_neighbors), 0.0]
        own = self.read("mix", lambda x, z: block.linear(x), message, target, False)
        if not self.residual:
            own = own.then(self.read("mix", block.skip_tp, target, target, True))
        return {"map": own.store("mix", self.add), "density": density, "gate": None}

    def readout(self, heads: list[Head], width: int) -> dict[str, Any] | None:
        readouts = self.model.readouts
        last = self.number == len(self.model.interactions) - 1
        if len(readouts) == 1 and not last:
            return None
        block = readouts[0 if len(readouts) == 1 else self.number]
        columns, steps = readout(block, heads, width, self.dtype)
        return {
            "columns": self.add("readout.columns", columns),
            "steps": [step.store(f"readout.{k}", self.add) for k, step in enumerate(steps)],
        }


@dataclass(frozen=True)
class LinearMap:
    """A map between irreps: blocks [first column in, multiplicity in, first column out, multiplicity out, components]
    and, for each element or one for all, their matrices (multiplicity in × out) one after another; a constant."""

    blocks: list[list[int]]
    weights: torch.Tensor
    constant: torch.Tensor

    def matrices(self) -> list[torch.Tensor]:
        """Elements × in × out of each block."""
        sizes = [mul * out_mul for _, mul, _, out_mul, _ in self.blocks]
        parts = self.weights.split(sizes, dim=1) if sizes else []
        return [part.reshape(-1, b[1], b[3]) for part, b in zip(parts, self.blocks, strict=True)]

    def then(self, other: LinearMap) -> LinearMap:
        """This map and then the other; matrices are multiplied in the same order of additions in every process."""
        if self.constant.abs().max() > 0 or other.constant.abs().max() > 0:
            raise ValueError("two maps with a constant in one")
        found: dict[tuple[int, ...], torch.Tensor] = {}
        for a, left in zip(self.blocks, self.matrices(), strict=True):
            for b, right in zip(other.blocks, other.matrices(), strict=True):
                if a[2:4] == b[:2]:
                    total = sum(left[:, :, k, None] * right[:, k, None, :] for k in range(a[3]))
                    key = (a[0], a[1], b[2], b[3], a[4])
                    found[key] = found[key] + total if key in found else total
        elements = max(len(self.weights), len(other.weights))
        rows = [matrix.reshape(elements, -1) for matrix in found.values()]
        return LinearMap([list(key) for key in found], torch.cat(rows, dim=1), other.constant)

    def store(self, name: str, add: Callable[[str, torch.Tensor], str]) -> dict[str, Any]:
        """JSON of the map; arrays go to `add`."""
        constant = self.constant[0]
        if self.constant.abs().max() > 0 and len(self.weights) > 1:
            raise ValueError(f"{name} has a constant for each element")
        return {
            "blocks": self.blocks,
            "weights": add(f"{name}.weights", self.weights),
            "constant": add(f"{name}.constant", constant) if constant.abs().max() > 0 else None,
        }


def linear_map(apply: Map, irreps_in: o3.Irreps, irreps_out: o3.Irreps, elements: int, name: str) -> LinearMap:
    """Read `apply` off by unit vectors. Raises ValueError where it is no equivariant linear map."""
    blocks = _couplings(irreps_in, irreps_out)
    weights, constants = [], []
    for element in range(elements):
        z = torch.tensor([element])
        constant = apply(_zeros(1, irreps_in), z)
        rows = []
        for first, mul, out_first, out_mul, dim in blocks:
            x = _zeros(mul, irreps_in)
            x[torch.arange(mul), first + dim * torch.arange(mul)] = 1.0
            answer = apply(x, z.expand(mul)) - constant
            rows.append(answer[:, out_first : out_first + out_mul * dim : dim].flatten())
        weights.append(torch.cat(rows) if rows else _zeros(1, irreps_in)[0, :0])
        constants.append(constant[0])
        if not _is(apply, blocks, weights[-1], constant, z, irreps_in):
            raise ValueError(f"{name} is not a linear map between irreps")
    return LinearMap(blocks, torch.stack(weights), torch.stack(constants))


def _zeros(rows: int, irreps: o3.Irreps) -> torch.Tensor:
    return torch.zeros(rows, irreps.dim, dtype=torch.get_default_dtype())


def _couplings(irreps_in: o3.Irreps, irreps_out: o3.Irreps) -> list[list[int]]:
    blocks = []
    for (mul, ir), place in zip(irreps_in, irreps_in.slices(), strict=True):
        for (out_mul, out_ir), out_place in zip(irreps_out, irreps_out.slices(), strict=True):
            if ir == out_ir and mul and out_mul:
                blocks.append([place.start, mul, out_place.start, out_mul, ir.dim])
    return blocks


def _is(apply: Map, blocks, weights, constant, z, irreps_in: o3.Irreps) -> bool:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, irreps_in.dim, generator=generator, dtype=torch.float64).to(weights.dtype)
    expected = apply(x, z.expand(3))
    found = constant.expand(expected.shape).clone()
    at = 0
    for first, mul, out_first, out_mul, dim in blocks:
        matrix = weights[at : at + mul * out_mul].reshape(mul, out_mul)
        at += mul * out_mul
        part = x[:, first : first + mul * dim].reshape(3, mul, dim)
        found[:, out_first : out_first + out_mul * dim] += torch.einsum("nud,uv->nvd", part, matrix).reshape(3, -1)
    off = (found - expected).abs().max() if expected.numel() else torch.tensor(0.0)
    return bool(off <= _TOLERANCE[weights.dtype] * (1 + expected.abs().max() if expected.numel() else 1))
