"""kill -9 before every single change of a file of a run, and then the same command again."""

import pytest

from support import die_at

pytestmark = [pytest.mark.mpi, pytest.mark.slow]


def test_killed_between_any_two_changes_of_files(tmp_path):
    results = die_at.died_and_ended(tmp_path, 1)
    assert len(results) > 40
    die_at.check_that_nothing_was_lost(results)
