"""Six compositions, two replicas each, killed five times on two ranks."""

import time

import pytest

from support import series_runs

pytestmark = pytest.mark.mpi

FULL = dict(vanadia=[10, 20, 30], reduced=[0, 0.25], atoms=100, replicas=2, melt_ps=6, rate=400)


def test_a_killed_series_ends_as_one_that_was_left_alone(tmp_path):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        series_runs.write_input(folder, **FULL)
    began = time.monotonic()
    series_runs.finish(alone)
    sixth_s = (time.monotonic() - began) / 6
    assert series_runs.kill_now_and_then(killed, 5, sixth_s, seed=11) == 5
    series_runs.finish(killed)
    series_runs.check_the_same(killed, alone)
