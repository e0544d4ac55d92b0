"""A loop of learning, its real workflow and decisions on toy stages: killed, replayed by newer code, enlarged."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naglass_drv.runtime import keys, planner, status
from naglass_drv.runtime.preview import preview
from naglass_drv.stages import decision
from support import die_at, toy_loop
from support.jobs import MPIRUN, environment

pytestmark = pytest.mark.mpi

LEARN = "learn: {rounds: [{}, {md: {temperatures_K: [600]}}, {}], stop_when_stable: true}\n"
LOOP = toy_loop.TWO + LEARN


class Loop:
    """A loop in a folder, run in this process."""

    def __init__(self, folder: Path, text: str = LOOP):
        self.path, self.run, self.journal = folder / "input.yaml", folder / "run", folder / "journal"
        self.path.write_text(text)

    def finish(self) -> list[str]:
        """Run to the end; returns the tasks that were executed."""
        before = len(die_at.executed(self.journal, "start"))
        assert toy_loop.run_loop(self.path, self.run, self.journal) == 0
        return die_at.executed(self.journal, "start")[before:]

    def change(self, old: str, new: str) -> None:
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def decided(self) -> dict[str, bool]:
        """Whether each round converged, by its step."""
        return {step: facts["converged"] for step, facts in status.snapshot(self.run)["decisions"].items()}

    def made_anew(self, work) -> set[str]:
        """The steps whose manifests `work` has written."""
        before = {path: path.stat().st_mtime_ns for path in self.run.glob("products/**/manifest.json")}
        work()
        after = {path: path.stat().st_mtime_ns for path in self.run.glob("products/**/manifest.json")}
        changed = (path for path, stamp in after.items() if before.get(path) != stamp)
        return {str(path.parent.relative_to(self.run / "products")) for path in changed}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = Loop(tmp_path_factory.mktemp("finished"))
    made.finish()
    assert made.decided() == {"decision": False, "round-1/decision": False, "round-2/decision": True}
    return made


@pytest.fixture
def loop(finished, tmp_path):
    """A finished loop of one's own: a copy, which a run folder may be."""
    made = Loop(tmp_path)
    shutil.copytree(finished.run, made.run)
    shutil.copy(finished.journal, made.journal)
    return made


def test_killed_between_changes_of_files(tmp_path):
    """The kill is laid before every 150th change of a loop; tests/long takes every one."""
    results = die_at.loop_died_and_ended(tmp_path, 150)
    assert len(results) > 3
    alone = Loop(tmp_path, (tmp_path / "input.yaml").read_text())
    alone.finish()
    die_at.check_that_the_loop_is_the_same(results, alone.run)


@pytest.mark.long
def test_killed_at_random_moments_under_mpirun(tmp_path):
    alone, chance, struck = Loop(tmp_path), random.Random(3), 0
    alone.finish()
    run, journal = tmp_path / "killed", tmp_path / "journal-of-killed"
    argv = [MPIRUN, "-n", "2", sys.executable, "-m", "support.toy_loop"]
    argv += [str(alone.path), str(run), str(journal), "0.1"]
    where = {"cwd": Path(__file__).parents[1], "env": environment(), "stdout": subprocess.DEVNULL}
    for _ in range(6):
        job = subprocess.Popen(argv, start_new_session=True, **where)
        time.sleep(chance.uniform(0.8, 2.5))
        struck += job.poll() is None
        # the launcher takes its ranks along
        job.kill()
        job.wait()
        time.sleep(0.3)
    assert struck >= 4
    assert subprocess.run(argv, timeout=120, **where).returncode == 0
    assert die_at.products_in(run) == die_at.products_in(alone.run)
    assert die_at.done_in(run) == die_at.done_in(alone.run)


def test_a_finished_loop_is_replayed_without_a_task_or_a_manifest_made_again(loop):
    executed = []
    assert loop.made_anew(lambda: executed.extend(loop.finish())) == set()
    assert executed == []
    told = status.overview(loop.run)
    assert "round-1/decision: not converged: 0 of 2 trajectories passed the stability gate" in told
    assert status.snapshot(loop.run)["decisions"]["round-2/decision"]["converged"] is True


def test_newer_code_never_remakes_a_decision(loop, monkeypatch):
    """A new revision of the stage decides otherwise, and a new version of naglass does all tasks again, with the same
    trajectories; what was decided stays.
    """

    def never(run, done):
        raise AssertionError("decided again")

    monkeypatch.setattr(decision, "revision", 2)
    monkeypatch.setattr(decision, "collect", never)
    assert loop.finish() == []
    monkeypatch.setattr(keys, "__version__", "99")
    assert len(loop.finish()) == len(die_at.done_in(loop.run))
    assert loop.decided() == {"decision": False, "round-1/decision": False, "round-2/decision": True}


def test_the_identity_of_a_decision_is_the_same_for_ever():
    """A hash of what it takes; a rule that hashes otherwise would remake all decisions of all finished loops."""
    from naglass_drv.products import Trajectories
    from naglass_drv.runtime.flow import Step

    gates = Trajectories("half", "md", {"g0/gate": Path("gate.json")}, hashes={"g0/gate": "0f" * 32})
    step = Step("decision", "round-1", {"md": (gates,)}, {"stop_when_stable": True})
    assert keys.made_of([], step) == "cb7bdf5d2352ec167fc6eae4efa7bc46f1d616d1315230d1b847bd3ff83222f7"


def test_another_criterion_or_verdict_is_decided_anew(loop):
    loop.change("stop_when_stable: true", "stop_when_stable: false")
    executed = loop.finish()
    assert {label.split("/")[-3] if label.count("/") > 1 else "" for label in executed} <= {"round-3", ""}
    assert not any(loop.decided().values()) and "round-3/decision" in loop.decided()
    loop.change("rounds: [{}, ", "rounds: [{md: {temperatures_K: [300]}}, ")
    loop.change("stop_when_stable: false", "stop_when_stable: true")
    loop.finish()
    assert loop.decided()["round-1/decision"] is True


def test_a_round_more_runs_that_round_alone(loop):
    loop.change("stop_when_stable: true", "stop_when_stable: false")
    loop.finish()
    loop.change("{}], stop", "{}, {}], stop")
    executed = []
    anew = loop.made_anew(lambda: executed.extend(loop.finish()))
    assert executed and all("round-4" in label for label in executed)
    assert all("round-4" in step for step in anew)


def test_a_system_more_redoes_what_the_models_depend_on(loop):
    """Glasses of the others and their labels are kept; every dataset, model and trajectory follows from the new
    labels, and with them the candidates, and all decisions are made on other verdicts.
    """
    before = set(die_at.done_in(loop.run))
    more = "  - {name: more, composition: {Na: 2, P: 2, O: 6}, density_g_cm3: 2.5}\n"
    loop.change("  - {name: none", f"{more}  - {{name: none")
    executed = []
    anew = loop.made_anew(lambda: executed.extend(loop.finish()))
    redone, kept = before & set(executed), before - set(executed)
    assert kept == {label for label in before if "/glass/" in label or "/reference/a-g0" in label} | {"atoms/atoms"}
    assert redone == before - kept
    assert {"decision", "round-1/decision", "round-2/decision"} <= anew


def test_a_dry_run_goes_as_far_as_there_are_products(loop):
    def lines() -> list[str]:
        request = toy_loop.request_of(loop.path, loop.run)
        return preview(request.workflow(), toy_loop.stages(), loop.path.parent, loop.run, {}, str).lines

    told = lines()
    assert "round-2/decision: no tasks" in told
    assert all("0 of" in line or "no tasks" in line for line in told)
    loop.change("{md: {temperatures_K: [600]}}", "{md: {temperatures_K: [900]}}")
    told = lines()
    assert "  half/round-2/md/g0-900K: not done yet" in told
    assert "round-1/decision: no tasks" in told and not any(line.startswith("round-2/decision") for line in told)


def test_a_dry_run_does_not_trust_a_product_that_was_made_of_other_tasks(tmp_path):
    """All tasks may be done while the product that lies there comes from an input that was tried in between."""
    plain = Loop(tmp_path, toy_loop.TWO.replace("  - {name: b, level: gfn1-xtb, structures: candidates}\n", ""))
    plain.finish()
    plain.change("temperatures_K: [1200]", "temperatures_K: [600]")
    plain.finish()
    plain.change("temperatures_K: [600]", "temperatures_K: [1200]")
    request = toy_loop.request_of(plain.path, plain.run)
    told = preview(request.workflow(), toy_loop.stages(), tmp_path, plain.run, {}, str).lines
    assert "half/md: 0 of 1 task to be run; its product is made anew, since it was made of other tasks or input" in told


def test_a_report_of_an_unfinished_loop_shows_its_last_round_with_a_model(loop):
    loop.change("stop_when_stable: true", "stop_when_stable: false")
    loop.change("{}]", "{}, {}]")
    loop.path.write_text(loop.path.read_text() + "report: {}\n")
    request = toy_loop.request_of(loop.path, loop.run)
    setting = planner.Setting(loop.path.parent, loop.run, {}, 1, ("report",), lambda text: None)
    ready = []
    planner.Planner(request.workflow(), toy_loop.stages(), setting, keys.Keys(str), ready.extend).advance()
    assert [ticket.label for ticket in ready] == ["half/report/report", "none/report/report"]
    shown = ready[0].task.inputs
    assert "train/round-2/archive" in shown and "md/half/round-2/g0-600K/gate" in shown
    assert not any("round-3" in role for role in shown)
