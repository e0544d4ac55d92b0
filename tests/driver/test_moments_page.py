"""What the page says of predicted moments: a confusion table, and states that are undetermined."""

import json

import pytest

from naglass_drv.report.material import Material
from naglass_drv.report.moments import moment_errors, undetermined
from naglass_drv.report.numbers import Notice, Table


def entry(separates):
    """Errors of V as `spin_errors.errors` gives them."""
    return {
        "atoms": 30, "mae_muB": 0.3, "rmse_muB": 0.4, "rmse_muB_err": 0.05, "agreement": 0.6,
        "by_state": {"V4+": {"atoms": 20, "mae_muB": 0.3, "rmse_muB": 0.4, "rmse_muB_err": 0.05}},
        "slope": 0.31, "labels_muB": [0.34, 1.49], "predictions_muB": [0.62, 1.25],
        "confusion": {"states": ["V2+", "V3+", "V4+", "V5+"],
                      "counts": [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 18, 2], [0, 0, 8, 2]]},
        "separates": separates, "why_not": "" if separates else "20 % of V5+ are recognized, at least 5 %",
    }  # fmt: skip


def moments(separates):
    return {"kind": "linear", "labels": "REF_spin", "errors_muB": {"train": None, "test": {"V": entry(separates)}}}


@pytest.mark.parametrize("separates", [True, False])
def test_the_page_shows_regression_to_the_mean_and_says_what_is_undetermined(separates):
    blocks = moment_errors(moments(separates), "pbe+u+d3")
    confusion = [block for block in blocks if isinstance(block, Table)][1]
    assert list(confusion.head) == ["V", "V⁴⁺ by prediction", "V⁵⁺ by prediction"]
    assert [list(row) for row in confusion.rows] == [["V⁴⁺ by label", "18", "2"], ["V⁵⁺ by label", "8", "2"]]
    assert "labels lie between 0.34 and 1.49 µB" in confusion.caption and "is 0.31" in confusion.caption
    notices = [block for block in blocks if isinstance(block, Notice)]
    assert [notice.head for notice in notices] == ([] if separates else ["States of V undetermined:"])
    assert "without labels of states" in blocks[-1] and "exchange in time" in blocks[-1]


def test_states_are_undetermined_only_for_the_model_of_this_run(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"moments": moments(False)}))
    files = {"model/summary": tmp_path / "model.json"}
    assert undetermined(Material({"md": {"model": "train"}}, [], files), "V").startswith("20 % of V5+")
    assert undetermined(Material({"md": {"model": "other.naglass"}}, [], files), "V") == ""
    assert undetermined(Material({"md": {}}, [], files), "Fe") == "" and undetermined(Material({}, [], {}), "V") == ""
