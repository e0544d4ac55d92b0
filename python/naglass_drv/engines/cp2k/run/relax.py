"""Relaxation of positions, or of positions and cell, with CP2K: each part continues from the last step."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import tree
from ..parse.trajectory import Frame
from ..write.motion import Relaxation, relaxation_input
from .course import Course
from .label import Runner
from .parts import Part

if TYPE_CHECKING:
    from ase import Atoms

_COMPLETED = "GEOMETRY OPTIMIZATION COMPLETED"


class Relax(Course):
    """The relaxation `plan` of `atoms`, whose single point's input `text_of` writes; see Course for `options`."""

    project = "relax"
    steps_file = "-1.cell"

    def __init__(
        self,
        atoms: "Atoms",
        text_of: Callable[["Atoms"], str],
        plan: Relaxation,
        folder: Path,
        runner: Runner,
        **options: Any,
    ):
        super().__init__(list(atoms.symbols), folder, runner, **options)
        self._atoms = atoms
        self._text_of = text_of
        self._plan = plan

    def reached(self) -> int:
        """The number of steps that were made."""
        return len(self.frames())

    def at_end(self) -> bool:
        return self.completed() or self.reached() >= self._plan.max_steps

    def completed(self) -> bool:
        """Whether the last part came below the limits of force and pressure."""
        return bool(self.taken) and self.taken[-1].end == "" and self._is_completed(self.taken[-1])

    def piece(self) -> int:
        return 0

    def input(self, place: Path) -> tree.Section:
        """The input from the last step on: positions and cell are all there is to go on from."""
        atoms = self._atoms.copy()
        made = self.frames()
        if made:
            atoms.set_cell(made[-1].cell)
            atoms.set_positions(made[-1].positions)
        return relaxation_input(self._text_of(atoms), self._plan, self._plan.max_steps - len(made))

    def arrived(self, part: Part) -> bool:
        return self._is_completed(part) or self.reached() >= self._plan.max_steps

    def _is_completed(self, part: Part) -> bool:
        return _COMPLETED in (part.folder / f"{self.project}.out").read_text(errors="replace")

    def frames(self) -> list[Frame]:
        """All steps in order, each with its own labels; those of later parts count from where the last one ended."""
        return [frame for part in self.taken if (run := self.read(part)) is not None for frame in run.frames]
