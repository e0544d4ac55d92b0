"""Frames of the starting models in which O atoms are pushed together: which atoms move, and how far."""

from pathlib import Path

import numpy as np
import pytest

from support.mace_models import packing
from support.tools import script

SCRIPT = Path(__file__).parents[2] / "examples" / "starting-model" / "squeeze.py"


@pytest.fixture(scope="module")
def squeeze():
    return script(SCRIPT)


@pytest.fixture
def frame():
    atoms = packing(60, 9.5)
    atoms.numbers = np.where(np.arange(60) % 5 < 3, 8, 15)
    atoms.info |= {"temperature_K": 700.0, "energy": -1.0}
    return atoms


@pytest.mark.parametrize("joined", [0, 1, 2])
def test_two_oxygens_come_together_and_others_join_them(squeeze, frame, joined):
    rng = np.random.default_rng(joined)
    for _ in range(20):
        copy = squeeze.pushed(frame, rng, joined)
        moved = np.flatnonzero(np.abs(copy.positions - frame.positions).max(axis=1) > 1e-9)
        assert 2 <= len(moved) <= 2 + joined and set(copy.symbols[moved]) == {"O"}
        distances = copy.get_all_distances(mic=True)[np.ix_(moved, moved)]
        np.fill_diagonal(distances, np.inf)
        near, far = squeeze.PUSHED_TO_A[0], squeeze.PUSHED_TO_A[1]
        pairs = [(i, j) for i in range(len(moved)) for j in range(i) if near <= distances[i, j] <= far]
        joins = [k for k in range(len(moved)) if distances[k].min() <= squeeze.JOINED_TO_A[1] + 1e-9]
        assert pairs and len(joins) == len(moved)
        assert copy.info["temperature_K"] == 700.0 and "energy" not in copy.info


def test_atoms_that_overlap_are_seen(squeeze, frame):
    frame.positions[1] = frame.positions[0] + [0.5, 0, 0]
    assert squeeze.shortest_A(frame) == pytest.approx(0.5)
