"""The page's views, folds and figures: what runs in a browser is shipped, what it shows is data."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis import quantities as rows_of
from naglass_drv.analysis.network import ideal_connectivity, oxygen_text
from naglass_drv.errors import InputError
from naglass_drv.paths import data_file
from naglass_drv.products import Quantity
from naglass_drv.report import figures, motion
from naglass_drv.report.html import page
from naglass_drv.report.material import Material
from naglass_drv.report.metals import metals
from naglass_drv.report.numbers import Figure, Fold, Notice, Section, Table, View, entry, leaves
from naglass_drv.report.viewer import picture
from support.report_bench import HOSTILE, Markup, without_shipped_scripts
from support.structures import crystal

STILL = Figure("view", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a still")


def view(scene: dict) -> str:
    section = Section("One", "one")
    section.add(View([scene], STILL))
    return page("title", ["lead"], [section], "footer")


def written(tmp_path, atoms: Atoms, role: str = "glass/g0") -> Material:
    from naglass_drv.dataset.frames import write_frames

    write_frames(tmp_path / "g0.extxyz", [atoms])
    return Material({}, [], {role: tmp_path / "g0.extxyz"})


def test_only_the_shipped_scripts_run_and_nothing_is_fetched():
    markup = view({"name": "g0"})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', markup)[1]
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy and "connect-src" not in policy
    digests = [
        base64.b64encode(hashlib.sha256(data_file("report", "vendor", name).read_bytes()).digest()).decode()
        for name in ("3Dmol-min.js", "viewer.js")
    ]
    assert policy.endswith("script-src " + " ".join(f"'sha256-{digest}'" for digest in digests))
    assert "a still" in without_shipped_scripts(markup), "the picture for a browser that runs no script"


def test_the_viewer_carries_its_license():
    text = data_file("report", "vendor", "3Dmol-LICENSE.txt").read_text()
    assert "BSD-3-Clause" in text and "University of Pittsburgh" in text


def test_data_of_a_view_cannot_leave_their_element():
    markup = without_shipped_scripts(view({"name": HOSTILE + "</script><!-- &amp;"}))
    data = re.search(r'<script type="application/json" id="scenes">(.*?)</script>', markup, re.S)[1]
    assert json.loads(data) == [{"name": HOSTILE + "</script><!-- &amp;"}]
    assert not set("<>&") & set(data)


def test_a_page_without_a_view_has_no_script():
    section = Section("One", "one")
    section.add("text")
    markup = page("title", ["lead"], [section], "footer")
    assert "<script" not in markup and "script-src" not in markup


def test_a_scene_completes_the_polyhedra_at_the_faces_of_the_cell(tmp_path):
    atoms = crystal("NVP_R-3c_hex_allNa")
    shown = picture(written(tmp_path, atoms))
    (scene,) = shown.scenes
    symbols, at = scene["elements"], np.array(scene["positions"])
    assert symbols[: len(atoms)] == atoms.get_chemical_symbols() and len(symbols) > len(atoms)
    lengths = np.array([np.linalg.norm(at[i] - at[j]) for i, j in scene["bonds"]])
    bonded = [(symbols[i], symbols[j]) for i, j in scene["bonds"]]
    phosphorus = sum(symbol == "P" for symbol in atoms.symbols)
    assert bonded.count(("P", "O")) == 4 * phosphorus and set(bonded) == {("P", "O"), ("V", "O")}
    assert lengths.max() < 2.5, "no bond crosses the cell"
    faces = {hull["element"]: len(hull["faces"]) for hull in scene["polyhedra"]}
    assert faces == {"P": 4, "V": 8}, "tetrahedra and octahedra"
    assert len(scene["edges"]) == 12 and len(list(leaves([shown], Figure))) == 1


def test_flat_coordination_has_no_polyhedron_and_large_structures_only_a_still(tmp_path, monkeypatch):
    flat = Atoms(
        "VO4", positions=[[5, 5, 5], [6.8, 5, 5], [3.2, 5, 5], [5, 6.8, 5], [5, 3.2, 5]], cell=[10] * 3, pbc=True
    )
    material = written(tmp_path, flat)
    (scene,) = picture(material).scenes
    assert scene["polyhedra"] == [] and len(scene["bonds"]) == 4
    monkeypatch.setattr("naglass_drv.report.viewer._MOST_ATOMS", 4)
    assert isinstance(picture(material), Figure)


def test_a_structure_without_oxygen_has_a_scene_without_bonds(tmp_path):
    (scene,) = picture(written(tmp_path, Atoms("NaP", positions=[[0, 0, 0], [3, 3, 3]], cell=[6] * 3, pbc=True))).scenes
    assert scene["bonds"] == [] and scene["polyhedra"] == []


def test_the_end_of_a_trajectory_can_be_chosen_too(tmp_path):
    material = written(tmp_path, crystal("V2O5_alpha_Pmmn"), "md/g0-600K/final")
    assert [scene["name"] for scene in picture(material).scenes] == ["g0-600K, last frame"]
    assert picture(Material({}, [], {})) is None


def test_numbers_and_figures_in_folds_count():
    section = Section("One", "one", folded=True)
    number = Quantity("a.b", "a", 1.5, "Å", 0.2)
    section.add(
        Fold("more <b>", [Table(("",), [[number]]), Fold("deeper", [STILL])]), Notice("bad", "text", "Head <i>.")
    )
    assert section.numbers == [number] and list(leaves(section.blocks, Figure)) == [STILL]
    markup = Markup(page("title", [], [section], "footer"))
    assert {"details", "summary", "strong"} <= markup.tags and not {"b", "i"} & markup.tags
    assert "more <b>" in markup.text and "1.50 ± 0.20" in markup.text


@pytest.mark.parametrize(
    "head", ["# columns: time msd_Na msd_Na_err", "# time msd_Na msd_Na_err", "#time\tmsd_Na\tmsd_Na_err"]
)
def test_tables_of_lammps_are_read_by_the_names_of_their_columns(tmp_path, head):
    path = tmp_path / "c.txt"
    path.write_text(f"# fix naglass/correlate: 3 samples\n# atoms: Na 4\n{head}\n0.1 1e-3 2e-4\n0.2 2e-3 nan\n")
    table = Material({}, [], {"c": path}).table("c")
    assert list(table) == ["time", "msd_Na", "msd_Na_err"] and table["msd_Na"].tolist() == [1e-3, 2e-3]


@pytest.mark.parametrize(
    ("text", "message"),
    [("# a b\n1 2 3\n", "names the 3 columns"), ("# a\nx\n", "not a table"), ("1 2\n", "names the 2")],
)
def test_damaged_tables_are_named(tmp_path, text, message):
    path = tmp_path / "c.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=f"c.txt: .*{message}"):
        Material({}, [], {"c": path}).table("c")


def test_the_axis_of_hops_spans_the_trajectories(monkeypatch):
    seen = {}
    real = figures.to_svg
    monkeypatch.setattr(figures, "to_svg", lambda figure: seen.update(x=figure.axes[0].get_xlim()) or real(figure))
    hop = np.array([2.1, 2.4]), np.array([1.5, 3.0]), np.array([False, True])
    none = np.array([]), np.array([]), np.array([], dtype=bool)
    figures.hops({"a": hop, "b": none}, [(1.0, 6.0), (0.5, 5.5)], {"a": "red", "b": "blue"})
    assert seen["x"] == (0.5, 6.0)


@pytest.mark.parametrize(("source", "row"), [("labels", "by moment (labels)"), ("model", "by moment (model)")])
def test_moments_are_headed_by_where_they_come_from(tmp_path, source, row):
    found = {
        "frames": 3, "label_share": {}, "label_share_err": {}, "states": {"moment": {"4": 1.0}},
        "states_err": {"moment": {"4": None}}, "flagged_share": 0.0, "flagged_share_err": None, "confusion": None,
        "links": None, "moments": source,
    }  # fmt: skip
    numbers, rows = {"fingerprints": {"V": found}, "composition": {"V": 1, "O": 2}}, tmp_path / "rows.json"
    path = tmp_path / "n.json"
    path.write_text(json.dumps(numbers))
    rows.write_text(json.dumps([row.as_json() for row in rows_of.labeled("a", numbers)]))
    input = {"system": {"composition": {"V4+": 1, "O": 2}, "formula_units": 1}, "reference": []}
    table = metals(Material(input, [], {"analysis/a/numbers": path, "analysis/a/quantities": rows})).blocks[0]
    assert f"share of V⁴⁺ {row}" in [cells[0] for cells in table.rows]
    assert ("predicted by the model" in table.caption) == (source == "model")
    assert ("moment in the label" in table.caption) == (source == "labels")


@pytest.mark.parametrize(
    ("name", "text"),
    [("BO_PP", "P–O–P"), ("BO_PV", "P–O–V"), ("BO_PFeFe", "P–O–Fe₂"), ("BO_TM", "T–O–M"), ("NBO_P", "NBO (P)"),
     ("V=O", "V=O"), ("tri", "tri"), ("free", "free")],
)  # fmt: skip
def test_classes_of_oxygen_read_as_bonds(name, text):
    assert oxygen_text(name) == text


@pytest.mark.parametrize(
    ("former", "composition", "n"),
    [
        ("P", {"Na": 1, "P": 1, "O": 3}, 2.0), ("P", {"Na": 4, "P": 2, "O": 7}, 1.0), ("P", {"P": 2, "O": 5}, 3.0),
        ("Si", {"Na": 2, "Si": 3, "O": 7}, 10 / 3), ("P", {"Na": 3, "P": 1, "O": 4}, 0.0),
        ("P", {"V": 1, "P": 1, "O": 5}, None), ("P", {"Na": 5, "P": 1, "O": 5}, None), ("B", {"B": 2, "O": 3}, None),
    ],
)  # fmt: skip
def test_ideal_connectivity_by_stoichiometry(former, composition, n):
    assert ideal_connectivity(former, composition) == (None if n is None else pytest.approx(n))


def test_what_lammps_correlated_is_shown_for_the_mobile_ion(tmp_path):
    path = tmp_path / "correlations.txt"
    path.write_text(
        "# time msd_Na msd_Na_err haven_Na haven_Na_err msd_P msd_P_err\n0.1 1 0.1 1 0.2 5 1\n0.2 2 0.1 1 0.2 5 1\n"
    )
    found = motion._written(Material({}, [], {"md/a/correlations": path, "md/b/correlations": path}))
    assert list(found) == ["Na"] and list(found["Na"]) == ["MSD (Å²)", "Haven ratio"]
    assert list(found["Na"]["MSD (Å²)"]) == ["a", "b"]


MOVED = {
    "ion": "Na", "ions": 20, "exponent": 0.99, "exponent_err": 0.02, "msd_at_longest_lag_A2": {}, "reason": None,
    "fit_from_ps": 10.0, "fit_to_ps": 20.0, "haven_ratio": 0.625, "haven_ratio_err": 0.1,
    "haven_ratio_interval": [0.45, 0.87], "nernst_einstein_S_per_m": 12.0, "nernst_einstein_S_per_m_err": 1.5,
    "nernst_einstein_S_per_m_interval": [9.3, 15.5], "conductivity_S_per_m": None,
}  # fmt: skip
KNOWN = {
    "D_m2_per_s": 2e-9,
    "D_m2_per_s_err": 3e-10,
    "D_m2_per_s_interval": [1.48e-9, 2.7e-9],
    "D_m2_per_s_upper": None,
}
BOUNDED = dict.fromkeys(KNOWN) | {"D_m2_per_s_upper": 3.14e-11}


def test_intervals_and_bounds_of_transport_are_on_the_page():
    measured = {
        name: {"duration_ps": 100.0, "composition": {}, "transport": MOVED | found | {"diffusive": found is KNOWN}}
        for name, found in {"a": KNOWN, "b": BOUNDED}.items()
    }
    section = Section("Motion", "transport")
    rows = {name: {row.key: row for row in rows_of.transport(name, numbers, {})} for name, numbers in measured.items()}
    section.add(motion._transport_table(measured, rows, ", quenched at 4 × 10¹⁴ K/s"))
    section.add(*motion._transport_verdicts({name: numbers["transport"] for name, numbers in measured.items()}))
    text = " ".join(Markup(page("title", [], [section], "")).text.split())
    assert (
        "D of Na, quenched at 4 × 10¹⁴ K/s (2.00 ± 0.30) × 10⁻⁹ m²/s (95 %: (1.48 to 2.7) × 10⁻⁹) "
        "3.14 × 10⁻¹¹ m²/s (upper bound, 95 %;" in text
    )
    assert "; D is below 3.1 × 10⁻¹¹ m²/s (95 %)." in text
    assert "0.62 ± 0.10 (95 %: 0.45 to 0.87)" in text and "12.0 ± 1.5 S/m (95 %: 9.3 to 15.5)" in text
    entries = {number.key: entry(number) for number in section.numbers}
    assert entries["transport.a.exponent"]["err"] == 0.02
    assert entries["transport.b.D_upper"]["note"].startswith("upper bound") and "note" not in entries["transport.a.D"]
    assert "(counted)" not in text and "(not estimated)" not in text
    assert entries["transport.a.ions"]["note"] == "counted"
    assert entries["transport.a.D"]["interval_95"] == [1.48e-9, 2.7e-9]
    assert entries["transport.b.D_upper"]["value"] == 3.14e-11 and "transport.b.D" not in entries


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[], [0.0, 0.0]])
def test_logarithmic_axes_without_a_positive_value(values):
    x, y = np.arange(1.0, 1.0 + len(values)), np.array(values)
    lines = {"g0-300K": (x, y, np.full(len(y), np.nan)), "g1-300K": (x[:0], y[:0], y[:0])}
    svg = figures.overlays({"Na": lines}, {"g0-300K": "k", "g1-300K": "r"}, xlabel="t", ylabel="MSD", logarithmic=True)
    assert svg.startswith(b"<?xml")
