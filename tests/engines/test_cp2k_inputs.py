"""Inputs of CP2K: what they say, and what is refused before anything is started."""

import shutil

import ase.io
import numpy as np
import pytest
from ase import Atoms

from naglass_drv.chemistry.level import NAMES
from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import tree
from naglass_drv.engines.cp2k.run import checks
from naglass_drv.engines.cp2k.theory import kinds
from naglass_drv.engines.cp2k.theory.levels import data_of, label_of, level
from naglass_drv.engines.cp2k.write import inputs, prints
from naglass_drv.errors import InputError, SetupError
from support.structures import DATA

pytestmark = pytest.mark.cp2k

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
    options = {"data": load_site().cp2k_data, "charge": 0, "multiplicity": multiplicity} | options
    return inputs.single_point(box() if atoms is None else atoms, chosen, **options)


OPTIONS = [
    {"sodium": "q1", "cutoff_Ry": 300.0},
    {"plus_u": "lowdin", "u_eV": {"V": 4.0, "O-2p": 2.0}},
    {"rel_cutoff_Ry": 50.0},
    {"xc_smoothing": "nn10"},
    {"smearing_K": 1000.0},
    {"u_eV": {"V": 0.0}},
]


@pytest.mark.parametrize(
    ("chosen", "outputs"),
    [(level(name), ()) for name in NAMES if name not in ("template", "mlip")]
    + [(level("pbe+u+d3", **options), ()) for options in OPTIONS]
    + [(PBE, (name,)) for name in prints.OUTPUTS]
    + [(level("blyp", smearing_K=300.0), ("spin_density", "elf", "pdos")), (XTB, ("pdos",))],
    ids=lambda value: label_of(value) if hasattr(value, "electronic") else "+".join(value),
)
def test_cp2k_accepts_the_input(chosen, outputs):
    text = written(mixed(), chosen, charge=1, outputs=outputs)
    assert "${" not in text
    checks.accepted(text, load_site().cp2k, "input")


def test_the_level_and_its_options_are_in_the_input():
    plain = tree.parse(written()).at("FORCE_EVAL/DFT")
    assert plain.at("XC/XC_FUNCTIONAL").parameter == "PBE" and plain.values("PLUS_U_METHOD") == ["MULLIKEN"]
    root = tree.parse(written(chosen=level("blyp+d3", cutoff_Ry=500, rel_cutoff_Ry=40)))
    dft = root.at("FORCE_EVAL/DFT")
    assert dft.at("XC/XC_FUNCTIONAL").parameter == "BLYP"
    assert dft.at("XC/VDW_POTENTIAL/PAIR_POTENTIAL").values("REFERENCE_FUNCTIONAL") == ["BLYP"]
    assert dft.values("PLUS_U_METHOD") == [] and "DFT_PLUS_U" not in str(root)
    assert dft.at("MGRID").values("CUTOFF") == ["500"] and dft.at("MGRID").values("REL_CUTOFF") == ["40"]
    assert kind_of(root, "V").values("POTENTIAL") == ["GTH-BLYP-q13"]
    assert not tree.parse(written(chosen=level("pbe+u"))).sections("FORCE_EVAL/DFT/XC/VDW_POTENTIAL")


def kind_of(root, name):
    (found,) = [kind for kind in root.sections("FORCE_EVAL/SUBSYS/KIND") if kind.parameter == name]
    return found


def test_u_acts_on_the_shell_that_is_named():
    root = tree.parse(written(chosen=level("pbe+u+d3", u_eV={"V": 4, "O-2p": 2.5})))
    for name, momentum, value in (("V", "2", "[eV] 4"), ("O", "1", "[eV] 2.5")):
        plus_u = kind_of(root, name).at("DFT_PLUS_U")
        assert (plus_u.values("L"), plus_u.values("U_MINUS_J")) == ([momentum], [value])
    assert "DFT_PLUS_U" not in written(chosen=level("pbe+u+d3", u_eV={"V": 0}))
    with pytest.raises(InputError, match=r"u_eV 'V-3x': must be an element, meaning its d shell, or a shell like O-2p"):
        written(chosen=level("pbe+u+d3", u_eV={"V-3x": 4}))


def test_sodium_without_its_semicore_takes_basis_and_potential_from_the_uzh_files():
    root = tree.parse(written(chosen=level("pbe+u+d3", sodium="q1")))
    sodium = kind_of(root, "Na")
    assert sodium.values("POTENTIAL") == ["GTH-PBE-q1"] and sodium.values("POTENTIAL_FILE_NAME") == ["POTENTIAL_UZH"]
    assert root.at("FORCE_EVAL/DFT").values("BASIS_SET_FILE_NAME") == ["BASIS_MOLOPT", "BASIS_MOLOPT_UZH"]
    assert sodium.values("BASIS_SET_FILE_NAME") == []
    assert kind_of(root, "V").values("POTENTIAL_FILE_NAME") == []


def test_electrons_at_a_temperature_keep_the_multiplicity():
    scf = tree.parse(written(chosen=level("pbe", smearing_K=1500), multiplicity=4)).at("FORCE_EVAL/DFT/SCF")
    assert scf.at("SMEAR").values("FIXED_MAGNETIC_MOMENT") == ["3"]
    assert scf.at("SMEAR").values("ELECTRONIC_TEMPERATURE") == ["1500"]
    assert scf.values("EPS_SCF") == ["1.0E-06"] and not scf.sections("OT")


@pytest.mark.parametrize(
    ("symbols", "options", "spins"),
    [
        ("NaPO3", {}, "FALSE"),
        ("NaPO3", {"chosen": level("blyp")}, "FALSE"),
        ("NaPO3", {"multiplicity": 3}, "TRUE"),
        ("NaPO3", {"magnetization": {"P": 1.0, "O": -1.0}}, "TRUE"),
        ("NaPO3", {"chosen": level("pbe", smearing_K=300.0)}, "TRUE"),
        ("NaPO3", {"chosen": XTB}, "TRUE"),
        ("NaPO3", {"outputs": ["pdos"]}, "TRUE"),
        ("NaVO3", {}, "TRUE"),
    ],
)
def test_one_spin_suffices_where_all_electrons_are_paired(symbols, options, spins):
    """Vanadium may keep an unpaired electron that its ions do not show, and prints beyond a label are of two spins."""
    atoms = Atoms(symbols, [(2.0 * k, 0.0, 0.0) for k in range(5)], cell=[10.0, 6.0, 6.0], pbc=True)
    text = written(atoms, **{"multiplicity": 1} | options)
    assert tree.parse(text).at("FORCE_EVAL/DFT").values("UKS") == [spins]


def test_prints_are_no_part_of_the_level_and_those_that_cannot_be_are_refused():
    text = written(outputs=prints.OUTPUTS)
    first, last = text.splitlines()[0], str(tree.parse(text).at("FORCE_EVAL/DFT/LOCALIZE"))
    assert first == f"# level {label_of(PBE)}" == written().splitlines()[0]
    assert "FILENAME =wannier.xyz" in last and "IONS+CENTERS" in last
    with pytest.raises(InputError, match="outputs: elf: GFN1-xTB has no density"):
        written(chosen=XTB, outputs=["elf"])
    with pytest.raises(InputError, match="outputs: wannier: fractional occupations"):
        written(chosen=level("pbe", smearing_K=300), outputs=["wannier"])
    with pytest.raises(InputError, match="outputs: 'esp': unknown; choose from wannier, spin_density, elf, pdos"):
        written(outputs=["esp"])


def test_later_versions_get_the_keywords_they_need():
    for version, found in (("2023.1", []), ("2023.2", []), ("2024.1", ["TRUE"]), ("2026.2", ["TRUE"])):
        scf = tree.parse(written(version=version)).at("FORCE_EVAL/DFT/SCF")
        assert scf.values("IGNORE_CONVERGENCE_FAILURE") == found, version
    with pytest.raises(InputError, match="CP2K 9.1: only versions from 2023.1 on are supported"):
        written(version="9.1")


def test_atoms_of_an_ion_that_start_up_and_down_are_kinds_of_their_own():
    atoms = mixed()
    atoms.arrays["ion"][9] = "V4+"
    turned = inputs.ordered(atoms, "antiferromagnetic", seed=1)
    assert turned.info["multiplicity"] == 1
    assert turned.arrays["start_moment"].tolist() == [0, 1] + [0] * 7 + [-1] + [0] * 6
    root = tree.parse(written(turned, multiplicity=1))
    assert [kind_of(root, name).values("MAGNETIZATION") for name in ("V1", "V2")] == [["1"], ["-1"]]
    rows = [line.text.split()[0] for line in root.at("FORCE_EVAL/SUBSYS/COORD").items]
    assert rows == ["Na", "V1", "P", "O", "O", "O", "O", "O", "Na", "V2", "P", "O", "O", "O", "O", "O"]
    assert root.at("FORCE_EVAL/DFT/SCF").values("SCF_GUESS") == ["ATOMIC"], "start moments act only from atoms"
    assert written(atoms, multiplicity=3) == written(inputs.ordered(atoms, "ferromagnetic", 1), multiplicity=3)
    with pytest.raises(InputError, match="spin: the ions of NaO5PV are unknown"):
        inputs.ordered(box(), "sampled", seed=1)


def test_sampled_signs_follow_the_seed_and_the_frame():
    atoms = mixed()
    atoms.set_array("ion", np.array(["Na+", "V4+", "P5+"] + ["V3+"] * 5 + ["Na+", "V4+", "P5+"] + ["V3+"] * 5))
    atoms.symbols[3:8] = atoms.symbols[11:] = "V"
    moved = atoms.copy()
    moved.positions[0, 0] += 0.1

    def drawn(frame):
        return [tuple(inputs.ordered(frame, "sampled", seed).arrays["start_moment"]) for seed in range(5)]

    assert len(set(drawn(atoms))) > 1 and drawn(atoms) == drawn(atoms) != drawn(moved)


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
    with pytest.raises(InputError, match=r"magnetization V3\+: no such ion; available: Na\+, O2-, P5\+"):
        written(mixed(), charge=1, magnetization={"V3+": 2.0})


@pytest.mark.parametrize("name", sorted(path.stem for path in kinds.kind_files()))
def test_every_shipped_kind_exists_in_cp2k(name):
    element, _, variant = name.partition("-")
    chosen = [level("pbe+u", sodium=variant)] if variant else [level("pbe+u"), level("blyp+u")]
    for found in chosen:
        data_of(found, [element], load_site().cp2k_data)


def test_the_metals_and_formers_of_the_project_have_kinds():
    needed = ["Na", "Na-q1", "Li", "K", "V", "Fe", "Mn", "Co", "Ni", "Cr", "Ti", "P", "O", "F", "Si", "Al", "B"]
    assert set(needed) <= {path.stem for path in kinds.kind_files()}


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
    with pytest.raises(InputError, match=r"^Rb: no CP2K KIND block .Rb.inp.; available: Al, B, "):
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
        (spoiled(lambda a: a.set_array("ion", np.array(["Na+", "V4+", "P5+"] + ["F-"] * 5))), "is not an ion of O"),
        (Atoms(), "no atom"),
    ],
)
def test_structures_that_make_no_sense(atoms, words):
    with pytest.raises(InputError, match=words):
        written(atoms)
