"""Site profiles and the job that `submit` would hand to Slurm; Slurm itself is not needed."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from naglass_drv.config.site import line_of, load_site
from naglass_drv.config.slurm import Slurm, bill_of, shipped, shipped_file, slurm_of
from naglass_drv.errors import InputError
from naglass_drv.runtime import batch
from naglass_drv.runtime.batch import Shape, clock, script
from naglass_drv.runtime.forecast import Times
from support.jobs import called

INPUT = """
name: small
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.45}
glass: {melt_ps: 1, ranks: 2}
"""


@pytest.fixture
def submit(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    own = tmp_path / "site.yaml"
    own.write_text("threads: 1\n")

    def command(*words, profile=""):
        if profile:
            own.write_text(profile)
        return called("submit", "input.yaml", "--dry-run", *words, cwd=tmp_path, NAGLASS_SITE=str(own))

    return command


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_is_valid_and_states_its_sources(name):
    text = shipped_file(name).read_text()
    read, path = slurm_of(name, None)
    assert isinstance(read, Slurm) and path == shipped_file(name)
    known = YAML(typ="safe").load(text)["slurm"]
    assert read.model_dump(exclude_unset=True) == dict(known)
    assert name in ("slurm", "workstation") or "Source" in text


@pytest.mark.parametrize("name", shipped())
def test_a_copy_of_a_shipped_profile_is_one_s_own(name, tmp_path):
    copy = tmp_path / "site.yaml"
    copy.write_text(called("site", name, cwd=tmp_path).stdout)
    own = load_site({"NAGLASS_SITE": str(copy)})
    assert (own.slurm, own.bill) == (slurm_of(name, None)[0], bill_of(name, None)[0])


def test_a_program_of_the_profile_that_is_not_there_is_told_from_a_relative_path(tmp_path):
    path = tmp_path / "site.yaml"
    for text, said in (
        ("/opt/no/cp2k", "no such executable file on this machine"),
        ("cp2k", "must be an absolute path"),
    ):
        path.write_text(f"cp2k: {text}\n")
        with pytest.raises(InputError, match=f"site.yaml:1: cp2k: '{text}': {said}"):
            load_site({"NAGLASS_SITE": str(path)})


def test_one_s_own_profile_goes_before_the_shipped_one():
    found, _ = slurm_of("jean-zay-cpu", Slurm(account="abc@cpu", longest_h=5.0))
    assert (found.account, found.longest_h, found.cores_per_node) == ("abc@cpu", 5.0, 40)


def test_the_script_is_valid_shell_and_asks_for_what_is_wanted(submit, tmp_path):
    made = submit("--site", "jean-zay-cpu", "--account", "abc@cpu", "--ranks", "80", "--walltime", "90m")
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    for line in ("--account=abc@cpu", "--nodes=2", "--ntasks=80", "--time=01:30:00", "--signal=B:USR1@60", "--requeue"):
        assert f"#SBATCH {line}" in lines
    assert "#SBATCH --hint=nomultithread" in lines and "module purge" in lines
    assert subprocess.run(["bash", "-n"], input=made.stdout, text=True).returncode == 0
    assert not (tmp_path / "run").exists()


def test_a_folder_with_odd_characters_stays_one_word():
    text = script(
        Shape(1, 1, 1, 0, 1.0), {}, name="n", folder=Path("/x/it's $HOME"), command=["a b", "$c"], again=["d"]
    )
    assert "srun 'a b' '$c' &" in text and "'\"'\"'" in text
    assert subprocess.run(["bash", "-n"], input=text, text=True).returncode == 0


@pytest.mark.parametrize("launcher", [None, "srun --mpi=pmi2", "/opt/slurm/bin/srun"])
def test_srun_is_told_the_cores_of_a_rank(launcher):
    """Since Slurm 22.05 it does not take them from the job: https://slurm.schedmd.com/srun.html, --cpus-per-task."""
    lines = script(
        Shape(2, 8, 1, 0, 1.0), {"launcher": launcher}, name="n", folder=Path("/x"), command=["c"]
    ).splitlines()
    assert "#SBATCH --cpus-per-task=8" in lines
    told = lines.index("export SRUN_CPUS_PER_TASK=8")
    assert told < lines.index(f"{launcher or 'srun'} c &")


def test_daemons_that_mpirun_starts_by_srun_keep_all_cores_of_a_node():
    text = script(Shape(2, 8, 1, 0, 1.0), {"launcher": "mpirun"}, name="n", folder=Path("/x"), command=["c"])
    assert "mpirun c &" in text and "SRUN_CPUS_PER_TASK" not in text


@pytest.mark.parametrize(
    "hours, shown", [(0.001, "00:01:00"), (0.5, "00:30:00"), (1.01, "01:01:00"), (100.0, "100:00:00")]
)
def test_times_are_rounded_up_to_minutes(hours, shown):
    assert clock(hours) == shown


@pytest.mark.parametrize(
    "words, profile, said",
    [
        ((), "", "the site profile says nothing of Slurm"),
        (("--site", "nowhere"), "", "site 'nowhere': no such profile; there are adastra-genoa, "),
        (("--site", "jean-zay-cpu"), "", "jean-zay-cpu.yaml:6: slurm.account: is needed here"),
        (("--site", "slurm"), "", "slurm.cores_per_node: is not known"),
        (("--site", "jean-zay-cpu", "--account", "a b"), "", "--account 'a b': not the name of an account"),
        (("--site", "workstation", "--ranks", "1"), "", "--ranks 1: glass.ranks requests 2"),
        (("--site", "workstation", "--walltime", "48h"), "", "--walltime 48h: "),
        (("--site", "workstation", "--threads", "9"), "", "--threads 9: "),
        (("--site", "workstation", "--executor", "hyperqueue"), "", "use run --executor hyperqueue"),
        ((), "slurm: {cores_per_node: 4, nodes: {gpu: {cores_per_nod: 2}}}\n", "slurm.nodes.gpu.cores_per_nod: "),
        (
            (),
            "slurm: {cores_per_node: 4, nodes: {g: {stages: [trian]}}}\n",
            "slurm.nodes.g.stages: trian: no such stage",
        ),
        ((), "slurm: {cores_per_node: 4, nodes: {g: {stages: [base]}}}\n", "slurm.nodes.g.stages: base: no such stage"),
        ((), "slurm: {cores_per_node: 4, account: 'a; rm -rf /'}\n", "site.yaml:1: slurm.account: "),
        ((), "slurm: {cores_per_node: 4, options: ['--wrap=x y']}\n", "site.yaml:1: slurm.options[0]: "),
    ],
)
def test_what_the_machine_cannot_give_is_refused_before_anything_is_written(submit, tmp_path, words, profile, said):
    made = submit(*words, profile=profile)
    assert made.returncode == 2 and said in made.stderr
    assert not (tmp_path / "run").exists()


def test_a_key_is_named_where_it_stands(tmp_path):
    own = tmp_path / "site.yaml"
    environment = {"NAGLASS_SITE": str(own)}
    shipped = shipped_file("jean-zay-cpu")
    at = shipped.read_text().splitlines().index("  cores_per_node: 40") + 1
    assert line_of(shipped, "slurm", "cores_per_node", environment=environment) == (
        f"jean-zay-cpu.yaml:{at}: slurm.cores_per_node"
    )
    own.write_text("threads: 1\nslurm:\n  account: a\n  cores_per_node: 4\n")
    assert line_of(shipped, "slurm", "cores_per_node", environment=environment) == "site.yaml:4: slurm.cores_per_node"
    assert line_of(shipped, "slurm", "launcher", environment=environment).startswith("jean-zay-cpu.yaml:")
    assert line_of(None, "slurm", "launcher", environment=environment) == "site.yaml:2: slurm.launcher"


LABELS = INPUT + "reference: [{name: r, structures: glass, ranks: 6, level: gfn1-xtb}]\n"
NODES = """slurm:
  cores_per_node: 8
  longest_h: 1
  nodes:
    thin:
      stages: [reference]
      cores_per_node: 4
"""


def test_labels_have_to_fit_on_a_node_of_their_kind(submit, tmp_path):
    (tmp_path / "input.yaml").write_text(LABELS)
    made = submit("--executor", "slurm", profile=NODES)
    assert made.returncode == 2
    assert (
        "reference[0].ranks: 6 of 1 core on one node: site.yaml:7: slurm.nodes.thin.cores_per_node is 4" in made.stderr
    )
    assert submit(profile=NODES.replace("cores_per_node: 4", "cores_per_node: 6")).returncode == 0
    # one job for all has the nodes at the top, of 8 cores
    assert submit("--executor", "mpi", profile=NODES).returncode == 0
    # without a job that plans, too
    (tmp_path / "site.yaml").write_text(NODES)
    known = {"cwd": tmp_path, "NAGLASS_SITE": str(tmp_path / "site.yaml")}
    assert called("run", "input.yaml", "--executor", "slurm", **known).stderr == made.stderr


def test_a_job_has_to_be_as_long_as_a_label(submit, tmp_path, monkeypatch):
    (tmp_path / "input.yaml").write_text(LABELS.replace("ranks: 6", "ranks: 1"))
    found = submit(profile=NODES)
    assert found.returncode == 0, found.stderr
    monkeypatch.setattr(Times, "seconds", lambda self, effort, ranks: (7200.0, "this machine", 1.0))
    made = submit(profile=NODES)
    assert made.returncode == 2
    assert "site.yaml:3: slurm.longest_h: 1: a task of reference is expected to work 2 h before it saves" in made.stderr
    made = submit("--walltime", "30m", profile=NODES.replace("longest_h: 1", "longest_h: 10"))
    assert made.returncode == 2 and "--walltime 30m: a task of reference is expected to work 2 h" in made.stderr


def test_the_job_that_plans_is_small_and_says_which_others_follow(submit, tmp_path):
    (tmp_path / "input.yaml").write_text(LABELS.replace("ranks: 6", "ranks: 2"))
    made = submit("--executor", "slurm", profile=NODES)
    assert made.returncode == 0, made.stderr
    assert "#SBATCH --ntasks=1" in made.stdout and "--executor slurm --chained" in made.stdout
    assert "# glass: 1 task of 2 ranks\n" in made.stdout
    assert re.search(r"# reference: \d+ tasks? of 2 ranks, on nodes thin\n", made.stdout)
    assert not (tmp_path / "run").exists()


def test_a_profile_that_is_none_is_named():
    with pytest.raises(InputError, match=r"site '\.\./x': no such profile"):
        shipped_file("../x")


SLURM = """#!/usr/bin/env python3
import sys
from pathlib import Path
program, here = Path(sys.argv[0]).name, Path(__file__).parent
with open(here / "calls", "a") as calls:
    print(program, *sys.argv[1:], file=calls)
if program == "sinfo":
    print("main")
if program == "sbatch":
    sys.exit(f"sbatch: error: {(here / 'says').read_text()}")
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands of Slurm that note their calls, and an sbatch that refuses; a function that says what with."""
    for name in ("sinfo", "squeue", "sbatch", "scontrol"):
        (tmp_path / name).write_text(SLURM)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def says(text):
        (tmp_path / "says").write_text(text)
        return lambda: (tmp_path / "calls").read_text().splitlines()

    return says


FULL = "AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy"


def test_a_full_queue_is_told_once_and_nothing_is_left(tmp_path, slurm):
    slurm(FULL)
    (tmp_path / "input.yaml").write_text(INPUT)
    made = called("submit", "input.yaml", "--site", "workstation", cwd=tmp_path, NAGLASS_SITE=str(tmp_path / "none"))
    assert made.returncode == 2
    (tmp_path / "site.yaml").write_text("slurm: {cores_per_node: 4, longest_h: 1}\n")
    known = {"cwd": tmp_path, "NAGLASS_SITE": str(tmp_path / "site.yaml")}
    made = called("submit", "input.yaml", **known)
    assert made.returncode == 5 and made.stderr == (
        "sbatch: AssocMaxSubmitJobLimit; Batch job submission failed: Job violates accounting/QOS policy; nothing was "
        "submitted: submit again when there is room\n"
    )
    made = called("site", "check", **known)
    assert made.returncode == 5 and made.stderr.startswith("sbatch: AssocMaxSubmitJobLimit; ")
    assert not (tmp_path / "run").exists() and not (tmp_path / "site-check").exists()


def test_a_job_that_may_submit_no_other_goes_back_into_the_queue_itself(tmp_path, slurm):
    """A user who may have one job has that of the chain."""
    calls = slurm(FULL)
    (tmp_path / "input.yaml").write_text(INPUT)
    (tmp_path / "site.yaml").write_text("slurm: {cores_per_node: 4, longest_h: 1}\n")
    (tmp_path / "run" / "jobs").mkdir(parents=True)
    (tmp_path / "run" / "lock").touch()
    known = {"NAGLASS_SITE": str(tmp_path / "site.yaml"), "SLURM_JOB_ID": "17"}
    made = called("submit", "input.yaml", "--next", cwd=tmp_path, **known)
    assert made.returncode == 0, made.stderr
    assert (
        "job 17 is put back into the queue, since Slurm takes no other: sbatch: AssocMaxSubmitJobLimit" in made.stdout
    )
    assert calls()[-1] == "scontrol requeue 17"
    assert [row["job"] for row in batch.rows(tmp_path / "run")] == ["17"]
    # what is wrong with the job itself is not tried for ever
    slurm("Batch job submission failed: Invalid account or account/partition combination specified")
    made = called("submit", "input.yaml", "--next", cwd=tmp_path, **known)
    assert made.returncode == 5 and "Invalid account" in made.stderr
    assert [line for line in calls() if line.startswith("scontrol")] == ["scontrol requeue 17"]


@pytest.mark.parametrize(
    "verb",
    [
        ("submit", "input.yaml"),
        ("submit", "input.yaml", "--executor", "slurm"),
        ("run", "input.yaml", "--executor", "slurm"),
        ("site", "check"),
    ],
)
def test_where_there_is_no_slurm_one_line_says_so_and_nothing_is_left(tmp_path, monkeypatch, verb):
    (tmp_path / "input.yaml").write_text(INPUT)
    (tmp_path / "site.yaml").write_text("slurm: {cores_per_node: 4, longest_h: 1}\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    made = called(*verb, cwd=tmp_path, NAGLASS_SITE=str(tmp_path / "site.yaml"))
    assert made.returncode == 5
    assert made.stderr == "sinfo: not found; is this a login node of a cluster with Slurm?\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input.yaml", "site.yaml"]


def test_an_unknown_partition_is_named_with_its_line(tmp_path, slurm):
    slurm("")
    (tmp_path / "input.yaml").write_text(INPUT)
    (tmp_path / "site.yaml").write_text(
        "slurm:\n  cores_per_node: 4\n  longest_h: 1\n  nodes:\n    wide:\n      partition: nowhere\n"
    )
    for verb in (("submit",), ("run", "--executor", "slurm")):
        made = called(*verb, "input.yaml", cwd=tmp_path, NAGLASS_SITE=str(tmp_path / "site.yaml"))
        assert made.returncode == 2 and made.stderr == (
            "site.yaml:6: slurm.nodes.wide.partition: nowhere: no such partition; there are main\n"
        )
        assert not (tmp_path / "run").exists()


STAGES = """name: all
system: {composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.45}
glass: {melt_ps: 1, quench_rate_K_per_ps: 100, hold_ps: 2}
reference:
  - {name: a, level: gfn1-xtb}
  - {name: b, level: gfn1-xtb, aimd: {segments: [{temperature_K: 300, time_ps: 1}]}}
dataset: {level: gfn1-xtb}
train: {epochs: 20}
md: {temperatures_K: [600], time_ps: 9.8, checkpoint_ps: 0.3}
"""


@pytest.mark.parametrize(
    "work, stage, share",
    [
        # a restart file every 5000 steps of 1 ps before the melt, 1 ps, 27 ps and 2 ps
        ("glass", "glass", 5 / 31),
        # a frame has no checkpoint; of a trajectory one SCF is lost
        ("reference gfn1-xtb", "reference", 1.0),
        ("fit", "train", 1 / 20),
        # 200 evaluations before the first step, then 300 of 9800 steps
        ("md", "md", 500 / 10_000),
    ],
)
def test_jobs_are_as_long_as_a_task_works_before_it_saves(submit, tmp_path, monkeypatch, work, stage, share):
    (tmp_path / "input.yaml").write_text(STAGES)
    # two hours between two checkpoints of the longest task
    hours = 2.0 / share

    def seconds(self, effort, ranks):
        long = effort.work.startswith(work) and effort.at_once >= share and not effort.work.endswith("atom")
        return (3600.0 * hours if long else 1.0, "this machine", 1.0)

    monkeypatch.setattr(Times, "seconds", seconds)
    profile = "slurm:\n  cores_per_node: 8\n  longest_h: {}\n"
    made = submit(profile=profile.format(1.99))
    assert made.returncode == 2, made.stdout
    assert made.stderr.startswith(
        f"site.yaml:3: slurm.longest_h: 1.99: a task of {stage} is expected to work 2 h before it saves anything"
    )
    # by its own nodes, with a job for each task; one job for all has those at the top
    nodes = f"  nodes:\n    other:\n      stages: [{stage}]\n      longest_h: 1.5\n"
    made = submit("--executor", "slurm", profile=profile.format(10) + nodes)
    assert made.returncode == 2 and made.stderr.startswith("site.yaml:7: slurm.nodes.other.longest_h: 1.5: a task of ")
    assert submit(profile=profile.format(10) + nodes).returncode == 0
