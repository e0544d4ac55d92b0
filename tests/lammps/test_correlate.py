"""fix naglass/correlate against the library on 1, 2 and 4 ranks, across restarts, and with bad input."""

from pathlib import Path

import numpy as np
import pytest

from naglass_drv import core
from support.lammps_runs import messages, read_dump, run_lammps, write_data, write_hot
from support.structures import crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
ATOMS = crystal("NVP_R-3c_Na3_ewald_ordered")
# In a triclinic cell LAMMPS converts coordinates there and back at each start of a run, which costs the last bit.
ORTHOGONAL = ATOMS.copy()
ORTHOGONAL.set_cell(np.diag(ATOMS.cell.lengths()), scale_atoms=True)
OPTIONS = "elements Na V P O points 4 overlap 0.8 van_hove 3.0 0.25 charge Na 1 charge O -2"

# Na flies, the framework swings about its places while the cell grows and shears: atoms change ranks and images. No sum
# over ranks enters the motion and atoms are wrapped at every step, so that any number of ranks, also after a restart,
# sees the same motion to the last bit.
SETUP = """
clear
units metal
atom_modify map yes
newton {newton}
processors {ranks} 1 1
{start}
pair_style zero 4.0
pair_coeff * *
neighbor 0.5 bin
neigh_modify every 1 delay 0 check no
timestep 0.01
group na type 1
group host subtract all na
fix move all nve
{forces}
fix c {group} naglass/correlate 2 {options}
"""
START = "read_data {name}.data\nvelocity all set 5 0 0 sum yes units box"
FORCES = "fix cage host spring/self 3.0\nfix box all deform 1 x scale 1.08 xy final 1.5 units box remap x"
RUN = """
dump d {group} custom 2 {name}.dump id type xsu ysu zsu
dump_modify d sort id format float %.17g
thermo_style custom step f_c[1][1] f_c[1][2] f_c[2][4]
run 40
"""


def script(name="run", group="all", options=OPTIONS, ranks=1, newton="on", forces=FORCES, start=START, after=RUN):
    text = SETUP.format(
        ranks=ranks,
        newton=newton,
        start=start.format(name=name),
        forces=forces,
        group=group,
        options=f"{options} file {name}.table",
    )
    return text + after.format(group=group, name=name)


def run(folder, text, ranks=1, atoms=ATOMS):
    write_hot(folder / "run.data", atoms, ELEMENTS)
    done = run_lammps(folder, text, ranks)
    assert done.returncode == 0, done.stdout[-2500:] + done.stderr
    return done.stdout


def table(path) -> dict[str, np.ndarray]:
    rows, by_numpy = core.read_table(path), np.genfromtxt(path, names=True)
    names = rows.dtype.names
    assert names == by_numpy.dtype.names
    assert all(np.array_equal(rows[name], np.atleast_1d(by_numpy[name]), equal_nan=True) for name in names)
    return {name: rows[name] for name in names}


def library(path, framework, points, van_hove, charges) -> core.Correlator:
    """The same correlations from the dumped scaled positions, in the first frame's cell."""
    frames = read_dump(path)
    correlator = core.Correlator(
        [ELEMENTS[int(t) - 1] for t in frames[0][1][:, 1]],
        0.02,
        points=points,
        overlap=0.8,
        van_hove=van_hove,
        charges=charges,
        framework=framework,
    )
    for _, atoms in frames:
        correlator.add(atoms[:, 2:5] @ frames[0][0])
    return correlator


def assert_table(found, expected: core.Correlator) -> None:
    result = expected.result()
    assert found["time"] == pytest.approx(result.time)
    assert found["origins"].tolist() == result.origins.tolist()
    for quantity in ("msd", "alpha2", "overlap", "chi4", "collective", "haven"):
        for element, curve in getattr(result, quantity).items():
            for part, values in (("", curve.value), ("_err", curve.err)):
                # haven and alpha2 of the framework are ratios of small numbers
                assert found[f"{quantity}_{element}{part}"] == pytest.approx(values, rel=1e-6, abs=1e-9, nan_ok=True)
    assert found["charge"] == pytest.approx(result.charge.value, rel=1e-8)


@pytest.fixture(scope="module")
def tables() -> dict:
    """By number of ranks, once made: folder and screen output of `both_runs`."""
    return {}


def both_runs(tables, folders, ranks) -> tuple[Path, str]:
    """The files of a run relative to the framework and of one with Na only, and the screen output."""
    if ranks not in tables:
        folder, newton = folders.mktemp(f"ranks{ranks}"), "off" if ranks == 2 else "on"
        host = script(options=OPTIONS + " framework host", ranks=ranks, newton=newton)
        write_hot(folder / "na.data", ATOMS, ELEMENTS)
        alone = script("na", "na", "points 6 write 7", ranks, newton)
        tables[ranks] = folder, run(folder, host + alone, ranks)
    return tables[ranks]


@pytest.mark.parametrize("ranks", [1, 2, pytest.param(4, marks=pytest.mark.long)])
def test_equals_the_library(tables, tmp_path_factory, ranks):
    folder, screen = both_runs(tables, tmp_path_factory, ranks)
    expected = library(folder / "run.dump", ("V", "P", "O"), 4, (3.0, 0.25), {"Na": 1.0, "O": -2.0})
    found = table(folder / "run.table")
    assert_table(found, expected)
    assert found["msd_Na"][0] > 0 and expected.frames == 21
    histogram = table(folder / "run.table.van_hove")
    for k in range(len(found["time"])):
        for element in ELEMENTS:
            own = histogram[f"p_{element}"].reshape(-1, 13)[k]
            assert own == pytest.approx(expected.van_hove_self(element, k)[:, 0], abs=1e-9)
    thermo = next(line for line in screen.splitlines() if line.split()[:1] == ["40"]).split()
    assert [float(word) for word in thermo[1:3]] == pytest.approx([0.02, found["origins"][0]])
    assert float(thermo[3]) == pytest.approx(found["msd_Na"][1], rel=1e-4)

    na = table(folder / "na.table")
    frames = read_dump(folder / "na.dump")
    alone = core.msd(np.array([a[:, 2:5] @ frames[0][0] for _, a in frames]), times=0.02, points=6)["X"]
    assert na["msd_1"] == pytest.approx(alone.value, rel=1e-9)
    assert "msd_2" not in na


def test_every_rank_count_gives_the_same_bits(tables):
    for name in ("run.table", "run.table.van_hove", "na.table"):
        assert len({(folder / name).read_bytes() for folder, _ in tables.values()}) == 1
    assert not list(tables[1][0].glob("*.tmp"))


@pytest.mark.parametrize(("first", "second", "step"), [(1, 4, 33), (2, 1, 32)])
def test_a_restart_goes_on_bit_for_bit(tmp_path, first, second, step):
    """Stopped between two samples or on one, on another number of ranks; without forces the motion itself is
    bit-for-bit the same. Writing a restart file wraps atoms, in both runs.
    """
    options = OPTIONS + " framework host"
    half, rest = f"run {step} upto\nwrite_restart half.restart\n", "run 60 upto\n"
    run(tmp_path, script("run", options=options, forces="", after=half + rest), atoms=ORTHOGONAL)
    whole = (tmp_path / "run.table").read_bytes()
    (tmp_path / "run.table").unlink()
    run(tmp_path, script("run", options=options, ranks=first, forces="", after=half), first, ORTHOGONAL)
    assert (tmp_path / "run.table").read_bytes() != whole
    run(
        tmp_path,
        script(
            "run", options=options, ranks=second, forces="", start="read_restart half.restart", after="run 0\n" + rest
        ),
        second,
    )
    assert (tmp_path / "run.table").read_bytes() == whole


BAD = {
    "10 charge 1 1 charge 1 2": "charge 1: is given twice",
    "2 points 5": "points 5: must be an even number",
    "2 van_hove 3.0": "van_hove 3.0 (end of line): an argument is missing",
    "2 van_hove 3.0 0": "van_hove 3.0 0: must be",
    "2 elements Na V P file c.table": "elements Na V P: needs one name per atom type, 4 in all, not 3",
    "2 elements Na V P O X file c.table": "elements Na V P O X: needs one name per atom type, 4 in all, not 5",
    "2 points 3000000000": "points 3000000000: must be at most 1000000000",
    "2 elements NULL V P O": "elements = NULL: the group contains atoms of type 1",
    "2 elements Na V P O file nowhere/c.table": "file = nowhere/c.table: cannot be opened: No such file",
}
STEPS = {
    "run 3\nreset_timestep 0": "Cannot reset timestep with time-dependent fix",
    "run 3\npair_style lj/cut 4\npair_coeff * * 0.01 2\nminimize 0 0 4 40\nrun 4": (
        "a minimization ran between samples; define the fix after it"
    ),
    "run 3\ntimestep 0.02\nrun 4": "fix naglass/correlate: timestep 0.02",
    "run 3\ndelete_atoms group some\nrun 4": "fix naglass/correlate: the group has 111 atoms instead of 120",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bad")
    write_data(folder / "run.data", ATOMS, ELEMENTS)
    setup = "units metal\nread_data run.data\npair_style zero 4.0\npair_coeff * *\ngroup some id 1:9\nfix m all nve"
    scripts = {arguments: f"fix c all naglass/correlate {arguments}\nrun 2" for arguments in BAD}
    return messages(folder, setup, scripts | {steps: f"fix c all naglass/correlate 2\n{steps}" for steps in STEPS})


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(told, arguments):
    assert f"fix naglass/correlate: {BAD[arguments]}" in told[arguments]


@pytest.mark.parametrize("case", STEPS)
def test_uneven_samples_are_refused(told, case):
    assert STEPS[case] in told[case]
