"""Words of the page fit the elements that it shows."""

from naglass_drv.analysis.quantities import labeled
from naglass_drv.products import Quantity
from naglass_drv.report.glasses import short_contacts
from naglass_drv.report.material import Material
from naglass_drv.report.metals import _note
from naglass_drv.report.overview import _metals, _percentages, _sizes
from naglass_drv.report.structure import _ideal_angles
from naglass_drv.report.topology import oxygen_note

FOUND = {
    "frames": 1,
    "vanadyl": 0.1,
    "vanadyl_err": None,
    "states": {},
    "label_share": {},
    "moments": None,
    "flagged_share": 0.0,
}


def rows_of(metal: str) -> list[Quantity]:
    return labeled("g", {"fingerprints": {metal: FOUND}})


def made_of(metal: str, model: str | None = None) -> Material:
    composition = {"Na": 1, {"V": "V4+", "Fe": "Fe2+"}[metal]: 1, "P": 1, "O": 4}
    return Material({"system": {"composition": composition}, "glass": {"model": model}}, [], {})


def test_short_bonds_are_counted_as_such_and_vanadyl_is_said_of_vanadium_alone():
    for metal in ("V", "Fe", "Ti"):
        (row,) = (row for row in rows_of(metal) if row.key.endswith(".vanadyl"))
        # a bridge P–O–V may be as short: a number of short bonds is none of V=O
        assert "vanadyl" not in row.label and row.label.endswith(f" of {metal}")
        glance = _metals("g", {"fingerprints": {metal: FOUND}}, {row.key: row})
        assert list(glance) == (["V–O below 1.74 Å per V"] if metal == "V" else [])
        note = oxygen_note({"g": {"network": {"former": "Si"}, "fingerprints": {metal: FOUND}}})
        assert f"Si–O–{metal}: bridging" in note and f"{metal}=O: terminal and below 1.74 Å" in note
        assert ("vanadyl" in note) == (metal == "V") == ("V=O" in note)
    assert "1.74 Å per center of Fe" in next(row.label for row in rows_of("Fe") if row.key.endswith(".vanadyl"))


def test_classes_of_oxygen_name_no_metal_where_there_is_none():
    note = oxygen_note({"g": {"network": {"former": "P"}, "fingerprints": {}}})
    assert "P–O–P: bridging" in note and "metal" not in note and "=O" not in note
    two = oxygen_note({"g": {"network": {"former": "P"}, "fingerprints": {"Fe": FOUND, "V": FOUND}}})
    assert "P–O–M" in two and "M: Fe or V" in two and "vanadyl" not in two


def test_ideal_angles_are_of_the_angles_shown():
    assert _ideal_angles(["O-P-O", "P-O-Fe", "O-Fe-O"]) == (
        ". Without distortion, a tetrahedron O–P–O at 109.5°, an octahedron O–Fe–O at 90° and 180°"
    )
    assert "V" not in _ideal_angles(["O-Si-O", "Si-O-Si"]) and _ideal_angles(["P-O-P"]) == ""


def test_families_of_bonds_are_named_for_their_metal():
    own = {"g": FOUND}
    assert "(vanadyl below 1.74 Å" in _note("V", own, made_of("V"), "")
    assert "(short below 1.74 Å" in (said := _note("Fe", own, made_of("Fe"), "")) and "vanadyl" not in said


def test_short_contacts_of_rigid_ions_are_not_vanadyl():
    assert "short contacts of ions, not vanadyl groups" in _note("V", {"g": FOUND}, made_of("V"), "")
    for other in (made_of("V", "a.mace"), made_of("Fe")):
        assert "contacts" not in _note("V", {"g": FOUND}, other, "") and short_contacts(other) == ""


def test_shares_at_a_glance_have_errors_or_a_reason_and_add_up():
    def row(value: float, error: float | None = None, note: str = "") -> Quantity:
        return Quantity("k", "l", value, "1", error, note)

    assert _percentages({"Q⁰": row(0.025, 0.025), "Q¹": row(0.975, 0.025)}) == "Q⁰ 2.5 ± 2.5, Q¹ 97.5 ± 2.5 %"
    one = {word: row(0.25, note="one structure") for word in ("[0+5]", "[1+3]", "[2+2]")}
    assert _percentages(one) == "[0+5] 25, [1+3] 25, [2+2] 25, others 25 % (one structure)"
    still = {"Q⁰": row(1.0, note="did not change"), "Q¹": row(0.0, note="did not change")}
    assert _percentages(still) == "Q⁰ 100 % (did not change)"
    assert _percentages({"Q⁰": row(0.05, note="equal in 2 replicas"), "Q¹": row(0.95, 0.1)}) == "Q⁰ 5, Q¹ 95 ± 10 %"


def test_sizes_are_of_the_cells_on_the_page():
    """A glass of 100 atoms in three samples and the cells of 134 that were put against a crystal."""
    common = {"half_cell_width_A": 5.0, "lowest_q_per_A": 0.6}
    glass = common | {"kind": "glass", "frames": 3, "atoms": 100, "composition": {"Na": 20, "P": 20, "O": 60}}
    cell = common | {"kind": "trajectory", "frames": 9, "atoms": 134, "composition": {"Na": 24, "P": 25, "O": 85}}
    ((label, text),) = _sizes({"glass": glass})
    assert label == "size" and "100 atoms" in text and "each of 3 samples" in text
    rows = dict(_sizes({"glass": glass, "i0-500K": cell, "i1-500K": cell}))
    assert list(rows) == ["size of glass", "size of i0-500K, i1-500K"]
    assert "134 atoms" in rows["size of i0-500K, i1-500K"] and "100" not in rows["size of i0-500K, i1-500K"]
