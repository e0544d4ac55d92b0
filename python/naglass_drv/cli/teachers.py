"""Levels that are potentials, before anything runs: whether each can be opened, and knows the elements to label."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import InputError, SetupError, TaskFailed

if TYPE_CHECKING:
    from ..chemistry.level import Level
    from ..engines.mlip.potential import Potential


def opened(level: "Level", source: Path) -> "Potential":
    """The potential of a level; InputError, beginning with the option at fault, if there is none, or no environment."""
    from ..engines.mlip.potential import Potential

    try:
        return Potential.of_level(level, source)
    except SetupError as error:
        raise InputError(f"family {error}") from None


def covered(potential: "Potential", elements: Sequence[str]) -> None:
    """Raise InputError, beginning with the option ``model``, if the potential lacks one of the elements."""
    try:
        known = potential.elements()
    except InputError as error:
        raise InputError(f"model {error}") from None
    if known is None:
        if fault := _fault_of(potential.text, tuple(elements)):
            raise InputError(f"model {potential.model!r}: {fault}")
        return
    if missing := sorted(set(elements) - known):
        has = f"it covers {', '.join(sorted(known))}" if len(known) < 20 else f"it covers {len(known)} others"
        raise InputError(f"model {Path(potential.model).name!r}: does not cover {', '.join(missing)}; {has}")


@cache
def _fault_of(text: str, elements: tuple[str, ...]) -> str:
    """What a calculator of ASE, which does not tell its elements, says of atoms of these 3 Å apart; "" if nothing."""
    from ase import Atoms

    from ..engines.mlip.potential import Potential

    row = [[3.0 * number + 1.5, 1.5, 1.5] for number in range(len(elements))]
    atoms = Atoms(list(elements), row, cell=[3.0 * max(len(elements), 2), 12.0, 12.0], pbc=True)
    try:
        with TemporaryDirectory() as folder, Potential.of(text).open(Path(folder)) as worker:
            worker.evaluate(atoms)
    except TaskFailed as error:
        return f"{error.failure}: {error}"
    return ""
