"""Measured quantities as rows: what a row may hold, and how those of analyses and reports come together in a series."""

import csv
import io
import json
from dataclasses import replace

import pytest

from naglass_drv.analysis import quantities as analysis
from naglass_drv.errors import InputError
from naglass_drv.products import Quantity, read_quantities
from naglass_drv.report.material import Material
from naglass_drv.report.measured import below, quantities
from naglass_drv.report.numbers import entry
from naglass_drv.report.series import as_csv
from naglass_drv.report.series import quantities as of_series
from naglass_drv.report.zeros import with_zeros

D = Quantity(
    "transport.g0-600K.D", "self-diffusion coefficient of Na", 2e-9, "m²/s", 3e-10, interval=[1.5e-9, 2.7e-9],
    conditions={"temperature_K": 601.5},
)  # fmt: skip
HOPS = {
    "ion": "Na", "count": 7, "per_ion_per_ps": 0.1, "per_ion_per_ps_err": 0.02,
    "per_ion_per_ps_interval": [0.07, 0.15], "beside": {"V5+": 3, "V4+": 4},
    "returned_share": 0.5, "returned_share_err": 0.2, "changed_cage_share": None, "length_A": 2.8, "length_A_err": None,
}  # fmt: skip


def write(path, rows):
    path.write_text(json.dumps([row.as_json() for row in rows]))
    return path


def test_a_row_is_read_as_it_was_written(tmp_path):
    bare = Quantity("glance.glass.density", "density of glass", 2.75, "g/cm³", 0.0, "set")
    assert read_quantities(write(tmp_path / "rows.json", [D, bare])) == [D, bare]
    assert bare.error is None and "interval" not in bare.as_json() and "note" not in D.as_json()


def test_a_number_without_an_error_says_why():
    notes = [Quantity("a", "a", value, "1", error).note for value, error in ((5, None), (5.0, None), (5.0, 0.0))]
    assert (
        notes == ["counted", "not estimated", "not estimated"] and Quantity("a", "a", 5.0, "1", 0.1, "set").note == ""
    )


def test_a_set_of_labels_says_why_its_means_have_no_error():
    found = {"frames": 1, "bond_valence": 4.1, "bond_valence_err": None, "states": {"valence": {"4": 1.0}},
             "states_err": {"valence": {"4": None}}, "moments": None, "flagged_share": 0.0,
             "label_share": {}}  # fmt: skip
    for frames, note in ((1, "one structure"), (3, "equal in 3 structures")):
        rows = analysis.labeled("labels-full", {"frames": 4, "fingerprints": {"V": found | {"frames": frames}}})
        notes = below({row.key: row for row in rows}, "metals.labels-full.V")
        assert notes["bond_valence"].note == notes["valence.4"].note == note
    del found["states_err"]
    (share,) = (row for row in analysis.labeled("a", {"fingerprints": {"V": found}}) if row.key.endswith("valence.4"))
    assert share.note == "not estimated", "an earlier version gave no errors of shares"


@pytest.mark.parametrize(
    ("text", "message"),
    [("[", "Expecting value"), ('{"key": 1}', "must be a mapping"), ('[{"key": "a"}]', "missing 3 required"),
     ('[{"key": "a", "label": "a", "value": NaN, "unit": "K"}]', "a is nan"), ('[{"color": 1}]', "color")],
)  # fmt: skip
def test_a_file_without_rows_is_named(tmp_path, text, message):
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(InputError, match=f"rows.json: not rows of quantities: .*{message}"):
        read_quantities(tmp_path / "rows.json")


def test_hops_are_rows_without_what_is_not_known():
    rows = {row.key: row for row in analysis.hops("g0", HOPS)}
    found = below(rows, "hops.g0")
    assert list(found) == ["count", "rate", "beside.V4+", "beside.V5+", "returned_share", "length_A"]
    assert (found["rate"].value, found["rate"].error, found["rate"].unit) == (0.1, 0.02, "1/ps")
    assert found["rate"].interval == [0.07, 0.15] and found["returned_share"].interval is None
    assert found["beside.V4+"].label == "hops whose nearest metal is V⁴⁺ by bond valence"


def test_the_report_takes_the_rows_that_the_analysis_wrote(tmp_path):
    path = write(tmp_path / "rows.json", [D])
    assert quantities(Material({}, [], {"analysis/g0-600K/quantities": path})) == {
        "g0-600K": {D.key: replace(D, subject="g0-600K")}
    }


def test_a_label_names_its_subject_once():
    rows = [Quantity("a.g0.b", label, 1.0, "1").of("g0") for label in ("density of g0", "contacts, g0", "share of Q²")]
    assert [row.title for row in rows] == ["density of g0", "contacts, g0", "share of Q², g0"]
    assert entry(rows[2])["label"] == "share of Q², g0" and rows[2].label == "share of Q²"


def test_a_series_holds_the_rows_of_analyses_and_the_other_numbers_of_reports(tmp_path):
    entries = [
        {"key": "md.g0-600K.reached_ps", "label": "simulated time", "value": 10.0, "err": None, "unit": "ps"},
        {"key": D.key, "label": "as printed", "value": 2e-9, "err": 3e-10, "unit": "m²/s"},
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"numbers": entries}))
    conditions = {name: {"asked": {}, "realized": {"Na2O": share}} for name, share in (("a", 40.0), ("b", 50.0))}
    files = {"g0-600K": write(tmp_path / "rows.json", [D])}
    rows = of_series({"a": report, "b": report}, {"a": files}, conditions)
    assert [(row.scope, row.label) for row in rows] == [
        ("a", "simulated time"), ("a", f"{D.label}, g0-600K"), ("b", "simulated time"), ("b", "as printed"),
    ]  # fmt: skip
    assert rows[1].conditions == {"Na2O": 40.0, "temperature_K": 601.5} and rows[1].interval == D.interval
    head, *table = csv.reader(io.StringIO(as_csv(rows, conditions).decode()))
    assert head == ["system", "key", "label", "value", "error", "unit", "note", "Na2O_mol_percent", "temperature_K"]
    assert table[1] == ["a", D.key, rows[1].label, "2e-09", "3e-10", "m²/s", "", "40", "601.5"] and table[2][-1] == ""


def row(key: str, value: float = 0.5) -> Quantity:
    return Quantity(key, f"label of {key}", value, "1", 0.1, conditions={"temperature_K": 300.0})


def test_what_only_one_system_has_is_zero_in_those_that_could_have_it():
    glass = ["network.g.mean_n", "network.g.Q2", "network.g.oxygen.BO_PP", "glance.g.atoms"]
    vanadium = ["metals.g.V.frames", "metals.g.V.label.[1+4]", "metals.g.V.valence.5"]
    systems = {
        "a": [*glass, *vanadium],
        "b": ["network.g.mean_n", "network.g.Q2", "network.g.Q6", "network.g.oxygen.BO_PV", "metals.g.V.frames",
              "metals.g.V.label.[3+1]", "metals.g.V.valence.4", "glance.g.artifact.O-O", "hops.g.count",
              "hops.g.beside.V4+"],
        "c": glass,
    }  # fmt: skip
    realized = {scope: {"Na2O": 40.0, "V2O5": 0.0 if scope == "c" else 20.0, "P2O5": 40.0} for scope in systems}
    found = list(with_zeros({scope: {key: row(key) for key in keys} for scope, keys in systems.items()}, realized))
    zeros = {(scope, each.key) for scope, each in found if each.value == 0}
    assert zeros == {
        ("a", "network.g.Q6"), ("a", "network.g.oxygen.BO_PV"), ("a", "metals.g.V.label.[3+1]"),
        ("a", "metals.g.V.valence.4"), ("a", "glance.g.artifact.O-O"), ("b", "network.g.oxygen.BO_PP"),
        ("b", "metals.g.V.label.[1+4]"), ("b", "metals.g.V.valence.5"), ("c", "network.g.Q6"),
        ("c", "glance.g.artifact.O-O"),
    }  # fmt: skip
    assert all(each.error is None and each.note == "none found" for _, each in found if each.value == 0)
    assert all(each.conditions == {"temperature_K": 300.0} for _, each in found)
    keys = [each.key for scope, each in found if scope == "a"]
    assert keys.index("network.g.Q6") == keys.index("network.g.Q2") + 1


def test_an_oxygen_of_several_metals_has_a_name_of_its_own():
    one, several = {"V2O5": 20.0, "P2O5": 40.0}, {"V2O5": 20.0, "Fe2O3": 10.0, "P2O5": 40.0}
    oxo = {"one": "network.g.oxygen.V=O", "several": "network.g.oxygen.M=O"}
    systems = {scope: {key: row(key) for key in ("network.g.mean_n", own)} for scope, own in oxo.items()}
    found = with_zeros(systems, {"one": one, "several": several})
    assert all(each.value for _, each in found)
