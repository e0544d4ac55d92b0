"""The cell of a crystal at temperature: its symmetry, the stage that finds it, and a slab that is cut with it."""

import json
import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from ase.build.tools import niggli_reduce_cell
from ase.geometry import cell_to_cellpar, cellpar_to_cell
from ase.io import read

from naglass_drv.config import cost, interfaces
from naglass_drv.config.schema import Input
from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import InputError, Stopped
from naglass_drv.glass import protocols
from naglass_drv.interface import lattice, slabs
from naglass_drv.interface.bulks import bulk_crystal
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.products import Structures
from naglass_drv.report.interface_crystal import crystal_cell
from naglass_drv.report.material import Material
from naglass_drv.stages import crystal as stage
from naglass_drv.stages import interface, interface_lattice, interface_start
from naglass_drv.stages.base import Done, Run, read_settings
from naglass_drv.stages.interface_start import Settings
from support import taken
from support.attempts import attempt
from support.bulk_pressure import pressure_at
from support.jobs import called
from support.structures import DATA

MARICITE = DATA / "NaFePO4_maricite.extxyz"
NVP = DATA / "crystals" / "NVP_R-3c_hex_allNa.cif"
ORDERED = DATA / "crystals" / "NVP_R-3c_Na3_ewald_ordered.cif"
WIDTH_A = 12.0
GLASS = {"melt_ps": 0.2, "quench_rate_K_per_ps": 6000, "hold_ps": 4.0, "timestep_fs": 2.0}
SLAB = {"crystal": MARICITE.name, "hkl": [1, 0, 0], "crystal_A": 26, "glass_A": 6, "lateral_A": 6}


def given(folder: Path, glass: dict | None = None, md: dict | None = None, **section) -> Run:
    if not (folder / MARICITE.name).exists():
        shutil.copy(MARICITE, folder)
    system = {"composition": {"Na": 1, "P": 1, "O": 3}, "formula_units": 4, "density_g_cm3": 2.4}
    content = {"name": "cell", "seed": 3, "system": system, "glass": GLASS | (glass or {}), "interface": SLAB | section}
    content |= {"md": md} if md else {}
    return Run(Input.model_validate_json(json.dumps(content)), folder, folder / "own")


def carried_out(run: Run, folder: Path) -> Structures:
    """The product of the stage, and its facts."""
    (task,) = stage.plan(run)
    done = Done(task, folder, stage.run(attempt(task, folder)))
    return stage.collect(run, [done])


@pytest.mark.parametrize("path, order, right", [(MARICITE, 8, True), (NVP, 12, False), (ORDERED, 4, False)])
def test_what_symmetry_leaves_free(path, order, right):
    """Pnma, R-3c and, of the order of its Na, C2/c."""
    given = {"Na": 3, "V3+": 2, "P": 3, "O": 12} if path == NVP else None
    group = lattice.rotations(read_crystal(path, given))
    assert len(group) == order and lattice.keeps_right_angles(group) is right


def test_a_fluctuating_cell_has_its_symmetry():
    """Hexagonal and orthorhombic cells, every parameter of which moves; the volume stays to second order."""
    rng = np.random.default_rng(1)
    for path, given in ((NVP, {"Na": 3, "V3+": 2, "P": 3, "O": 12}), (MARICITE, None)):
        crystal = read_crystal(path, given)
        group, cell = lattice.rotations(crystal), crystal.atoms.cell.array
        moved = cell @ (np.eye(3) + rng.normal(0, 1e-3, (50, 3, 3)))
        found = lattice.symmetric(moved, group)
        assert lattice.symmetric(cell, group) == pytest.approx(crystal.atoms.cell.cellpar())
        if path == NVP:
            assert found[:, 0] == pytest.approx(found[:, 1]) and found[:, 5] == pytest.approx(np.full(50, 120.0))
        assert found[:, 3:5] == pytest.approx(np.full((50, 2), 90.0))
        volumes = [np.linalg.det(cellpar_to_cell(each)) for each in found]
        assert volumes == pytest.approx(np.linalg.det(moved), rel=1e-4)


@pytest.mark.parametrize("path, hkl", [(MARICITE, (1, 0, 0)), (MARICITE, (1, 0, 1)), (ORDERED, (1, 0, 4))])
def test_a_slab_is_carried_to_another_cell(path, hkl):
    """As it would be cut there: the same cuts under the same numbers, the same lateral cell and the same stacking."""
    crystal = read_crystal(path)
    edges = crystal.atoms.cell.lengths() * [1.013, 1.013 if path == ORDERED else 1.021, 0.992]
    other = crystal.with_cell(edges)
    for cut in slabs.listed(crystal, hkl):
        again = slabs.recut(other, crystal, cut)
        assert (again.number, again.below, again.above) == (cut.number, cut.below, cut.above)
        assert again.share == pytest.approx(cut.share)
    cut = slabs.chosen(slabs.listed(crystal, hkl))
    size = {"thickness_A": 12, "lateral_A": 9}
    one, two = slabs.slab(crystal, cut, **size), slabs.slab(other, slabs.recut(other, crystal, cut), **size)
    assert two.cells == one.cells
    cell = bulk_crystal(one).cell.array
    vectors = lattice.lattice_vectors(cell, crystal, hkl, np.array(one.cells))
    found = lattice.spanned(vectors, other)
    # thirds of a rhombohedral lattice
    assert 3 * vectors == pytest.approx(np.round(3 * vectors))
    assert found[:2, :2] == pytest.approx(two.lateral, abs=1e-9)
    # of two repeats above that are as near, either is right
    reduced = [niggli_reduce_cell(each)[0] for each in (found, bulk_crystal(two).cell.array)]
    assert cell_to_cellpar(reduced[0]) == pytest.approx(cell_to_cellpar(reduced[1]))


def test_a_crystal_that_is_no_longer_one_is_named(tmp_path):
    crystal = read_crystal(MARICITE)
    group, sites = lattice.rotations(crystal), lattice.bulk_cell(crystal, 16.0)
    rng = np.random.default_rng(2)

    def moved(amplitude: float, scale: float = 1.0):
        cell = sites.cell.array * scale
        off = rng.normal(0, amplitude, sites.positions.shape)
        return lattice.mean_cell(crystal, sites, [(sites.positions * scale + off + 3.0, cell)] * 2, group)

    assert moved(0.2).fault is None and moved(0.0).displaced == 0.0
    assert moved(0.0).cell == pytest.approx(crystal.atoms.cell.cellpar())
    assert "melts or transforms" in moved(1.5).fault
    assert "strained by +9.0 % relative" in moved(0.0, 1.09).fault and "strained by -9.0 %" in moved(0.0, 0.91).fault
    assert moved(0.0, 1.07).fault is None


@pytest.mark.parametrize(
    "path, edges, said",
    [
        (MARICITE, [5.049, 6.862, 8.99], "c = 8.99 Å: +78.1 % relative to 5.049 Å of NaFePO4_maricite, more than 15 %"),
        (MARICITE, [9.0, 6.9, 6.0], "c = 6 Å: +18.8 % relative to 5.049 Å"),
        (MARICITE, [9.4, 6.9, 5.1], ""),
        (MARICITE, [9.4, 7.3, 5.3], ""),
        (NVP, [8.5, 9.2, 21.8], "a = 8.5, b = 9.2, c = 21.8 Å: breaks the symmetry of NVP_R-3c_hex_allNa"),
        (NVP, [8.7, 8.73, 21.8], "a = 8.7, b = 8.73, c = 21.8 Å: breaks"),
        (NVP, [8.9, 8.9, 21.3], ""),
        # a lattice of its own, whose edges differ
        (ORDERED, None, ""),
    ],
)
def test_edges_that_are_given_are_those_of_the_crystal(path, edges, said):
    crystal = read_crystal(path)
    edges = [round(1.02 * length, 3) for length in crystal.atoms.cell.lengths()] if edges is None else edges
    if not said:
        lattice.check_edges(crystal, edges)
        return
    with pytest.raises(InputError, match=re.escape(said)):
        lattice.check_edges(crystal, edges)


@pytest.mark.parametrize(
    "value, said",
    [
        ("warm", "cell_A: must be 'relaxed', 'file', or three edges from 1 to 500 Å, not \"warm\""),
        ([9.0, 6.9], "cell_A: must be 'relaxed', 'file', or three edges from 1 to 500 Å, not [9.0, 6.9]"),
        ([9.0, 6.9, -5.1], "cell_A[2]: must be from 1 to 500, not -5.1"),
        ([9.0, 6.9, 8.9], "cell_A: c = 8.9 Å: +76.3 % relative to 5.049 Å of NaFePO4_maricite"),
    ],
)
def test_a_wrong_cell_is_named_before_anything_runs(tmp_path, value, said):
    content = given(tmp_path).input.model_dump(mode="json", exclude_unset=True)
    content["interface"]["cell_A"] = value
    (tmp_path / "input.yaml").write_text(json.dumps(content))
    found = called("validate", "input.yaml", cwd=tmp_path)
    assert found.returncode == 2 and f"input.yaml:1: interface.{said}" in found.stderr


def test_a_cell_that_is_given_is_taken(tmp_path):
    run = given(tmp_path, cell_A=[9.4, 6.9, 5.1])
    made = carried_out(run, tmp_path / "made")
    assert set(made.files) == {"structure", "facts"}
    assert read_crystal(made.files["structure"]).atoms.cell.cellpar() == pytest.approx([9.4, 6.9, 5.1, 90, 90, 90])
    (task,) = interface.plan(taken.given(run, crystal=made))
    assert set(task.inputs) == {"crystal", "file"} and task.inputs["crystal"] == made.files["structure"]
    assert given(tmp_path, cell_A="file").input.crystal is None
    (table,) = crystal_cell(Material({}, [], {"crystal/facts": made.files["facts"]}))
    assert table.rows[0] == ["a (Å)", "8.990", "9.4 (+4.56 %)"] and len(table.rows) == 4


@pytest.fixture(scope="module")
def relaxed(tmp_path_factory):
    """Maricite from 900 to 300 K, in half as many ions as by default."""
    folder = tmp_path_factory.mktemp("relaxed")
    run = given(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "WIDTH_A", WIDTH_A)
        return taken.given(run, crystal=carried_out(run, folder / "made"))


@pytest.mark.slow
def test_the_cell_that_is_found_has_no_pressure(relaxed, tmp_path):
    """At constant volume, another ensemble: a pressure of 0 within its error and that of the cell."""
    facts = json.loads(relaxed.takes["crystal"].files["facts"].read_text())
    hot, cold = facts["cells"]
    assert (hot["temperature_K"], cold["temperature_K"]) == (900, 300)
    assert hot["cell"][3:] == cold["cell"][3:] == [90.0] * 3
    # each edge expands, by some 1e-5 per K
    expansion = (np.array(hot["cell"][:3]) / cold["cell"][:3] - 1) / 600
    assert (expansion > 5e-6).all() and (expansion < 5e-5).all()
    sites = lattice.bulk_cell(read_crystal(relaxed.takes["crystal"].files["structure"]), WIDTH_A)
    interface_start.write_rigid_ions(tmp_path, sites)
    mean, err = pressure_at(tmp_path, 900, steps=1000)
    # of an edge, 1e-3 is some 0.1 GPa
    of_cell = 100 * np.max(np.array(hot["err"][:3]) / hot["cell"][:3])
    assert (np.abs(mean) < 3.5 * np.hypot(err, of_cell)).all()
    assert (np.abs(mean) < 0.5).all()


@pytest.mark.slow
def test_a_slab_that_is_cut_with_it_is_not_strained(relaxed, tmp_path):
    """The stress of its interior is 0 along the surface as well as across; with the cell of the file, it is pressed."""
    found = {}
    for name, run in (("relaxed", relaxed), ("file", given(relaxed.source, cell_A="file"))):
        (task,) = interface.plan(run)
        found[name] = interface.run(attempt(task, tmp_path / name))["crystal_stress_GPa"]
    assert all(abs(each["value"]) < 3.5 * each["err"] for each in found["relaxed"].values()), found
    assert all(found["relaxed"][axis]["err"] < 0.6 for axis in ("xx", "yy")), found
    pressed = [found["file"][axis] for axis in ("xx", "yy")]
    assert sum(each["value"] for each in pressed) < -3 * np.hypot(*(each["err"] for each in pressed)), found
    # the lateral lattice is that of the cooled crystal, exactly
    made = read(tmp_path / "relaxed" / "interface.extxyz")
    lateral = made.cell.lengths()[:2]
    cold = read_crystal(relaxed.takes["crystal"].files["cooled"]).atoms.cell.lengths()
    assert sorted(lateral) == pytest.approx(sorted([cold[1], 2 * cold[2]]), rel=1e-9)
    # at a given volume, md begins with that of the file, and so does what it is compared with
    md = {"structures": "interface", "model": "m.naglass", "temperatures_K": [300.0], "time_ps": 1.0}
    cells = Structures(files={"i0/facts": tmp_path / "relaxed" / "facts.json"})
    run = taken.given(given(relaxed.source, md=md), **relaxed.takes, interface=cells)
    file = sorted([6.862, 2 * 5.049])
    begun = made.cell.array @ np.array(interface_lattice.strain(run, made, 300.0))
    assert sorted(np.linalg.norm(begun[:2], axis=1)) == pytest.approx(file) and begun[2, 2] == made.cell[2, 2]
    assert sorted(read(tmp_path / "relaxed" / "crystal.extxyz").cell.lengths()[:2]) == pytest.approx(file)
    assert interface_lattice.strain(replace(run, takes={"interface": cells}), made, 300.0) is None


@pytest.mark.slow
def test_the_page_has_both_cells(relaxed):
    facts = relaxed.takes["crystal"].files["facts"]
    (table,) = crystal_cell(Material({}, [], {"crystal/facts": facts}))
    assert table.head == ("", "in its file", "rigid ions, 900 K", "rigid ions, 300 K")
    edges, volume = table.rows[:3], table.rows[3]
    assert [row[0] for row in edges] == ["a (Å)", "b (Å)", "c (Å)"]
    assert all("±" in cell and "%)" in cell for row in edges for cell in row[2:])
    assert volume[0] == "change of the volume" and all(cell.endswith(" %") for cell in volume[2:])
    assert "336 atoms, mean of 2 ps" in table.caption


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_cells(tmp_path, monkeypatch):
    """In small cells, stopped after the first phase; a slab of them, in the middle of its contraction."""
    monkeypatch.setattr(stage, "WIDTH_A", 8.0)
    monkeypatch.setattr(interfaces, "_RELAX_PS", (1.0, 1.0))
    run = given(tmp_path, {"replicas": 3}, hkl=[1, 0, 1], crystal_A=8, lateral_A=5)
    whole = taken.given(run, crystal=carried_out(run, tmp_path / "whole"))
    resumed(stage, stage.plan(run)[0], tmp_path, 1)
    for file in ("crystal.extxyz", "cooled.extxyz", "facts.json"):
        assert (tmp_path / "resumed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    monkeypatch.setattr(protocols, "CHECKPOINT_STEPS", 30)
    (task,) = (each for each in interface.plan(whole) if each.name == "bulk-crystal-0")
    folder = tmp_path / "slab"
    interface.run(attempt(task, folder / "whole"))
    # 250 steps of the release are nine segments, 50 of the contraction two
    resumed(interface, task, folder, 10)
    made = [(folder / name / "interface.extxyz").read_bytes() for name in ("whole", "resumed")]
    assert made[0] == made[1]
    # lattice vectors of the cooled crystal, whose stacking is tilted
    cold = read_crystal(whole.takes["crystal"].files["cooled"])
    start, end = (read(folder / "whole" / f"{name}.extxyz").cell.array for name in ("start", "interface"))
    wanted = lattice.spanned(interface_start._vectors(start, task.inputs, read_settings(Settings, task)), cold)
    assert end[:2] == pytest.approx(wanted[:2], abs=1e-8) and abs(wanted[2, 0]) + abs(wanted[2, 1]) > 0.5
    assert end[2, :2] == pytest.approx(wanted[2, :2], abs=1e-8)


def resumed(module, task, folder: Path, segments: int) -> None:
    """Carry a task out in two attempts, the first of which is stopped after so many segments."""
    restart = folder / "stopped" / "segments" / f"segment-{segments - 1:04d}.restart"
    with pytest.raises(Stopped):
        module.run(replace(attempt(task, folder / "stopped"), stopping=restart.is_file))
    module.run(attempt(task, folder / "resumed", previous=folder / "stopped"))


def test_a_seed_is_compared_with_the_cell_that_it_has(tmp_path):
    """In the end that of the cooled rigid ions; in md that of the file. Both are turned as the seed is."""
    run = given(tmp_path)
    crystal = read_crystal(MARICITE)
    inputs = {"file": MARICITE}
    for role, scale in (("crystal", 1.05), ("cooled", 1.03)):
        inputs[role] = tmp_path / f"{role}.extxyz"
        write_frames(inputs[role], [crystal.with_cell(crystal.atoms.cell.lengths() * [scale, 1.0, 1.0]).atoms])
    asked: dict = dict.fromkeys(field.name for field in fields(Settings))
    asked |= {"composition": run.input.system.composition, "density_g_cm3": 2.4, "seed": 1}
    asked |= {"grain": {"radius_A": 4.5, "width_A": 20, "shape": "cylinder", "direction": [1, 0, 0]}}
    settings = Settings(**asked)
    _, bulk = interface_start.build(inputs, settings)
    turn = np.linalg.inv(read_crystal(inputs["crystal"]).atoms.cell.array) @ bulk.cell.array
    assert turn @ turn.T == pytest.approx(np.eye(3)) and bulk.cell.lengths()[0] == pytest.approx(8.99 * 1.05)
    assert interface_start._of_file(bulk, inputs, settings) == {}
    assert bulk.cell.array == pytest.approx(crystal.atoms.cell.array @ turn)
    cold = interface_start.cooled_seed(bulk, inputs)
    assert cold.cell.array == pytest.approx(read_crystal(inputs["cooled"]).atoms.cell.array @ turn)
    # the length of a cylinder follows its lattice
    command = interface_start._contraction(bulk, inputs, settings)
    assert command.startswith("fix contraction all deform 1 z scale 0.98095238")


def test_the_step_is_foreseen(tmp_path):
    """With the atoms of its supercell, 2 × 3 × 4 cells of 28, in the forecast; about as many before that is read."""
    run = given(tmp_path)
    (task,), _ = stage.expect(run)
    # 4 ps at either temperature and 0.1 between, in steps of 2 fs
    assert task.effort.size == pytest.approx(672 * 8.1 / 0.002)
    (line,) = (str(each) for each in cost.costs(run.input) if each.where == ("crystal",))
    assert "at 900 and 300 K, 8.1 ps (4050 steps)" in line
    kept = given(tmp_path, cell_A="file").input
    assert all(each.where != ("crystal",) for each in cost.costs(kept)) and kept.crystal is None


def test_an_interface_takes_as_long_as_is_foreseen(tmp_path):
    """With its release, and in whole steps; a crystal alone has neither the melt nor the quench above the release."""
    run = given(tmp_path, cell_A="file", glass={"quench_rate_K_per_ps": 700.0, "replicas": 3})
    tasks = {task.name: task for task in interface.plan(run)}
    course_ps = read_settings(Settings, tasks["i0"]).planned_ps
    crystal, glass = interface._sides(run)
    assert tasks["i0"].effort.size == pytest.approx((crystal + glass) * course_ps / 0.002)
    (line,) = (str(each) for each in cost.costs(run.input) if each.where == ("interface",))
    assert f"{course_ps:.6g} ps ({round(course_ps / 0.002)} steps)" in line
    released_ps = interfaces.RELEASE_PS + (900.0 - 300.0) / 700.0 + 4.0
    assert tasks["bulk-crystal-0"].effort.size == pytest.approx(crystal * released_ps / 0.002)
