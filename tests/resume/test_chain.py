"""The whole chain on real LAMMPS, CP2K and MACE: killed in four of its stages, it still ends with a report."""

import json
from collections import Counter
from pathlib import Path

import pytest

from support.jobs import killed_at, naglass
from support.short_chain import shortened, write

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]

STAGES = ["glass", "reference", "dataset", "train", "md", "analysis", "report"]


def events(folder: Path) -> list[dict]:
    path = folder / "run" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("chain").resolve()
    write(folder, shortened())
    signs = {"glass": "log.lammps", "reference": "**/*.out", "train": "progress.jsonl", "md": "log.lammps"}
    for stage, sign in signs.items():
        killed_at(folder, f"tasks/{stage}/*/attempt-*/{sign}")
    finished = naglass("run", "input.yaml", cwd=folder, ranks=2)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return folder


def test_killed_chain_finishes_with_nothing_done_twice(chain):
    done = Counter(e["task"] for e in events(chain) if e["event"] == "done")
    assert set(done.values()) == {1}
    assert {task.split("/")[0] for task in done} == set(STAGES)
    started = Counter(e["task"].split("/")[0] for e in events(chain) if e["event"] == "started")
    assert started["glass"] > 1 and started["train"] > 1 and started["md"] > 1, "no kill struck"


def test_a_second_run_redoes_nothing(chain):
    before = len(events(chain))
    again = naglass("run", "input.yaml", cwd=chain, ranks=2)
    assert again.returncode == 0, again.stdout + again.stderr
    assert not [e for e in events(chain)[before:] if e["event"] == "started"]


@pytest.mark.long
def test_a_changed_setting_redoes_what_depends_on_it(chain):
    before = len(events(chain))
    content = shortened()
    content["md"]["temperatures_K"] = [320]
    write(chain, content)
    again = naglass("run", "input.yaml", cwd=chain, ranks=2)
    assert again.returncode == 0, again.stdout + again.stderr
    redone = {e["task"].split("/")[0] for e in events(chain)[before:] if e["event"] == "started"}
    assert redone == {"md", "analysis", "report"}


def test_the_report_holds_the_numbers_of_the_run(chain):
    report = json.loads((chain / "run" / "report.json").read_text())
    sections = {number["section"] for number in report["numbers"]}
    assert {"structure", "network", "dynamics", "model", "dataset", "labels"} <= sections
    page = (chain / "run" / "report.html").read_text()
    assert "data:image/svg+xml" in page and 'src="http' not in page
