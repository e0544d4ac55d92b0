"""Named protocols of the stage glass: values, when a melt has forgotten its start, what is said of a glass."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from naglass_drv.chemistry import ions as chemistry
from naglass_drv.chemistry import potentials
from naglass_drv.config.load import load
from naglass_drv.config.schema import Glass, Input
from naglass_drv.config.validation import valid_sections
from naglass_drv.dataset.frames import read_frames
from naglass_drv.engines.lammps.segments import read_script
from naglass_drv.errors import InputError, Stopped
from naglass_drv.glass import protocols
from naglass_drv.paths import data_file
from naglass_drv.products import Quantity
from naglass_drv.stages import glass, glass_quench
from support.attempts import attempt, study
from support.jobs import naglass

METAPHOSPHATE = {"composition": {"Na": 1, "P": 1, "O": 3}, "formula_units": 20, "density_g_cm3": 2.49}
START_MODEL = Path(__file__).parents[2] / "examples" / "quickstart" / "start" / "model.mace"
# hot enough to forget a packing within picoseconds
HOT = {"protocol": "nvt-100", "melt_temperature_K": 6000, "melt_ps": 1, "quench_rate_K_per_ps": 5000, "hold_ps": 1}


def made(folder: Path) -> dict:
    return json.loads((folder / glass.MADE).read_text())


def rows(folder: Path) -> dict[str, Quantity]:
    return {row["key"]: Quantity(**row) for row in made(folder)["quantities"]}


def test_a_protocol_gives_what_the_input_does_not():
    (known,) = (each for each in get_args(Glass.model_fields["protocol"].annotation) if each is not type(None))
    assert get_args(known) == tuple(protocols.PROTOCOLS)
    fast = Glass(protocol="npt-10", hold_ps=3.0)
    assert (fast.quench_rate_K_per_ps, fast.melt_temperature_K, fast.hold_ps) == (10.0, 3000.0, 3.0)
    assert protocols.of(fast).free_below_K == 1500.0
    assert Glass(model=Path("a.mace")).protocol == "two-step"
    assert Glass(model=Path("a.mace")).melt_temperature_K < 2500
    usual = Glass()
    assert all(getattr(usual, key) == getattr(Glass(protocol="nvt-100"), key) for key in protocols._KEYS[:-1])
    assert (usual.protocol, protocols.longest_melt_ps(usual), protocols.longest_melt_ps(fast)) == (None, 10.0, 100.0)
    # a melt of 100 ps at most, 2700 K at 10 K/ps, and the hold
    assert protocols.longest_ps(fast) == pytest.approx(100 + 270 + 3)


def test_rules_see_the_values_of_the_protocol():
    sections = valid_sections({"glass": {"protocol": "npt-10", "hold_ps": "long"}}, Input)
    assert sections.glass.quench_rate_K_per_ps == 10.0 and sections.glass.known("hold_ps") is None


def test_without_a_protocol_nothing_changes(tmp_path):
    (task,) = glass.plan(study(tmp_path, glass={"melt_ps": 4, "quench_rate_K_per_ps": 100, "hold_ps": 1}))
    assert set(task.settings) == {
        "ions", "density_g_cm3", "potential", "replica", "seed", "melt_temperature_K", "melt_ps",
        "quench_rate_K_per_ps", "final_temperature_K", "hold_ps", "timestep_fs",
    }  # fmt: skip
    assert task.tools == ("lammps",) and not task.inputs


def test_two_steps_are_planned(tmp_path):
    (tmp_path / "start.mace").write_bytes(START_MODEL.read_bytes())
    (task,) = glass.plan(study(tmp_path, glass={"model": "start.mace", "hold_ps": 1}))
    assert (task.inputs["model"].name, task.tools) == ("start.mace", ("lammps", "mace"))
    assert task.settings["protocol"] == "two-step v1" and task.settings["potential"][1] == "pair_style mace"
    assert task.settings["potential"][2] == "pair_coeff * * ${mace} Na V P O"
    first, own = task.settings["first"], glass.Settings(**task.settings)
    assert first["potential"][0].startswith("pair_style hybrid/overlay coul/dsf")
    before = own.before()
    assert (before.melt_temperature_K, before.hold_ps, own.melt_temperature_K, own.hold_ps) == (3000, 10, 2400, 1)
    assert (before.first, before.model, before.seed, before.soft_steps, own.soft_steps) == (
        None, None, own.seed, 1000, 0,
    )  # fmt: skip


def test_ions_without_parameters_are_made_by_a_model_alone(tmp_path):
    (tmp_path / "start.mace").write_bytes(START_MODEL.read_bytes())
    system = {"composition": {"Na": 4, "V2+": 4, "P": 4, "O": 16}, "density_g_cm3": 2.75}
    with pytest.raises(
        InputError, match=r"no Pedone parameters for V2\+; .* name a MACE model of these elements as gl"
    ):
        glass.plan(study(tmp_path, glass={}, system=system))
    (task,) = glass.plan(study(tmp_path, glass={"model": "start.mace", "protocol": "npt-10"}, system=system))
    assert "first" not in task.settings
    system["composition"] = {"Na": 2, "Mo6+": 1, "O": 4}
    with pytest.raises(InputError, match=r"start.mace does not cover Mo; it covers"):
        glass.plan(study(tmp_path, glass={"model": "start.mace", "protocol": "npt-10"}, system=system))


def test_faults_of_an_input(tmp_path):
    path = tmp_path / "input.yaml"
    text = "name: a\nsystem:\n  composition: {Na: 1, P: 1, O: 3}\n  density_g_cm3: 2.5\nglass: {protocol: two-step}\n"
    path.write_text(text)
    with pytest.raises(InputError, match="5: glass.protocol: 'two-step' melts the glass again with a MACE model"):
        load(path)
    path.write_text(text.replace("two-step}", "two-step, model: none.mace}"))
    with pytest.raises(InputError, match="5: glass.model: 'none.mace': no such file"):
        load(path)
    (tmp_path / "start.mace").write_bytes(START_MODEL.read_bytes())
    path.write_text(text.replace("Na: 1", "Li: 1").replace("two-step}", "npt-10, model: start.mace}"))
    done = naglass("validate", "input.yaml", cwd=tmp_path)
    assert "input.yaml:5: glass.model: 'start.mace': does not cover Li; it covers" in done.stderr
    path.write_text(text.replace("two-step}", "npt-7}"))
    with pytest.raises(InputError, match=r"5: glass.protocol: must be 'nvt-100', 'nvt-10'"):
        load(path)


def test_a_quench_in_steps(tmp_path):
    script = read_script(data_file("lammps_inputs", glass_quench.SCRIPT))
    (task,) = glass.plan(study(tmp_path, glass={"protocol": "nvt-steps", "melt_temperature_K": 1050}))
    settings = replace(glass.Settings(**task.settings), free_below_K=500.0)
    phases = glass_quench.in_steps(script, settings).phases
    fixes = [phase.before[0] for phase in phases[2:-1]]
    temperatures = [float(fix.split()[5]) for fix in fixes]
    assert temperatures == [950, 850, 750, 650, 550, 450, 350, 300]
    assert [phase.name for phase in phases] == ["soft", "melt", *["quench"] * 5, *["release"] * 3, "hold"]
    # at 10 K/ps and 1 fs
    assert [phase.steps for phase in phases[2:-1]] == [*["10000"] * 7, "5000"]
    assert len({fix.split()[1] for fix in fixes}) == len(fixes) and "npt" in fixes[-1] and "iso 0.0" in fixes[-1]


@pytest.mark.slow
def test_a_bad_quench_is_called_one(tmp_path):
    """NaPO3 has nothing but Q2: at 1000 K/ps the rigid-ion potential makes everything else."""
    short = {"melt_ps": 2, "quench_rate_K_per_ps": 1000, "hold_ps": 2}
    (task,) = glass.plan(study(tmp_path, glass=short, system=METAPHOSPHATE))
    summary = glass.run(attempt(task, tmp_path / "a"))
    told = [flag["text"] for flag in summary["flags"]]
    (nmr,) = (text for text in told if "NMR" in text)
    assert nmr.startswith("Q") and nmr.endswith("where NMR finds Q² 100 % in 50 Na₂O · 50 P₂O₅ (mol %)")
    (remembered,) = (flag["text"] for flag in summary["flags"] if flag["topic"] == "Melt remembers its start")
    assert remembered.startswith("after 1.9 ps the MSD of P is") and "% of P–O bonds are exchanged" in remembered
    found = rows(tmp_path / "a")
    assert found["glass.g0.pressure"].unit == "GPa" and found["glass.g0.pressure"].error > 0
    assert sum(row.value for key, row in found.items() if key.startswith("glass.g0.Q")) == pytest.approx(1)
    assert found["glass.g0.NMR.Q2"].value == 1.0 and "StatMechGlass" in found["glass.g0.NMR.Q2"].note
    curve = made(tmp_path / "a")["curve"]
    assert curve["temperature_K"][0] > 2000 > 800 > curve["temperature_K"][-1]
    assert curve["potential_energy_eV_per_atom"][0] > curve["potential_energy_eV_per_atom"][-1] + 0.2
    assert len({len(values) for values in curve.values()}) == 1 and "density_g_cm3" not in curve


@pytest.mark.slow
def test_a_melt_ends_when_it_has_forgotten_its_start(tmp_path, monkeypatch):
    """And a run that is stopped in the middle of it ends it at the same step."""
    monkeypatch.setattr(protocols, "CHECKPOINT_STEPS", 500)
    (task,) = glass.plan(study(tmp_path, glass=HOT))
    whole = glass.run(attempt(task, tmp_path / "a"))
    melt = whole["melt"]
    assert melt["lost"] and melt["msd_A2"] > melt["needed_msd_A2"] and min(melt["renewed"].values()) > 0.63
    assert 1.0 <= whole["melted_ps"] < 10.0 and whole["melted_ps"] % 0.5 == pytest.approx(0)
    assert whole["simulated_ps"] == pytest.approx(1 + whole["melted_ps"] + 5700 / 5000 + 1)
    assert "Melt remembers its start" not in {flag["topic"] for flag in whole["flags"]}
    with pytest.raises(Stopped):
        glass.run(attempt(task, tmp_path / "b", polls=12))
    glass.run(attempt(task, tmp_path / "c", previous=tmp_path / "b"))
    for name in (glass.GLASS, glass.QUENCH, glass.MADE):
        assert (tmp_path / "c" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_the_volume_is_free_in_the_end(tmp_path):
    (task,) = glass.plan(study(tmp_path, glass=HOT | {"protocol": "npt-100", "melt_temperature_K": 3000}))
    settings = replace(glass.Settings(**task.settings), longest_melt_ps=None, melt_ps=0.5)
    glass.run(attempt(replace(task, settings=glass.dumped(settings)), tmp_path / "a"))
    series = json.loads((tmp_path / "a" / glass.QUENCH).read_text())
    volume, phase = np.array(series["volume_A3"]), np.array(series["phase"])
    fixed = np.isin(phase, ["soft", "melt", "quench"])
    assert np.ptp(volume[fixed]) < 1e-6 < 1 < np.ptp(volume[phase == "hold"])
    assert list(dict.fromkeys(phase)) == ["soft", "melt", "quench", "release", "hold"]
    assert np.array(series["temperature_K"])[phase == "quench"].mean() > 1500
    density = rows(tmp_path / "a")["glass.g0.density"]
    (atoms,) = read_frames(tmp_path / "a" / glass.GLASS)
    held = atoms.info["density_g_cm3"] * atoms.cell.volume / volume[phase == "hold"]
    assert held.min() < density.value < held.max() and density.error > 0
    assert "glass.g0.pressure" not in rows(tmp_path / "a")


@pytest.fixture
def two_steps(tmp_path, monkeypatch):
    """A task of two short steps, in which a classical potential takes the place of the model."""
    shortest = protocols.Protocol(1, 3000, 0.3, 10_000, 300, 0.3)
    monkeypatch.setitem(protocols.PROTOCOLS, "nvt-100", shortest)
    monkeypatch.setattr(protocols, "CHECKPOINT_STEPS", 200)
    monkeypatch.setattr(protocols, "PATIENCE", 1)
    (tmp_path / "start.mace").write_bytes(START_MODEL.read_bytes())
    short = {"model": "start.mace", "melt_ps": 0.5, "quench_rate_K_per_ps": 5000, "hold_ps": 0.5}
    (task,) = glass.plan(study(tmp_path, glass=short))
    return task


def test_a_glass_is_melted_again(two_steps, tmp_path):
    ions = chemistry.species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
    settings = {**two_steps.settings, "potential": potentials.commands(ions)}
    task = replace(two_steps, settings=settings, inputs={})
    notes = []
    whole = glass.run(attempt(task, tmp_path / "a", notes=notes))
    second = next(number for number, note in enumerate(notes) if number and note[0] < notes[number - 1][0])
    assert whole["potential"] == "rigid-ion potential, melted again with MACE model start.mace"
    assert whole["simulated_ps"] == pytest.approx(0.5 + 2100 / 5000 + 0.5)
    for number, polls in enumerate((second // 2, (second + len(notes)) // 2)):
        # within the first glass, and within the second
        with pytest.raises(Stopped):
            glass.run(attempt(task, tmp_path / f"b{number}", polls=polls))
        again = tmp_path / f"c{number}"
        glass.run(attempt(task, again, previous=tmp_path / f"b{number}"))
        assert (again / glass.GLASS).read_bytes() == (tmp_path / "a" / glass.GLASS).read_bytes()
    assert not (tmp_path / "b1" / "first" / "segments").exists() and (tmp_path / "b0" / "first" / "segments").exists()


@pytest.mark.long
def test_with_the_starting_model(two_steps, tmp_path):
    """The real pair style: a phosphate stays one when the model melts it again."""
    shorter = two_steps.settings | {"longest_melt_ps": 0.1, "quench_rate_K_per_ps": 20_000, "hold_ps": 0.1}
    summary = glass.run(attempt(replace(two_steps, settings=shorter), tmp_path / "a"))
    assert 3.5 <= summary["coordination_by_O"]["P"] <= 4.5 and 1.3 < summary["shortest_distance_A"] < 1.7


@pytest.mark.long
def test_with_the_starting_model_alone(two_steps, tmp_path):
    """From a packing."""
    settings = {key: value for key, value in two_steps.settings.items() if key != "first"}
    alone = glass.run(attempt(replace(two_steps, settings=settings), tmp_path / "b"))
    assert alone["potential"] == "MACE model start.mace" and alone["shortest_distance_A"] > 1.2
    (atoms,) = read_frames(tmp_path / "b" / glass.GLASS)
    assert list(dict.fromkeys(atoms.get_array("ion"))) == ["Na+", "V4+", "P5+", "O2-"]
