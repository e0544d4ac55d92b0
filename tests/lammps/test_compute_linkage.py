"""compute naglass/linkage against the library, frame by frame, while atoms move."""

import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import messages, moving, read_dump, run_lammps, write_data
from support.structures import crystal, silicate_glass

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "Si", "O"]
CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5, ("Si", "O"): 2.2}
LINKAGE = (
    "naglass/linkage elements Na V P Si O center P center V center Si cutoff P O 2.0 cutoff V O 2.5 cutoff Si O 2.2"
)
STRUCTURES = {
    "triclinic": crystal("NVP_R-3c_Na3_ewald_ordered"),
    "thin": crystal("V2O5_alpha_Pmmn"),  # 3.6 Å thick: centers share ligands with images of themselves
    "glass": silicate_glass(),
    "edge": Atoms(
        "PO2V", positions=[[1, 1, 1], [2.2, 2.1, 1], [2.2, 0.1, 1], [3.9, 1, 1]], cell=[60, 20, 20], pbc=True
    ),
}

RUN = """
compute l all {compute}
fix out all ave/time 5 1 5 c_l[*] mode vector file {name}.linkage
dump d all custom 5 {name}.dump id type x y z
dump_modify d sort id format float %.17g
run 10
"""


def library_counts(cell, table) -> list[tuple]:
    symbols = [ELEMENTS[int(t) - 1] for t in table[:, 1]]
    atoms = Atoms(symbols, positions=table[:, 2:5], cell=cell, pbc=True)
    return [tuple(row) for row in core.linkage(atoms, CUTOFFS, centers=("P", "V", "Si")).counts.values()]


def read_blocks(path) -> list[list[tuple]]:
    """Rows of each frame that fix ave/time wrote."""
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    blocks = []
    while lines:
        count = int(lines[0][1])
        blocks.append([tuple(float(x) for x in row[1:]) for row in lines[1 : count + 1]])
        lines = lines[count + 1 :]
    return blocks


@pytest.mark.parametrize(
    ("ranks", "newton", "names"),
    [
        (1, "on", STRUCTURES),
        (2, "off", STRUCTURES),
        pytest.param(4, "on", ("triclinic", "thin", "edge"), marks=pytest.mark.long),
    ],
)
def test_equals_the_library(tmp_path, ranks, newton, names):
    """Triclinic, thin and large cells; on 4 ranks `edge` leaves three of them without atoms."""
    for name in names:
        write_data(tmp_path / f"{name}.data", STRUCTURES[name], ELEMENTS)
    script = "".join(moving(name, ranks, newton) + RUN.format(name=name, compute=LINKAGE) for name in names)
    done = run_lammps(tmp_path, script, ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr

    for name in names:
        frames, blocks = read_dump(tmp_path / f"{name}.dump"), read_blocks(tmp_path / f"{name}.linkage")
        assert len(frames) == len(blocks) == 3
        expected = [library_counts(*frame) for frame in frames]
        assert blocks == expected, name
        assert expected[0] != expected[-1] or name == "edge"
    assert read_blocks(tmp_path / "thin.linkage")[0][3] == (6, 4, 0)
    assert read_blocks(tmp_path / "edge.linkage")[0][1] == (0, 1, 0)


GOOD = "elements V P O NULL center V center P cutoff V O 2.5 cutoff P O 2.0"
SMALL = "units metal\nread_data small.data\npair_style zero 4.0\npair_coeff * *"
BAD = {
    "elements V P O NULL cutoff V O 2.5": "center (none): name at least one",
    f"{GOOD} center O": "ligand O: already has a role",
    f"{GOOD} center P": "center P: already has a role",
    "elements V P O NULL center V center P cutoff V O 2.5": "cutoff of atom types 2 and 3: is missing",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of runs on a small crystal, and LAMMPS's message for each."""
    folder = tmp_path_factory.mktemp("small")
    write_data(folder / "small.data", crystal("VOPO4_alphaII_P4n"), ["V", "P", "O", "Na"])
    use = "fix out all ave/time 1 1 1 c_l[*] mode vector file {file}\nrun 0"
    given = {"two": GOOD, "one": "elements V P O NULL center V cutoff V O 2.5"}
    scripts = {name: f"compute l all naglass/linkage {given[name]}\n" + use.format(file=name) for name in given}
    scripts |= {arguments: f"compute l all naglass/linkage {arguments}" for arguments in BAD}
    return folder, messages(folder, SMALL, scripts)


def test_order_of_the_pairs_is_that_of_the_centers(small):
    folder, _ = small
    assert read_blocks(folder / "two")[0] == [(0, 0, 0), (8, 0, 0), (0, 0, 0)]
    assert read_blocks(folder / "one")[0] == [(0, 0, 0)]


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(small, arguments):
    assert f"compute naglass/linkage: {BAD[arguments]}" in small[1][arguments]
