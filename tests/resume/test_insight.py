"""The stage `insight`, killed while it learns and started again: the same claims as of a run that was left alone."""

from pathlib import Path

import pytest

from support.insight_runs import made_run
from support.jobs import called, killed_at

pytestmark = pytest.mark.mpi

INPUT = """
name: killed
system: {composition: {Na: 1, P: 1, O: 3}, formula_units: 8, density_g_cm3: 2.4}
insight: {target: transport.D, atoms: [ions.mobile], runs: [../made/run], models: [ridge], permutations: 4999}
"""


def finish(folder: Path) -> None:
    done = called("run", "input.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def claims(folder: Path) -> dict[str, bytes]:
    own = folder / "run" / "products" / "insight"
    return {str(path.relative_to(own)): path.read_bytes() for path in own.rglob("*.yaml")}


def test_a_study_that_is_killed_claims_the_same(tmp_path):
    made_run(tmp_path / "made", 8)
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        folder.mkdir()
        (folder / "input.yaml").write_text(INPUT)
    finish(alone)
    killed_at(killed, "tasks/insight/insight/attempt-1/progress.json")
    assert not list((killed / "run").rglob("claims.yaml")), "it was still learning"
    finish(killed)
    assert (killed / "run" / "tasks" / "insight" / "insight" / "attempt-2").is_dir()
    assert claims(killed) == claims(alone) and set(claims(alone)) == {"claims.yaml", "atoms/ions.mobile.yaml"}
    assert b"studies_of_this_table: 1" in claims(killed)["claims.yaml"]
