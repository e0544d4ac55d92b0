"""Trajectories and relaxations in parts: with a stand-in for CP2K that dies, hangs and tears, and with the real one."""

import itertools
import shutil
import signal

import ase.io
import numpy as np
import pytest

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import tree
from naglass_drv.engines.cp2k.failures import Refused
from naglass_drv.engines.cp2k.run import judge
from naglass_drv.engines.cp2k.run.aimd import AIMD
from naglass_drv.engines.cp2k.run.harvest import harvest
from naglass_drv.engines.cp2k.run.label import Program, Runner, input_text, label
from naglass_drv.engines.cp2k.run.relax import Relax
from naglass_drv.engines.cp2k.theory.levels import level
from naglass_drv.engines.cp2k.write import motion
from naglass_drv.engines.cp2k.write.motion import Piece
from naglass_drv.errors import Stopped
from naglass_drv.runtime.launch import run_child
from support import cp2k_stand_in
from support.structures import DATA

pytestmark = pytest.mark.cp2k

XTB = level("gfn1-xtb")
RECORDED = DATA / "cp2k" / "x_md"
HOLD = {"to_temperature_K": None, "rate_K_per_ps": None, "pressure_bar": None}
PLAN = motion.dynamics([HOLD | {"temperature_K": 600.0, "time_ps": 0.03}], 1.0, "csvr", 50.0, 5.0, 7)


def box():
    return ase.io.read(DATA / "structures" / "mol8s.extxyz")


def test_a_ramp_is_a_staircase_that_follows_it():
    segments = [
        HOLD | {"temperature_K": 3000.0, "time_ps": 1.0},
        HOLD | {"temperature_K": 3000.0, "to_temperature_K": 300.0, "time_ps": None, "rate_K_per_ps": 300.0},
        HOLD | {"temperature_K": 300.0, "time_ps": 0.5, "pressure_bar": 1.0},
    ]
    found = motion.pieces(segments, 0.5, 40)
    assert [piece.first for piece in found[1:]] == [piece.last for piece in found[:-1]]
    assert found[0] == Piece(0, 0, 2000, 3000.0, None) and found[-1] == Piece(2, 20000, 21000, 300.0, 1.0)
    assert all(piece.last % 40 == 0 for piece in found)
    ramp = found[1:-1]
    # 9 ps from 3000 to 300 K, each stair at the temperature of its middle
    assert len(ramp) == 54 and max(abs(a.temperature_K - b.temperature_K) for a, b in itertools.pairwise(ramp)) == 50.0
    middles = [3000.0 - 300.0 * ((piece.first + piece.last) / 2 - 2000) * 0.5e-3 for piece in ramp]
    assert max(abs(piece.temperature_K - middle) for piece, middle in zip(ramp, middles)) < 0.5 * 300.0 * 40 * 0.5e-3


class Lab:
    """Attempts at one trajectory, each in a folder of its own, by a stand-in with these rules."""

    def __init__(self, folder, *rules, plan=PLAN):
        self.folder, self.plan = folder, plan
        self.program = cp2k_stand_in.install(folder / "bin", *rules)
        self.count = 0
        self.course: AIMD | None = None

    def attempt(self, *, previous=None, child=run_child, **options):
        self.count += 1
        here = self.folder / f"attempt-{self.count}"
        here.mkdir()
        using = Program(self.program, load_site().cp2k_data)
        text = input_text(box(), XTB, using, 0, 2)
        self.course = AIMD(
            list(box().symbols), text, self.plan, here, Runner(using, child), previous=previous, **options
        )
        return self.course.run()

    def steps(self):
        return [frame.step for frame, _ in self.course.frames()[0]]

    def asked(self):
        """Steps that each call was asked for, and the one it started from."""
        found = []
        for call in cp2k_stand_in.calls(self.program):
            root = tree.parse(call["input"])
            found.append((root.at("MOTION/MD").values("STEPS")[0], bool(root.sections("EXT_RESTART"))))
        return found


def test_a_whole_trajectory(tmp_path):
    lab = Lab(tmp_path, {"dynamics": RECORDED})
    told = []
    assert lab.attempt(tell=told.append) is None
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30]
    # the first block alone, then the rest: CP2K's STEPS are additional ones
    assert lab.asked() == [("5", False), ("25", True)]
    assert told == sorted(told)


def test_death_in_the_middle_costs_no_frame_and_makes_none_twice(tmp_path):
    """Died at step 13 and then at 22: taken up at the restart files of steps 10 and 20."""
    lab = Lab(
        tmp_path,
        {"dynamics": RECORDED, "times": 1},
        {"dynamics": RECORDED, "cut": 13, "signal": signal.SIGKILL, "times": 1},
        {"dynamics": RECORDED, "cut": 22, "status": 139, "times": 1},
        {"dynamics": RECORDED},
    )
    assert lab.attempt() is None
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30]
    assert [steps for steps, _ in lab.asked()] == ["5", "25", "20", "10"]


@pytest.mark.parametrize("torn", [["-pos-1.xyz", "-1.restart"], ["-1.restart"]])
def test_torn_files_are_no_loss_but_the_last_block(tmp_path, torn):
    """Without the restart file of step 15 it goes on from 10; a frame of 15 that is whole counts once all the same."""
    lab = Lab(
        tmp_path,
        {"dynamics": RECORDED, "times": 1},
        {"dynamics": RECORDED, "cut": 15, "tear": torn, "signal": signal.SIGKILL, "times": 1},
        {"dynamics": RECORDED},
    )
    assert lab.attempt() is None
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30]
    assert [steps for steps, _ in lab.asked()] == ["5", "25", "20"]


def test_a_stopped_driver_is_resumed_by_the_next_attempt(tmp_path):
    slow = {"dynamics": RECORDED, "step_s": 0.1, "times": 1}
    lab = Lab(tmp_path, {"dynamics": RECORDED, "times": 1}, slow, {"dynamics": RECORDED})
    stop = []

    def child(argv, **options):
        status = run_child(argv, should_stop=lambda: bool(stop), **options)
        if status and stop:
            raise Stopped("asked to stop")
        return status

    with pytest.raises(Stopped):
        lab.attempt(child=child, tell=lambda step: stop.append(step) if step >= 12 else None)
    before = tmp_path / "attempt-1"
    assert lab.attempt(previous=before) is None
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30]
    resumed = int(lab.asked()[-1][0])
    assert resumed in (20, 15) and lab.asked()[-1][1]
    shutil.rmtree(before)
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30], "an attempt has all it needs in its own folder"


def test_a_failing_scf_climbs_from_the_last_restart_file(tmp_path):
    second = "MINIMIZER CG"
    lab = Lab(
        tmp_path,
        {"dynamics": RECORDED, "when": [second]},
        {"dynamics": RECORDED, "times": 1},
        {"dynamics": RECORDED, "cut": 12, "stops": True},
    )
    assert lab.attempt() is None
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30]
    assert [part.end for part in lab.course.taken] == ["", "SCF_NOT_CONVERGED", ""]
    assert all("NOTCONV_STOPALL TRUE" in call["input"] for call in cp2k_stand_in.calls(lab.program))


def test_with_no_rung_left_the_course_ends_with_what_it_has(tmp_path):
    lab = Lab(tmp_path, {"dynamics": RECORDED, "times": 1}, {"dynamics": RECORDED, "cut": 12, "stops": True})
    stopped = lab.attempt()
    assert stopped.failure == "SCF_NOT_CONVERGED" and "after step 10" in str(stopped)
    assert lab.steps() == [0, 5, 10]


def test_killed_twice_at_one_place_is_a_failure_that_can_be_taken_up(tmp_path):
    rule = {"dynamics": RECORDED, "cut": 8, "signal": signal.SIGKILL}
    lab = Lab(tmp_path, {"dynamics": RECORDED, "times": 1}, rule | {"times": 2}, {"dynamics": RECORDED})
    with pytest.raises(Refused, match="signal 9") as caught:
        lab.attempt()
    assert caught.value.failure == "KILLED" and lab.steps() == [0, 5]
    assert lab.attempt(previous=tmp_path / "attempt-1") is None
    assert lab.steps() == [0, 5, 10, 15, 20, 25, 30]


def test_no_step_for_too_long_ends_the_course(tmp_path):
    lab = Lab(tmp_path, {"dynamics": RECORDED, "times": 1}, {"dynamics": RECORDED, "cut": 12, "signal": "hang"})
    stopped = lab.attempt(patience_s=2.0)
    assert stopped.failure == "TIMEOUT" and lab.steps() == [0, 5, 10]


def test_a_cutoff_too_low_is_seen_after_the_first_block(tmp_path):
    lab = Lab(tmp_path, {"dynamics": DATA / "cp2k" / "ci_md"})
    stopped = lab.attempt(check=lambda frame: judge.check_cutoff(frame.evaluation, 0.05))
    assert stopped.failure == "CUTOFF_LOW" and len(lab.asked()) == 1


def test_an_input_that_cp2k_refuses_is_not_tried_again(tmp_path):
    lab = Lab(tmp_path, {"replay": DATA / "cp2k" / "e_mult.out", "status": 1})
    with pytest.raises(Refused, match="multiplicity"):
        lab.attempt()
    assert len(lab.asked()) == 1


def test_dynamics_change_nothing_of_the_level():
    """What a trajectory's input adds to a single point's, and leaves as it is."""
    using = Program(load_site().cp2k, load_site().cp2k_data)
    text = input_text(box(), level("pbe+u+d3", cutoff_Ry=400), using, 0, 2)
    pressed = HOLD | {"temperature_K": 600.0, "time_ps": 0.01, "pressure_bar": 5.0}
    barostat = motion.dynamics([pressed], 1.0, "nose", 80.0, 5.0, 7)
    single = tree.parse(text)
    for root in (motion.dynamics_input(text, barostat, 0, 10), motion.relaxation_input(text, RELAXATION, 5)):
        for side in (single, root):
            side.at("FORCE_EVAL/DFT").remove("SCF")
            for path in ("PRINT", "DFT/PRINT"):
                for section in side.sections(f"FORCE_EVAL/{path}"):
                    section.items = []
        assert str(root.at("FORCE_EVAL")) == str(single.at("FORCE_EVAL"))
    md = motion.dynamics_input(text, barostat, 0, 10).at("MOTION/MD")
    assert md.values("ENSEMBLE") == ["NPT_I"] and md.at("BAROSTAT").values("PRESSURE") == ["[bar] 5"]
    assert md.at("THERMOSTAT").values("TYPE") == ["NOSE"] and md.at("THERMOSTAT/NOSE").values("TIMECON") == ["80"]


RELAXATION = motion.Relaxation("cell", 8, 0.02, 1.0)


def relaxation(folder, plan, *rules, previous=None):
    using = Program(cp2k_stand_in.install(folder.parent / "bin", *rules), load_site().cp2k_data)
    folder.mkdir()
    course = Relax(
        box(),
        lambda atoms: input_text(atoms, XTB, using, 0, 2),
        plan,
        folder,
        Runner(using, run_child),
        previous=previous,
    )
    return course, course.run(), cp2k_stand_in.calls(using.executable)


def test_a_relaxation_goes_on_from_its_last_step(tmp_path):
    """The recorded run made four steps of a cell; it dies, and its second life starts from where they led."""
    recorded = {"replay": DATA / "cp2k" / "cell_opt"}
    course, stopped, calls = relaxation(
        tmp_path / "a", RELAXATION, recorded | {"cut": 0.999, "signal": signal.SIGKILL, "times": 1}, recorded
    )
    assert stopped is None and course.reached() == 8 and not course.completed()
    assert [tree.parse(call["input"]).at("MOTION/CELL_OPT").values("MAX_ITER") for call in calls] == [["8"], ["4"]]
    cell = tree.parse(calls[1]["input"]).at("FORCE_EVAL/SUBSYS/CELL")
    edges = [[float(x) for x in cell.values(axis)[0].split()] for axis in "ABC"]
    assert np.linalg.det(edges) == pytest.approx(390.7548153060, abs=1e-4)


def test_a_completed_relaxation_says_so(tmp_path):
    text = (DATA / "cp2k" / "cell_opt" / "cell_opt.out").read_text()
    shutil.copytree(DATA / "cp2k" / "cell_opt", tmp_path / "cell_opt")
    whole = tmp_path / "cell_opt" / "cell_opt.out"
    whole.write_text(text.replace("MAXIMUM NUMBER OF OPTIMIZATION STEPS REACHED", "GEOMETRY OPTIMIZATION COMPLETED"))
    assert whole.read_text() != text
    course, stopped, calls = relaxation(tmp_path / "a", RELAXATION, {"replay": tmp_path / "cell_opt"})
    assert stopped is None and course.completed() and course.reached() == 4 and len(calls) == 1


SHORT = motion.dynamics(
    [HOLD | {"temperature_K": 600.0, "time_ps": 0.006}, HOLD | {"temperature_K": 300.0, "time_ps": 0.002}],
    1.0, "csvr", 20.0, 2.0, 7,
)  # fmt: skip


def real(folder, *, previous=None, stop_at=None):
    """The dynamics SHORT by the installed CP2K; with `stop_at` the driver is asked to stop at that step."""
    folder.mkdir()
    using = Program(load_site().cp2k, load_site().cp2k_data)
    reached = []

    def child(argv, **options):
        status = run_child(argv, should_stop=lambda: stop_at in reached, poll_s=0.02, **options)
        if status:
            raise Stopped("asked to stop")
        return status

    course = AIMD(
        list(box().symbols),
        input_text(box(), XTB, using, 0, 2),
        SHORT,
        folder,
        Runner(using, child),
        previous=previous,
        tell=reached.append,
    )
    return course, course.run()


def conserved(course):
    """Step, temperature (K) and conserved energy (Ha) of each step, the last part's where there are two."""
    table = {}
    for part in course.taken:
        for line in (part.folder / "md-1.ener").read_text().splitlines()[1:]:
            step, _, _, temperature, _, energy = (float(word) for word in line.split()[:6])
            table[int(step)] = (temperature, energy)
    return table


@pytest.mark.long
def test_a_stopped_trajectory_is_the_one_that_was_never_stopped(tmp_path):
    """The installed CP2K: steps go on to the target, and so does the thermostat; frames are labels like others."""
    whole, _ = real(tmp_path / "whole")
    with pytest.raises(Stopped):
        real(tmp_path / "a", stop_at=5)
    course, stopped = real(tmp_path / "b", previous=tmp_path / "a")
    assert stopped is None and course.reached() == 8
    assert [part.first for part in course.taken] == [0, 2, 4, 6]
    frames, dropped = course.frames()
    assert [frame.step for frame, _ in frames] == [0, 2, 4, 6, 8] and not dropped
    assert [piece.temperature_K for _, piece in frames] == [600.0] * 4 + [300.0]
    for (frame, _), (other, _) in zip(frames, whole.frames()[0]):
        # orbitals start from one step of history instead of several: the same to the tolerance of the SCF
        np.testing.assert_allclose(frame.positions, other.positions, atol=1e-5)
        assert frame.evaluation.energy_eV == pytest.approx(other.evaluation.energy_eV, abs=1e-4)
    ours, theirs = conserved(course), conserved(whole)
    assert sorted(ours) == list(range(9))
    for step, (temperature, energy) in ours.items():
        assert temperature == pytest.approx(theirs[step][0], abs=0.1)
        assert energy == pytest.approx(theirs[0][1], abs=1e-4), "what the thermostat took is counted on"
    found = harvest(
        box(), [(frame, {}) for frame, _ in frames], XTB, charge=0, multiplicity=2, max_net_force_eV_per_A=0.05
    )
    assert not found.rejected and len(found.frames) == 5
    (tmp_path / "single").mkdir()
    again = label(
        found.frames[3],
        XTB,
        tmp_path / "single",
        program=Program(load_site().cp2k, load_site().cp2k_data),
        charge=0,
        multiplicity=2,
        child=run_child,
    )
    assert again.info["REF_energy"] == pytest.approx(found.frames[3].info["REF_energy"], abs=1e-4)
    np.testing.assert_allclose(again.arrays["REF_forces"], found.frames[3].arrays["REF_forces"], atol=2e-3)
    assert again.info["level"] == found.frames[3].info["level"]


def test_a_relaxation_lowers_the_forces_to_the_limit(tmp_path):
    """The installed CP2K, to a limit that three steps reach."""
    using = Program(load_site().cp2k, load_site().cp2k_data)
    (tmp_path / "a").mkdir()
    course = Relax(
        box(),
        lambda atoms: input_text(atoms, XTB, using, 0, 2),
        motion.Relaxation("positions", 12, 0.6, 1.0),
        tmp_path / "a",
        Runner(using, run_child),
    )
    assert course.run() is None and course.completed() and course.reached() < 12
    first, last = (course.frames()[k].evaluation for k in (0, -1))
    assert np.abs(last.forces_eV_per_A).max() < 0.6 < np.abs(first.forces_eV_per_A).max()
    assert last.energy_eV < first.energy_eV
