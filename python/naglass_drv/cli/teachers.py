"""Levels that are potentials, before anything runs: whether each can be opened, and knows the elements to label."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import InputError, SetupError, TaskFailed

if TYPE_CHECKING:
    from ..chemistry.level import Level
    from ..engines.mlip.potential import Potential

_NEUTRAL_e = 1e-6
_MOST_NUMBERS = 200_000


def opened(level: "Level", source: Path) -> "Potential":
    """The potential of a level; InputError, beginning with the option at fault, if there is none, or no environment."""
    from ..engines.mlip.potential import Potential

    try:
        return Potential.of_level(level, source)
    except SetupError as error:
        raise InputError(f"family {error}") from None


def covered(potential: "Potential", elements: Sequence[str]) -> None:
    """Raise InputError, beginning with the option ``model``, if the potential lacks one of the elements, or cannot
    evaluate atoms of them.
    """
    try:
        known = potential.elements()
    except InputError as error:
        raise InputError(f"model {error}") from None
    name = Path(potential.model).name
    if missing := sorted(set(elements) - known) if known is not None else []:
        has = f"it covers {', '.join(sorted(known))}" if len(known) < 20 else f"it covers {len(known)} others"
        raise InputError(f"model {name!r}: does not cover {', '.join(missing)}; {has}")
    if potential.family in ("ase", "lammps") and (fault := _fault_of(potential.text, tuple(elements))):
        raise InputError(f"model {name!r}: {fault}")


@cache
def _fault_of(text: str, elements: tuple[str, ...]) -> str:
    """What a calculator of ASE, which does not tell its elements, or LAMMPS, which alone knows the arguments of its
    styles, says of atoms of these 3 Å apart; "" if nothing, or if fixed charges of them do not add up to zero.
    """
    from ase import Atoms

    from ..engines.mlip.lammps_file import read_lammps_file
    from ..engines.mlip.potential import Potential

    potential = Potential.of(text)
    charges = read_lammps_file(potential.file).charges if potential.family == "lammps" and potential.file else {}
    if not (symbols := _neutral(elements, charges)):
        return ""
    row = [[3.0 * number + 1.5, 1.5, 1.5] for number in range(len(symbols))]
    atoms = Atoms(symbols, row, cell=[3.0 * max(len(symbols), 2), 12.0, 12.0], pbc=True)
    try:
        with TemporaryDirectory() as folder, potential.open(Path(folder)) as worker:
            worker.evaluate(atoms)
    except TaskFailed as error:
        return f"{error.failure}: {error}"
    return ""


def _neutral(elements: Sequence[str], charges: Mapping[str, float]) -> list[str]:
    """Up to six atoms of each element whose charges (e) add up to zero; none if no such numbers are found."""
    own = [charges.get(element, 0.0) for element in elements]
    for counts in islice(product(range(1, 7), repeat=len(elements)), _MOST_NUMBERS):
        if abs(sum(count * charge for count, charge in zip(counts, own, strict=True))) < _NEUTRAL_e:
            return [element for element, count in zip(elements, counts, strict=True) for _ in range(count)]
    return []
