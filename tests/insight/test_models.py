"""What a model learns does not depend on the unit of its target."""

from dataclasses import replace

import numpy as np
import pytest

from naglass_drv.insight.models import fitted
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
