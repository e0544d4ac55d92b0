"""What a job may ask for on the nodes that it gets, and names that become lines of its script; Slurm is not needed."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from naglass_drv.cli.run import name_of
from naglass_drv.runtime.batch import nodes_for
from support.jobs import called

ROOT = Path(__file__).parents[2]
SERIES = """name: s
systems:
  - {name: a, composition: {Na: 1, P: 1, O: 3}, formula_units: 10, density_g_cm3: 2.4}
  - {name: b, composition: {Na: 1, P: 1, O: 3}, formula_units: 11, density_g_cm3: 2.4}
glass: {melt_ps: 1, quench_rate_K_per_ps: 1000, hold_ps: 1}
"""


@pytest.fixture
def submit(tmp_path):
    """Write an input and a profile, and show the job; nothing is left but these."""

    def command(*words, text=SERIES, profile="slurm: {cores_per_node: 4, longest_h: 1}\n", file="input.yaml"):
        (tmp_path / file).write_text(text)
        (tmp_path / "site.yaml").write_text(profile)
        made = called("submit", file, "--dry-run", *words, cwd=tmp_path, NAGLASS_SITE=str(tmp_path / "site.yaml"))
        assert not (tmp_path / "run").exists()
        return made

    return command


@pytest.mark.parametrize(
    "file, name",
    [
        ("x --account=other.yaml", "x---account-other"),
        ("x\n#SBATCH --wrap=sh\necho INJECTED\n.yaml", None),
        ("my input.yaml", "my-input"),
        ("a;b#c.yaml", "a-b-c"),
        ("glass[12]*?.yaml", "glass-12-"),
        ("Gläser.yaml", "Gl-ser"),
        (f"{'n' * 240}.yaml", "n" * 80),
    ],
)
def test_the_name_of_a_file_is_one_word_of_the_script(submit, file, name):
    made = submit(file=file)
    assert made.returncode == 0, made.stderr
    head = made.stdout.split("\n\n")[0].splitlines()
    plain = submit().stdout.split("\n\n")[0].splitlines()
    shown = head[1].removeprefix("#SBATCH --job-name=")
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", shown) and (name is None or shown == name)
    # a line of the head and no other differs from that of a plain name
    assert head[2:] == plain[2:] and "#SBATCH --account" not in made.stdout and "\necho" not in head


def test_the_name_in_the_input_is_that_of_its_only_system():
    study = SimpleNamespace(systems={"": SimpleNamespace(name="glass")})
    assert name_of(study, Path("a b.yaml")) == "glass"


GLASS = """name: g
system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 20, density_g_cm3: 2.4}
glass: {replicas: 2, melt_ps: 1, quench_rate_K_per_ps: 1000, hold_ps: 1}
"""
ON_GPUS = GLASS + "md: {model: model.mace, temperatures_K: [300], time_ps: 1, gpus: 2}\n"
KINDS = """slurm:
  cores_per_node: {top}
  longest_h: 20
  nodes:
    big:
      cores_per_node: {big}
      gpus_per_node: 4
      longest_h: 100
      stages: [glass, md, train]
"""


@pytest.fixture
def trained(tmp_path):
    """An input whose trajectories ask for two GPUs, with a model that can be opened."""
    shutil.copy(ROOT / "examples" / "quickstart" / "start" / "model.mace", tmp_path)
    return ON_GPUS


def test_the_job_of_executor_mpi_has_the_nodes_at_the_top(submit, trained):
    wide, narrow = KINDS.format(top=4, big=128), KINDS.format(top=4, big=2)
    made = submit("--executor", "mpi", "--ranks", "2", "--threads", "64", text=GLASS, profile=wide)
    assert made.returncode == 2 and made.stderr == "--threads 64: site.yaml:2: slurm.cores_per_node is 4\n"
    made = submit("--executor", "mpi", text=trained, profile=wide)
    assert made.returncode == 2 and "md.gpus: 2: site.yaml:1: slurm.gpus_per_node is 0\n" in made.stderr
    made = submit("--executor", "mpi", "--threads", "3", text=GLASS, profile=narrow)
    assert made.returncode == 0 and "#SBATCH --cpus-per-task=3\n" in made.stdout


def test_tasks_with_jobs_of_their_own_have_the_nodes_of_their_stage(submit, trained):
    wide, narrow = KINDS.format(top=4, big=128), KINDS.format(top=4, big=2)
    assert submit("--executor", "slurm", "--threads", "64", text=GLASS, profile=wide).returncode == 0
    made = submit("--executor", "slurm", "--threads", "3", text=GLASS, profile=narrow)
    assert made.returncode == 2 and made.stderr == "--threads 3: site.yaml:6: slurm.nodes.big.cores_per_node is 2\n"
    assert submit("--executor", "slurm", text=trained, profile=wide).returncode == 0
    one = wide.replace("gpus_per_node: 4", "gpus_per_node: 1")
    made = submit("--executor", "slurm", text=trained, profile=one)
    assert made.returncode == 2 and "md.gpus: 2: site.yaml:7: slurm.nodes.big.gpus_per_node is 1\n" in made.stderr


def test_a_job_may_be_as_long_as_its_own_nodes_allow(submit):
    profile = KINDS.format(top=4, big=128)
    assert submit("--executor", "slurm", "--walltime", "50h", text=GLASS, profile=profile).returncode == 0
    made = submit("--executor", "slurm", "--walltime", "101h", text=GLASS, profile=profile)
    assert made.stderr == "--walltime 101h: site.yaml:8: slurm.nodes.big.longest_h is 100\n"
    made = submit("--executor", "mpi", "--walltime", "50h", text=GLASS, profile=profile)
    assert made.stderr == "--walltime 50h: site.yaml:3: slurm.longest_h is 20\n"


@pytest.mark.parametrize(
    "ranks, threads, cores, nodes",
    [(4, 3, 4, 4), (4, 2, 4, 2), (5, 2, 4, 3), (80, 1, 40, 2), (1, 4, 4, 1), (7, 5, 16, 3)],
)
def test_no_rank_has_its_threads_on_two_nodes(ranks, threads, cores, nodes):
    assert nodes_for(ranks, threads, cores) == nodes


def test_nodes_are_those_that_hold_whole_ranks(submit):
    made = submit("--executor", "mpi", "--ranks", "4", "--threads", "3")
    assert "#SBATCH --nodes=4\n" in made.stdout and "#SBATCH --ntasks=4\n" in made.stdout


@pytest.mark.parametrize(
    "kinds, said",
    [
        ("a: {gpus_per_node: 4, gpus: 16}", "4: slurm.nodes.a.gpus: 16: site.yaml:4: slurm.nodes.a.gpus_per_node is 4"),
        ("a: {gpus: 1}", "4: slurm.nodes.a.gpus: 1: site.yaml:1: slurm.gpus_per_node is 0"),
        (
            "a: {stages: [train]}\n    b: {stages: [md, train]}",
            "5: slurm.nodes.b.stages: train: is also in site.yaml:4: slurm.nodes.a; a stage has one kind of nodes",
        ),
        ("a: {stages: [md, md]}", "4: slurm.nodes.a.stages: md: is twice here"),
    ],
)
def test_kinds_of_nodes_that_contradict_are_named(submit, kinds, said):
    made = submit(text=GLASS, profile=f"slurm:\n  cores_per_node: 4\n  nodes:\n    {kinds}\n")
    assert made.returncode == 2 and f"site.yaml:{said}" in made.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("--executor", "slurm", "--ranks", "3"), "--ranks 3: has no effect with --executor slurm"),
        (("--account", ""), "--account '': not the name of an account"),
        (("--walltime", ""), "--walltime '': must have the form 90m, 1.5h, 5400s or HH:MM:SS"),
        (("--walltime", "-5m"), "--walltime '-5m': must have the form"),
        (("--walltime", "-1:00:00"), "--walltime '-1:00:00': must have the form"),
    ],
)
def test_an_option_is_neither_ignored_nor_taken_for_another(submit, words, said):
    made = submit(*words)
    assert made.returncode == 2 and made.stderr.startswith(said)


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_a_check_leaves_runs_and_files_alone(tmp_path, words):
    (tmp_path / "site.yaml").write_text("slurm: {cores_per_node: 4}\n")
    (tmp_path / "run" / "jobs").mkdir(parents=True)
    (tmp_path / "run" / "lock").touch()
    for folder, said in (("run", "is a run folder; choose another"), ("site.yaml", "is a file, not a folder")):
        made = called(
            "site", "check", "--folder", folder, *words, cwd=tmp_path, NAGLASS_SITE=str(tmp_path / "site.yaml")
        )
        assert made.returncode == 2 and made.stderr.startswith(f"--folder {folder}: {said}")
    assert not list((tmp_path / "run" / "jobs").iterdir())


def test_a_step_that_only_writes_a_file_leaves_the_estimate_complete(submit, tmp_path, monkeypatch):
    """Without any time of this machine, and without `longest_h`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    shutil.copy(ROOT / "tests" / "data" / "NaFePO4_maricite.extxyz", tmp_path)
    slab = "hkl: [1, 0, 0], crystal_A: 12, glass_A: 14, lateral_A: 12"
    text = GLASS + f"interface: {{crystal: NaFePO4_maricite.extxyz, {slab}, cell_A: [9.1, 6.9, 5.1]}}\nreport: {{}}\n"
    made = submit(text=text, profile="slurm: {cores_per_node: 4}\n")
    assert made.returncode == 0, made.stderr
    assert re.search(r"--time=00:\d\d:00\n", made.stdout)


@pytest.mark.parametrize(
    "line, said",
    [
        ("constraint: a b", 'constraint: must be one word of letters, digits and _ @ . , : + & | * [ ] -, not "a b"'),
        ("options: [exclusive]", "options[0]: must be --option or --option=value of letters, digits and _ @"),
        ('setup: ["a\\nb"]', "setup[0]: must be one line of ASCII, not"),
    ],
)
def test_the_spelling_of_a_word_is_told_in_words(submit, line, said):
    made = submit(profile=f"slurm:\n  cores_per_node: 4\n  {line}\n")
    assert made.returncode == 2 and f"site.yaml:3: slurm.{said}" in made.stderr
