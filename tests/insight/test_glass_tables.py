"""Tables of users: units, compositions, groups, bounds, duplicates, and what is refused and still possible."""

import re

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.insight.build import build_table
from naglass_drv.insight.composition import atoms_of, coordinates, molar_mass, normalized
from naglass_drv.insight.leaks import refuse_leaks
from naglass_drv.insight.mapping import Map
from naglass_drv.insight.sources import read_frame
from naglass_drv.insight.table import collapsed, prepared, scale_of

HEAD = "glass,Na2O (mol%),P2O5 (mol%),TiO2 (mol%),mean_n,D (cm²/s)"
ROWS = """\
a,40,50,10,1.0,1e-9
a,40,50,10,1.1,2e-9
b,45,45,10,1.3,<1e-10
c,50,40,10,1.4,4.0(5)e-9
d,50,45,5,1.7,6e-9
"""


def table(tmp_path, text, whose="", **given):
    path = tmp_path / "glasses.csv"
    path.write_text(text)
    return build_table([read_frame(path)], Map(**{"target": "D", **given}), whose)


def test_a_table_is_read_with_its_units_bounds_and_groups(tmp_path):
    found = table(tmp_path, f"{HEAD}\n{ROWS}", group="glass", units={"D": "m^2/s"})
    assert found.unit == "m^2/s" and found.target[0] == pytest.approx(1e-13)
    assert list(found.censored) == [0, 0, -1, 0, 0]
    assert found.error[3] == pytest.approx(5e-14)
    assert list(found.groups) == ["a", "a", "b", "c", "d"]
    assert found.blocks["composition"] == ("Na2O", "TiO2") and found.blocks["medium_range"] == ("mean_n",)
    assert scale_of(found).logarithm


def test_rows_of_one_composition_are_a_group_by_themselves(tmp_path):
    found = table(tmp_path, f"{HEAD}\n{ROWS}", ignore=["glass"])
    assert list(found.groups)[:2] == ["40 Na2O · 50 P2O5 · 10 TiO2"] * 2 and len(found.names) == 4


def test_compositions_are_closed():
    shares = normalized([[20, 30, 50.02]], ["Na2O", "V2O5", "P2O5"], "mol%", ["1"])
    assert shares.sum() == pytest.approx(100, abs=1e-12)
    # 50 wt% each
    by_mass = normalized([[50, 50]], ["Na2O", "P2O5"], "wt%", ["1"])[0]
    sodium = (50 / molar_mass("Na2O")) / (50 / molar_mass("Na2O") + 50 / molar_mass("P2O5"))
    assert by_mass[0] == pytest.approx(100 * sodium)
    with pytest.raises(InputError, match="line 7: the shares of Na2O, P2O5 add up to 1, not 100; are these fractions"):
        normalized([[0.4, 0.6]], ["Na2O", "P2O5"], "mol%", ["line 7"])


def test_log_ratios_undo_the_closure():
    shares = np.array([[40.0, 10, 50], [30, 20, 50], [20, 20, 60]])
    ratios, names = coordinates(shares, ["Na2O", "V2O5", "P2O5"], logarithms=True)
    assert names == ["ln(Na2O/P2O5)", "ln(V2O5/P2O5)"]
    np.testing.assert_allclose(ratios[0], np.log([40 / 50, 10 / 50]))
    with pytest.raises(InputError, match="some glasses have no Na2O"):
        coordinates(np.array([[0.0, 50, 50], [10, 40, 50]]), ["Na2O", "V2O5", "P2O5"], logarithms=True)


def test_formulas():
    assert atoms_of("Li1.3Al0.3Ti1.7(PO4)3") == pytest.approx({"Li": 1.3, "Al": 0.3, "Ti": 1.7, "P": 3, "O": 12})
    assert atoms_of("Na₂O") == atoms_of("Na2O") and molar_mass("V₂O₅") == pytest.approx(181.88, abs=0.01)
    for text, fault in (("Na2(O", "not a formula"), ("Xq2", "not an element"), ("Na2O)", "brackets"), ("", "formula")):
        with pytest.raises(InputError, match=fault):
            atoms_of(text)


def test_repeated_rows_are_one_and_replicas_stay(tmp_path):
    text = f"{HEAD},paper\n" + ROWS.replace("\n", ",x\n") + "c,50,40,10,1.4,4.0(5)e-9,y\n"
    found = table(tmp_path, text, group="glass", source="paper")
    assert len(found) == 5 and "1 row repeated another" in found.notes[-1]


def test_errors_and_replicas_make_weights(tmp_path):
    text = "glass,x,D (1),s (1)\na,1,1,0.1\na,1.1,3,0.1\nb,2,4,0.4\nc,3,5,0.1\n"
    given = collapsed(prepared(t := table(tmp_path, text, group="glass", error="s"), scale_of(t, "linear")))
    assert given.target[0] == pytest.approx(2.0) and given.error[0] == pytest.approx(0.1 / np.sqrt(2))
    assert given.weights()[1] < given.weights()[2]


def test_temperatures_are_brought_together(tmp_path):
    lines = [
        f"{glass},{x},{T},{10 ** (offset - 2000 / T):.6e}"
        for glass, x, offset in (("a", 1, -3), ("b", 2, -4), ("c", 3, -4.5))
        for T in ((300, 350, 400) if glass != "c" else (300, 400))
    ]
    text = "glass,x,T (K),D (m2/s)\n" + "\n".join(lines)
    found = table(tmp_path, text, group="glass", temperature="T")
    glasses = collapsed(prepared(found, scale_of(found, "log")))
    assert glasses.target[0] - glasses.target[1] == pytest.approx(1.0, abs=1e-6)
    assert glasses.target[1] - glasses.target[2] == pytest.approx(0.5, abs=1e-6)
    alone = "glass,x,T (K),D (m2/s)\na,1,300,1\nb,2,400,2\nc,3,500,4\n"
    found = table(tmp_path, alone, group="glass", temperature="T")
    with pytest.raises(InputError, match="cannot be told apart; still possible"):
        prepared(found, scale_of(found))


BAD = {
    "no groups": ("x,D (1)\n1,2\n2,3\n", {}, "no groups: name the column .* Still possible: a plot"),
    "one group": (
        "g,x,D (1)\na,1,2\na,2,4\n",
        {"group": "g"},
        r"all rows are of one group \(a\).*its mean, 3.0 ± 1.0 \(standard",
    ),
    "one group of bounds": (
        "g,x,T (K),D (m2/s)\na,1,300,<2e-9\na,2,300,<1e-9\n",
        {"group": "g"},
        r"one group \(a\).*nothing beyond 2 bounds at 300 K, as 2 × 10⁻⁹ m²/s",
    ),
    "no unit": ("g,x,D\na,1,2\nb,2,4\n", {"group": "g"}, "target: D has no unit; write it into the head"),
    "wrong target": (
        "g,x,D (1)\na,1,2\n",
        {"group": "g", "target": "d"},
        "no column 'd'; did you mean 'D'|columns are",
    ),
    "constant": ("g,x,y,D (1)\na,1,5,2\nb,1,6,4\n", {"group": "g", "features": ["x", "y"]}, r"x is constant \(1\)"),
    "missing": ("g,x,y,D (1)\na,,5,2\nb,,6,4\n", {"group": "g", "features": ["x"]}, "x has no value in any row"),
    "nothing left": ("g,x,D (1)\na,1,2\nb,1,4\n", {"group": "g"}, "no feature is left"),
    "text": ("g,x,D (1)\na,red,2\nb,2,4\n", {"group": "g", "features": ["x"]}, ":2: x: 'red' is not a number"),
    "no target value": ("g,x,D (1)\na,1,\nb,2,\n", {"group": "g"}, "no row has a value of D"),
    "constant target": ("g,x,D (1)\na,1,2\nb,2,2\n", {"group": "g"}, "D is 2 in every row"),
    "an oxide alone": (f"{HEAD}\n{ROWS}", {"group": "glass", "blocks": {"v": ["TiO2"]}}, "none changes alone"),
    "split replica": (f"{HEAD}\n{ROWS}e,40,50,10,1.2,2e-9\n", {"group": "glass"}, "same composition .* in group 'a'"),
    "no such where": (f"{HEAD}\n{ROWS}", {"where": {"glass": "z"}}, "where glass=z: no row has it"),
    "conductivity": (HEAD.replace("cm²/s", "S/cm") + f"\n{ROWS}", {}, "is a conductivity; say whose"),
    "carriers": ("g,x,kind,D (S/m)\na,1,Na,2\nb,2,total,4\n", {"group": "g", "carrier": "kind"}, "are not pooled"),
    "carrier": (f"{HEAD}\n{ROWS}", {"carrier": "na"}, "carrier: there is no column 'na'.*say total, electron, ion, or"),
    "unit": ("g,x,D (1)\na,1,2\nb,2,4\n", {"group": "g", "units": {"D": "m"}}, "D: 1 cannot be converted to m"),
    "replica": (f"{HEAD}\n{ROWS}", {"replica": "glas"}, "replica: there is no column 'glas'; did you mean 'glass'"),
    "error of a cell": (
        f"{HEAD}\n{ROWS}".replace("4.0(5)", "4.0(0)"),
        {},
        ":5: D: the error of D is 0; an error is above",
    ),
    "no error": (f"{HEAD}\n{ROWS}".replace("1e-9\n", "1e-9 ± 0\n", 1), {}, ":2: D: the error of D is 0; an error is"),
    "temperature": (
        "g,x,T (K),D (1)\na,1,300,2\nb,2,0,4\n",
        {"group": "g"},
        ":3: T is 0 K; a temperature is above 0 K",
    ),
    "below zero": ("g,x,T (C),D (1)\na,1,-300,2\nb,2,9,4\n", {"group": "g"}, ":2: T is -300 degC; a temperature is ab"),
    "no kelvin": (
        "g,x,T,D (1)\na,1,300,2\nb,2,9,4\n",
        {"group": "g"},
        r"T has no unit; .*'T \(K\)', or give --unit T=K",
    ),
    "told, no kelvin": ("g,x,y,D (1)\na,1,3,2\nb,2,9,4\n", {"group": "g", "temperature": "y"}, "y has no unit"),
    "no temperature": (
        "g,x,y (s),D (1)\na,1,3,2\nb,2,9,4\n",
        {"group": "g", "temperature": "y"},
        "temperature: y is in s, which is no unit of temperature",
    ),
    "two glasses": (
        f"{HEAD}\n{ROWS}".replace("a,40,50,10,1.1", "a,41.1,48.9,10,1.1"),
        {"group": "glass"},
        ":3: glass is 'a' for 41.1 Na2O .*:2 for 40 Na2O .*: a group is one glass, to 1 mol-%",
    ),
    "decimal commas": (
        "g;x;y;D (1)\na;1,5;2;1\nb;2,5;3;2\n",
        {"group": "g"},
        ":2: x: '1,5' is not a number; decimals take a point. To leave the column out: --ignore 'x'",
    ),
    "a slip": (
        "g,x,y,D (1)\na,1,2,1\nb,2,2.5,2\nc,oops,3,4\n",
        {"group": "g"},
        ":4: x: 'oops' is not a number. To leave",
    ),
    "out of reach": ("g,x,y,D (1)\na,1,2,1\nb,1e200,3,2\n", {"group": "g"}, ":3: x: '1e200' is beyond 1e\\+100"),
    "infinite": ("g,x,y,D (1)\na,1,2,1e400\nb,1,3,2\n", {"group": "g"}, ":2: D: '1e400' is beyond"),
    "two units": (f"{HEAD}\n{ROWS}", {"composition_unit": "wt%"}, "is mol% by the heads, but composition_unit is wt%"),
    "error": (
        "g,x,D (1),s\na,1,2,0\nb,2,4,1\n",
        {"group": "g", "error": "s"},
        ":2: s: the error of D is 0; an error is above zero",
    ),
}


@pytest.mark.parametrize(("text", "given", "fault"), BAD.values(), ids=BAD)
def test_bad_tables_are_named(tmp_path, text, given, fault):
    with pytest.raises(InputError, match=fault):
        table(tmp_path, text, **given)


def test_words_in_most_cells_are_no_numbers_and_left_out(tmp_path):
    found = table(tmp_path, "g,x,sample,D (1)\na,1,1,2\nb,2,2b,3\nc,3,two,5\n", group="g")
    assert found.columns == ("x",) and "sample: not numbers, left out" in found.notes


def test_analyses_of_one_glass_may_differ(tmp_path):
    found = table(tmp_path, f"{HEAD}\n{ROWS}".replace("a,40,50,10,1.1", "a,40.9,49.1,10,1.1"), group="glass")
    assert len(found.names) == 4


@pytest.mark.parametrize("who", ["total", "Electron", "K", "Na+"])
def test_a_carrier_may_be_said_of_all_rows(tmp_path, who):
    found = table(tmp_path, HEAD.replace("cm²/s", "S/cm") + f"\n{ROWS}", carrier=who)
    assert found.carrier == who and len(found) == 5


def test_errors_are_in_the_unit_of_the_target_beside_them(tmp_path):
    """Each file has its own unit, and no zero of a scale moves an error."""
    (tmp_path / "a.csv").write_text("g,x,D (cm2/s),s\na,1,1e-5,2e-6\nb,2,3e-5,4e-6\n")
    (tmp_path / "b.csv").write_text("g,x,D (m2/s),s\nc,3,5e-9,6e-10\n")
    frames = [read_frame(tmp_path / name) for name in ("a.csv", "b.csv")]
    for units, scale in (({}, 1.0), ({"D": "m^2/s"}, 1e-4)):
        found = build_table(frames, Map(target="D", group="g", error="s", units=units))
        np.testing.assert_allclose(found.target, np.array([1e-5, 3e-5, 5e-5]) * scale, rtol=1e-12)
        np.testing.assert_allclose(found.error, np.array([2e-6, 4e-6, 6e-6]) * scale, rtol=1e-12)
    text = "g,x,T_g (C),s\na,1,400,5\nb,2,450,8\n"
    found = table(tmp_path, text, target="T_g", group="g", error="s", units={"T_g": "K"})
    np.testing.assert_allclose(found.target, [673.15, 723.15])
    np.testing.assert_allclose(found.error, [5, 8])


def test_errors_that_some_rows_lack_are_noted(tmp_path):
    found = table(tmp_path, "g,x,D (1),s (1)\na,1,2,0.1\nb,2,3,\nc,3,5,0.1\n", group="g", error="s")
    (note,) = found.notes
    assert re.match(r"1 row of 3 without an error \(.*glasses.csv:3\): those of the others are not used", note)


def test_a_unit_that_one_file_lacks_is_not_borrowed(tmp_path):
    (tmp_path / "a.csv").write_text("g,x,D\na,1,1e-5\nb,2,3e-5\n")
    (tmp_path / "b.csv").write_text("g,x (1),D (cm2/s)\nc,3,5e-9\n")
    frames = [read_frame(tmp_path / name) for name in ("a.csv", "b.csv")]
    for both in (frames, frames[::-1]):
        with pytest.raises(
            InputError, match="a.csv: column 'D' has no unit, and that of .*b.csv is in cm\\^2/s; write"
        ):
            build_table(both, Map(target="D", group="g"))
    found = build_table(frames, Map(target="D", group="g", units={"D": "m^2/s"}))
    np.testing.assert_allclose(found.target, [1e-5, 3e-5, 5e-13])


def test_temperatures_are_known_by_the_heads_of_people(tmp_path):
    for head, kelvin in (("T (C)", 573.15), ("T / K", 300.0), ("temperature [°C]", 573.15)):
        found = table(tmp_path, f"g,x,{head},D (1)\na,1,300,2\nb,2,300,4\n", group="g")
        np.testing.assert_allclose(found.temperature, kelvin)
        assert found.columns == ("x",)
    found = table(tmp_path, "g,x,T,D (1)\na,1,300,2\nb,2,400,4\n", group="g", ignore=["T"])
    assert not np.isfinite(found.temperature).any()


def test_components_have_their_digits_on_the_line(tmp_path):
    found = table(tmp_path, f"{HEAD}\n{ROWS}".replace("Na2O (mol%)", "Na₂O (mol %)"), potential="rigid-ion")
    assert found.components == ("Na2O", "P2O5", "TiO2")
    shares = table(
        tmp_path, f"{HEAD}\n{ROWS}".translate({ord("2"): "₂"}).replace("mol%", "wt%").replace("₂e-9", "2e-9")
    )
    assert shares.components == found.components and shares.shares[0, 0] == pytest.approx(57.48, abs=0.01)


def test_plain_percent_is_noted_and_weights_are_not_mixed_in(tmp_path):
    found = table(tmp_path, f"{HEAD}\n{ROWS}".replace("mol%", "%"))
    assert "Na2O, P2O5, TiO2: % is read as mol-%" in found.notes
    (tmp_path / "a.csv").write_text(f"{HEAD}\n{ROWS}")
    (tmp_path / "b.csv").write_text(f"{HEAD}\n{ROWS}".replace("mol%", "wt%"))
    frames = [read_frame(tmp_path / name) for name in ("a.csv", "b.csv")]
    with pytest.raises(InputError, match="b.csv: Na2O: wt% cannot be converted to mol%"):
        build_table(frames, Map(target="D"))


def test_columns_may_be_called_row_and_file(tmp_path):
    found = table(tmp_path, "row,file,D (1)\na,1,2\nb,2,3\nc,3,5\n", group="row")
    assert list(found.groups) == ["a", "b", "c"] and found.columns == ("file",)
    assert [row.rpartition("/")[2] for row in found.rows] == ["glasses.csv:2", "glasses.csv:3", "glasses.csv:4"]


def test_what_numbers_replicas_is_no_feature(tmp_path):
    """By its name, or because its mean is the same in all glasses."""
    lines = [f"g{k},{k},{replica},{(-1) ** replica},{k * k + replica}" for k in range(6) for replica in range(2)]
    found = table(tmp_path, "g,x,Replica,box,D (1)\n" + "\n".join(lines), group="g")
    assert found.columns == ("x",) and "box: equal in all glasses, left out" in found.notes
    assert list(found.blocks) == ["x"] and found.features.shape == (12, 1) and len(found.units) == 1
    asked = table(tmp_path, "g,x,Replica,D (1)\na,1,0,2\na,1,0,3\nb,2,1,4\n", group="g", features=["Replica"])
    assert asked.columns == ("Replica",), "it is one if it is asked for"
    with pytest.raises(InputError, match="no feature is left: none differs between glasses"):
        table(tmp_path, "g,box,D (1)\na,0,1\na,1,2\nb,0,3\nb,1,4\n", group="g")


def leaking(rng, columns):
    lines = []
    for glass in range(14):
        for replica in range(2):
            target = glass * 0.7 % 3 + 5 + 0.1 * rng.normal()
            cells = {"x": rng.normal(), "own": 3 * target + 1, "root": np.exp(target), "noise": rng.normal() + glass}
            cells["noisy"] = 20 * rng.normal() if replica == 9 else target + 3 * np.sin(glass)
            lines.append(",".join([f"g{glass}", f"{target!r}", *(repr(float(cells[name])) for name in columns)]))
    return "g,D (1)," + ",".join(columns) + "\n" + "\n".join(lines)


def test_the_target_among_the_features_is_refused(tmp_path):
    rng = np.random.default_rng(1)
    for column, told in (("own", "correlation"), ("root", "correlation"), ("noisy", "between replicas")):
        found = table(tmp_path, leaking(rng, ["x", column]), group="g")
        with pytest.raises(InputError, match=f"features: {column} tells D itself: .*{told}"):
            refuse_leaks(found, scale_of(found))
    found = table(tmp_path, leaking(rng, ["x", "noise"]), group="g")
    refuse_leaks(found, scale_of(found))


def test_a_property_may_follow_a_share_strictly(tmp_path):
    lines = [f"{20 + 3 * k},{80 - 3 * k},{k % 4},{k + 1}e-10" for k in range(12)]
    found = table(tmp_path, "Na2O (mol%),P2O5 (mol%),x,D (m2/s)\n" + "\n".join(lines))
    refuse_leaks(found, scale_of(found))


def test_one_glass_in_two_groups_is_refused(tmp_path):
    text = "g,x,y,z,D (1)\na,1.5,2.5,3.5,1\nb,1.5,2.5,3.5,2\nc,2,3,4,5\n"
    found = table(tmp_path, text, group="g")
    with pytest.raises(InputError, match="have the same features, but are in the groups 'a' and 'b'"):
        refuse_leaks(found, scale_of(found))
