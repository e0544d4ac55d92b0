"""Whether a run had the temperature that was asked for: by the degrees of freedom, in independent samples."""

import numpy as np
import pytest

from naglass_drv.analysis.kinetic_temperature import canonical_error, kinetic
from naglass_drv.report.checks import reached, temperature

ATOMS, ASKED_K = 40, 900.0
FREEDOM = 3 * ATOMS - 3


def canonical(rng: np.random.Generator, rows: int, memory: float) -> np.ndarray:
    """Temperatures of Gaussian momenta that each keep `memory` of themselves from row to row."""
    momenta = rng.normal(size=(rows, FREEDOM))
    for k in range(1, rows):
        momenta[k] = memory * momenta[k - 1] + np.sqrt(1 - memory**2) * momenta[k]
    return ASKED_K * np.square(momenta).mean(axis=1)


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_its_error_covers_the_temperature_of_canonical_momenta(memory):
    """68 % within one error, of runs of 200 rows; three errors call nearly none of them wrong."""
    rng = np.random.default_rng(1)
    found = [kinetic(canonical(rng, 200, memory), ASKED_K, ATOMS) for _ in range(150)]
    within = np.mean([each.errors < 1 for each in found])
    assert within == pytest.approx(0.68, abs=0.09)
    assert all(each.reached for each in found)


def test_one_sample_has_the_fluctuation_of_its_degrees_of_freedom():
    """2T²/f: 5 % of 300 K for 800 degrees of freedom."""
    assert canonical_error(300.0, 800, 1) == pytest.approx(15.0)
    assert canonical_error(300.0, 800, 25) == pytest.approx(3.0)


def test_a_run_that_is_still_heated_up_is_told_and_not_excused_by_its_own_scatter():
    """777 K on the way to 900 K, from 650 K: its own error in time would be as wide as the difference."""
    (found,) = temperature("g0-900K", kinetic(np.linspace(650, 904, 40), ASKED_K, 1085))
    assert found.topic == "Temperature" and found.text.startswith("777 ± ") and "NOT within error" in found.text
    assert "900 K asked for" in found.text and "3252 degrees of freedom" in found.text
    assert not list(temperature("g0-900K", kinetic(np.full(40, 901.0), ASKED_K, ATOMS)))
    assert not list(temperature("g0-900K", None)), "a run that is too short says nothing"


def test_the_verdict_names_what_it_rests_on():
    found = kinetic(np.full(10, 910.0), ASKED_K, ATOMS)
    assert reached(found).endswith("standard errors of 117 degrees of freedom: within error")
