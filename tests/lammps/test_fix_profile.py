"""fix naglass/profile against the library on 1, 2 and 4 ranks, across restarts, and with bad input."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from support.lammps_runs import messages, read_dump, run_lammps, thermo_tables, write_data, write_hot
from support.structures import crystal

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
ATOMS = crystal("NVP_R-3c_Na3_ewald_ordered")
# In a triclinic cell LAMMPS converts coordinates there and back at each start of a run, which costs the last bit.
ORTHOGONAL = ATOMS.copy()
ORTHOGONAL.set_cell(np.diag(ATOMS.cell.lengths()), scale_atoms=True)

# A crystal that is said to lie between two heights which move upwards, out of the cell and into it again, by the order
# parameter of its oxygens. No sums over ranks enter the motion, so that it is the same on any number of ranks to the
# last bit.
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
group host type 2 3 4
fix move all nve
{forces}
variable middle equal 8.0+0.6*step
variable away atom abs(z-v_middle-lz*floor((z-v_middle)/lz+0.5))
variable s atom 0.1+0.8/(1.0+exp((v_away-4.5)/0.5))
compute q all naglass/qn/atom elements Na V P O former P metal V oxygen O cutoff P O 2.0 cutoff V O 2.5
fix p all naglass/profile 2 elements Na V P O {options} file {name}.profile
"""
START = "read_data {name}.data\nvelocity all set 5 0 0 sum yes units box"
FORCES = "fix cage host spring/self 3.0\nfix box all deform 1 x scale 1.08 z scale 1.02 xy final 1.5 remap x"
SURFACES = "surface v_s O value c_q[1] P value v_away V width 1.1 write 4"
ACROSS = "value c_q[1] P value v_s O axis x width 2 write 7"
RUN = """
dump d all custom 2 {name}.dump id type xs ys zs v_s v_away c_q[1]
dump_modify d sort id format float %.17g
thermo_style custom step f_p[1] f_p[2] f_p[3] f_p[4] f_p[5]
thermo 40
run 40
"""


def script(name="run", options=SURFACES, ranks=1, newton="on", forces=FORCES, start=START, after=RUN):
    text = SETUP.format(
        ranks=ranks, newton=newton, start=start.format(name=name), forces=forces, options=options, name=name
    )
    return text + after.format(name=name)


def run(folder, text, ranks=1, atoms=ATOMS):
    write_hot(folder / "run.data", atoms, ELEMENTS)
    done = run_lammps(folder, text, ranks)
    assert done.returncode == 0, done.stdout[-2500:] + done.stderr
    return done.stdout


def library(path, *, surfaces: bool) -> core.Profile:
    """The same profile from the dumped positions, order parameters and values."""
    profiler = core.Profiler(width=1.1) if surfaces else core.Profiler(axis=0, width=2.0)
    for cell, table in read_dump(path):
        symbols = np.array([ELEMENTS[int(t) - 1] for t in table[:, 1]])
        atoms = Atoms(symbols, scaled_positions=table[:, 2:5], cell=cell, pbc=True)
        of = {element: np.where(symbols == element, table.T[5:8], np.nan) for element in "VPO"}
        if surfaces:
            profiler.add(atoms, {"c_q[1]:P": of["P"][2], "v_away:V": of["V"][1]}, order=of["O"][0])
        else:
            profiler.add(atoms, {"c_q[1]:P": of["P"][2], "v_s:O": of["O"][0]})
    return profiler.result()


def assert_same(found: core.Profile, expected: core.Profile, samples: int) -> None:
    assert found.distance == pytest.approx(expected.distance) and found.width == pytest.approx(expected.width)
    assert set(found.columns) == set(expected.columns) and expected.samples == 21
    assert found.samples == samples
    for name, column in expected.columns.items():
        assert found[name].value == pytest.approx(column.value, rel=1e-5, abs=1e-12, nan_ok=True), name
        assert found[name].numerator.sum() == pytest.approx(column.numerator.sum(), rel=1e-4), name


@pytest.fixture(scope="module")
def runs() -> dict:
    return {}


def both_runs(runs, folders, ranks):
    """Folder with the files of a run about surfaces and one across the cell, and the screen output."""
    if ranks not in runs:
        folder, newton = folders.mktemp(f"ranks{ranks}"), "off" if ranks == 2 else "on"
        write_hot(folder / "across.data", ATOMS, ELEMENTS)
        across = script("across", ACROSS, ranks, newton)
        runs[ranks] = folder, run(folder, script(ranks=ranks, newton=newton) + across, ranks)
    return runs[ranks]


@pytest.mark.parametrize("ranks", [1, 2, pytest.param(4, marks=pytest.mark.long)])
def test_equals_the_library(runs, tmp_path_factory, ranks):
    folder, screen = both_runs(runs, tmp_path_factory, ranks)
    expected = library(folder / "run.dump", surfaces=True)
    found = core.read_profile(folder / "run.profile")
    assert_same(found, expected, 6)  # five blocks of four samples, and one of one
    blocks = np.array([expected.position[4 * k : 4 * k + 4].mean(axis=0) for k in range(6)])
    assert found.position == pytest.approx(blocks, rel=1e-6)
    assert np.diff(expected.position[:, 0]) == pytest.approx(1.2, abs=0.6)
    thermo = thermo_tables(screen)[0][-1]
    assert thermo[:3].tolist() == [40, 21, 0]
    assert thermo[3:] == pytest.approx([*expected.position[-1], expected.surface_width[-1, 0]], rel=1e-4)

    assert_same(core.read_profile(folder / "across.profile"), library(folder / "across.dump", surfaces=False), 3)


def test_every_rank_count_gives_the_same_bits(runs, tmp_path_factory):
    both_runs(runs, tmp_path_factory, 1), both_runs(runs, tmp_path_factory, 2)
    for name in ("run.profile", "across.profile"):
        assert len({(folder / name).read_bytes() for folder, _ in runs.values()}) == 1


@pytest.mark.parametrize(("first", "second", "step"), [(1, 4, 33), (2, 1, 32)])
def test_a_restart_goes_on_bit_for_bit(tmp_path, first, second, step):
    """Stopped within a block, between two samples or on one; the run that was stopped had gone on past its restart."""
    half, rest = f"run {step} upto\nwrite_restart half.restart\n", "run 60 upto\n"
    run(tmp_path, script(forces="", after=half + rest), atoms=ORTHOGONAL)
    whole = (tmp_path / "run.profile").read_bytes()
    (tmp_path / "run.profile").unlink()
    run(tmp_path, script(forces="", ranks=first, after=half + "run 44 upto\n"), first, ORTHOGONAL)
    assert (tmp_path / "run.profile").read_bytes() != whole
    run(tmp_path, script(forces="", ranks=second, start="read_restart half.restart", after="run 0\n" + rest), second)
    assert (tmp_path / "run.profile").read_bytes() == whole


def test_samples_without_surfaces_are_counted(tmp_path):
    """A crystal that melts at step 20."""
    text = script(after="thermo_style custom step f_p[1] f_p[2]\nrun 40\n")
    screen = run(tmp_path, text.replace("variable s atom 0.1+0.8/", "variable s atom 0.1+0.8*(step<20)/"))
    assert thermo_tables(screen)[-1][-1].tolist() == [40, 10, 11]
    table = core.read_table(tmp_path / "run.profile")
    assert np.unique(table["step"]).tolist() == [6, 14, 22] and table["samples"][-1] == 2


def test_energies_are_tallied_on_the_samples(tmp_path):
    """Per-atom energies exist only on steps for which they are asked for in time; their sum is the potential energy."""
    text = """
units metal
read_data run.data
pair_style lj/cut 4.0
pair_coeff * * 0.01 2.0
compute e all pe/atom
fix move all nve
fix p all naglass/profile 3 elements X X X X value c_e X write 1 file run.profile
thermo_style custom step pe
thermo 3
thermo_modify format float %.12g norm no
run 9
"""
    screen = run(tmp_path, text)
    energy = thermo_tables(screen)[-1][:, 1]
    found = core.read_profile(tmp_path / "run.profile")["c_e:X"]
    assert found.numerator.sum(axis=(1, 2)) == pytest.approx(energy, rel=1e-9)


def test_a_rerun_reproduces_the_run(tmp_path):
    text = script(after="dump w all custom 1 all.dump id type x y z\ndump_modify w format float %.17g\nrun 12\n")
    again = script(forces="", after="rerun all.dump dump x y z box yes\n").replace("run.profile", "again.profile")
    run(tmp_path, text + again)
    first, second = (core.read_table(tmp_path / f"{name}.profile") for name in ("run", "again"))
    assert first.dtype == second.dtype and len(first) == 80
    for name in first.dtype.names:
        assert second[name] == pytest.approx(first[name], rel=1e-6), name


def test_a_restart_needs_the_same_columns(tmp_path):
    run(tmp_path, script(after="run 5\nwrite_restart half.restart\n"))
    other = SURFACES.replace("value v_away V", "value v_away P")
    done = run_lammps(tmp_path, script(options=other, start="read_restart half.restart", after="run 1\n"))
    assert "checksum of elements and values" in done.stdout and "it must stay the same" in done.stdout


BAD = {
    "2 elements Na V P O": "file (none): is missing",
    "2 elements Na V P O file p.txt width 0": "width 0: must be positive",
    "2 elements Na V P O file p.txt reach 0.5": "reach 0.5: must be at least the width of a layer",
    "2 elements Na V P O file p.txt axis w": "axis w: must be one of x, y, z",
    "2 elements Na V P O file p.txt value c_q Si": "value Si: is not among the names given by 'elements'",
    "2 elements Na V P O file p.txt value mass O": "value mass: must be c_ID",
    "2 elements Na V P O file p.txt value c_none O": "value c_none: there is no such compute",
    "2 elements Na V P O file p.txt surface v_none O": "surface v_none: there is no such variable",
    "2 elements Na V P O file nowhere/p.txt": "file = nowhere/p.txt: cannot be opened: No such file",
    "2 elements Na V P O file p.txt value v_bad O": "v_bad:O = inf: of atom",
    "2 elements NULL NULL NULL NULL file p.txt": "elements NULL: no atom type has a name",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bad")
    write_data(folder / "run.data", ATOMS, ELEMENTS)
    setup = "units metal\nread_data run.data\npair_style zero 4.0\npair_coeff * *\nfix m all nve\n"
    setup += "variable bad atom exp(1000+0*x)"
    return messages(folder, setup, {words: f"fix c all naglass/profile {words}\nrun 2" for words in BAD})


@pytest.mark.parametrize("arguments", BAD)
def test_bad_argument_is_named(told, arguments):
    assert f"fix naglass/profile: {BAD[arguments]}" in told[arguments]
