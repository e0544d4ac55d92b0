"""A label of PBE+U+D3(BJ) by the real CP2K, which takes a minute."""

import numpy as np
import pytest

from engines.test_cp2k_run import box, labeled, program
from naglass_drv.engines.cp2k import parse
from naglass_drv.engines.cp2k.run.label import LOG
from naglass_drv.engines.cp2k.theory.levels import level

pytestmark = [pytest.mark.cp2k, pytest.mark.slow]


def test_full_level_on_the_small_box(tmp_path):
    frame = labeled(box(), tmp_path, level("pbe+u+d3", cutoff_Ry=400), max_net_force_eV_per_A=1.0, using=program())
    found = parse.read(tmp_path / "scf-1" / LOG, list(frame.symbols))
    # the recorded run had looser tolerances
    assert frame.info["REF_energy"] == pytest.approx(-205.585721596 * parse.HARTREE_EV, abs=0.02)
    assert np.array_equal(frame.arrays["REF_spin"], found.spin_hirshfeld)
    assert frame.arrays["REF_spin"][1] == pytest.approx(1.207, abs=0.01)
    assert frame.arrays["REF_spin_mulliken"][1] == pytest.approx(1.339, abs=0.01)
    # sodium's semicore at 400 Ry: the reason for the check of the net force
    assert 0.05 < found.net_force_eV_per_A < 1.0
