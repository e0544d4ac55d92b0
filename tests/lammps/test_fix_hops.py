"""fix naglass/hops against the library on dumped frames, on any number of ranks, across restarts and kills."""

import sys

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import messages, read_dump, run_lammps, write_data
from support.structures import crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O", "F"]
STRUCTURES = {
    "triclinic": crystal("NVP_R-3c_Na3_ewald_ordered").repeat((2, 2, 1)),
    "tetragonal": crystal("NVPF_P42mnm_allNa").repeat((2, 2, 2)),
}
W = 3
FIX = f"naglass/hops 5 window {W} threshold 0.8 release 0.3 min_length 1.2 return 30"
OPTIONS = {"window": W, "threshold": 0.8, "release": 0.3, "min_length": 1.2, "return_within": 30}
CAGE = "elements Na V P O F cutoff Na O 2.9 cutoff Na F 2.9"
STEPS = 150
RESTART = {"triclinic": 45, "tetragonal": 48}  # at a sample, and between two

# All atoms drift across the boundary, driven Na swing to and fro by 2.4 A, the cell is strained and sheared. Nothing
# depends on the order of a sum, so that all numbers of ranks see the same trajectory to the last bit.
START = """
units metal
newton {newton}
processors {ranks} 1 1
{read}
"""
MOTION = """
variable vx atom "8 - 24*cos(id)"
variable vy atom "-24*cos(id)*cos(2.3*id)"
velocity all set 8.0 0.0 6.0
velocity na set v_vx v_vy NULL
"""
FIXES = """
pair_style zero 4.0
pair_coeff * *
neighbor 0.5 bin
neigh_modify every 1 delay 0 check yes
timestep 0.004
variable fx atom "0.72*sin(12.566*step*dt + id)"
variable fy atom "v_fx*cos(2.3*id)"
fix move all nve
fix drive na addforce v_fx v_fy 0.0
fix strain all deform 5 x vel 0.4 z vel -0.3 {shear} remap x
fix h na {fix} framework host file {name}.hops {cage}
fix two two {fix} framework host file {name}.two.hops
dump d all custom 5 {name}.dump id type xsu ysu zsu f_h f_two
dump_modify d sort id format float %.17g
thermo_style custom step f_h[1] f_h[2] f_h[3]
thermo_modify format float %.17g
restart {every} {name}.*.restart
run {steps} upto start 0 stop {steps}
"""


def fixes(name) -> str:
    shear = "xy vel 0.3" if name == "triclinic" else ""
    return FIXES.format(fix=FIX, name=name, shear=shear, cage=CAGE, every=RESTART[name], steps=STEPS)


def whole_run(name, ranks, newton="on") -> str:
    groups = "group na type 1\ngroup host subtract all na\ngroup two id 8 378\n"
    start = START.format(newton=newton, ranks=ranks, read=f"read_data {name}.data")
    return "clear\n" + start + groups + MOTION + fixes(name)


def resumed_run(name, ranks, newton="on") -> str:
    read = f"read_restart {name}.{RESTART[name]}.restart"
    return "clear\n" + START.format(newton=newton, ranks=ranks, read=read) + fixes(name)


def run(folder, text, ranks) -> list[list[str]]:
    """Runs it and returns the rows of thermo output at the last step."""
    for name, atoms in STRUCTURES.items():
        write_data(folder / f"{name}.data", atoms, ELEMENTS)
    done = run_lammps(folder, text, ranks)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == 4 and row[0] == str(STEPS)]


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory):
    """Folder of the whole runs on one rank, and their last rows of thermo output."""
    folder = tmp_path_factory.mktemp("one")
    return folder, dict(zip(STRUCTURES, run(folder, "".join(whole_run(name, 1) for name in STRUCTURES), 1)))


def library_hops(path) -> tuple[core.Hops, list]:
    """The library's result for the dump, with frames as atoms and each frame's corner at the origin."""
    frames = []
    for cell, table in read_dump(path):
        symbols = [ELEMENTS[int(t) - 1] for t in table[:, 1]]
        frames.append(Atoms(symbols, positions=table[:, 2:5] @ cell, cell=cell, pbc=True))
    cage = {element: 2.9 for element in ("O", "F") if element in frames[0].get_chemical_symbols()}
    return core.detect_hops(frames, steps=range(0, 5 * len(frames), 5), cage=cage, **OPTIONS), frames


@pytest.mark.parametrize("name", STRUCTURES)
def test_equals_the_library(one_rank, name):
    """Every column of every hop that is certain by the end, the counts of each atom, the global numbers."""
    folder, last_rows = one_rank
    hops, frames = library_hops(folder / f"{name}.dump")
    tags = hops.atom + 1
    ours = core.read_hops(folder / f"{name}.hops")
    certain = hops.step <= STEPS - 5 * (2 * W - 1)
    assert 0 < hops.returned[certain].sum() < certain.sum()
    assert ours.step.tolist() == hops.step[certain].tolist()
    assert ours.atom.tolist() == tags[certain].tolist()
    assert ours.waiting.tolist() == hops.waiting[certain].tolist()
    assert ours.returned.tolist() == hops.returned[certain].tolist()
    assert ours.p_max == pytest.approx(hops.p_max[certain], rel=1e-7)
    assert ours.start == pytest.approx(hops.start[certain], abs=1e-7)
    assert ours.end == pytest.approx(hops.end[certain], abs=1e-7)
    assert ours.overlap == pytest.approx(hops.overlap[certain], abs=1e-5, nan_ok=True)
    assert len(set(ours.overlap.tolist())) > 3
    images = np.floor([f.get_scaled_positions(wrap=False) for f in (frames[0], frames[-1])])
    assert (images[0] != images[1]).any(), "no atom left the cell: nothing migrated"

    # a hop counts when its excursion has ended, 2w samples after its step at the latest
    counted = read_dump(folder / f"{name}.dump")[-1][1][:, 5]
    surely = np.bincount(tags[certain], minlength=len(frames[0]) + 1)[1:]
    at_most = np.bincount(tags, minlength=len(frames[0]) + 1)[1:]
    assert ((surely <= counted) & (counted <= at_most)).all()

    samples = STEPS // 5 + 1 - 2 * W + 1 - W - 1
    row = last_rows[name]
    assert [int(row[1]), int(row[2])] == [len(ours), int(ours.returned.sum())]
    assert float(row[3]) == pytest.approx(len(ours) / len(hops.mobile) / (samples * 0.02), rel=1e-12)


def test_hops_of_an_atom_do_not_depend_on_who_else_is_followed(one_rank):
    two, whole = (core.read_hops(one_rank[0] / f"triclinic.{kind}") for kind in ("two.hops", "hops"))
    mine = np.isin(whole.atom, [8, 378])
    assert 2 < len(two) == mine.sum() and np.isnan(two.overlap).all()
    assert (two.start.tolist(), two.p_max.tolist()) == (whole.start[mine].tolist(), whole.p_max[mine].tolist())


def states(restart_file) -> list[bytes]:
    """The states of both fixes as stored in the restart file, after the style name."""
    parts = restart_file.read_bytes().split(b"naglass/hops\0")[1:]
    found = [part[4 : 4 + int.from_bytes(part[:4], sys.byteorder)] for part in parts]
    assert len(found) == 2 and min(len(state) for state in found) > 1000
    return found


def copy_restart(source, folder, name) -> None:
    """The restart file, and the events of a run killed later, in the middle of the first number of a line."""
    restart = f"{name}.{RESTART[name]}.restart"
    (folder / restart).write_bytes((source / restart).read_bytes())
    for kind in ("hops", "two.hops"):
        (folder / f"{name}.{kind}").write_text((source / f"{name}.{kind}").read_text() + "1")


def assert_same_run(folder, expected, name, tolerance=0.0) -> None:
    """Events, and the last frame with the counts of both fixes."""
    for kind in ("hops", "two.hops"):
        assert (folder / f"{name}.{kind}").read_text() == (expected / f"{name}.{kind}").read_text()
    last, other = (read_dump(place / f"{name}.dump")[-1][1] for place in (folder, expected))
    assert np.abs(last - other).max() <= tolerance


def test_two_ranks_change_nothing(tmp_path, one_rank):
    expected, last_rows = one_rank
    rows = run(tmp_path, "".join(whole_run(name, 2, "off") for name in STRUCTURES), 2)
    assert rows == list(last_rows.values())
    for name in STRUCTURES:
        assert_same_run(tmp_path, expected, name)


@pytest.mark.long
def test_four_ranks_change_nothing(tmp_path, one_rank):
    """The first steps, with two atoms at home on one rank; the other ranks have no state."""
    steps = 70
    write_data(tmp_path / "triclinic.data", STRUCTURES["triclinic"], ELEMENTS)
    text = whole_run("triclinic", 4).replace(f"run {STEPS} upto", f"run {steps} upto")
    done = run_lammps(tmp_path, text, 4)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    for kind in ("hops", "two.hops"):
        lines = (one_rank[0] / f"triclinic.{kind}").read_text().splitlines()
        certain = [line for line in lines[:-1] if line[0] == "#" or int(line.split()[0]) <= steps - 5 * (2 * W - 1)]
        *ours, last_line = (tmp_path / f"triclinic.{kind}").read_text().splitlines()
        assert ours == certain and len(certain) > 3
        assert last_line.startswith(f"# until {steps} observed_steps ")
    last, other = (read_dump(place / "triclinic.dump")[steps // 5][1] for place in (tmp_path, one_rank[0]))
    assert (last == other).all()


@pytest.mark.parametrize(
    ("ranks", "newton", "name"),
    [(1, "on", "tetragonal"), (2, "off", "tetragonal"), pytest.param(4, "on", "triclinic", marks=pytest.mark.long)],
)
def test_restarts_and_kills_change_nothing(tmp_path, one_rank, ranks, newton, name):
    """Resumes mid-window, on a different number of ranks, over the events of a run that went further and was killed."""
    expected, last_rows = one_rank
    copy_restart(expected, tmp_path, name)
    rows = run(tmp_path, resumed_run(name, ranks, newton), ranks)
    assert rows == [last_rows[name]]
    # LAMMPS itself rounds the positions of a tilted cell once more at a restart.
    assert_same_run(tmp_path, expected, name, tolerance=1e-11 if name == "triclinic" else 0.0)
    if name == "tetragonal":
        later = f"{name}.{3 * RESTART[name]}.restart"
        assert states(tmp_path / later) == states(expected / later)


TORN = "# naglass/hops\n10 1 0 0 0 1 1 1 2 nan -1 0\n15 1 0 0 0 1 1 1 2 nan 5 0\n20 1 0 0 0 1 1 1 2 nan 5 0\n2"


def test_a_restart_keeps_what_was_certain_and_misses_what_is_not_there(tmp_path, one_rank):
    name = "tetragonal"
    copy_restart(one_rank[0], tmp_path, name)
    (tmp_path / f"{name}.hops").unlink()
    (tmp_path / f"{name}.two.hops").write_text(TORN)
    done = run_lammps(tmp_path, resumed_run(name, 1).replace(f"run {STEPS}", "run 48"))
    assert done.returncode == 0, done.stdout[-2000:]
    header = (tmp_path / f"{name}.hops").read_text().splitlines()
    assert header[0].startswith("# step tag from_x") and header[1].startswith("# naglass/hops every 5 window 3")
    assert all(line.startswith("#") for line in header)
    assert f"file {name}.hops has 0 of the" in done.stdout
    # the last sample was step 45: what was certain then are the hops up to 45 - 5 (2 w - 1) = 20
    torn = (tmp_path / f"{name}.two.hops").read_text()
    assert torn.startswith(TORN[:-1]) and torn[len(TORN) - 1 :].startswith("# until 48 observed_steps ")


BAD = {
    "5 window 0": "window 0: must be a whole number of at least 1",
    "5 release 1.5": "release 1.5: must be positive and at most the threshold",
    "5 framework empty": "the framework group contains no atoms",
    "5 file no/such/folder": "file = no/such/folder: cannot be opened: No such file or directory",
}
# What goes wrong after the fix was defined: commands, message.
LATER = {
    "group na type 2\nrun 10": "joined the group during the run",
    "set group one type 2\ngroup na clear\ngroup na type 1\nrun 10": "was lost or left the group during the run",
    "group host type 1\nrun 10": "framework: group host has ",
    "run 3\nminimize 0 0 3 3": "a minimization ran between samples",
    "delete_atoms group na\nrun 10": "was lost or left the group",
}


SETUP = """units metal
atom_modify map array
read_data small.data
pair_style zero 4.0
pair_coeff * *
group na type 1
group one id 1
group host subtract all na
group empty subtract na na
velocity all create 300 1
fix move all nve"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bad")
    write_data(folder / "small.data", crystal("NVPF_P42mnm_allNa"), ELEMENTS)
    scripts = {arguments: f"fix h na naglass/hops {arguments}\nrun 5" for arguments in BAD}
    later = {commands: f"fix h na naglass/hops 5 window 2 framework host\nrun 0\n{commands}" for commands in LATER}
    return messages(folder, SETUP, scripts | later)


@pytest.mark.parametrize("case", [*BAD, *LATER])
def test_what_is_wrong_is_named(told, case):
    assert told[case].startswith("ERROR") and "fix naglass/hops: " in told[case]
    assert (BAD | LATER)[case] in told[case]


def test_other_settings_at_a_restart_are_refused(tmp_path, one_rank):
    name = "tetragonal"
    copy_restart(one_rank[0], tmp_path, name)
    for change, message in (
        (("window 3", "window 4"), "window 4: the restart file has 3"),
        (("framework host ", ""), "framework none: the restart file has given"),
    ):
        done = run_lammps(tmp_path, resumed_run(name, 1).replace(*change))
        assert done.returncode != 0 and f"fix naglass/hops: {message}" in done.stdout
