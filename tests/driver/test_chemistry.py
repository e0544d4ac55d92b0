"""Charges, spins and electron counts of a composition: exact whole numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naglass_drv.chemistry import ions as chemistry
from naglass_drv.errors import InputError


def ions(composition, formula_units=1):
    return {ion.label: ion.count for ion in chemistry.species(composition, formula_units)}


@pytest.mark.parametrize(
    ("composition", "units", "expected"),
    [
        ({"Na": 4, "V4+": 2, "P": 4, "O": 16}, 1, {"Na+": 4, "V4+": 2, "P5+": 4, "O2-": 16}),
        # NASICON Na3V2(PO4)3: all V is 3+
        ({"Na": 3, "V": 2, "P": 3, "O": 12}, 1, {"Na+": 3, "V3+": 2, "P5+": 3, "O2-": 12}),
        # 26 negative charges against 2 of Na and 10 of P leave 14 for three V: 4 + 5 + 5
        ({"Na": 2, "V": 3, "P": 2, "O": 13}, 1, {"Na+": 2, "V4+": 1, "V5+": 2, "P5+": 2, "O2-": 13}),
        ({"Na": 1, "Fe": 1, "P": 1, "O": 4}, 3, {"Na+": 3, "Fe2+": 3, "P5+": 3, "O2-": 12}),
        ({"Na": 1, "Mn": 2, "P": 1, "O": 6}, 2, {"Na+": 2, "Mn3+": 4, "P5+": 2, "O2-": 12}),
        ({"V4+": 1, "V5+": 2, "Na": 2, "P": 2, "O": 13}, 1, {"V4+": 1, "V5+": 2, "Na+": 2, "P5+": 2, "O2-": 13}),
        ({"Na": 3, "V3+": 2, "P": 2, "O": 8, "F": 3}, 1, {"Na+": 3, "V3+": 2, "P5+": 2, "O2-": 8, "F-": 3}),
    ],
)
def test_species(composition, units, expected):
    assert ions(composition, units) == expected


@given(
    st.sampled_from([("V", 2, 5), ("Fe", 2, 3), ("Mn", 2, 4), ("Ti", 3, 4), ("Cr", 2, 3)]),
    st.integers(1, 8),
    st.integers(0, 12),
    st.integers(0, 40),
)
def test_balance_is_neutral_and_uses_neighboring_states(metal, count, sodium, oxygen):
    """Whatever is accepted is neutral, keeps every atom and splits the metal over adjacent allowed states."""
    element, low, high = metal
    composition = {"Na": sodium, element: count, "O": oxygen}
    composition = {label: n for label, n in composition.items() if n}
    needed = 2 * oxygen - sodium
    if not low * count <= needed <= high * count:
        with pytest.raises(InputError, match=element):
            chemistry.species(composition)
        return
    found = chemistry.species(composition)
    assert sum(ion.charge * ion.count for ion in found) == 0
    charges = [ion.charge for ion in found if ion.element == element]
    assert sum(ion.count for ion in found if ion.element == element) == count
    assert max(charges) - min(charges) <= 1


@pytest.mark.parametrize(
    ("composition", "message"),
    [
        ({"Na": 4, "V4+": 2, "P": 4, "O": 15}, r"\+4 .*\+8 .*\+20 .*-30 .*= \+2; .*O 16 instead of 15.*2 V3\+"),
        ({"Na": 5, "V4+": 2, "P": 4, "O": 16}, r"= \+1; .*Na 4 instead of 5.*1 V3\+ and 1 V4\+"),
        ({"Na": 4, "V": 2, "P": 4, "O": 26}, r"V at a mean charge of \+14"),
        ({"Na": 1, "V": 1, "Fe": 1, "O": 3}, r"V, Fe: .*state all others"),
        ({"Na": 1, "Xx": 1}, r"'Xx': not an element"),
        ({"V11+": 1, "O": 1}, r"'V11\+': not an element"),
        ({"V8+": 1, "O": 4}, r"V8\+: no such oxidation state"),
        ({"Na": 1, "Ir": 1, "O": 2}, r"Ir: no common oxidation state"),
        ({"P": 2, "O": 4}, r"= \+2; neutral would be: O 5 instead of 4"),
    ],
)
def test_faults_name_the_numbers(composition, message):
    with pytest.raises(InputError, match=message):
        chemistry.species(composition)


@pytest.mark.parametrize(
    ("element", "charge", "unpaired"),
    [
        ("V", 2, 3),
        ("V", 3, 2),
        ("V", 4, 1),
        ("V", 5, 0),
        ("Fe", 2, 4),
        ("Fe", 3, 5),
        ("Mn", 2, 5),
        ("Mn", 3, 4),
        ("Cr", 3, 3),
        ("Ti", 3, 1),
        ("Ti", 4, 0),
        ("Co", 2, 3),
        ("Ni", 2, 2),
        ("Cu", 2, 1),
        ("Cu", 1, 0),
        ("Zn", 2, 0),
        ("Na", 1, 0),
        ("P", 5, 0),
        ("O", -2, 0),
        ("Mo", 3, 3),
        ("Zr", 3, 1),
        ("Ru", 4, 4),
        ("Ag", 1, 0),
        ("Ce", 4, 0),
        ("Ce", 3, 1),
        ("Nd", 3, 3),
        ("Eu", 2, 7),
        ("Gd", 3, 7),
        ("Tb", 3, 6),
        ("Lu", 3, 0),
        ("La", 3, 0),
        ("P", 4, 1),
        ("O", -1, 1),
        ("Sn", 2, 0),
        ("Sn", 3, 1),
    ],
)
def test_high_spin(element, charge, unpaired):
    assert chemistry.high_spin_unpaired(element, charge) == unpaired


def test_multiplicity_and_electrons():
    glass = chemistry.species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
    assert chemistry.multiplicity(glass) == 3
    assert chemistry.electron_count(glass) == 4 * 11 + 2 * 23 + 4 * 15 + 16 * 8
    assert chemistry.formula(glass) == "Na4V2P4O16"
    mixed = chemistry.species({"Na": 2, "V": 3, "P": 2, "O": 13})
    assert chemistry.multiplicity(mixed) == 2
    assert chemistry.formula(mixed) == "Na2V3P2O13"


@pytest.mark.parametrize(("stated", "charge", "good"), [(3, 0, True), (1, 0, True), (2, 0, False), (2, 1, True)])
def test_parity(stated, charge, good):
    glass = chemistry.species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
    if good:
        chemistry.check_multiplicity(glass, stated, charge)
    else:
        with pytest.raises(InputError, match=r"multiplicity 2: 278 electrons .*odd multiplicity; high spin gives 3"):
            chemistry.check_multiplicity(glass, stated, charge)


@pytest.mark.parametrize(
    ("composition", "stated", "charge", "message"),
    [
        ({"Na": 4, "V4+": 2, "P": 4, "O": 16}, 5, 0, "means 4 unpaired electrons, but 2 V4\\+ can have at most 2"),
        ({"Na": 4, "V4+": 2, "P": 4, "O": 16}, 99, 0, "2 V4\\+ can have at most 2; high spin gives 3"),
        ({"Na": 1, "P": 1, "O": 3}, 3, 0, "closed-shell ions can have at most 0; high spin gives 1"),
        ({"Na": 4, "Fe2+": 2, "P": 4, "O": 14}, 11, 0, "2 Fe2\\+ can have at most 8; high spin gives 9"),
        ({"Na": 2, "V": 3, "P": 2, "O": 13}, 4, 0, "1 V4\\+ can have at most 1"),
        ({"Gd3+": 2, "O": 3}, 17, 0, "2 Gd3\\+ can have at most 14"),
        # an electron taken from a closed shell leaves one unpaired, no more
        ({"Na": 1, "P": 1, "O": 3}, 4, 1, "at most 1 in a cell of charge \\+1"),
        ({"Na": 4, "V4+": 2, "P": 4, "O": 16}, 6, -1, "2 V4\\+ can have at most 3 in a cell of charge -1"),
        ({"Na": 4, "Fe2+": 2, "P": 4, "O": 14}, 2, 0, "need an odd multiplicity; high spin gives 9"),
    ],
)
def test_what_the_ions_cannot_carry(composition, stated, charge, message):
    with pytest.raises(InputError, match=message):
        chemistry.check_multiplicity(chemistry.species(composition), stated, charge)


@pytest.mark.parametrize(
    "composition", [{"Na": 4, "V4+": 2, "P": 4, "O": 16}, {"Fe2+": 1, "Fe3+": 2, "O": 4}, {"Na": 1, "P": 1, "O": 3}]
)
def test_every_multiplicity_of_the_right_parity_up_to_high_spin_can_be(composition):
    ions = chemistry.species(composition)
    high = chemistry.multiplicity(ions)
    assert (chemistry.electron_count(ions) + high) % 2 == 1
    for stated in range(high, 0, -2):
        chemistry.check_multiplicity(ions, stated)


@pytest.mark.parametrize(
    ("charge", "expected"),
    [(0, {"V4+": 2}), (1, {"V4+": 1, "V5+": 1}), (2, {"V5+": 2}), (-1, {"V3+": 1, "V4+": 1}), (-2, {"V3+": 2})],
)
def test_a_charge_of_the_cell_is_taken_by_its_transition_metal(charge, expected):
    """As stated ions that are charged, and as a bare composition."""
    for found in (
        chemistry.with_charge(chemistry.species({"Na": 4, "V4+": 2, "P": 4, "O": 16}), charge),
        chemistry.species({"Na": 4, "V": 2, "P": 4, "O": 16}, charge=charge),
    ):
        assert {ion.label: ion.count for ion in found if ion.element == "V"} == expected
        assert chemistry.total_charge(found) == charge
        # moving one electron from or to the cell changes the spin by one: parity follows the charge
        assert (chemistry.electron_count(found, charge) + chemistry.multiplicity(found)) % 2 == 1


def test_a_charge_that_no_metal_can_take():
    with pytest.raises(InputError, match="charges do not balance"):
        chemistry.with_charge(chemistry.species({"Na": 1, "P": 1, "O": 3}), 1)
    with pytest.raises(InputError, match="V, Fe"):
        chemistry.with_charge(chemistry.species({"V4+": 1, "Fe2+": 1, "O": 3}), 1)


def test_ions_of_labels():
    found = chemistry.ions_of(["Na", "V4+", "V3+", "P5+", *["O"] * 7, "Na+"])
    assert {ion.label: (ion.count, ion.unpaired) for ion in found} == {
        "Na+": (2, 0), "V3+": (1, 2), "V4+": (1, 1), "P5+": (1, 0), "O2-": (7, 0),
    }  # fmt: skip
    with pytest.raises(InputError, match="V: no common oxidation state is known; state it, as in 'V3\\+'"):
        chemistry.ions_of(["V", "O2-"])
