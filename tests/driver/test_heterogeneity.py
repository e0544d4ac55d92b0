"""Maxima of α₂ and χ₄, and the clusters of fast ions of a trajectory."""

import pytest

from naglass_drv import core
from naglass_drv.analysis.heterogeneity import heterogeneity
from naglass_drv.analysis.quantities import heterogeneity as rows_of
from support.site_lattice import walk


def found(made):
    path = core.Trajectory(made.positions, 0.1, ("Na",) * made.positions.shape[1], made.cell, False)
    return path, core.transport.correlator(path).result()


def test_the_maximum_of_alpha2_of_rare_jumps_is_where_rattling_and_jumps_balance():
    """α₂ of a share p that jumped by d, over rattling with ⟨Δr²⟩ = 6s²: its maximum over p is at p d² = 6s²."""
    path, result = found(walk(21, frames=6000, ions=48, chance=0.004, rattle=0.3))
    numbers = heterogeneity(path, result, "Na", 4.0)
    p = 6 * 0.3**2 / 3.0**2
    assert numbers["alpha2_time_ps"] == pytest.approx(p / 0.04, rel=0.5)
    # ⟨Δr⁴⟩ = 15(2s²)² + p(d⁴ + 10 d² 2s²), ⟨Δr²⟩ = 6s² + p d²
    variance, d = 2 * 0.3**2, 3.0
    top = 3 * (15 * variance**2 + p * (d**4 + 10 * d**2 * variance)) / (5 * (3 * variance + p * d**2) ** 2) - 1
    assert abs(numbers["alpha2_max"] - top) < 3 * numbers["alpha2_max_err"] + 0.1 * top
    fast = numbers["fast"]
    assert fast["chosen"] == 5 and fast["lag_ps"] == pytest.approx(numbers["alpha2_time_ps"])
    assert fast["random_range"][0] <= fast["random"] <= fast["random_range"][1] and 0 < fast["chance"] <= 1
    keys = [row.key.rpartition(".")[2] for row in rows_of("g0", numbers)]
    assert keys == ["alpha2", "alpha2_time", "chi4", "chi4_time", "fast_cluster", "random_cluster", "fast_chance"]


def test_motion_without_a_maximum_has_no_clusters():
    rising = walk(23, frames=400, ions=48, chance=0.0005, rattle=0.3)
    numbers = heterogeneity(*found(rising), "Na", None)
    assert numbers["alpha2_max"] is None and numbers["fast"] is None
    assert numbers["fast_reason"] == "α₂ has no maximum within the lags that have an error"
    few = walk(22, frames=3000, ions=8, chance=0.004, rattle=0.3)
    numbers = heterogeneity(*found(few), "Na", None)
    assert numbers["fast"] is None and "1 of 8 Na; at least 3 are needed" in numbers["fast_reason"]
    assert all("cluster" not in row.key for row in rows_of("g0", numbers))
