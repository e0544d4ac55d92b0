"""No verb writes over, or removes, what it reads; and files beside an output have the output's own name."""

import json
from pathlib import Path

import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.dataset.sets import write_set
from naglass_drv.files import stem_of
from support.labeled import cell

STANDARD = Path(__file__).parents[2] / "examples/starting-model/standard.mace"
_IMPORT = ["--level-name", "x", "--settings", "y", "--multiplicity", "high-spin"]


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_frames(Path("a.xyz"), [cell("Na3PO4", k) for k in range(6)])
    return Path("a.xyz")


def refused(arguments: list[str], capsys, *words: str) -> None:
    """The verb ends with one line that has the `words`, and leaves every file as it was."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("output", ["a.xyz", "../{here}/a.xyz", "linked.xyz", "hard.xyz"])
@pytest.mark.parametrize("verb", [["import-frames", *_IMPORT], ["select-frames", "-n", "2"]])
def test_an_output_that_is_an_input_is_refused(verb, output, pool, tmp_path, capsys):
    Path("linked.xyz").symlink_to(pool)
    Path("hard.xyz").hardlink_to(pool)
    output = output.format(here=tmp_path.name)
    refused([verb[0], "a.xyz", *verb[1:], "-o", output], capsys, f"--output {output}: is itself an input")
    refused([verb[0], "linked.xyz", *verb[1:], "-o", "a.xyz"], capsys, "--output a.xyz: is itself an input")


@pytest.mark.parametrize(
    "verb",
    [
        ["import-frames", "a.xyz", *_IMPORT],
        ["select-frames", "a.xyz", "-n", "2"],
        ["relabel", "a.xyz", "--potential", "ase:ase.calculators.lj:LennardJones"],
    ],
)
def test_a_folder_is_no_output(verb, pool, capsys):
    refused([*verb, "-o", "."], capsys, "--output .: is a folder")


def test_a_fit_of_moments_names_an_output_or_a_test_that_it_cannot_use(pool, capsys):
    fit = ["fit-spin", str(STANDARD), "a.xyz"]
    refused([*fit, "-o", "."], capsys, "--output .: is a folder")
    refused([*fit, "--test", "a.xyz", "-o", "b.naglass"], capsys, "a.xyz: no frame has REF_spin")


def test_a_potential_and_its_coefficients_are_not_written_over(pool, capsys):
    Path("p.lmp").write_text("# elements Na P O\npair_style eam/alloy\npair_coeff * * c.eam Na P O\n")
    Path("c.eam").write_text("coefficients\n")
    for verb in ("relabel", "screen"):
        for output in ("p.lmp", "c.eam"):
            refused(
                [verb, "a.xyz", "--potential", "lammps:p.lmp", "-o", output], capsys, f"{output}: is itself an input"
            )


def test_a_pool_that_is_known_leaves_nothing_to_select(pool, capsys):
    refused(["select-frames", "a.xyz", "-n", "2", "--exclude", "a.xyz", "-o", "b.xyz"], capsys, "nothing is left")


def test_what_is_written_beside_an_output_is_no_input_either(pool, capsys):
    for name in ("b-rejected.json", "b-selection.json", "b.extxyz", "b-00000.extxyz", "c/train.extxyz", "c/audit.json"):
        write_frames(Path(name).with_suffix(".extxyz"), read_frames(pool))
        if name.endswith(".json"):
            write_set(Path(name).parent, Path(name).stem, read_frames(pool), 3)
    Path("b.json").write_text("ENCUT = 500\n")
    sharded = [*_IMPORT, "--frames-per-file", "3", "-o", "b.xyz"]
    told = "would overwrite {}, which is an input"
    refused(["import-frames", "b-rejected.json", *_IMPORT, "-o", "b.xyz"], capsys, told.format("b-rejected.json"))
    refused(["import-frames", "b-00000.extxyz", *sharded], capsys, told.format("b-00000.extxyz"))
    refused(["import-frames", "b.extxyz", *sharded], capsys, told.format("b.extxyz"))
    refused(["import-frames", "a.xyz", *sharded, "--settings", "b.json"], capsys, told.format("b.json"))
    select = ["select-frames", "a.xyz", "-n", "2", "-o"]
    refused([*select, "b.xyz", "--exclude", "b-selection.json"], capsys, told.format("b-selection.json"))
    refused([*select, "b.extxyz", "--exclude", "b.extxyz"], capsys, "b.extxyz: is itself an input")
    refused([*select, "b.extxyz", "--model", "b.extxyz"], capsys, "b.extxyz: is itself an input")
    refused(["export-frames", "c/train.extxyz", "-o", "c"], capsys, told.format("c/train.extxyz"))
    refused(["export-frames", "c", "-o", "c"], capsys, told.format("c/train.extxyz"))
    refused(["audit", "c/audit.json", "-o", "c"], capsys, told.format("c/audit.json"))
    Path("c/audit.html").unlink(missing_ok=True)
    Path("c/audit.html").mkdir()
    refused(["audit", "a.xyz", "-o", "c"], capsys, "--output c: c/audit.html is a folder")


def test_a_shard_of_an_index_is_an_input(pool, capsys):
    write_set(Path(), "b", read_frames(pool), 2)
    refused(["select-frames", "b.json", "-n", "2", "-o", "b-00001.extxyz"], capsys, "is itself an input")


def test_models_and_structures_are_kept(pool, capsys):
    write_frames(Path("m.spin.json"), read_frames(pool))
    pickled = Path("m.naglass")
    pickled.write_bytes(b"\x80\x02")
    fit = ["fit-spin", "m.naglass", "m.spin.json"]
    refused(["export-model", "m.naglass"], capsys, "--output m.naglass: is itself an input")
    refused([*fit, "-o", "m.x"], capsys, "would overwrite m.spin.json, which is an input")
    refused([*fit[:2], "a.xyz", "--test", "m.spin.json", "-o", "m.x"], capsys, "would overwrite m.spin.json")
    refused([*fit[:2], "a.xyz", "-o", "m.spin"], capsys, "--output m.spin: this suffix is that of the readout")
    write_set(Path(), "calibrate-cutoff", read_frames(pool), 2)
    refused(["calibrate-cutoff", "calibrate-cutoff.json", "--folder", "."], capsys, "which is an input")


def test_a_single_file_is_not_named_as_an_index(pool, capsys):
    refused(["import-frames", "a.xyz", *_IMPORT, "-o", "q.json"], capsys, "--output q.json: only an index of shards")
    refused(["select-frames", "a.xyz", "-n", "2", "-o", "q.json"], capsys, "--output q.json: only an index of shards")
    assert main(["import-frames", "a.xyz", *_IMPORT, "-o", "q.json", "--frames-per-file", "3"]) == 0
    assert len(read_frames(Path("q.json"))) == 6


def test_a_file_of_another_kind_is_not_replaced_by_an_index(pool, capsys):
    Path("b.json").write_text("{}")
    sharded = ["import-frames", "a.xyz", *_IMPORT, "-o", "b.xyz", "--frames-per-file", "3"]
    refused(sharded, capsys, "--output b.xyz: would overwrite b.json, which is no index of frames")
    Path("b.json").unlink()
    # its own is
    assert main(sharded) == 0 and main(sharded) == 0 and len(read_frames(Path("b.json"))) == 6


def test_outputs_with_dots_in_their_names_have_their_own_lists(pool):
    for number in (1, 2):
        assert main(["import-frames", "a.xyz", *_IMPORT, "-o", f"b.{number}.xyz"]) == 0
        assert main(["select-frames", "a.xyz", "-n", f"{number}", "-o", f"c.{number}.xyz.gz"]) == 0
    assert Path("b.1-rejected.json").is_file() and Path("b.2-rejected.json").is_file()
    assert [len(json.loads(Path(f"c.{number}-selection.json").read_text())["chosen"]) for number in (1, 2)] == [1, 2]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.1.xyz", "a.1"), ("a.XYZ.gz", "a"), ("a.gz", "a"), ("v0.5", "v0.5"), ("OUTCAR", "OUTCAR"), (".xyz", ".xyz"),
        ("vasprun.xml", "vasprun"), ("a.xyz.extxyz", "a.xyz"), ("", ""),
    ],
)  # fmt: skip
def test_a_stem_is_the_name_without_the_suffixes_of_a_format(name, stem):
    assert stem_of(Path(name)) == stem


def test_long_settings_are_text(pool):
    assert main(["import-frames", "a.xyz", *_IMPORT, "-o", "b.xyz", "--settings", "ENCUT = 500 " * 30]) == 0
