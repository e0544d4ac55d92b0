"""The gates of a screening on potentials whose faults are planted, and what is made of several outcomes."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

import support.simple_calculators as simple
from naglass_drv.analysis.asked import relaxed
from naglass_drv.analysis.gates import GATES, leader, not_dominated, wilson
from naglass_drv.analysis.mobility import activation
from naglass_drv.analysis.moduli import moduli
from naglass_drv.analysis.phonons import phonons
from naglass_drv.analysis.quenching import Quench, repeated
from naglass_drv.analysis.stretches import bonds, stretches
from naglass_drv.analysis.volumes import volume_curve
from naglass_drv.dataset.held_out import held_out
from naglass_drv.errors import InputError, SetupError, TaskFailed
from naglass_drv.report.potentials import potentials
from naglass_drv.stages.gates import screened, spread
from naglass_drv.stages.gates_glass import glasses
from naglass_drv.stages.gates_motion import motion
from naglass_drv.stages.screening import PRESETS, Material, Preset, Session
from support.mace_models import packing
from support.simple_calculators import dimer, evaluated


def test_bonds_of_a_crystal_by_their_kind():
    found = bonds(dimer())
    assert set(found) == {"P-O", "P-O-P"} and found["P-O-P"][1] == 2
    vanadyl = Atoms("VO", positions=[[0, 0, 0], [8.4, 0, 0]], cell=[10.0] * 3, pbc=True)
    (center, oxygen, vector) = bonds(vanadyl)["V=O"]
    assert (center, oxygen) == (0, 1) and vector == pytest.approx([-1.6, 0, 0])


@pytest.mark.parametrize(("fault", "minima", "kinked"), [("Morse", 1, False), ("Hole", 2, True), ("Kink", 1, True)])
def test_a_stretched_bond_shows_a_hole_and_a_kink(fault, minima, kinked):
    by_kind = {each.bond: each for each in stretches(evaluated(getattr(simple, fault)()), dimer())}
    found = by_kind["P-O"]
    assert found.minima == minima and (found.kink_eV_per_A2 > 0.5) == kinked
    assert found.sound == (fault == "Morse") and found.energy_eV.min() == 0


def test_energy_against_volume_gives_the_volume_and_the_modulus():
    """Argon by Lennard-Jones: a0 = 1.5495 sigma with this range, and B by strains of our own."""
    argon = Atoms("Ar4", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
                  cell=[5.2] * 3, pbc=True)  # fmt: skip
    evaluate = evaluated(LennardJones(sigma=3.4, epsilon=0.0104, rc=14.0, smooth=False))
    found = volume_curve(evaluate, argon, np.linspace(0.94, 1.12, 11))
    best = argon.copy()
    best.set_cell(argon.cell.array * found.volume ** (1 / 3), scale_atoms=True)

    def pressure(factor: float) -> float:
        strained = best.copy()
        strained.set_cell(best.cell.array * factor ** (1 / 3), scale_atoms=True)
        return -evaluate(strained).stress[:3].mean() / 0.0062415

    assert pressure(1.0) == pytest.approx(0, abs=2e-3)
    assert found.bulk_GPa == pytest.approx((pressure(0.999) - pressure(1.001)) / 0.002, rel=0.02)
    assert found.volume_err < 1e-3 and found.residual_meV_per_atom < 0.1
    outside = volume_curve(evaluate, argon, np.linspace(0.7, 0.9, 7))
    assert outside.volume is None and outside.bulk_GPa is None


def test_relaxation_ends_at_the_minimum():
    moved = dimer()
    moved.rattle(0.05, seed=2)
    evaluate = evaluated(simple.Morse())
    found, converged = relaxed(evaluate, moved, steps=500)
    assert converged and np.abs(evaluate(found).forces).max() < 0.02 and found.calc is None


def session(calculator):
    """A session whose worker is `calculator` in this process; not finite values fail as they do in a worker."""

    class Here:
        facts: ClassVar[dict] = {}

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def evaluate(self, atoms):
            found = evaluated(calculator)(atoms)
            if not np.isfinite(found.forces).all():
                raise TaskFailed("NOT_FINITE", "forces are not finite")
            return found

    return Session(Here)


def material() -> Material:
    """Labels are those of the sound potential."""
    frames = []
    for k in range(3):
        frame = dimer()
        frame.rattle(0.05, seed=k)
        found = evaluated(simple.Morse())(frame)
        frame.info["REF_energy"], frame.arrays["REF_forces"] = found.energy, found.forces
        frames.append(frame)
    crystal, _ = relaxed(evaluated(simple.Morse()), dimer(), steps=300)
    return Material(frames, {"dimer": crystal}, dimer().repeat((2, 1, 1)))


def outcomes(fault: str) -> dict:
    with session(getattr(simple, fault)()) as opened:
        return screened(opened, material(), PRESETS["small"], seed=1)


def test_a_sound_potential_passes():
    found = outcomes("Morse")
    assert list(found) == list(GATES)
    assert {gate: one["state"] for gate, one in found.items()} == {
        "G0": "passed", "G1": "passed", "G2": "passed", "G3": "reported", "G4-EV": "reported", "G4-cell": "not run",
        "G4-phonons": "not run", "G5": "passed", "G6": "not run", "G7": "not run", "G8": "not run",
    }  # fmt: skip
    assert found["G3"]["forces_slope"] == pytest.approx(1.0)
    assert found["G6"]["forecast_s"] > found["G4-cell"]["forecast_s"] > 0, "what is not run has its cost"


def test_the_forecast_of_dynamics_in_lammps_is_by_its_steps_and_not_by_its_starts(monkeypatch):
    """On a clock that ticks a second for another structure than the last one, and a millisecond for a step of it."""
    clock, last = [0.0], [""]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    class Ticking(simple.Morse):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            now = str(atoms.symbols)
            clock[0] += 1e-3 if now == last[0] else 1.0
            last[0] = now
            super().calculate(atoms, properties, system_changes)

    given, found = material(), {}
    given = replace(given, frames=[given.frames[0], given.frames[1].repeat((2, 1, 1)), given.frames[2]])
    for frame in given.frames:
        truth = evaluated(simple.Morse())(frame)
        frame.info["REF_energy"], frame.arrays["REF_forces"] = truth.energy, truth.forces
    for by_lammps in (True, False):
        with session(Ticking()) as opened:
            opened.by_lammps = by_lammps
            found[by_lammps] = screened(opened, given, PRESETS["small"], seed=1)
    atoms = len(repeated(given.start, 300))
    # of six evaluations, this calculator remembers the first
    step_ms = found[True]["G3"]["step_ms_per_atom"]
    assert step_ms == pytest.approx(5 / 6 / atoms)
    steps = 3 * 300 * len(Quench().targets_K())
    assert found[True]["G6"]["forecast_s"] == pytest.approx(1e-3 * step_ms * steps)
    assert found[False]["G6"]["forecast_s"] > 100 * found[True]["G6"]["forecast_s"]
    assert "step_ms_per_atom" not in found[False]["G3"]


@pytest.mark.parametrize(
    ("fault", "gate", "state"),
    [
        ("Hole", "G1", "failed"),
        ("Hole", "G2", "failed"),
        ("Kink", "G2", "failed"),
        ("Explodes", "G5", "failed"),
        ("Twists", "G5", "failed"),
        ("Collapses", "G5", "failed"),
    ],
)
def test_planted_faults_are_found(fault, gate, state):
    assert outcomes(fault)[gate]["state"] == state


def test_a_strained_start_does_not_heat_itself():
    """What a strained cell gives off is no fault of the potential."""
    strained = dimer()
    strained.rattle(0.25, seed=3)
    with session(simple.Morse()) as opened:
        found = motion(opened, replace(material(), start=strained), PRESETS["small"], 1)
    assert found["state"] == "passed", found["text"]


def test_the_gate_of_motion_tells_which_part_failed():
    sound, twists, dense = (outcomes(name)["G5"] for name in ("Morse", "Twists", "Collapses"))
    assert sound["conserved"]["kept"] is not False and sound["compression"]["density"] == pytest.approx(1.05)
    assert sound["conserved"]["ps"] == pytest.approx(0.1) and len(sound["conserved"]["energy_meV_per_atom"]) == 100
    assert twists["conserved"]["kept"] is False and "NVE at 600 K" in twists["text"]
    assert dense["conserved"]["kept"] is not False and not dense["ended"]
    assert dense["compression"]["ended"] or dense["compression"]["closest_A"] < dense["compression"]["limit_A"]


def test_forces_that_depend_on_how_they_are_evaluated_fail_and_a_way_that_is_not_there_is_told():
    def refuses():
        raise TaskFailed("WORKER_FAILED", "lammps: pair style tersoff requires newton pair on")

    known = {gate: {"state": "reported"} for gate in GATES if gate != "G0"}
    with session(simple.Morse()) as opened:
        opened.variants = {"newton_off": refuses, "two_ranks": session(simple.Morse()).open}
        found = screened(opened, material(), PRESETS["small"], seed=1, known=known)["G0"]
        assert found["state"] == "passed" and found["two_ranks_eV_per_A"] == 0
        assert "not compared with newton off: lammps: pair style tersoff requires newton pair on" in found["text"]
        opened.variants = {"two_ranks": session(simple.Soft()).open}
        found = screened(opened, material(), PRESETS["small"], seed=1, known=known)["G0"]
    assert found["state"] == "failed" and "of a force two ranks" in found["text"]


def test_a_soft_potential_shows_a_slope_below_one():
    assert outcomes("Soft")["G3"]["forces_slope"] == pytest.approx(0.8)


def test_a_failure_is_the_outcome_of_its_gate_and_the_others_go_on():
    simple.NaNWhenHot.first.clear()
    found = outcomes("NaNWhenHot")
    assert (found["G5"]["state"], found["G5"]["failure"]) == ("failure", "NOT_FINITE")
    assert "NVE at 600 K" in found["G5"]["text"] and "of 50" in found["G5"]["text"]
    assert found["G2"]["state"] == "passed" and found["G3"]["state"] == "reported"


def test_a_potential_that_cannot_be_opened_fails_every_gate_at_once():
    def fails():
        tried.append(1)
        raise TaskFailed("WORKER_STARTED_NOT", "no such interpreter")

    tried: list[int] = []
    with Session(fails) as opened:
        found = screened(opened, material(), PRESETS["small"], seed=1)
    assert found["G0"]["failure"] == found["G5"]["failure"] == "WORKER_STARTED_NOT" and len(tried) == 1


@pytest.mark.parametrize("kind", [InputError, SetupError])
def test_what_cannot_be_opened_is_an_outcome_whatever_the_reason(kind):
    def fails():
        raise kind("the model has several heads")

    with Session(fails) as opened:
        found = screened(opened, material(), PRESETS["small"], seed=1)
    assert found["G3"] | {"seconds": 0} == {
        "state": "failure", "failure": "NOT_OPENED", "text": "the model has several heads", "seconds": 0,
    }  # fmt: skip


def test_gates_that_are_known_are_not_run_again():
    kept: list[str] = []
    with session(simple.Morse()) as opened:
        first = screened(opened, material(), PRESETS["small"], seed=1)
        known = {gate: first[gate] for gate in ("G0", "G1", "G2", "G3", "G5")}
        again = screened(
            opened, material(), PRESETS["small"], seed=1, known=known, keep=lambda gate, one: kept.append(gate)
        )
    assert kept == [gate for gate in GATES if gate not in known]
    assert again["G5"] is first["G5"] and again["G4-EV"]["crystals"] == first["G4-EV"]["crystals"]


def test_frames_of_the_training_groups_are_never_counted():
    frames = [packing(26, 14.0, seed=k) for k in range(4)]
    for frame, group in zip(frames, "aabc"):
        frame.info["group"] = group
    again = frames[3].copy()
    again.info["group"] = "other"
    assert held_out(frames, [frames[0]]) == frames[2:]
    assert held_out(frames, [again]) == frames[:3], "the same structure under another name"


def test_zero_counts_have_an_upper_bound():
    assert wilson(0, 30) == (0.0, pytest.approx(0.1135, abs=1e-4))
    assert wilson(3, 10) == (pytest.approx(0.1078, abs=1e-4), pytest.approx(0.6032, abs=1e-4))
    assert wilson(5, 5)[1] == 1.0 and wilson(0, 0) == (0.0, 1.0)


def test_no_winner_where_intervals_overlap():
    assert leader({"a": (1.0, 2.0), "b": (2.1, 3.0), "c": (4.0, 5.0)}) == "a"
    assert leader({"a": (1.0, 2.2), "b": (2.1, 3.0)}) is None and leader({"a": (1.0, 2.0)}) is None
    assert not_dominated({"a": [1, 3], "b": [2, 2], "c": [3, 3], "d": [1, 3]}) == ["a", "b", "d"]


def test_frames_are_spread_over_a_long_file():
    frames = [Atoms("H", info={"k": k}) for k in range(100)]
    chosen = [frame.info["k"] for frame in spread(frames, 4)]
    assert chosen == [0, 33, 66, 99] and len(spread(frames, None)) == 100


def quick(**more) -> Preset:
    """The production preset in a few steps."""
    return replace(PRESETS["small"], cell_steps=200, relax_steps=50, phonons=True, replicas=2, glass_atoms=20,
                   quench=Quench(1500.0, 0.05, 20_000.0, 300.0, 0.02, 1400.0), transport_K=(800.0, 1000.0),
                   transport_ps=0.4, **more)  # fmt: skip


def test_the_gates_of_the_production_preset():
    pytest.importorskip("phonopy")
    with session(simple.Morse()) as opened:
        found = screened(opened, material(), quick(), seed=1)
    crystal = found["G4-cell"]["crystals"]["dimer"]
    assert crystal["converged"] and np.array(crystal["stiffness_GPa"]).shape == (6, 6)
    assert crystal["families"] == crystal["families_given"] == {}
    assert len(found["G4-phonons"]["crystals"]["dimer"]["gamma_THz"]) == 33
    glass = found["G6"]
    assert glass["P_of"] == 8 and glass["bad_of"] == 44 and glass["artifacts_interval"][1] > 0
    assert glass["density_g_cm3"] > 0 and sum(values[0] for values in glass["qn"].values()) == pytest.approx(1)
    structure = glass["structure"]
    assert len(structure["S"]["xray"]["mean"]) == len(structure["S"]["xray"]["err"]) > 40
    assert 0.8 < structure["first_peak"]["neutron"]["q_per_A"] < 2.6
    assert sum(structure["rings_per_former"]["mean"]) == 0, "two P and one bridge make no ring"
    assert glass["other_density"] is None and len(glass["densities_g_cm3"]) == 2
    moved = found["G7"]["temperatures"]
    assert list(moved) == ["800", "1000"] and moved["800"]["msd_A2"] > 0 and moved["800"]["D_m2_per_s"] is None
    assert found["G7"]["activation_eV"] is None and "no D" in found["G7"]["text"]
    assert shown(found)["screen.toy.glass.artifacts"].interval == glass["artifacts_interval"]


def shown(gates: dict) -> dict:
    """The numbers on the page of two potentials with these gates."""
    same = {"level": "-", "dispersion": None, "facts": {}, "labels": ["-"], "notes": [], "gates": gates,
            "made_labels": False}  # fmt: skip
    names = ("toy", "other")
    material = SimpleNamespace(
        input={"screen": {"potentials": names}}, names=lambda stage, kind: names,
        json=lambda role: json.loads(json.dumps(same | {"potential": role.split("/")[1]}, allow_nan=False)),
    )  # fmt: skip
    section = potentials(material)
    assert any("intervals of their shares overlap" in getattr(each, "text", "") for each in section.blocks)
    return {number.key: number for number in section.numbers}


def test_the_density_of_the_potential_with_or_without_dispersion():
    """The other potential attracts more, from the same melts; one that fails is named, and the gate goes on."""
    with session(simple.Morse()) as opened:
        opened.other = session(simple.Attracts())
        opened.other.label = "with D3(BJ) of PBE"
        preset, small = quick(), replace(material(), start=dimer())
        preset = replace(preset, glass_atoms=1, quench=Quench(300.0, 0.02, 1e5, 290.0, 0.06, 299.0))
        found = glasses(opened, small, preset, 1)
        other = found["other_density"]
        assert other["density_g_cm3"] > found["density_g_cm3"] and "with D3(BJ) of PBE" in found["text"]
        opened.other = session(simple.NaNWhenHot())
        simple.NaNWhenHot.first.clear()
        found = glasses(opened, replace(small, start=dimer().repeat((2, 1, 1))), preset, 1)
    assert "NOT_FINITE" in found["other_density"]["ended"] and found["density_g_cm3"] > 0


def test_moduli_of_copper_by_effective_medium_theory():
    """Central differences of the pressure give the same bulk modulus, and a cubic crystal has three moduli."""
    copper, _ = relaxed(evaluated(EMT()), bulk("Cu", cubic=True), steps=200, cell=True, max_force_eV_per_A=1e-4)
    found = moduli(evaluated(EMT()), copper, 0)
    c = found.stiffness_GPa
    assert found.stable and found.asymmetry_GPa < 0.1 and found.bulk_GPa_half_range < 0.01
    assert (c[0, 0], c[0, 1], c[3, 3]) == pytest.approx((c[1, 1], c[1, 2], c[5, 5]), rel=1e-6)
    assert (c[0, 0] + 2 * c[0, 1]) / 3 == pytest.approx(found.bulk_GPa, rel=1e-3)
    curve = volume_curve(evaluated(EMT()), copper, np.linspace(0.97, 1.03, 9))
    assert found.bulk_GPa == pytest.approx(curve.bulk_GPa, rel=0.02)


def test_phonons_of_copper():
    pytest.importorskip("phonopy")
    copper, _ = relaxed(evaluated(EMT()), bulk("Cu"), steps=200, cell=True, max_force_eV_per_A=1e-4)
    found = phonons(evaluated(EMT()), copper)
    assert found.stable and np.abs(found.gamma_THz).max() < 0.1 and found.supercells == 1
    stretched = copper.copy()
    stretched.set_cell(copper.cell.array * 1.15, scale_atoms=True)
    assert not phonons(evaluated(EMT()), stretched).stable


def test_activation_energy_of_an_arrhenius_law():
    found = {
        kelvin: {"D_m2_per_s": d, "D_m2_per_s_err": 0.1 * d}
        for kelvin in (800.0, 1000.0, 1200.0)
        for d in [1e-8 * np.exp(-0.5 / (8.617333262e-5 * kelvin))]
    }
    energy, (low, high) = activation(found)
    assert energy == pytest.approx(0.5) and low < 0.5 < high and high - low == pytest.approx(0.1139, rel=1e-3)
    assert activation({800.0: found[800.0]}) is None
