"""Structures and oracles that the tests of the core share; the oracles use none of the package."""

import functools
import itertools
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from hypothesis import strategies as st

DATA = Path(__file__).parents[1] / "data"


def crystal(name: str) -> Atoms:
    return _read(DATA / "crystals" / f"{name}.cif").copy()


def glass(name: str) -> Atoms:
    return _read(DATA / "glasses" / f"{name}.xyz.gz").copy()


@functools.cache
def _read(path: Path) -> Atoms:
    # the sites that a space group makes take ASE a tenth of a second
    return ase.io.read(path)


def silicate_glass() -> Atoms:
    return glass("NS3_3k")


def brute_force_pairs(atoms: Atoms, cutoff: float) -> dict[tuple, float]:
    """(i, j, shift) -> distance over every image that could be in reach, one after the other."""
    cell = atoms.cell.complete().array
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    scaled = atoms.positions @ np.linalg.inv(cell)
    spread = np.ceil(scaled.max(axis=0) - scaled.min(axis=0))
    reach = [int(np.ceil(cutoff / heights[k]) + spread[k]) if atoms.pbc[k] else 0 for k in range(3)]
    pairs = {}
    for shift in itertools.product(*(range(-r, r + 1) for r in reach)):
        vectors = atoms.positions[None, :] + np.array(shift) @ cell - atoms.positions[:, None]
        distances = np.sqrt((vectors**2).sum(axis=2))
        for i, j in np.argwhere(distances < cutoff).tolist():
            if i != j or shift != (0, 0, 0):
                pairs[i, j, shift] = distances[i, j]
    return pairs


def brute_force_qn(atoms: Atoms, cutoffs: dict, former: str, metal: str) -> dict[str, list[int]]:
    """n, m and the oxygens' partners from plain dictionaries of `brute_force_pairs`."""
    symbols = atoms.get_chemical_symbols()
    limit = {frozenset(pair): length for pair, length in cutoffs.items()}
    partners = {i: [] for i in range(len(atoms))}
    for (i, j, _), distance in brute_force_pairs(atoms, max(limit.values())).items():
        if distance < limit.get(frozenset((symbols[i], symbols[j])), 0.0):
            partners[i].append(j)
    count = {e: [sum(symbols[j] == e for j in partners[i]) for i in partners] for e in (former, metal)}
    oxygens = {i: [j for j in partners[i] if symbols[j] == "O"] for i in partners}
    formers = [s == former for s in symbols]
    return {
        "n": [sum(count[former][o] > 1 for o in oxygens[i]) if f else -1 for i, f in enumerate(formers)],
        "m": [sum(count[metal][o] > 0 for o in oxygens[i]) if f else -1 for i, f in enumerate(formers)],
        "formers": [c if s == "O" else 0 for c, s in zip(count[former], symbols)],
        "metals": [c if s == "O" else 0 for c, s in zip(count[metal], symbols)],
    }


@st.composite
def small_cells(draw, elements=("Na", "V", "P", "O")) -> Atoms:
    """A few atoms, also far outside their cell, in a strongly skewed cell with any directions periodic."""
    edge = st.floats(1.5, 5.0)
    tilt = st.floats(-3.0, 3.0)
    cell = [[draw(edge), 0, 0], [draw(tilt), draw(edge), 0], [draw(tilt), draw(tilt), draw(edge)]]
    count = draw(st.integers(1, 7))
    place = st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3)
    scaled = [draw(place) for _ in range(count)]
    symbols = draw(st.lists(st.sampled_from(elements), min_size=count, max_size=count))
    pbc = draw(st.lists(st.booleans(), min_size=3, max_size=3))
    return Atoms(symbols, cell=cell, scaled_positions=scaled, pbc=pbc)


def rotation(seed: int) -> np.ndarray:
    """A random proper rotation."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q[:, ::-1]


def cp2k_output(name: str) -> Path:
    """The recorded output of a CP2K run, alone or in the folder with the run's other files."""
    return next((DATA / "cp2k").rglob(f"{name}.out"))
