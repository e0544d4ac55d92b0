"""The verb interface: tables, cells with their facts and pictures, and bad input, which builds nothing."""

import json
import re

import pytest

from naglass_drv.chemistry.ions import species
from naglass_drv.cli.interface import _crystal as read_for
from naglass_drv.cli.main import main, make_parser
from naglass_drv.engines.mace.facts import Reach, reach_of
from naglass_drv.errors import InputError
from naglass_drv.files import write_zip
from naglass_drv.glass.packing import pack
from support.structures import DATA

MARICITE = DATA / "NaFePO4_maricite.extxyz"
NVP = DATA / "crystals" / "NVP_R-3c_hex_allNa.cif"


def test_the_reach_of_a_model_stands_in_its_file(tmp_path):
    found = reach_of(DATA / "tight-binding" / "model.mace")
    assert (set(found.elements), found.layers, found.r_max_A) == ({"O", "Na", "P", "V"}, 2, 4.5)
    facts = {"elements": ["Na", "O"], "r_max": 5.5, "layers": [{}, {}, {}]}
    write_zip(tmp_path / "m.naglass", {"metadata.json": json.dumps(facts)})
    assert reach_of(tmp_path / "m.naglass") == Reach(["Na", "O"], 3, 5.5)
    write_zip(tmp_path / "n.naglass", {"metadata.json": json.dumps({"elements": ["Na"]})})
    with pytest.raises(InputError, match=r"n\.naglass"):
        reach_of(tmp_path / "n.naglass")


def test_the_verb_lists_and_builds(tmp_path, capsys):
    table = tmp_path / "cuts.json"
    assert main(["interface", "terminations", str(MARICITE), "--hkl", "0", "1", "0", "-o", str(table)]) == 0
    shown = capsys.readouterr().out.splitlines()
    cuts = json.loads(table.read_text())["terminations"]
    assert len(shown) == 1 + len(cuts) == 3 and "polar" in shown[2] and cuts[0]["cleavage_J_m2"] > 0
    build = ["interface", "build", str(MARICITE), "--hkl", "1", "0", "0", "--crystal-thickness", "9", "--lateral", "9",
             "--melt", "NaPO3", "--density", "2.4", "--glass-thickness", "10", "-o"]  # fmt: skip
    files = {}
    for name in ("one", "two"):
        assert main([*build, str(tmp_path / name / "cell.extxyz")]) == 0
        files[name] = [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]
    assert len(files["one"]) == 3
    assert [data for data in files["one"] if b"svg" not in data[:200]] == [
        data for data in files["two"] if b"svg" not in data[:200]
    ]
    facts = json.loads((tmp_path / "one" / "cell.json").read_text())
    assert facts["route"] == "melt" and facts["checks"]["faults"] == []
    assert "FAULT" not in capsys.readouterr().out


def test_edges_that_are_equal_stay_equal():
    words = ["interface", "terminations", str(NVP), "--composition", "Na:3,V3+:2,P:3,O:12", "--hkl", "0", "0", "1"]
    crystal = read_for(make_parser().parse_args([*words, "--a", "8.8", "--c", "21.9"]))
    assert crystal.atoms.cell.cellpar() == pytest.approx([8.8, 8.8, 21.9, 90, 90, 120])
    assert crystal.charges["V"] == 3 and crystal.counts["Na"] == 18
    assert read_for(make_parser().parse_args(words)).atoms.cell.lengths() == pytest.approx([8.738, 8.738, 21.815])


def test_the_verb_puts_a_seed_into_a_glass(tmp_path, capsys):
    pack(species({"Na": 1, "P": 1, "O": 3}, 96), 2.4, 1).write(tmp_path / "glass.extxyz")
    seed = ["interface", "seed", str(MARICITE), "--radius", "3.8", "--glass", str(tmp_path / "glass.extxyz")]
    assert main([*seed, "-o", str(tmp_path / "seed.extxyz")]) == 0, capsys.readouterr().out
    assert json.loads((tmp_path / "seed.json").read_text())["direction"] == [0, 0, 1]


def test_the_verb_alone_names_its_actions(capsys):
    assert main(["interface"]) == 2 and "terminations, build or seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hkl", "0", "0", "0", "--melt", "NaPO3", "--density", "2.4"], "hkl 0 0 0"),
        (["--hkl", "1", "0", "0", "--melt", "NaPO3"], "--melt NaPO3: needs --density"),
        (["--hkl", "1", "0", "0", "--melt", "Na-P", "--density", "2"], "--melt Na-P: must be a formula"),
        (["--hkl", "1", "0", "0", "--melt", "NaPO3", "--density", "2", "--layers", "2"], "give both or none"),
        (["--hkl", "1", "0", "0", "--melt", "NaPO3", "--density", "2", "--termination", "99"], "termination 99"),
        (["--hkl", "1", "0", "0", "--melt", "NaPO3", "--density", "2", "--composition", "NaFePO3"], "maric.*balance"),
        (["--hkl", "1", "0", "0", "--melt", "NaPO3", "--density", "2", "--glass-thickness", "12", "--layers", "2",
          "--r-max", "6.5"], "glass .* thinner than twice the receptive field"),
        (["--hkl", "1", "0", "0", "--melt", "NaPO3", "--density", "2", "--model",
          str(DATA / "tight-binding" / "model.mace")], "lacks Fe; it has"),
    ],
)  # fmt: skip
def test_bad_input_builds_nothing(tmp_path, capsys, words, message):
    target = tmp_path / "out" / "cell.extxyz"
    assert main(["interface", "build", str(MARICITE), *words, "-o", str(target)]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not target.parent.exists()
