"""What a model learns does not depend on the unit of its target."""

from dataclasses import replace

import numpy as np
import pytest

from naglass_drv.insight.models import fitted, quiet
from naglass_drv.insight.units import converted, split_head
from support.glass_studies import planted


@pytest.mark.parametrize("model", ["linear", "ridge", "gp", "forest", "boosting"])
def test_a_target_in_small_units_is_learned_alike(model):
    """D in m²/s is of the order of 1e-9: trees stop to split at a fixed impurity."""
    some = planted(np.random.default_rng(4), 20)
    # a power of two changes no rounding, which may decide between equal splits
    unit = 2.0**-30
    small = replace(some, target=unit * some.target, error=unit * some.error)
    found = fitted(model, some)(some.features)
    assert fitted(model, small)(some.features) == pytest.approx(unit * found, rel=1e-5)
    assert np.ptp(found) > 0


def test_energies_per_atom_have_a_unit():
    assert split_head("glass.energy (eV/atom)") == ("glass.energy", "eV/atom")
    assert converted(1.0, "eV/atom", "meV/atom") == pytest.approx(1000)


def test_errors_that_explain_the_whole_scatter_leave_no_warning_on_the_way_to_a_page(recwarn):
    """The noise of the process is then at its lower bound, which scikit-learn warns of."""
    some = planted(np.random.default_rng(4), 20, noise=0.0)
    large = replace(some, error=np.full(20, some.target.std()))
    fitted("gp", large)
    assert any("k2__noise_level is close to the specified lower bound" in str(each.message) for each in recwarn)
    recwarn.clear()
    with quiet():
        fitted("gp", large)
    assert not list(recwarn)
