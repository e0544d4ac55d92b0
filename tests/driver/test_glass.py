"""Stage glass: plan, a real melt-quench, its products, and going on after a stop."""

import json

import numpy as np
import pytest

from naglass_drv.dataset.frames import read_frames
from naglass_drv.errors import InputError, Stopped
from naglass_drv.glass import protocols
from naglass_drv.stages import glass
from naglass_drv.stages.base import Done
from support.attempts import attempt, study

SHORT = {"melt_ps": 1.0, "quench_rate_K_per_ps": 2000.0, "hold_ps": 0.5, "replicas": 2}


def test_plan(tmp_path):
    tasks = glass.plan(study(tmp_path, glass=SHORT))
    assert [task.name for task in tasks] == ["g0", "g1"]
    assert tasks[0].tools == ("lammps",)
    first, second = (task.settings for task in tasks)
    assert first["ions"] == [["Na", 1, 4], ["V", 4, 2], ["P", 5, 4], ["O", -2, 16]]
    assert first["seed"] != second["seed"]
    assert {k for k in first if first[k] != second[k]} == {"seed", "replica"}
    other = glass.plan(study(tmp_path, glass=SHORT, seed=2))[0].settings
    assert other["seed"] not in (first["seed"], second["seed"])


def test_plan_refuses_ions_without_parameters(tmp_path):
    system = {"composition": {"Na": 2, "Mo6+": 1, "O": 4}, "density_g_cm3": 3.0}
    with pytest.raises(InputError, match="no Pedone parameters for Mo6"):
        glass.plan(study(tmp_path, glass={}, system=system))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glass")
    run = study(folder, glass=SHORT)
    tasks = glass.plan(run)
    notes = []
    summary = glass.run(attempt(tasks[0], folder / "a", notes=notes))
    return run, tasks[0], summary, notes


def test_a_glass(whole):
    run, task, summary, notes = whole
    glass.collect(run, [Done(task, run.folder / "a", summary)])
    products = run.products / "glass"
    assert sorted(path.name for path in products.iterdir()) == [
        "g0-made.json", "g0-melt.extxyz", "g0-quench.json", "g0.extxyz",
    ]  # fmt: skip
    (atoms,) = read_frames(products / "g0.extxyz")
    assert atoms.get_chemical_formula("hill") == "Na4O16P4V2"
    labels, counts = np.unique(atoms.get_array("ion"), return_counts=True)
    assert dict(zip(labels, counts)) == {"Na+": 4, "V4+": 2, "P5+": 4, "O2-": 16}
    assert all(label.startswith(symbol) for label, symbol in zip(atoms.get_array("ion"), atoms.symbols))
    assert atoms.info["group"] == f"Na4V2P4O16-{task.settings['seed']}" and atoms.info["name"] == "g0"
    assert (atoms.info["charge"], atoms.info["multiplicity"]) == (0, 3)
    assert atoms.info["density_g_cm3"] == pytest.approx(2.75, rel=1e-9)
    # a phosphate: every P has its oxygens, and none is closer than a strong P=O bond
    assert 3.5 <= summary["coordination_by_O"]["P"] <= 4.5
    assert sum(summary["atoms_by_coordination"]["V"].values()) == 2
    mean = sum(int(n) * count for n, count in summary["atoms_by_coordination"]["P"].items()) / 4
    assert mean == summary["coordination_by_O"]["P"]
    assert 1.35 < summary["shortest_distance_A"] < 1.60
    assert summary["simulated_ps"] == pytest.approx(1.0 + 1.0 + 1.35 + 0.5)
    assert notes[-1][:3] == (pytest.approx(3.85), pytest.approx(3.85), "ps")
    assert [note[3] for note in notes if note[3] == "quench"]


def test_melt_frames_cool(whole):
    run, task, *_ = whole
    frames = read_frames(run.folder / "a" / glass.MELT)
    assert 6 <= len(frames) <= 10
    temperatures = [frame.info["temperature_K"] for frame in frames]
    assert temperatures[0] > 1800 and temperatures[-1] < 900
    times = [frame.info["time_ps"] for frame in frames]
    assert times == sorted(times) and times[0] < 1.0 < times[-1]
    assert {frame.info["group"] for frame in frames} == {f"Na4V2P4O16-{task.settings['seed']}"}


def test_the_course_of_the_quench_is_kept(whole):
    run, *_ = whole
    series = json.loads((run.folder / "a" / glass.QUENCH).read_text())
    lengths = {len(values) for values in series.values()}
    time, temperature = (np.array(series[key]) for key in ("time_ps", "temperature_K"))
    assert lengths == {len(time)} and time[-1] == pytest.approx(3.8) and (np.diff(time) > 0).all()
    # soft and melt at 3000 K, then the ramp, then the hold at 300 K: 26 atoms fluctuate by a seventh
    assert temperature[(time > 1.2) & (time < 2.0)].mean() == pytest.approx(3000, rel=0.25)
    assert temperature[time > 3.5].mean() == pytest.approx(300, rel=0.4)
    energy = np.array(series["potential_energy_eV_per_atom"])
    assert energy[-1] < energy[(time > 1.2) & (time < 2.0)].mean() - 0.2
    assert set(series["volume_A3"]) == {series["volume_A3"][0]} and np.ptp(series["pressure_bar"]) > 0


def test_stop_and_resume_gives_the_same_glass(whole, tmp_path, monkeypatch):
    _run, task, *_ = whole
    monkeypatch.setattr(protocols, "CHECKPOINT_STEPS", 500)
    unbroken = glass.run(attempt(task, tmp_path / "unbroken"))
    with pytest.raises(Stopped):
        glass.run(attempt(task, tmp_path / "a", polls=9))
    resumed = glass.run(attempt(task, tmp_path / "b", previous=tmp_path / "a"))
    for name in (glass.GLASS, glass.MELT, glass.QUENCH, glass.MADE):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()
    assert {k: v for k, v in resumed.items() if k != "steps_per_s"} == {
        k: v for k, v in unbroken.items() if k != "steps_per_s"
    }
    assert not (tmp_path / "b" / "segments").exists()


def test_killed_between_result_and_record(whole, tmp_path):
    """An attempt that had written everything is taken over as it is, not run again."""
    run, task, summary, _ = whole
    again = glass.run(attempt(task, tmp_path / "b", previous=run.folder / "a", polls=0))
    assert again == summary
    assert (tmp_path / "b" / glass.GLASS).read_bytes() == (run.folder / "a" / glass.GLASS).read_bytes()


def test_collect_drops_replicas_no_longer_asked_for(whole):
    run, task, summary, _ = whole
    stale = [run.products / "glass" / name for name in ("g7.extxyz", "g7-quench.json")]
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    glass.collect(run, [Done(task, run.folder / "a", summary)])
    assert not any(path.exists() for path in stale) and (run.products / "glass" / "g0.extxyz").exists()
