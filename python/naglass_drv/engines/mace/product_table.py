"""Tables of a MACE layer's two hot loops (imports torch).

Convolution: ``message[k, u] = sum over paths w[path, u] sum_ij C[path, i, j, k] up[i, u] Y[j]``. The coefficients are
read off the layer's own tensor product, which is linear in each factor, by feeding it unit vectors.

Product basis (Batatia et al., arXiv:2206.07697, Eq. 10): a polynomial of the node's features whose monomials couple
with coefficients ``U @ weights[element]``. U is symmetrized over the order of its indices, and monomials that couple
nowhere are left out.
"""

import itertools
from dataclasses import dataclass

import torch

_ZERO = 1e-12


def convolution_entries(conv_tp: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(paths P×6, entries T×4, coefficients T) of a tensor product with ``uvu`` paths.

    A path: offset of its input, components of it, channels, offset of its output, components of it, offset of its
    weights. An entry: path, component of the input, harmonic, component of the output. Raises ValueError for
    a product of another kind.
    """
    in1, in2, out = conv_tp.irreps_in1, conv_tp.irreps_in2, conv_tp.irreps_out
    starts, stops = [s.start for s in in1.slices()], [s.start for s in out.slices()]
    harmonic = [s.start for s in in2.slices()]
    dtype = torch.get_default_dtype()
    paths, entries, values, weight = [], [], [], 0
    slots = [ins.i_out for ins in conv_tp.instructions]
    if len(set(slots)) != len(slots):
        raise ValueError("two paths of the convolution have the same output")
    for number, ins in enumerate(conv_tp.instructions):
        mul, first = in1[ins.i_in1]
        mul2, second = in2[ins.i_in2]
        mul_out, third = out[ins.i_out]
        if ins.connection_mode != "uvu" or not ins.has_weight or mul2 != 1 or mul_out != mul:
            raise ValueError(f"a path of the convolution is {ins}")
        place = (starts[ins.i_in1], stops[ins.i_out])
        paths.append([place[0], first.dim, mul, place[1], third.dim, weight])
        units = list(itertools.product(range(first.dim), range(second.dim)))
        x = torch.zeros(len(units), in1.dim, dtype=dtype)
        y = torch.zeros(len(units), in2.dim, dtype=dtype)
        for row, (i, j) in enumerate(units):
            x[row, place[0] + i] = 1.0
            y[row, harmonic[ins.i_in2] + j] = 1.0
        w = torch.zeros(len(units), conv_tp.weight_numel, dtype=dtype)
        w[:, weight] = 1.0
        answer = conv_tp(x, y, w)[:, place[1] : place[1] + third.dim]
        for row, (i, j) in enumerate(units):
            for k in range(third.dim):
                if abs(float(answer[row, k])) > _ZERO:
                    entries.append([number, i, harmonic[ins.i_in2] + j, k])
                    values.append(float(answer[row, k]))
        weight += mul
    return torch.tensor(paths), torch.tensor(entries), torch.tensor(values, dtype=dtype)


def monomials(contraction: torch.nn.Module, degree: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(indices T×degree ascending, output components T, couplings T×K) of one degree of a symmetric contraction.

    Monomials and outputs between which all couplings vanish are left out.
    """
    u = contraction.U_tensors(degree).detach().double()
    size = contraction.U_tensors(1).shape[-2]
    if u.dim() == degree + 1:
        u = u.unsqueeze(0)
    rows, outs, couplings = [], [], []
    for index in itertools.combinations_with_replacement(range(size), degree):
        orders = torch.tensor(sorted(set(itertools.permutations(index))))
        summed = u[(slice(None), *orders.T)].sum(dim=1)
        for component in range(len(summed)):
            if float(summed[component].abs().max()) > _ZERO:
                rows.append(list(index))
                outs.append(component)
                couplings.append(summed[component])
    if not rows:
        return torch.zeros(0, degree, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), u.new_zeros(0, u.shape[-1])
    return torch.tensor(rows), torch.tensor(outs), torch.stack(couplings)


def weights_of(contraction: torch.nn.Module, degree: int) -> torch.Tensor:
    """Weights (Z×K×channels) of one degree."""
    if degree == contraction.correlation:
        return contraction.weights_max
    # the list runs from the highest degree below the maximum down to one
    return contraction.weights[contraction.correlation - 1 - degree]


@dataclass(frozen=True)
class Polynomial:
    """Monomials of all outputs of a product basis, T terms.

    `index` T×correlation holds features, ascending, padded with their number (a factor of one); `out` T the output row:
    outputs are the components of the first irrep, then of the second, and so on; `dims` their numbers; `coefficients`
    elements (or one for all) × T × channels.
    """

    index: torch.Tensor
    out: torch.Tensor
    dims: torch.Tensor
    coefficients: torch.Tensor


def polynomial(product: torch.nn.Module) -> Polynomial:
    """The polynomial of an EquivariantProductBasisBlock."""
    contractions = product.symmetric_contractions.contractions
    correlation = max(int(c.correlation) for c in contractions)
    size = contractions[0].U_tensors(1).shape[-2]
    index, out, dims, parts, first = [], [], [], [], 0
    for contraction in contractions:
        lowest = contraction.U_tensors(1)
        components = lowest.shape[0] if lowest.dim() == 3 else 1
        for degree in range(1, int(contraction.correlation) + 1):
            rows, targets, coupling = monomials(contraction, degree)
            padding = torch.full((len(rows), correlation - degree), size, dtype=torch.int64)
            index.append(torch.cat([rows.reshape(len(rows), degree), padding], dim=1))
            out.append(targets + first)
            parts.append(_combined(coupling, weights_of(contraction, degree)))
        dims.append(components)
        first += components
    return Polynomial(torch.cat(index), torch.cat(out), torch.tensor(dims), torch.cat(parts, dim=1))


def _combined(couplings: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Couplings T×K and weights Z×K×channels -> Z×T×channels, added in the same order in every process."""
    total = weights.new_zeros(weights.shape[0], couplings.shape[0], weights.shape[2])
    for k in range(couplings.shape[1]):
        total = total + couplings[None, :, k, None].to(weights.dtype) * weights[:, None, k, :]
    return total
