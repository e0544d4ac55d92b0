"""Stage `screen`: what an input may ask, what is planned, and what comes out where a potential fails or a run stops."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import support.simple_calculators
from naglass_drv.analysis.gates import GATES
from naglass_drv.cli.checks import Checks
from naglass_drv.cli.main import main
from naglass_drv.config.load import load, load_study
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.errors import InputError, Stopped
from naglass_drv.products import Dataset, Model, Product
from naglass_drv.report.potentials import _notices as notices_of
from naglass_drv.report.potentials import _tradeoff as tradeoff_of
from naglass_drv.runtime.flow import Flow
from naglass_drv.stages import gates as screening_gates
from naglass_drv.stages import screen
from naglass_drv.stages.base import Run
from naglass_drv.stages.screening import PRESETS
from naglass_drv.workflow.chain import chain
from support.attempts import attempt
from support.simple_calculators import Morse, dimer

INPUT = """\
name: here
system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 4, density_g_cm3: 2.5}
screen:
  potentials: [POTENTIALS]
  labels: labels.extxyz
  crystals: [crystal.extxyz]
report: {}
"""
LJ = "# elements O Na P\npair_style lj/cut 4.0\npair_coeff * * 0.05 2.2\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(support.simple_calculators.__file__).parent), prepend=":")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    frames = []
    for k in range(3):
        frame = dimer()
        frame.rattle(0.05, seed=k)
        frame.calc = Morse()
        energy, forces = frame.get_potential_energy(), frame.get_forces()
        frame.calc = None
        frame.info |= {"REF_energy": energy, "group": f"g{k}", "level": "morse-1"}
        frame.arrays["REF_forces"] = forces
        frames.append(frame)
    write_frames(tmp_path / "labels.extxyz", frames)
    others = [frame.copy() for frame in frames]
    for frame in others:
        frame.info |= {"level": "made-2", "group": f"other {frame.info['group']}"}
    write_frames(tmp_path / "other.extxyz", others)
    write_frames(tmp_path / "mixed.extxyz", [*frames, *others])
    write_frames(tmp_path / "crystal.extxyz", [dimer()])
    (tmp_path / "lj.lmp").write_text(LJ)
    return tmp_path


def written(folder, *potentials: str, text: str = INPUT):
    (folder / "input.yaml").write_text(text.replace("POTENTIALS", ", ".join(potentials)))
    return folder / "input.yaml"


def read(folder, *potentials: str, text: str = INPUT):
    return load(written(folder, *potentials, text=text), checks=[Checks()])


def planned(folder, *potentials: str, **takes):
    run = Run(read(folder, *potentials), folder, folder / "run", takes)
    return run, screen.plan(run)


@pytest.mark.parametrize(
    ("potentials", "change", "message"),
    [
        (["nequip:small"], (), r"input.yaml:4: screen.potentials\[0\]: .*'nequip:small': must be sevennet:MODEL"),
        (["mace:none.mace"], (), r"input.yaml:4: screen.potentials\[0\]: .*none.mace: no such file"),
        (["lammps:bad.lmp"], (), r"screen.potentials\[0\]: .*bad.lmp:2: 'shell': not one of units"),
        (["mace:pickled.model"], (), "a pickled model, which can run code .* add 'trust: true' to this section"),
        (["train"], (), r"input.yaml:4: screen.potentials\[0\]: there is no train section"),
        (["ase:a:b", "ase:a:b"], (), "screen.potentials: lists ase:a:b more than once"),
        (["words alone"], (), r"screen.potentials\[0\]"),
        (["ase:a:b"], ("labels: labels.extxyz", "labels: dataset"), "input.yaml:5: screen.labels: there is no dataset"),
        (["ase:a:b"], ("labels: labels.extxyz", "labels: crystal.extxyz"), "crystal.extxyz: frame 0: no REF_energy"),
        (["ase:a:b"], ("labels: labels.extxyz", "labels: mixed.extxyz"), "several levels of theory, made-2, morse-1"),
        (["ase:a:b"], ("crystals:", "shift: none.extxyz\n  crystals:"), "screen.shift: 'none.extxyz': no such file"),
        (["ase:a:b"], ("crystals:", "shift: other.extxyz\n  crystals:"), "input.yaml:6: screen.shift: .*made-2, but"),
        (
            ["ase:a:b"],
            (
                "screen:\n  potentials: [POTENTIALS]\n  labels: labels.extxyz\n",
                "dataset: {level: morse, include: [labels.extxyz]}\n"
                "screen:\n  potentials: [POTENTIALS]\n  shift: other.extxyz\n",
            ),
            "screen.shift: .*other.extxyz: of the level made-2, but the labels of this run are of morse",
        ),
        (["ase:a:b"], ("crystals:", "shift: labels.extxyz\n  crystals:"), "screen.shift: .*no frames but those that"),
        (["ase:a:b"], ("crystals: [crystal.extxyz]", "crystals: crystal.extxyz"), "screen.crystals: .*list"),
        (["ase:a:b"], ("crystals: [crystal", "crystals: [none"), r"screen.crystals\[0\]: 'none.extxyz': no such file"),
    ],
)
def test_what_cannot_be_screened_is_refused_at_its_line(folder, potentials, change, message):
    (folder / "bad.lmp").write_text("# elements O\nshell echo\n")
    # the format of torch.save before 1.6 begins like any pickle
    (folder / "pickled.model").write_bytes(pickle.dumps({}))
    with pytest.raises(InputError, match=message):
        read(folder, *potentials, text=INPUT.replace(*change) if change else INPUT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.info.update(REF_energy=float("nan")), "REF_energy is nan; must be a finite number in eV"),
        (lambda frame: frame.info.update(REF_energy="abc"), "REF_energy is 'abc'"),
        (lambda frame: frame.arrays["REF_forces"].fill(np.inf), "REF_forces: the value is not finite at index"),
        (
            lambda frame: frame.arrays["REF_forces"].fill(1e200),
            r"REF_forces: 1e\+200 at index \[0, 0\]; must be within",
        ),
        (lambda frame: frame.info.update(REF_stress=np.zeros(3)), r"REF_stress: has shape \(3,\)"),
        (lambda frame: frame.info.update(temperature_K="hot"), "temperature_K is 'hot'; must be a finite number"),
        (lambda frame: frame.info.update(temperature_K=-300.0), "temperature_K is -300.0"),
        (lambda frame: frame.set_pbc([True, True, False]), "pbc is T T F; must be T T T"),
        (lambda frame: frame.positions.fill(1e9), r"pos: 1e\+09 at index"),
    ],
)
@pytest.mark.parametrize("role", ["labels", "shift"])
def test_a_label_that_is_no_number_is_named_before_anything_runs(folder, change, message, role):
    frames = read_frames(folder / "other.extxyz")
    for frame in frames:
        frame.info["level"] = "morse-1"
    change(frames[1])
    write_frames(folder / "bad.extxyz", frames)
    text = INPUT.replace("crystals:", "shift: other.extxyz\n  crystals:") if role == "shift" else INPUT
    text = re.sub(rf"{role}: \w+.extxyz", f"{role}: bad.extxyz", text)
    with pytest.raises(InputError, match=rf"input.yaml:\d: screen.{role}: .*bad.extxyz: frame 1.*{message}"):
        read(folder, "ase:a:b", text=text)


def test_the_verb_refuses_a_crystal_that_is_not_periodic(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    slab = dimer()
    slab.pbc = [True, True, False]
    write_frames(folder / "slab.extxyz", [dimer(), slab])
    assert main(["screen", "labels.extxyz", "--potential", "ase:a:b", "--crystals", "slab.extxyz"]) == 2
    assert "slab.extxyz: frame 1: pbc is T T F" in capsys.readouterr().err


def test_each_potential_is_a_task_of_its_own(folder):
    _, tasks = planned(folder, "lammps:lj.lmp", "ase:simple_calculators:Morse")
    assert [task.name for task in tasks] == ["lammps-lj.lmp", "ase-simple_calculators-Morse"]
    assert tasks[0].inputs["potential"] == folder / "lj.lmp" and "potential" not in tasks[1].inputs
    assert {"labels", "crystal/0"} <= set(tasks[1].inputs) and tasks[0].settings["level"] == "fitted"
    assert list(screen.names_of(["mace:a/b", "mace:a-b"]).values()) == ["mace-a-b", "mace-a-b--2"]


def test_the_model_of_the_run_is_screened_on_frames_that_it_has_not_seen(folder):
    sections = "reference: [{name: a, level: gfn1-xtb, structures: crystal.extxyz, multiplicity: 1}]\n"
    sections += "dataset: {level: gfn1-xtb}\ntrain: {epochs: 1}\nscreen:"
    text = INPUT.replace("screen:", sections)
    write_frames(folder / "train.extxyz", read_frames(folder / "labels.extxyz")[:1])
    (folder / "m.portable").write_bytes(b"")
    takes = {
        "dataset": Dataset(files={"train": folder / "train.extxyz"}),
        "train": Model(files={"portable": folder / "m.portable"}),
    }
    run = Run(read(folder, "train", text=text), folder, folder / "run", takes)
    (task,) = screen.plan(run)
    assert "shift" not in task.inputs, "the labels are those of a file"
    assert task.inputs["trained"] == folder / "train.extxyz" and task.settings["level"] == "gfn1-xtb"
    files = [task.inputs[role] for role in ("labels", "trained")]
    material, notes, levels = screen.material_from(files[0], [], PRESETS["small"], files[1])
    assert [frame.info["group"] for frame in material.frames] == ["g1", "g2"] and levels == ["morse-1"]
    assert notes[0].startswith("1 of 3 labeled frames share structure or group with the training frames")
    empty = Run(read(folder, "train", text=text.replace("labels: labels.extxyz", "labels: dataset")), folder,
                folder / "run", takes)  # fmt: skip
    with pytest.raises(InputError, match="screen.labels: the dataset of this run has no frames that are held out"):
        screen.plan(empty)


SYSTEMS = """\
name: two
systems:
  - {name: half, composition: {Na: 1, P: 1, O: 3}, formula_units: 4, density_g_cm3: 2.5}
  - {name: more, composition: {Na: 2, P: 2, O: 6}, formula_units: 4, density_g_cm3: 2.5}
glass: {}
reference: [{name: a, level: gfn1-xtb, structures: glass}]
dataset: {level: gfn1-xtb}
train: {epochs: 1}
screen: {potentials: [train]}
md: {temperatures_K: [300], time_ps: 1}
report: {}
"""


def steps_of(folder, text: str) -> dict:
    """What each step of an input takes, by its label and in order; every product is empty."""
    (folder / "input.yaml").write_text(text)
    found = load_study(folder / "input.yaml", checks=[Checks()])
    steps = {}

    def begin(step, answer):
        steps[step.label] = step.takes
        answer(Product(step.scope, step.stage))

    Flow(chain(found.by_round, found.systems, found.seed, found.conditions()), begin).advance()
    return steps


def test_one_screening_for_all_systems_after_the_training(folder):
    steps = steps_of(folder, SYSTEMS)
    order, takes = list(steps), steps["screen"]
    assert order.count("screen") == 1 and order.index("train") < order.index("screen") < order.index("half/md")
    assert set(takes) == {"dataset", "train", "glass"} and [each.scope for each in takes["glass"]] == ["half", "more"]
    assert steps["more/report"]["screen"] is steps["half/report"]["screen"]


def test_a_loop_screens_the_model_of_its_last_round(folder):
    steps = steps_of(folder, SYSTEMS.replace("report:", "learn: {rounds: [{}]}\nreport:"))
    assert steps["screen"]["train"].scope == "round-1" and steps["half/report"]["screen"].step == "screen"


def test_the_shift_is_fitted_to_the_training_frames_of_the_dataset(folder):
    sections = "reference: [{name: a, level: gfn1-xtb, structures: crystal.extxyz, multiplicity: 1}]\n"
    sections += "dataset: {level: gfn1-xtb}\nscreen:"
    text = INPUT.replace("screen:", sections).replace("labels: labels.extxyz", "labels: dataset")
    takes = {"dataset": Dataset(files={"train": folder / "train.extxyz", "test": folder / "labels.extxyz"})}
    (task,) = screen.plan(Run(read(folder, "lammps:lj.lmp", text=text), folder, folder / "run", takes))
    assert task.inputs["shift"] == folder / "train.extxyz"
    others = read_frames(folder / "other.extxyz")
    for frame in others:
        frame.info["level"] = "gfn1-xtb-h0a1b2c"
    write_frames(folder / "own.extxyz", others)
    own = text.replace("crystals:", "shift: own.extxyz\n  crystals:")
    (task,) = screen.plan(Run(read(folder, "lammps:lj.lmp", text=own), folder, folder / "run", takes))
    assert task.inputs["shift"] == folder / "own.extxyz"


def test_a_stopped_screening_goes_on_where_it_was(folder):
    _, (task,) = planned(folder, "ase:simple_calculators:Morse")
    with pytest.raises(Stopped, match="stopped after 601 evaluations"):
        screen.run(attempt(task, folder / "a1", polls=600))
    done = sorted(path.name for path in (folder / "a1" / "gates").iterdir())
    assert "G0.json" in done and "G5.json" not in done
    notes: list = []
    summary = screen.run(attempt(task, folder / "a2", previous=folder / "a1", notes=notes))
    whole: list = []
    assert summary == screen.run(attempt(task, folder / "a3", notes=whole)) and len(notes) < len(whole) - 400
    results = [json.loads((folder / a / f"{task.name}.json").read_text())["gates"] for a in ("a2", "a3")]
    for one in results:
        for found in one.values():
            for key in ("seconds", "ms_per_atom", "step_ms_per_atom", "forecast_s"):
                found.pop(key, None)
    assert results[0] == results[1] and list(results[0]) == list(GATES)


@pytest.mark.mpi
def test_a_potential_that_fails_is_named_and_the_rest_goes_on(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    path = written(folder, "ase:simple_calculators:Morse", "ase:simple_calculators:Dies", "lammps:lj.lmp")
    assert main(["run", str(path)]) == 0
    manifest = json.loads((folder / "run/products/screen/manifest.json").read_text())
    assert manifest["kind"] == "screening" and len(manifest["files"]) == 3
    dies = json.loads((folder / "run/products/screen/ase-simple_calculators-Dies.json").read_text())["gates"]
    assert dies["G3"]["state"] == "reported" and dies["G4-EV"]["failure"] == "WORKER_DIED"
    assert dies["G5"]["failure"] == "WORKER_DIED" and "compression" in dies["G5"]["text"], "by another worker"
    page = (folder / "run/report.html").read_text()
    assert "ase:simple_calculators:Dies failed." in page and "In gates G4-EV, G5." in page
    assert "No potential is best" in page or "has the smallest force error" in page
    assert "would take about" in page and "Level of theory of the labels: morse-1" in page
    numbers = {row["key"]: row for row in json.loads((folder / "run/report.json").read_text())["numbers"]}
    assert "700 K" not in page and "fitted to the same frames, so that the error is a lower bound" in page
    slope = numbers["screen.ase:simple_calculators:Morse.forces_slope"]
    assert slope["value"] == pytest.approx(1.0) and slope["unit"] == "1"
    assert numbers["screen.lammps:lj.lmp.forces_rmse_meV_per_A"]["unit"] == "meV/Å"
    capsys.readouterr()
    assert main(["estimate", str(path)]) == 0
    assert "screen" in capsys.readouterr().out


@pytest.mark.mpi
def test_the_verb_gives_the_same_gates(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    verb = ["screen", "labels.extxyz", "--crystals", "crystal.extxyz", "--potential", "lammps:lj.lmp"]
    others = read_frames(folder / "labels.extxyz")
    for frame in others:
        frame.positions += 0.01 * frame.positions[::-1]
        frame.info["group"] = "others"
    write_frames(folder / "shift.extxyz", others)
    assert main([*verb, "--shift", "shift.extxyz"]) == 0
    out = capsys.readouterr().out
    assert "(one shift per element, fitted to 3 frames of 1 composition for training); 3 frames in 3 groups" in out
    assert "lammps:lj.lmp (fitted)\n  G0 sanity: passed" in out and "G6 the same melt-quench: not run" in out
    found = json.loads((folder / "screen.json").read_text())
    sanity = found["potentials"]["lammps:lj.lmp"]["gates"]["G0"]
    assert sanity["newton_off_eV_per_A"] < 1e-9 and sanity["two_ranks_eV_per_A"] < 1e-9
    assert list(found["potentials"]["lammps:lj.lmp"]["gates"]) == list(GATES) and found["labels"] == ["morse-1"]
    assert main(["screen", "none.extxyz", "--potential", "lammps:lj.lmp"]) == 2


def test_a_potential_is_not_best_on_the_labels_that_it_made(folder, monkeypatch, capsys):
    """Relabeled by a potential, and screened with it and another: no leader, no place on the front, and the page says
    why."""
    monkeypatch.chdir(folder)
    teacher = "lammps:lj.lmp"
    plain = read_frames(folder / "labels.extxyz")
    for frame in plain:
        frame.info["multiplicity"] = 1
    write_frames(folder / "plain.extxyz", plain)
    assert main(["relabel", "plain.extxyz", "--potential", teacher, "-o", "taught.extxyz"]) == 0
    monkeypatch.setattr(screening_gates, "_RUN", {gate: screening_gates._RUN[gate] for gate in ("G3",)})
    monkeypatch.setattr(screening_gates, "GATES", {gate: GATES[gate] for gate in ("G3",)})
    main(["screen", "taught.extxyz", "--potential", teacher, "ase:simple_calculators:Morse", "-o", "s.json"])
    assert capsys.readouterr().out.count("made these labels") == 1
    found = json.loads((folder / "s.json").read_text())["potentials"]
    assert [each["made_labels"] for each in found.values()] == [True, False]
    assert found[teacher]["gates"]["G3"]["forces_rmse_meV_per_A"] < 1e-3
    for each in found.values():
        each["gates"] = {key: {"state": "not run", "text": ""} for key in GATES} | each["gates"]
    screened = {name: each | {"potential": name, "dispersion": None, "labels": ["l"], "notes": []}
                for name, each in found.items()}  # fmt: skip
    told = " ".join(notice.text for notice in notices_of(screened))
    assert f"{teacher} made these labels" in told and "smallest force error" not in told
    table, _ = tradeoff_of(screened, dict.fromkeys(screened, "#000000"))
    assert [row[0] for row in table.rows] == ["ase:simple_calculators:Morse"]
