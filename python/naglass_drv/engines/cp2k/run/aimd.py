"""Ab initio MD with CP2K: each part resumes from the last restart file, with thermostat, to the end of its piece."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import tree
from ..parse.trajectory import Frame
from ..write.motion import START_RESTART, Dynamics, Piece, dynamics_input
from . import parts
from .course import Course
from .label import Runner
from .parts import Part


class AIMD(Course):
    """The dynamics `plan` of atoms `elements`, on top of a single point's input `text`; see Course for `options`."""

    project = "md"
    steps_file = "-1.ener"

    def __init__(
        self, elements: Sequence[str], text: str, plan: Dynamics, folder: Path, runner: Runner, **options: Any
    ):
        super().__init__(elements, folder, runner, **options)
        self._text = text
        self._plan = plan

    def reached(self) -> int:
        """The step of the last restart file."""
        if not self.taken:
            return 0
        state = parts.restart_file(self.taken[-1].folder, self.project)
        return state[1] if state is not None else self.taken[-1].first

    def at_end(self) -> bool:
        return self.reached() >= self._plan.steps

    def piece(self) -> int:
        return self._plan.at(self.reached())

    def input(self, place: Path) -> tree.Section:
        """The input to the next target; the state to continue from is put next to it."""
        step = self.reached()
        if step:
            last = self.taken[-1].folder
            # a part that wrote no restart file has the state that it started from
            state = parts.restart_file(last, self.project)
            shutil.copyfile(state[0] if state is not None else last / START_RESTART, place / START_RESTART)
        return dynamics_input(self._text, self._plan, step, self._target(step))

    def arrived(self, part: Part) -> bool:
        return self.reached() == self._target(part.first)

    def _target(self, step: int) -> int:
        # a first part of one block shows soon whether the frames are worth anything
        return self._plan.pieces[self._plan.at(step)].last if step else self._plan.every

    def frames(self) -> tuple[list[tuple[Frame, Piece]], list[str]]:
        """The frames of all parts with their pieces, each step once, and what was dropped of them, in words.

        A part counts up to the step from which the next one went on: what it did after that was done again.
        """
        frames: list[tuple[Frame, Piece]] = []
        dropped: list[str] = []
        ends = [part.first for part in self.taken[1:]] + [self._plan.steps]
        for part, end in zip(self.taken, ends, strict=True):
            run = self.read(part)
            if run is not None:
                frames += [(frame, self._plan.of(frame.step)) for frame in run.frames if frame.step <= end]
                lost = [(re.match(r"step (\d+):", note), note) for note in run.dropped]
                dropped += [note for step, note in lost if step and int(step[1]) <= end]
        return frames, dropped
