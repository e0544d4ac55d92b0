"""The CP2K parser on real outputs of CP2K 2023.1 (and 2025.1, `late_...`), whole, cut, repeated and damaged."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv.engines.cp2k import parse
from support.structures import cp2k_output

NAVPO5 = ["Na", "V", "P", "O", "O", "O", "O", "O"]
NAVOPO4 = ["Na"] * 2 + ["V"] * 2 + ["P"] * 2 + ["O"] * 10
HARTREE = 27.211386245988
BOHR = 0.529177210903


def text_of(name: str) -> str:
    return cp2k_output(name).read_text()


def golden(name: str, elements=NAVPO5) -> parse.Output:
    return parse.read(cp2k_output(name), elements)


def test_converged_point_in_units_of_the_project():
    found = golden("a_scratch")
    assert (found.version, found.processes, found.ended, found.abort) == ("2023.1", 1, True, None)
    assert found.scf_converged is True and found.scf_steps == 37
    assert found.energy_eV == pytest.approx(-205.585721596162188 * HARTREE, abs=1e-9)
    assert found.forces_eV_per_A.shape == (8, 3)
    assert found.forces_eV_per_A[2] == pytest.approx(
        np.array([0.00686202, -0.00372975, 0.07401966]) * HARTREE / BOHR, abs=1e-9
    )
    assert found.wall_s == 29.383
    assert found.s_squared == (0.75, 0.792011)


def test_converged_point_of_2025_1():
    """The same cell at the same level as a_scratch, but for sodium's pseudopotential, which is another one there."""
    found = golden("late_scratch")
    assert (found.version, found.scf_converged, found.scf_steps, found.ended) == ("2025.1", True, 40, True)
    assert found.energy_eV == pytest.approx(-206.193266744096235 * HARTREE, abs=1e-9)
    per_a = HARTREE / BOHR
    assert found.forces_eV_per_A[2] == pytest.approx(
        np.array([6.87882998e-3, -3.75103377e-3, 7.47254125e-2]) * per_a, abs=1e-9
    )
    assert found.net_force_eV_per_A == pytest.approx(3.40616399e-2 * per_a, rel=1e-6)
    # printed in bar: 10202.1409550 on xx, -3827.66511904 on xz
    assert found.stress_eV_per_A3[0, 0] == pytest.approx(-1.02021409550 / 160.2176634, rel=1e-9)
    assert found.stress_eV_per_A3[0, 2] == pytest.approx(0.382766511904 / 160.2176634, rel=1e-9)
    assert found.spin_hirshfeld[1] == 1.207 and found.spin_mulliken[1] == 1.339599
    assert found.s_squared == (0.75, 0.791990)


def test_a_stress_in_an_unknown_unit_is_refused():
    text = text_of("late_scratch").replace("stress tensor [bar]", "stress tensor [furlong]")
    with pytest.raises(parse.OutputError, match="stress: unit furlong: must be one of GPa, kbar, bar"):
        parse.parse(text, NAVPO5)


def test_an_unconverged_scf_aborts_2025_1():
    found = golden("late_unconv")
    assert found.scf_converged is False and found.energy_eV is None and "SCF run NOT converged" in found.abort


def test_net_force_is_the_vector_sum_and_falls_with_the_cutoff():
    per_a = HARTREE / BOHR
    assert golden("a_scratch").net_force_eV_per_A == pytest.approx(0.01421371 * per_a, rel=1e-6)
    at_200, at_400 = golden("f_200").net_force_eV_per_A, golden("f_400").net_force_eV_per_A
    assert at_200 > 70 and at_400 < 1


def test_stress_has_the_sign_of_ase():
    stress = golden("a_scratch").stress_eV_per_A3
    # CP2K prints the pressure-like tensor: 0.948359 GPa on xx, -0.381211 on xz
    assert stress[0, 0] == pytest.approx(-0.948359017757 / 160.2176634, rel=1e-9)
    assert stress[0, 2] == pytest.approx(0.381211497194 / 160.2176634, rel=1e-9)
    assert np.array_equal(stress, stress.T)


def test_moments_are_moments_in_both_column_orders():
    found = golden("a_scratch")
    assert found.spin_mulliken[:3] == pytest.approx([0.000911, 1.339453, 0.014089])
    assert found.spin_mulliken.sum() == pytest.approx(1.0, abs=1e-5)
    # Hirshfeld prints spin before charge (vanadium: 1.207 and 0.734)
    assert found.spin_hirshfeld[:3] == pytest.approx([0.0, 1.207, 0.014])
    assert found.spin_hirshfeld.sum() == pytest.approx(1.0, abs=0.01)


def test_two_vanadium_with_smearing():
    found = golden("o_fm", NAVOPO4)
    assert found.scf_converged is True
    assert found.s_squared is None
    assert found.spin_hirshfeld[2:4].min() > 0.5
    assert found.spin_mulliken.sum() == pytest.approx(2.0, abs=1e-4)


def test_tight_binding_prints_its_banner_in_capitals_and_no_hirshfeld():
    found = golden("xtb_label")
    assert found.energy_eV == pytest.approx(-28.071613714 * HARTREE, abs=1e-6)
    assert found.spin_mulliken[1] == pytest.approx(0.6747, abs=1e-3)
    assert found.spin_hirshfeld is None
    assert found.net_force_eV_per_A < 1e-5
    assert found.scf_converged is True and found.ended


def test_unconverged_scf_is_told_though_energy_and_forces_are_printed():
    found = golden("e_unconv")
    assert found.scf_converged is False
    assert found.energy_eV is not None and found.ended


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("e_basis", "basis set <ZVP-MOLOPT-SR-GTH> for element <NA>"),
        ("e_mult", "try to use a different multiplicity"),
        ("late_mult", "try to use a different multiplicity"),
    ],
)
def test_abort_gives_its_reason(name, words):
    found = golden(name)
    assert words in found.abort
    assert not found.ended and found.energy_eV is None and found.scf_converged is None


def test_killed_run_has_no_end():
    assert not golden("k_md").ended


def test_several_steps_are_not_a_single_point():
    with pytest.raises(parse.OutputError, match="instead of one"):
        golden("e_wall")


def test_other_atoms_are_refused():
    with pytest.raises(parse.OutputError, match="row 3: '3 3 P"):
        golden("a_scratch", ["Na", "V", "O", "P", "O", "O", "O", "O"])
    with pytest.raises(parse.OutputError, match="more than 7 atoms"):
        golden("a_scratch", NAVPO5[:7])
    with pytest.raises(parse.OutputError, match="row 9"):
        golden("a_scratch", [*NAVPO5, "O"])


def test_unknown_version_is_named():
    with pytest.raises(parse.OutputError, match="CP2K 2031.9: not supported; supported are 2022.1 to 2026"):
        parse.parse(text_of("a_scratch").replace("version 2023.1", "version 2031.9", 1), NAVPO5)


@pytest.mark.parametrize("text", ["", "\x00\x00", "hello\n" * 1000, "mpirun: not found\n"])
def test_no_output_of_cp2k(text):
    with pytest.raises(parse.OutputError, match="no CP2K version line"):
        parse.parse(text, NAVPO5)


def test_appended_runs_are_refused():
    with pytest.raises(parse.OutputError, match="2 runs in one file"):
        parse.parse(text_of("a_scratch") * 2, NAVPO5)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("0.07401966", "0.07501966", "add up to"),
        ("0.07401966", "**********", "is not a number"),
        ("9.48359017757E-01", "NaN", "is not a number"),
        ("9.48359017757E-01", "8.48359017757E-01", "trace"),
        ("y        1.07219160439E-01", "y        1.97219160439E-01", "not symmetric"),
        ("-205.585721596162188", "-206.585721596162188", "differs from the last total energy"),
        ("1.339453", "0.339453", "alpha - beta"),
        ("1.207      0.734", "0.734      1.207", "alpha - beta"),
    ],
)
def test_damaged_numbers_are_noticed(before, after, words):
    text = text_of("a_scratch")
    assert before in text
    with pytest.raises(parse.OutputError, match=words):
        parse.parse(text.replace(before, after, 1), NAVPO5)


@pytest.mark.parametrize(
    "words", ["ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:   ", "STRESS| 1/3 Trace  ", "Ideal and single"]
)
def test_a_number_that_was_being_written_is_none(words):
    text = text_of("e_unconv" if "ENERGY" in words else "a_scratch")
    end = text.index(words) + len(words)
    for cut in (end, end + 17, text.index("\n", end) - 1):
        try:
            found = parse.parse(text[:cut], NAVPO5)
        except parse.OutputError:
            continue
        assert found.energy_eV is None or "ENERGY" not in words
        assert found.stress_eV_per_A3 is None or "STRESS" not in words
        assert found.s_squared is None or "Ideal" not in words


ELEMENTS = {
    "o_fm": NAVOPO4,
    "closed_shell": ["O", "Na", "Na"],
    "e_cholesky": ["Na"] * 4 + ["V"] * 2 + ["P"] * 4 + ["O"] * 16,
}
SINGLE = (
    "a_scratch",
    "closed_shell",
    "e_basis",
    "e_cholesky",
    "e_mult",
    "e_unconv",
    "f_200",
    "f_400",
    "late_localize",
    "late_mult",
    "late_scratch",
    "late_unconv",
    "o_fm",
    "xtb_label",
)
GOLDENS = {
    name: (text_of(name), ELEMENTS.get(name, NAVPO5), golden(name, ELEMENTS.get(name, NAVPO5))) for name in SINGLE
}


def same_or_refused(name: str, text: str) -> None:
    """Whatever is read from a spoiled copy is the truth, is missing, or the copy is refused; none gets better."""
    _, elements, truth = GOLDENS[name]
    try:
        found = parse.parse(text, elements)
    except parse.OutputError:
        return
    for key in ("energy_eV", "forces_eV_per_A", "stress_eV_per_A3", "spin_mulliken", "spin_hirshfeld"):
        value, true = getattr(found, key), getattr(truth, key)
        assert value is None or (true is not None and np.allclose(value, true, rtol=1e-6, atol=1e-2)), key
    assert truth.scf_converged or not found.scf_converged
    assert truth.ended or not found.ended


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SINGLE), st.floats(0, 1))
def test_cut_anywhere(name, where):
    text = GOLDENS[name][0]
    same_or_refused(name, text[: int(where * len(text))])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SINGLE), st.floats(0, 1), st.floats(0, 0.2))
def test_a_piece_repeated_or_missing(name, where, share):
    text = GOLDENS[name][0]
    start = int(where * len(text))
    piece = text[start : start + int(share * len(text))]
    same_or_refused(name, text[:start] + piece + text[start:])
    same_or_refused(name, text[:start] + text[start + len(piece) :])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SINGLE), st.integers(0, 10**6), st.characters(codec="latin-1"))
def test_one_character_changed(name, where, character):
    text = GOLDENS[name][0]
    # the part that holds the results, where a change matters
    first = max(0, text.find("SCF run"))
    last = text.find("DBCSR STATISTICS")
    place = first + where % ((last if last > 0 else len(text)) - first)
    same_or_refused(name, text[:place] + character + text[place + 1 :])


@pytest.mark.parametrize(("unit", "scale"), [("hartree/bohr", 1.0), ("eV/angstrom", parse.HARTREE_EV / parse.BOHR_A)])
def test_late_forces_are_read_in_the_unit_that_is_printed(unit, scale):
    text = text_of("late_scratch")
    block = re.search(r" FORCES\| Atomic forces.*? FORCES\| Sum.*?\n", text, re.DOTALL)[0]
    other = re.sub(r"-?\d\.\d{8}E[-+]\d+", lambda found: f"{float(found[0]) * scale:.8E}", block)
    changed = text.replace(block, other.replace("[hartree/bohr]", f"[{unit}]"))
    found = parse.parse(changed, NAVPO5).forces_eV_per_A
    np.testing.assert_allclose(found, parse.parse(text, NAVPO5).forces_eV_per_A, atol=2e-8)
    with pytest.raises(parse.OutputError, match="forces: unit parsec: must be one of"):
        parse.parse(text.replace("[hartree/bohr]", "[parsec]"), NAVPO5)
