"""The scheduler under the real mpirun: groups, keys at work, failures, sleeping ranks."""

import json
import re

import pytest

pytestmark = pytest.mark.mpi


def write(name, text="x", **more):
    return {"name": name, "do": "write", "settings": {"text": text}, **more}


def test_tasks_run_once_on_groups_of_their_size(toy):
    toy.plan(
        first=[write(f"t{i}") for i in range(5)]
        + [{"name": "wide", "do": "count", "ranks": 2, "settings": {"steps": 3}}],
        second=[write("all", ranks=3, reads=["t0.txt", "wide.txt"])],
    )
    done = toy.finish(ranks=3)
    assert done.returncode == 0, done.stderr
    sizes = {name: size for name, size, _ in toy.lines("start")}
    assert sizes == {"wide": "ranks=2", "all": "ranks=3", **{f"t{i}": "ranks=1" for i in range(5)}}
    assert len(toy.lines("start")) == 7
    assert (toy.run / "products" / "wide.txt").read_text() == "3"


def test_groups_share_the_work(toy):
    toy.plan(only=[write(f"t{i}", "x") | {"settings": {"text": "x", "seconds": 0.3}} for i in range(4)])
    assert toy.finish(ranks=2).returncode == 0
    assert len({process for _, _, process in toy.lines("start")}) == 2


def test_second_run_redoes_nothing_and_a_change_redoes_what_depends_on_it(toy):
    def plan(text):
        toy.plan(
            first=[write("a", text), write("b")],
            second=[write("after-a", reads=["a.txt"]), write("after-b", reads=["b.txt"])],
        )

    plan("one")
    assert toy.finish().returncode == 0
    assert toy.finish().returncode == 0
    assert len(toy.lines("start")) == 4

    plan("two")
    done = toy.finish()
    assert done.returncode == 0
    assert sorted(name for name, *_ in toy.lines("start")[4:]) == ["a", "after-a"]
    assert 'first/a again: settings.text: "one" -> "two"' in done.stdout
    assert "second/after-a again: input file a.txt: content changed" in done.stdout

    plan("one")
    assert toy.finish().returncode == 0
    assert len(toy.lines("start")) == 6, "a setting that is changed back finds its earlier result"
    assert (toy.run / "products" / "a.txt").read_text() == "one"


def test_a_damaged_output_is_made_anew(toy):
    toy.plan(only=[write("a"), write("b")])
    assert toy.finish().returncode == 0
    (toy.run / "tasks/only/a/attempt-1/out.txt").write_text("spoilt")
    (toy.run / "tasks/only/b/attempt-1/out.txt").touch()
    done = toy.finish()
    assert "only/a again: output out.txt: changed since it was written" in done.stdout
    assert [name for name, *_ in toy.lines("start")[2:]] == ["a"]


def test_failed_task_is_reported_in_full_and_the_others_go_on(toy):
    toy.plan(first=[{"name": "bad", "do": "fail"}, write("good"), write("fine")], second=[write("later")])
    done = toy.finish()
    assert done.returncode == 4
    assert toy.done() == {"good", "fine"}
    folder = toy.run / "tasks/first/bad/attempt-1"
    block = done.stdout[done.stdout.index("first/bad FAILED: TOY_BROKEN") :]
    for line in (
        "the toy is broken",
        "command: /bin/toy --break",
        "folder:  run/tasks/first/bad/attempt-1",
        "| line 70",
        "| line 99",
        "next:    RESUME",
    ):
        assert line in block
    assert "| line 69" not in block
    assert "1 failed: first/bad" in done.stderr
    assert json.loads((folder / "FAILED").read_text())["failure"] == "TOY_BROKEN"
    # tried again, and again alone
    assert toy.finish().returncode == 4
    assert [name for name, *_ in toy.lines("start")[3:]] == ["bad"]


@pytest.mark.parametrize("rank", [0, 1])
def test_any_other_exception_ends_the_job_at_once_with_its_traceback(toy, rank):
    toy.plan(first=[{"name": "crash", "do": "crash", "ranks": 2, "settings": {"rank": rank}}], then=[write("never")])
    done = toy.finish(ranks=3)
    assert done.returncode == 1
    assert f"rank {rank} of 3 failed" in done.stderr
    assert "ValueError: a fault in the code" in done.stderr
    assert "Traceback" in done.stderr
    assert "never" not in toy.done()


def test_rank_that_fails_alone_in_a_collective_ends_the_job_with_its_name(toy):
    toy.plan(only=[{"name": "desert", "do": "desert", "ranks": 2}])
    done = toy.finish()
    assert done.returncode == 4
    assert "only/desert FAILED: DESERTED" in done.stdout


@pytest.mark.parametrize("code", [2, 5])
def test_bad_input_or_environment_found_by_a_task_ends_the_job(toy, code):
    toy.plan(first=[{"name": "no", "do": "refuse", "settings": {"code": code}}], second=[write("later")])
    done = toy.finish()
    assert done.returncode == code
    assert "first/no: the toy refuses" in done.stderr
    assert "Traceback" not in done.stderr
    assert toy.done() == set()


def test_fault_found_in_planning_is_one_message(toy):
    toy.plan(first=[write("a")])
    described = json.loads((toy.folder / "plan.json").read_text())
    described["stages"][0]["plan_raises"] = "glass: no parameters for Pu"
    (toy.folder / "plan.json").write_text(json.dumps(described))
    done = toy.finish()
    assert (done.returncode, done.stderr) == (2, "glass: no parameters for Pu\n")


def test_an_error_of_the_planning_ends_the_job_with_its_traceback(toy):
    """Also while the first rank carries out a task: that one is stopped first."""
    slow = {"first": [{"name": "s", "do": "count", "settings": {"steps": 400, "step_s": 0.05}}]}
    toy.plan_branches(quick={"first": [write("q")], "then": [write("never")]}, slow=slow)
    described = json.loads((toy.folder / "plan.json").read_text())
    described["branches"]["quick"][1]["plan_breaks"] = True
    (toy.folder / "plan.json").write_text(json.dumps(described))
    done = toy.finish(ranks=2)
    assert done.returncode == 1
    assert "rank 0 of 2 failed" in done.stderr and "ValueError: a fault in planning" in done.stderr
    assert "slow/first/s stopped" in done.stdout


def test_task_that_needs_more_ranks_than_there_are_starts_nothing(toy):
    toy.plan(only=[write("a"), write("wide", ranks=3)])
    done = toy.finish(ranks=2)
    assert done.returncode == 5
    assert "only/wide: needs 3 ranks, but the job has only 2" in done.stderr
    assert toy.lines("start") == []


def test_waiting_ranks_sleep(toy):
    """One rank works alone for two seconds: in its group, the second waits; outside of it, the third."""

    toy.plan(only=[{"name": "doze", "do": "doze", "ranks": 2, "settings": {"settle_s": 0.5, "seconds": 2.0}}])
    assert toy.finish(ranks=3).returncode == 0
    used = {int(rank): float(seconds) for rank, seconds in toy.lines("cpu")}
    assert used.keys() == {1, 2}
    assert max(used.values()) < 0.2, "a spinning rank would have used two seconds"


def test_state_while_running_and_after(toy, capsys):
    from naglass_drv.runtime import status

    toy.plan(only=[{"name": "long", "do": "count", "settings": {"steps": 200}}, write("next")])
    job = toy.start(ranks=1)
    toy.wait_for("step", 80)
    text = status.overview(toy.run)
    assert "run: running; 1 rank" in text
    assert re.search(r"only +0 of 2 done", text)
    assert re.search(r"only/long: running; \d+ % \(\d+ of 200 steps\), about 0:00:\d\d left; counting", text)
    assert "only/long: running" in status.why(toy.run, "long")
    assert toy.wait(job).returncode == 0
    text = status.overview(toy.run)
    assert "run: done; 1 rank" in text and "2 of 2 done" in text and "resume" not in text
    assert "because: not done yet" in status.why(toy.run, "only/long")


def test_events_survive_a_torn_line(toy):
    from naglass_drv.runtime import events

    toy.plan(only=[write("a")])
    toy.finish(ranks=1)
    with open(toy.run / "events.jsonl", "a") as stream:
        stream.write('{"time": "2026-01-01", "ev')
    toy.finish(ranks=1)
    names = [event["event"] for event in events.read(toy.run)]
    assert names == ["run started", "started", "done", "collected", "run ended", "run started", "run ended"]


def test_a_slow_system_does_not_hold_up_the_others(toy):
    """The second step of `quick` runs while `slow` is in its first, which the planning rank itself carries out."""
    slow = {"first": [{"name": "s", "do": "count", "settings": {"steps": 60, "step_s": 0.05}}], "then": [write("late")]}
    quick = {"first": [write("q")], "then": [write("early", reads=["q.txt"])]}
    toy.plan_branches(quick=quick, slow=slow)
    done = toy.finish(ranks=2)
    assert done.returncode == 0, done.stderr
    order = [name for name, *_ in toy.lines("end")]
    assert order.index("early") < order.index("s") < order.index("late")
    assert (toy.run / "products" / "quick" / "early.txt").read_text() == "x"
    assert json.loads((toy.run / "tasks" / "steps.json").read_text())["steps"] == [
        "quick/first", "slow/first", "quick/then", "slow/then",
    ]  # fmt: skip


def test_a_failed_system_is_left_out_and_the_others_go_on(toy):
    toy.plan_branches(
        bad={"first": [{"name": "b", "do": "fail"}], "then": [write("never")]},
        good={"first": [write("g")], "then": [write("fine", reads=["g.txt"])]},
    )
    done = toy.finish(ranks=2)
    assert done.returncode == 4
    assert toy.done() == {"g", "fine"}
    assert "1 failed: bad/first/b" in done.stderr


def test_bad_input_of_one_system_leaves_it_out(toy):
    toy.plan_branches(bad={"first": [write("b")]}, good={"first": [write("g")]})
    described = json.loads((toy.folder / "plan.json").read_text())
    described["branches"]["bad"][0]["plan_raises"] = "glass: no parameters for Pu"
    (toy.folder / "plan.json").write_text(json.dumps(described))
    done = toy.finish()
    assert done.returncode == 4
    assert "bad/first FAILED: glass: no parameters for Pu" in done.stdout
    assert "1 failed: bad/first" in done.stderr
    assert toy.done() == {"g"}


def test_a_product_is_collected_again_only_if_its_tasks_or_files_have_changed(toy):
    toy.plan(first=[write("a")])
    assert toy.finish(ranks=1).returncode == 0
    manifest = toy.run / "products" / "first" / "manifest.json"
    content = json.loads(manifest.read_text())
    assert content["files"]["a.txt"]["path"] == "products/a.txt"
    assert [task["name"] for task in content["tasks"]] == ["a"]
    before = manifest.stat().st_mtime_ns
    assert toy.finish(ranks=1).returncode == 0
    assert manifest.stat().st_mtime_ns == before
    (toy.run / "products" / "a.txt").unlink()
    assert toy.finish(ranks=1).returncode == 0
    assert (toy.run / "products" / "a.txt").read_text() == "x"
    toy.plan(first=[write("a", "y")])
    assert toy.finish(ranks=1).returncode == 0
    assert (toy.run / "products" / "a.txt").read_text() == "y"
