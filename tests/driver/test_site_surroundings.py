"""Jumps of a trajectory by what surrounds their sites: rates, the null, and what cannot be told."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.analysis.jumps import jumps
from naglass_drv.analysis.quantities import sites as rows_of
from naglass_drv.analysis.surroundings import by_surroundings, surroundings, text
from support.site_lattice import SPACING, walk
from support.structures import crystal

CLASS = np.where(np.arange(64) % 4 == 0, "V4+", "V5+")


def jumps_of(made) -> tuple[core.SiteJumps, np.ndarray]:
    """Jumps, and the number on the lattice of each site."""
    found = core.find_sites(core.density_map(made.positions, made.cell, 0.3))
    place = np.rint((found.positions - [0.2, 1.4, 2.9]) / SPACING).astype(int) % 4
    return core.site_jumps(made.positions, found, 0.1), place @ [16, 4, 1]


def test_rates_by_class_are_those_of_the_sites_whatever_the_time_spent_there():
    """Ions stay three times longer where they jump less, so that counts alone would be equal."""
    chance = np.where(CLASS == "V4+", 0.004, 0.012)
    made = walk(11, frames=6000, ions=24, chance=chance)
    found, number = jumps_of(made)
    result = by_surroundings(found, CLASS[number][None], np.array([0]))
    for name, true in (("V4+", 0.04), ("V5+", 0.12)):
        rate = result.rates[name]
        assert abs(rate.value - true) < 3 * rate.err and rate.err < 0.15 * true
    assert result.sites == {"V4+": 16.0, "V5+": 48.0} and result.chance == 0.001
    assert sum(rate.events for rate in result.rates.values()) == len(found)
    assert sum(rate.time for rate in result.rates.values()) == pytest.approx(24 * 599.9)


def test_the_null_is_kept_at_its_level():
    """Classes without meaning, on sites whose rates differ by a factor of five."""
    rng = np.random.default_rng(5)
    made = walk(12, frames=4000, ions=24, chance=rng.choice([0.004, 0.02], 64))
    found, _ = jumps_of(made)
    chances = np.array(
        [
            by_surroundings(found, rng.permutation(CLASS)[None, : len(found.sites)], np.array([0]), seed=k).chance
            for k in range(60)
        ]
    )
    assert (chances <= 0.05).mean() < 0.16 and 0.35 < chances.mean() < 0.65


def test_classes_that_change_with_time_follow_the_frames():
    made = walk(13, frames=4000, ions=24, chance=0.01)
    found, number = jumps_of(made)
    early, late = np.full(len(number), "a"), np.full(len(number), "b")
    result = by_surroundings(found, np.array([early, late]), np.array([0, 1000]))
    before = int((found.frame <= 1000).sum())
    assert (result.rates["a"].events, result.rates["b"].events) == (before, len(found) - before)
    assert result.rates["a"].time == pytest.approx(24 * 100.0)


def test_surroundings_of_a_crystal():
    """Na of NVP: formers and metals within 4 Å by plain distances, and Q⁰ everywhere."""
    atoms = crystal("NVP_R-3c_hex_allNa")
    path = core.Trajectory(atoms.positions[None], 0.1, tuple(atoms.get_chemical_symbols()), atoms.cell.array, False)
    ions = np.flatnonzero(atoms.symbols == "Na")
    found = surroundings(path, [atoms], [0], atoms.positions[ions], {"P-O": 2.0, "V-O": 2.5})
    assert set(found) == {"near_P", "Qn_P", "near_V", "nearest_metal"}
    for element in ("P", "V"):
        others = np.flatnonzero(atoms.symbols == element)
        near = [(atoms.get_distances(i, others, mic=True) < 4.0).sum() for i in ions]
        assert found[f"near_{element}"][0].tolist() == [str(n) for n in near]
    assert set(found["Qn_P"][0]) == {"Q0"} and set(found["nearest_metal"][0]) == {"V3+"}
    alone = surroundings(path, [atoms], [0], np.array([[1e-3, 1e-3, 1e-3]]), {"V-O": 2.5})
    assert "Qn_P" not in alone
    assert text("near_V") == "number of V within 4 Å" and text("Qn_P") == "Qⁿ of the nearest P"


def trajectory(made) -> tuple[core.Trajectory, list[Atoms]]:
    """The walk with a host of PO4 at rest beside the sites."""
    host = np.array([[0.5, 0.5, 0.5], [1.2, 1.2, 1.2], [1.2, -0.2, -0.2], [-0.2, 1.2, -0.2], [-0.2, -0.2, 1.2]]) + 1.0
    ions = made.positions.shape[1]
    symbols = ["Na"] * ions + ["P", "O", "O", "O", "O"]
    positions = np.concatenate([made.positions, np.broadcast_to(host, (len(made.positions), 5, 3))], axis=1)
    frames = [Atoms(symbols, one, cell=made.cell, pbc=True) for one in positions]
    return core.Trajectory(positions, 0.1, tuple(symbols), made.cell, False), frames


def test_numbers_curves_and_rows_of_a_trajectory():
    made = walk(14, frames=3000, ions=16, chance=0.02, rattle=0.3)
    numbers, curves = jumps(*trajectory(made), "Na", {"P-O": 2.0}, 600.0, [])
    assert numbers["sites"] == 64 and numbers["count"] == pytest.approx(len(made.frame), rel=0.03)
    assert abs(numbers["per_ion_per_ps"] - 0.2) < 3 * numbers["per_ion_per_ps_err"]
    assert numbers["residence_ps"] == pytest.approx(1 / numbers["per_ion_per_ps"])
    assert numbers["length_A"] == pytest.approx(SPACING, abs=0.05) and numbers["dimensions"] == 3
    assert curves["site_A"].shape == (64, 3) and len(curves["site_jump_from"]) == numbers["count"]
    area = np.linalg.norm(np.cross(made.cell[0], made.cell[1])) / curves["site_density_per_A2"].size
    assert curves["site_density_per_A2"].sum() * area == pytest.approx(16, rel=1e-3)
    rows = {row.key: row for row in rows_of("g0", numbers)}
    assert rows["sites.g0.rate"].interval == numbers["per_ion_per_ps_interval"]
    assert rows["sites.g0.sites"].value == 64 and rows["sites.g0.by.near_P.chance"].unit == "1"
    assert {"sites.g0.by.Qn_P.none", "sites.g0.by.Qn_P.Q0", "sites.g0.by.near_P.0"} <= set(rows)
    alone, _ = jumps(*trajectory(made), "Na", {}, 600.0, [])
    assert set(alone["by"]) == {"near_P"}, "without a cutoff there is no Qⁿ"


def test_a_path_that_was_not_visited_has_no_barrier_but_a_bound():
    made = walk(15, frames=600, ions=16, chance=0.01, rattle=0.1)
    numbers, _ = jumps(*trajectory(made), "Na", {}, 600.0, [])
    assert numbers["barrier_1d_eV"] is None and 0.2 < numbers["barrier_above_eV"] < 1.0
    key = "sites.g0.barrier_above"
    assert {row.key: row for row in rows_of("g0", numbers)}[key].note == "lower bound: no path was visited"
    assert jumps(*trajectory(made), "Na", {}, None, [])[0]["barrier_above_eV"] is None, "no temperature"


def test_a_network_that_flows_has_no_sites():
    numbers, curves = jumps(*trajectory(walk(1, frames=30)), "Na", {}, 600.0, ["5 of 9 P–O bonds were exchanged"])
    assert numbers["reason"] == "the network flows, so that no site stays: 5 of 9 P–O bonds were exchanged"
    assert not curves and not list(rows_of("g0", numbers))
