"""LAMMPS scripts run in segments that end with a restart file, so that a killed run resumes from the last one.

A script is an ordinary LAMMPS input whose comments ``#: box``, ``#: model``, ``#: start``, ``#: phase NAME``
and ``#: finish`` mark its sections; ``lmp -in`` runs it as it stands. Here the `run` of each phase is cut
into segments. Every segment but the first goes through ``clear``, the last restart file, ``model`` and the
lines of its phase, with the same fixes and the same ``start`` and ``stop`` steps, whether the run was stopped
before it or not. So a resumed run is the run that was never stopped, by construction. Fixes of different
phases must have different names, or LAMMPS hands the later one the saved state of the earlier.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, SetupError, Stopped
from ...files import link_files, write_json
from ...runtime.attempts import OWN_FILES
from .dump import Snapshot, is_whole, read_snapshots, read_table
from .session import Session, open_session

LOG = "log.lammps"
#: Failures of a system that falls apart.
BROKEN = ("LOST_ATOMS", "NON_NUMERIC")
# thermo keywords of LAMMPS, units metal
THERMO = ("step", "temp", "press", "pe", "ke", "vol", "econserve")
_FOLDER = "segments"
_EVENTS = "events-{}.txt"
_CHECKPOINT = "checkpoint.json"
_RESULT = "result.json"
_CHUNK_S = 0.5
_CLOSE_OUTPUTS = ("undump segment", "unfix segment_thermo")
_SECTIONS = ("variables", "box", "model", "start", "finish")


@dataclass(frozen=True)
class Phase:
    """One `run` of a script: the commands before it, and its number of steps (LAMMPS text).

    What follows the `run` cleans up for the next phase, which here begins from a restart file anyway.
    """

    name: str
    before: tuple[str, ...]
    steps: str


@dataclass(frozen=True)
class Script:
    """A LAMMPS input in its sections, each a tuple of command lines."""

    variables: tuple[str, ...]
    box: tuple[str, ...]
    model: tuple[str, ...]
    start: tuple[str, ...]
    finish: tuple[str, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Sampling:
    """What is written while phases run, all intervals in steps.

    A snapshot every `every`, with `columns` beside id, type, xu, yu, zu; a line of THERMO every
    `thermo_every`; a restart file every `checkpoint`.
    """

    every: int
    thermo_every: int
    checkpoint: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a script went: `halted` says that a ``fix halt`` ended it at `step`, before `total_steps`.

    `steps_run` and `loop_s` are the steps of this attempt and the wall time (s) spent in them; `ends` the step at the
    end of each phase.
    """

    step: int
    total_steps: int
    halted: bool
    steps_run: int
    loop_s: float
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """The last whole segment: its number, the number of its phase, the step at its end, its restart file, and the step
    at the end of each phase, as far as it is known.
    """

    segment: int
    phase: int
    step: int
    restart: str
    ends: Sequence[int] = ()


def read_script(path: Path) -> Script:
    """Cut a LAMMPS input at its marks.

    Raises InputError for an unknown section, or a phase without its one `run`.
    """
    sections: dict[str, list[str]] = {"variables": []}
    name = "variables"
    for line in re.sub(r"&[ \t]*\n", " ", path.read_text(encoding="utf-8")).splitlines():
        if line.startswith("#:"):
            name = " ".join(line[2:].split())
            sections[name] = []
        elif line.strip() and not line.startswith("#"):
            sections[name].append(line.strip())
    phases = tuple(_phase(path, key, lines) for key, lines in sections.items() if key.startswith("phase "))
    plain = {key: tuple(lines) for key, lines in sections.items() if not key.startswith("phase ")}
    for key in plain:
        if key not in _SECTIONS:
            raise InputError(f"{path}: '#: {key}': unknown section")
    return Script(**(dict.fromkeys(_SECTIONS, ()) | plain), phases=phases)


def _phase(path: Path, mark: str, lines: list[str]) -> Phase:
    runs = [i for i, line in enumerate(lines) if line.split()[0] == "run"]
    if len(runs) != 1 or len(lines[runs[0]].split()) != 2:
        raise InputError(f"{path}: '#: {mark}': exactly one 'run STEPS' is required")
    (i,) = runs
    return Phase(mark.split()[1], tuple(lines[:i]), lines[i].split()[1])


def take_over(comm: Any, previous: Path | None, folder: Path) -> Checkpoint | None:
    """Bring the whole segments of an earlier attempt into `folder`, all or none; None when it has none.

    Comes before anything else is written in `folder`. Collective.
    """
    return comm.bcast(_take_over(previous, folder) if comm.Get_rank() == 0 else None)


def begun(previous: Path | None) -> bool:
    """Whether an attempt has whole segments to be taken over."""
    return previous is not None and (previous / _FOLDER / _CHECKPOINT).is_file()


def _take_over(previous: Path | None, folder: Path) -> Checkpoint | None:
    target = folder / _FOLDER
    if previous is None or not begun(previous):
        target.mkdir()
        return None
    source = previous / _FOLDER
    checkpoint = Checkpoint(**json.loads((source / _CHECKPOINT).read_text(encoding="utf-8")))
    stems = [f"segment-{number:04d}" for number in range(checkpoint.segment + 1)]
    names = [f"{stem}.{kind}" for stem in stems for kind in ("dump", "thermo")]
    # not inside `folder`: a kill before the rename must leave it as if nothing had begun
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    link_files(source, part, (*names, checkpoint.restart, _CHECKPOINT))
    for events in sorted(source.glob(_EVENTS.format("*"))):
        # a copy: the fix that writes it cuts it back to the checkpoint
        shutil.copy2(events, part)
    os.replace(part, target)
    return checkpoint


def events_file(folder: Path, name: str) -> Path:
    """Where a fix of a script in a task's `folder` writes its events, to be kept from attempt to attempt.

    On restart the fix has to cut the file back to the step of the restart file by itself.
    """
    return folder / _FOLDER / _EVENTS.format(name)


def run_script(
    script: Script,
    sampling: Sampling,
    *,
    comm: Any,
    folder: Path,
    resume: Checkpoint | None = None,
    variables: Mapping[str, object],
    plugins: Sequence[str] = (),
    progress: Callable[[int, int, str], None] = lambda step, total, phase: None,
    stopping: Callable[[], bool] = lambda: False,
    enough: Callable[[str, int], bool] = lambda phase, steps: False,
) -> Outcome:
    """Run `script` in `folder` on all ranks of `comm`, from the start or from what `take_over` found.

    After each segment, `enough(phase, steps)` is asked on the first rank whether a phase may end after so many of its
    steps; the answer has to follow from what the segments have written. Raises Stopped within about a second once any
    rank is `stopping` (the last checkpoint stays), TaskFailed when LAMMPS fails. `progress(step, total, phase)` is
    called about as often.
    """
    with open_session(comm, folder / LOG, variables=variables, plugins=plugins) as session:
        session.commands(script.variables)
        ends = list(resume.ends) if resume and resume.ends else _phase_ends(session, script)
        if resume is None:
            session.commands((*script.box, *script.model, *script.start))
        runner = _Runner(session, script, sampling, comm, folder / _FOLDER, resume, ends, progress, stopping, enough)
        for number in range(len(script.phases)):
            if runner.step < ends[number] and not runner.halted:
                runner.run(number)
        if not runner.halted:
            runner.enter(script.finish)
        return Outcome(runner.step, ends[-1], runner.halted, runner.steps_run, runner.loop_s, tuple(ends))


def _phase_ends(session: Session, script: Script) -> list[int]:
    """Step at the end of each phase."""
    ends: list[int] = []
    for phase in script.phases:
        ends.append(int(float(session.expand(phase.steps))) + (ends[-1] if ends else 0))
    return ends


class _Runner:
    """Runs phases segment by segment, and remembers how far it is."""

    def __init__(self, session, script, sampling, comm, folder, checkpoint, ends, progress, stopping, enough):
        self._session: Session = session
        self._script: Script = script
        self._sampling: Sampling = sampling
        self._comm = comm
        self._folder: Path = folder
        self._last: Checkpoint | None = checkpoint
        self._ends: list[int] = ends
        self._progress = progress
        self._stopping = stopping
        self._enough = enough
        self._chunk = 1
        self._loaded = checkpoint is None
        self.step = checkpoint.step if checkpoint else 0
        self.halted = False
        self.steps_run = 0
        self.loop_s = 0.0

    def run(self, number: int) -> None:
        """Run a phase from where it stands to its end."""
        phase = self._script.phases[number]
        first = self._ends[number - 1] if number else 0
        last = self._ends[number]
        while self.step < last and not self.halted:
            told = self.step > first and self._comm.Get_rank() == 0 and self._enough(phase.name, self.step - first)
            if self._comm.bcast(told):
                # in place: the phases behind it come earlier by as much
                self._ends[number:] = [end - last + self.step for end in self._ends[number:]]
                return
            self.enter(phase.before)
            passed = (self.step - first) // self._sampling.checkpoint
            goal = min(last, first + (passed + 1) * self._sampling.checkpoint)
            self._segment(number, phase, goal, f"start {first} stop {last}")

    def enter(self, commands: Sequence[str]) -> None:
        """Run `commands` on the state at hand; after a checkpoint that is what its restart file says."""
        if not self._loaded:
            self._session.command("clear")
            self._session.command(f'read_restart "{self._folder / self._last.restart}"')
            self._session.commands(self._script.model)
            self._loaded = True
        self._session.commands(commands)

    def _segment(self, number: int, phase: Phase, goal: int, ramp: str) -> None:
        segment = self._last.segment + 1 if self._last else 0
        self._open_outputs(segment)
        setup = "yes"
        while self.step < goal and not self.halted:
            self._advance(min(self._chunk, goal - self.step), setup, ramp)
            setup = "no"
            self._progress(self.step, self._ends[-1], phase.name)
            if self.step == goal:
                self._session.commands(_CLOSE_OUTPUTS)
                restart = f"segment-{segment:04d}.restart"
                self._save(Checkpoint(segment, number, self.step, restart, tuple(self._ends)))
            if self._comm.allreduce(int(self._stopping())):
                raise Stopped(f"stopped in {phase.name} at step {self.step} of {self._ends[-1]}")
        if self.halted:
            self._session.commands(_CLOSE_OUTPUTS)

    def _advance(self, steps: int, setup: str, ramp: str) -> None:
        """`steps` further; without a new set-up it is the same trajectory as one long run."""
        began = time.perf_counter()
        self._session.command(f"run {steps} pre {setup} post no {ramp}")
        elapsed = time.perf_counter() - began
        reached = self._session.step
        self.halted = reached < self.step + steps
        self.steps_run += reached - self.step
        self.loop_s += elapsed
        self.step = reached
        # all ranks must ask LAMMPS for the same number of steps
        ideal = int(steps * _CHUNK_S / max(elapsed, 1e-6))
        self._chunk = self._comm.bcast(max(1, min(ideal, 4 * steps, 100_000)))

    def _open_outputs(self, segment: int) -> None:
        stem = self._folder / f"segment-{segment:04d}"
        columns = " ".join(("id", "type", "xu", "yu", "zu", *self._sampling.columns))
        values = " ".join(f"$({name}:%.12g)" for name in THERMO)
        self._session.commands(
            (
                f'dump segment all custom {self._sampling.every} "{stem}.dump" {columns}',
                "dump_modify segment sort id format float %.10g",
                f'fix segment_thermo all print {self._sampling.thermo_every} "{values}" file "{stem}.thermo" '
                f'screen no title "{" ".join(THERMO)}"',
            )
        )

    def _save(self, checkpoint: Checkpoint) -> None:
        """Restart file, then the mark that makes it count, then the older restart file goes."""
        dump = self._folder / f"segment-{checkpoint.segment:04d}.dump"
        if not self._comm.bcast(self._comm.Get_rank() != 0 or is_whole(dump)):
            raise SetupError(f"{dump}: LAMMPS could not write all of it; free up disk space")
        final = self._folder / checkpoint.restart
        part = final.with_suffix(".part")
        self._session.command(f'write_restart "{part}"')
        if self._comm.Get_rank() == 0:
            os.replace(part, final)
            write_json(self._folder / _CHECKPOINT, asdict(checkpoint))
            if self._last is not None:
                (self._folder / self._last.restart).unlink(missing_ok=True)
        self._last = checkpoint
        # reading it rounds tilted cells once more, and a compiled model starts anew: a run that is never
        # stopped must do the same, or a resumed one is not the same run
        self._loaded = False


def snapshots(folder: Path) -> Iterator[Snapshot]:
    """The snapshots of all segments of a task's `folder`, in order, each step once."""
    return read_snapshots(sorted((folder / _FOLDER).glob("segment-*.dump")))


def thermo(folder: Path) -> dict[str, Any]:
    """THERMO columns of all segments of a task's `folder` as arrays (K, bar, eV, Å³)."""
    return read_table(sorted((folder / _FOLDER).glob("segment-*.thermo")))


def thermo_series(table: Mapping[str, Any], atoms: int, timestep_ps: float) -> dict[str, list[float]]:
    """A table of `thermo` in the units of products (ps, K, bar, Å³, eV per atom), as lists of equal length."""
    scaled = {
        "time_ps": ("step", timestep_ps),
        "temperature_K": ("temp", 1.0),
        "pressure_bar": ("press", 1.0),
        "volume_A3": ("vol", 1.0),
        "potential_energy_eV_per_atom": ("pe", 1.0 / atoms),
        "kinetic_energy_eV_per_atom": ("ke", 1.0 / atoms),
        "conserved_energy_eV_per_atom": ("econserve", 1.0 / atoms),
    }
    return {
        key: [round(float(value) * factor, 9) for value in table.get(column, ())]
        for key, (column, factor) in scaled.items()
    }


def close_result(folder: Path, summary: Mapping[str, Any]) -> None:
    """Mark the files in `folder` as the whole result, and drop the segments it was made from."""
    write_json(folder / _RESULT, summary)
    shutil.rmtree(folder / _FOLDER)


def earlier_result(previous: Path | None, folder: Path) -> dict[str, Any] | None:
    """Summary of an attempt that was killed after `close_result`; its files are brought into `folder`."""
    if previous is None or not (previous / _RESULT).is_file():
        return None
    left = {_RESULT, *OWN_FILES}
    names = [path.name for path in previous.iterdir() if path.is_file() and path.name not in left]
    link_files(previous, folder, (*names, _RESULT))
    return json.loads((folder / _RESULT).read_text(encoding="utf-8"))
