"""Inputs of CP2K: what they say, and what is refused before anything is started."""

import shutil
import subprocess

import ase.io
import numpy as np
import pytest
from ase import Atoms
from support.structures import DATA

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import inputs, levels
from naglass_drv.engines.cp2k.levels import kinds_of, label_of, level
from naglass_drv.errors import InputError, SetupError
from naglass_drv.runtime.launch import scrubbed_environment

XTB, PBE = level("gfn1-xtb"), level("pbe+u+d3")


def box():
    return ase.io.read(DATA / "structures" / "mol8s.extxyz")


def mixed():
    """Two vanadium atoms of different charge; the cell has the charge +1."""
    atoms = box() + box()
    atoms.set_cell([13.0, 6.5, 9.5])
    atoms.positions[8:, 0] += 6.5
    atoms.set_array("ion", np.array(["Na+", "V4+", "P5+"] + ["O2-"] * 5 + ["Na+", "V5+", "P5+"] + ["O2-"] * 5))
    return atoms


def written(atoms=None, chosen=PBE, multiplicity=2, **options):
    data = options.pop("data", load_site().cp2k_data)
    return inputs.single_point(
        box() if atoms is None else atoms, chosen, charge=options.pop("charge", 0), multiplicity=multiplicity, data=data, **options
    )


@pytest.mark.parametrize("chosen", [XTB, PBE])
def test_cp2k_accepts_the_input(chosen, tmp_path):
    (tmp_path / "label.inp").write_text(written(mixed(), chosen, charge=1))
    done = subprocess.run(
        [str(load_site().cp2k), "-c", "-i", "label.inp"], cwd=tmp_path, env=scrubbed_environment(), text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
    )
    assert "SUCCESS" in done.stdout, done.stdout


def test_ions_of_one_element_are_kinds_with_their_own_high_spin_start():
    text = written(mixed(), charge=1)
    assert "&KIND V1\n      ELEMENT V" in text and "&KIND V2\n      ELEMENT V" in text
    assert text.count("MAGNETIZATION") == 1
    kind = text[text.index("&KIND V1") : text.index("&KIND V2")]
    assert "MAGNETIZATION 1\n" in kind
    assert "      V1 3.20868915" in text and "      V2 9.7086891" in text
    assert "&KIND Na\n" in text


def test_stated_start_moments_replace_high_spin():
    assert "MAGNETIZATION -1\n" in written(mixed(), charge=1, magnetization={"V4+": -1.0})
    with pytest.raises(InputError, match=r"magnetization V3\+: there is no such ion; there are Na\+, O2-, P5\+"):
        written(mixed(), charge=1, magnetization={"V3+": 2.0})


@pytest.mark.parametrize("element", ["Na", "V", "P", "O", "Fe", "Mn", "Ti"])
def test_every_shipped_kind_exists_in_cp2k(element):
    inputs.check_basis(element, PBE, load_site().cp2k_data)


def test_parity_is_checked_before_a_start():
    with pytest.raises(InputError, match=r"multiplicity 3: 89 electrons \(odd"):
        written(multiplicity=3)


def test_missing_basis_names_element_entry_and_file(tmp_path):
    for name in ("BASIS_MOLOPT", "GTH_POTENTIALS"):
        shutil.copy(load_site().cp2k_data / name, tmp_path / name)
    whole = (tmp_path / "BASIS_MOLOPT").read_text()
    (tmp_path / "BASIS_MOLOPT").write_text(whole.replace(" V  DZVP-MOLOPT-SR-GTH", " V  DZVP-GONE"))
    with pytest.raises(InputError, match=r"^V: no basis set 'DZVP-MOLOPT-SR-GTH' in .*/BASIS_MOLOPT$"):
        written(data=tmp_path)
    (tmp_path / "BASIS_MOLOPT").unlink()
    with pytest.raises(SetupError, match="BASIS_MOLOPT does not exist"):
        written(data=tmp_path)
    with pytest.raises(SetupError, match="cp2k_data"):
        written(data=None)


def test_element_without_kind_block_is_named():
    atoms = box()
    atoms.symbols[0] = "Rb"
    with pytest.raises(InputError, match=r"^Rb: no CP2K KIND block"):
        written(atoms)


def spoiled(change):
    atoms = box()
    change(atoms)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (spoiled(lambda a: a.positions.__setitem__((2, 1), np.nan)), "not finite"),
        (spoiled(lambda a: a.set_pbc((True, True, False))), "not periodic in 3D"),
        (spoiled(lambda a: a.set_cell([0, 0, 0])), "not periodic in 3D"),
        (spoiled(lambda a: a.positions.__setitem__(4, a.positions[3] + 0.1)), r"atoms 3 and 4 are 0.173 Å apart"),
        (spoiled(lambda a: a.positions.__setitem__(4, a.positions[3] + a.cell[0])), r"atoms 3 and 4 are 0.000 Å"),
        (spoiled(lambda a: a.set_array("ion", np.array(["Na+", "V4+", "P5+"] + ["F-"] * 5))), "not one of O"),
        (Atoms(), "no atom"),
    ],
)
def test_structures_that_make_no_sense(atoms, words):
    with pytest.raises(InputError, match=words):
        written(atoms)


def test_level_names_and_cutoffs():
    assert level("pbe+u+d3", cutoff_Ry=400).cutoff_Ry == 400.0
    with pytest.raises(InputError, match="level 'pbe': not a known level; there are gfn1-xtb, pbe"):
        level("pbe")
    with pytest.raises(InputError, match="gfn1-xtb has no plane-wave cutoff"):
        level("gfn1-xtb", cutoff_Ry=400)


def test_hash_of_a_level_follows_what_decides_a_label(tmp_path, monkeypatch):
    assert label_of(level("pbe+u+d3", cutoff_Ry=400)) != label_of(PBE)
    templates = levels.data_file("cp2k_templates")
    shutil.copytree(templates, tmp_path / "cp2k_templates")
    monkeypatch.setattr(levels, "data_file", lambda *parts: tmp_path.joinpath(*parts))
    here = tmp_path / "cp2k_templates"
    elements = ["Na", "V", "O", "V"]
    before = label_of(PBE), kinds_of(PBE, elements)
    assert [word.partition("-h")[0] for word in before[1].split()] == ["Na", "O", "V"]
    assert kinds_of(XTB, elements) is None

    def after(name, old, new):
        text = (here / name).read_text()
        assert old in text
        (here / name).write_text(text.replace(old, new))
        found = label_of(PBE), kinds_of(PBE, elements)
        (here / name).write_text(text)
        return found

    assert after("energy_pbe+u+d3.inp", "MINIMIZER DIIS", "MINIMIZER CG") == before
    assert after("energy_pbe+u+d3.inp", "# Single point", "# One point") == before
    assert after("energy_pbe+u+d3.inp", "XC_FUNCTIONAL PBE", "XC_FUNCTIONAL BLYP")[0] != before[0]
    label, kinds = after("kinds/V.inp", "3.25", "4.00")
    assert label == before[0] and kinds.split()[:2] == before[1].split()[:2] and kinds != before[1]
    assert after("kinds/Fe.inp", "L 2", "L 1") == before
