"""A run that moves atoms, in parts: each child continues where the last one ended, for whatever reason.

Dynamics (`aimd`) and relaxations (`relax`) say how to go on and when they are at their end; what happens when a child
fails, and what the next attempt takes over, is the same for both.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import parse, tree
from ..failures import FAILURES, Refused
from ..parse.trajectory import Frame, Trajectory
from ..write import scf
from . import judge, parts
from .label import Runner
from .parts import Part

_TAIL_BYTES = 1000


class Course(ABC):
    """One run of atoms `elements` in a task's `folder`.

    What an attempt in the folder `previous` has reached is taken over. `check(frame)` sees the first frame of every
    part and may raise Refused. `tell(step)` hears how far it is; a child that makes no step in `patience_s` is ended.
    """

    #: Name of the run, and the ending of the name of its file with one line per step.
    project: str
    steps_file: str

    def __init__(
        self,
        elements: Sequence[str],
        folder: Path,
        runner: Runner,
        *,
        previous: Path | None = None,
        check: Callable[[Frame], None] = lambda frame: None,
        tell: Callable[[int], None] = lambda step: None,
        patience_s: float = float("inf"),
    ):
        self._elements = elements
        self._folder = folder
        self._runner = runner
        self._check = check
        self._tell = tell
        self._patience_s = patience_s
        self.taken = parts.take_over(previous, folder)

    @abstractmethod
    def reached(self) -> int:
        """The step from which the next part continues."""

    @abstractmethod
    def at_end(self) -> bool:
        """Whether nothing is left to do."""

    @abstractmethod
    def piece(self) -> int:
        """Number of the piece of the plan that the next part belongs to; each begins on the first rung of the SCF."""

    @abstractmethod
    def input(self, place: Path) -> tree.Section:
        """The input of the next part; what else it needs is put into its folder `place`."""

    @abstractmethod
    def arrived(self, part: Part) -> bool:
        """Whether a part that came to a normal end did what it was asked for."""

    def run(self) -> Refused | None:
        """Go on to the end. Returns what ended the run before it, None for a whole one.

        An SCF that fails is tried again on the next rung of `scf.ladder`; what came to nothing for no reason of its own
        once more. What rejects a frame ends the run there; Refused is raised for everything else.
        """
        stopped = None
        while stopped is None and not self.at_end():
            stopped = self._part()
        return stopped

    def _part(self) -> Refused | None:
        place = parts.new_folder(self._folder, self.taken)
        place.mkdir(parents=True)
        root = self.input(place)
        rungs = [rung for rung in scf.ladder(root) if not rung.goes_on]
        piece = self.piece()
        rung = _rung(self.taken, piece)
        rungs[rung].change(root.at(scf.SCF))
        orbitals = _orbitals(self.taken, self.project)
        part = Part(place, self.reached(), piece, rung)
        part.write()
        self.taken.append(part)
        try:
            watch = _Watch(place / f"{self.project}{self.steps_file}", self._tell, self._patience_s)
            self._runner.run(root, place, self.project, start=orbitals, on_poll=watch.look)
            self._judge(part)
        except Refused as refused:
            self.taken[-1] = part.ended(refused.failure)
            return self._given_up(refused, rung + 1 < len(rungs))
        self.taken[-1] = part.ended("")
        return None

    def _judge(self, part: Part) -> None:
        """Raise Refused for a part that ended normally but too early, or whose first frame fails the check."""
        run = self.read(part)
        if run is not None and run.frames:
            self._check(run.frames[0])
        if self.arrived(part):
            return
        header = parse.header(part.folder / f"{self.project}.out")
        if any("SCF run NOT converged" in warning for warning in header.warnings):
            raise Refused("SCF_NOT_CONVERGED", f"the SCF did not converge after step {self.reached()}")
        raise Refused("INCOMPLETE", f"CP2K ended after step {self.reached()}")

    def _given_up(self, refused: Refused, rung_left: bool) -> Refused | None:
        """None to go on after the failure of the last part; what ends the run as a result; else raises `refused`."""
        failure = FAILURES[refused.failure]
        if failure.again == "ladder" and rung_left:
            return None
        if failure.again == "once" and not self._twice_in_vain():
            return None
        if failure.rejects:
            return refused
        raise refused

    def _twice_in_vain(self) -> bool:
        """Whether the last two parts ended for an external reason without progress."""
        if len(self.taken) < 2:
            return False
        before, last = self.taken[-2:]
        in_vain = before.first == last.first == self.reached()
        return in_vain and bool(before.end) and FAILURES[before.end].again == "once"

    def read(self, part: Part) -> Trajectory | None:
        """Results of a part, None if it has no frame. Raises Refused for inconsistent files."""
        try:
            return parts.read_part(part, self.project, self._elements)
        except parse.OutputError as error:
            raise judge.unreadable(error, part.folder / f"{self.project}.out", 0) from error


def _rung(taken: Sequence[Part], piece: int) -> int:
    """Each piece begins on the first rung, and climbs where an SCF has failed."""
    if not taken or taken[-1].piece != piece:
        return 0
    last = taken[-1]
    return last.rung + (1 if last.end and FAILURES[last.end].again == "ladder" else 0)


def _orbitals(taken: Sequence[Part], project: str) -> Path | None:
    """The last orbitals there are: what the last part has left, or what it started from."""
    for part in reversed(taken):
        found = scf.orbitals(part.folder, project)
        if found is not None:
            return found
    return None


class _Watch:
    """Follows the steps of a running part by a file of CP2K with a line for each, the step in its first column."""

    def __init__(self, file: Path, tell: Callable[[int], None], patience_s: float):
        self._file, self._tell, self._patience_s = file, tell, patience_s
        self._step: int | None = None
        self._moved = time.monotonic()

    def look(self) -> None:
        """Report the last step; raise Refused if there was none for too long."""
        step = _last_step(self._file)
        if step != self._step:
            self._step, self._moved = step, time.monotonic()
        if time.monotonic() - self._moved > self._patience_s:
            raise Refused("TIMEOUT", f"no step in {self._patience_s:g} s")
        if step is not None:
            self._tell(step)


def _last_step(file: Path) -> int | None:
    try:
        with open(file, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().split(b"\n")
    except OSError:
        return None
    # text after the last line break is incomplete
    words = lines[-2].split() if len(lines) > 1 else []
    return int(words[0]) if words and words[0].isdigit() else None
