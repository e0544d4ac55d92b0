"""Inputs of CP2K that others wrote: every legal spelling gives the same frame, the rest is refused with its reason."""

import re
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.engines.cp2k import tree
from naglass_drv.engines.cp2k.values import quantities, unit_value
from naglass_drv.errors import InputError
from naglass_drv.foreign.cp2k.folder import read_folder
from naglass_drv.foreign.cp2k.subsys import element_of, read_system
from naglass_drv.foreign.gate import Terms, admit
from support.foreign_runs import BOHR_A, RUNS, HARTREE_eV, copies

WATER = (RUNS / "water" / "run.inp").read_text()


CELL = "A 6.0 0.0 0.0\nB 0.5 6.2 0.0\nC 0.2 0.3 6.4\n"


ROWS = [("Ow", 1.0, 1.0, 1.0), ("H1", 1.96, 1.05, 0.9), ("H1", 0.75, 1.93, 1.1)]


COORD = re.search(r"&COORD\n(.*?)&END COORD\n", WATER, re.DOTALL)[0]


VECTORS = np.array([[6.0, 0.0, 0.0], [0.5, 6.2, 0.0], [0.2, 0.3, 6.4]])


LENGTHS = np.linalg.norm(VECTORS, axis=1)


ANGLES = np.array([np.arccos(VECTORS[i] @ VECTORS[j] / LENGTHS[i] / LENGTHS[j]) for i, j in ((1, 2), (0, 2), (0, 1))])


XYZ = "3\ntitle\n" + "".join(f"{name} {x} {y} {z} 0.1 extra\n" for name, x, y, z in ROWS)


@pytest.fixture
def folder(tmp_path):
    return copies(tmp_path)


def coordinates(scale: float = 1.0, head: str = "") -> str:
    rows = "".join(f"{name} {x * scale:.12f} {y * scale:.12f} {z * scale:.12f}\n" for name, x, y, z in ROWS)
    return f"&COORD\n{head}{rows}&END COORD\n"


def numbers(values, form: str = ".14f") -> str:
    return " ".join(f"{value:{form}}" for value in values)


SPELLINGS = {
    "separators": {CELL: "A=6.0, 0.0, 0.0\nB: 0.5 6.2; 0.0\nC 0.2,0.3,6.4\n"},
    "bohr": {CELL: "".join(f"{n} [bohr] {numbers(v / BOHR_A)}\n" for n, v in zip("ABC", VECTORS, strict=True))},
    "units within a line": {"A 6.0 0.0 0.0": "A [nm] 0.6 [pm] 0 0", "C 0.2 0.3 6.4": "C 0.2 0.3 [nm] 0.64"},
    "fractions": {"B 0.5 6.2 0.0": "B 1/2 3.1*2 0/7"},
    "Fortran": {"A 6.0": "A 6.0D0", "B 0.5": "B 5.d-1", "C 0.2": "C .2E+00"},
    "continuation": {"B 0.5 6.2 0.0": "B 0.5 \\\n\n # between\n 6.2 \\ ! and\n 0.0"},
    "case": {"&CELL": "&cell", "&END CELL": "&end Cell", "A 6.0": "a 6.0", "RUN_TYPE": "run_type"},
    "end without a name": {"&END CELL": "&END", "&END COORD": "&end", "&END SUBSYS": "&END"},
    "lengths and angles": {CELL: f"ABC {numbers(LENGTHS)}\nANGLES {numbers(np.degrees(ANGLES))}\n"},
    "radian": {CELL: f"ABC {numbers(LENGTHS)}\nALPHA_BETA_GAMMA [rad] {numbers(ANGLES)}\n"},
    "lengths before vectors": {
        CELL: f"A 5 0 0\nB 0 5 0\nC 0 0 5\nABC {numbers(LENGTHS)}\nANGLES {numbers(np.degrees(ANGLES))}\n"
    },
    "symmetry and multiple": {CELL: CELL + "SYMMETRY triclinic\nMULTIPLE_UNIT_CELL 1 1 1\nPERIODIC XYZ\n"},
    "file of cells": {CELL: "CELL_FILE_NAME ./x.cell\n"},
    "positions in angstrom": {COORD: coordinates(head="UNIT angstrom\n")},
    "positions in bohr": {COORD: coordinates(1 / BOHR_A, "UNIT BOHR\n")},
    "positions in pm": {COORD: coordinates(100, "unit=pm\n")},
    "scaled": {
        COORD: "&COORD\nSCALED\n"
        + "".join(f"{r[0]} {numbers(np.linalg.solve(VECTORS.T, r[1:]))}\n" for r in ROWS)
        + "&END COORD\n"
    },
    "not scaled": {"&COORD\n": "&COORD\nSCALED .FALSE.\n"},
    "file of positions": {
        COORD: "", "&END SUBSYS": "&TOPOLOGY\nCOORD_FILE_NAME ./c.xyz\nCOORDINATE xyz\n&END\n&END SUBSYS"
    },
    "file in a folder below": {COORD: "", "&END SUBSYS": "&TOPOLOGY\nCOORD_FILE below/c.xyz\n&END\n&END SUBSYS"},
    "file as CP2K's own": {
        COORD: "", "&END SUBSYS": "&TOPOLOGY\nCOORD_FILE_NAME c.coord\nCOORD_FILE_FORMAT CP2K\n&END\n&END SUBSYS"
    },
    "section before file": {"&END SUBSYS": "&TOPOLOGY\nCOORD_FILE_NAME other.xyz\n&END\n&END SUBSYS"},
    "include": {COORD: "@SET F c.inc\n&COORD\n@INCLUDE '${F}'\n&END COORD\n"},
    "variables": {
        "A 6.0 0.0 0.0": "@SET A 6.0\n@IF (${A} == 6.0)\nA ${A-7} 0 0\n@ENDIF\n@IF 0\nA 7 0 0\n@ENDIF",
        "B 0.5 6.2": "B 0.5 ${B-6.2}",
    },
    "kinds": {"&END SUBSYS": "&KIND OW\nELEMENT o\n&END\n&KIND h1\nELEMENT_SYMBOL H\n&END\n&END SUBSYS"},
    "centered": {"&END SUBSYS": "&TOPOLOGY\n&CENTER_COORDINATES\n&END\n&END\n&END SUBSYS"},
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_legal_spelling_gives_the_same_frame(folder, spelling):
    lines = "".join(f"{name} {x} {y} {z}\n" for name, x, y, z in ROWS)
    run = folder("water", SPELLINGS[spelling], c_dot_xyz=XYZ, c_dot_inc=lines, c_dot_coord=lines)
    (run / "below").mkdir()
    (run / "below" / "c.xyz").write_text(XYZ)
    step = numbers(VECTORS.ravel())
    (run / "x.cell").write_text(f"# title\n 0 0.0 9 0 0 0 9 0 0 0 9 729\n 1 0.5 {step} 238.08\n")
    ((found,), refused) = read_folder(run)
    assert not refused
    frame = admit(found, Terms("xtb")).copy()
    np.testing.assert_allclose(frame.cell.array, VECTORS, atol=1e-9)
    np.testing.assert_allclose(frame.positions, [row[1:] for row in ROWS], atol=1e-9)
    assert frame.get_chemical_formula("reduce") == "OH2" and frame.pbc.all()
    energy = re.search(r"Total FORCE_EVAL.*:\s+(\S+)", (run / "run.out").read_text())[1]
    assert found.frame.info["REF_energy"] == pytest.approx(float(energy) * HARTREE_eV, abs=1e-9)


CONTRADICTIONS = [
    ({"A 6.0": "A 6.00001"}, r"cell is not the one that CP2K started with, 6.00000 6.22013 6.41015 Å"),
    ({CELL: CELL + "MULTIPLE_UNIT_CELL 1 1 2\n"}, "its cell is not the one"),
    ({CELL: CELL + "SYMMETRY ORTHORHOMBIC\n"}, "its cell is not the one"),
    ({CELL: f"ABC {numbers(LENGTHS)}\n"}, "its cell is not the one"),
    ({CELL: "A [bohr] 6 0 0\nB 0.5 6.2 0\nC 0.2 0.3 6.4\n"}, "its cell is not the one"),
    ({CELL: "A 0 6 0\nB 0 0.5 6.2\nC 6.4 0.2 0.3\n"}, "its cell is not the one"),
    ({"H1 1.960000": "H1 1.960010"}, "positions are not those that CP2K started with"),
    ({"&COORD\n": "&COORD\nUNIT bohr\n"}, "its positions are not those"),
    ({"&COORD\n": "&COORD\nSCALED T\n"}, "its positions are not those"),
    ({"Ow 1.0": "Hw 1.0", "H1 1.96": "O1 1.96"}, "atoms are not those in the output"),
    ({"PROJECT w": "PROJECT other"}, "project is other, but that of the output is w"),
    ({"RUN_TYPE ENERGY_FORCE": "RUN_TYPE MD"}, "RUN_TYPE is MD, but that of the output is ENERGY_FORCE"),
]


@pytest.mark.parametrize(("change", "message"), CONTRADICTIONS)
def test_an_input_that_is_not_of_the_output_is_refused_with_the_difference(folder, change, message):
    with pytest.raises(InputError, match=message):
        read_folder(folder("water", change))


def test_a_multiplicity_that_is_not_that_of_the_electrons_is_refused(folder):
    with pytest.raises(InputError, match="MULTIPLICITY is 3, but that of the output is 1"):
        read_folder(folder("kind_by_kind", {"UKS T": "UKS T\nMULTIP 3"}))


TOPOLOGY = "&TOPOLOGY\nCOORD_FILE_NAME c.xyz\nCOORD_FILE_FORMAT {}\n&END\n&END SUBSYS"


UNREAD = [
    *(({COORD: "", "&END SUBSYS": TOPOLOGY.format(form)}, f"COORD_FILE_FORMAT {form}: positions are read from &COORD")
      for form in ("PDB", "G96", "CRD", "CIF", "XTL")),
    *(({CELL: f"CELL_FILE_NAME c.xyz\nCELL_FILE_FORMAT {form}\n"}, f"CELL_FILE_FORMAT {form}: cells are read from")
      for form in ("CIF", "XSC")),
    ({CELL: "CELL_FILE_NAME c.xyz\n"}, "CELL_FILE_NAME c.xyz: has no line with a step, a time and nine numbers"),
    ({CELL: "CELL_FILE_NAME ../x.cell\n"}, "CELL_FILE_NAME '../x.cell': no such file in the folder of the input"),
    ({CELL: "A 6 0 0\nB 0 6 0\n"}, "must have A, B and C, or ABC"),
    ({CELL: "A 6 0 0\nB 6 0 0\nC 0 0 6\n"}, "its volume is zero"),
    ({"A 6.0": "A [furlong] 6.0"}, "unit 'furlong' is not supported"),
    ({"A 6.0": "A 6.0 6.0"}, ": must be 3 numbers"),
    ({"A 6.0": "A 6/0"}, "'6/0': is not a number"),
    ({"&COORD\n": "&COORD\nUNIT [bohr]\n"}, r"unit '\[bohr\]' is not supported"),
    ({"&COORD\n": "&COORD\nSCALED maybe\n"}, "SCALED maybe: must be true or false"),
    ({"Ow 1.000000": "Ow 1.0000x"}, "&COORD: Ow '1.0000x': is not a number"),
    ({"&END SUBSYS": "&TOPOLOGY\nMULTIPLE_UNIT_CELL 1 1 2\n&END\n&END SUBSYS"}, "1 1 2 of &TOPOLOGY differs"),
    ({"&END SUBSYS": "&KIND Ow\nGHOST\n&END\n&END SUBSYS"}, "GHOST and FLOATING_BASIS_CENTER are not atoms"),
    ({"Ow": "X"}, "kind X: unknown element"),
    ({"Ow": "F2b"}, "kind F2b: unknown element"),
    ({"METHOD QS": "METHOD FIST"}, "METHOD FIST: only Quickstep runs"),
    ({"&DFT": "CHARGE 1\n&DFT", "&END DFT": "CHARGE 1.5\n&END DFT"}, "CHARGE 1.5: must be an integer"),
    ({"&DFT": "&RESCALE_FORCES\n&END\n&DFT"}, "&RESCALE_FORCES: energy and forces are not those of &DFT alone"),
    ({"&GLOBAL": "&MULTIPLE_FORCE_EVALS\n&END\n&GLOBAL", "&END GLOBAL": "&END"}, "&MULTIPLE_FORCE_EVALS"),
    ({"&FORCE_EVAL\n": "&FORCE_EVAL\n&END\n&FORCE_EVAL\n", "&END FORCE_EVAL": "&END"}, "2 sections &FORCE_EVAL"),
    ({"&END FORCE_EVAL": "&END\n&MOTION\n&CONSTRAINT\n&FIXED_ATOMS\nLIST 1\n&END\n&END\n&END"}, "on fixed atoms"),
    ({"&END FORCE_EVAL": "&END\n&MOTION\n&CONSTRAINT\n&HBONDS\n&RESTRAINT\n&END\n&END\n&END\n&END"}, "&RESTRAINT"),
    ({"&END FORCE_EVAL": "&END\n&EXT_RESTART\nRESTART_FILE_NAME ../o.restart\n&END"}, "no such file in the folder"),
    ({"&END FORCE_EVAL": "&END\n&EXT_RESTART\nBINARY_RESTART_FILE_NAME o.bin\n&END"},
     "BINARY_RESTART_FILE_NAME: reading the start"),
    ({"&GLOBAL": "&MOTION\n&MD\nENSEMBLE RefTraj\n&END\n&END\n&GLOBAL", "RUN_TYPE ENERGY_FORCE": "RUN_TYPE MD"},
     "ENSEMBLE REFTRAJ: CP2K gives its first two snapshots the same number"),
    ({"&GLOBAL": "&A\n" * 60 + "&GLOBAL"}, "nested deeper than 40"),
    *(({"RUN_TYPE ENERGY_FORCE": f"RUN_TYPE {given}"}, f"RUN_TYPE {named} is not supported as a source of labels")
      for given, named in
      (("BAND", "BAND"), ("normal_modes", "VIBRATIONAL_ANALYSIS"), ("MONTECARLO", "MC"), ("PINT", "PINT"))),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), UNREAD)
def test_what_is_not_read_is_refused_by_the_true_reason(folder, change, message):
    with pytest.raises(InputError, match=message):
        read_folder(folder("water", change, c_dot_xyz=XYZ))


# what CP2K 2023.1 printed for A 6 0.5 0, B 0.2 6.2 0.3, C 0.1 0 6.4
SYMMETRIES = {
    "TRICLINIC": [[6.0, 0.5, 0.0], [0.2, 6.2, 0.3], [0.1, 0.0, 6.4]],
    "MONOCLINIC": [[6.021, 0, 0], [0, 6.210, 0], [0.100, 0, 6.400]],
    "MONOCLINIC_GAMMA_AB": [[6.116, 0, 0], [0.703, 6.075, 0], [0, 0, 6.401]],
    "ORTHORHOMBIC": np.diag([6.020797, 6.162359, 6.392832]),
    "TETRAGONAL": np.diag([6.091578, 6.091578, 6.392832]),
    "TETRAGONAL_AB": np.diag([6.091578, 6.091578, 6.392832]),
    "TETRAGONAL_AC": np.diag([6.206815, 6.162359, 6.206815]),
    "TETRAGONAL_BC": np.diag([6.020797, 6.277596, 6.277596]),
    "RHOMBOHEDRAL": [[6.211, 0, 0], [0.372, 6.200, 0], [0.372, 0.350, 6.190]],
    "HEXAGONAL": [[6.116, 0, 0], [3.058, 5.296, 0], [0, 0, 6.401]],
    "CUBIC": np.diag([6.191996, 6.191996, 6.191996]),
}


def system(cell: str, more: str = "", rows: str = "O 1 1 1\nH 1.96 1.05 0.9\n"):
    text = f"&SUBSYS\n&CELL\n{cell}\n&END\n&COORD\n{rows}&END\n{more}\n&END\n"
    return read_system(tree.parse(text).at("SUBSYS"), Path("/nowhere"))


@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_a_symmetry_changes_the_cell_as_in_cp2k(symmetry):
    found = system(f"A 6 0.5 0\nB 0.2 6.2 0.3\nC 0.1 0 6.4\nSYMMETRY {symmetry.lower()}").cell
    expected = np.array(SYMMETRIES[symmetry])
    np.testing.assert_allclose(
        found, expected, atol=6e-7 if np.allclose(expected, np.diag(expected.diagonal())) else 6e-4
    )


def test_a_multiple_unit_cell_repeats_cell_and_atoms_in_cp2ks_order():
    found = system("ABC 6 6.2 6.4\nMULTIPLE_UNIT_CELL 2 1 2", "&TOPOLOGY\nMULTIPLE_UNIT_CELL 2 1 2\n&END")
    np.testing.assert_allclose(found.cell, np.diag([12.0, 6.2, 12.8]))
    first = [[1, 1, 1], [7, 1, 1], [1, 1, 7.4], [7, 1, 7.4]]
    np.testing.assert_allclose(found.positions[::2], first)
    assert found.elements == ("O", "H") * 4
    alone = system("ABC 6 6.2 6.4\nMULTIPLE_UNIT_CELL 1 1 2")
    assert alone.elements == ("O", "H") and alone.cell[2, 2] == 12.8


@pytest.mark.parametrize(("axes", "expected"), [("NONE", 0b000), ("xy", 0b110), ("Z", 0b001), ("XYZ", 0b111)])
def test_directions_that_are_not_periodic_stay_so(axes, expected):
    found = system(f"ABC 6 6 6\nPERIODIC {axes}").periodic
    assert found == tuple(bool(expected & bit) for bit in (4, 2, 1))


@pytest.mark.parametrize(
    ("kind", "element"),
    [("O1", "O"), ("H_a", "H"), ("hw", "H"), ("HO", "Ho"), ("OH", "O"), ("CA", "Ca"), ("Fe_a", "Fe"), ("OW", "O"),
     ("na2", "Na"), ("V1", "V"), ("P_1", "P")],
)  # fmt: skip
def test_the_element_of_a_kind_is_the_one_that_cp2k_takes(kind, element):
    assert element_of(kind, tree.parse("&KIND other\nELEMENT V\n&END")) == element
    assert element_of(kind, tree.parse(f"&KIND {kind.swapcase()}\nELEMENT v\n&END")) == "V"


@pytest.mark.parametrize(
    ("unit", "value"),
    [("bohr", BOHR_A), ("hartree*bohr^-1", 51.422067476), ("eV*angstrom^-1", 1.0), ("bohr*au_t^-1", 21.8769126364),
     ("NM", 10.0), ("m*s^-1", 1e-5), ("kcalmol", 0.043364104242), ("kbar", 6.2415090744e-4),
     ("newton", 6.2415090744e8)],
)  # fmt: skip
def test_units_are_those_of_cp2k(unit, value):
    assert unit_value(unit) == pytest.approx(value, rel=1e-9)
    assert quantities(["2", f"[{unit}]", "1/2"], "angstrom", 2, "x") == pytest.approx([2.0, value / 2])
