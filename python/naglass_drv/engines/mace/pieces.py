"""The TorchScript pieces into which a MACE model is cut for LAMMPS (imports torch).

The cut follows Batatia et al., NeurIPS 2022 (arXiv:2206.07697), Eqs. 7-12: per layer, the features that
travel along the edges are ``up = linear_up(h)``, so ``up`` is what neighboring ranks have to exchange.
Between two exchanges everything is local to a rank:

- ``EdgePiece``: edge vectors -> spherical harmonics, radial features, pair repulsion per edge;
- ``PrePiece``: node features h -> ``up`` and the self-connection ``sc``;
- ``PostPiece``: ``up`` of all senders -> message, product basis, new h and the layer's node energy.

Shapes: E edges, N receiving nodes, M rows of ``up`` (owned and ghost atoms), Z elements.
"""

import math
from fractions import Fraction

import torch
from e3nn.util.jit import compile_mode

COULOMB_EV_A = 14.3996  # e^2/(4 pi eps0) in eV Å as mace-torch rounds it: its models were fitted with this value
BOHR_A = 0.529
# the block whose radial weights see the elements at both ends, and whose messages pass a gate
GATED = "RealAgnosticResidualNonLinearInteractionBlock"


@compile_mode("script")
class PairRepulsion(torch.nn.Module):
    """Screened nuclear repulsion per directed edge, half of the pair's energy each (eV).

    Universal screening of Ziegler, Biersack and Littmark (1985), switched off at the sum of covalent radii by
    the polynomial of Gasteiger et al. (arXiv:2003.03123, Eq. 8). Parameters come from the model's own block.
    """

    def __init__(self, zbl: torch.nn.Module, atomic_numbers: torch.Tensor, scale: float):
        super().__init__()
        z = atomic_numbers.to(torch.int64)
        power = torch.pow(z, zbl.a_exp)
        length = zbl.a_prefactor * BOHR_A / (power[:, None] + power[None, :])
        radius = zbl.covalent_radii[z]
        dtype = zbl.covalent_radii.dtype
        self.register_buffer("length", length.detach().to(dtype).flatten())
        self.register_buffer("cutoff", (radius[:, None] + radius[None, :]).flatten())
        self.register_buffer("strength", (scale * COULOMB_EV_A * z[:, None] * z[None, :]).to(dtype).flatten())
        self.register_buffer("weights", zbl.c.clone())
        self.register_buffer("rates", torch.tensor([-3.2, -0.9423, -0.4028, -0.2016], dtype=dtype))
        self.num_elements = len(z)
        self.p = int(zbl.p)

    def forward(self, r: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        pair = first * self.num_elements + second
        x = r.squeeze(-1)
        screening = torch.exp((x / self.length[pair])[:, None] * self.rates) @ self.weights
        u = x / self.cutoff[pair]
        p = self.p
        envelope = 1.0 - u**p * (0.5 * (p + 1) * (p + 2) - p * (p + 2) * u + 0.5 * p * (p + 1) * u * u)
        return 0.5 * self.strength[pair] / x * screening * envelope * (u < 1.0)


def _root(value: float) -> float:
    """The square root of a fraction next to `value`: what a solver leaves depends on where its memory is."""
    square = Fraction(value * value).limit_denominator(100_000)
    exact = math.copysign(math.sqrt(square), value) if square else 0.0
    return exact if abs(exact - value) < 1e-10 else value


@compile_mode("script")
class Harmonics(torch.nn.Module):
    """e3nn's real spherical harmonics of unit vectors as one table of monomials x^a y^b z^c, a + b + c = l.

    Homogeneous polynomials of one degree are independent on the sphere, so that the coefficients follow from
    e3nn's own values, exact to rounding. e3nn's TorchScript carries all degrees up to 11, which takes 0.3 s
    to read at every load and three times as many operations to run.
    """

    def __init__(self, harmonics: torch.nn.Module):
        super().__init__()
        degrees = [ir.l for _, ir in harmonics.irreps_out]
        points = torch.randn(400, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        points = points / points.norm(dim=1, keepdim=True)
        values = harmonics(points).double()
        exponents, blocks, start = [], [], 0
        for degree in degrees:
            block = [(a, b, degree - a - b) for a in range(degree + 1) for b in range(degree + 1 - a)]
            monomials = torch.stack([points[:, 0] ** a * points[:, 1] ** b * points[:, 2] ** c for a, b, c in block], 1)
            blocks.append(torch.linalg.lstsq(monomials, values[:, start : start + 2 * degree + 1]).solution)
            exponents += block
            start += 2 * degree + 1
        self.l_max = max(degrees)
        self.register_buffer("exponents", torch.tensor(exponents).T.contiguous())
        table = torch.block_diag(*blocks).apply_(_root)
        self.register_buffer("table", table.to(torch.get_default_dtype()))

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        powers = [torch.ones_like(unit)]
        for _ in range(self.l_max):
            powers.append(powers[-1] * unit)
        p = torch.stack(powers, dim=2)
        x = p[:, 0].index_select(1, self.exponents[0])
        y = p[:, 1].index_select(1, self.exponents[1])
        z = p[:, 2].index_select(1, self.exponents[2])
        return (x * y * z) @ self.table


@compile_mode("script")
class EdgePiece(torch.nn.Module):
    """(vectors E×3 Å, sender and receiver elements E) -> harmonics E×(l_max+1)², radial E×n, energy E (eV).

    Vectors point from sender to receiver. After the radial basis come the cutoff, where the model applies it to the
    weights rather than to the basis, and the two elements, where a gated block needs them. Energy has length 0
    without pair repulsion.
    """

    repels: torch.jit.Final[bool]
    elements: torch.jit.Final[bool]

    def __init__(self, model: torch.nn.Module, scale: float):
        super().__init__()
        self.spherical_harmonics = Harmonics(model.spherical_harmonics)
        self.radial_embedding = model.radial_embedding
        self.register_buffer("atomic_numbers", model.atomic_numbers)
        dtype = model.atomic_energies_fn.atomic_energies.dtype
        self.register_buffer("one_hot", torch.eye(len(model.atomic_numbers), dtype=dtype))
        self.elements = any(type(block).__name__ == GATED for block in model.interactions)
        self.repels = hasattr(model, "pair_repulsion")
        self.pair_repulsion = (
            PairRepulsion(model.pair_repulsion_fn, model.atomic_numbers, scale) if self.repels else None
        )

    def forward(
        self, vectors: torch.Tensor, sender: torch.Tensor, receiver: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        lengths = torch.linalg.norm(vectors, dim=1, keepdim=True)
        harmonics = self.spherical_harmonics(vectors / lengths)
        # the radial block sees elements as its nodes: an edge only needs the elements at its ends
        edge_index = torch.stack([sender, receiver])
        radial, cutoff = self.radial_embedding(lengths, self.one_hot, edge_index, self.atomic_numbers)
        if cutoff is not None:
            radial = torch.cat([radial, cutoff], dim=1)
        if self.elements:
            radial = torch.cat([radial, edge_index.T.to(radial.dtype)], dim=1)
        if self.repels:
            energy = self.pair_repulsion(lengths, sender, receiver)
        else:
            energy = vectors.new_zeros(0)
        return harmonics, radial, energy


@compile_mode("script")
class PrePiece(torch.nn.Module):
    """(node features N×F, element one-hot N×Z) -> ``up`` N×C, exchanged, and ``sc`` N×S, not exchanged.

    The first layer's features are the element embedding, so its piece uses the one-hot encoding twice. S is 0 for
    blocks without a residual self-connection; gated blocks append what they add to their messages.
    """

    embeds: torch.jit.Final[bool]
    residual: torch.jit.Final[bool]
    gated: torch.jit.Final[bool]

    def __init__(self, interaction: torch.nn.Module, embedding: torch.nn.Module | None):
        super().__init__()
        self.embeds = embedding is not None
        self.embedding = embedding
        kind = type(interaction).__name__
        self.residual = "Residual" in kind
        self.gated = kind == GATED
        self.linear_up = interaction.linear_up
        self.skip_tp = interaction.skip_tp if self.residual else None
        self.linear_res = interaction.linear_res if self.gated else None

    def forward(self, features: torch.Tensor, node_attrs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.embeds:
            features = self.embedding(node_attrs)
        up = self.linear_up(features)
        if self.gated:
            sc = torch.cat([self.skip_tp(features), self.linear_res(up)], dim=1)
        elif self.residual:
            sc = self.skip_tp(features, node_attrs)
        else:
            sc = features.new_zeros(features.shape[0], 0)
        return up, sc


@compile_mode("script")
class RadialWeights(torch.nn.Module):
    """Radial E×n -> weights of the convolution E×W and edge densities E×1 (E×0 without density).

    A gated block's networks see the radial basis and embeddings of the sender's and of the receiver's element.
    """

    basis: torch.jit.Final[int]
    cutoff_apart: torch.jit.Final[bool]
    density: torch.jit.Final[bool]
    gated: torch.jit.Final[bool]

    def __init__(self, interaction: torch.nn.Module, cutoff_apart: bool):
        super().__init__()
        kind = type(interaction).__name__
        self.basis = interaction.edge_feats_irreps.dim
        self.cutoff_apart = cutoff_apart
        self.gated = kind == GATED
        self.density = self.gated or "Density" in kind
        self.conv_tp_weights = interaction.conv_tp_weights
        self.density_fn = interaction.density_fn if self.density else None
        if self.gated:
            one_hot = torch.eye(interaction.node_attrs_irreps.dim)
            self.register_buffer("source", interaction.source_embedding(one_hot).detach())
            self.register_buffer("target", interaction.target_embedding(one_hot).detach())

    def forward(self, radial: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = radial[:, : self.basis]
        if self.gated:
            ends = radial[:, -2:].to(torch.int64)
            source = self.source.index_select(0, ends[:, 0])
            features = torch.cat([features, source, self.target.index_select(0, ends[:, 1])], dim=1)
        weights = self.conv_tp_weights(features)
        if self.density:
            edge_density = torch.tanh(self.density_fn(features) ** 2)
        else:
            edge_density = radial.new_zeros(radial.shape[0], 0)
        if self.cutoff_apart:
            cutoff = radial[:, self.basis : self.basis + 1]
            weights, edge_density = weights * cutoff, edge_density * cutoff
        return weights, edge_density


@compile_mode("script")
class Mix(torch.nn.Module):
    """(messages N×D, node densities N×1 or N×0, one-hot N×Z, ``sc`` N×S) -> features N×channels×(l_max+1)²."""

    residual: torch.jit.Final[bool]
    density: torch.jit.Final[bool]

    def __init__(self, interaction: torch.nn.Module):
        super().__init__()
        kind = type(interaction).__name__
        self.residual = "Residual" in kind
        self.density = "Density" in kind
        self.linear = interaction.linear
        self.skip_tp = None if self.residual else interaction.skip_tp
        self.reshape = interaction.reshape
        self.avg_num_neighbors = float(interaction.avg_num_neighbors)

    def forward(
        self, message: torch.Tensor, density: torch.Tensor, node_attrs: torch.Tensor, sc: torch.Tensor
    ) -> torch.Tensor:
        message = self.linear(message)
        if self.density:
            message = message / (density + 1)
        else:
            message = message / self.avg_num_neighbors
        if not self.residual:
            message = self.skip_tp(message, node_attrs)
        return self.reshape(message)


@compile_mode("script")
class GatedMix(torch.nn.Module):
    """As `Mix`, for the block with a gate: silu of the scalars, the other degrees times sigmoids of more scalars."""

    def __init__(self, interaction: torch.nn.Module):
        super().__init__()
        gate = interaction.equivariant_nonlin
        self.linear_1 = interaction.linear_1
        self.linear_2 = interaction.linear_2
        self.reshape = interaction.reshape
        self.alpha = interaction.alpha
        self.beta = interaction.beta
        self.added = int(interaction.linear_res.irreps_out.dim)
        scalars = range(gate._s_start, gate._s_start + gate._s_len)
        gated, gates = [], []
        for start, length, dim, _, first in gate._gated_info:
            gated += range(start, start + length)
            gates += [gate._g_start + first + column // dim for column in range(length)]
        self.register_buffer("scalars", torch.tensor(scalars))
        self.register_buffer("gated", torch.tensor(gated, dtype=torch.int64))
        self.register_buffer("gates", torch.tensor(gates, dtype=torch.int64))
        # factors that keep the second moment, as in e3nn's normalize2mom
        self.scalar_factor = float(gate._scalar_cst)
        self.gate_factor = float(gate._gate_cst)

    def forward(
        self, message: torch.Tensor, density: torch.Tensor, node_attrs: torch.Tensor, sc: torch.Tensor
    ) -> torch.Tensor:
        message = self.linear_1(message) / (density * self.beta + self.alpha)
        message = message + sc[:, sc.shape[1] - self.added :]
        scalars = torch.nn.functional.silu(message.index_select(1, self.scalars)) * self.scalar_factor
        gates = torch.sigmoid(message.index_select(1, self.gates)) * self.gate_factor
        message = torch.cat([scalars, message.index_select(1, self.gated) * gates], dim=1)
        return self.reshape(self.linear_2(message))


@compile_mode("script")
class PostPiece(torch.nn.Module):
    """One layer after the exchange.

    (up M×C, sender rows E, receiver nodes E, harmonics, radial, one-hot N×Z, ``sc`` N×S) -> node features N×F and the
    layer's node energy N in eV (zeros where the layer has no readout).
    """

    reads: torch.jit.Final[bool]
    agnostic: torch.jit.Final[bool]
    adds: torch.jit.Final[bool]
    head: torch.jit.Final[int]

    def __init__(
        self,
        interaction: torch.nn.Module,
        product: torch.nn.Module,
        readout: torch.nn.Module | None,
        *,
        cutoff_apart: bool,
        scale: float,
        head: int,
    ):
        super().__init__()
        kind = type(interaction).__name__
        self.radial_weights = RadialWeights(interaction, cutoff_apart)
        self.mixing = GatedMix(interaction) if kind == GATED else Mix(interaction)
        self.conv_tp = interaction.conv_tp
        self.agnostic = bool(getattr(product, "use_agnostic_product", False))
        self.adds = bool(product.use_sc) and "Residual" in kind
        self.symmetric_contractions = product.symmetric_contractions
        self.linear_out = product.linear
        self.reads = readout is not None
        self.readout = readout
        self.scale = float(scale)
        self.head = head

    def forward(
        self,
        up: torch.Tensor,
        sender: torch.Tensor,
        receiver: torch.Tensor,
        harmonics: torch.Tensor,
        radial: torch.Tensor,
        node_attrs: torch.Tensor,
        sc: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        num_nodes = node_attrs.shape[0]
        weights, edge_density = self.radial_weights(radial)
        edges = self.conv_tp(up.index_select(0, sender), harmonics, weights)
        message = edges.new_zeros(num_nodes, edges.shape[1]).index_add(0, receiver, edges)
        density = edge_density.new_zeros(num_nodes, edge_density.shape[1]).index_add(0, receiver, edge_density)
        features = self.mixing(message, density, node_attrs, sc)
        if self.agnostic:
            node_attrs = torch.ones_like(node_attrs[:, :1])
        node_features = self.linear_out(self.symmetric_contractions(features, node_attrs))
        if self.adds:
            node_features = node_features + sc[:, : node_features.shape[1]]
        if self.reads:
            heads = torch.full([num_nodes], self.head, dtype=torch.int64, device=message.device)
            energy = self.scale * self.readout(node_features, heads)[:, self.head]
        else:
            energy = node_features.new_zeros(num_nodes)
        return node_features, energy
