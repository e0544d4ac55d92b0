"""Fingerprints of any cell equal a plain search by the definitions, in any frame of reference."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.test_fingerprint import CRYSTALS, V_O
from naglass_drv import core
from support.structures import brute_force_pairs, crystal, rotation, small_cells


def oracle(atoms, pairs, cutoff, reach, limits=(1.74, 2.10, 2.025)) -> list[dict]:
    """Every column from its definition, one center at a time, in plain numpy."""
    symbols = atoms.get_chemical_symbols()
    cell = atoms.cell.complete().array
    ligands = {i: [] for i, s in enumerate(symbols) if s == "V"}
    for i, j, shift in pairs:
        if symbols[i] == "V" and symbols[j] == "O":
            ligands[i].append(atoms.positions[j] + np.array(shift) @ cell - atoms.positions[i])
    rows = []
    for vectors in ligands.values():
        vectors = np.array(sorted(vectors, key=np.linalg.norm)).reshape(-1, 3)
        d = np.linalg.norm(vectors, axis=1)
        unit, near, bond = vectors / d[:, None], d < cutoff, d < reach
        s = np.exp((1.788 - d[bond]) / 0.32)
        l, cn = d[near], int(near.sum())
        n_v = int((l < limits[0]).sum())
        n_t = int((l > limits[1 if n_v == 1 else 2]).sum()) if cn >= 6 and n_v else 0
        angles = sorted(math.degrees(math.acos(np.clip(unit[a] @ unit[b], -1, 1))) for a in range(cn) for b in range(a))
        if cn < 2:
            index = math.nan
        elif cn <= 5:
            index = (l[1] - l[0]) / l[0]
        else:
            opposite = unit[1:cn] @ unit[0]
            # of two ligands in the same direction, rounding decides which is the opposite one
            alone = np.sum(opposite < opposite.min() + 1e-9) == 1
            index = l[1 + np.argmin(opposite)] - l[0] if alone else None
        rows.append({
            "coordination": cn, "vanadyl": n_v, "equatorial": cn - n_v - n_t, "trans": n_t,
            "bond_valence": s.sum(),
            "off_centering": np.linalg.norm((s[:, None] * unit[bond]).sum(axis=0)),
            "baur": np.mean(np.abs(l - l.mean()) / l.mean()) if cn else math.nan,
            "quadratic": np.mean((l / l.mean() - 1) ** 2) if cn else math.nan,
            "tau4": (360 - angles[-1] - angles[-2]) / 141 if cn == 4 else math.nan,
            "tau5": (angles[-1] - angles[-2]) / 60 if cn == 5 else math.nan,
            "vanadyl_index": index,
            "by_valence": min((3, 4, 5), key=lambda z: abs(s.sum() - z)) if bond.any() else 0,
        })  # fmt: skip
    return rows


@settings(max_examples=30, deadline=None)
@given(small_cells(elements=("V", "O", "O", "O", "O")))
def test_equals_the_definitions_on_any_cell(atoms):
    assume("V" in atoms.get_chemical_symbols())
    pairs = brute_force_pairs(atoms, 3.2)
    for limit in (0.0, 1.74, 2.025, 2.10, 2.5, 3.2):
        assume(all(abs(d - limit) > 1e-7 for d in pairs.values()))
    found = core.fingerprint(atoms, V_O)
    for k, row in enumerate(oracle(atoms, pairs, 2.5, 3.2)):
        for name, expected in row.items():
            tolerance = {"abs": 1e-6} if name.startswith("tau") else {"rel": 1e-9, "abs": 1e-9}
            if name == "off_centering":
                tolerance = {"rel": 1e-9, "abs": 1e-9 * row["bond_valence"]}
            assert getattr(found, name)[k] == pytest.approx(expected, nan_ok=True, **tolerance), name


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_is_the_same_in_any_frame(seed):
    random = np.random.default_rng(seed)
    atoms = crystal(CRYSTALS["aNaVOPO4_model"])
    atoms.rattle(0.05, seed=seed)
    spins = random.uniform(-2, 2, len(atoms))
    order = random.permutation(len(atoms))
    moved = atoms[order]
    images = random.integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    moved.positions = (moved.positions + random.uniform(-9, 9, 3) + images) @ rotation(seed)
    moved.set_cell(atoms.cell.array @ rotation(seed))
    a = core.fingerprint(atoms, V_O, spins=spins)
    b = core.fingerprint(moved, V_O, spins=spins[order])
    place = np.argsort(order[b.centers])
    for name in ("coordination", "label", "by_moment", "by_valence", "by_geometry", "flags"):
        assert getattr(b, name)[place].tolist() == getattr(a, name).tolist()
    for name in ("bond_valence", "baur", "off_centering", "vanadyl_index"):
        assert getattr(b, name)[place] == pytest.approx(getattr(a, name), rel=1e-9)
    assert b.histograms.counts.tolist() == a.histograms.counts.tolist()
