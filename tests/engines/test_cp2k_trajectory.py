"""Runs that move atoms, and files of electronic structure: real outputs of CP2K 2023.1 (and 2025.1, `late_...`), cut,
repeated, damaged."""

import contextlib
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv.engines.cp2k import parse
from naglass_drv.engines.cp2k.parse.electronic import read_cube_head, read_pdos, read_wannier
from naglass_drv.engines.cp2k.parse.trajectory import Trajectory, read_trajectory
from support.structures import DATA

RUNS = DATA / "cp2k"
NAVPO5 = ["Na", "V", "P", "O", "O", "O", "O", "O"]
HARTREE, BOHR = parse.HARTREE_EV, parse.BOHR_A


def trajectory(name: str, folder: Path | None = None) -> Trajectory:
    folder = folder or RUNS / name
    return read_trajectory(folder, name, folder / f"{name}.out", NAVPO5)


@pytest.fixture
def copy(tmp_path):
    """A run's folder to damage."""

    def make(name: str) -> Path:
        shutil.copytree(RUNS / name, tmp_path / name)
        return tmp_path / name

    return make


def change(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_every_step_with_its_own_numbers():
    run = trajectory("x_md")
    assert [frame.step for frame in run.frames] == list(range(11)) and run.dropped == ()
    assert run.header.ended and run.header.density_guess == "ATOMIC"
    first, last = run.frames[0], run.frames[10]
    assert first.positions[0] == pytest.approx([3.2817315700, 3.2751944700, 8.0385978100], abs=1e-12)
    assert first.cell == pytest.approx(np.diag([6.5, 6.5, 9.5]))
    assert first.evaluation.energy_eV == pytest.approx(-28.071617429273417 * HARTREE, abs=1e-10)
    assert first.velocities[0, 0] == pytest.approx(0.0001726102 * 21876.9126364, rel=1e-9)
    assert last.time_fs == 10.0
    assert all(frame.evaluation.scf_converged for frame in run.frames)
    assert first.evaluation.charge_mulliken[0] == 0.947215


def test_stress_of_a_step_is_the_virial_without_the_kinetic_part():
    """`*-1.stress` and `MD| Pressure` hold the kinetic part: -17463 bar at step 0; the virial alone is -18186."""
    stress = trajectory("x_md").frames[0].evaluation.stress_eV_per_A3
    assert -np.trace(stress) / 3 * 160.2176634 == pytest.approx(-1.81857151135, rel=1e-9)


def test_forces_follow_the_energy_along_the_path():
    """Work done by the forces between two steps equals the difference of their energies: same step, same sign."""
    frames = trajectory("x_md").frames
    for a, b in itertools.pairwise(frames):
        mean = 0.5 * (a.evaluation.forces_eV_per_A + b.evaluation.forces_eV_per_A)
        work = float((mean * (b.positions - a.positions)).sum())
        assert b.evaluation.energy_eV - a.evaluation.energy_eV == pytest.approx(-work, rel=0.02, abs=1e-4)


def test_wall_time_poisons_the_last_step():
    """The stopped run wrote step 1 with step 0's positions and energy, and unconverged forces."""
    run = trajectory("e_wall")
    assert run.header.out_of_time and run.header.ended
    assert [frame.step for frame in run.frames] == [0] and run.frames[0].evaluation.scf_converged is False
    assert run.dropped == (
        "step 1: the energy in the file of positions is not that of the step's own SCF (stopped within a step)",
    )


def test_killed_run_keeps_what_was_whole():
    run = trajectory("k_md")
    assert not run.header.ended and [frame.step for frame in run.frames] == [0]


def test_continued_run_counts_on():
    run = trajectory("ci_rs")
    assert run.header.density_guess == "RESTART" and [frame.step for frame in run.frames] == [5, 6]
    assert run.dropped == ("no positions were written for 1 step (4)",)
    before = trajectory("ci_md").frames[-1]
    # the continued run starts from the last step of the run before: same forces to the tolerance of the SCF
    assert before.step == 4 and before.evaluation.plus_u_eV == pytest.approx(0.0795463 * HARTREE, abs=1e-4)


def test_relaxation_of_a_cell_takes_the_accepted_evaluation():
    """A line search evaluates more often than it steps; each step has the cell and the energy it was accepted with."""
    run = trajectory("cell_opt")
    assert [frame.step for frame in run.frames] == [1, 2, 3, 4] and run.dropped == ()
    volumes = [np.linalg.det(frame.cell) for frame in run.frames]
    assert volumes == pytest.approx([398.7194322144, 396.5481965269, 392.6930779122, 390.7548153060], abs=1e-5)
    assert run.frames[0].evaluation.energy_eV == pytest.approx(-28.081817119395865 * HARTREE, abs=1e-9)


def test_closed_shell_has_charges_and_no_moments():
    found = parse.read(RUNS / "closed_shell.out", ["O", "Na", "Na"])
    assert found.spin_mulliken is None and found.spin_hirshfeld is None
    assert found.charge_mulliken.tolist() == [-0.602115, -0.763786, 2.471511]
    assert found.charge_hirshfeld.tolist() == [-0.545, -0.492, 2.136]


def test_torn_last_frame_is_dropped(copy):
    folder = copy("x_md")
    path = folder / "x_md-pos-1.xyz"
    path.write_text(path.read_text()[:-20])
    run = trajectory("x_md", folder)
    assert [frame.step for frame in run.frames] == list(range(10))
    assert run.dropped[0] == "x_md-pos-1.xyz: the last frame is incomplete"


def test_kinds_stand_for_elements(copy):
    folder = copy("x_md")
    for kind in ("pos", "frc", "vel"):
        change(folder / f"x_md-{kind}-1.xyz", "\n  V ", "\n  V1", -1)
    assert len(trajectory("x_md", folder).frames) == 11


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("x_md-pos-1.xyz", " i =        3,", " i =        2,", "step 2 appears twice"),
        ("x_md-pos-1.xyz", "  V ", "  O ", "is not a row of V"),
        ("x_md-pos-1.xyz", "3.2751944700", "************", "is not a number"),
        ("x_md-pos-1.xyz", "3.2751944700", " 3.275194470", "has a truncated number"),
        (
            "x_md-pos-1.xyz",
            "3.2817315700        3.2751944700",
            "3281731570000        3.2751944700",
            "has a truncated number",
        ),
        ("x_md-frc-1.xyz", "-0.0001732155", "-.0001732155", "is not a number"),
        ("x_md-1.cell", "401.3750000000", "402.3750000000", "is not a step with a cell and its volume"),
        (
            "x_md.out",
            "MD| Step number                                                               2",
            "MD| Step number                                                               1",
            "step 1 appears twice",
        ),
        ("x_md.out", "0.674710", "0.974710", "alpha - beta"),
    ],
)
def test_contradictions_are_errors(copy, file, old, new, message):
    folder = copy("x_md")
    change(folder / file, old, new)
    with pytest.raises(parse.OutputError, match=message):
        trajectory("x_md", folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "step"),
    [
        ("x_md-pos-1.xyz", "E =       -28.0716174293", "E =       -28.0716174393", 0),
        ("x_md-frc-1.xyz", "-0.0001732155", "-0.0001733155", 0),
    ],
)
def test_steps_that_mix_are_dropped(copy, file, old, new, step):
    folder = copy("x_md")
    change(folder / file, old, new)
    run = trajectory("x_md", folder)
    assert [frame.step for frame in run.frames] == [k for k in range(11) if k != step]
    assert f"step {step}: " in run.dropped[0]


def test_appended_output_is_refused(copy):
    folder = copy("x_md")
    text = (folder / "x_md.out").read_text()
    (folder / "x_md.out").write_text(text + text)
    with pytest.raises(parse.OutputError, match="2 runs in one file"):
        trajectory("x_md", folder)


MOVING = ("cell_opt", "ci_md", "ci_rs", "e_wall", "k_md", "late_md", "late_opt", "late_wall", "x_md")
KINDS = (".out", "-pos-1.xyz", "-frc-1.xyz", "-vel-1.xyz", "-1.cell")
FILES = {run: [path for kind in KINDS if (path := RUNS / run / f"{run}{kind}").exists()] for run in MOVING}
TEXTS = {run: {path.name: path.read_text() for path in FILES[run]} for run in MOVING}
WHOLE = {run: {frame.step: frame for frame in trajectory(run).frames} for run in MOVING}


def test_steps_as_2025_1_prints_them():
    run = trajectory("late_md")
    assert [frame.step for frame in run.frames] == [0, 1, 2, 3, 4, 5] and run.dropped == ()
    first, last = run.frames[0].evaluation, run.frames[5].evaluation
    assert first.energy_eV == pytest.approx(-28.073908965794388 * HARTREE, abs=1e-9)
    assert last.spin_mulliken[1] == 0.724668 and last.scf_converged
    # printed in bar: -13053.2479498
    assert first.stress_eV_per_A3[0, 0] == pytest.approx(1.30532479498 / 160.2176634, rel=1e-9)
    relaxed = trajectory("late_opt")
    assert [frame.step for frame in relaxed.frames] == [1, 2, 3, 4, 5, 6]
    energies = [frame.evaluation.energy_eV for frame in relaxed.frames]
    assert energies == sorted(energies, reverse=True)


def test_the_step_that_walltime_spoils_is_dropped_in_2025_1_too():
    run = trajectory("late_wall")
    assert run.header.out_of_time and [frame.step for frame in run.frames] == [0, 1, 2, 3]
    assert [note.split(":")[0] for note in run.dropped] == ["step 4"]


@settings(max_examples=150, deadline=None)
@given(run=st.sampled_from(MOVING), data=st.data())
def test_a_damaged_run_gives_true_frames_or_an_error(tmp_path_factory, run, data):
    """Cut anywhere, with a piece repeated or left out: what is still given is what the whole run gives."""
    name = data.draw(st.sampled_from(sorted(TEXTS[run])))
    text = TEXTS[run][name]
    a, b = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    damaged = data.draw(st.sampled_from([text[:a], text[:a] + text[b:], text[:b] + text[a:]]))
    folder = tmp_path_factory.mktemp("damaged")
    for other, content in (TEXTS[run] | {name: damaged}).items():
        (folder / other).write_text(content)
    try:
        found_run = trajectory(run, folder)
    except parse.OutputError:
        return
    for frame in found_run.frames:
        true = WHOLE[run][frame.step]
        assert np.array_equal(frame.positions, true.positions) and np.array_equal(frame.cell, true.cell)
        found, expected = frame.evaluation, true.evaluation
        assert found.energy_eV == expected.energy_eV
        assert expected.scf_converged or not found.scf_converged
        for key in ("forces_eV_per_A", "stress_eV_per_A3", "spin_mulliken", "spin_hirshfeld"):
            if getattr(found, key) is not None:
                assert np.array_equal(getattr(found, key), getattr(expected, key)), key


def test_a_row_too_many_is_no_incomplete_frame(tmp_path):
    """A repeated piece of a file moves a row's numbers to the atom after it, and leaves one row at the end."""
    text = TEXTS["k_md"]["k_md-pos-1.xyz"]
    shifted = text[:268] + text[203:]
    for other, content in (TEXTS["k_md"] | {"k_md-pos-1.xyz": shifted}).items():
        (tmp_path / other).write_text(content)
    with pytest.raises(parse.OutputError, match="k_md-pos-1.xyz: line 11: not the beginning of a frame of 8 atoms"):
        trajectory("k_md", tmp_path)


CENTERS = RUNS / "ci_md" / "ci_md-wannier.xyz"
ELECTRONIC = {
    "wannier": (CENTERS, lambda path: read_wannier(path, NAVPO5)),
    "spreads": (RUNS / "ci_md" / "ci_md-spreads.dat", lambda path: read_wannier(CENTERS, NAVPO5, path)),
    "cube": (RUNS / "ci_md" / "ci_md-SPIN_DENSITY-head.cube", read_cube_head),
    "pdos": (RUNS / "pdos" / "a_scratch-ALPHA_k2-1.pdos", read_pdos),
}


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(ELECTRONIC)), data=st.data())
def test_damaged_electronic_files_are_read_or_refused(tmp_path_factory, kind, data):
    path, read = ELECTRONIC[kind]
    text = path.read_text()
    a, b = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    character = data.draw(st.characters(codec="latin-1"))
    changed = text[:a] + character + text[a + 1 :]
    damaged = data.draw(st.sampled_from([text[:a], text[:a] + text[b:], text[:b] + text[a:], changed]))
    copy = tmp_path_factory.mktemp("damaged") / path.name
    copy.write_text(damaged)
    with contextlib.suppress(parse.OutputError):
        read(copy)


def test_wannier_centers_by_spin():
    folder = RUNS / "ci_md"
    steps = read_wannier(folder / "ci_md-wannier.xyz", NAVPO5, folder / "ci_md-spreads.dat")
    assert list(steps) == [0, 1, 2, 3, 4]
    frames = list(steps.values())
    # 29 alpha and 28 beta electrons
    assert [[len(spin.centers) for spin in frame] for frame in frames] == [[29, 28]] * 5
    assert frames[0][0].spreads_A2[0] == pytest.approx(1.04491213 * BOHR**2, rel=1e-9)
    # every center of Na's filled 2s and 2p shells lies at Na, in some periodic image
    box = np.array([6.5, 6.5, 9.5])
    sodium = trajectory("ci_md").frames[0].positions[0]
    for spin in frames[0]:
        away = spin.centers - sodium
        away -= box * np.round(away / box)
        assert (np.linalg.norm(away, axis=1) < 0.6).sum() == 4


def test_wannier_damage(copy):
    folder = copy("ci_md")
    path = folder / "ci_md-wannier.xyz"
    text = path.read_text()
    path.write_text(text[: int(0.95 * len(text))])
    assert len(read_wannier(path, NAVPO5)) == 4
    change(path, "  V ", "  X ")
    with pytest.raises(parse.OutputError, match="must be the 8 ions"):
        read_wannier(path, NAVPO5)


def test_cube_head():
    head = read_cube_head(RUNS / "ci_md" / "ci_md-SPIN_DENSITY-head.cube")
    assert head.titles[1] == "SPIN DENSITY" and head.points == (14, 14, 21)
    assert head.numbers.tolist() == [11, 23, 15, 8, 8, 8, 8, 8]
    # the box was strained since: 6.618 Å along x
    assert head.voxel.diagonal() * head.points == pytest.approx([6.61818, 6.61818, 9.5], abs=1e-4)


def test_pdos_of_vanadium():
    alpha = read_pdos(RUNS / "pdos" / "a_scratch-ALPHA_k2-1.pdos")
    beta = read_pdos(RUNS / "pdos" / "a_scratch-BETA_k2-1.pdos")
    assert alpha.kind == "V" and alpha.shells == ("s", "p", "d", "f")
    assert (alpha.occupations.sum(), beta.occupations.sum()) == (29, 28)
    d = [float(spin.weights[:, 2] @ spin.occupations) for spin in (alpha, beta)]
    assert d[0] - d[1] == pytest.approx(1.2, abs=0.1)


def test_pdos_damage(tmp_path):
    text = (RUNS / "pdos" / "a_scratch-ALPHA_k2-1.pdos").read_text()
    for damaged, message in (
        (text[:-12], "is not state"),
        ("", "not a projected density"),
        (text[200:], "not a projected"),
    ):
        (tmp_path / "x.pdos").write_text(damaged)
        with pytest.raises(parse.OutputError, match=message):
            read_pdos(tmp_path / "x.pdos")
