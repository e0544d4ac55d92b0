"""Six compositions, two replicas each, killed five times on two ranks."""

import pytest

from support import series_runs

pytestmark = pytest.mark.mpi

FULL = dict(vanadia=[10, 20, 30], reduced=[0, 0.25], atoms=100, replicas=2, melt_ps=6, rate=400)


def test_a_killed_series_ends_as_one_that_was_left_alone(tmp_path):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        series_runs.write_input(folder, **FULL)
    series_runs.finish(alone)
    assert series_runs.kill_now_and_then(killed, 5, 40.0, seed=11) == 5
    series_runs.finish(killed)
    series_runs.check_the_same(killed, alone)
