"""fix naglass/crystal against the library, while atoms move, on any number of ranks and after a restart."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from naglass_drv import core
from support.lammps_runs import messages, moving, read_dump, run_lammps, write_data
from support.structures import crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
THRESHOLD, CONNECT, INSIDE, SHELL = 0.55, 6.3, 2.5, 2.0
COLUMNS = ["crystalline", "crystallites", "largest", "dimension", "x", "y", "z", "gyration"]
DEFINITIONS = f"""
compute c all naglass/crystal/atom elements Na V P O reference nvp.env
fix k all naglass/crystal 5 order c_c[1] threshold {THRESHOLD} connect {CONNECT} inside {INSIDE} shell {SHELL} &
  reference nvp.env elements Na V P O file {{name}}.out
"""
RUN = (
    DEFINITIONS
    + """
dump d all custom 5 {name}.dump id type x y z c_c[1]
dump_modify d sort id format float %.17g
run 20
"""
)


def seeds() -> Atoms:
    """Two balls of NASICON in a triclinic cell, the smaller one across the boundary."""
    block = NVP * (3, 3, 1)
    middle = block.positions.mean(axis=0)
    balls = []
    for radius, place, degrees in ((9.5, [15, 14, 13], 12), (7.0, [1, 30, 29], 0)):
        ball = block[np.linalg.norm(block.positions - middle, axis=1) < radius]
        ball.positions = Rotation.from_euler("z", degrees, degrees=True).apply(ball.positions - middle) + place
        balls.append(ball)
    atoms = balls[0] + balls[1]
    atoms.set_cell([[34, 0, 0], [4, 33, 0], [-3, 2, 32]])
    atoms.pbc = True
    atoms.wrap()
    return atoms


@pytest.fixture(scope="module")
def reference():
    return core.environments(NVP, "V", ("O", "P"), 3.8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, reference):
    path = tmp_path_factory.mktemp("seeds")
    reference.write(path / "nvp.env")
    write_data(path / "seeds.data", seeds(), ELEMENTS)
    return path


def start(ranks: int, newton: str) -> str:
    return moving("seeds", ranks, newton, temperature=100, reach=5.5)


def expected(path, reference) -> list[dict[str, float]]:
    """The rows of the file, by the library."""
    rows, last, first = [], None, None
    for cell, table in read_dump(path):
        symbols = [ELEMENTS[int(kind) - 1] for kind in table[:, 1]]
        atoms = Atoms(symbols, positions=table[:, 2:5], cell=cell, pbc=True)
        found = core.crystallites(atoms, table[:, 5] >= THRESHOLD, CONNECT)
        row = dict(crystalline=(found.labels >= 0).sum(), crystallites=len(found), largest=found.largest)
        row |= dict(dimension=found.dimensions[0], gyration=found.gyration[0])
        row |= dict(zip("xyz", found.centers[0], strict=True))
        made_of = core.embryo(atoms, found.members(), reach=INSIDE, shell=SHELL)
        for where in ("inside", "shell"):
            row |= {f"{where}_{e}": n for e, n in zip(made_of.elements, getattr(made_of, where), strict=True)}
        last = core.orientation(atoms, found.members(), reference, last=last)
        first = first or last
        row |= dict(similarity=last.similarity, angle=last.angle_from(first))
        q = Rotation.from_matrix(last.rotation).as_quat(canonical=True)
        row |= dict(qx=q[0], qy=q[1], qz=q[2], qw=q[3])
        rows.append(row)
    return rows


@pytest.mark.parametrize(("ranks", "newton"), [(1, "off"), (2, "on"), pytest.param(4, "off", marks=pytest.mark.long)])
def test_equals_the_library(folder, reference, ranks, newton):
    name = f"on-{ranks}"
    done = run_lammps(folder, start(ranks, newton) + RUN.format(name=name), ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    found, rows = core.read_table(folder / f"{name}.out"), expected(folder / f"{name}.dump", reference)
    assert found["step"].tolist() == [0, 5, 10, 15, 20]
    assert set(found.dtype.names) == {"step", *rows[0]}
    for place, row in enumerate(rows):
        for column, value in row.items():
            assert found[column][place] == pytest.approx(value, abs=2e-4, rel=1e-5), (column, place)
    assert found["crystallites"][0] >= 2 and found["largest"][0] > 5 and found["similarity"][0] > 0.7
    turned = Rotation.from_quat([found[f"q{k}"][0] for k in "xyzw"]).magnitude()
    assert np.degrees(turned) == pytest.approx(12, abs=1.5)
    assert len(set(found["crystalline"])) > 1


def test_a_restart_continues_the_file(folder):
    whole, half, rest = (DEFINITIONS.format(name=name) for name in ("whole", "half", "half"))
    through = start(1, "on") + whole + "run 20\nrestart 10 a.restart b.restart\n"
    first = start(1, "on") + half + "run 10\nwrite_restart half.restart\nrun 7\n"
    again = "clear\nread_restart half.restart\npair_style zero 5.5\npair_coeff * *\nneighbor 0.5 bin\n"
    again += "neigh_modify every 1 delay 0 check yes\ntimestep 0.01\nfix move all nve\n" + rest + "run 10\n"
    done = run_lammps(folder, through + first + again)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert (folder / "half.out").read_text() == (folder / "whole.out").read_text()
    assert len(core.read_table(folder / "half.out")) == 5


def test_numbers_for_thermo_and_an_empty_melt(folder):
    """Nothing is crystalline above a threshold of 2; the columns of a crystallite are then not a number."""
    text = DEFINITIONS.format(name="none").replace(f"threshold {THRESHOLD}", "threshold 2")
    text += "thermo_style custom step f_k[1] f_k[2] f_k[3] f_k[4] f_k[5]\nrun 5\n"
    done = run_lammps(folder, start(1, "on") + text)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    table = core.read_table(folder / "none.out")
    assert (table["largest"] == 0).all() and (table["inside_O"] == 0).all()
    assert all(np.isnan(table[name]).all() for name in ("x", "gyration", "similarity", "angle", "qw"))
    assert done.stdout.count("         5   0              0              0              0              0") == 1


SETUP = "units metal\nread_data seeds.data\npair_style zero 5.5\npair_coeff * *"
COMPUTE = "compute c all naglass/crystal/atom elements Na V P O reference nvp.env\n"
FIX = "fix k all naglass/crystal 5 order c_c[1] threshold 0.5 connect 5 elements Na V P O"
BAD = {
    f"{COMPUTE}fix k all naglass/crystal 5 threshold 1 connect 5": "order (none): is missing",
    f"{COMPUTE}fix k all naglass/crystal 5 order c_c[1] connect 5": "threshold (none): is missing",
    f"{COMPUTE}{FIX} shell 2": "shell 2: needs 'inside'",
    f"{COMPUTE}{FIX} connect 0": "connect 0: must be a positive distance",
    f"{FIX}\nrun 0": "order c_c[1]: there is no such compute",
    f"{COMPUTE}{FIX.replace('c_c[1]', 'c_c')}\nrun 0": "order c_c: has 2 columns; choose one in brackets",
    f"{COMPUTE}{FIX} inside 4 shell 2\nrun 0": "exceeds the pair style's cutoff of 5.5",
    f"{COMPUTE}{FIX} reference nothing.env": "reference nothing.env: cannot be read",
    f"{COMPUTE}{FIX} file /nowhere/k.out\nrun 0": "/nowhere/k.out",
}


@pytest.fixture(scope="module")
def told(folder):
    return messages(folder, SETUP, {script: script for script in BAD})


@pytest.mark.parametrize("script", BAD)
def test_bad_argument_is_named(told, script):
    assert "fix naglass/crystal: " in told[script] and BAD[script] in told[script], told[script]
