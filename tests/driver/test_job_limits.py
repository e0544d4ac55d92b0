"""What a job may ask for on the nodes that it gets, and names that become lines of its script; Slurm is not needed."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from naglass_drv.cli.run import name_of
from support.jobs import called

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
