"""The verb on a table of its own: page, claims and messages."""

import csv
import os
import re

import numpy as np
import pytest
from ruamel.yaml import YAML

from naglass_drv.cli.main import main
from support.jobs import called

pytestmark = pytest.mark.slow

HEAD = [
    "glass", "series", "replica", "Na2O (mol-%)", "TiO2 (mol-%)", "P2O5 (mol-%)", "mean_n", "P-O-P angle (deg)",
    "density (g/cm3)", "D (cm2/s)",
]  # fmt: skip


@pytest.fixture
def table(tmp_path):
    """20 compositions, two replicas each, three series: D follows mean_n, which does not follow the composition."""
    rng = np.random.default_rng(8)
    with open(tmp_path / "glasses.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEAD)
        for k in range(20):
            sodium, titania = rng.uniform(30, 50), rng.uniform(2, 15)
            linked = rng.normal(1.5, 0.4)
            level = -9 + 1.2 * (linked - 1.5) + 0.02 * (sodium - 40) + 0.1 * rng.normal()
            for replica in range(2):
                shares = [f"{share:.2f}" for share in (sodium, titania, 100 - sodium - titania)]
                angle, density = rng.normal(135, 3), 2.5 + 0.01 * titania + rng.normal(0, 0.03)
                value = f"{10 ** (level + 0.05 * rng.normal()):.3e}"
                mean = f"{linked + rng.normal(0, 0.02):.3f}"
                writer.writerow(
                    [f"g{k}", "ABC"[k % 3], replica, *shares, mean, f"{angle:.2f}", f"{density:.3f}", value]
                )
    return tmp_path


def test_a_table_becomes_a_page_and_claims(table):
    words = ["insight", "glasses.csv", "--target", "D", "--group", "glass", "--family", "series", "--models", "ridge"]
    words += ["--replica", "replica"]
    more = ["--permutations", "199", "--design", "2", "--density", "2.6", "--atoms", "60", "-o", "out"]
    done = called(*words, *more, cwd=table)
    assert done.returncode == 0, done.stderr
    assert "D: 40 rows of 20 compositions in 3 families\n" in done.stdout
    assert "D depends on medium-range order beyond what the other blocks tell." in done.stdout
    claims = YAML(typ="safe").load(table / "out" / "claims.yaml")
    found = {claim["block"][0]: claim for claim in claims["claims"] if len(claim["block"]) == 1}
    assert found["medium_range"]["verdict"] == "important"
    assert found["medium_range"]["splits_passed"] == ["composition", "family"]
    assert {found[name]["verdict"] for name in ("short_range", "free_volume")} <= {"not shown", "not separable"}
    assert claims["unit"] == "cm^2/s" and claims["learned_as"] == "log10" and claims["compositions"] == 20
    assert set(claims["splits"]) == {"replica", "composition", "family"} and not claims["splits"]["replica"]["evidence"]
    page = (table / "out" / "report.html").read_text()
    told = ("Claims", "Referee&#x27;s questions", "R² lost by a refit", "It would be refuted by", "✓ yes")
    for part in (*told, "Illustration, not evidence", "No verdict uses them"):
        assert part in page, part
    figures = {path.stem for path in (table / "out" / "figures").iterdir()}
    assert figures >= {"parity", "ladder", "importance", "attributions"}
    assert all("nothing is said beyond the range" in " ".join(claim["limits"]) for claim in claims["claims"])
    assert len(YAML(typ="safe").load(table / "out" / "next.yaml")["systems"]) == 2
    assert "# Compositions proposed for a large D: expected log10 of D (cm²/s)" in (table / "out/next.yaml").read_text()
    assert "  leaving out replicas, compositions, families\n" in done.stderr and "studies of" not in done.stdout
    # the same study again is no other try; one with other blocks is
    again = called(*words, "--permutations", "199", "-o", "out", cwd=table)
    assert again.returncode == 0 and YAML(typ="safe").load(table / "out" / "claims.yaml")["studies_of_this_table"] == 1
    other = called(*words[:-2], "--ignore", "replica", "--permutations", "199", "-o", "out", cwd=table)
    assert "2 studies of this table, this one included (out/tries.json): the chance of a false claim" in other.stdout
    assert YAML(typ="safe").load(table / "out" / "claims.yaml")["studies_of_this_table"] == 2


def test_few_compositions_are_told_what_is_still_possible(table):
    lines = (table / "glasses.csv").read_text().splitlines()
    (table / "seven.csv").write_text("\n".join(lines[: 1 + 2 * 7]))
    words = ["--target", "D", "--group", "glass", "--replica", "replica", "--ignore", "series", "-o", "few"]
    words += ["--models", "ridge"]
    done = called("insight", "seven.csv", *words, cwd=table)
    assert done.returncode == 0
    assert "no claims about blocks: 7 compositions for 4 blocks, 8 are needed; still possible: pred" in done.stdout
    assert "no prediction intervals: 7 compositions; left out one by one, those of 90 % take 10" in done.stdout
    (table / "four.csv").write_text("\n".join(lines[: 1 + 2 * 4]))
    done = called("insight", "four.csv", *words, cwd=table)
    assert done.returncode == 2
    assert re.match("4 compositions: at least 5 are needed to leave any out; still possible", done.stderr)


def test_what_was_learned_is_told_also_where_it_allows_no_proposal(table):
    """No model predicts noise, so that none can propose; the study is told nevertheless."""
    rng = np.random.default_rng(1)
    rows = [f"{s:.1f},{100 - s:.1f},{rng.normal():.4f}" for s in np.linspace(30, 50, 12)]
    (table / "noise.csv").write_text("Na2O (mol%),P2O5 (mol%),x (1)\n" + "\n".join(rows))
    words = ["--target", "x", "--models", "ridge,gp", "--design", "2", "--density", "2.6"]
    done = called("insight", "noise.csv", *words, cwd=table)
    assert done.returncode == 2 and "design: no model predicts x of compositions left out" in done.stderr
    assert "  leaving out compositions\n" in done.stderr and "Warning" not in done.stderr
    assert "written: insight/claims.yaml" in done.stdout and "no claims about blocks" in done.stdout
    assert not (table / "insight" / "next.yaml").exists()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("glasses.csv --target x", "target: there is no column 'x'; columns are glass, series"),
        ("glasses.csv --target D --models oracle", "models: 'oracle' is not known; known are mean, linear"),
        ("glasses.csv --target D --design 2", "--design: give the density of the proposed glasses"),
        ("glasses.csv --target D --unit D", "--unit D: must be a name, '=' and a value"),
        ("none.csv --target D", "none.csv: no such file or folder"),
        ("run-1/run --target D", "run-1/run: no such file or folder"),
        ("glasses.csv --target D --design 2 --density 2.6 --bounds Li2O=1:2", "bounds of Li2O, which is no component"),
        ("glasses.csv --target D --design 2 --density 1e9", "--density 1e+09: must be from 0.05 to 25 g/cm3"),
    ],
)
def test_bad_arguments(table, words, fault):
    done = called("insight", *words.split(), cwd=table)
    assert done.returncode == 2 and fault in done.stderr
    assert not (table / "insight").exists()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("--ignore Densty", "ignore: there is no column 'Densty'; did you mean 'density'?"),
        ("--unit Density=g/cm3", "unit: there is no column 'Density'; did you mean 'density'?"),
        ("--replica replicat", "replica: there is no column 'replicat'; did you mean 'replica'?"),
        ("--block a=mean_n --block a=density", "--block a=density: a is already given, as mean_n"),
        ("--unit D=m2/s --unit D=1", "--unit D=1: D is already given, as m2/s"),
        ("--where series=A --where series=B", "--where series=B: series is already given, as A"),
        ("--bounds Na2O=30:50", "--bounds Na2O=30:50: is for proposed compositions; give their number with --design"),
        ("--aim maximum", "--aim maximum: is for proposed compositions"),
        ("--cost Na2O=3", "--cost Na2O=3: is for proposed compositions"),
        ("--density 2.6", "--density 2.6: is for proposed compositions"),
        ("--atoms 200", "--atoms 200: is for proposed compositions"),
        ("--design 2 --density 2.6 --cost Na2O=3 --cost Na2O=x", "--cost Na2O=x: Na2O is already given, as 3"),
        ("--design 2 --density 2.6 --cost Na2O=x", "--cost Na2O=x: 'x' is not a number"),
        ("--design 2 --density 2.6 --bounds Na2O=30:inf", "--bounds Na2O=30:inf: 'inf' is not a number"),
        ("--map none.yaml", "--map none.yaml: No such file or directory"),
        ("--map .", "--map .: Is a directory"),
        ("--carrier na", "carrier: there is no column 'na'"),
        ("--target bright --unit bright=1 --design 2 --density 2.6", "--design 2: is for targets of other val"),
        ("--target bright --unit bright=1 --models ridge", "--models ridge: is for targets of other values"),
        ("--target bright --unit bright=1 --scale log", "--scale log: is for targets of other values"),
    ],
)
def test_slips_and_options_without_effect_are_refused(table, words, fault, capsys, monkeypatch):
    monkeypatch.chdir(table)
    lines = (table / "glasses.csv").read_text().splitlines()
    rest = [f"{line},{number % 2}" for number, line in enumerate(lines[1:])]
    (table / "glasses.csv").write_text("\n".join([f"{lines[0]},bright", *rest]))
    target = [] if "--target" in words else ["--target", "D"]
    assert main(["insight", "glasses.csv", *target, "--group", "glass", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(fault)
    assert not (table / "insight").exists()


def test_a_pipe_is_no_table(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.csv")
    words = ["--target", "D", "-o", str(tmp_path / "out")]
    assert main(["insight", str(tmp_path / "pipe.csv"), *words]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'pipe.csv'}: is not a regular file\n"


def test_what_was_done_to_the_rows_is_told_before_the_study(table):
    done = called("insight", "glasses.csv", "--target", "D", "--group", "glass", "--models", "ridge",
                  "--permutations", "99", cwd=table)  # fmt: skip
    assert done.returncode == 0 and done.stderr.startswith("  series: not numbers, left out\n")
