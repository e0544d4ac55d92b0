"""LAMMPS runs with pair_style mace over many steps: ensembles, minimization, restarts, atoms that come and go.

The oracles are conserved quantities, and mace-torch's calculator on the output frames.
"""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read as read_frames

from support.lammps_runs import read_dump, run_lammps, thermo_tables
from support.mace_bench import Bench, assert_close, deviations
from support.mace_models import ELEMENTS, packing, structures
from support.mace_worker import BAR_PER_EV_A3

pytestmark = pytest.mark.mpi

MODELS = {
    "a": dict(hidden="4x0e+4x1o", correlation=2, pair_repulsion=True),
    "b": dict(hidden="4x0e", correlation=1, pair_repulsion=True, seed=8),
}
STRUCTURES = {"glass": packing(12, 14.0, tilt=True), "more": packing(26, 14.0, tilt=True, seed=1)}
STRUCTURES["corner"] = packing(14, 14.0, seed=3)
STRUCTURES["corner"].set_cell([24.0, 12.0, 8.0])
STRUCTURES["small"] = structures()["small"]
SETUP = """
units metal
newton {newton}
atom_modify map yes
{box}
pair_style mace trust yes {options}
pair_coeff * * {models} O Na P V
neighbor 0.5 bin
neigh_modify every 1 delay 0 check yes
timestep 0.002
compute virial all pressure NULL virial
thermo_style custom step pe etotal econserve c_virial[*] lx ly lz xy xz yz
thermo_modify format float %.15g
thermo 20
"""
DUMP = """
dump atoms all custom {every} {file} id type xu yu zu fx fy fz {more}
dump_modify atoms sort id format float %.17g
"""
PE, TOTAL, CONSERVED, VIRIAL, CELL = 1, 2, 3, slice(4, 10), slice(10, 16)
BAR = -1 / BAR_PER_EV_A3  # of pressure, in eV/Å³ of stress


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("dynamics"), MODELS, STRUCTURES)


def setup(models="a.naglass", options="", newton="on", box="read_data glass.data") -> str:
    return SETUP.format(models=models, options=options, newton=newton, box=box)


def run(bench, script: str, ranks: int = 1) -> list[np.ndarray]:
    """Thermo output of each run."""
    done = run_lammps(bench.folder, script, ranks)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return thermo_tables(done.stdout)


def atoms_of(frame) -> Atoms:
    cell, table = frame
    return Atoms([ELEMENTS[int(kind) - 1] for kind in table[:, 1]], positions=table[:, 2:5], cell=cell, pbc=True)


def assert_is_what_the_calculator_gives(bench, frame, row) -> None:
    """A dumped frame and its line of thermo output."""
    expected = bench.reference("a", atoms_of(frame))
    assert_close(row[PE], expected["energy"], 1e-12)
    assert_close(frame[1][:, 5:8], expected["f"], 1e-9)
    assert_close(row[VIRIAL][[0, 1, 2, 5, 4, 3]] * BAR, expected["stress"], 1e-8)


def drift(values: np.ndarray) -> float:
    """Change along a straight-line fit, from the first to the last value."""
    return np.polyfit(np.linspace(0, 1, len(values)), values, 1)[0]


def test_energy_is_conserved_while_atoms_change_ranks(bench):
    """1 ps at 600 K."""
    script = setup() + "velocity all create 600 4928 loop all\ntimestep 0.004\nfix nve all nve\nthermo 10\n"
    script += "compute owner all property/atom proc\n" + DUMP.format(every=250, file="nve.dump", more="c_owner")
    rows = run(bench, script + "run 250\n", 2)[0]
    fluctuation = rows[:, PE].std()
    assert fluctuation > 0.05
    assert abs(drift(rows[:, TOTAL])) < 0.01 * fluctuation
    assert rows[:, TOTAL].std() < 0.02 * fluctuation
    first, last = read_dump(bench.folder / "nve.dump")
    assert (first[1][:, 8] != last[1][:, 8]).any(), "no atom changed its rank: the run would not show a stale exchange"
    assert_is_what_the_calculator_gives(bench, last, rows[-1])


RAMP = "velocity all create 600 4928 loop all\nfix md all nvt temp 600 900 0.1\n"
BAROSTAT = "velocity all create 600 4928 loop all\nfix md all npt temp 600 600 0.1 tri 12000 12000 0.5\n"


@pytest.mark.parametrize(("ensemble", "ranks"), [(RAMP, 1), (BAROSTAT, 2)], ids=["nvt", "npt"])
def test_thermostat_barostat_and_restart(bench, ensemble, ranks):
    """A run resumed from a restart file equals the uninterrupted one; cell changes by the barostat are followed."""
    dump = DUMP.format(every=40, file="whole.dump", more="vx vy vz")
    rows = run(bench, setup() + ensemble + dump + "restart 20 half.*.restart\nrun 40\n", ranks)[0]
    whole = read_dump(bench.folder / "whole.dump")[-1]
    assert_is_what_the_calculator_gives(bench, whole, rows[-1])
    if ensemble == BAROSTAT:
        assert np.ptp(rows[:, CONSERVED]) < 0.05 * np.ptp(rows[:, PE])
        assert (np.abs(rows[-1, CELL] - rows[0, CELL]) > 1e-3).all()
    again = setup(box="read_restart half.20.restart").replace("newton on", "").replace("atom_modify map yes", "")
    dump = DUMP.format(every=40, file="rest.dump", more="vx vy vz")
    fix = ensemble.partition("\n")[2]
    run(bench, again + fix + dump + "run 40 upto start 0 stop 40\n", ranks)
    ((cell, table),) = read_dump(bench.folder / "rest.dump")
    assert cell == pytest.approx(whole[0], abs=1e-11)
    for columns in (slice(2, 5), slice(5, 8), slice(8, 11)):
        assert_close(table[:, columns], whole[1][:, columns], 1e-11)


def test_minimum(bench):
    """Minimizes first the positions, then also the cell under pressure, in a cell smaller than the cutoff."""
    pressure = 12000
    script = setup(box="read_data small.data") + "min_modify dmax 0.1\nthermo 1\nminimize 0 1e-4 40 1000\n"
    script += f"fix box all box/relax tri {pressure} vmax 0.01\n" + DUMP.format(every=10000, file="min.dump", more="")
    still, relaxed = run(bench, script + "minimize 0 1e-4 300 1000\n")
    assert (np.diff(still[:, PE]) < 0).all()
    frame = read_dump(bench.folder / "min.dump")[-1]
    assert_is_what_the_calculator_gives(bench, frame, relaxed[-1])
    assert np.abs(frame[1][:, 5:8]).max() < 1e-4
    assert relaxed[-1, VIRIAL] == pytest.approx([pressure] * 3 + [0] * 3, abs=0.002 * pressure)
    atoms = atoms_of(frame)

    def enthalpy(displacement=0.0, strain=0.0):
        moved = atoms.copy()
        moved.positions += displacement
        moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        return bench.reference("a", moved)["energy"] - pressure * BAR * moved.get_volume()

    rng, lowest = np.random.default_rng(0), enthalpy()
    for _ in range(4):
        strain = rng.normal(scale=0.01, size=(3, 3))
        assert enthalpy(rng.normal(scale=0.02, size=(3, 3)), strain + strain.T) > lowest + 1e-5


COMMITTEE = "compute mace all mace/atom energy deviation\n"


def assert_is_what_the_committee_gives(bench, frame) -> None:
    atoms, table = atoms_of(frame), frame[1]
    each = [bench.reference(model, atoms) for model in MODELS]
    forces = np.array([one["f"] for one in each])
    assert_close(table[:, 5:8], forces.mean(axis=0), 1e-9)
    assert_close(table[:, 8], np.mean([one["energies"] for one in each], axis=0), 1e-12)
    assert_close(table[:, 9], deviations(forces), 1e-9)


@pytest.mark.parametrize(
    ("ranks", "options", "newton"), [pytest.param(1, "single_rank", "on", marks=pytest.mark.long), (2, "", "off")]
)
def test_atoms_come_and_go(bench, ranks, options, newton):
    """fix evaporate removes atoms during a run, delete_atoms and create_atoms change them between runs."""
    script = setup("a.naglass b.naglass", options, newton, "read_data more.data") + COMMITTEE
    script += """
region everywhere block INF INF INF INF INF INF
region corner block INF 2 INF INF INF INF
velocity all create 600 4928 loop all
fix nve all nve
fix loss all evaporate 5 2 everywhere 4928
""" + DUMP.format(every=8, file="changes.dump", more="c_mace[1] c_mace[2]")
    script += "run 16\nunfix loss\ndelete_atoms region corner\nrun 8\n"
    script += "create_atoms 4 single 1 1 1\ncreate_atoms 2 single 0.5 3 1.5\nrun 8\n"
    run(bench, script, ranks)
    frames = read_dump(bench.folder / "changes.dump")
    assert len({len(table) for _, table in frames}) == len(frames) == 5
    for frame in frames:
        assert_is_what_the_committee_gives(bench, frame)


def test_tiled_and_balanced(bench):
    """Three ranks share, by recursive bisection, a box with all atoms in one corner."""
    script = "comm_style tiled\n" + setup("a.naglass b.naglass", newton="off", box="read_data corner.data") + COMMITTEE
    script += "fix even all balance 5 1.0 rcb\nfix nve all nve\nvelocity all create 900 4928 loop all\n"
    script += "compute owner all property/atom proc\n"
    script += DUMP.format(every=15, file="tiled.dump", more="c_mace[1] c_mace[2] c_owner")
    run(bench, script + "run 15\n", 3)
    for frame in read_dump(bench.folder / "tiled.dump"):
        assert set(frame[1][:, 10]) == {0, 1, 2}
        assert_is_what_the_committee_gives(bench, frame)


@pytest.mark.parametrize("ranks", [pytest.param(1, marks=pytest.mark.long), 2])
def test_respa_selects_and_deviates_as_verlet(bench, ranks):
    """With nothing to compute on the inner level, r-RESPA is the Verlet scheme of the outer time step."""
    # nothing but the fix asks for the deviation at its steps
    script = setup("a.naglass b.naglass", "out_file {0}.devi out_freq 7") + "{1}\n"
    script += "fix nve all nve\nvelocity all create 900 4928 loop all\n"
    script += "fix s all naglass/select 5 band 0 9 file {0}.xyz elements O Na P V\n"
    ways = {"verlet": "run_style verlet", "respa": "run_style respa 2 2 bond 1 pair 2"}
    found, files = {}, {}
    for way, command in ways.items():
        found[way] = run(bench, script.format(way, command) + "run 20\n", ranks)[0]
        files[way] = [np.loadtxt(bench.folder / f"{way}.devi"), read_frames(bench.folder / f"{way}.xyz", ":")]
    assert_close(found["respa"], found["verlet"], 1e-9)
    assert_close(files["respa"][0], files["verlet"][0], 1e-9)
    frames, expected = files["respa"][1], files["verlet"][1]
    assert len(frames) == len(expected) == 5
    for frame, other in zip(frames, expected):
        assert_close(frame.arrays["deviation"], other.arrays["deviation"], 1e-6)
        assert other.arrays["deviation"].max() > 1e-3
