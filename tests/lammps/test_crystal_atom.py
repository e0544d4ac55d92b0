"""compute naglass/crystal/atom against the library, atom by atom, while atoms move."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from naglass_drv import core
from support.lammps_runs import messages, moving, read_dump, run_lammps, write_data
from support.structures import DATA, crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}
NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
BONDS = "cutoff P O 2.0 cutoff V O 2.5"
STRUCTURES = {
    "triclinic": NVP,
    "thin": crystal("VOPO4_alphaII_P4n"),  # 4.2 Å thick: environments hold images of each other
    "lone": Atoms("VO", positions=[[1, 1, 1], [2.8, 1, 1]], cell=[60, 20, 20], pbc=True),
}


RUN = """
compute c all naglass/crystal/atom elements Na V P O reference nvp.env {BONDS}
compute r all naglass/crystal/atom elements Na V P O reference nvp_any.env sigma 0.5 reach 3 orientation any
dump d all custom 5 {name}.dump id type x y z c_c[1] c_c[2] c_r[1] c_r[2]
dump_modify d sort id format float %.17g
run 10
"""


@pytest.fixture(scope="module")
def references():
    fixed = core.environments(NVP, "V", ("O", "P"), 3.8)
    return fixed, core.environments(NVP, "V", ("O", "P"), 2.5, any_rotation=True)


def library_columns(cell, table, references) -> np.ndarray:
    symbols = [ELEMENTS[int(t) - 1] for t in table[:, 1]]
    atoms = Atoms(symbols, positions=table[:, 2:5], cell=cell, pbc=True)
    fixed, free = references
    return np.nan_to_num(
        np.column_stack(
            [
                core.crystal_similarity(atoms, fixed),
                core.lanterns(atoms, CUTOFFS),
                core.crystal_similarity(atoms, free, sigma=0.5, reach=3.0, any_rotation=True),
                np.full(len(atoms), -1),
            ]
        ),
        nan=-1.0,
    )


@pytest.mark.parametrize(("ranks", "newton"), [(1, "off"), (2, "on"), pytest.param(4, "off", marks=pytest.mark.long)])
def test_equals_the_library(tmp_path, references, ranks, newton):
    """Triclinic and thin cells; on 4 ranks `lone` leaves three of them without atoms."""
    references[0].write(tmp_path / "nvp.env")
    references[1].write(tmp_path / "nvp_any.env")
    for name, atoms in STRUCTURES.items():
        write_data(tmp_path / f"{name}.data", atoms, ELEMENTS)
    # 0.1 ps at 300 K breaks some lanterns
    start = {name: moving(name, ranks, newton, temperature=300, reach=6.0) for name in STRUCTURES}
    script = "".join(start[name] + RUN.format(name=name, BONDS=BONDS) for name in STRUCTURES)
    done = run_lammps(tmp_path, script, ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr

    for name, atoms in STRUCTURES.items():
        frames = read_dump(tmp_path / f"{name}.dump")
        assert len(frames) == 3 and len(frames[0][1]) == len(atoms)
        for cell, table in frames:
            expected = library_columns(cell, table, references)
            assert table[:, 5:] == pytest.approx(expected, abs=1e-9), name
            assert (table[:, 6] == expected[:, 1]).all(), name
    tables = [table[table[:, 1] == 2] for _, table in read_dump(tmp_path / "triclinic.dump")]
    assert (tables[0][:, 6] == 1).all() and tables[0][:, 5].min() > 0.999
    assert any(0 < (table[:, 6] == 1).sum() < 12 for table in tables) and tables[2][:, 5].max() < 0.95


SETUP = "units metal\nread_data small.data\npair_style zero 6.0\npair_coeff * *"
SMALL = """
compute c all naglass/crystal/atom {arguments}
dump d all custom 1 {name}.dump id type c_c[1] c_c[2]
dump_modify d sort id
run 0"""
NAMED = "elements V P O NULL"


BAD = {
    NAMED: "reference (none): give a reference",
    f"{NAMED} reference bad.env": "bad.env:2 O 1 0: expected",
    "elements V P NULL NULL reference nvp.env": "reference O: is not among the names",
    f"{NAMED} reference nvp.env sigma 0": "sigma 0: must",
    f"{NAMED} reference nvp.env orientation up": "orientation up: must be one of fixed, any",
    f"{NAMED} reference nvp.env sigma 0.8": "exceeds the pair style's cutoff of 6",
    f"{NAMED} cutoff V O 2.5": "cutoff of atom types 2 and 3: is missing",
    f"{NAMED} {BONDS} bridge V": "bridge V: already has a role",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory, references):
    """The folder of runs on the crystal without sodium, and LAMMPS's message for each."""
    folder = tmp_path_factory.mktemp("small")
    write_data(folder / "small.data", NVP[np.array(NVP.get_chemical_symbols()) != "Na"], ["V", "P", "O", "Na"])
    references[0].write(folder / "nvp.env")
    (folder / "bad.env").write_text("center V\nO 1 0\n")
    given = {"lanterns": f"{NAMED} {BONDS}", "similarity": f"{NAMED} reference nvp.env"}
    scripts = {name: SMALL.format(arguments=arguments, name=name) for name, arguments in given.items()}
    scripts |= {arguments: SMALL.format(arguments=arguments, name="bad") for arguments in BAD}
    return folder, messages(folder, SETUP, scripts)


def test_each_column_may_be_left_out(small):
    lanterns, similarity = (read_dump(small[0] / f"{name}.dump")[0][1] for name in ("lanterns", "similarity"))
    vanadium = lanterns[:, 1] == 1
    assert (lanterns[vanadium, 2:] == [-1, 1]).all() and (lanterns[~vanadium, 2:] == -1).all()
    assert (similarity[:, 3] == -1).all() and similarity[vanadium, 2] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(small, arguments):
    message = small[1][arguments]
    assert "compute naglass/crystal/atom: " in message and BAD[arguments] in message


@pytest.mark.parametrize("ranks", [1, 2])
def test_maricite_has_no_lantern(tmp_path, ranks):
    """NaFePO4, Pnma: chains of FeO6 that share edges, each pair with three PO4 in common."""
    write_data(tmp_path / "small.data", read(DATA / "NaFePO4_maricite.extxyz"), ["Fe", "P", "O", "Na"])
    arguments = "elements Fe P O NULL center Fe cutoff P O 2.0 cutoff Fe O 2.5"
    done = run_lammps(tmp_path, f"{SETUP}{SMALL.format(arguments=arguments, name='maricite')}\n", ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    table = read_dump(tmp_path / "maricite.dump")[0][1]
    iron = table[:, 1] == 1
    assert iron.sum() == 4 and (table[iron, 3] == 0).all() and (table[~iron, 3] == -1).all()
