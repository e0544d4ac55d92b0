"""Cells from mol-%: neutral, as small as possible, with the shares and ratios that were asked for."""

import numpy as np
import pytest

from naglass_drv.chemistry import ions as chemistry
from naglass_drv.chemistry.mixture import compound, density_from_volumes, smallest_cell
from naglass_drv.errors import InputError

CASES = {
    "metaphosphate": ({"Na2O": 50, "P2O5": 50}, {}, 100),
    "vanadophosphate": ({"Na2O": 40, "V2O5": 20, "P2O5": 40}, {}, 100),
    "reduced": ({"Na2O": 40, "V2O5": 10, "P2O5": 50}, {"V4+/V": 0.25}, 200),
    "three states": ({"Na2O": 30, "V2O5": 40, "P2O5": 30}, {"V4+/V": 0.5, "V3+/V": 0.1}, 300),
    "iron": ({"Na2O": 37.5, "Fe2O3": 12.5, "P2O5": 50}, {"Fe2+/Fe": 0.2}, 200),
    "wustite": ({"Na2O": 30, "FeO": 30, "P2O5": 40}, {"Fe3+/Fe": 0.1}, 200),
    "fluoride": ({"NaF": 20, "NaPO3": 80}, {}, 100),
    "salt": ({"NaPO3": 70, "V2O5": 30}, {}, 150),
    "all reduced": ({"Na2O": 40, "V2O5": 20, "P2O5": 40}, {"V4+/V": 1.0}, 100),
}


@pytest.mark.parametrize(("shares", "redox", "atoms"), CASES.values(), ids=CASES)
def test_a_cell_is_neutral_and_has_what_was_asked_for(shares, redox, atoms):
    cell = smallest_cell(shares, redox, atoms)
    assert atoms <= cell.atoms < 1.5 * atoms
    ions = chemistry.ions_of(label for label, count in cell.counts.items() for _ in range(count))
    assert chemistry.total_charge(ions) == 0
    assert chemistry.species(cell.counts) == tuple(sorted(ions, key=chemistry.species(cell.counts).index))
    realized = {share.name: share.realized for share in cell.shares}
    for formula, share in shares.items():
        assert realized[formula] == pytest.approx(share, abs=1.0)
    for key, ratio in redox.items():
        assert realized[key] == pytest.approx(ratio, abs=0.01)
        label, element = key.split("/")
        of_all = sum(n for ion, n in cell.counts.items() if chemistry.parse_label(ion)[0] == element)
        assert cell.counts.get(label, 0) / of_all == realized[key]


def test_exact_cells():
    """By hand: 2 Na2O + V2O5 + 2 P2O5 has 27 atoms (17 O); four of them are the smallest of at least 100."""
    assert smallest_cell({"Na2O": 40, "V2O5": 20, "P2O5": 40}, {}, 100).counts == {
        "Na+": 16, "V5+": 8, "P5+": 16, "O2-": 68,
    }  # fmt: skip
    half = smallest_cell({"Na2O": 40, "V2O5": 20, "P2O5": 40}, {"V4+/V": 0.5}, 100).counts
    assert (half["V4+"], half["V5+"], half["O2-"]) == (4, 4, 66), "one oxygen less for two V4+"
    assert smallest_cell({"NaPO3": 100}, {}, 50).counts == {"Na+": 10, "P5+": 10, "O2-": 30}


def test_no_smaller_cell_would_do():
    """Against a search over all cells of three cations."""
    cell = smallest_cell({"Na2O": 33, "V2O5": 7, "P2O5": 60}, {}, 2)

    def fits(na, v, p):
        total = na / 2 + v / 2 + p / 2
        near = all(abs(50 * n / total - x) <= 1 + 1e-9 for n, x in ((na, 33), (v, 7), (p, 60)))
        return near and (na + v + p) % 2 == 0

    sizes = [
        na + v + p + (na + 5 * v + 5 * p) // 2
        for na in range(1, 40)
        for v in range(1, 10)
        for p in range(1, 60)
        if fits(na, v, p)
    ]
    assert cell.atoms == min(sizes)


def test_no_smaller_cell_with_two_ratios_would_do():
    """Against all counts of five cations: the smallest one has none of them rounded from the wanted numbers."""
    cell = smallest_cell({"Na2O": 30, "V2O5": 40, "P2O5": 30}, {"V4+/V": 0.5, "V3+/V": 0.1}, 300)
    counts = [np.arange(20, 40), np.arange(20, 40), np.arange(1, 8), np.arange(10, 30), np.arange(8, 25)]
    na, p, v3, v4, v5 = np.meshgrid(*counts, indexing="ij", sparse=True)
    charge, v = na + 5 * p + 3 * v3 + 4 * v4 + 5 * v5, v3 + v4 + v5
    fits = charge % 2 == 0
    for part, whole, asked in ((na, na + v + p, 0.3), (v, na + v + p, 0.4), (v4, v, 0.5), (v3, v, 0.1)):
        fits = fits & (np.abs(part / whole - asked) <= 0.01 + 1e-9)
    fits &= np.abs(p / (na + v + p) - 0.3) <= 0.01 + 1e-9
    sizes = na + v + p + charge // 2
    assert cell.atoms == sizes[fits & (sizes >= 300)].min() == 302


def test_ions_without_a_ratio_are_those_of_the_compounds():
    """NaF brings as many F- as its share says, and FeO and Fe2O3 each their own state."""
    cell = smallest_cell({"NaF": 20, "Na2O": 30, "P2O5": 50}, {}, 150)
    units = {share.name: share.realized for share in cell.shares}
    assert cell.counts["F-"] / cell.counts["P5+"] == pytest.approx(units["NaF"] / (2 * units["P2O5"]))
    cell = smallest_cell({"FeO": 20, "Fe2O3": 30, "P2O5": 50}, {}, 150)
    units = {share.name: share.realized for share in cell.shares}
    assert cell.counts["Fe2+"] / cell.counts["Fe3+"] == pytest.approx(units["FeO"] / (2 * units["Fe2O3"]))


def test_a_cell_without_oxygen_has_none():
    assert smallest_cell({"NaF": 50, "LiF": 50}, {}, 99).counts == {"Na+": 25, "Li+": 25, "F-": 50}


def test_density_from_molar_volumes():
    """NaPO3: 101.96 g/mol; with 41 cm3/mol 2.487 g/cm3, whether written as one compound or as two oxides."""
    one = smallest_cell({"NaPO3": 100}, {}, 50)
    assert density_from_volumes(one, {"NaPO3": 41.0}) == pytest.approx(101.961 / 41.0, rel=1e-4)
    two = smallest_cell({"Na2O": 50, "P2O5": 50}, {}, 50)
    assert density_from_volumes(two, {"Na2O": 30.0, "P2O5": 52.0}) == pytest.approx(2 * 101.961 / 82.0, rel=1e-4)
    with pytest.raises(InputError, match="no molar volume of P2O5"):
        density_from_volumes(two, {"Na2O": 30.0})


@pytest.mark.parametrize(
    ("shares", "redox", "message"),
    [
        ({"Na2O": 50, "Px": 50}, {}, "'Px': not an element"),
        ({"Na2O": 50, "P2O4": 50}, {}, "'P2O4': charges do not balance"),
        ({"Na": 100}, {}, "'Na'"),
        ({"Na2O": 100}, {"V4+/V": 0.5}, "redox ratio of V, which no compound contains"),
        ({"V2O5": 100}, {"V4+/V": 0.7, "V3+/V": 0.6}, "add up to 1.3, more than 1"),
        ({"V2O5": 100}, {"V4/V": 0.7}, "'V4/V'"),
        ({"V2O5": 100}, {"V4+/Fe": 0.7}, "'V4[+]/Fe': not a redox ratio"),
        ({"P2O5": 100}, {"P3+/P": 0.7}, "P has one oxidation state"),
        ({"V2O5": 100}, {"V9+/V": 0.7}, "no such oxidation state"),
        ({"FeF3": 100}, {"Fe2+/Fe": 0.5}, "leave fewer positive charges than the anions"),
    ],
)
def test_what_cannot_be_is_refused(shares, redox, message):
    with pytest.raises(InputError, match=message):
        smallest_cell(shares, redox, 100)


def test_compounds_have_the_states_of_their_formula():
    assert {ion.label: ion.count for ion in compound("V2O5").ions} == {"V5+": 2, "O2-": 5}
    assert {ion.label: ion.count for ion in compound("Fe3O4").ions} == {"Fe2+": 1, "Fe3+": 2, "O2-": 4}
    assert {ion.label: ion.count for ion in compound("NaVPO5").ions} == {"Na+": 1, "V4+": 1, "P5+": 1, "O2-": 5}


def test_seven_compounds_with_three_ratios():
    """Thousands of counts for every number of atoms."""
    shares = {"Na2O": 33, "V2O5": 7, "P2O5": 41, "Fe2O3": 5, "SiO2": 6, "Al2O3": 4, "B2O3": 4}
    redox = {"V4+/V": 0.13, "V3+/V": 0.07, "Fe2+/Fe": 0.17}
    cell = smallest_cell(shares, redox, 60)
    assert cell.atoms == 511 and sum(chemistry.parse_label(ion)[1] * n for ion, n in cell.counts.items()) == 0
    for share in cell.shares:
        assert abs(share.realized - share.asked) <= (0.01 if "/" in share.name else 1.0) + 1e-9, share
