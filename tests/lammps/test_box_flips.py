"""A box that LAMMPS flips (flip yes, the default of fix deform and fix npt) is the same material as one that is not
flipped: fix naglass/correlate, fix naglass/hops and the library give the same results for both, on any number of
ranks, across restarts and in a rerun."""

import numpy as np
import pytest
from test_correlate import table

from naglass_drv import core
from support.lammps_runs import read_dump, run_lammps

pytestmark = pytest.mark.mpi

# Ten ions and ten atoms of the framework, in flight through a cell that shears along the tilts of each case.
SETUP = """
clear
units metal
atom_style atomic
processors {ranks} 1 1
region b prism 0 10 0 9 0 11 {tilts}
{start}
pair_style zero 3.0
pair_coeff * *
neighbor 0.5 bin
neigh_modify every 1 delay 0 check {check}
timestep 0.001
fix move all nve
fix shear all deform 1 {shear} flip {flip} units box
fix c na naglass/correlate 10 elements Na O {framework} file {name}.{flip}.table
fix h na naglass/hops 10 window 5 threshold 0.5 {framework} file {name}.{flip}.hops
fix rest rest naglass/correlate 10 file {name}.{flip}.rest
dump u all custom 10 {name}.{flip}.dump id type xu yu zu x y z
dump_modify u sort id format float %.15g
"""
START = """
create_box 2 b
create_atoms 1 random 10 4928 NULL
create_atoms 2 random 10 7777 NULL
create_atoms 2 single 5 3 3 units box
create_atoms 2 single 7 4 8 units box
mass * 10
group na id 1:10
group host id 11:20
group rest id 21:22
velocity na create 20000 12 loop all
velocity host create 2000 12 loop all
velocity na set 20 10 5 sum yes units box
"""
CASES = {
    "xy": ("4.9 0 0", "xy erate 0.6 remap x"),
    "yz": ("0 0 4.3", "yz erate 0.6 remap x"),
    "xz": ("0 4.9 0", "xz erate 0.6 remap x"),
    "back": ("-4.9 0 0", "xy erate -0.6 remap x"),
    "all": ("4.9 -4.9 2.0", "xy erate 0.9 xz erate -0.6 x scale 1.1 remap x"),
    "velocities": ("4.9 0 0", "xy erate 0.6 remap v"),
    "streaming": ("4.9 -4.9 2.0", "xy erate 0.9 xz erate -0.6 yz erate 0.4 remap v"),
    "often": ("4.9 4.9 -2.0", "xy erate 6 xz erate 4 remap x"),
}


def script(name, flip, ranks=1, start=START, after="run 400", framework="framework host"):
    tilts, shear = CASES[name]
    # with remap v, LAMMPS changes velocities where it wraps atoms: at each step, for this not to depend on flips
    check = "no" if "remap v" in shear else "yes"
    words = dict(ranks=ranks, tilts=tilts, shear=shear, flip=flip, check=check, name=name, framework=framework)
    return SETUP.format(start=start, **words) + after + "\n"


def run(folder, text, ranks=1):
    done = run_lammps(folder, text, ranks)
    assert done.returncode == 0, done.stdout[-2500:] + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """For each number of ranks, the folder of all cases, flipped and not."""
    folders = {}
    for ranks in (1, 2):
        folders[ranks] = tmp_path_factory.mktemp(f"ranks{ranks}")
        run(folders[ranks], "".join(script(name, flip, ranks) for name in CASES for flip in ("no", "yes")), ranks)
    return folders


def assert_same_table(found, expected):
    found, expected = table(found), table(expected)
    assert found.keys() == expected.keys()
    for column, values in expected.items():
        # ratios of small numbers lose digits; positions keep 1e-10
        assert found[column] == pytest.approx(values, rel=1e-6, abs=1e-8, nan_ok=True), column


def assert_same_hops(found, expected):
    found, expected = core.read_hops(found), core.read_hops(expected)
    assert found.step.tolist() == expected.step.tolist() and found.atom.tolist() == expected.atom.tolist()
    assert found.start == pytest.approx(expected.start, abs=1e-6)
    assert found.end == pytest.approx(expected.end, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ranks", [1, 2])
def test_flips_change_nothing(runs, ranks, name):
    folder = runs[ranks]
    cells = [cell for cell, _ in read_dump(folder / f"{name}.yes.dump")]
    tilts = np.array([[c[1, 0] / c[0, 0], c[2, 0] / c[0, 0], c[2, 1] / c[1, 1]] for c in cells])
    assert (np.abs(np.diff(tilts, axis=0)) > 0.5).any(), "the box was not flipped"
    for part in ("table", "rest"):
        assert_same_table(folder / f"{name}.yes.{part}", folder / f"{name}.no.{part}")
    assert_same_hops(folder / f"{name}.yes.hops", folder / f"{name}.no.hops")
    assert len(core.read_hops(folder / f"{name}.no.hops").step) > 0
    rest = table(folder / f"{name}.yes.rest")["msd_2"]
    if "remap x" in CASES[name][1]:
        assert rest == pytest.approx(0, abs=1e-16)
    else:  # the cell streams past atoms at rest
        unflipped = read_dump(folder / f"{name}.no.dump")
        first, last = (atoms[-2:, 2:5] @ np.linalg.inv(cell) for cell, atoms in (unflipped[0], unflipped[-1]))
        expected = np.square((last - first) @ unflipped[0][0]).sum(axis=1).mean()
        assert expected > 0.5 and rest[-1] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_the_library_undoes_flips(runs, name):
    """From unwrapped positions, and from wrapped ones as stored in the frames."""
    trajectories = {}
    for flip in ("no", "yes"):
        frames = read_dump(runs[1] / f"{name}.{flip}.dump")
        cells = np.array([cell for cell, _ in frames])
        for kind, columns, wrapped in (("unwrapped", slice(2, 5), False), ("wrapped", slice(5, 8), None)):
            if kind == "wrapped" and name == "often":
                continue  # ions cross more than a quarter of the sheared cell between two frames
            positions = np.array([atoms[:, columns] for _, atoms in frames])
            trajectory = core.trajectory(positions, cells, 0.01, symbols=["Na"] * 22, wrapped=wrapped)
            trajectories[kind, flip] = trajectory.positions - trajectory.positions[0]
    for kind, flip in trajectories:
        if flip == "yes":
            assert trajectories[kind, "yes"] == pytest.approx(trajectories["unwrapped", "no"], abs=1e-8)


@pytest.mark.parametrize(("first", "second", "step"), [(1, 2, 25), (2, 1, 200)])
def test_a_restart_remembers_flips(tmp_path, runs, first, second, step):
    """Written after the first flips, read on another number of ranks."""
    name = "all"
    run(tmp_path, script(name, "yes", first, after=f"run {step} start 0 stop 400\nwrite_restart half"), first)
    run(tmp_path, script(name, "yes", second, start="read_restart half", after="run 400 upto start 0 stop 400"), second)
    for part in ("table", "rest"):
        assert_same_table(tmp_path / f"{name}.yes.{part}", runs[first] / f"{name}.no.{part}")
    assert_same_hops(tmp_path / f"{name}.yes.hops", runs[first] / f"{name}.no.hops")
