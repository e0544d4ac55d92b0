"""A series of glasses on real LAMMPS, killed and resumed; tests/long has a larger one."""

import json

import pytest

from support import series_runs

pytestmark = pytest.mark.mpi

SMALL = dict(vanadia=[10, 20], reduced=0.5, atoms=40, replicas=1, melt_ps=0.3, rate=4000)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series") / "alone"
    series_runs.write_input(folder, **SMALL)
    series_runs.finish(folder)
    return folder


def test_a_killed_series_ends_as_one_that_was_left_alone(alone, tmp_path):
    """Glasses and analyses; the long test has the pages too."""
    killed = tmp_path / "killed"
    series_runs.write_input(killed, report=False, **SMALL)
    assert series_runs.kill_now_and_then(killed, 1, 4.0, seed=3) == 1
    series_runs.finish(killed)
    series_runs.check_the_same(killed, alone, report=False)


def test_the_page_of_the_series_and_those_of_the_systems_are_there(alone):
    run = alone / "run"
    page = (run / "report.html").read_text(encoding="utf-8")
    names = sorted(path.stem for path in (run / "reports").glob("*.html"))
    assert names == ["V2O5-10", "V2O5-20"] and all(name in page for name in names)
    manifest = json.loads((run / "products" / "V2O5-10" / "glass" / "manifest.json").read_text())
    assert manifest["kind"] == "structures" and "g0/structure" in manifest["files"]


def test_an_added_system_is_run_and_the_others_are_left_as_they_are(alone, tmp_path):
    text = (alone / "input.yaml").read_text()
    try:
        (alone / "input.yaml").write_text(text.replace("[10, 20]", "[10, 20, 30]"))
        done = series_runs.finish(alone)
    finally:
        (alone / "input.yaml").write_text(text)
    assert "V2O5-10/glass: 1 task, 1 already done" in done.stdout
    assert "V2O5-30/glass: 1 task, 0 already done" in done.stdout
    started = [json.loads(line) for line in (alone / "run" / "events.jsonl").read_text().splitlines()]
    last = max(i for i, event in enumerate(started) if event["event"] == "run started")
    tasks = {event["task"] for event in started[last:] if event["event"] == "started"}
    assert tasks == {"V2O5-30/glass/g0", "V2O5-30/analysis/glass", "V2O5-30/report/report", "series/series"}
