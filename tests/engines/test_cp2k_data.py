"""CP2K's data files: what they hold of a level is part of its labels, whatever their names promise."""

import shutil

import pytest

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import tree
from naglass_drv.engines.cp2k.theory import tight_binding
from naglass_drv.engines.cp2k.theory.levels import data_of, level
from naglass_drv.errors import SetupError

pytestmark = pytest.mark.cp2k

PBE = level("pbe+u+d3")
# the layout of 2025.1's xTB1_parameters; of sodium the numbers too
PARAMETERS = """$info
level 1
$Z= 8 somewhen
 ao=2s2p
 lev=   -23.4   -17.9
$end
$Z=11 somewhen
 ao=3s3p
 lev=   -4.717569   -2.797054
 exp=    0.819143    0.628961
 GAM=    0.165908
 GAM3=    1.200000
 REPA=    0.704472
 REPB=   10.591259
 POLYS=   13.188489
 POLYP=   10.969376
 LPARP=   -3.004391
$end
$Z=12 somewhen
 ao=3s3p
$end
"""


def test_an_entry_whose_numbers_changed_changes_the_hash_of_its_element(tmp_path):
    installed = load_site().cp2k_data
    for name in ("BASIS_MOLOPT", "GTH_POTENTIALS"):
        shutil.copy(installed / name, tmp_path / name)
    elements = ["V", "O", "Na", "P", "O"]
    before = data_of(PBE, elements, installed).split()
    assert [entry.split("-h")[0] for entry in before] == ["Na", "O", "P", "V"]
    potentials = tmp_path / "GTH_POTENTIALS"
    text = potentials.read_text()
    # spaces, comments and other entries are nothing
    potentials.write_text(text.replace("\n    3    6\n", "\n  3 6   # s and p\n").replace("Li GTH-PBE", "Li  GTH-PBE"))
    assert data_of(PBE, elements, tmp_path).split() == before
    # what 2025.1 has made of Na GTH-PBE-q9 (r_loc 0.18 there)
    assert "0.23652322    2     0.29510499" in text
    potentials.write_text(text.replace("0.23652322    2     0.29510499", "0.18000000    2    -8.87992393"))
    after = data_of(PBE, elements, tmp_path).split()
    assert [a.split("-h")[0] for a, b in zip(after, before, strict=True) if a != b] == ["Na"]
    assert data_of(level("pbe+u+d3", sodium="q1"), ["Na"], installed) not in (before[0], after[0])


def tight_binding_input(name: str = "xTB_parameters") -> tree.Section:
    root = tree.Section("")
    root.at("FORCE_EVAL/DFT/QS/XTB/PARAMETER").set("PARAM_FILE_NAME", name)
    return root


def test_tight_binding_has_the_same_sodium_with_every_cp2k(tmp_path):
    data, folder = tmp_path / "data", tmp_path / "task"
    data.mkdir(), folder.mkdir()
    (data / "xTB1_parameters").write_text(PARAMETERS)
    root = tight_binding_input()
    tight_binding.fit(root, data)
    tight_binding.provide(root, data, folder)
    (asked,) = root.at("FORCE_EVAL/DFT/QS/XTB/PARAMETER").values("PARAM_FILE_NAME")
    text = (folder / asked).read_text()
    before, own, after = (
        part.split("$end")[0] for part in (text, text[text.index("$Z=11") :], text[text.index("$Z=12") :])
    )
    assert before == PARAMETERS.split("$end")[0] and after == PARAMETERS[PARAMETERS.index("$Z=12") :].split("$end")[0]
    # the row of 2023.1's own file, with which the two versions give the same energies
    assert own.split() == [
        "$Z=11",
        "somewhen",
        "ao=",
        "2s2p",
        "lev=",
        "-5.425941",
        "-2.970587",
        "exp=",
        "0.566702",
        "0.391147",
        "GAM=",
        "0.146475",
        "GAM3=",
        "1.200000",
        "REPA=",
        "0.678744",
        "REPB=",
        "9.192606",
        "POLYS=",
        "7.549004",
        "POLYP=",
        "13.576090",
        "LPARP=",
        "-4.545627",
    ]


@pytest.mark.skipif(not (load_site().cp2k_data / "xTB_parameters").exists(), reason="another CP2K than up to 2024")
def test_that_sodium_is_the_one_of_the_installed_cp2k():
    rows = (load_site().cp2k_data / "xTB_parameters").read_text().splitlines()
    first = next(number for number, row in enumerate(rows) if row.split()[:1] == ["Na"])
    held = " ".join(rows[first : first + 2]).split()
    own = " ".join(value for key, value in tight_binding.SODIUM.items() if key != "ao").split()
    assert {float(number) for number in own} == {
        float(number) for number in held[1:] if number not in ("2s", "2p", "0.0")
    }


def test_what_need_not_change_stays(tmp_path):
    for held, name in (("xTB_parameters", "xTB_parameters"), ("xTB1_parameters", "mine"), (None, "xTB_parameters")):
        data = tmp_path / str(held)
        data.mkdir()
        if held:
            (data / held).write_text(PARAMETERS)
        root = tight_binding_input(name)
        before = str(root)
        tight_binding.fit(root, data)
        tight_binding.provide(root, data, data)
        assert str(root) == before and len(list(data.iterdir())) == bool(held)
    tight_binding.fit(root, None)
    assert str(root) == before


@pytest.mark.parametrize("old, new", [("$Z=11", "$Z=13"), (" GAM3=", " GAM4=")])
def test_a_file_with_another_layout_is_named(tmp_path, old, new):
    (tmp_path / "xTB1_parameters").write_text(PARAMETERS.replace(old, new))
    root = tight_binding_input()
    tight_binding.fit(root, tmp_path)
    with pytest.raises(SetupError, match=r"xTB1_parameters: sodium \(\$Z=11\) has"):
        tight_binding.provide(root, tmp_path, tmp_path)
