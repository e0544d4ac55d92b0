"""What status says of a run: how it ended, how long it took in all its calls, and what is left."""

import json
import re
import time

import pytest

from naglass_drv.errors import InputError
from naglass_drv.runtime import events, status
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.status import TaskState
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
    with pytest.raises(InputError, match=f"provenance.json: {key} is missing or invalid"):
        status.overview(run)


def test_a_run_ends_with_the_path_of_its_report(tmp_path):
    text = "name: small\nsystem:\n  composition: {Na: 2, O: 1}\n  density_g_cm3: 2.0\n"
    (tmp_path / "input.yaml").write_text(text)
    done = naglass("run", "input.yaml", cwd=tmp_path)
    assert re.search(r"\] done in 0:00:0\d; products: run/products$", done.stdout.splitlines()[-1])
    (tmp_path / "input.yaml").write_text(text + "report: {}\n")
    done = naglass("run", "input.yaml", cwd=tmp_path)
    assert re.search(r"\] done in 0:00:\d\d over 2 calls; report: run/report.html$", done.stdout.splitlines()[-1])
    assert "run: done; 1 ranks" in naglass("status", cwd=tmp_path).stdout
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
    store.claim(killed, 1)
    tasks = [Task("md", f"t{i}", {"i": i} | ({"new": 1} if i == 4 else {})) for i in range(8)]
    third = next(ticket for ticket in store.plan("md", tasks, keys) if ticket.task.name == "t2")
    store.complete(third, store.claim(third, 1), {})
    (store.task_folder(deleted) / "DONE").unlink()
    noted = status.stage_states(run, "md", False)
    assert [state.state for state in noted] == [
        "done", "failed", "done", "interrupted", "changed", "interrupted", "waiting", "waiting",
    ]  # fmt: skip
    assert f"  md         {'█' * 5}{'░' * 15} 2 of 8 done" in status.overview(run, bars=True)
    assert noted[1].detail == "LOST_ATOMS: two lines of text"
    notes = store.step_folder("md") / "ended.txt"
    kept = notes.read_text()
    notes.unlink()
    plain = status.stage_states(run, "md", False)
    assert [state[:3] for state in plain] == [state[:3] for state in noted]
    notes.write_text(kept.replace("LOST_ATOMS", "AS_NOTED") + "t0 half a li")
    assert "AS_NOTED" in status.stage_states(run, "md", False)[1].detail, "the list was not used"


def test_of_many_failed_tasks_the_first_are_shown(run):
    store = Store(run)
    for ticket in store.plan("md", [Task("md", f"t{i}", {"i": i}) for i in range(103)], Keys(lambda tool: "1")):
        store.fail(ticket, store.claim(ticket, 1), {"failure": "X", "message": "x"})
    text = status.overview(run)
    assert text.count(": failed; X: x") == 100 and "and 3 more; status --json lists all" in text
    assert len(status.snapshot(run)["tasks"]) == 103
