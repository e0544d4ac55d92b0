"""Diffusion in the hold of a melt-quench, on walks whose coefficient is known."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.held import diffusion_of_hold

FRAMES, INTERVAL_PS = 400, 0.1


def hold(step_A, seed=0):
    """Na that walks with normal steps (Å) along each axis, in a framework that rattles."""
    rng = np.random.default_rng(seed)
    symbols = ["Na"] * 60 + ["P"] * 20 + ["O"] * 60
    start = rng.uniform(0, 12, (len(symbols), 3))
    walk = np.cumsum(rng.normal(0, step_A, (FRAMES, 60, 3)), axis=0)
    frames = []
    for k in range(FRAMES):
        positions = start + rng.normal(0, 0.05, start.shape)
        positions[:60] += walk[k]
        frames.append(Atoms(symbols, positions, cell=[12] * 3, pbc=True, info={"time_ps": k * INTERVAL_PS}))
    return frames


def test_a_walk_has_its_coefficient():
    """⟨Δx²⟩ = 2 D t: steps of 0.25 Å every 0.1 ps are 3.1e-9 m²/s."""
    true = 0.25**2 / (2 * INTERVAL_PS) * 1e-8
    (row,) = diffusion_of_hold(hold(0.25), "g3", 1200.0)
    assert (row.key, row.unit, row.conditions) == ("glass.g3.D", "m²/s", {"temperature_K": 1200.0})
    assert row.value == pytest.approx(true, abs=3 * row.error) and 0.02 < row.error / true < 0.3
    assert row.interval[0] < true < row.interval[1]


def test_what_does_not_diffuse_has_a_bound():
    (row,) = diffusion_of_hold(hold(0.0), "g0", 300.0)
    assert row.key == "glass.g0.D_upper" and row.error is None and 0 < row.value < 1e-9
    assert "not diffusive" in row.note


def test_too_few_frames_or_no_ion_give_nothing():
    assert list(diffusion_of_hold(hold(0.25)[:10], "g0", 300.0)) == []
    frames = hold(0.25)[:50]
    for atoms in frames:
        atoms.symbols[:60] = "Si"
    assert list(diffusion_of_hold(frames, "g0", 300.0)) == []
