"""LAMMPS scripts in segments: a stopped and resumed run is the run that was never stopped."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from naglass_drv.chemistry import potentials
from naglass_drv.chemistry.ions import species
from naglass_drv.engines.lammps import segments
from naglass_drv.engines.lammps.dump import read_snapshots
from naglass_drv.engines.lammps.session import open_session, write_data
from naglass_drv.errors import InputError, SetupError, Stopped, TaskFailed
from naglass_drv.glass.packing import pack
from naglass_drv.paths import data_file
from support.jobs import MPIRUN, environment
from support.lammps_runs import run_lammps

pytestmark = pytest.mark.mpi

IONS = species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
SCRIPT = data_file("lammps_inputs", "melt_quench.lmp")
# hot enough that a difference of one bit in the melt is a different glass at the end
SHORT = {"soft_ps": 0.1, "melt_ps": 0.5, "rate_K_per_ps": 4500.0, "hold_ps": 0.2, "seed": 7}
SAMPLING = segments.Sampling(every=50, thermo_every=50, checkpoint=200)
# two ranks on a busy machine wait for each other at every step
SHORTEST = {"soft_ps": 0.02, "melt_ps": 0.1, "rate_K_per_ps": 27000.0, "hold_ps": 0.02, "seed": 7}
FREQUENT = segments.Sampling(every=20, thermo_every=20, checkpoint=60)


def prepare(folder: Path, schedule: dict[str, object]) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    types = np.repeat(np.arange(1, 5), [ion.count for ion in IONS])
    write_data(folder / "start.data", pack(IONS, 2.75, 1), types, np.array(potentials.charges(IONS))[types - 1])
    (folder / "potential.lmp").write_text("\n".join(potentials.commands(IONS)) + "\n")
    return schedule | {
        "data": folder / "start.data",
        "potential": folder / "potential.lmp",
        "final": folder / "final.dump",
    }


def quench(
    folder: Path,
    previous: Path | None = None,
    polls: int | None = None,
    comm=MPI.COMM_SELF,
    schedule=SHORT,
    sampling=SAMPLING,
    enough=lambda phase, steps: False,
):
    """A melt-quench in `folder`; with `polls` it is asked to stop at that poll."""
    if comm.Get_rank() == 0:
        folder.mkdir()
    comm.barrier()
    resume = segments.take_over(comm, previous, folder)
    variables = prepare(folder, schedule) if comm.Get_rank() == 0 else None
    left = [False] * polls if polls is not None else None
    return segments.run_script(
        segments.read_script(SCRIPT),
        sampling,
        comm=comm,
        folder=folder,
        resume=resume,
        variables=comm.bcast(variables),
        stopping=lambda: left is not None and not (left and not left.pop()),
        enough=enough,
    )


def final(folder: Path) -> np.ndarray:
    (snapshot,) = read_snapshots([folder / "final.dump"])
    return snapshot.positions()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run with a blank"
    outcome = quench(folder)
    assert (outcome.step, outcome.total_steps, outcome.halted) == (1400, 1400, False)
    return folder


@pytest.mark.parametrize("polls", [0, 3, 5, 9, 12])
def test_stopped_and_resumed(tmp_path, whole, polls):
    with pytest.raises(Stopped, match="stopped in .* at step .* of 1400"):
        quench(tmp_path / "a", polls=polls)
    outcome = quench(tmp_path / "b", previous=tmp_path / "a")
    assert outcome.step == 1400
    assert np.array_equal(final(tmp_path / "b"), final(whole))
    for ours, theirs in zip(segments.snapshots(tmp_path / "b"), segments.snapshots(whole), strict=True):
        assert ours.step == theirs.step
        assert np.array_equal(ours.positions(), theirs.positions())
    ours, theirs = segments.thermo(tmp_path / "b"), segments.thermo(whole)
    assert list(ours["step"]) == list(range(0, 1401, 50))
    assert all(np.array_equal(ours[key], theirs[key]) for key in segments.THERMO)


def test_resumed_again_and_again(tmp_path, whole):
    """A new attempt after every four polls: no step is lost twice, and the end is the same."""
    previous, reached = None, []
    for number in range(30):
        folder = tmp_path / f"a{number}"
        try:
            quench(folder, previous=previous, polls=7)
            break
        except Stopped:
            previous = folder
            reached.append((folder / "segments" / "checkpoint.json").exists())
    assert any(reached)
    assert np.array_equal(final(folder), final(whole))


def test_a_kill_while_taking_over_leaves_nothing(tmp_path, monkeypatch):
    """The segments appear in the new attempt all at once or not at all."""
    with pytest.raises(Stopped):
        quench(tmp_path / "a", polls=9)
    (tmp_path / "b").mkdir()

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(segments.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        segments.take_over(MPI.COMM_SELF, tmp_path / "a", tmp_path / "b")
    assert not any((tmp_path / "b").iterdir())
    monkeypatch.undo()
    taken = segments.take_over(MPI.COMM_SELF, tmp_path / "a", tmp_path / "b")
    assert taken.step > 0 and (tmp_path / "b" / "segments" / taken.restart).is_file()


def enough(phase: str, steps: int) -> bool:
    """Two of three segments of the melt will do."""
    return phase == "melt" and steps >= 400


@pytest.mark.parametrize("polls", [4, 9, 11])
def test_a_phase_that_may_end_earlier(tmp_path, polls):
    """It ends after a segment; what follows comes as much earlier, stopped or not."""
    whole = quench(tmp_path / "whole", enough=enough)
    # 100 steps soft, 400 of 500 in the melt, 600 of the quench, none at another pressure, 200 of the hold
    assert (whole.step, whole.ends) == (1300, (100, 500, 1100, 1100, 1300))
    with pytest.raises(Stopped):
        quench(tmp_path / "a", polls=polls, enough=enough)
    again = quench(tmp_path / "b", previous=tmp_path / "a", enough=enough)
    assert again.ends == whole.ends and np.array_equal(final(tmp_path / "b"), final(tmp_path / "whole"))
    temperature = dict(zip(*(segments.thermo(tmp_path / "b")[key] for key in ("step", "temp")), strict=True))
    # the thermostat lags behind 4500 K/ps
    assert temperature[500] > 2000 > 1000 > temperature[1200]


def test_two_ranks(tmp_path):
    """The same on two ranks, one of which alone is asked to stop."""
    surroundings = environment()
    surroundings["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[1])
    run = subprocess.run(
        [MPIRUN, "-n", "2", sys.executable, __file__, str(tmp_path)],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same" in run.stdout


def _on_two_ranks(folder: Path) -> None:
    comm = MPI.COMM_WORLD
    settings = {"schedule": SHORTEST, "sampling": FREQUENT, "enough": lambda phase, steps: phase == "melt"}
    quench(folder / "whole", comm=comm, **settings)
    try:
        quench(folder / "a", polls=5 if comm.Get_rank() == 1 else None, comm=comm, **settings)
    except Stopped:
        group = comm.Split(0)
        quench(folder / "b", previous=folder / "a", comm=group, **settings)
        # LAMMPS is closed by now, or this would pull the communicator from under it
        group.Free()
    if comm.Get_rank() == 0 and np.array_equal(final(folder / "b"), final(folder / "whole")):
        print("the same")


def test_script_runs_alone(tmp_path):
    """lmp -in melt_quench.lmp on the files the driver leaves."""
    prepare(tmp_path, SHORT)
    variables = "".join(f"variable {key} index {value}\n" for key, value in SHORT.items())
    finished = run_lammps(tmp_path, variables + SCRIPT.read_text())
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (glass,) = read_snapshots([tmp_path / "final.dump"])
    atoms = glass.atoms([ion.element for ion in IONS])
    distances = atoms.get_all_distances(mic=True)
    bonded = distances[np.ix_(atoms.symbols == "P", atoms.symbols == "O")] < 2.0
    assert (bonded.sum(axis=1) >= 3).all()


def test_halt_ends_the_run(tmp_path):
    script = tmp_path / "halt.lmp"
    script.write_text("""
#: box
units lj
region box block 0 5 0 5 0 5
create_box 1 box
create_atoms 1 random 10 5 NULL overlap 1.0 maxtry 100
mass 1 1.0
#: model
pair_style lj/cut 1.5
pair_coeff * * 1.0 1.0
#: phase go
fix go all nve
variable now equal step
fix stop all halt 5 v_now > 12 error soft message no
run 100
#: finish
print "not reached" file reached
""")
    outcome = segments.run_script(
        segments.read_script(script),
        segments.Sampling(10, 10, 50),
        comm=MPI.COMM_SELF,
        folder=_ready(tmp_path / "a"),
        variables={},
    )
    assert (outcome.halted, outcome.step, outcome.total_steps) == (True, 15, 100)
    assert [snapshot.step for snapshot in segments.snapshots(tmp_path / "a")] == [0, 10]


def _ready(folder: Path) -> Path:
    folder.mkdir()
    segments.take_over(MPI.COMM_SELF, None, folder)
    return folder


@pytest.mark.parametrize(
    ("commands", "failure", "message"),
    [
        (("pair_style nonsense",), "LAMMPS_ERROR", "nonsense"),
        (
            (
                "units lj",
                "region b block 0 9 0 9 0 9",
                "create_box 1 b",
                "mass 1 1",
                "create_atoms 1 single 5 5 5",
                "boundary f f f",
            ),
            "LAMMPS_ERROR",
            "[Bb]oundary",
        ),
        (
            (
                "units lj",
                "boundary f f f",
                "region b block 0 9 0 9 0 9",
                "create_box 1 b",
                "mass 1 1",
                "create_atoms 1 single 8.9 5 5",
                "velocity all set 90 0 0",
                "fix go all nve",
                "pair_style zero 1.0",
                "pair_coeff * *",
                "thermo 10",
                "run 100",
            ),
            "LOST_ATOMS",
            "Lost atoms: original 1 current 0",
        ),
    ],
)
def test_errors_carry_lammps_words(tmp_path, commands, failure, message):
    with (
        pytest.raises(TaskFailed, match=message) as caught,
        open_session(MPI.COMM_SELF, tmp_path / "log.lammps") as session,
    ):
        session.commands(commands)
    assert caught.value.failure == failure
    assert caught.value.command == commands[-1]
    assert "ERROR" in (tmp_path / "log.lammps").read_text()


def test_a_folder_that_lammps_would_misread_is_refused(tmp_path):
    with (
        pytest.raises(SetupError, match=r"cannot use a folder with '\$'"),
        open_session(MPI.COMM_SELF, tmp_path / "a$b" / "log"),
    ):
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#: phase a\nfix 1 all nve\n", "'#: phase a': exactly one 'run STEPS' is required"),
        ("#: phase a\nrun 10\nrun 10\n", "'#: phase a': exactly one 'run STEPS' is required"),
        ("#: phase a\nrun 10 upto\n", "'#: phase a': exactly one 'run STEPS' is required"),
        ("#: bx\nunits lj\n#: phase a\nrun 1\n", "'#: bx': unknown section"),
    ],
)
def test_script_faults(tmp_path, text, message):
    (tmp_path / "in.lmp").write_text(text)
    with pytest.raises(InputError, match=message):
        segments.read_script(tmp_path / "in.lmp")


if __name__ == "__main__":
    _on_two_ranks(Path(sys.argv[1]))


def test_a_dump_with_a_hole_is_seen(tmp_path):
    """What a full disk has swallowed: the end, the middle, or a whole write of LAMMPS's buffer."""
    from naglass_drv.engines.lammps.dump import is_whole

    box = "ITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\n"
    head = f"ITEM: TIMESTEP\n{{}}\nITEM: NUMBER OF ATOMS\n3\n{box}ITEM: ATOMS id type x\n"
    text = "".join(head.format(step) + "1 1 0.5\n2 1 0.5\n3 1 0.5\n" for step in range(0, 50, 10))
    path = tmp_path / "segment-0000.dump"
    for content in ("", text):
        path.write_text(content)
        assert is_whole(path)
    for content in (text[:-1], text[:-9], text[:100] + text[150:], text[:40], "no dump\n" * 12):
        path.write_text(content)
        assert not is_whole(path)
