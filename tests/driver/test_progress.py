"""Progress lines and the file that status reads."""

import io

import pytest

from naglass_drv.runtime import progress
from naglass_drv.runtime.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A time of day that the test moves."""

    class Clock:
        now = 1000.0

        def time(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_lines_are_seldom_and_tell_what_is_left(tmp_path, clock):
    out = io.StringIO()
    report = Progress("md/g0", tmp_path, started=900.0, speaks=True, out=out)
    for step in range(1, 26):
        clock.now += 1.0
        report(0.1 * step, 5.0, "ps", "T = 612 K")
    assert out.getvalue().splitlines() == [
        "[0:01:50] md/g0: 20 % (1 of 5 ps), about 0:00:40 left; T = 612 K",
        "[0:02:00] md/g0: 40 % (2 of 5 ps), about 0:00:30 left; T = 612 K",
    ]
    record = progress.read(tmp_path)
    assert record["done"] == pytest.approx(2.5)
    assert record["remaining_s"] == pytest.approx(25.0)


def test_resumed_work_is_timed_from_where_it_began(tmp_path, clock):
    report = Progress("md/g0", tmp_path, started=0.0, speaks=True, out=io.StringIO())
    report(80.0, 100.0, "steps")
    clock.now += 10.0
    report(90.0, 100.0, "steps")
    assert progress.read(tmp_path)["remaining_s"] == pytest.approx(10.0)


def test_work_without_a_count_shows_that_it_lives(tmp_path, clock):
    out = io.StringIO()
    report = Progress("reference/a", tmp_path, started=1000.0, speaks=True, out=out)
    for _ in range(11):
        clock.now += 1.0
        report.alive()
    assert out.getvalue() == "[0:00:10] reference/a: running for 0:00:10\n"


def test_other_ranks_are_silent(tmp_path, clock):
    out = io.StringIO()
    report = Progress("md/g0", tmp_path, started=0.0, speaks=False, out=out)
    clock.now += 100.0
    report(1.0, 2.0, "ps")
    report.alive()
    assert out.getvalue() == "" and list(tmp_path.iterdir()) == []


def test_on_a_terminal_one_line_is_drawn_again(tmp_path, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    out = io.StringIO()
    out.isatty = lambda: True
    report = Progress("md/g0", tmp_path, started=1000.0, speaks=True, out=out)
    for step in range(1, 11):
        clock.now += 1.0
        report(0.5 * step, 5.0, "ps", "T = 612 K")
    progress.say("md/g0 done", out)
    assert out.getvalue().count("\n") == 1 and out.getvalue().endswith("\r\x1b[Kmd/g0 done\n")
    drawn = out.getvalue().split("\r\x1b[K")[1:-1]
    assert len(drawn) == 10 and all(len(line) < 60 for line in drawn)
    assert drawn[4].startswith("█" * 10 + "░" * 10 + " [0:00:05] md/g0: 50 % (2.5 of 5 ps)")
    assert progress.bar(-1.0) == "░" * 20 and progress.bar(2.0) == "█" * 20
