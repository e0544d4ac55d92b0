"""What status says of a run: how it ended, how long it took in all its calls, and what is left."""

import json
import re
import time

import pytest

from naglass_drv.cli.main import main
from naglass_drv.config import load
from naglass_drv.errors import InputError
from naglass_drv.runtime import events, notes, status
from naglass_drv.runtime.attempts import ask_again
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.states import TaskState
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task
from support.jobs import naglass

PROVENANCE = {"stages": ["md"], "started": 1.0, "ranks": 2, "resume": "RESUME", "input": "i", "source": "s"}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "provenance.json").write_text(json.dumps(PROVENANCE))
    return tmp_path


def happened(folder, *found):
    """Events as (time in s after the first, event, details)."""
    with open(folder / events.FILE, "w") as stream:
        for at, event, details in found:
            when = time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(1.7e9 + at))
            stream.write(json.dumps({"time": when, "event": event} | details) + "\n")


START = ("run started", {})
CALLS = {
    "done": [(0, *START), (60, "done", {}), (90, "run ended", {"failures": 0})],
    "ended with failures": [(0, *START), (90, "run ended", {"failures": 2})],
    "stopped (signal SIGTERM)": [(0, *START), (90, "run stopped", {"reason": "signal SIGTERM", "code": 3})],
    "not running, interrupted": [(0, *START), (90, "started", {})],
}


@pytest.mark.parametrize("state", CALLS)
def test_how_a_run_ended(run, state):
    happened(run, *CALLS[state])
    text = status.overview(run)
    assert text.startswith(f"{run}: {state}; 2 ranks, started ") and "0:01:30 elapsed" in text
    assert ("resume with: RESUME" in text) == (state != "done")
    assert "calls" not in text


def test_elapsed_time_is_of_all_calls_without_the_pauses(run):
    third = [(5000 + at, *rest) for at, *rest in CALLS["done"]]
    happened(run, *CALLS["not running, interrupted"], (1000, *START), (1010, "run stopped", {}), *third)
    text = status.overview(run)
    assert ": done;" in text and "0:01:30 elapsed, 0:03:10 over 3 calls in total" in text


def test_a_run_of_less_than_a_second_took_time(run):
    events.append(run, "run started")
    time.sleep(0.02)
    events.append(run, "run ended", failures=0)
    assert 0.015 < status.snapshot(run)["total_s"] < 1


def test_a_report_made_anew_is_a_call_too(run):
    happened(run, *CALLS["done"], (200, "made anew", {}), (205, "run ended", {"failures": 0}))
    assert "done; 2 ranks" in status.overview(run) and "0:01:35 over 2 calls in total" in status.overview(run)


RUNNING = ("running", 0, None), ("running", 50, None)


@pytest.mark.parametrize(
    ("states", "left"),
    [
        # labels tell no progress of their own: as long as those that are done, less what has passed
        ([("done", 100, None), ("running", 30, None)], 70),
        ([("done", 100, None), ("running", 30, None), ("waiting", None, None)], 170),
        ([("done", 100, None), ("done", 200, None), *RUNNING, ("waiting", None, None)], 225),
        ([("done", 100, None), ("running", 500, None)], 0),
        ([("running", 30, None)], None),
        ([("running", 30, 12), ("waiting", None, None)], None),
        ([("running", 30, 12)], 12),
        ([("done", 10, None)], None),
    ],
)  # fmt: skip
def test_remaining_time(states, left):
    found = [TaskState(str(k), state, "", seconds, remaining) for k, (state, seconds, remaining) in enumerate(states)]
    assert status._remaining(found, [state for state in found if state.state == "done"]) == left


@pytest.mark.parametrize("key", PROVENANCE)
def test_a_damaged_provenance_is_one_error(run, key):
    (run / "provenance.json").write_text(json.dumps(PROVENANCE | {key: {}}))
    with pytest.raises(InputError, match=f"provenance.json: {key} is missing or invalid; start the run again"):
        status.overview(run)


def test_a_provenance_that_is_cut_is_not_taken_for_a_missing_one(run):
    (run / "provenance.json").write_text('{"stages": [')
    with pytest.raises(InputError, match="provenance.json: is damaged, not a JSON object; start the run again"):
        status.overview(run)
    (run / "provenance.json").unlink()
    with pytest.raises(InputError, match="not a run folder .it has no provenance.json"):
        status.overview(run)


def complete(store, step, names, **settings):
    """The tasks of a step, all of them done."""
    tasks = [Task(step.rpartition("/")[2], name, settings) for name in names]
    for ticket in store.plan(step, tasks, Keys(lambda tool: "1")):
        store.complete(ticket, store.claim(ticket, 1), {})


def test_what_an_earlier_call_has_done_does_not_count_until_the_last_one_has_come_to_it(run):
    """An input that was changed, and stopped midway: the analyses and the page are those of the earlier input."""
    (run / "provenance.json").write_text(json.dumps(PROVENANCE | {"stages": ["md", "analysis", "report"]}))
    (run / "report.html").write_text("page")
    store = Store(run)
    for step in ("md", "analysis", "report"):
        complete(store, step, ["a"])
        notes.note_planned(run / "tasks", step)
    happened(run, *CALLS["done"])
    assert status.overview(run).count("1 of 1 done") == 3 and status.overview(run).endswith(
        f"report: {run}/report.html"
    )
    happened(run, *CALLS["done"], (100, *START), (110, "run stopped", {}))
    notes.begin_call(run / "tasks")
    notes.note_planned(run / "tasks", "md")
    complete(store, "md", ["a"], new=1)
    text = status.overview(run)
    assert "md         1 of 1 done" in text
    assert "analysis   0 of 1 done, 0:00:00 of task time; 1 done before, to which the last call has not come" in text
    assert f"report: {run}/report.html (of an earlier state of the run)" in text
    found = status.snapshot(run)
    assert [task["state"] for task in found["tasks"]] == ["done", "waiting", "waiting"] and found["report"] is None
    assert status.why(run, "analysis/a").startswith(
        "analysis/a: waiting; done before; the last call has not come to it"
    )
    happened(run, (0, *START), (90, "run ended", {"failures": 0}))
    assert [task["label"] for task in status.snapshot(run)["tasks"]] == ["md/a"], "the others left the workflow"


def test_a_task_that_is_to_be_redone_is_shown_until_it_is(run):
    store = Store(run)
    complete(store, "md", ["a", "b"])
    ask_again(store.step_folder("md") / "a")
    text = status.overview(run)
    assert "md         1 of 2 done" in text and "    md/a: changed; to be redone, as requested" in text
    (ticket,) = store.plan("md", [Task("md", "a", {})], Keys(lambda tool: "1"))
    folder = store.claim(ticket, 1)
    assert [state.state for state in status.stage_states(run, "md", False)] == ["running"]
    store.release(folder)
    assert [state.state for state in status.stage_states(run, "md", False)] == ["interrupted"]
    store.complete(ticket, folder, {})
    assert [state.state for state in status.stage_states(run, "md", False)] == ["done"]


def test_a_task_whose_DONE_is_gone_has_its_results(run):
    store = Store(run)
    complete(store, "md", ["a"])
    (store.step_folder("md") / "a" / "DONE").unlink()
    first, _, attempt = status.why(run, "md/a").splitlines()
    assert first == "md/a: changed; DONE is gone; the next run takes the results of attempt-1 again"
    assert attempt == "  tasks/md/a/attempt-1: finished"
    assert store.plan("md", [Task("md", "a", {})], Keys(lambda tool: "1")) == [], "the run does so"


def test_an_unchanged_input_is_not_read_anew(run, tmp_path, monkeypatch, capsys):
    """Reading an input of many systems takes a while; one byte that has changed is looked at."""
    given, asked = tmp_path / "given.yaml", []
    (run / "provenance.json").write_text(json.dumps(PROVENANCE | {"input": str(given)}))
    for path in (given, run / "input.yaml"):
        path.write_text("name: a\nsystem: {composition: {Na: 2, O: 1}, density_g_cm3: 2}\n")
    load_study = load.load_study
    monkeypatch.setattr(load, "load_study", lambda *given: asked.append(given) or load_study(*given))
    assert main(["status", str(run)]) == 0 and asked == []
    given.write_text(given.read_text().replace("density_g_cm3: 2", "density_g_cm3: 3"))
    (run / "run.yaml").write_text((run / "input.yaml").read_text())
    assert main(["status", str(run)]) == 0 and len(asked) == 3
    assert "system.density_g_cm3: 2.0 -> 3.0" in capsys.readouterr().out


def test_an_unknown_task_is_told_those_that_may_be_meant(run):
    complete(Store(run), "md", [f"g{number}-300K" for number in range(12)])
    for name, told in {
        "md/g1-30K": "did you mean md/g1-300K or md/g11-300K or ",
        "g10": "did you mean md/g10-300K?",
        "glass": "planned so far: md/g0-300K, md/g1-300K, md/g2-300K, md/g3-300K, md/g4-300K and 7 more",
    }.items():
        with pytest.raises(InputError) as error:
            status.find(run, name)
        assert f"task {name!r}: no such task; {told}" in str(error.value)


def test_a_run_ends_with_the_path_of_its_report(tmp_path):
    text = "name: small\nsystem:\n  composition: {Na: 2, O: 1}\n  density_g_cm3: 2.0\n"
    (tmp_path / "input.yaml").write_text(text)
    done = naglass("run", "input.yaml", cwd=tmp_path)
    assert re.search(r"\] done in 0:00:0\d; products: run/products$", done.stdout.splitlines()[-1])
    (tmp_path / "input.yaml").write_text(text + "report: {}\n")
    done = naglass("run", "input.yaml", cwd=tmp_path)
    assert re.search(r"\] done in 0:00:\d\d over 2 calls; report: run/report.html$", done.stdout.splitlines()[-1])
    assert "run: done; 1 rank" in naglass("status", cwd=tmp_path).stdout
    # the report page stays, and is of an earlier input
    (tmp_path / "input.yaml").write_text(text)
    done = naglass("run", "input.yaml", cwd=tmp_path)
    assert "report" not in done.stdout.splitlines()[-1]


def test_the_list_of_ended_tasks_says_what_the_tasks_themselves_say(run):
    """It only saves reading them: without it, or where it is no longer right, `status` shows the same."""
    store, keys = Store(run), Keys(lambda tool: "1")
    tickets = store.plan("md", [Task("md", f"t{i}", {"i": i}) for i in range(8)], keys)
    done, failed, again, killed, changed, deleted = tickets[:6]
    for ticket in (done, deleted, changed):
        store.complete(ticket, store.claim(ticket, 1), {})
    for ticket in (failed, again):
        store.fail(ticket, store.claim(ticket, 1), {"failure": "LOST_ATOMS", "message": "two\nlines  of text"})
    store.release(store.claim(killed, 1))
    tasks = [Task("md", f"t{i}", {"i": i} | ({"new": 1} if i == 4 else {})) for i in range(8)]
    third = next(ticket for ticket in store.plan("md", tasks, keys) if ticket.task.name == "t2")
    store.complete(third, store.claim(third, 1), {})
    (store.task_folder(deleted) / "DONE").unlink()
    noted = status.stage_states(run, "md", False)
    assert [state.state for state in noted] == [
        "done", "failed", "done", "interrupted", "changed", "changed", "waiting", "waiting",
    ]  # fmt: skip
    assert f"  md         {'█' * 5}{'░' * 15} 2 of 8 done" in status.overview(run, bars=True)
    assert noted[1].detail == "LOST_ATOMS: two lines of text"
    ended = store.step_folder("md") / "ended.txt"
    kept = ended.read_text()
    ended.unlink()
    plain = status.stage_states(run, "md", False)
    assert [state[:3] for state in plain] == [state[:3] for state in noted]
    ended.write_text(kept.replace("LOST_ATOMS", "AS_NOTED") + "t0 half a li")
    assert "AS_NOTED" in status.stage_states(run, "md", False)[1].detail, "the list was not used"


def test_of_many_failed_tasks_the_first_are_shown(run):
    store = Store(run)
    for ticket in store.plan("md", [Task("md", f"t{i}", {"i": i}) for i in range(103)], Keys(lambda tool: "1")):
        store.fail(ticket, store.claim(ticket, 1), {"failure": "X", "message": "x"})
    text = status.overview(run)
    assert text.count(": failed; X: x") == 100 and "and 3 more; status --json lists all" in text
    assert len(status.snapshot(run)["tasks"]) == 103


def test_events_are_read_once_for_a_page_and_anew_when_there_are_more(run, monkeypatch):
    """A run of 100 000 tasks has twice as many events."""
    reads = []
    text_of = events._text
    monkeypatch.setattr(events, "_text", lambda folder: reads.append(folder) or text_of(folder))
    happened(run, *CALLS["stopped (signal SIGTERM)"])
    assert ": stopped (signal SIGTERM);" in status.overview(run) and len(reads) == 1
    events.append(run, "run started")
    events.append(run, "run ended", failures=0)
    assert ": done;" in status.overview(run) and len(reads) == 2
