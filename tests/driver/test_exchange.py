"""Bonds that are exchanged during a run, and what the page calls a structure whose network relaxes itself."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.exchange import exchanged_bonds, flowing, settling
from naglass_drv.analysis.phase import phase
from naglass_drv.report import checks
from naglass_drv.report.measured import cooling

CUTOFFS = {"P-O": 2.0, "V-O": 2.5, "Na-O": 3.1}


def tetrahedra(count: int = 3) -> Atoms:
    """PO4 groups in a row, 6 Å apart, and a V beyond them."""
    corner = 1.54 / np.sqrt(3) * np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
    atoms = Atoms(cell=[6 * count + 6, 12, 12], pbc=True)
    for k in range(count):
        center = np.array([3 + 6 * k, 6, 6])
        atoms += Atoms("PO4", [center, *(center + corner)])
    return atoms + Atoms("V", [[3 + 6 * count, 6, 6]])


def test_a_bond_is_exchanged_only_when_the_oxygen_is_bonded_elsewhere():
    start = tetrahedra()
    moved, vibrated, away = start.copy(), start.copy(), start.copy()
    # the first oxygen of the last group goes to the V
    moved.positions[11] = moved.positions[15] + (1.6, 0, 0)
    # beyond the cutoff, but not well apart
    vibrated.positions[11] = vibrated.positions[10] + (2.4, 0, 0)
    away.positions[11] = away.positions[10] + (2.9, 2.0, 2.0)
    assert exchanged_bonds([start, moved, moved], CUTOFFS) == {"P-O": (12, 1), "V-O": (0, 0)}
    assert exchanged_bonds([moved, start], CUTOFFS) == {"P-O": (11, 0), "V-O": (1, 1)}
    for atoms in (start, vibrated, away):
        assert exchanged_bonds([start, atoms], CUTOFFS)["P-O"] == (12, 0)


def test_images_of_an_atom_do_not_count_as_other_atoms():
    start = tetrahedra()
    wrapped = start.copy()
    wrapped.positions += (4.0, 7.0, 0.0)
    wrapped.wrap()
    assert exchanged_bonds([start, wrapped], CUTOFFS)["P-O"] == (12, 0)


@pytest.mark.parametrize(
    ("exchanged", "msd", "said", "topics"),
    [
        (1, 0.1, "glass", []),
        # two or three events may be the end of the quench
        (2, 0.1, "glass", ["Relaxing network"]),
        (3, 0.1, "glass", ["Relaxing network"]),
        (4, 0.1, "supercooled melt", ["Supercooled melt"]),
        (0, 1.2, "supercooled melt", ["Supercooled melt"]),
    ],
)
def test_a_network_that_flows_is_a_supercooled_melt(exchanged, msd, said, topics):
    numbers = {
        "duration_ps": 5.0, "composition": {"Na": 10, "P": 10, "O": 30},
        "exchanged_bonds": {"P-O": {"bonds": 128, "exchanged": exchanged}},
        "transport": {"ion": "Na", "longest_lag_ps": 2.5, "msd_at_longest_lag_A2": {"Na": 3.0, "P": msd, "O": msd}},
    }  # fmt: skip
    assert phase(numbers) == said
    found = list(checks.relaxation("g0", numbers))
    assert [finding.topic for finding in found] == topics
    if exchanged > 1:
        assert found[0].text == f"{exchanged} of 128 P–O bonds were exchanged within 5 ps"
    told = " ".join(notice.text for notice in checks.notices(found))
    assert ("flows:" in told) == (said != "glass")


def test_a_glass_is_rarely_called_a_melt_by_chance():
    """Exchanges at the rate that a glass may have, 1 % of 500 bonds: at most one in twenty counts as flowing."""
    counts = np.random.default_rng(3).poisson(5.0, 2000)
    called = np.mean([bool(flowing({"P-O": (500, int(count))})) for count in counts])
    assert 0.01 < called < 0.06
    assert all(settling({"P-O": (500, count)}) == ["P-O"] for count in range(6, 10))


def test_the_quench_rate_of_a_diffusion_coefficient():
    assert cooling({"glass": {"quench_rate_K_per_ps": 400.0}}) == ", quenched at 4 × 10¹⁴ K/s"
    assert cooling({"glass": {"quench_rate_K_per_ps": 400.0}, "md": {"structures": "crystal.extxyz"}}) == ""
    assert cooling({}) == ""


def test_a_note_gives_the_numbers_of_two_structures_and_names_the_others():
    def told(kind: str, count: int) -> str:
        return checks.notices([checks.Finding("Density", kind, f"g{k}", f"off by {k} %") for k in range(count)])[0].text

    assert told("note", 4).startswith("g0: off by 0 %. g1: off by 1 %. Likewise g2, g3.")
    assert "g2: off by 2 %" in told("note", 3) and "g3: off by 3 %" in told("bad", 4)
