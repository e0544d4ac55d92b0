"""Keys, and what the run folder remembers."""

import json
import os

import pytest

from naglass_drv.errors import InputError
from naglass_drv.runtime import keys as keys_module
from naglass_drv.runtime.keys import Keys, changes, key
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task


@pytest.fixture
def keys():
    return Keys(lambda tool: f"{tool} 1.0")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


def finish(store, ticket, text="result"):
    folder = store.claim(ticket, 1)
    (folder / "out.txt").write_text(text)
    store.complete(ticket, folder, {"length_A": 1.5})
    return folder


def test_key_is_made_of_content_and_nothing_else(tmp_path, keys, monkeypatch):
    first, second = tmp_path / "first.xyz", tmp_path / "second.xyz"
    first.write_text("frames")
    second.write_text("frames")

    def of(settings=None, inputs=None, tools=("lammps",), stage="md"):
        return key(
            stage,
            Keys(keys._versions).parts(settings or {"a": 1, "b": [1.0, None]}, inputs or {"frames": first}, tools),
        )

    base = of()
    assert len(base) == 64
    assert of({"b": (1.0, None), "a": 1}) == base, "order of keys and kind of sequence do not count"
    assert of(inputs={"frames": second}) == base, "nor does a file's name"
    assert of({"a": 1, "b": [1.0, 0]}) != base
    assert of(inputs={"frames": first, "more": second}) != base
    assert of(inputs={"test": first}) != base, "its role does"
    assert of(tools=()) != base
    assert of(stage="glass") != base
    assert key("md", Keys(keys._versions).parts({"a": 1, "b": [1.0, None]}, {"frames": first}, ("lammps",), 2)) != base
    first.write_text("frames!")
    assert of() != base
    first.write_text("frames")
    assert of() == base
    monkeypatch.setattr(keys_module, "__version__", "9.9")
    assert of() != base
    with pytest.raises(InputError, match="absent.xyz: No such file"):
        of(inputs={"frames": tmp_path / "absent.xyz"})


def test_changes_are_told_in_words(tmp_path, keys):
    frames = tmp_path / "frames.xyz"
    frames.write_text("one")
    old = keys.parts({"melt_ps": 10.0, "gate": {"low": 1}, "gone": True}, {"frames": frames}, ("lammps",))
    frames.write_text("other")
    new = Keys(lambda tool: "lammps 2.0").parts({"melt_ps": 5.0, "gate": {"low": 2}}, {"frames": frames}, ("lammps",))
    assert changes(old, {**new, "naglass": "9.9"}) == [
        "settings.melt_ps: 10.0 -> 5.0",
        "settings.gate.low: 1 -> 2",
        "settings.gone: true -> absent",
        "input file frames.xyz: content changed",
        'tool lammps: "lammps 1.0" -> "lammps 2.0"',
        f"naglass: {old['naglass']} -> 9.9",
    ]
    assert changes(old, old) == []


def test_a_revision_of_the_stage_makes_its_tasks_anew(store, keys):
    task = Task("md", "a", {})
    (ticket,) = store.plan("md", [task], keys, revision=1)
    finish(store, ticket)
    assert store.plan("md", [task], keys, revision=1) == []
    (again,) = store.plan("md", [task], keys, revision=2)
    assert again.why == ("revision of the stage: 1 -> 2",)
    assert store.plan("md", [task], keys, revision=1) == [], "and back"


def test_every_stage_has_a_revision():
    from naglass_drv import stages
    from naglass_drv.workflow.chain import ATOMS, ORDER, SERIES

    for name in (*ORDER, ATOMS, SERIES):
        assert stages.load(name).revision >= 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("x" * 100 + "a" + "y" * 100, "x" * 100 + "b" + "y" * 100, ("xa", "xb")),
        ("x" * 200 + "a", "x" * 200 + "bc", ('a"', 'bc"')),
        (
            {"deep": ["pair_style mace", "long " * 30 + "1"]},
            {"deep": ["pair_style mace", "long " * 30 + "2"]},
            ("1", "2"),
        ),
        ([1] * 50, [1] * 49 + [2], ("settings.v[49]: 1 -> 2",)),
        ([1] * 50, [1] * 49, ("1]", "->")),
        ("a" * 100, "a" * 101, ("->",)),
        (None, "z" * 100, ("absent", "z")),
    ],
)
def test_a_long_change_shows_where_it_is(keys, old, new, words):
    (text,) = changes(keys.parts({"v": old}, {}, ()), keys.parts({"v": new}, {}, ()))
    before, _, after = text.partition(" -> ")
    assert len(text) < 160 and before.partition(": ")[2] != after
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    "damage",
    [
        {"key": 1},
        {"parts": None},
        {"parts": {}},
        {"outputs": {"a": {}}},
        {"outputs": []},
        {"attempt": "../.."},
        {"summary": None},
        {"seconds": "x"},
    ],
)
def test_a_record_that_is_not_whole_counts_as_none(store, keys, damage):
    (ticket,) = store.plan("md", [Task("md", "a", {})], keys)
    finish(store, ticket)
    folder = store.task_folder(ticket)
    for path in (folder / "DONE", folder / "attempt-1" / "DONE"):
        path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert store.finished("md") == []
    (again,) = store.plan("md", [Task("md", "a", {})], keys)
    assert again.why == ("not done yet",)


@pytest.mark.parametrize("tasks", [None, {}, "x", [1], [{"name": "../../up", "key": "k"}], [{"name": "a"}]])
def test_a_plan_that_is_not_whole_leads_nowhere(store, tasks):
    folder = store.step_folder("md")
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"stage": "md", "tasks": tasks}))
    assert store.planned("md") == [] and store.finished("md") == []


def test_an_attempt_is_claimed_by_one_group_only(store, keys):
    (ticket,) = store.plan("md", [Task("md", "a", {})], keys)
    store.claim(ticket, 1)
    with pytest.raises(FileExistsError):
        store.claim(ticket, 1)


def test_finished_tasks_come_back_as_they_were(store, keys, tmp_path):
    source = tmp_path / "in.xyz"
    source.write_text("x")
    task = Task("md", "a", {"T_K": 600.0}, {"frames": source}, ("lammps",), ranks=2, gpus=1)
    (ticket,) = store.plan("md", [task], keys)
    assert store.finished("md") == []
    folder = finish(store, ticket)
    (done,) = Store(store.folder).finished("md")
    assert (done.task, done.folder, done.summary) == (task, folder, {"length_A": 1.5})
    # a task that the input no longer asks for is none of the stage's any more
    store.plan("md", [], keys)
    assert store.finished("md") == []


def test_only_an_unfinished_attempt_with_the_same_key_and_some_content_is_resumed(store, keys):
    def ticket(settings):
        (found,) = store.plan("md", [Task("md", "a", settings)], keys)
        return found

    first = store.claim(ticket({"v": 1}), 1)
    (first / "restart").write_text("saved")
    empty = store.claim(ticket({"v": 1}), 1)
    assert ticket({"v": 1}).previous == first, "an attempt killed at its start hides nothing"
    assert ticket({"v": 2}).previous is None
    bare = empty.with_name("attempt-3")
    bare.mkdir()
    assert ticket({"v": 1}).attempt == 4
    assert ticket({"v": 1}).previous == first, "nor does one killed between its claim and its record"
    store.fail(ticket({"v": 1}), first, {"failure": "X", "message": "x"})
    assert ticket({"v": 1}).previous is None, "what failed is not gone on with"


def test_a_changed_task_keeps_its_old_result_until_the_new_one_is_there(store, keys):
    (ticket,) = store.plan("md", [Task("md", "a", {"v": 1})], keys)
    finish(store, ticket)
    (again,) = store.plan("md", [Task("md", "a", {"v": 2})], keys)
    assert again.why == ("settings.v: 1 -> 2",)
    assert store.finished("md") == []
    assert store.plan("md", [Task("md", "a", {"v": 1})], keys) == []
    finish(store, again)
    assert store.plan("md", [Task("md", "a", {"v": 1})], keys) == [], "an earlier result is found again"
    (done,) = store.finished("md")
    assert done.folder.name == "attempt-1"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": '])
def test_a_torn_record_counts_as_none(store, keys, content):
    (ticket,) = store.plan("md", [Task("md", "a", {})], keys)
    finish(store, ticket)
    folder = store.task_folder(ticket)
    for path in (folder / "DONE", folder / "attempt-1" / "DONE"):
        path.write_text(content)
    (again,) = store.plan("md", [Task("md", "a", {})], keys)
    assert again.attempt == 2


def test_outputs_are_checked(store, keys):
    task = Task("md", "a", {})
    (ticket,) = store.plan("md", [task], keys)
    folder = finish(store, ticket)
    os.utime(folder / "out.txt", (1, 1))
    assert store.plan("md", [task], keys) == [], "the same content under another time is the same"
    (folder / "out.txt").unlink()
    (again,) = store.plan("md", [task], keys)
    assert (again.why, again.previous) == (("output out.txt: gone",), None)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_task_names_stay_in_their_folder(store, keys, name):
    with pytest.raises(ValueError, match="invalid or repeated"):
        store.plan("md", [Task("md", name, {})], keys)


def test_summaries_may_hold_numpy_numbers(store, keys):
    import numpy as np

    (ticket,) = store.plan("md", [Task("md", "a", {})], keys)
    store.complete(ticket, store.claim(ticket, 1), {"x": np.float64(0.5), "n": np.arange(2)})
    assert json.loads((store.task_folder(ticket) / "DONE").read_text())["summary"] == {"x": 0.5, "n": [0, 1]}


def test_steps_of_scopes_that_are_no_longer_part_of_the_run_are_forgotten(store, keys):
    for step in ("a/work", "b/work", "b/later", "work"):
        store.plan(step, [Task("work" if step != "b/later" else "later", "t", {})], keys)
    store.forget_others(["b/work", "work"])
    assert store.steps() == ["b/work", "b/later", "work"]
    (store.folder / "tasks" / "steps.json").write_text('{"steps": 3}')
    assert store.steps() == []
