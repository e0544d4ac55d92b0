"""The arrays that are submitted for tasks: shapes, chunks, limits and hosts; Slurm itself is not needed."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from naglass_drv.config.slurm import Slurm as Profile
from naglass_drv.errors import SetupError
from naglass_drv.runtime import batch, worklist
from naglass_drv.runtime.executors import slurm
from naglass_drv.runtime.executors.outside import Jobs
from naglass_drv.runtime.forecast import Measured, Times
from naglass_drv.runtime.keys import Keys
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Effort, Task

KEYS = Keys(lambda tool: "1")
REFUSALS = json.loads((Path(__file__).parents[1] / "data" / "slurm" / "refusals.json").read_text())["refusals"]
SAID = {each["limit"]: each["said"] for each in REFUSALS}
TIMES = Times([Measured("md", 1.0, 1, 600.0)])


class FakeSlurm:
    """Answers the commands of Slurm: jobs that were submitted stay in the queue until they are ended, of which there
    are at most `most`.
    """

    def __init__(self, monkeypatch):
        self.queue: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.calls: list[list[str]] = []
        self.fails, self.most = "", 10**6
        self.places: dict[str, str] = {}
        monkeypatch.setattr(batch, "command", self.answer)

    def answer(self, words):
        self.calls.append(list(words))
        if words[0] == "sinfo":
            return "n1\nn2\nn3\nn4\n"
        if words[0] == "squeue" and any(word.startswith("--name=") for word in words):
            name = next(word for word in words if word.startswith("--name=")).partition("=")[2]
            return "".join(f"{job}|{self.places[job]}\n" for job, each in self.names.items() if each == name)
        if words[0] == "squeue":
            return "".join(f"{job}|{k}|PENDING|x\n" for job, count in self.queue.items() for k in range(count))
        if self.fails:
            raise batch.refusal("sbatch", self.fails.strip())
        job = str(len(self.names) + 1)
        text = Path(words[-1]).read_text()
        found = re.search(r"--array=0-(\d+)", text)
        count = int(found[1]) + 1 if found else 1
        if sum(self.queue.values()) + count > self.most:
            raise batch.refusal("sbatch", SAID["MaxSubmitJobs of a user"].strip())
        self.queue[job] = count
        self.places[job] = next(word for word in words if word.startswith("--chdir=")).partition("=")[2]
        self.names[job] = re.search(r"--job-name=(\S+)", text)[1]
        return f"{job}\n"


@pytest.fixture
def fake(monkeypatch):
    return FakeSlurm(monkeypatch)


@pytest.fixture
def made(tmp_path, fake):
    """A function that submits tasks of a stage; returns the scripts."""
    store = Store(tmp_path)
    (tmp_path / "jobs").mkdir()

    def make(tasks, without=(), times=TIMES, threads=1, **words):
        tickets = store.plan("md", tasks, KEYS)
        words = Profile.model_validate({"cores_per_node": 40, "longest_h": 20, **words}).model_dump()
        queue = slurm.Slurm(tmp_path, words, "run", ["task"], times, threads)
        before = set((tmp_path / "jobs").glob("*.sh"))
        make.count, make.lines = queue.submit(tickets, without)
        make.queue, make.tickets = queue, tickets
        return [path.read_text() for path in sorted(set((tmp_path / "jobs").glob("*.sh")) - before)]

    return make


def tasks(count, **more):
    return [Task("md", f"t{number}", {"n": number}, effort=Effort("md", 1.0), **more) for number in range(count)]


def asked(text, key):
    found = re.search(rf"#SBATCH --{key}=(\S+)", text)
    return found[1] if found else None


def test_tasks_of_ten_minutes_are_put_into_jobs_of_an_hour(made):
    (text,) = made(tasks(60))
    assert asked(text, "array") == "0-9" and asked(text, "ntasks") == "1"
    # six of ten minutes, twice, and a quarter of an hour
    assert asked(text, "time") == "02:15:00"
    (text,) = made(tasks(60), aim_h=3.0)
    assert asked(text, "array") == "0-3" and asked(text, "time") == "06:15:00"


def test_tasks_whose_time_is_not_known_have_a_job_each_of_the_longest_kind(made):
    (text,) = made(tasks(5), times=Times())
    assert asked(text, "array") == "0-4" and asked(text, "time") == "20:00:00"


def test_no_array_is_larger_than_may_be(made):
    (text,) = made(tasks(100), times=Times(), max_array=7)
    assert asked(text, "array") == "0-6"
    (text,) = made(tasks(100), times=Times(), max_jobs=20)
    # seven are in the queue, and two are kept for those who plan
    assert asked(text, "array") == "0-9"


def test_all_tasks_are_in_the_jobs_once(made, tmp_path):
    made(tasks(23), times=Times(), max_array=4)
    (row,) = batch.rows(tmp_path)
    bundles = worklist.keys_of(tmp_path / "jobs" / row["tasks"])
    assert sum(map(len, bundles)) == len(set().union(*bundles)) == 23
    assert made.queue.under_way() == set().union(*bundles)


def test_a_full_queue_takes_nothing(made, fake):
    fake.queue["900"] = 98
    assert made(tasks(3)) == [] and made.count == 0
    assert made.lines == ["3 tasks wait: 98 jobs are in the queue of Slurm"]
    fake.queue.clear()
    fake.fails = SAID["MaxJobCount"]
    assert made(tasks(3)) == [] and made.count == 0
    assert made.lines == ["3 tasks wait: sbatch: Slurm temporarily unable to accept job, sleeping and retrying"]
    # nothing is left of what was tried, and it is not tried again before a job of ours has ended
    assert list((made.queue.folder / "jobs").iterdir()) == []
    fake.fails, fake.queue["900"] = "", 5
    made.queue._room.most = 5
    assert made.queue.submit(made.tickets, ()) == (0, [])
    fake.queue["900"] = 4
    assert made.queue.submit(made.tickets, ())[0] == 1
    # with none of ours it is tried again in a minute
    fake.queue.clear()
    fake.fails = SAID["MaxJobCount"]
    made(tasks(3))
    assert 50 < made.queue._room.until - time.monotonic() <= 60


def test_a_machine_that_knows_no_slurm_is_told_in_words():
    """As sinfo of Slurm 22.05.8 (Debian 12) wrote where nothing was configured."""
    said = (
        "sinfo: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\n"
        "sinfo: error: fetch_config: DNS SRV lookup failed\n"
        "sinfo: error: _establish_config_source: failed to fetch config\n"
        "sinfo: fatal: Could not establish a configuration source"
    )
    error = batch.refusal("sinfo", said)
    assert type(error) is SetupError
    assert str(error) == ("sinfo: no Slurm is reachable from this machine (Could not establish a configuration source)")


@pytest.mark.parametrize("each", REFUSALS, ids=lambda each: each["limit"])
def test_a_limit_of_submissions_is_told_from_one_of_a_job(made, fake, each):
    """A job that is too long or too wide is refused with the same words, and would be waited for without end."""
    error = batch.refusal("sbatch", each["said"].strip())
    assert type(error).__name__ == each["kind"] and "error:" not in str(error) and "\n" not in str(error)
    fake.fails = each["said"]
    if each["kind"].startswith("Too"):
        made(tasks(3))
        assert made.count == 0 and made.lines == [f"3 tasks wait: {error}"]
    else:
        with pytest.raises(SetupError) as raised:
            made(tasks(3))
        assert str(raised.value) == str(error)


def test_of_an_array_that_is_too_large_as_many_jobs_are_submitted_as_slurm_takes(made, fake, tmp_path):
    fake.most = 6
    fake.queue["900"] = 1
    (text,) = made(tasks(20), times=Times())
    # of room for five jobs, where twenty, ten and five were asked for; the tasks of each are as many as before
    assert asked(text, "array") == "0-4" and made.count == 1
    assert (
        "5 tasks of md in 5 jobs" in made.lines[0] and "15 tasks wait: sbatch: AssocMaxSubmitJobLimit" in made.lines[1]
    )
    under_way = made.queue.under_way()
    assert len(under_way) == 5
    # where five have ended there is room for five, which needs no trial, and none goes twice
    asked_before = sum(call[0] == "sbatch" for call in fake.calls)
    fake.queue = {"900": 1}
    rest = [ticket for ticket in made.tickets if (ticket.label, ticket.key) not in under_way]
    made.queue.submit(rest, ())
    assert sum(call[0] == "sbatch" for call in fake.calls) == asked_before + 1
    after = made.queue.under_way()
    assert len(after) == 5 and after.isdisjoint(under_way)


def test_a_submission_that_was_taken_while_it_was_given_up_is_not_done_twice(made, fake, monkeypatch):
    def late(words):
        answer = fake.answer(words)
        if words[0] == "sbatch":
            raise batch.refusal("sbatch", SAID["MaxJobCount"].strip())
        return answer

    monkeypatch.setattr(batch, "command", late)
    (text,) = made(tasks(3), times=Times())
    assert asked(text, "array") == "0-2" and made.count == 1 and len(fake.queue) == 1
    assert len(made.queue.under_way()) == 3


def test_an_sbatch_that_waits_for_room_is_ended(tmp_path, monkeypatch):
    """It would try for two minutes, and the silence is not that of Slurm's controller."""
    program = tmp_path / "sbatch"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{SAID['MaxJobCount']}' >&2\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(batch, "_LOOK_S", 0.2)
    start = time.monotonic()
    with pytest.raises(batch.TooMany, match="^sbatch: Slurm temporarily unable to accept job, sleeping and retrying$"):
        batch.command(["sbatch", "x"])
    assert time.monotonic() - start < 20
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(batch, "_PATIENCE_S", 0.5)
    with pytest.raises(batch.NotNow, match="no answer within 0.5 s"):
        batch.command(["sbatch", "x"])


def test_each_shape_has_an_array_on_the_nodes_of_its_kind(made):
    nodes = {
        "gpu": {"constraint": "v100", "account": "a@v100", "gpus_per_node": 4, "cores_per_node": 20, "longest_h": 2},
        "thin": {"partition": "thin", "stages": ["other"]},
    }
    some = [Task("md", "a", {}, ranks=4), Task("md", "b", {}), Task("md", "c", {}, gpus=1), Task("md", "d", {}, gpus=1)]
    wide, thin, fast = sorted(made(some, account="a@cpu", nodes=nodes), key=lambda text: asked(text, "ntasks") != "4")
    if asked(thin, "gres"):
        thin, fast = fast, thin
    assert [asked(text, "ntasks") for text in (wide, thin, fast)] == ["4", "1", "1"]
    assert [asked(text, "account") for text in (wide, thin, fast)] == ["a@cpu", "a@cpu", "a@v100"]
    assert (asked(fast, "gres"), asked(fast, "constraint"), asked(fast, "time")) == ("gpu:1", "v100", "02:00:00")
    assert asked(fast, "array") == "0-1" and asked(wide, "gres") is None


def test_a_stage_may_be_given_nodes_and_gpus_that_its_tasks_do_not_ask_for(made):
    nodes = {"gpu": {"stages": ["md"], "gpus": 1, "gpus_per_node": 4, "partition": "g"}}
    (text,) = made(tasks(1), nodes=nodes)
    assert (asked(text, "gres"), asked(text, "partition")) == ("gpu:1", "g")


def test_a_node_that_a_job_has_alone_is_filled(made):
    (text,) = made(tasks(120, ranks=4), options=["--exclusive"])
    # ten tasks of four cores at once
    assert (asked(text, "ntasks"), asked(text, "nodes")) == ("40", "1")
    assert slurm.side_by_side({"options": ["--exclusive"], "cores_per_node": 40, "gpus_per_node": 4}, 5, 1) == 4
    assert slurm.side_by_side({"options": []}, 5, 0) == 1


def test_nodes_of_an_array_hold_whole_ranks(made):
    (text,) = made(tasks(1, ranks=4), threads=3, cores_per_node=4)
    assert (asked(text, "ntasks"), asked(text, "cpus-per-task"), asked(text, "nodes")) == ("4", "3", "4")


def test_hosts_are_left_out_but_never_more_than_half(made, fake):
    made(tasks(1), without=["n2", "gone"])
    assert "--exclude=n2" in fake.calls[-1]
    made(tasks(1), without=["n1", "n2", "n3"])
    assert "--exclude=n1,n2" in fake.calls[-1]


def test_a_job_whose_planner_was_killed_is_found_again(made, tmp_path):
    made(tasks(2), times=Times())
    (tmp_path / "jobs" / "submitted.jsonl").unlink()
    assert len(made.queue.under_way()) == 2
    (row,) = batch.rows(tmp_path)
    assert row["job"] == "1"
    # one whose job was never submitted is forgotten
    worklist.write(tmp_path / "jobs" / "run-01234567.json", [made.tickets])
    assert len(made.queue.under_way()) == 2
    assert not (tmp_path / "jobs" / "run-01234567.json").exists()


def test_small_tasks_get_no_job(tmp_path):
    jobs = Jobs(tmp_path, None, TIMES, 0.0, print, ranks=2, stages=frozenset({"train"}))
    plan = Store(tmp_path).plan

    def takes(*more, stage="md", size=1.0, effort=True, **asked):
        (ticket,) = plan(stage, [Task(stage, "a", {}, effort=Effort("md", size) if effort else None, **asked)], KEYS)
        return jobs.takes(ticket)

    assert takes() and not takes(size=0.05)
    assert not takes(effort=False)
    assert takes(size=0.05, ranks=3) and takes(size=0.05, gpus=1) and takes(stage="train", effort=False)


def test_what_slurm_has_set_for_a_job_is_not_passed_on():
    known = {"SLURM_CONF": "c", "SLURM_JOB_ID": "1", "SBATCH_QOS": "x", "PMI_RANK": "0", "PATH": "p", "SLURMD_X": "1"}
    assert batch.outside_of_jobs(known) == {"SLURM_CONF": "c", "PATH": "p"}


def test_where_arrays_have_to_be_small_there_are_several_at_once(made, fake, monkeypatch):
    def small(words):
        found = words[0] == "sbatch" and re.search(r"--array=0-(\d+)", Path(words[-1]).read_text())
        if found and int(found[1]) >= 4:
            raise batch.refusal("sbatch", SAID["MaxArraySize"].strip())
        return fake.answer(words)

    monkeypatch.setattr(batch, "command", small)
    texts = made(tasks(10), times=Times())
    # ten and five are refused, and two are taken
    assert sorted(asked(text, "array") for text in texts) == ["0-1"] * 5
    assert made.count == 1 and len(made.lines) == 5 and len(made.queue.under_way()) == 10
