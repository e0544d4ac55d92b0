"""kill -9 before every single change of a file of a run, and then the same command again."""

import pytest

from support import die_at, toy_loop

pytestmark = [pytest.mark.mpi, pytest.mark.slow]


def test_killed_between_any_two_changes_of_files(tmp_path):
    results = die_at.died_and_ended(tmp_path, 1)
    assert len(results) > 40
    die_at.check_that_nothing_was_lost(results)


def test_a_loop_killed_between_any_two_changes_of_files(tmp_path):
    """Two systems, two rounds."""
    results = die_at.loop_died_and_ended(tmp_path, 1)
    assert len(results) > 400
    alone = tmp_path / "alone"
    assert toy_loop.run_loop(tmp_path / "input.yaml", alone, tmp_path / "journal") == 0
    die_at.check_that_the_loop_is_the_same(results, alone)
