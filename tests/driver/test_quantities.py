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
    assert head == ["system", "key", "label", "value", "error", "unit", "Na2O_mol_percent", "temperature_K"]
    assert table[1] == ["a", D.key, rows[1].label, "2e-09", "3e-10", "m²/s", "40", "601.5"] and table[2][-1] == ""
