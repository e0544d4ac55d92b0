"""Whether and when atoms join a crystal, and their surroundings before."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.joining import Column, joining, joining_frames, surroundings
from naglass_drv.errors import InputError
from support.structures import crystal

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}


def test_an_atom_joins_when_it_stays():
    flags = np.zeros((8, 5), dtype=bool)
    flags[3:, 1] = True
    flags[:, 2] = True
    flags[[1, 3, 5], 3] = True
    flags[6:, 4] = True
    assert joining_frames(flags, hold=3).tolist() == [-1, 3, 0, -1, -1]
    assert joining_frames(flags, hold=1).tolist() == [-1, 3, 0, 1, 6]


def test_surroundings_in_nasicon():
    """Every V has 6 O with angles near 90 and 180 degrees, links to 6 P by corners, and each P is Q0."""
    atoms = crystal("NVP_R-3c_Na3_ewald_ordered")
    flags = np.zeros(len(atoms), dtype=bool)
    vanadium = np.flatnonzero(np.array(atoms.get_chemical_symbols()) == "V")
    flags[vanadium[0]] = True
    found = surroundings(atoms, "V", CUTOFFS, crystalline=flags)
    assert all(len(column.values) == 12 and column.unit for column in found.values())
    for key, value in {"linked.P": 6, "linked.V": 0, "edges": 0, "qn": 0, "coordination": 6, "state": 3}.items():
        assert (found[key].values == value).all(), key
    assert found["bond_valence"].values == pytest.approx(3.0, abs=0.3)
    assert found["angle"].values == pytest.approx((12 * 90 + 3 * 180) / 15, abs=2.5)
    assert found["bridge_angle"].values == pytest.approx(145, abs=8)
    # an atom alone has no distance to itself
    assert found["crystal_distance"].values[1:] == pytest.approx(
        atoms.get_distances(vanadium[0], vanadium[1:], mic=True), abs=1e-9
    )
    assert found["density"].values == pytest.approx(len(atoms) / atoms.get_volume(), rel=0.15)
    phosphorus = surroundings(atoms, "P", CUTOFFS)
    assert (phosphorus["qn"].values == 0).all() and "state" not in phosphorus
    assert phosphorus["angle"].values == pytest.approx(109.47, abs=0.5)
    assert (phosphorus["linked.V"].values == 4).all()


def test_surroundings_of_one_tetrahedron_by_hand():
    r = 1.5 / np.sqrt(3)
    corners = r * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    atoms = Atoms("PO4Na2", [[0, 0, 0], *corners, [0, 0, 4], [0, 0, 7]], cell=[30] * 3, pbc=True)
    found = surroundings(atoms, "P", {("P", "O"): 2.0}, metals=())
    assert found["ions.Na"].values == [1] and found["density"].values == pytest.approx([6 / (4 / 3 * np.pi * 216)])
    assert found["angle"].values == pytest.approx([109.4712]) and found["angle_spread"].values[0] < 1e-4
    assert np.isnan(found["smallest_ring"].values[0]) and np.isnan(found["bridge_angle"].values[0])


def history(events: int, others: int = 40, at_first: int = 10):
    """Flags of 30 frames: the first atoms are crystalline at first, then so many join, one after the other."""
    flags = np.zeros((30, at_first + events + others), dtype=bool)
    flags[:, :at_first] = True
    for k in range(events):
        flags[1 + k % 20 :, at_first + k] = True
    return flags


def test_rows_tell_who_joined_and_when():
    flags = history(60)
    centers = np.ones(110, dtype=bool)
    centers[::2] = False
    values = np.arange(110.0)[centers]
    values[-1] = np.nan
    columns = {"density": Column("atoms per volume", "Å⁻³", values)}
    with pytest.raises(InputError, match="30 atoms joined the crystal; fewer than 50"):
        joining(0.5 * np.arange(30), flags, centers, columns)
    flags = history(120, others=41)
    centers = np.arange(171) % 2 == 1
    columns = {
        "density": Column("atoms per volume", "Å⁻³", np.where(np.arange(171) < 170, 1.0 * np.arange(171), 0)[centers])
    }
    columns["density"].values[-1] = np.nan
    found = joining(0.5 * np.arange(30), flags, centers, columns, hold=4)
    assert found.joined.sum() == 60 and len(found.atoms) == 80 and found.until == 13.0
    assert (found.columns["density"].values[:-1] == found.atoms[:-1]).all()
    assert found.time[:3].tolist() == [1.0, 2.0, 3.0] and set(found.time[~found.joined]) == {13.0}
    rows = found.quantities("run")
    assert len(rows) == 3 * 80 - 1
    last = [row for row in rows if row.subject == "run atom 170"]
    assert [(row.key, row.value, row.note) for row in last] == [
        ("joining.run.joined", 0, "counted"),
        ("joining.run.time", 13.0, "has not joined until then"),
    ]
    first = [row for row in rows if row.subject == "run atom 12"]
    assert [(row.label, row.value, row.unit) for row in first] == [
        ("joined the crystal", 1, "1"),
        ("time of joining", 1.0, "ps"),
        ("atoms per volume, before", 11.0, "Å⁻³"),
    ]


def test_columns_of_other_atoms_are_refused():
    with pytest.raises(InputError, match=r"columns\['n'\] = 3 values: there are 110 centers"):
        joining(np.arange(30.0), history(60), np.ones(110, dtype=bool), {"n": Column("n", "1", np.zeros(3))})
