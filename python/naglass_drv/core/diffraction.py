"""Structure factors by direct summation over all wave vectors allowed by the periodic cell, in blocks of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np

from ..errors import InputError
from .arguments import flag, positive, structures, whole
from .scattering import weights
from .statistics import Average, average
from .trajectory import same_elements
from .unwrap import full_cell

# Products (wave vectors x atoms x frames) within which all vectors are taken: about a minute of one core for one
# structure, and less for a series, whose frames make up for vectors
_WORK, _WORK_OF_SERIES = 1.5e11, 1e9
# 1/Å; below it a random choice of vectors is the last resort
_COMPLETE = 10.0
_FEWEST = 64  # vectors of a shell
_MOST_DENSITIES = 2**27  # complex numbers, 2 GB
_MOST_GRID = 1e10  # points of the reciprocal lattice in the box around the sphere
_LINES = 64  # of wave vectors that are summed at a time
_ATOMS = 8192  # at a time: bounds the memory, not the result


@dataclass(frozen=True)
class StructureFactors:
    """Faber-Ziman partial S_AB(Q) and weighted totals on the shell means `q` (1/Å); all dimensionless.

    `vectors` is the number of wave vectors behind each point, `complete` whether these are all of its shell; `neutron`
    and `xray` are None if an element is missing from the tables.
    """

    q: np.ndarray
    vectors: np.ndarray
    complete: np.ndarray
    partial: dict[str, Average]
    neutron: Average | None
    xray: Average | None


def structure_factor(
    frames, q_max: float, *, width: float = 0.1, per_shell: int | None = None, independent: bool = False
) -> StructureFactors:
    """Partial and total structure factors of periodic frames (one, or several with the same atoms).

    With rho_A(Q) = sum over atoms of A of exp(i Q.r) and Q = 2 pi (h k l) inv(cell), the Faber-Ziman partial
    is S_AB(Q) = 1 + (<rho_A rho_B*>/N - c_A delta_AB) / (c_A c_B), averaged over the vectors in a shell of
    `width` (1/Å) and over frames; the total is sum c_A c_B w_A w_B S_AB / (sum c_A w_A)² with neutron lengths
    or X-ray form factors (Faber and Ziman 1965, doi:10.1080/14786436508211931; Keen 2001,
    doi:10.1107/S0021889800019993). There is no Fourier transform of g(r), and so no window.

    All vectors are taken, one of each +-Q pair, as long as vectors times atoms times frames stay within 1.5e11 for one
    frame and 1e9 for several; beyond that shells above 10 1/Å get a random choice of a fixed seed, and only a structure
    too large for that also below. `per_shell` limits every shell to about that many instead.

    Errors: of one frame, the spread between the vectors of a shell over the square root of their number: how far
    another sample of the same glass would be off, choice of vectors included; NaN for a shell of one vector. Of several
    frames, that of the mean over time (or replicas), plus that of the choice of vectors where there was one.
    InputError for a range that is not positive or below the smallest vector, or a cell without volume.
    """
    frames = structures("frames", frames)
    q_max = positive("q_max", q_max, "1/Å")
    width = positive("width", width, "1/Å")
    flag("independent", independent)
    if not width < q_max:
        raise InputError(f"q_max = {q_max}: must be larger than width = {width} (1/Å)")
    elements = same_elements(frames)
    cells = [full_cell(atoms.cell) for atoms in frames]
    cell = np.mean(cells, axis=0)
    symbols = np.array(frames[0].get_chemical_symbols())
    groups = [np.flatnonzero(symbols == element) for element in elements]
    if per_shell is None:
        work = _WORK if len(frames) == 1 else _WORK_OF_SERIES / len(frames)
        budget = min(work / len(symbols), _MOST_DENSITIES / len(elements))
        quota = _quota(cell, q_max, width, budget)
    else:
        quota = np.full(_slots(q_max, width), float(whole("per_shell", per_shell, 1, 10**12)))
    hkl = wave_vectors(cell, q_max, width, quota)
    if not len(hkl):
        raise InputError(f"q_max = {q_max}: the cell has no wave vector below this value (1/Å)")
    if len(hkl) * len(elements) > 2 * _MOST_DENSITIES:
        raise InputError(f"per_shell = {per_shell}: {len(hkl)} wave vectors are too many; give a smaller number")
    q = np.linalg.norm(hkl @ (2 * np.pi * np.linalg.inv(cell).T), axis=1)
    slots, shell = np.unique((q / width).astype(np.int32), return_inverse=True)
    shells = _Shells(shell, np.bincount(shell), _share(cell, width, quota)[np.minimum(slots, len(quota) - 1)])
    center = shells.mean(q)
    del q
    share = np.array([len(group) for group in groups]) / len(symbols)
    pairs = list(combinations_with_replacement(range(len(elements)), 2))
    series = np.empty((len(frames), len(pairs), len(slots)))
    # means over frames, of the vectors whose spread tells an error
    kept = np.flatnonzero(np.ones(len(shell), bool) if len(frames) == 1 else (shells.share < 1)[shell])
    spread = np.zeros((len(pairs), len(kept)), dtype=np.float32)
    for t, atoms in enumerate(frames):
        density = densities(atoms.positions @ np.linalg.inv(cells[t]), groups, hkl)
        for p, (a, b) in enumerate(pairs):
            product = density[a].real * density[b].real + density[a].imag * density[b].imag
            product = 1 + (product / len(symbols) - share[a] * (a == b)) / (share[a] * share[b])
            series[t, p] = shells.mean(product)
            spread[p] += product[kept] / len(frames)
    amplitudes = [weights(elements, center, radiation) for radiation in ("neutron", "xray")]
    errors = _Errors(shells, kept, spread, single=len(frames) == 1)
    names = [f"{elements[a]}-{elements[b]}" for a, b in pairs]
    total = [_pair_weights(pairs, share, amplitude) for amplitude in amplitudes]
    return StructureFactors(
        center,
        shells.vectors,
        shells.share >= 1,
        {name: errors.of(series[:, p], np.eye(len(pairs))[p], independent) for p, name in enumerate(names)},
        *(w if w is None else errors.of((series * w).sum(axis=1), w, independent) for w in total),
    )


def wave_vectors(cell: np.ndarray, q_max: float, width: float, quota) -> np.ndarray:
    """Integer (h k l) with 0 < |Q| < `q_max` (1/Å), one of each +-Q pair, shape (vectors, 3).

    `quota`, a number or one per shell of `width` (1/Å), is about how many are chosen of a shell, by whole lines along l
    at random from a fixed seed. InputError where the lattice has too many points to look at.
    """
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    reach = np.floor(q_max * np.linalg.norm(cell, axis=1) / (2 * np.pi))
    if np.prod(2 * reach + 1) / 2 > _MOST_GRID:
        raise InputError(
            f"q_max = {q_max}: the cell has too many wave vectors below this value; give a smaller one (1/Å)"
        )
    n, k_most, l_most = reach.astype(int)
    k, l = np.arange(-k_most, k_most + 1), np.arange(-l_most, l_most + 1)
    share = _share(cell, width, np.broadcast_to(quota, _slots(q_max, width)))
    random = np.random.default_rng(20231)
    third = (reciprocal[2] ** 2).sum()
    chosen = []
    for h in range(n + 1):  # plane by plane: a large cell has more vectors than fit in memory
        base = h * reciprocal[0] + k[:, None] * reciprocal[1]
        square = (base**2).sum(axis=1)[:, None] + np.multiply.outer(2 * base @ reciprocal[2], l) + third * l**2
        q = np.sqrt(np.maximum(square, 0))
        taken = q < q_max
        if h == 0:
            taken &= (k[:, None] > 0) | ((k[:, None] == 0) & (l > 0))
        lines = random.random(len(k))
        taken &= lines[:, None] < share[np.minimum((q / width).astype(np.int32), len(share) - 1)]
        rows, columns = np.nonzero(taken)
        chosen.append(np.column_stack([np.full(len(rows), h), k[rows], l[columns]]).astype(np.int32))
    return np.concatenate(chosen)


def densities(scaled: np.ndarray, groups: Sequence[np.ndarray], hkl: np.ndarray) -> np.ndarray:
    """Fourier components rho_A(Q) of groups of atoms at scaled positions: complex, (groups, vectors).

    Exact sums, as matrix products: exp(2 pi i (h x + k y)) of the lines along l with exp(2 pi i l z).
    """
    result = np.zeros((len(groups), len(hkl)), dtype=complex)
    blocks = list(_blocks(hkl))
    longest = max(longest for _, _, longest in blocks)
    for g, group in enumerate(groups):
        for start in range(0, len(group), _ATOMS):
            x, y, z = (scaled[group[start : start + _ATOMS]] % 1.0).T
            along = np.exp(2j * np.pi * np.outer(z, np.arange(longest + 1)))
            for vectors, line, most in blocks:
                first = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1])
                h, k, _ = hkl[vectors[first]].T
                across = np.exp(2j * np.pi * (np.outer(h, x) + np.outer(k, y)))
                # four real products serve l and -l at once
                stacked = np.concatenate([across.real, across.imag])
                cosine, sine = stacked @ along.real[:, : most + 1], stacked @ along.imag[:, : most + 1]
                half, l = len(first), hkl[vectors, 2]
                sign, column = np.sign(l), np.abs(l)
                result[g, vectors] += (cosine[line, column] - sign * sine[line + half, column]) + 1j * (
                    cosine[line + half, column] + sign * sine[line, column]
                )
    return result


def _blocks(hkl: np.ndarray):
    """Vectors of up to `_LINES` lines of equal h and k: places in `hkl`, line of each, largest abs(l)."""
    order = np.lexsort((hkl[:, 1], hkl[:, 0]))
    line = np.concatenate([[0], np.cumsum((np.diff(hkl[order, :2], axis=0) != 0).any(axis=1))])
    starts = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1, [len(hkl)]])
    extent = np.maximum.reduceat(np.abs(hkl[order, 2]), starts[:-1])
    by_extent = np.argsort(extent, kind="stable")  # lines of like length waste little
    for begin in range(0, len(by_extent), _LINES):
        lines = by_extent[begin : begin + _LINES]
        vectors = np.concatenate([order[starts[n] : starts[n + 1]] for n in lines])
        yield vectors, np.repeat(np.arange(len(lines)), np.diff(starts)[lines]), int(extent[lines[-1]])


def _slots(q_max: float, width: float) -> int:
    slots = np.ceil(q_max / width)
    if slots > 10**6:
        raise InputError(f"width = {width}: {slots:.0f} shells up to q_max = {q_max} are too many (1/Å)")
    return int(slots)


def _expected(cell: np.ndarray, width: float, slots: int) -> np.ndarray:
    """(slots,) wave vectors expected in each shell, one of each pair, from the volume of the shell."""
    edges = np.arange(slots + 1) * width
    return abs(np.linalg.det(cell)) / (2 * np.pi) ** 3 * 2 / 3 * np.pi * np.diff(edges**3)


def _share(cell: np.ndarray, width: float, quota: np.ndarray) -> np.ndarray:
    """(slots,) probability with which a vector of each shell is chosen."""
    return np.minimum(1.0, quota / np.maximum(_expected(cell, width, len(quota)), 1e-9))


def _quota(cell: np.ndarray, q_max: float, width: float, budget: float) -> np.ndarray:
    """(slots,) vectors to take of each shell, together about `budget`: all below 10 1/Å if these are not more."""
    expected = _expected(cell, width, _slots(q_max, width))
    low = np.arange(len(expected)) * width < _COMPLETE
    quota = np.full(len(expected), np.inf)
    limited = ~low
    if expected[low].sum() > budget:
        limited, low = low | limited, np.zeros_like(low)
    left = np.sort(expected[limited])
    if left.sum() <= budget - expected[low].sum():
        return quota
    # the number that, given to every shell that has so many, uses up what is left
    spent, rest = np.cumsum(left), np.arange(len(left), 0, -1)
    level = (budget - expected[low].sum() - np.concatenate([[0.0], spent[:-1]])) / rest
    quota[limited] = max(level[np.argmax(level < left)], _FEWEST)
    return quota


@dataclass(frozen=True)
class _Shells:
    """The shell of each vector, the vectors of each shell, and the share of the shell that they are."""

    of: np.ndarray
    vectors: np.ndarray
    share: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.of, weights=values, minlength=len(self.vectors)) / self.vectors


@dataclass(frozen=True)
class _Errors:
    """Averages over frames whose errors include the spread between the `kept` vectors (pairs, vectors) of a shell."""

    shells: _Shells
    kept: np.ndarray
    spread: np.ndarray
    single: bool

    def of(self, series: np.ndarray, weight: np.ndarray, independent: bool) -> Average:
        """Of a series (frames, shells) that is the sum of the pairs with `weight` (pairs,) or (pairs, shells)."""
        over_time = average(series, independent=independent)
        shell, count = self.shells.of[self.kept], self.shells.vectors
        weight = weight[:, None] if weight.ndim == 1 else weight
        values = np.zeros(len(self.kept))
        for one, by_shell in zip(self.spread, np.broadcast_to(weight, (len(weight), len(count))), strict=True):
            if by_shell.any():
                values += by_shell[shell] * one
        mean = np.bincount(shell, weights=values, minlength=len(count)) / count
        square = np.bincount(shell, weights=(values - mean[shell]) ** 2, minlength=len(count))
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = square / (count - 1) / count
        if self.single:
            return replace(over_time, err=np.sqrt(variance))
        chosen = np.where(self.shells.share < 1, (1 - self.shells.share) * variance, 0.0)
        return replace(over_time, err=np.sqrt(over_time.err**2 + chosen))


def _pair_weights(pairs, share: np.ndarray, amplitude: np.ndarray | None) -> np.ndarray | None:
    """(pairs, shells) weight of each partial in a total."""
    if amplitude is None:
        return None
    each = [(1 if a == b else 2) * share[a] * share[b] * amplitude[a] * amplitude[b] for a, b in pairs]
    return np.array(each) / (share @ amplitude) ** 2
