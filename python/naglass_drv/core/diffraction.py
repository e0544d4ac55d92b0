"""Structure factors by direct summation over the wave vectors that the periodic cell allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ..errors import InputError
from .scattering import weights
from .statistics import Average, average
from .trajectory import same_elements
from .unwrap import full_cell

# Phases (vectors x atoms) held at a time: bounds the memory, not the result
_CHUNK = 2**18


@dataclass(frozen=True)
class StructureFactors:
    """Faber-Ziman partial S_AB(Q) and weighted totals on the shell means `q` (1/Å); all dimensionless.

    `vectors` is the number of wave vectors behind each point; `neutron` and `xray` are None when the tables
    lack an element.
    """

    q: np.ndarray
    vectors: np.ndarray
    partial: dict[str, Average]
    neutron: Average | None
    xray: Average | None


def structure_factor(
    frames, q_max: float, *, width: float = 0.1, per_shell: int = 64, independent: bool = False
) -> StructureFactors:
    """Partial and total structure factors of periodic frames (one, or several with the same atoms).

    With rho_A(Q) = sum over atoms of A of exp(i Q.r) and Q = 2 pi (h k l) inv(cell), the Faber-Ziman partial
    is S_AB(Q) = 1 + (<rho_A rho_B*>/N - c_A delta_AB) / (c_A c_B), averaged over the vectors in a shell of
    `width` (1/Å) and over frames; the total is sum c_A c_B w_A w_B S_AB / (sum c_A w_A)² with neutron lengths
    or X-ray form factors (Faber and Ziman 1965, doi:10.1080/14786436508211931; Keen 2001,
    doi:10.1107/S0021889800019993). There is no Fourier transform of g(r), hence no window. In shells with
    more than `per_shell` vectors a fixed random choice of about that many stands for all; one of each +-Q
    pair is taken. The choice is made on the mean cell. InputError for a range that is not positive or
    below the smallest vector, or a cell without volume.
    """
    frames = [frames] if hasattr(frames, "get_chemical_symbols") else list(frames)
    if not (0.0 < width < q_max < float("inf")):
        raise InputError(f"q_max = {q_max}: must be finite and larger than width = {width} (1/Å)")
    elements = same_elements(frames)
    cells = [full_cell(atoms.cell) for atoms in frames]
    cell = np.mean(cells, axis=0)
    hkl = wave_vectors(cell, q_max, width, per_shell)
    if not len(hkl):
        raise InputError(f"q_max = {q_max}: the cell has no wave vector below it (1/Å)")
    q = np.linalg.norm(2 * np.pi * hkl @ np.linalg.inv(cell).T, axis=1)
    slots, shell = np.unique((q / width).astype(int), return_inverse=True)
    vectors = np.bincount(shell, minlength=len(slots))
    symbols = np.array(frames[0].get_chemical_symbols())
    groups = [np.flatnonzero(symbols == element) for element in elements]
    share = np.array([len(group) for group in groups]) / len(frames[0])
    pairs = list(combinations_with_replacement(range(len(elements)), 2))
    series = np.empty((len(frames), len(pairs), len(slots)))
    for t, atoms in enumerate(frames):
        density = densities(atoms.positions @ np.linalg.inv(cells[t]), groups, hkl)
        for p, (a, b) in enumerate(pairs):
            product = (density[a] * density[b].conj()).real / len(atoms)
            mean = np.bincount(shell, weights=product, minlength=len(slots)) / vectors
            series[t, p] = 1 + (mean - share[a] * (a == b)) / (share[a] * share[b])
    centre = np.bincount(shell, weights=q, minlength=len(slots)) / vectors
    names = [f"{elements[a]}-{elements[b]}" for a, b in pairs]
    return StructureFactors(
        centre,
        vectors,
        {name: average(series[:, p], independent=independent) for p, name in enumerate(names)},
        _total(series, pairs, share, weights(elements, centre, "neutron"), independent),
        _total(series, pairs, share, weights(elements, centre, "xray"), independent),
    )


def wave_vectors(cell: np.ndarray, q_max: float, width: float, per_shell: int) -> np.ndarray:
    """Integer (h k l) with 0 < |Q| < `q_max` (1/Å), one of each +-Q pair, shape (vectors, 3).

    At most about `per_shell` per shell of `width` (1/Å), chosen at random from a fixed seed.
    """
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    reach = np.floor(q_max * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    k, l = np.meshgrid(np.arange(-reach[1], reach[1] + 1), np.arange(-reach[2], reach[2] + 1), indexing="ij")
    expected = abs(np.linalg.det(cell)) / (2 * np.pi) ** 3 * 2 * np.pi * width
    random = np.random.default_rng(20231)
    chosen = []
    for h in range(reach[0] + 1):  # plane by plane: a large cell has more vectors than fit in memory
        plane = np.column_stack([np.full(k.size, h), k.ravel(), l.ravel()])
        if h == 0:
            plane = plane[(plane[:, 1] > 0) | ((plane[:, 1] == 0) & (plane[:, 2] > 0))]
        q = np.linalg.norm(plane @ reciprocal, axis=1)
        inside = q < q_max
        plane, q = plane[inside], q[inside]
        chosen.append(plane[random.random(len(q)) * expected * q**2 < per_shell])
    return np.concatenate(chosen)


def densities(scaled: np.ndarray, groups: Sequence[np.ndarray], hkl: np.ndarray) -> np.ndarray:
    """Fourier components rho_A(Q) of groups of atoms at scaled positions: complex, (groups, vectors)."""
    scaled = scaled[np.concatenate(groups)]
    starts = np.cumsum([0, *map(len, groups[:-1])])
    tables = []
    for axis in range(3):
        low, high = hkl[:, axis].min(), hkl[:, axis].max()
        tables.append((low, np.exp(2j * np.pi * np.outer(np.arange(low, high + 1), scaled[:, axis]))))
    result = np.empty((len(groups), len(hkl)), dtype=complex)
    step = max(1, _CHUNK // len(scaled))
    for start in range(0, len(hkl), step):
        part = hkl[start : start + step]
        first, second, third = (table[part[:, axis] - low] for axis, (low, table) in enumerate(tables))
        first *= second
        first *= third
        result[:, start : start + step] = np.add.reduceat(first, starts, axis=1).T
    return result


def _total(series, pairs, share, amplitude, independent) -> Average | None:
    if amplitude is None:
        return None
    total = sum(
        (1 if a == b else 2) * (share[a] * share[b] * amplitude[a] * amplitude[b])[None] * series[:, p]
        for p, (a, b) in enumerate(pairs)
    )
    return average(total / (share @ amplitude) ** 2, independent=independent)
