"""What an earlier input has left in the products: it is neither taken for what it is not, nor used, nor kept."""

from pathlib import Path

import pytest

from naglass_drv.files import keep_only
from naglass_drv.stages import analysis, glass, md, reference, report
from support import taken
from support.attempts import study

pytestmark = pytest.mark.mpi

SETS = [{"name": name, "level": "gfn1-xtb", "relax": {}} for name in ("a", "b")]


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("x")


def test_labels_are_those_of_the_sets_that_the_input_has(tmp_path):
    """Neither the relaxed structures of a set nor a set that is no longer there; a glass only of a glass section."""
    run = study(tmp_path, glass={}, reference=SETS, analysis={})
    products = run.products / "reference"
    touch(products, "a.extxyz", "a-relaxed.extxyz", "b-relaxed.extxyz", "gone.extxyz")
    (products / "b.extxyz").write_text("")
    touch(run.products / "glass", "g0.extxyz", "g0-melt.extxyz", "g7.extxyz")
    run = taken.given(run, glass=taken.glasses(run, "g0"), reference=taken.labels(run))
    tasks = {task.name: [path.name for path in task.inputs.values()] for task in analysis.plan(run)}
    assert tasks == {"glass": ["g0.extxyz"], "labels-a": ["a.extxyz"]}


def test_products_of_what_is_no_longer_asked_for_go(tmp_path):
    run = study(tmp_path, glass={}, md={"temperatures_K": [300], "time_ps": 1, "model": "m"}, reference=[])
    for stage, names in {
        reference: ("gone.extxyz", "gone-relaxed.extxyz", "gone-E0.json", "gone-rejected.json"),
        md: ("g9-300K.json", "g9-300K-final.extxyz", "candidates.extxyz"),
        analysis: ("g9-300K.json", "g9-300K.npz"),
        glass: ("g9.extxyz", "g9-melt.extxyz"),
    }.items():
        folder = run.products / stage.name
        touch(folder, *names)
        (folder / "own folder").mkdir()
        stage.collect(run, [])
        assert [path.name for path in folder.iterdir()] == ["own folder"]


def test_the_report_shows_only_what_the_input_asks_for(tmp_path):
    sections = {"dataset": {"level": "gfn1-xtb"}, "train": {"epochs": 1}}
    everything = study(tmp_path, reference=SETS[:1], **sections)
    touch(everything.products / "dataset", "dataset.json", "audit.json")
    touch(everything.products / "model", "model.json")
    touch(everything.products / "reference", "a.extxyz", "gone.extxyz")
    labels = taken.labels(everything)
    made = {"reference": labels, "dataset": taken.dataset(everything), "train": taken.model(everything)}
    found = set(report._sources(taken.given(everything, **made)))
    assert found == {"dataset/summary", "dataset/audit", "model/summary", "reference/a/admitted"}
    assert set(report._sources(taken.given(everything, reference=labels))) == {"reference/a/admitted"}
    assert report._sources(study(tmp_path)) == {}


@pytest.mark.mpi
def test_a_section_that_was_removed_is_not_looked_at(toy):
    """Its tasks are still in the run folder, and later stages do not see them."""
    task = {"name": "x", "do": "write", "settings": {"text": "x"}}
    toy.plan(first=[task], second=[task | {"reads": ["x.txt"]}])
    assert toy.finish(ranks=1).returncode == 0
    toy.plan(second=[task])
    assert toy.finish(ranks=1).returncode == 0
    # asked for again, the earlier result is found
    toy.plan(first=[task], second=[task | {"reads": ["x.txt"]}])
    assert "first: 1 task, 1 already done" in toy.finish(ranks=1).stdout


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b")])
def test_only_files_go(tmp_path, names):
    touch(tmp_path / "x", "a", "b")
    (tmp_path / "x" / "folder").mkdir()
    (tmp_path / "x" / "link").symlink_to(tmp_path)
    keep_only(tmp_path / "x", names)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == sorted([*names, "folder"])
    assert tmp_path.is_dir()
    keep_only(tmp_path / "absent", names)
