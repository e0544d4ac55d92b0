"""compute naglass/qn/atom against the library, atom by atom, while atoms move."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import messages, moving, read_dump, run_lammps, write_data
from support.structures import crystal, silicate_glass

pytestmark = pytest.mark.mpi

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5, ("Si", "O"): 2.2}
QN = "naglass/qn/atom elements Na V P Si O former P former Si metal V cutoff P O 2.0 cutoff V O 2.5 cutoff Si O 2.2"
ELEMENTS = ["Na", "V", "P", "Si", "O"]

STRUCTURES = {
    "triclinic": crystal("NVP_R-3c_Na3_ewald_ordered"),
    "thin": crystal("V2O5_alpha_Pmmn"),  # 3.6 Å thick: atoms bond to images of themselves
    "glass": silicate_glass(),
    "corner": Atoms("PO2V", positions=[[1, 1, 1], [2.5, 1, 1], [1, 2.5, 1], [4.1, 1, 1]], cell=[60, 20, 20], pbc=True),
}

RUN = """
compute q all {compute}
dump d all custom 5 {name}.dump id type x y z c_q[1] c_q[2] c_q[3]
dump_modify d sort id format float %.17g
run 10
"""


def library_columns(cell, table) -> np.ndarray:
    """n, m and class of the library for a dumped frame."""
    symbols = [ELEMENTS[int(t) - 1] for t in table[:, 1]]
    atoms = Atoms(symbols, positions=table[:, 2:5], cell=cell, pbc=True)
    result = core.qn(atoms, CUTOFFS, former=("P", "Si"))
    return np.column_stack([result.n, result.m, result.oxygen_class])


@pytest.mark.parametrize(
    ("ranks", "newton"), [(1, "on"), (1, "off"), (2, "on"), (2, "off"), pytest.param(4, "off", marks=pytest.mark.long)]
)
def test_equals_the_library(tmp_path, ranks, newton):
    """Triclinic, thin and large cells; on 4 ranks `corner` leaves three of them without atoms."""
    for name, atoms in STRUCTURES.items():
        write_data(tmp_path / f"{name}.data", atoms, ELEMENTS)
    script = "".join(moving(name, ranks, newton) + RUN.format(name=name, compute=QN) for name in STRUCTURES)
    done = run_lammps(tmp_path, script, ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr

    for name, atoms in STRUCTURES.items():
        frames = read_dump(tmp_path / f"{name}.dump")
        assert len(frames) == 3 and len(frames[0][1]) == len(atoms)
        for cell, table in frames:
            assert (table[:, 5:] == library_columns(cell, table)).all(), name
    glass = read_dump(tmp_path / "glass.dump")
    changed = library_columns(*glass[0]) != library_columns(*glass[-1])
    assert changed.any(), "no bond changed: the run would not show a stale list"


NAMED = "elements V P O NULL"
BAD = {
    f"{NAMED} former P former V metal V cutoff P O 2.0 cutoff V O 2.5": "metal V: already has a role",
    f"{NAMED} metal V cutoff P O 2.0": "cutoff of atom types 1 and 3: is missing",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bad")
    write_data(folder / "small.data", crystal("VOPO4_alphaII_P4n"), ["V", "P", "O", "Na"])
    setup = "units metal\nread_data small.data\npair_style zero 4.0\npair_coeff * *"
    return messages(
        folder, setup, {arguments: f"compute q all naglass/qn/atom {arguments}\nrun 0" for arguments in BAD}
    )


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(told, arguments):
    assert f"compute naglass/qn/atom: {BAD[arguments]}" in told[arguments]
