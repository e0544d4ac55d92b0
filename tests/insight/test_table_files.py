"""Files of tables and maps as users have them, and exports of databases: cells, lines, and what is refused."""

import gzip
import os
import zipfile

import numpy as np
import pytest

from naglass_drv.errors import InputError, SetupError
from naglass_drv.insight.build import build_table
from naglass_drv.insight.databases import of_database
from naglass_drv.insight.mapping import Map, read_map
from naglass_drv.insight.sources import LINE, read_frame


def test_bad_files_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")
    (tmp_path / "b.pdf").write_text("")
    (tmp_path / "c.csv").write_text("")
    (tmp_path / "d.csv").write_text("x,y\n")
    faults = {
        "b.pdf": "not a table",
        "c.csv": "cannot be read as a table: it is empty",
        "d.csv": "no rows",
        "e.csv": "no such file",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=fault):
            read_frame(tmp_path / name)


BAD_MAPS = {
    "a number for a list": ("blocks: {rings: mean_n}\n", "map.yaml: blocks.rings: must be a valid list, not 'mean_n'"),
    "a rate below zero": ("quench_rate_K_per_ps: -5\n", "quench_rate_K_per_ps: must be greater than 0, not -5"),
    "a word for a rate": ("quench_rate_K_per_ps: fast\n", "quench_rate_K_per_ps: must be a valid number, not 'fast'"),
    "an unknown unit": ("composition_unit: 2\n", "composition_unit: must be 'mol%'.*, not '2'"),
    "a key given twice": ("target: D\ntarget: Q1\n", 'map.yaml:2: not valid YAML: .*duplicate key "target"'),
    "no YAML": ("target: D\ngroup: [a\n", "map.yaml:3: not valid YAML: expected"),
    "an unknown key": ("target: D\ngruop: g\n", "map.yaml: gruop: not a known key; known are target, group"),
    "nothing": ("", "map.yaml: not a mapping of roles"),
}


@pytest.mark.parametrize(("text", "fault"), BAD_MAPS.values(), ids=BAD_MAPS)
def test_bad_maps_are_named(tmp_path, text, fault):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(InputError, match=fault):
        read_map(tmp_path / "map.yaml")


def test_numbers_in_a_map_are_texts_of_a_table(tmp_path):
    (tmp_path / "map.yaml").write_text("where: {replica: 0}\ncomposition_unit: 1\nunits: {mean_n: 1}\n")
    given = read_map(tmp_path / "map.yaml")
    assert (given.where, given.composition_unit, given.units) == ({"replica": "0"}, "1", {"mean_n": "1"})


def test_a_map_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    faults = {"pipe.yaml": "is not a regular file", "none.yaml": "No such file", ".": "Is a directory"}
    for name, fault in faults.items():
        with pytest.raises(InputError, match=f"--map .*{name}: {fault}" if name != "." else f"--map .*: {fault}"):
            read_map(tmp_path / name)


RAGGED = {
    "separators at the ends of lines": ("g,x,D (1)\na,1,2,\nb,3,4,\n", None),
    "also of the head": ("g,x,D (1),\na,1,2,\nb,3,4,\n", None),
    "one cell too many": (
        "g,x,D (1)\na,1,2\nb,3,4,5\n",
        ":3: 4 cells, but the head in line 1 has 3; '5' is beyond the last",
    ),
    "decimal commas": ("g,x,D (1)\na,1,5,2\n", ":2: 4 cells, .*decimals take a point"),
    "a column without a name": (",g,x,D (1)\n0,a,1,2\n1,b,3,4\n", ":1: column 1 has no name, but line 2 has '0' in it"),
    "of another alphabet": ("g,x,D (1)\na,1,2\nb,\xb2,4\n", ":3: not UTF-8 text .byte 0xb2.; save it as UTF-8"),
}


@pytest.mark.parametrize(("text", "fault"), RAGGED.values(), ids=RAGGED)
def test_cells_stand_below_their_heads(tmp_path, text, fault):
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode("latin-1"))
    if fault is None:
        frame = read_frame(path)
        assert [list(frame[head]) for head in ("g", "x", "D (1)")] == [["a", "b"], ["1", "3"], ["2", "4"]]
    else:
        with pytest.raises(InputError, match=fault):
            read_frame(path)


def test_lines_are_those_of_the_file(tmp_path):
    """Blank ones count, as does every line of a cell that has several."""
    text = 'g,D (1)\n\n\na,1\n,\n"b\nb",2\nc,3\n'
    (tmp_path / "x.csv").write_text(text)
    with gzip.open(tmp_path / "x.csv.gz", "wt") as stream:
        stream.write(text)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.csv", text)
    for name in ("x.csv", "x.csv.gz", "x.zip"):
        frame = read_frame(tmp_path / name)
        assert list(frame[LINE]) == [4, 6, 8] and list(frame["g"]) == ["a", "b\nb", "c"]


def test_a_table_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "x.gz").write_text("g,x\n")
    faults = {
        "pipe.csv": "is not a regular file",
        "folder.csv": "Is a directory",
        "x.gz": "cannot be read as csv: Not a gz",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=f"{name}: {fault}"):
            read_frame(tmp_path / name)


def test_separators_are_told_by_the_head(tmp_path):
    for mark in (",", ";", "\t"):
        cells = ['"a, b; c"', "1.5"]
        (tmp_path / "x.csv").write_text("\ufeffname" + mark + "D (1)\n" + mark.join(cells) + "\n", encoding="utf-8")
        frame = read_frame(tmp_path / "x.csv")
        assert list(frame.iloc[0][["name", "D (1)", LINE]]) == ["a, b; c", "1.5", 2]


@pytest.mark.parametrize(("suffix", "package"), [(".parquet", "pyarrow"), (".xlsx", "openpyxl")])
def test_optional_formats_are_read_or_the_package_is_named(tmp_path, suffix, package):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / f"table{suffix}"
    frame = pandas.DataFrame({"g": ["a", "b"], "D (1)": [1.5, 2.5]})
    try:
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_excel(path, index=False)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(SetupError, match=f"takes the package {package}: pip install {package}"):
            read_frame(path)
    else:
        assert [str(cell) for cell in read_frame(path)["D (1)"]] == ["1.5", "2.5"]


def test_sciglass_is_joined_by_glass(tmp_path):
    """Only the form of its files: tabs, and ASCII 127 between the parts of a composition."""
    (tmp_path / "SciGK.csv").write_text("KOD\tGLASNO\tDENSITY\n7\t1\t2.4\n7\t2\t2.5\n9\t1\t2.7\n")
    parts = (
        [["Na2O", "1", "30.0", "40"], ["P2O5", "1", "70.0", "60"]],
        [["Na2O", "1", "40", "50"], ["V2O5", "1", "60", "50"]],
    )
    texts = ["\x7f" + "\x7f".join(cell for part in each for cell in part) + "\x7f" for each in parts]
    (tmp_path / "Gcomp.csv").write_text(f"Kod\tGlasNo\tComposition\n7\t1\t{texts[0]}\n9\t1\t{texts[1]}\n")
    frames = [read_frame(tmp_path / name) for name in ("SciGK.csv", "Gcomp.csv")]
    frames, given = of_database("sciglass", frames, Map(target="DENSITY", units={"DENSITY": "g/cm3"}))
    found = build_table(frames, given)
    assert found.components == ("Na2O", "P2O5", "V2O5") and list(found.sources) == ["7", "9"]
    np.testing.assert_allclose(found.shares, [[40, 60, 0], [50, 0, 50]])
    with pytest.raises(InputError, match="sciglass: give two files"):
        of_database("sciglass", frames, given)
    (tmp_path / "Gcomp.csv").write_text("Kod\tGlasNo\tComposition\n7\t1\tNa2O\x7f1\n")
    frames = [read_frame(tmp_path / name) for name in ("SciGK.csv", "Gcomp.csv")]
    with pytest.raises(InputError, match="Gcomp.csv:2: not a composition of sciglass: 'Na2O"):
        of_database("sciglass", frames, given)


def test_obelix_has_formulas_bounds_and_duplicates(tmp_path):
    head = "ID,Reduced Composition,Ionic conductivity (S cm-1),IC (Total),IC (Bulk),a,Family,DOI"
    rows = ["1,Li7La3Zr2O12,<1E-10,,,12.9,garnet,x", "2,Li3PS4,1.5E-4,,,8.6,thio,y", "3,Li3PS4,1.5E-4,,,8.6,thio,z"]
    (tmp_path / "all.csv").write_text("\n".join([head, *rows, "4,Li6PS5Cl,2e-3,1e-3,,9.8,argyrodite,z"]))
    frames, given = of_database("obelix", [read_frame(tmp_path / "all.csv")], Map(target="Ionic conductivity"))
    found = build_table(frames, given, "total")
    assert len(found) == 3 and found.unit == "S cm^-1" and list(found.censored) == [-1, 0, 0]
    assert list(found.families) == ["garnet", "thio", "argyrodite"]
    assert found.shares[1][found.components.index("Li")] == pytest.approx(100 * 3 / 8)
    with pytest.raises(InputError, match="not a file of obelix: it has no column 'True Composition'"):
        of_database("obelix", [read_frame(tmp_path / "all.csv").drop(columns="Reduced Composition")], given)


def test_interglad_numbers_entries_not_glasses(tmp_path):
    head = "Glass No.,Reference,Na2O (mol%),SiO2 (mol%),Density (g/cm3)\n"
    (tmp_path / "export.csv").write_text(f"{head}11,A,20,80,2.4\n12,B,25,75,2.45\n13,B,20,80,2.41\n")
    frames, given = of_database("interglad", [read_frame(tmp_path / "export.csv")], Map(target="Density"))
    found = build_table(frames, given)
    assert list(found.groups) == ["20 Na2O · 80 SiO2", "25 Na2O · 75 SiO2", "20 Na2O · 80 SiO2"]
    assert list(found.sources) == ["A", "B", "B"] and list(found.blocks) == ["composition"]
