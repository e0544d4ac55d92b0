"""What the analysis and the page say of a crystal against a glass whose surfaces are known."""

from pathlib import Path

import numpy as np
import pytest

from naglass_drv.analysis import interfaces
from naglass_drv.analysis.interface_rows import interfaces as rows
from naglass_drv.analysis.interfaces import interface
from naglass_drv.config.schema import Analysis
from naglass_drv.dataset.frames import write_frames
from naglass_drv.files import write_json
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.interface.joining import melt_against
from naglass_drv.interface.slabs import chosen, listed, slab
from naglass_drv.report.figures_interface import profiles
from naglass_drv.report.interface import _no_excess, _stress
from naglass_drv.report.interface import interface as shown
from naglass_drv.report.material import Material
from naglass_drv.report.measured import same
from naglass_drv.report.numbers import Figure, Notice
from naglass_drv.stages import interface_stress
from naglass_drv.stages.interface_results import checked

CRYSTAL = Path(__file__).parents[1] / "data" / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif"
GLASS = {"Na": 2, "V4+": 1, "P": 2, "O": 8}


@pytest.fixture(scope="module")
def cell():
    crystal = read_crystal(CRYSTAL)
    cut = slab(crystal, chosen(listed(crystal, (0, 0, 1))), thickness_A=20, lateral_A=8)
    bulk = cut.atoms.copy()
    bulk.cell[2] = [0.0, 0.0, cut.thickness_A]
    return melt_against(cut, GLASS, 2.6, glass_A=20, seed=3), bulk


def trajectory(atoms, frames, *, shift=0.0, interval=0.1, seed=1):
    """Vibrations of 0.08 Å about the places of `atoms`, all moved along z by `shift` (Å) per frame."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(frames):
        frame = atoms.copy()
        frame.positions += rng.normal(0, 0.08, frame.positions.shape) + [0, 0, shift * number]
        frame.wrap()
        frame.info = {"time_ps": number * interval, "step": number * 100}
        made.append(frame)
    return made


def test_surfaces_are_where_the_crystal_ends(cell):
    made, bulk = cell
    numbers, curves = interface(trajectory(made.atoms, 40), bulk, Analysis(), name="i0-800K")
    assert "reason" not in numbers
    assert numbers["crystal_A"] == pytest.approx(bulk.cell[2, 2], abs=2.5)
    similarity, distance = curves["profile/similarity"], curves["distance_A"]
    assert np.nanmin(similarity[distance < -5]) > 0.7 and np.nanmax(similarity[distance > 5]) < 0.35
    # every P of the crystal has four oxygens and no bridge to another
    assert np.nanmax(curves["profile/n_P"][distance < -5]) == 0
    density = np.nanmean(curves["profile/density_Na"][distance < -5])
    assert density == pytest.approx(18 / 1447.5, rel=0.35)
    assert profiles(curves).startswith(b"<?xml")
    # atoms vibrate, and the crystal stands as it was put in
    assert numbers["angle_deg"]["value"] < 1.0 and np.nanmax(curves["crystallite_angle_deg"]) < 2.0
    assert "growth.i0-800K.angle" in [row.key for row in rows("i0-800K", numbers)]


def test_a_cell_that_drifts_as_a_whole_is_the_same_cell(cell):
    made, bulk = cell
    wanted = Analysis(hop_window_ps=1.0)
    still, _ = interface(trajectory(made.atoms, 60), bulk, wanted, name="i0-800K")
    moved, _ = interface(trajectory(made.atoms, 60, shift=0.7), bulk, wanted, name="i0-800K")
    assert moved["crystal_A"] == pytest.approx(still["crystal_A"], abs=0.3)
    assert moved["hops"] == still["hops"] == [0, 0, 0]


def test_a_glass_without_the_metal_of_the_crystal_has_sharp_surfaces():
    """By the environments of P, which both have; those of V end with the crystal, and say nothing of the glass."""
    crystal = read_crystal(CRYSTAL)
    cut = slab(crystal, chosen(listed(crystal, (0, 0, 1))), thickness_A=20, lateral_A=8)
    bulk = cut.atoms.copy()
    bulk.cell[2] = [0.0, 0.0, cut.thickness_A]
    made = melt_against(cut, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=22, seed=3)
    numbers, curves = interface(trajectory(made.atoms, 20), bulk, Analysis(), name="i0-800K")
    assert curves["surface_A"].std(axis=0).max() < 0.5
    assert numbers["crystal_A"] == pytest.approx(cut.thickness_A, abs=2.5)
    made = melt_against(cut, {"Na": 2, "Si": 1, "O": 3}, 2.4, glass_A=22, seed=3)
    numbers, _ = interface(trajectory(made.atoms, 5), bulk, Analysis(), name="i0-800K")
    assert numbers["reason"].startswith("the glass has no metal or former of the crystal")


def test_bonds_of_the_glass_have_their_own_reach(cell, monkeypatch):
    """Si and Fe are in the glass alone: 2.2 and 2.75 Å, not the 2.5 Å of any other metal."""
    made, bulk = cell
    atoms, seen = made.atoms.copy(), []
    glass = np.flatnonzero((atoms.arrays["phase"] == 0) & (np.array(atoms.get_chemical_symbols()) == "P"))
    symbols = np.array(atoms.get_chemical_symbols())
    symbols[glass[:2]] = "Fe", "Si"
    atoms.set_chemical_symbols(symbols.tolist())
    kept = interfaces.layer_values
    monkeypatch.setattr(interfaces, "layer_values", lambda *given, **by: seen.append(given[1]) or kept(*given, **by))
    interface(trajectory(atoms, 2), bulk, Analysis(), name="i0-800K")
    assert (seen[0]["Fe-O"], seen[0]["Si-O"], seen[0]["P-O"], seen[0]["V-O"]) == (2.75, 2.2, 2.0, 2.5)


def test_what_cannot_be_said_is_not_said(cell):
    made, bulk = cell
    numbers, _ = interface(trajectory(made.atoms, 30), bulk, Analysis(), name="i0-800K")
    assert "too short to tell growth" in numbers["no_velocity"] and "u_m_per_s" not in numbers
    assert "50" in numbers["joining"]["reason"]
    assert "trajectory" in numbers["D"]["reason"] and "trajectory" in numbers["exchange"]["reason"]
    keys = [row.key for row in rows("i0-800K", numbers)]
    assert "interface.i0-800K.crystal_A" in keys and not any("u_m_per_s" in key for key in keys)


def test_a_surface_that_stands_still_has_a_bound(cell):
    made, bulk = cell
    numbers, _ = interface(trajectory(made.atoms, 60, interval=0.5), bulk, Analysis(), name="i0-800K")
    assert abs(numbers["u_m_per_s"]) < 3 * numbers["u_m_per_s_err"] + 1
    assert numbers.get("u_upper_m_per_s", 1.0) < 5.0


def test_a_cell_is_shown_with_its_faults_before_anything_is_measured(cell, tmp_path):
    made, _ = cell
    atoms = made.atoms.copy()
    # the slab stands across the face of the cell, as it may after a run
    atoms.positions[:, 2] -= 3.0
    atoms.wrap()
    checks = checked(atoms)
    assert checks["crystal_dipole_eA"][2] == pytest.approx(made.facts["slab_dipole_eA"], abs=1e-6)
    write_frames(tmp_path / "i0.extxyz", [atoms])
    write_json(tmp_path / "facts.json", made.facts | {"checks": checks | {"faults": ["1 P of the crystal with 3 O"]}})
    files = {"interface/i0/facts": tmp_path / "facts.json", "interface/i0/structure": tmp_path / "i0.extxyz"}
    write_json(tmp_path / "excess.json", {"reason": "1 replica, 3 are needed"})
    section = shown(Material({}, [], files | {"interface/excess": tmp_path / "excess.json"}))
    assert "e_excess not given: 1 replica, 3 are needed." in [p.text for p in section.blocks if isinstance(p, Notice)]
    assert [part.name for part in section.blocks if isinstance(part, Figure)] == ["cell-i0"]
    assert any("1 P of the crystal with 3 O" in part.text for part in section.blocks if isinstance(part, Notice))


def test_frames_without_surfaces_are_left_out_and_counted(cell):
    made, bulk = cell
    frames = trajectory(made.atoms, 60, interval=0.5)
    whole, _ = interface(frames, bulk, Analysis(), name="i0-800K")
    for bad in (7, 30):
        frames[bad].positions += np.random.default_rng(bad).uniform(-1.7, 1.7, (len(made.atoms), 3))
    numbers, curves = interface(frames, bulk, Analysis(), name="i0-800K")
    assert (numbers["without_surfaces"], numbers["looked_at"], numbers["frames"]) == (2, 60, 58)
    assert numbers["crystal_A"] == pytest.approx(whole["crystal_A"], abs=0.1)
    assert abs(numbers["u_m_per_s"] - whole["u_m_per_s"]) < whole["u_m_per_s_err"]
    assert len(curves["surface_A"]) == len(curves["surface_time_ps"]) == 58


def test_a_long_run_of_few_frames_has_no_velocity(cell):
    made, bulk = cell
    numbers, _ = interface(trajectory(made.atoms, 21, interval=1.0), bulk, Analysis(), name="i0-800K")
    assert numbers["no_velocity"].startswith("21 frames are fewer than the 24") and "u_m_per_s" not in numbers


def test_a_thin_interior_has_no_stress(cell, tmp_path):
    """Of 20 Å beside the slab, less than 10 are beyond 5 Å of it on both sides."""
    atoms, bulk = cell[0].atoms.copy(), cell[1]
    thick = bulk.cell[2, 2]
    for interior, said in ((9.9, "9.9 Å are farther than 5 Å from the slab; 10 are needed"), (-1.0, "none is farther")):
        atoms.cell[2, 2] = thick + 10.0 + interior
        found = interface_stress.interior_stress(tmp_path, atoms, atoms.cell[2, 2], thick, 1, 0, 300.0)["glass"]
        assert said in _stress(found) and _stress(found).startswith("not given: of the glass, ")


def test_why_there_is_no_excess_is_said():
    assert "9 Å" in _no_excess({"reason": "9 Å"}) and _no_excess({"per_nm2": 1.0}) == _no_excess({}) == ""


def test_what_is_said_of_several_is_said_once():
    notes = list(same({"i0-300K": "too short.", "i1-300K": "too short.", "i0-600K": "grows.", "i1-600K": ""}))
    assert [(note.head, note.text) for note in notes] == [("i0-300K, i1-300K", "too short."), ("i0-600K", "grows.")]


def test_a_cell_without_crystal_says_so(cell):
    made, bulk = cell
    rng = np.random.default_rng(0)
    molten = made.atoms.copy()
    molten.set_scaled_positions(rng.random((len(molten), 3)))
    numbers, curves = interface(trajectory(molten, 5), bulk, Analysis(), name="i0-800K")
    assert numbers["reason"].startswith("5 of 5 frames have no two surfaces (no two surfaces at 0 ps") and not curves
    assert list(rows("x", numbers)) == []
