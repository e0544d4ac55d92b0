"""S(Q) of one structure: all vectors, equal to the direct sum, in any cell; a subset of vectors with its error."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.core.diffraction import densities, wave_vectors
from naglass_drv.errors import InputError
from support.structures import crystal

CELLS = {
    "cubic": np.eye(3) * 9.0,
    "thin": np.diag([2.5, 9.0, 30.0]),
    "triclinic": np.array([[8.0, 0, 0], [3.5, 9.0, 0], [-2.0, 4.0, 10.0]]),
    "very skewed": np.array([[6.0, 0, 0], [11.0, 7.0, 0], [-13.0, 9.0, 8.0]]),
    "left-handed": np.array([[0, 9.0, 0], [8.0, 0, 1.0], [0, 0, 7.0]]),
}


def gas(atoms: int, cell, seed: int = 0) -> Atoms:
    random = np.random.default_rng(seed)
    symbols = ["Na", "P", "O", "O"] * (atoms // 4)
    scaled = random.uniform(-3, 3, (len(symbols), 3))  # not wrapped
    return Atoms(symbols, scaled_positions=scaled, cell=cell, pbc=True)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_every_vector_is_there_once_and_summed_exactly(cell):
    atoms, q_max = gas(40, cell), 7.0
    hkl = wave_vectors(cell, q_max, 0.1, np.inf)
    reach = np.floor(q_max * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    size = np.linalg.norm(grid @ (2 * np.pi * np.linalg.inv(cell).T), axis=1)
    expected = {tuple(v) for v in grid[(size < q_max) & (size > 0)].tolist()}
    ours = [tuple(v) for v in hkl.tolist()]
    assert len(set(ours)) == len(ours) and set(ours) | {tuple(-n for n in v) for v in ours} == expected
    groups = [np.arange(0, 13), np.arange(13, 40)]
    scaled = atoms.positions @ np.linalg.inv(cell)
    direct = np.array([np.exp(2j * np.pi * hkl @ scaled[group].T).sum(axis=1) for group in groups])
    assert np.abs(densities(scaled, groups, hkl) - direct).max() < 1e-9
    mixed = np.random.default_rng(1).permutation(hkl)[:50]
    direct = np.exp(2j * np.pi * mixed @ scaled[groups[0]].T).sum(axis=1)
    assert np.abs(densities(scaled, groups, mixed)[0] - direct).max() < 1e-9


def test_one_structure_is_measured_with_all_vectors_to_30_per_A():
    atoms = crystal("NVP_R-3c_Na3_ewald_ordered")
    found = core.structure_factor(atoms, 30.0)
    assert found.complete.all() and found.q[-1] > 29.9
    volume_of_half = 2 / 3 * np.pi * 30.0**3 * atoms.get_volume() / (2 * np.pi) ** 3
    assert found.vectors.sum() == pytest.approx(volume_of_half, rel=0.01)
    for curve in (found.neutron, found.xray, *found.partial.values()):
        assert np.isfinite(curve.err[found.vectors > 1]).all() and np.isnan(curve.err[found.vectors == 1]).all()


def test_the_error_of_one_structure_is_that_of_another_sample():
    found = [core.structure_factor(gas(80, CELLS["cubic"], seed), 9.0) for seed in range(40)]
    several = found[0].vectors > 5
    for name in ("P-P", "Na-O"):
        mean = np.array([one.partial[name].mean[several] for one in found])
        err = np.array([one.partial[name].err[several] for one in found])
        # of an ideal gas the truth is known
        inside = (np.abs(mean - 1) < err).mean()
        assert 0.6 < inside < 0.75, (name, inside)
        assert err.mean() == pytest.approx(mean.std(axis=0).mean(), rel=0.15)


@pytest.mark.parametrize("frames", [1, 5])
def test_a_choice_of_vectors_is_off_by_its_error(frames):
    """Frozen frames have no statistical error in time: only the error of the vector subset remains."""
    atoms = gas(120, CELLS["triclinic"])
    every = core.structure_factor([atoms] * frames, 12.0)
    chosen = core.structure_factor([atoms] * frames, 12.0, per_shell=60)
    part = ~chosen.complete
    assert part.sum() > 50 and (chosen.vectors <= every.vectors).all() and every.complete.all()
    assert chosen.q[~part] == pytest.approx(every.q[~part])
    for name in ("P-P", "O-O", "Na-O"):
        a, b = every.partial[name], chosen.partial[name]
        off = (b.mean - a.mean)[part] / b.err[part]
        assert 0.6 < np.sqrt((off**2).mean()) < 1.25
        assert b.mean[~part] == pytest.approx(a.mean[~part])
    off = (chosen.neutron.mean - every.neutron.mean)[part] / chosen.neutron.err[part]
    assert 0.6 < np.sqrt((off**2).mean()) < 1.25


def test_a_large_structure_is_complete_to_10_per_A(monkeypatch):
    monkeypatch.setattr("naglass_drv.core.diffraction._WORK", 2e6)
    found = core.structure_factor(gas(120, CELLS["cubic"]), 20.0)
    assert found.complete[found.q < 10].all() and not found.complete[found.q > 15].any()
    assert found.vectors.sum() * 120 < 2.2e6 and found.vectors[found.q > 10].min() >= 30
    assert np.isfinite(found.xray.err[found.q > 10]).all()


def test_too_many_vectors_are_refused_before_the_work():
    atoms = gas(40, np.eye(3) * 1e4)
    with pytest.raises(InputError, match="q_max = 30.0: the cell has too many wave vectors"):
        core.structure_factor(atoms, 30.0)
