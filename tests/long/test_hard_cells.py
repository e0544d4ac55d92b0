"""Cells that are hard for the SCF, with the installed CP2K."""

import ase.io
import numpy as np
import pytest

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k.run.label import Program, label
from naglass_drv.engines.cp2k.theory.levels import level
from naglass_drv.runtime.launch import run_child
from support.structures import DATA

pytestmark = pytest.mark.cp2k


def test_a_cell_that_the_template_does_not_converge(tmp_path):
    """Eight atoms rattled by 0.3 A, with the installed CP2K; its energy came by another line search, too."""
    atoms = ase.io.read(DATA / "structures" / "mol8s.extxyz")
    atoms.positions += np.random.default_rng(555).normal(scale=0.3, size=atoms.positions.shape)
    site, chosen = load_site(), level("gfn1-xtb")
    frame = label(
        atoms, chosen, tmp_path, program=Program(site.cp2k, site.cp2k_data), charge=0, multiplicity=4, child=run_child
    )
    assert frame.info["scf_path"] == "OT with conjugate gradients"
    # OT/CG with LINESEARCH 3PNT: -748.2295810298 eV
    assert frame.info["REF_energy"] == pytest.approx(-748.2295810298, abs=3e-5)
