"""The excess energy of interfaces from a composition to the page, kills, a crystal joined to itself, energies of md."""

import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from ruamel.yaml import YAML

from naglass_drv.analysis import excess_energy
from naglass_drv.chemistry import potentials
from naglass_drv.chemistry.ions import species
from naglass_drv.config import cost
from naglass_drv.config.schema import Input
from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import Stopped
from naglass_drv.interface import slabs
from naglass_drv.interface.bulks import bulk_crystal
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.products import Structures
from naglass_drv.stages import analysis, interface, md
from naglass_drv.stages.base import Done, Run, read_settings
from naglass_drv.stages.interface_start import Settings
from support import taken
from support.attempts import attempt
from support.jobs import called, naglass
from support.structures import DATA

CRYSTAL = "NaFePO4_maricite.extxyz"
INPUT = """
name: excess
seed: 3
system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 4, density_g_cm3: 2.4}
glass: {melt_ps: 1, quench_rate_K_per_ps: 3000, hold_ps: 1.6, replicas: 3}
interface: {crystal: NaFePO4_maricite.extxyz, hkl: [1, 0, 0], crystal_A: 8, glass_A: 8, lateral_A: 5, cell_A: file}
report: {}
"""
NAMES = ["bulk-crystal-0", "bulk-glass-0", "bulk-glass-1", "bulk-glass-2", "i0", "i1", "i2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("excess")
    shutil.copy(DATA / CRYSTAL, folder)
    (folder / "input.yaml").write_text(INPUT)
    ran = naglass("run", "input.yaml", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def by_hand(cells: Path, series: dict[str, Path], last_ps: float) -> float:
    """|(E − n_c e_c − n_g e_g)/2A| in mJ/m², of mean energies per atom in the last part of each series."""
    per_atom, size = {}, {}
    for name, path in series.items():
        table = json.loads(path.read_text())
        time, energy = (np.array(table[key]) for key in ("time_ps", "potential_energy_eV_per_atom"))
        per_atom[name] = energy[time >= time[-1] - last_ps - 1e-6].mean()
        size[name] = len(read(cells / f"{name}.extxyz"))
    crystal, glass = size["bulk-crystal-0"], size["i0"] - size["bulk-crystal-0"]
    bulk = crystal * per_atom["bulk-crystal-0"] + glass * np.mean([per_atom[f"bulk-glass-{i}"] for i in range(3)])
    excess = size["i0"] * np.mean([per_atom[f"i{i}"] for i in range(3)]) - bulk
    lateral = read(cells / "i0.extxyz").cell.array[:2, :2]
    return abs(excess / (2 * np.linalg.det(lateral)) * 16021.77)


def told(found: dict) -> float:
    """The value of an excess energy, be it below its resolution."""
    return found["e_excess"] or float(re.search(r"= ([\d.e+]+) mJ", found["reason"])[1])


def given(folder: Path, **sections) -> Run:
    content = YAML(typ="safe").load(INPUT) | {"report": None} | sections
    return Run(Input.model_validate_json(json.dumps(content)), folder, folder / "own")


@pytest.mark.slow
def test_a_run_ends_with_it_on_the_page(made):
    products = made / "run" / "products" / "interface"
    found = json.loads((products / "excess.json").read_text())
    assert found["replicas"] == [3, 3, 1] and found["paired"] == [] and found["temperature_K"] == 300
    assert 0 < found["time_err"] < found["err"] < found["resolution"]
    row = next(row for row in found["rows"] if row["key"].endswith(".resolution"))
    assert (row["value"], row["unit"]) == (found["resolution"], "mJ/m²")
    series = {name: products / f"{name}-quench.json" for name in NAMES}
    assert told(found) == pytest.approx(by_hand(products, series, 0.8), rel=5e-3)
    numbers = json.loads((made / "run" / "report.json").read_text())["numbers"]
    assert {row["key"] for row in found["rows"]} <= {number["key"] for number in numbers}
    page = (made / "run" / "report.html").read_text()
    assert (
        "quenched at 3000 K/ps to 900 K at fixed volume and on to 300 K free along z" in page
        and "no free energy" in page
    )
    assert "rigid ions, 300 K" in page and (found["reason"] is None or found["reason"] in page)


@pytest.mark.slow
def test_bulk_cells_have_the_lateral_cell_and_the_glass_of_the_interface(made):
    products = made / "run" / "products" / "interface"
    cells = {name: read(products / f"{name}.extxyz") for name in NAMES}
    lateral = cells["i0"].cell.array[:2]
    for name, atoms in cells.items():
        assert np.allclose(atoms.cell.array[:2], lateral, atol=1e-6)
        assert set(atoms.arrays["phase"]) == ({0, 1} if name[0] == "i" else {int("crystal" in name)})
    outside = cells["i0"][cells["i0"].arrays["phase"] == 0]
    assert sorted(outside.symbols) == sorted(cells["bulk-glass-0"].symbols)
    assert len(cells["bulk-crystal-0"]) + len(outside) == len(cells["i0"])
    # the crystal stays one: every P has four O nearby
    crystal = cells["bulk-crystal-0"]
    distances = crystal.get_all_distances(mic=True)[crystal.symbols == "P"][:, crystal.symbols == "O"]
    assert ((distances < 2.0).sum(axis=1) == 4).all()
    # all three have seen the same temperatures
    ends = {name: json.loads((products / f"{name}-quench.json").read_text()) for name in NAMES}
    assert ends["i0"]["time_ps"][-1] == ends["bulk-glass-0"]["time_ps"][-1]
    assert ends["bulk-crystal-0"]["time_ps"][-1] == pytest.approx(0.5 + 0.2 + 1.6, abs=0.11)
    for series in ends.values():
        assert np.mean(series["temperature_K"][-8:]) == pytest.approx(300, abs=60)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["bulk-glass-0", "bulk-crystal-0"])
def test_a_bulk_cell_that_was_stopped_ends_the_same(made, tmp_path, task):
    (planned,) = (each for each in interface.plan(given(made)) if each.name == task)
    checkpoint = tmp_path / "a" / "segments" / "checkpoint.json"
    with pytest.raises(Stopped):
        # in the phase after the first that has its restart file
        interface.run(replace(attempt(planned, tmp_path / "a"), stopping=checkpoint.is_file))
    interface.run(attempt(planned, tmp_path / "b", previous=tmp_path / "a"))
    whole = made / "run" / "products" / "interface" / f"{task}.extxyz"
    assert (tmp_path / "b" / "interface.extxyz").read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_a_crystal_joined_to_itself_has_none(tmp_path):
    """The glass is the crystal of the slab, cut where it is cut; replicas differ in their velocities."""
    cut = slabs.listed(read_crystal(DATA / CRYSTAL), (1, 0, 0))[2]
    bulk = bulk_crystal(slabs.slab(read_crystal(DATA / CRYSTAL), cut, thickness_A=8, lateral_A=5))
    write_frames(tmp_path / "glass.extxyz", [bulk])
    shutil.copy(DATA / CRYSTAL, tmp_path)
    section = {"crystal": CRYSTAL, "hkl": [1, 0, 0], "termination": 2, "route": "join", "gap_A": 0, "release_K": 310}
    run = given(
        tmp_path,
        interface=section | {"crystal_A": 8, "glass_A": 8.9, "lateral_A": 5},
        glass={"melt_ps": 0.1, "hold_ps": 2.4, "replicas": 3, "quench_rate_K_per_ps": 100},
    )
    run = taken.given(run, glass=Structures(files={f"g{i}/structure": tmp_path / "glass.extxyz" for i in range(3)}))
    done = [
        Done(task, tmp_path / task.name, interface.run(attempt(task, tmp_path / task.name)))
        for task in interface.plan(run)
    ]
    assert sorted(item.task.name for item in done) == NAMES
    found = interface._excess(run, done)
    assert found["e_excess"] is None and "is below the resolution of" in found["reason"]
    # the bulk glass of a replica is the one that was joined
    assert found["paired"] == ("glasses",) and "each interface less its own bulk glass" in found["rows"][-1]["note"]
    # by 2 × 28 atoms over 2 × 35 Å²
    assert found["resolution"] < 100


MD = {
    "structures": "interface", "model": "model.naglass", "temperatures_K": [300.0], "time_ps": 1.0,
    "sample_every_fs": 20.0, "pressure_bar": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(made, tmp_path_factory):
    """A run with the cells, by the rigid ions in the place of a model, and their trajectories."""
    folder, cells = tmp_path_factory.mktemp("simulated"), made / "run" / "products" / "interface"
    files = {f"{n}/{'structure' if n[0] == 'i' else 'bulk'}": cells / f"{n}.extxyz" for n in NAMES}
    files |= {f"i{i}/crystal": cells / f"i{i}-crystal.extxyz" for i in range(3)}
    with zipfile.ZipFile(folder / "model.naglass", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"elements": ["O", "Na", "P", "Fe"]}))
    run = taken.given(given(folder, md=MD, analysis={"skip_ps": 0.2}), interface=Structures(files=files))
    tasks = md.plan(run)
    assert sorted(task.name for task in tasks) == [f"{name}-300K" for name in NAMES]
    assert {task.settings["pressure_along"] for task in tasks} == {"z"}
    done = []
    for task in map(classical, tasks):
        # of such a quench, the gate says no
        summary = md.run(attempt(task, folder / task.name)) | {"stable": True}
        done.append(Done(task, folder / task.name, summary))
    return taken.given(run, md=taken.trajectories(run, done))


def excess_of(run: Run, folder: Path) -> dict:
    """What the analysis of a run says of it."""
    planned = {task.name: task for task in analysis.plan(run)}
    assert sorted(planned) == ["excess-300K", "i0-300K", "i1-300K", "i2-300K"]
    task = planned["excess-300K"]
    done = Done(task, folder, analysis.run(attempt(task, folder)))
    return json.loads(analysis.collect(run, [done]).files["excess-300K/excess"].read_text())


@pytest.mark.slow
def test_the_model_of_md_has_its_own(made, simulated, tmp_path):
    """By the rigid ions in its place: energies after `skip_ps`."""
    found = excess_of(simulated, tmp_path / "a")
    cells = made / "run" / "products" / "interface"
    series = {name: simulated.folder.parent / f"{name}-300K" / "thermo.json" for name in NAMES}
    assert told(found) == pytest.approx(by_hand(cells, series, 0.8), rel=5e-3)
    rigid = json.loads((cells / "excess.json").read_text())
    assert found["history"] == rigid["history"] and found["replicas"] == [3, 3, 1]
    assert abs(told(found) - told(rigid)) < found["resolution"] + rigid["resolution"]
    assert "interface.300K.e_excess.resolution" in {row["key"] for row in found["rows"]}


@pytest.mark.slow
def test_what_spoils_the_energies_of_md_is_told(simulated, tmp_path):
    made = simulated.takes["md"]
    broken = replace(made.tasks[0], summary=made.tasks[0].summary | {"stable": False})
    unstable = taken.given(simulated, md=replace(made, tasks=(broken, *made.tasks[1:])))
    assert excess_of(unstable, tmp_path / "a")["reason"] == "i0-300K did not pass the stability gate"
    fixed = simulated.input.model_copy(update={"md": simulated.input.md.model_copy(update={"pressure_bar": None})})
    found = excess_of(replace(simulated, input=fixed), tmp_path / "b")
    assert found["reason"].startswith("md.pressure_bar is not given") and not found["rows"]


def classical(task):
    """The task with the rigid ions in place of pair_style mace."""
    ions = {ion.element: ion for ion in species({"Na": 1, "Fe2+": 1, "P": 1, "O": 4})}
    ordered = [ions[element] for element in task.settings["elements"]]
    charges = [f"set type {i} charge {charge:.1f}" for i, charge in enumerate(potentials.charges(ordered), start=1)]
    observables = [line for line in task.settings["commands"] if line.startswith("compute")]
    commands = [*charges, *potentials.commands(ordered), *observables]
    return replace(task, settings=task.settings | {"commands": commands, "plugins": ["naglassplugin"]})


def test_a_crystal_alone_was_never_melted(tmp_path):
    shutil.copy(DATA / CRYSTAL, tmp_path)
    told = {task.name: read_settings(Settings, task).history for task in interface.plan(given(tmp_path))}
    assert told["bulk-crystal-0"] == "released at 900 K and cooled at 3000 K/ps to 300 K free along z"
    assert told["i0"] == told["bulk-glass-0"] and told["i0"].startswith("melted at 3000 K for 1 ps")


def test_numbers_of_the_excess_have_no_powers_of_ten():
    assert excess_energy._reason(350.0, 1258.0, None) == (
        "|e_excess| = 350 mJ/m² is below the resolution of 1260 mJ/m²"
    )


def test_why_there_is_none(tmp_path):
    """Two replicas, or no wish for it: no bulk cells, and the page says so."""
    shutil.copy(DATA / CRYSTAL, tmp_path)
    run = given(tmp_path)
    assert sorted(task.name for task in interface.plan(run)) == NAMES
    glass, section = run.input.glass, run.input.interface
    few = replace(run, input=run.input.model_copy(update={"glass": glass.model_copy(update={"replicas": 2})}))
    unasked = replace(
        run, input=run.input.model_copy(update={"interface": section.model_copy(update={"e_excess": False})})
    )
    for other, said in ((few, "2 replicas, 3 are needed"), (unasked, "interface.e_excess is false")):
        tasks = interface.plan(other)
        assert all(task.name[0] == "i" for task in tasks)
        done = [Done(task, tmp_path / task.name, {}) for task in tasks]
        assert interface._excess(other, done) == {"reason": said}


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("lateral_A: 5, cell_A: file}", "lateral_A: 5, e_excess: 3}", "interface.e_excess"),
        (
            "hold_ps: 1.6",
            "hold_ps: 1.5",
            "interface.e_excess: its energies take a glass.hold_ps of at least 1.6, not 1.5",
        ),
    ],
)
def test_a_wrong_wish_is_named(tmp_path, old, new, said):
    shutil.copy(DATA / CRYSTAL, tmp_path)
    (tmp_path / "input.yaml").write_text(INPUT.replace(old, new))
    found = called("validate", "input.yaml", cwd=tmp_path)
    assert found.returncode == 2 and said in found.stderr
    (tmp_path / "input.yaml").write_text(INPUT.replace(old, new).replace("replicas: 3", "replicas: 2"))
    assert called("validate", "input.yaml", cwd=tmp_path).returncode == (2 if "e_excess" in new else 0)


def test_cells_are_counted_before_they_are_made(tmp_path):
    """As the plan has them; md takes the bulk cells where their energies can be compared."""
    shutil.copy(DATA / CRYSTAL, tmp_path)
    for change, more in (({}, 4), ({"pressure_bar": None}, 0)):
        run = given(tmp_path, md=MD | change, analysis={})
        tasks, cells = interface.expect(run)
        assert sorted(task.name for task in tasks) == NAMES
        sizes = {name: len(symbols) for name, symbols in cells.facts["symbols"].items()}
        assert sizes["i0"] == sizes["bulk-glass-0"] + sizes["bulk-crystal-0"]
        run = taken.given(run, interface=cells)
        expected, trajectories = md.expect(run)
        assert len(expected) == 3 + more
        last, _ = analysis.expect(taken.given(run, md=trajectories))
        assert sorted(task.name for task in last) == ["excess-300K", "i0-300K", "i1-300K", "i2-300K"]
        counted = {item.where[0]: item.tasks for item in cost.costs(run.input)}
        # of an ordered crystal, one bulk cell is enough
        assert counted["interface"] == 9 and counted["md"] == (9 if more else 3)
