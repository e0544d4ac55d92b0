"""The cell of a crystal in the model of `md`: the stage that finds it, and the cells that begin with it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build.tools import niggli_reduce_cell
from ase.geometry import cell_to_cellpar

from naglass_drv.config import cost, interfaces
from naglass_drv.config.schema import Input
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.errors import InputError, Stopped, TaskFailed
from naglass_drv.interface import slabs
from naglass_drv.interface.bulks import bulk_crystal
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.interface.lattice import bulk_cell
from naglass_drv.products import Structures, TaskRecord, Trajectories
from naglass_drv.report.interface_crystal import crystal_cell
from naglass_drv.report.material import Material
from naglass_drv.stages import analysis, base, given_models, interface_lattice, interface_start, lattice, md
from naglass_drv.stages.base import Done, Run
from naglass_drv.workflow.chain import stages_of
from support import taken
from support.attempts import attempt
from support.bulk_pressure import pressure_at
from support.mace_models import SMALLEST, build_model
from support.structures import DATA

MARICITE = DATA / "NaFePO4_maricite.extxyz"
START = Path(__file__).parents[2] / "examples" / "quickstart" / "start" / "model.mace"
V2O5 = "V2O5_alpha_Pmmn.cif"
KELVIN = 600.0
# of 112 ions
WIDTH_A = 8.9


def given(folder: Path, md: dict | None = None, **section) -> Run:
    if not (folder / MARICITE.name).exists():
        shutil.copy(MARICITE, folder)
    system = {"composition": {"Na": 1, "P": 1, "O": 3}, "formula_units": 4, "density_g_cm3": 2.4}
    content = {"name": "cell", "seed": 3, "system": system, "glass": {}, "analysis": {}}
    content["interface"] = {"crystal": MARICITE.name, "hkl": [1, 0, 0], "crystal_A": 8, "lateral_A": 5} | section
    content["md"] = {
        "structures": "interface", "model": str(START), "temperatures_K": [KELVIN], "pressure_bar": 0.0, "time_ps": 1.0,
        "timestep_fs": 2.0, "checkpoint_ps": 0.3,
    } | (md or {})  # fmt: skip
    return Run(Input.model_validate_json(json.dumps(content)), folder, folder / "own")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Maricite in the starting model, stopped after its first segment and resumed; the run, and its folder."""
    folder = tmp_path_factory.mktemp("found")
    archive = folder / "model.naglass"
    given_models.place_model(START, archive)
    run = given(folder, {"model": str(archive)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interfaces, "_LATTICE_PS", (0.6, 0.6))
        (task,) = lattice.plan(run)
    assert task.name == "600K" and task.settings["width_A"] == 12.0
    task = replace(task, settings=task.settings | {"width_A": WIDTH_A})
    restart = folder / "stopped" / "segments" / "segment-0000.restart"
    with pytest.raises(Stopped):
        lattice.run(replace(attempt(task, folder / "stopped"), stopping=restart.is_file))
    summary = lattice.run(attempt(task, folder / "made", previous=folder / "stopped"))
    # it has gone on, and not begun anew
    assert "velocity" not in (folder / "made" / "log.lammps").read_text()
    return taken.given(run, lattice=lattice.collect(run, [Done(task, folder / "made", summary)])), folder


@pytest.mark.slow
def test_the_cell_in_a_model_has_no_pressure(found):
    """At constant volume, another ensemble, within the errors of both; the cell of the file is pressed."""
    run, folder = found
    (own,) = json.loads(run.takes["lattice"].files["facts"].read_text())["cells"]
    assert own["temperature_K"] == KELVIN and own["cell"][3:] == [90.0] * 3
    crystal = read_crystal(lattice.cell_at(run, KELVIN))
    assert crystal.atoms.cell.cellpar() == pytest.approx(own["cell"])
    archive = run.input.md.model
    model = {"variables": {"mace": archive}, "plugins": ["maceplugin"]}
    pressed = {}
    for name, atoms, steps in (("model", crystal, 240), ("file", read_crystal(MARICITE), 60)):
        place = folder / name
        place.mkdir()
        sites = bulk_cell(atoms, WIDTH_A)
        given_models.write_start(place, sites, ["Fe", "Na", "P", "O"], {"model": archive}, with_torch=False)
        shutil.copy(folder / "made" / "potential.lmp", place)
        pressed[name] = pressure_at(place, KELVIN, steps=steps, **model)
    mean, err = pressed["model"]
    # of an edge, 1e-3 is some 0.1 GPa
    of_cell = 100 * np.max(np.array(own["err"][:3]) / own["cell"][:3])
    assert (np.abs(mean) < 3.5 * np.hypot(err, of_cell)).all() and (np.abs(mean) < 1.5).all()
    mean, err = pressed["file"]
    assert mean.mean() > 1.0 + 3.5 * np.linalg.norm(err) / 3


@pytest.mark.slow
def test_the_page_has_the_cells_of_both_potentials(found):
    run, folder = found
    cut = {"crystal": "maricite", "of_file": [8.99, 6.862, 5.049, 90, 90, 90], "atoms": 672, "averaged_ps": 2.0}
    own = {"temperature_K": 900.0, "cell": [9.5, 7.0, 5.2, 90, 90, 90], "err": [0.01] * 3 + [0.0] * 3}
    cut["cells"] = [own | {"change_percent": [5.7, 2.6, 3.3], "volume_change_percent": 12.0}]
    (folder / "cut.json").write_text(json.dumps(cut))
    facts = {"crystal/facts": folder / "cut.json", "lattice/facts": run.takes["lattice"].files["facts"]}
    (table,) = crystal_cell(Material({}, [], facts))
    assert table.head == ("", "in its file", "rigid ions, 900 K", "model, 600 K")
    assert all("±" in row[3] and "%)" in row[3] for row in table.rows[:3])
    assert "In the model, at 0 bar" in table.caption and "112 atoms, mean of 0.3 ps" in table.caption


def test_a_crystal_that_the_model_does_not_know_is_named(tmp_path):
    """Of random weights, which no crystal survives."""
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable

    with default_dtype("float64"):
        save_portable(build_model(**SMALLEST), tmp_path / "model.mace")
    shutil.copy(DATA / "crystals" / V2O5, tmp_path)
    run = given(tmp_path, {"model": "model.mace", "temperatures_K": [300.0]}, crystal=V2O5)
    (task,) = lattice.plan(run)
    with pytest.raises(TaskFailed) as caught:
        lattice.run(attempt(task, tmp_path / "made"))
    assert caught.value.failure == "CRYSTAL_NOT_STABLE"
    said = str(caught.value)
    assert f"{V2O5[:-4]} at 300 K: " in said and "leave this temperature out of md.temperatures_K" in said
    # nor does it know Fe
    with pytest.raises(InputError, match=r"md\.model: .* does not cover Fe in NaFePO4_maricite\.extxyz"):
        lattice.plan(given(tmp_path, {"model": "model.mace"}))


def cells(run: Run, folder: Path, *, grain: dict | None = None) -> Run:
    """The run with an interface, not quenched, and its bulk crystal, which are cut with an expanded cell; and with a
    cell in the model that is made up."""
    file = read_crystal(MARICITE)
    scales = {"crystal": [1.05, 1.02, 1.03], "cooled": [1.04, 1.01, 1.02], "600K": [1.02, 0.99, 1.015]}
    paths = {role: folder / f"{role}.extxyz" for role in scales}
    for role, scale in scales.items():
        write_frames(paths[role], [file.with_cell(file.atoms.cell.lengths() * scale).atoms])
    section, glass = run.input.interface, run.input.glass
    shared = base.common(interface_start.Settings, section) | base.common(interface_start.Settings, glass)
    system = {"composition": dict(run.input.system.composition), "density_g_cm3": run.input.system.density_g_cm3}
    settings = interface_start.Settings(**shared | system | {"seed": 1, "grain": grain})
    inputs = {"crystal": paths["crystal"], "cooled": paths["cooled"], "file": MARICITE}
    made, bulk = interface_start.build(inputs, settings)
    files = {word: folder / f"i0-{word}" for word in ("structure.extxyz", "crystal.extxyz", "facts.json")}
    files |= {"bulk": folder / "bulk-crystal-0.extxyz"}
    write_frames(files["structure.extxyz"], [made.atoms])
    if grain is None:
        whole = interface_start.build_bulk(inputs, replace(settings, bulk="crystal"))
        # as it stands after it was released along z
        whole.set_cell(whole.cell.array * [1.0, 1.0, 0.99], scale_atoms=True)
        write_frames(files["bulk"], [whole])
    files["facts.json"].write_text(json.dumps(interface_start._of_file(bulk, inputs, settings)))
    write_frames(files["crystal.extxyz"], [bulk])
    roles = {"i0/structure": "structure.extxyz", "i0/crystal": "crystal.extxyz", "i0/facts": "facts.json"}
    return taken.given(
        run,
        crystal=Structures(files={"structure": paths["crystal"], "cooled": paths["cooled"]}),
        interface=Structures(files={role: files[name] for role, name in roles.items()}),
        lattice=Structures(files={"600K/structure": paths["600K"]}),
    )


@pytest.mark.parametrize("hkl", [(1, 0, 0), (1, 0, 1)])
def test_md_begins_with_the_lattice_of_the_model(tmp_path, hkl):
    """That of a slab which is cut from the crystal with its cell in the model, bulk crystal and reference as well."""
    run = cells(given(tmp_path, hkl=list(hkl)), tmp_path)
    model, file = (read_crystal(path) for path in (tmp_path / "600K.extxyz", MARICITE))
    cut = slabs.recut(model, file, slabs.named(file, hkl, "least"))
    wanted = bulk_crystal(slabs.slab(model, cut, thickness_A=8, lateral_A=5)).cell.array
    (task,) = md.plan(run)
    (atoms,) = read_frames(task.inputs["structure"])
    begun = atoms.cell.array @ np.array(task.settings["strain"])
    assert begun[:2] == pytest.approx(wanted[:2], abs=1e-6) and begun[2, 2] == atoms.cell[2, 2]
    (bulk,) = read_frames(tmp_path / "bulk-crystal-0.extxyz")
    begun = bulk.cell.array @ np.array(interface_lattice.strain(run, bulk, KELVIN))
    assert begun[2, 2] == bulk.cell[2, 2] != wanted[2, 2]
    begun[2, 2] = wanted[2, 2]
    # of two repeats above that are as near, either is right
    assert niggli(begun) == pytest.approx(niggli(wanted), abs=1e-5)
    found = interface_lattice.compared(run, tmp_path / "i0-crystal.extxyz", KELVIN)
    assert niggli(found) == pytest.approx(niggli(wanted), abs=1e-5)
    summary = {"structure": "i0", "temperature_K": KELVIN, "frames": 9, "reached_ps": 1.0, "stable": True}
    made = Trajectories(
        files={"i0-600K/trajectory": tmp_path / "i0-structure.extxyz"},
        tasks=(TaskRecord("i0-600K", "0f", 1.0, {}, summary),),
    )
    (task,) = analysis.plan(taken.given(run, md=made))
    assert task.settings["crystal_cell"] == found


def niggli(cell) -> np.ndarray:
    return cell_to_cellpar(niggli_reduce_cell(np.array(cell))[0])


def test_a_seed_is_compared_with_the_lattice_of_the_model(tmp_path):
    """Turned as it is; the length of a cylinder is that of the lattice in the model, and a sphere decides nothing."""
    for shape in ("cylinder", "sphere"):
        seed = {"radius_A": [4.5], "width_A": 20, "shape": shape, "direction": [1, 0, 0]}
        section = {"hkl": None, "crystal_A": 30, "lateral_A": 20, "seed": seed}
        folder = tmp_path / shape
        folder.mkdir()
        run = cells(given(folder, **section), folder, grain=seed | {"radius_A": 4.5})
        (bulk,) = read_frames(folder / "i0-crystal.extxyz")
        turn = np.linalg.inv(read_crystal(MARICITE).atoms.cell.array) @ bulk.cell.array
        found = interface_lattice.compared(run, folder / "i0-crystal.extxyz", KELVIN)
        assert found == pytest.approx(read_crystal(folder / "600K.extxyz").atoms.cell.array @ turn)
        (atoms,) = read_frames(folder / "i0-structure.extxyz")
        strained = interface_lattice.strain(run, atoms, KELVIN)
        wanted = np.diag([1.0, 1.0, 1.02 / 1.04])
        assert strained is None if shape == "sphere" else strained == pytest.approx(wanted)


def test_the_step_is_foreseen(tmp_path):
    """With the atoms of its supercell, 2 × 2 × 3 cells of 28, of one as wide as twice the cutoff of the model is; none
    where cells keep their volume or the crystal its cell."""
    run = given(tmp_path, {"temperatures_K": [600.0, 700.0], "time_ps": 50.0})
    tasks, _ = lattice.expect(run)
    assert [task.name for task in tasks] == ["600K", "700K"]
    # 5 ps in steps of 2 fs, after those to the least energy
    assert tasks[0].effort.size == 336 * 2700 and tasks[0].effort == lattice.plan(run)[0].effort
    (line,) = (str(each) for each in cost.costs(run.input) if each.where == ("lattice",))
    assert line.startswith("2 crystals in bulk of about") and "5 ps (2500 steps)" in line
    assert "lattice" in stages_of([{"": run.input}])
    for other in (given(tmp_path, {"pressure_bar": None}), given(tmp_path, cell_A="file")):
        assert other.input.lattice is None and "lattice" not in stages_of([{"": other.input}])
        assert all(each.where != ("lattice",) for each in cost.costs(other.input))
    for time_ps, held_ps in ((1.0, 2.0), (30.0, 3.0), (500.0, 10.0)):
        assert interfaces.lattice_ps(given(tmp_path, {"time_ps": time_ps}).input.md) == held_ps
