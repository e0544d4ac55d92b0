"""Stage md: plan, checks of the model, and real runs in which a classical potential takes the model's place."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from naglass_drv.analysis.measure import measure
from naglass_drv.chemistry import potentials
from naglass_drv.chemistry.ions import species
from naglass_drv.config.schema import Analysis
from naglass_drv.core import qn
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.errors import InputError, Stopped, TaskFailed
from naglass_drv.stages import glass, md
from naglass_drv.stages.base import Done
from support import taken
from support.attempts import attempt, study
from support.structures import crystal

MD = {
    "model": "model.naglass",
    "temperatures_K": [600.0],
    "time_ps": 1.0,
    "checkpoint_ps": 0.25,
    "structures": "NaVOPO4.extxyz",
    "replicate": [1, 1, 2],
}
ELEMENTS = ["Na", "V", "P", "O"]
IONS = species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
CLASSICAL = [
    *(f"set type {i} charge {charge:.1f}" for i, charge in enumerate(potentials.charges(IONS), start=1)),
    *potentials.commands(IONS),
]


def model(path, elements):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"elements": elements}))


def prepared(folder, **changes):
    """A study of α-NaVOPO4: monoclinic, all V is 4+, all P in PO4."""
    atoms = crystal("NaVOPO4_alpha_P21c_DLSmodel")
    write_frames(folder / "NaVOPO4.extxyz", [atoms[np.argsort([ELEMENTS.index(symbol) for symbol in atoms.symbols])]])
    model(folder / "model.naglass", ELEMENTS)
    return study(folder, glass={}, md=MD | changes)


@pytest.fixture
def run(tmp_path):
    return prepared(tmp_path)


def classical(task, commands=CLASSICAL):
    """The task with `commands` in place of pair_style mace; Qn and hops stay."""
    observables = [line for line in task.settings["commands"] if line.startswith("compute")]
    return replace(task, settings=task.settings | {"commands": [*commands, *observables], "plugins": ["naglassplugin"]})


def test_plan(run):
    (task,) = md.plan(run)
    assert (task.name, task.tools) == ("NaVOPO4-600K", ("lammps", "mace"))
    files = {role: path.name for role, path in task.inputs.items()}
    assert files == {"structure": "NaVOPO4.extxyz", "model": "model.naglass"}
    assert task.settings["commands"] == [
        "pair_style mace",
        "pair_coeff * * ${mace} Na V P O",
        "compute qn all naglass/qn/atom elements Na V P O former P metal V cutoff P O 2 cutoff V O 2.5",
    ]


def test_plan_takes_every_structure_and_temperature(tmp_path):
    run = prepared(tmp_path, temperatures_K=[600.0, 1200.0], structures="two crystals.extxyz")
    write_frames(tmp_path / "two crystals.extxyz", read_frames(tmp_path / "NaVOPO4.extxyz") * 2)
    tasks = md.plan(run)
    assert [task.name for task in tasks] == [
        "two_crystals-0-600K",
        "two_crystals-0-1200K",
        "two_crystals-1-600K",
        "two_crystals-1-1200K",
    ]
    assert len({task.settings["seed"] for task in tasks}) == 4


def test_an_archive_of_others_is_trusted_by_the_users_word_alone(tmp_path):
    """GPUs need TorchScript, but that which the run makes itself."""
    for changes, trusted in (({"gpus": 1}, False), ({"gpus": 1, "trust": True}, True), ({"trust": True}, True)):
        (task,) = md.plan(prepared(tmp_path, **changes))
        assert (task.settings["commands"][0] == "pair_style mace trust yes") is trusted


def test_plan_takes_the_glasses_but_not_their_melts(tmp_path):
    run = prepared(tmp_path, structures="glass")
    for name in ("g0", "g0-melt", "g1"):
        atoms = read_frames(tmp_path / "NaVOPO4.extxyz")
        write_frames(run.products / "glass" / f"{name}.extxyz", atoms)
    run = taken.given(run, glass=taken.glasses(run, "g0", "g1"))
    assert [task.name for task in md.plan(run)] == ["g0-600K", "g1-600K"]


def test_cutoffs_are_those_of_the_analysis(tmp_path):
    prepared(tmp_path)
    run = study(tmp_path, glass={}, md=MD, analysis={"cutoffs_A": {"O-P": 2.1, "V-O": 2.4}})
    assert md.plan(run)[0].settings["commands"][-1].endswith("cutoff P O 2.1 cutoff V O 2.4")


@pytest.mark.parametrize("known", [["Na", "P", "O"], ["V"]])
def test_a_model_that_lacks_an_element(run, known):
    model(run.folder / "model.naglass", known)
    missing = [element for element in ELEMENTS if element not in known]
    with pytest.raises(InputError, match=f"does not cover {', '.join(missing)} in NaVOPO4.extxyz"):
        md.plan(run)


def test_a_file_that_is_no_model(run):
    (run.folder / "model.naglass").write_bytes(b"no archive")
    with pytest.raises(InputError, match="not a model exported for pair_style mace"):
        md.plan(run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("md")
    run = prepared(folder)
    task = classical(md.plan(run)[0])
    return run, task, md.run(attempt(task, folder / "a"))


def test_a_run(whole):
    run, _, summary = whole
    folder = run.folder / "a"
    assert summary["stable"] and summary["failed_checks"] == []
    assert (summary["atoms"], summary["frames"], summary["reached_ps"]) == (64, 101, 1.0)
    assert 400 < summary["mean_temperature_K"] < 750
    assert abs(summary["conserved_drift_meV_per_atom_per_ps"]) < 5
    assert summary["ns_per_day"] == pytest.approx(summary["steps_per_s"] * 86400 * 1e-6)
    thermo = json.loads((folder / md.THERMO).read_text())
    assert thermo["time_ps"][:3] == [0.0, 0.01, 0.02] and thermo["time_ps"][-1] == 1.0
    assert {len(column) for column in thermo.values()} == {101}
    assert thermo["temperature_K"][0] == pytest.approx(600.0)
    gate = json.loads((folder / md.GATE).read_text())
    assert gate["stable"] and len(gate["series"]["time_ps"]) == 101
    assert not list(folder.glob("segments*"))


def test_the_trajectory_is_whole_and_unwrapped(whole):
    run, *_ = whole
    frames = read_frames(run.folder / "a" / md.TRAJECTORY)
    assert [frame.info["step"] for frame in frames] == list(range(0, 1001, 10))
    # no atom jumps by a box length
    steps = np.diff([frame.positions for frame in frames], axis=0)
    assert np.abs(steps).max() < 1.0
    (last,) = read_frames(run.folder / "a" / md.FINAL)
    assert np.allclose(last.positions, frames[-1].positions)


def test_the_trajectory_carries_qn(tmp_path):
    """n as LAMMPS computed it on the fly is n as the core computes it from the frame, in a network with P-O-P."""
    task = glass.plan(study(tmp_path, glass={"melt_ps": 0.5, "quench_rate_K_per_ps": 4000.0, "hold_ps": 0.1}))[0]
    glass.run(attempt(task, tmp_path / "glass"))
    run = prepared(tmp_path, structures=f"glass/{glass.GLASS}", time_ps=0.2)
    md.run(attempt(classical(md.plan(run)[0]), tmp_path / "a"))
    frames = read_frames(tmp_path / "a" / md.TRAJECTORY)
    assert len(frames) == 21
    for frame in frames:
        assert np.array_equal(frame.arrays["qn"], qn(frame, {("P", "O"): 2.0, ("V", "O"): 2.5}).n)
    assert max(frames[0].arrays["qn"]) >= 1


def test_motion_is_followed_while_it_runs(tmp_path):
    """A melt, in which ions hop at once: the list equals that of the analysis afterwards, and survives a stop."""
    short = {"hop_window_ps": 0.1, "hop_threshold_A2": 0.3}
    prepared(tmp_path)
    run = study(tmp_path, glass={}, md=MD | {"temperatures_K": [4000.0], "time_ps": 0.6}, analysis=short)
    task = classical(md.plan(run)[0])
    folder = tmp_path / "a"
    md.run(attempt(task, folder))
    numbers, _ = measure(read_frames(folder / md.TRAJECTORY), Analysis(**short), on_the_fly=folder / "hops.txt")
    lines = [line for line in (folder / "hops.txt").read_text().splitlines() if not line.startswith("#")]
    assert numbers["hops"]["count"] >= len(lines) > 0
    assert numbers["hops"]["agreement_with_on_the_fly"] == 1.0
    with pytest.raises(Stopped):
        md.run(attempt(task, tmp_path / "b", polls=3))
    md.run(attempt(task, tmp_path / "c", previous=tmp_path / "b"))
    for file in ("hops.txt", "correlations.txt"):
        assert (tmp_path / "c" / file).read_bytes() == (folder / file).read_bytes()


def test_collect(whole):
    run, task, summary = whole
    md.collect(run, [Done(task, run.folder / "a", summary)])
    assert json.loads((run.products / "md" / "NaVOPO4-600K.json").read_text()) == summary
    assert (run.products / "md" / "NaVOPO4-600K-final.extxyz").exists()


def test_candidates_keep_group_and_ions_of_their_start(whole, tmp_path):
    """Without the ions, a label of a mixed-valence glass would have no spin state. The cell was repeated."""
    run, task, summary = whole
    start = read_frames(task.inputs["structure"])[0]
    start.info = {"group": "alpha"}
    start.set_array("ion", np.array(["V4+" if symbol == "V" else symbol for symbol in start.symbols]))
    write_frames(tmp_path / "start.extxyz", [start])
    task = replace(task, inputs=task.inputs | {"structure": tmp_path / "start.extxyz"})
    input = run.input.model_copy(update={"md": run.input.md.model_copy(update={"candidates": 3})})
    found = md.collect(replace(run, input=input, folder=tmp_path), [Done(task, run.folder / "a", summary)])
    frames = read_frames(found.files["candidates"])
    assert [frame.info["time_ps"] for frame in frames] == [0.0, 0.5, 1.0]
    ions = start.repeat(run.input.md.replicate).arrays["ion"]
    for frame in frames:
        assert frame.info["group"] == "alpha" and list(frame.arrays["ion"]) == list(ions)
        assert frame.arrays.keys() == {"numbers", "positions", "ion"}


def test_a_start_that_trajectories_have_in_common_is_one_candidate(whole, tmp_path):
    """Two temperatures of one glass: labels of the same structure would only cost."""
    run, task, summary = whole
    input = run.input.model_copy(update={"md": run.input.md.model_copy(update={"candidates": 3})})
    hot = replace(task, name="NaVOPO4-900K", settings=task.settings | {"temperature_K": 900.0})
    both = [Done(each, run.folder / "a", summary) for each in (task, hot)]
    found = md.collect(replace(run, input=input, folder=tmp_path), both)
    assert [frame.info["time_ps"] for frame in read_frames(found.files["candidates"])] == [0.0, 0.5, 1.0]


def test_stop_and_resume(whole, tmp_path):
    run, task, summary = whole
    with pytest.raises(Stopped):
        md.run(attempt(task, tmp_path / "a", polls=4))
    resumed = md.run(attempt(task, tmp_path / "b", previous=tmp_path / "a"))
    for name in (md.TRAJECTORY, md.THERMO, md.GATE):
        assert (tmp_path / "b" / name).read_bytes() == (run.folder / "a" / name).read_bytes()
    assert resumed["conserved_drift_meV_per_atom_per_ps"] == summary["conserved_drift_meV_per_atom_per_ps"]


def test_constant_pressure(tmp_path):
    """Pulled, the cell grows; stopped and resumed, it grows to the same volume. The cell is tilted."""
    run = prepared(tmp_path, pressure_bar=-1.5e4, time_ps=0.5, checkpoint_ps=0.1)
    task = classical(md.plan(run)[0])
    summary = md.run(attempt(task, tmp_path / "a"))
    volume = json.loads((tmp_path / "a" / md.THERMO).read_text())["volume_A3"]
    assert volume[-1] > 1.01 * volume[0]
    assert summary["pressure_bar"] == -1.5e4
    with pytest.raises(Stopped):
        md.run(attempt(task, tmp_path / "b", polls=5))
    md.run(attempt(task, tmp_path / "c", previous=tmp_path / "b"))
    for name in (md.TRAJECTORY, md.THERMO):
        assert (tmp_path / "c" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_a_run_that_flies_apart_is_a_result(run, tmp_path):
    """Attraction without a core: it heats up, is ended early and recorded as not stable, with its time."""
    commands = ["pair_style morse 5.0", "pair_coeff * * 1.0 1.0 1.2", "pair_coeff 3 4 0.1 1.0 4.0"]
    summary = md.run(attempt(classical(md.plan(run)[0], commands), tmp_path / "a"))
    assert summary["stable"] is False
    assert "length" in summary["failed_checks"] and "temperature" in summary["failed_checks"]
    assert summary["reached_ps"] < summary["planned_ps"]
    assert summary["first_violation_ps"] is not None
    md.collect(run, [Done(md.plan(run)[0], tmp_path / "a", summary)])
    assert json.loads((run.products / "md" / "NaVOPO4-600K.json").read_text())["stable"] is False


def test_lost_atoms_are_a_result_too(run, tmp_path):
    """So fast that LAMMPS loses atoms before the halt looks."""
    commands = ["pair_style lj/cut 5.0", "pair_coeff * * 1.0e6 6.0", "neigh_modify exclude none"]
    task = classical(md.plan(run)[0], commands)
    summary = md.run(attempt(task, tmp_path / "a"))
    assert summary["stable"] is False and "length" in summary["failed_checks"]


def test_other_errors_are_failures(run, tmp_path):
    with pytest.raises(TaskFailed, match="nonsense") as caught:
        md.run(attempt(classical(md.plan(run)[0], ["pair_style nonsense"]), tmp_path / "a"))
    assert caught.value.failure == "LAMMPS_ERROR"


@pytest.mark.long
def test_with_a_mace_model(tmp_path):
    """The real pair style, from a portable model that the task exports; stopped and resumed.

    torch's kernels may round the last bit one way or the other, in a repeated run as in a resumed one. The weights
    are random, so the run says nothing about a material.
    """
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable
    from support.mace_models import build_model

    prepared(tmp_path)
    with default_dtype("float64"):
        save_portable(build_model(pair_repulsion=True), tmp_path / "model.mace")
    settings = MD | {"model": "model.mace", "replicate": [1, 1, 1], "time_ps": 0.04, "checkpoint_ps": 0.01}
    (task,) = md.plan(study(tmp_path, glass={}, md=settings))
    summary = md.run(attempt(task, tmp_path / "a"))
    assert (summary["atoms"], summary["frames"], summary["reached_ps"], summary["broken"]) == (32, 5, 0.04, None)
    assert all(
        (frame.arrays["qn"] >= 0)[frame.symbols == "P"].all() for frame in read_frames(tmp_path / "a" / md.FINAL)
    )
    with pytest.raises(Stopped):
        md.run(attempt(task, tmp_path / "b", polls=5))
    md.run(attempt(task, tmp_path / "c", previous=tmp_path / "b"))
    for ours, theirs in zip(*(read_frames(tmp_path / name / md.TRAJECTORY) for name in "ca"), strict=True):
        assert ours.info["step"] == theirs.info["step"]
        assert np.abs(ours.positions - theirs.positions).max() < 1e-7
    ours, theirs = (json.loads((tmp_path / name / md.THERMO).read_text()) for name in "ca")
    assert ours["conserved_energy_eV_per_atom"] == pytest.approx(theirs["conserved_energy_eV_per_atom"], abs=1e-8)
