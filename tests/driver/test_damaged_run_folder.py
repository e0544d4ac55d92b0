"""Links, folders and files in the wrong place of a run folder, and what a killed run has left there."""

import shutil

import pytest

from driver.test_system_errors import INPUT, check, hidden
from naglass_drv.errors import SetupError
from support.jobs import called, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]


def status_of(cwd):
    return called("status", cwd=cwd)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with every file at the top of its folder."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "input.yaml").write_text(INPUT + "report: {}\n")
    assert naglass("run", "input.yaml", cwd=folder).returncode == 0
    return folder


@pytest.mark.parametrize("name", ["lock", "lock.ranks", "events.jsonl", "run.yaml", "report.html", "tasks", "products"])
def test_a_link_in_the_run_folder_is_refused(finished, tmp_path, name):
    """What it points at stays as it is."""
    shutil.copytree(finished, tmp_path / "copy")
    place, precious = tmp_path / "copy" / "run" / name, tmp_path / "precious"
    if place.is_dir():
        shutil.rmtree(place)
        (precious / "glass").mkdir(parents=True)
        (precious / "glass" / "mine.extxyz").write_text("precious")
    else:
        place.unlink()
        precious.write_text("precious")
    place.symlink_to(precious)
    check(called("run", "input.yaml", cwd=tmp_path / "copy"), 2, f"{name} is a symbolic link")
    kept = precious / "glass" / "mine.extxyz" if precious.is_dir() else precious
    assert kept.read_text() == "precious"
    assert status_of(tmp_path / "copy").returncode == 0
    assert kept.read_text() == "precious"


def test_the_lock_itself_follows_no_link(tmp_path):
    """Also when the link comes after the check."""
    from mpi4py import MPI

    from naglass_drv.runtime import events
    from naglass_drv.runtime.lock import RunLock, is_running

    (tmp_path / "precious").write_text("precious")
    for name in ("lock", "lock.ranks", "events.jsonl"):
        run = tmp_path / f"run-{name}"
        run.mkdir()
        (run / name).symlink_to(tmp_path / "precious")
        with pytest.raises((SetupError, OSError), match="symbolic links"):
            events.append(run, "x") if name == "events.jsonl" else RunLock(run, MPI.COMM_SELF)
        assert not is_running(run)
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("name", ["lock", "input.yaml", "run.yaml", "provenance.json", "events.jsonl", "report.html"])
def test_a_folder_in_place_of_a_file(finished, tmp_path, name):
    shutil.copytree(finished, tmp_path / "copy")
    place = tmp_path / "copy" / "run" / name
    place.unlink()
    (place / "inner").mkdir(parents=True)
    check(called("run", "input.yaml", cwd=tmp_path / "copy"), 5, f"{name} is a folder")
    assert status_of(tmp_path / "copy").returncode in (0, 2)


@pytest.mark.parametrize("name", ["tasks", "products", "tasks/report/report/DONE", "tasks/report/plan.json"])
def test_a_file_in_place_of_a_folder_and_the_other_way_round_further_down(finished, tmp_path, name):
    shutil.copytree(finished, tmp_path / "copy")
    place = tmp_path / "copy" / "run" / name
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("a file")
    else:
        place.unlink()
        (place / "inner").mkdir(parents=True)
    done = called("run", "input.yaml", cwd=tmp_path / "copy")
    check(done, 5, place.name)
    assert status_of(tmp_path / "copy").returncode == 0


def test_exit_as_a_folder(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "copy")
    (tmp_path / "copy" / "run" / "EXIT").mkdir()
    done = called("run", "input.yaml", cwd=tmp_path / "copy")
    assert (done.returncode, done.stderr) == (0, ""), "an empty one is taken away like a file of an earlier run"
    (tmp_path / "copy" / "run" / "EXIT" / "inner").mkdir(parents=True)
    check(called("run", "input.yaml", cwd=tmp_path / "copy"), 5, "EXIT: cannot be removed, but it makes every run stop")


def test_what_a_killed_run_has_left_is_gone_after_the_next(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "copy")
    run = tmp_path / "copy" / "run"
    (run / "products/figures").mkdir(parents=True, exist_ok=True)
    for name in (".run.yaml.77.tmp", "tasks/report/report/.task.json.77.tmp", "products/figures/.a.svg.9.tmp"):
        (run / name).write_text("half")
    (run / "tasks/report/report/attempt-1/segment-0001.part").write_text("half")
    (run / "tasks/report/report/.attempt-2.part").mkdir()
    (run / "tasks/report/report/.attempt-2.part/segment").write_text("half")
    assert len(hidden(run)) == 5
    assert called("run", "input.yaml", cwd=tmp_path / "copy").returncode == 0
    assert hidden(run) == []
