"""Attempts of several jobs at one task: who is at work, who may publish, and what is set aside."""

import json

import pytest

from naglass_drv.errors import InputError, SetupError
from naglass_drv.runtime import worklist
from naglass_drv.runtime.attempts import ask_again, here, read_done
from naglass_drv.runtime.executors import history
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.lock import hold, is_held
from naglass_drv.runtime.states import stage_states
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task

KEYS = Keys(lambda tool: "1")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def planned(store, *names, **settings):
    return store.plan("md", [Task("md", name, settings) for name in names], KEYS)


def began(store, ticket, host="n1", reached=None, ended=True):
    """An attempt on a host that got as far as `reached`, and was killed if it `ended`."""
    ticket = store.renewed(ticket)
    folder = store.claim(ticket, 1)
    record = json.loads((folder / "attempt.json").read_text()) | {"host": host}
    (folder / "attempt.json").write_text(json.dumps(record))
    if reached is not None:
        (folder / "progress.json").write_text(json.dumps({"done": reached, "total": 10.0, "updated": 0.0}))
    if ended:
        store.release(folder)
    return ticket, folder


def test_a_file_is_held_by_one_and_free_when_that_one_lets_it_go(tmp_path):
    path = tmp_path / "x"
    assert not is_held(path)
    path.write_text("")
    assert not is_held(path)
    Store(tmp_path).release(tmp_path)
    file = hold(path)
    assert is_held(path) and is_held(path)
    import os

    os.close(file)
    assert not is_held(path)


def test_the_task_of_another_job_is_seen_at_work(store):
    (ticket,) = planned(store, "a")
    assert store.under_way(ticket) is None
    folder = store.claim(ticket, 1)
    other = Store(store.folder)
    assert other.under_way(ticket) == folder
    assert stage_states(store.folder, "md", False)[0].state == "running"
    store.release(folder)
    assert other.under_way(ticket) is None
    assert stage_states(store.folder, "md", False)[0].state == "interrupted"


def test_an_attempt_that_was_given_up_for_lost_is_told_so(store):
    (ticket,) = planned(store, "a")
    store.claim(ticket, 1)
    assert not store.superseded(ticket)
    other = Store(store.folder)
    later = other.renewed(ticket)
    assert later.attempt == 2
    other.claim(later, 1)
    assert store.superseded(ticket) and not other.superseded(later)


def test_a_ticket_is_renewed_by_what_others_have_done(store):
    (ticket,) = planned(store, "a")
    assert store.renewed(ticket) == ticket
    _, folder = began(store, ticket)
    (folder / "restart").write_text("x")
    later = store.renewed(ticket)
    assert (later.attempt, later.previous) == (2, folder)
    store.complete(later, store.claim(later, 1), {})
    assert store.renewed(ticket) is None and store.renewed(later) is None
    # the task alone has lost its record
    (store.task_folder(ticket) / "DONE").unlink()
    assert store.renewed(ticket) is None and read_done(store.task_folder(ticket))["attempt"] == 2


def test_what_was_asked_for_anew_is_not_done_by_an_earlier_attempt(store):
    (ticket,) = planned(store, "a")
    store.complete(ticket, store.claim(ticket, 1), {})
    ask_again(store.task_folder(ticket))
    (again,) = planned(store, "a")
    assert again.attempt == 2 and store.renewed(again) == again


def test_lists_of_tasks_return_what_was_planned(store, tmp_path):
    tickets = planned(store, "a", "b", "c")
    path = tmp_path / "list.json"
    worklist.write(path, [tickets[:2], tickets[2:]])
    assert worklist.read(path, 0, store) == tickets[:2] and worklist.read(path, 1, store) == tickets[2:]
    assert [len(each) for each in worklist.keys_of(path)] == [2, 1]
    with pytest.raises(InputError, match="has the jobs 0 to 1, not 2"):
        worklist.read(path, 2, store)
    planned(store, "a", "b", "c", changed=1)
    assert worklist.read(path, 0, store) == []
    assert store.issued("../md", "a", "x") is None and store.issued("md", "../a", "x") is None


def test_a_task_planned_with_other_programs_is_refused(store, tmp_path):
    class Stage:
        revision = 1

    source = tmp_path / "cell"
    source.write_text("one")
    task = Task("md", "a", {}, {"cell": source}, ("cp2k",))
    tickets = store.plan("md", [task], KEYS)
    path = tmp_path / "list.json"
    worklist.write(path, [tickets])
    found = worklist.read(path, 0, store)
    worklist.check_as_planned(found, store, Keys(lambda tool: "1"), lambda name: Stage)
    with pytest.raises(SetupError, match="md/a: was planned with tools {'cp2k': '1'}, but here it is {'cp2k': '2'}"):
        worklist.check_as_planned(found, store, Keys(lambda tool: "2"), lambda name: Stage)
    source.write_text("another")
    with pytest.raises(SetupError, match="md/a: was planned with inputs"):
        worklist.check_as_planned(found, store, Keys(lambda tool: "1"), lambda name: Stage)


@pytest.mark.parametrize(
    "reached, aside",
    [
        ((None, None), False),
        ((None, None, None), True),
        ((1.0, 1.0, 1.0), True),
        ((1.0, 2.0, 3.0, 4.0), False),
        ((1.0, 3.0, 2.0, 3.0), True),
        ((1.0, 3.0, 2.0, 3.5), False),
    ],
)
def test_a_task_is_set_aside_when_three_attempts_have_ended_at_the_same_point(store, reached, aside):
    (ticket,) = planned(store, "a")
    for number, each in enumerate(reached):
        began(store, ticket, f"n{number}", each)
    outcome, tries = history.outcome_of_jobs(store, ticket, 0.0)
    assert outcome is None and len(tries) == len(reached)
    found = history.poisoned(ticket, tries)
    assert (found is not None) == aside
    if found is not None:
        assert found.failure == "SET_ASIDE" and f"attempt-{len(reached)} on n{len(reached) - 1}" in found.message
        store.fail(ticket, found.folder, found.record())
        assert history.outcome_of_jobs(store, ticket, 0.0)[0].failure == "SET_ASIDE"
        # a person asks for it once more
        ask_again(store.task_folder(ticket))
        assert history.outcome_of_jobs(store, ticket, 0.0) == (None, [])


def test_failures_by_name_are_final_and_those_before_a_person_resumed_are_not(store):
    (ticket,) = planned(store, "a")
    mine, folder = began(store, ticket)
    store.fail(mine, folder, {"failure": "LOST_ATOMS", "message": "gone", "exit_code": 4})
    outcome, tries = history.outcome_of_jobs(store, ticket, 0.0)
    assert (outcome.failure, outcome.exit_code, tries) == ("LOST_ATOMS", 4, [])
    started = json.loads((folder / "attempt.json").read_text())["started"]
    assert history.outcome_of_jobs(store, ticket, started + 1.0) == (None, [])


def test_a_host_without_its_environment_is_not_the_fault_of_the_task(store):
    (ticket,) = planned(store, "a")
    mine, folder = began(store, ticket)
    store.fail(mine, folder, {"failure": "ENVIRONMENT", "message": "no scratch", "exit_code": 5})
    outcome, tries = history.outcome_of_jobs(store, ticket, 0.0)
    assert outcome is None and tries[0].said == "no scratch"


def test_a_host_is_bad_on_which_three_tasks_end_in_vain_until_one_is_done_there(store):
    tickets = planned(store, "a", "b", "c", "d")
    tries = {}
    for ticket in tickets[:3]:
        began(store, ticket, "n1")
        began(store, ticket, "n2") if ticket.task.name == "a" else None
        tries[ticket.label] = history.outcome_of_jobs(store, ticket, 0.0)[1]
    assert history.bad_hosts(store.folder, tries) == {"n1": ["md/a", "md/b", "md/c"]}
    from naglass_drv.runtime import events

    events.append(store.folder, "done", task="md/d", attempt=1, host="n1")
    assert history.bad_hosts(store.folder, tries) == {}


def test_the_job_of_an_attempt_is_noted():
    assert here({"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}) == {"host": "n1", "job": "7"}
    array = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}
    assert here(array)["job"] == "5_3"
    assert "job" not in here({})
