"""The first sharp diffraction peak, the free volume, and the ions that a glass was made of."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.first_peak import first_sharp_peak
from naglass_drv.analysis.measure import measure
from naglass_drv.analysis.openings import RADII_A, openings
from naglass_drv.analysis.quantities import quantities
from naglass_drv.config.schema import Analysis
from support.structures import crystal

Q = np.arange(0.55, 20, 0.1)


def factor(position, width, height=1.2):
    """A first peak, and the principal ones above it."""
    s = 0.4 + height / (1 + ((Q - position) / (width / 2)) ** 2)
    return s + 0.8 * np.exp(-(((Q - 4.6) / 0.4) ** 2)) + 0.6 * np.exp(-(((Q - 7.5) / 0.5) ** 2))


@pytest.mark.parametrize(("position", "width"), [(1.2, 0.35), (1.53, 0.5), (2.1, 0.7)])
def test_position_and_width_of_a_known_peak(position, width):
    found = first_sharp_peak(Q, factor(position, width), np.full(len(Q), 1e-3))
    assert found.position == pytest.approx(position, abs=0.005)
    assert found.width == pytest.approx(width, abs=0.02)


def test_errors_of_the_peak_cover_it():
    """Of 300 noisy curves, about 68 % have the true position within one standard error, and so for the width."""
    rng = np.random.default_rng(4)
    inside = {"position": 0, "width": 0}
    for _ in range(300):
        found = first_sharp_peak(Q, factor(1.5, 0.5) + 0.05 * rng.normal(size=len(Q)), np.full(len(Q), 0.05))
        inside["position"] += abs(found.position - 1.5) <= found.position_err
        inside["width"] += abs(found.width - 0.5) <= found.width_err
    assert 0.62 <= inside["position"] / 300 <= 0.80
    assert 0.62 <= inside["width"] / 300 <= 0.80


def test_no_peak_and_no_width_where_there_is_none():
    flat = 0.4 + 0.5 * np.exp(-(((Q - 4.6) / 0.4) ** 2))
    assert first_sharp_peak(Q, flat, np.full(len(Q), 0.01)) is None
    wide = Q[::3]
    found = first_sharp_peak(wide, factor(1.5, 0.5)[::3], np.full(len(wide), 0.4))
    assert found is None or found.width is None, "few points and large errors tell no width"


def test_openings_of_a_simple_cubic_lattice():
    """The window between four spheres of radius r at distance a passes a sphere of a/√2 − r; what is not in spheres is
    free.
    """
    a = 3.6
    atoms = Atoms("ONa", [(0, 0, 0), (0.5, 0.5, 0.5)], cell=[a] * 3, pbc=True)
    atoms.set_scaled_positions([(0, 0, 0), (0.5, 0.5, 0.5)])
    found = openings([atoms.repeat(2)], "Na")
    assert found.bottleneck.mean == pytest.approx(a / np.sqrt(2) - RADII_A["O"], abs=0.15)
    assert found.free.mean == pytest.approx(1 - 4 / 3 * np.pi * RADII_A["O"] ** 3 / a**3, abs=0.01)
    assert openings([Atoms("ONaXe", np.eye(3), cell=[9] * 3, pbc=True)], "Na") is None, "radius of Xe not known"


def test_a_glass_has_rows_of_all_kinds():
    """Every kind of feature but dynamics, from a structure whose numbers are known."""
    atoms = crystal("NVP_R-3c_Na3_ewald_ordered")
    atoms.set_array("ion", np.array([{"Na": "Na+", "V": "V3+", "P": "P5+", "O": "O2-"}[s] for s in atoms.symbols]))
    atoms.arrays["ion"][np.flatnonzero(atoms.symbols == "V")[:3]] = "V4+"
    numbers, curves = measure([atoms], Analysis(cutoffs_A={"P-O": 2.0, "V-O": 2.5}), replicas=True)
    rows = {row.key: row for row in quantities("glass", numbers, curves)}
    # distinct primitive rings per 30 formers: 36 of four, 72 of six, 18 of eight
    for size, count in ((4, 36), (5, 0), (6, 72), (8, 18)):
        assert 30 * rows[f"topology.glass.rings.{size}"].value == pytest.approx(count)
    assert rows["topology.glass.ring_size"].value == pytest.approx((36 * 4 + 72 * 6 + 18 * 8) / 126)
    metals = int((atoms.symbols == "V").sum())
    assert rows["redox.glass.V4+"].value == pytest.approx(3 / metals)
    assert rows["redox.glass.V3+"].value == pytest.approx(1 - 3 / metals)
    assert rows["channels.glass.bottleneck"].unit == "Å" and 0.4 < rows["channels.glass.bottleneck"].value < 1.2
    assert 0.2 < rows["channels.glass.free_volume"].value < 0.7
    assert {row.unit for key, row in rows.items() if ".fsdp_" in key} <= {"1/Å"}
