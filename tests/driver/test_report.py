"""The report from products: self-contained, escaped, every number finite with a unit, gaps left out."""

import json
import math
import re
from collections import Counter

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.products import Quantity, read_quantities
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import entry
from naglass_drv.stages import analysis, report
from naglass_drv.wording import with_error
from support.report_bench import FULL, HOSTILE, Bench, add_glass, add_labels, add_md, add_model, without_shipped_scripts
from support.structures import DATA

pytestmark = pytest.mark.slow

MEASURED = ("glance", "structure", "network", "topology", "metals")

TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "nav",
    "h1",
    "h2",
    "p",
    "a",
    "section",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "span",
    "div",
    "figure",
    "img",
    "figcaption",
    "footer",
    "details",
    "summary",
    "strong",
    "script",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("full"), FULL)
    add_glass(bench)
    add_labels(bench)
    add_model(bench)
    add_md(bench, distance_limit=0.95)
    bench.go(analysis)
    bench.go(report)
    return bench


def test_page_needs_nothing_from_outside(full):
    page = full.page()
    assert page.tags <= TAGS
    for name, value in page.attributes:
        assert name not in ("srcset", "style", "background") and not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith(("data:image/svg+xml;base64,", "#"))
    markup = without_shipped_scripts((full.run.folder / "report.html").read_text(encoding="utf-8"))
    assert "url(" not in markup and "@import" not in markup and "http:" not in markup and "https:" not in markup


def test_text_from_files_is_shown_and_not_obeyed(full):
    page = full.page()
    assert HOSTILE in page.text and f"not converged {HOSTILE}" in page.text
    assert ("src", "x") not in page.attributes


def test_findings_of_the_audit_are_in_the_report(full):
    page, numbers = full.page(), full.numbers()
    assert "Energy outliers: 1 frame beyond the limit of 6 robust z" in page.text
    assert "Nothing was dropped." in page.text
    assert "no moments in 19 of 20 frames" in page.text
    assert numbers["audit.moment.Fe2+.mean_muB"]["value"] == pytest.approx(4.4)
    figures = {path.stem for path in (full.run.products / "figures").glob("audit-*.svg")}
    assert figures == {f"audit-{name}" for name in ("energies", "forces", "distances", "moments", "coverage")}


def test_every_number_is_finite_and_has_a_unit(full):
    numbers = full.numbers()
    assert len(numbers) > 60
    for number in numbers.values():
        assert math.isfinite(number["value"]) and number["unit"] and number["label"]
        assert number["err"] is None or (math.isfinite(number["err"]) and number["err"] >= 0)


def test_numbers_are_those_of_the_products(full):
    numbers = full.numbers()
    measured = json.loads((full.run.products / "analysis" / "g0-600K.json").read_text())
    shell = measured["coordination"]["V-O"]
    for key in ("structure.g0-600K.V-O.coordination", "glance.g0-600K.V-O"):
        assert (numbers[key]["value"], numbers[key]["err"]) == (shell["number"], shell["number_err"])
    assert numbers["model.test.forces_rmse_meV_per_A"]["value"] == 251.0
    assert numbers["run.glass.wall"] | {"section": "run"} == {
        "key": "run.glass.wall",
        "label": "wall time of the tasks of glass",
        "value": 5.0,
        "err": None,
        "unit": "s",
        "note": "not estimated",
        "section": "run",
    }


def test_quantities_keep_their_keys_and_their_values(full):
    """What was measured on the same glass, trajectory and labels with an earlier version."""
    known = {entry["key"]: entry for entry in json.loads((DATA / "report" / "quantities.json").read_text())}
    found = {key: number for key, number in full.numbers().items() if number["section"] in MEASURED}
    assert [key for key in found if key in known] == list(known)
    added = {re.sub(r"\.(glass|g0-600K)\.", ".", key) for key in found if key not in known}
    assert added == {
        "topology.ring_size", *(f"topology.rings.{size}" for size in range(3, 9)), "channels.bottleneck",
        "channels.free_volume", "diffraction.xray.fsdp_position", "diffraction.xray.fsdp_width",
        "diffraction.neutron.fsdp_position",
    }  # fmt: skip
    for key, number in known.items():
        close = {word: pytest.approx(value) for word, value in number.items() if isinstance(value, float)}
        assert {word: found[key].get(word) for word in number} == number | close


def test_every_number_without_an_error_says_why(full):
    assert [entry["key"] for entry in full.numbers().values() if (entry["err"] is None) != ("note" in entry)] == []


def test_measured_numbers_are_the_rows_of_the_analysis(full):
    numbers = full.numbers()
    for name in ("glass", "g0-600K", "labels-glass"):
        rows = read_quantities(full.run.products / "analysis" / "quantities" / f"{name}.json")
        assert rows and all(entry(row.of(name)).items() <= numbers[row.key].items() for row in rows)
        conditions = {"temperature_K", "quench_rate_K_per_s"} if name == "g0-600K" else set()
        assert all(set(row.conditions) == conditions for row in rows)


def test_labels_tell_the_numbers_of_a_page_apart(full):
    keys = Counter()
    for number in full.numbers().values():
        assert number["unit"] not in ("O", "atoms", "of atoms")
        # the first section repeats numbers of the others
        keys[number["label"]] += not number["key"].startswith("glance.")
    assert [label for label, count in keys.items() if count > 1] == []


def test_trajectory_that_failed_the_gate_is_marked_everywhere(full):
    text = full.page().text
    assert text.count("g0-600K: NOT STABLE") >= 3
    flags = json.loads((full.run.folder / "report.json").read_text())["flags"]
    assert ("Not stable", "bad", "g0-600K") in [(flag["topic"], flag["kind"], flag["name"]) for flag in flags]
    assert text.count("g0-600K did not pass the stability gate") >= 2
    assert "CROSSED" in text
    measured = json.loads((full.run.products / "analysis" / "g0-600K.json").read_text())
    assert measured["transport"] is None


def test_rejected_frames_limits_and_provenance_are_told(full):
    text = full.page().text
    for words in (
        "SCF_NOT_CONVERGED",
        "4 × 10¹⁴ K/s",
        "GFN1-xTB",
        "on 3 frames held out",
        "22Jul2025",
        "0f" * 32,
        "system.density_g_cm3",
        "agree for 100 % of atoms and frames",
    ):
        assert words in text


def test_figures_are_files_too(full):
    figures = {path.stem for path in (full.run.products / "figures").glob("*.svg")}
    assert {"parity", "training", "times", "network-qn", "pairs", "course", "quench", "angles", "view-g0"} <= figures
    page = (full.run.folder / "report.html").read_text()
    assert page.count("data:image/svg+xml") == len(figures)


def test_topology_and_metals_are_told(full):
    numbers, text = full.numbers(), full.page().text
    measured = json.loads((full.run.products / "analysis" / "g0-600K.json").read_text())
    for pair, value in measured["topology"]["linkage"].items():
        assert numbers[f"topology.g0-600K.{pair}"]["value"] == value["per_former"]
    found = measured["fingerprints"]["V"]
    assert numbers["metals.g0-600K.V.bond_valence"]["value"] == found["bond_valence"]
    assert "by moment" in text and "V–O–P–O–V" in text, "the labels carry moments"
    assert "rings" in {path.stem for path in (full.run.products / "figures").glob("*.svg")}


@pytest.mark.long
def test_a_stable_trajectory_gets_its_displacements(tmp_path):
    content = {key: FULL[key] for key in ("name", "system", "md", "analysis")} | {"report": {}}
    bench = Bench(tmp_path, content)
    add_md(bench, distance_limit=0.3)
    bench.go(analysis)
    bench.go(report)
    text = bench.page().text
    assert "g0-600K: numerically stable." in text and "no diffusion coefficient is given for Na" in text
    upper = json.loads((bench.run.products / "analysis" / "g0-600K.json").read_text())["transport"]["D_m2_per_s_upper"]
    assert bench.numbers()["transport.g0-600K.D_upper"]["value"] == upper > 0
    assert text.count("; D is below ") == 2 and "(upper bound, 95 %; not diffusive)" in text
    assert bench.numbers()["transport.g0-600K.msd.Na"]["value"] == pytest.approx(6 * 0.08**2, rel=0.2)
    # what the run did not do is not there
    assert "Dataset" not in text and "First-principles labels" not in text and "quench" not in text
    assert not [key for key in bench.numbers() if key.startswith(("model.", "dataset.", "audit.", "labels."))]


def test_report_of_a_run_that_only_made_a_plan(tmp_path):
    bench = Bench(tmp_path, {key: FULL[key] for key in ("name", "system")} | {"report": {}})
    bench.go(report)
    assert "Stages done: none." in bench.page().text and bench.numbers() == {}


def test_same_products_give_the_same_key_and_the_same_bytes(tmp_path):
    bench = Bench(tmp_path, {key: FULL[key] for key in ("name", "system", "train")} | {"report": {}})
    add_model(bench)
    first = bench.go(report)
    page = (tmp_path / "report.html").read_bytes()
    second = bench.go(report)
    assert first == second and (tmp_path / "report.html").read_bytes() == page


def test_analysis_passes_over_a_trajectory_without_frames(tmp_path):
    bench = Bench(tmp_path, {key: FULL[key] for key in ("name", "system", "md", "analysis")})
    with pytest.raises(InputError, match="nothing to analyze"):
        analysis.plan(bench.run)
    bench.done("md", "g0-600K", {"frames": 0, "reached_ps": 0.0, "stable": False}, {})
    assert analysis.plan(bench.run) == []


@pytest.mark.parametrize(
    ("value", "err", "text"),
    [
        (2.0044, 0.013, "2.004 ± 0.013"),
        (600.3, 12.1, "600 ± 12"),
        (1.2e-9, 3e-10, "(1.20 ± 0.30) × 10⁻⁹"),
        (-0.5, None, "−0.5"),
        (4, None, "4"),
        (123456.7, None, "1.23 × 10⁵"),
        (0.25, 0.0, "0.25"),
        (99.96, 0.099, "99.96 ± 0.10"),
        (-0.001, 0.07, "0.00 ± 0.07"),
        (-5.4131, 0.7454, "−5.4 ± 0.7"),
        (9.9e-4, 9.9e-4, "(1.0 ± 1.0) × 10⁻³"),
        (2.75, 0.0354, "2.750 ± 0.035"),
        (2.75, 0.0356, "2.75 ± 0.04"),
    ],
)
def test_numbers_are_written_with_the_decimals_of_their_error(value, err, text):
    assert with_error(value, err) == text


def test_an_estimate_has_no_error_of_zero():
    number = Quantity("a.b", "a", 1.0, "Å", 0.0, "one structure")
    assert entry(number) == {
        "key": "a.b", "label": "a", "value": 1.0, "err": None, "unit": "Å", "note": "one structure",
    }  # fmt: skip


def test_numbers_refuse_what_is_not_one():
    with pytest.raises(InputError, match="a.b is nan; must be a finite number"):
        Quantity("a.b", "a", math.nan, "Å")
    with pytest.raises(InputError, match="a.b has no unit"):
        Quantity("a.b", "a", 1.0, "")
    assert Quantity("a.b", "a", 1.0, "Å", math.nan).error is None


def test_damaged_products_are_named(tmp_path):
    broken = tmp_path / "numbers.json"
    broken.write_text('{"a": ')
    pickled = tmp_path / "curves.npz"
    np.savez(pickled, a=np.array([{}], dtype=object))
    material = Material({}, [], {"n": broken, "c": pickled})
    with pytest.raises(InputError, match="numbers.json: not JSON"):
        material.json("n")
    with pytest.raises(InputError, match="curves.npz: not an NPZ file of plain arrays"):
        material.arrays("c")
