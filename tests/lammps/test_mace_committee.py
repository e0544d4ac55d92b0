"""Committees of pair_style mace, compute mace/atom, fix pair, single_rank and fix naglass/select.

The oracle is mace-torch's own calculator on each model, and numpy for means and deviations.
"""

from pathlib import Path

import ase.io
import numpy as np
import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support.lammps_runs import messages, read_dump, run_lammps, thermo_tables, write_data
from support.mace_bench import deviations
from support.mace_models import ELEMENTS, build_model, packing

pytestmark = pytest.mark.mpi

SEEDS = (7, 8, 9)
MODELS = [f"m{seed}.naglass" for seed in SEEDS]
ATOMS = packing(26, 14.0, tilt=True, seed=1)
SETUP = """
units metal
newton {newton}
atom_modify map yes
read_data glass.data
pair_style {style}
pair_coeff * * {models} O Na P V
"""
DUMP = """
compute mace all mace/atom energy deviation
compute pe all pe/atom
dump atoms all custom {every} out.dump id x y z fx fy fz c_mace[1] c_mace[2] c_pe
dump_modify atoms sort id format float %.15g
thermo_style custom step pe pxx pyy pzz pyz pxz pxy
thermo_modify format float %.15g
thermo 1
"""


@pytest.fixture(scope="module")
def models():
    with default_dtype("float64"):
        # readouts of random models are small: forces that differ by some eV/Å are what a committee is about
        return [build_model(hidden="8x0e+8x1o", r_max=3.5 + 0.25 * k, max_ell=2, seed=s) for k, s in enumerate(SEEDS)]


@pytest.fixture(scope="module")
def archives(models, tmp_path_factory):
    path = tmp_path_factory.mktemp("archives")
    for model, name in zip(models, MODELS):
        export_module(model, path / name)
    return path


def made_in(archives, path: Path) -> Path:
    for name in MODELS:
        (path / name).symlink_to(archives / name)
    write_data(path / "glass.data", ATOMS, ELEMENTS)
    return path


@pytest.fixture
def folder(archives, tmp_path):
    return made_in(archives, tmp_path)


@pytest.fixture(scope="module")
def each(models):
    """Energies, forces and virials (eV) of the models, by mace-torch."""
    from mace.calculators import MACECalculator

    found = []
    with default_dtype("float64"):
        for model in models:
            atoms = ATOMS.copy()
            atoms.calc = MACECalculator(models=[model], device="cpu")
            virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
            found.append((atoms.get_potential_energies(), atoms.get_forces(), virial))
    return [np.array(part) for part in zip(*found)]


def run(folder, script, ranks=1):
    done = run_lammps(folder, script, ranks)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return done.stdout


@pytest.mark.parametrize(
    ("ranks", "newton", "options", "tolerance"),
    [
        (1, "on", "", 1e-9),
        (2, "off", "", 1e-9),
        pytest.param(4, "on", "", 1e-9, marks=pytest.mark.long),
        (1, "on", "single_rank", 1e-9),
        pytest.param(1, "off", "single_rank", 1e-9, marks=pytest.mark.long),
        (2, "on", "dtype float32", 2e-4),
    ],
)
def test_mean_and_deviation_are_those_of_the_calculators(folder, each, ranks, newton, options, tolerance):
    style = f"mace {options} out_file devi.out out_freq 1"
    script = SETUP.format(newton=newton, style=style, models=" ".join(MODELS)) + DUMP.format(every=1) + "run 0\n"
    out = run(folder, script, ranks)
    energies, forces, virials = each
    table = read_dump(folder / "out.dump")[0][1]
    scale = np.abs(forces).max()
    assert table[:, 4:7] == pytest.approx(forces.mean(axis=0), abs=tolerance * scale)
    expected = deviations(forces)
    assert expected.min() > 1e-3
    assert table[:, 8] == pytest.approx(expected, abs=tolerance * scale)
    assert table[:, 7] == pytest.approx(energies.mean(axis=0), abs=tolerance * np.abs(energies).max())
    assert table[:, 9] == pytest.approx(table[:, 7], abs=1e-12 * np.abs(energies).max())
    thermo = thermo_tables(out)[0][0]
    assert thermo[1] == pytest.approx(energies.sum(axis=1).mean(), rel=1e-9)
    pressure = virials.mean(axis=0) / ATOMS.get_volume() * 1.6021765e6
    voigt = [pressure[0, 0], pressure[1, 1], pressure[2, 2], pressure[1, 2], pressure[0, 2], pressure[0, 1]]
    assert thermo[2:] == pytest.approx(voigt, abs=tolerance * np.abs(pressure).max())
    header, line = (folder / "devi.out").read_text().splitlines()
    names = ["step", "max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"]
    assert header.split() == ["#", *names]
    spread = virials.std(axis=0) / len(ATOMS)
    wanted = [spread.max(), spread.min(), np.sqrt((spread**2).mean()), expected.max(), expected.min(), expected.mean()]
    assert [float(word) for word in line.split()[1:]] == pytest.approx(wanted, rel=1e-5 if tolerance < 1e-6 else 1e-2)


MD = "velocity all create 300 4928 loop all\ntimestep 0.001\nfix nve all nve\n"


def test_deviation_file_over_runs_and_restarts(folder):
    """One line per output step, also where one run ends and the next begins; a continued run appends."""
    pair = dict(newton="on", models=" ".join(MODELS), style="mace out_file devi.out out_freq 5")
    run(folder, SETUP.format(**pair) + MD + "run 10\nrun 5\nwrite_restart here.restart\nrun 5\n", 2)
    whole = (folder / "devi.out").read_text()
    assert [line.split()[0] for line in whole.splitlines()[1:]] == ["0", "5", "10", "15", "20"]
    again = SETUP.format(**pair).replace("read_data glass.data", "read_restart here.restart").replace("newton on", "")
    run(folder, again + "fix nve all nve\nrun 5\n", 2)
    lines = (folder / "devi.out").read_text().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["0", "5", "10", "15", "20"]
    assert [float(x) for x in lines[-1].split()] == pytest.approx(
        [float(x) for x in whole.splitlines()[-1].split()], rel=1e-6
    )


def test_fix_pair_reads_the_same_numbers(folder):
    """LAMMPS's own fix pair works without changes: the protocol is its own."""
    pair = SETUP.format(newton="on", style="mace", models=" ".join(MODELS))
    dump = DUMP.format(every=4).replace("c_pe\n", "c_pe f_devi\n")
    run(folder, pair + "fix devi all pair 4 mace deviation 1\n" + MD + dump + "run 4\n", 2)
    frames = read_dump(folder / "out.dump")
    assert len(frames) == 2
    for _, table in frames:
        assert table[:, 8].min() > 0 and np.array_equal(table[:, 8], table[:, 10])


def test_inside_hybrid_and_with_null(folder, each):
    """Deviations of the atoms the committee sees; 0 for the others."""
    script = SETUP.format(newton="on", style="hybrid/overlay mace zero 4.0", models="")
    script = script.replace(
        "pair_coeff * *  O Na P V", f"pair_coeff * * mace {' '.join(MODELS)} O NULL P V\npair_coeff * * zero"
    )
    run(folder, script + DUMP.format(every=1) + "run 0\n", 2)
    table = read_dump(folder / "out.dump")[0][1]
    sodium = np.array(ATOMS.symbols) == "Na"
    assert (table[sodium, 8] == 0).all() and (table[~sodium, 8] > 0).all()
    assert (table[sodium, 7] == 0).all()


def select(band, more="") -> str:
    return f"fix pick all naglass/select 2 band {band} file picked.xyz elements O Na P V {more}\n"


def largest_by_step(folder) -> dict[int, float]:
    rows = [line.split() for line in (folder / "devi.out").read_text().splitlines()[1:]]
    return {int(row[0]): float(row[4]) for row in rows}


def test_select_writes_the_frames_of_the_band(folder):
    pair = SETUP.format(newton="on", models=" ".join(MODELS), style="mace out_file devi.out out_freq 2")
    run(folder, pair + DUMP.format(every=2) + MD + "run 20\n")
    found = largest_by_step(folder)
    values = sorted(found.values())
    low, high = values[2] - 1e-7, values[-3] - 1e-7
    expected = [step for step, value in found.items() if low <= value < high]
    assert 2 < len(expected) < len(found) - 2
    texts = []
    for ranks in (1, 2):
        (folder / "picked.xyz").unlink(missing_ok=True)
        run(folder, pair + DUMP.format(every=2) + MD + select(f"{low:.9f} {high:.9f}") + "run 20\n", ranks)
        texts.append((folder / "picked.xyz").read_text())
    frames = ase.io.read(folder / "picked.xyz", ":")
    assert [frame.info["step"] for frame in frames] == expected
    dumped = {2 * k: table for k, (_, table) in enumerate(read_dump(folder / "out.dump"))}
    for frame in frames:
        table = dumped[frame.info["step"]]
        assert list(frame.symbols) == list(ATOMS.symbols)
        assert frame.arrays["deviation"] == pytest.approx(table[:, 8], abs=1e-6)
        assert frame.info["max_deviation"] == pytest.approx(found[frame.info["step"]], rel=1e-5)
        assert frame.cell.array == pytest.approx(ATOMS.cell.standard_form()[0].array, abs=1e-6)
    # sums over other orders of neighbors end in other last bits
    for one, other in zip(texts[0].split(), texts[1].split(), strict=True):
        same = one == other
        assert same or float(one) == pytest.approx(float(other), abs=2e-8)


def test_select_scales_the_deviation_of_each_type(folder):
    pair = SETUP.format(newton="on", models=" ".join(MODELS), style="mace")
    run(folder, pair + MD + select("0.0 100") + "run 4\n")
    plain = ase.io.read(folder / "picked.xyz", ":")
    factors = {"O": 0.5, "Na": 8.0, "P": 1.0, "V": 2.0}
    run(folder, pair + MD + select("0.0 100", "scale 0.5 8 1 2") + "run 4\n", 2)
    scaled = ase.io.read(folder / "picked.xyz", ":")
    assert len(plain) == len(scaled) == 3
    for before, after in zip(plain, scaled, strict=True):
        expected = before.arrays["deviation"] * [factors[symbol] for symbol in before.symbols]
        assert after.arrays["deviation"] == pytest.approx(expected, abs=1e-6)
        assert after.info["max_deviation"] == pytest.approx(expected.max(), abs=1e-6)
    most = max(frame.info["max_deviation"] for frame in scaled)
    out = run(folder, pair + MD + select("0.0 100", f"scale 0.5 8 1 2 stop_above {most:.9f}") + "run 4\n")
    assert "the run ends here" in out


def test_select_stops_the_run(folder):
    pair = SETUP.format(newton="on", models=" ".join(MODELS), style="mace out_file devi.out out_freq 2")
    run(folder, pair + MD + "run 20\n")
    found = largest_by_step(folder)
    limit = max(value for step, value in found.items() if step <= 8) - 1e-7
    first = min(step for step, value in found.items() if value >= limit)
    rest = "thermo_style custom step f_pick[1] f_pick[2] f_pick[4]\nrun 20\nrun 20\nwrite_data after.data\n"
    out = run(folder, pair + MD + select("0.0 100", f"stop_above {limit:.9f} min_gap 4 max_frames 2") + rest, 2)
    assert f"fix naglass/select: step {first}: deviation " in out and "the run ends here" in out
    assert max(largest_by_step(folder)) == first and (folder / "after.data").exists()
    frames = ase.io.read(folder / "picked.xyz", ":")
    assert [frame.info["step"] for frame in frames] == [0, 4][: 1 + first // 4]


def test_select_goes_on_after_a_restart(folder):
    pair = SETUP.format(newton="on", models=" ".join(MODELS), style="mace")
    pick = select("0.0 100")
    run(folder, pair + MD + pick + "run 4\nwrite_restart here.restart\nrun 4\n")
    whole = (folder / "picked.xyz").read_text()
    (folder / "picked.xyz").write_text(whole + whole[:100])
    again = pair.replace("read_data glass.data", "read_restart here.restart").replace("newton on", "")
    run(folder, again + "fix nve all nve\n" + pick + "run 4\n")
    steps = [frame.info["step"] for frame in ase.io.read(folder / "picked.xyz", ":")]
    assert steps == [0, 2, 4, 6, 8]


def test_the_gap_is_kept_over_a_restart(folder):
    pair = SETUP.format(newton="on", models=" ".join(MODELS), style="mace")
    pick = select("0.0 100", "min_gap 3 max_frames 4")
    run(folder, pair + MD + pick + "run 5\nwrite_restart here.restart\nrun 7\n")
    whole = (folder / "picked.xyz").read_text()
    again = pair.replace("read_data glass.data", "read_restart here.restart").replace("newton on", "")
    run(folder, again + "fix nve all nve\n" + pick + "run 7\n", 2)
    steps = [frame.info["step"] for frame in ase.io.read(folder / "picked.xyz", ":")]
    assert steps == [0, 4, 8, 12] and len((folder / "picked.xyz").read_text()) == len(whole)


FAULTS = [
    (dict(style="mace out_file d.out out_freq 5", models=MODELS[0]), "out_file needs a committee"),
    (dict(style="mace out_file d.out"), "out_file and out_freq must be given together"),
    (dict(style="mace out_file d.out out_freq 0"), "out_freq '0' is not a positive number of steps"),
    (dict(style="mace out_file no/such/folder out_freq 1"), "no/such/folder: cannot be opened: No such file"),
    (dict(style="mace out_freq"), "out_freq needs a value"),
    (dict(more="compute c all mace/atom spin\n"), "no quantity 'spin'; it has deviation energy energy_deviation"),
    (dict(more="compute c all mace/atom deviation\n", models=MODELS[0]), "no quantity 'deviation'; it has energy"),
    (dict(more="compute c all mace/atom\n"), "name one or more quantities"),
    (dict(more=select("0.1 0.2"), models=MODELS[0]), "provides no deviation; a committee of two or more models does"),
    (dict(more=select("0.2 0.1")), "band 0.2 0.1: must satisfy 0 <= LO < HI"),
    (dict(more=select("0.1 0.2", "scale 1 1 0 1")), "scale 1 1 0: must be positive, one per atom type"),
    (dict(more=select("0.1 0.2", "scale 1 2 3")), "scale"),
    (dict(more=select("0.1 0.2").replace("file picked.xyz", "")), "file (none): is missing"),
    (dict(more=select("0.1 0.2").replace("picked.xyz", "no/such/file")), "no/such/file: cannot be opened"),
    (dict(style="mace single_rank", map="no"), "use 'atom_modify map yes'"),
]


@pytest.fixture(scope="module")
def told(archives, tmp_path_factory) -> dict[str, str]:
    """What LAMMPS says to each faulty script, all in one process."""
    folder = made_in(archives, tmp_path_factory.mktemp("told"))
    scripts = {}
    for change, message in FAULTS:
        given = dict(newton="on", style="mace", models=" ".join(MODELS)) | change
        script = SETUP.format(**given)
        if "map" in change:
            script = script.replace("atom_modify map yes\n", "")
        scripts[message] = script + change.get("more", "") + "run 0\n"
    return messages(folder, "", scripts)


@pytest.mark.parametrize("message", [message for _, message in FAULTS])
def test_messages(told, message):
    assert message in told[message]


def test_single_rank_on_two(folder):
    done = run_lammps(folder, SETUP.format(newton="on", style="mace single_rank", models=MODELS[0]) + "run 0\n", 2)
    assert done.returncode != 0 and "single_rank on 2 ranks; remove it" in done.stdout + done.stderr


def test_shipped_example(folder):
    """lammps_inputs/mace/in.committee runs as described in its first lines."""
    text = (Path(__file__).parents[2] / "lammps_inputs" / "mace" / "in.committee").read_text()
    (folder / "a.naglass").symlink_to(folder / MODELS[0])
    (folder / "b.naglass").symlink_to(folder / MODELS[1])
    run(folder, text.replace("band 0.05 0.5", "band 0 4"), 2)
    assert len((folder / "model_devi.out").read_text().splitlines()) == 4
    assert ase.io.read(folder / "picked.xyz", ":")
