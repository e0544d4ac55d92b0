"""Wannier centers of labels and trajectories, if a set requests them: read, assigned to atoms, and listed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TaskFailed
from ..files import write_json
from .base import Job

if TYPE_CHECKING:
    from ase import Atoms

#: Wannier centers of bonds, a file in the folder of a task.
BONDS = "wannier.json"


def _add(frame: "Atoms", spins: Sequence[Any], file: Path) -> list[dict[str, Any]]:
    """Add the Wannier centers of the atoms to a frame and return those of its bonds; `spins` are read from `file`."""
    from ..analysis.wannier import assign

    if len(spins) != 2:
        raise TaskFailed("INCOMPLETE", f"{file.name}: the centers of one spin channel are missing", log=file)
    found = assign(frame, [spin.centers for spin in spins], [spin.spreads_A2 for spin in spins])
    for key in ("count", "bonding", "spin", "spread_A2"):
        frame.set_array(f"wannier_{key}", getattr(found, key))
    return [bond.as_dict() for bond in found.bonds]


def _steps(file: Path, elements: list[str]) -> dict[int, Any]:
    from ..engines.cp2k.parse import OutputError
    from ..engines.cp2k.parse.electronic import read_wannier
    from ..engines.cp2k.write.prints import SPREADS_FILE

    try:
        return read_wannier(file, elements, file.with_name(SPREADS_FILE))
    except OutputError as error:
        raise TaskFailed("INCOMPLETE", f"{file.name}: {error}", log=file) from error


def of_label(job: Job, frame: "Atoms") -> None:
    """Add the Wannier centers of a label if they were requested."""
    from ..engines.cp2k.write.prints import WANNIER_FILE

    # the last rung is the one that produced the label
    file = max(job.folder.glob(f"scf-*/{WANNIER_FILE}"), default=None)
    if file is not None:
        steps = _steps(file, list(frame.symbols))
        spins = list(steps.values())[-1] if steps else []
        write_json(job.folder / BONDS, _add(frame, spins, file))


def of_dynamics(job: Job, frames: Sequence["Atoms"]) -> None:
    """Add the Wannier centers of each MD frame if they were requested; a frame without them is a failure."""
    from ..engines.cp2k.write.prints import WANNIER_FILE

    files = sorted(job.folder.glob(f"parts/*/{WANNIER_FILE}"))
    if not files or not frames:
        return
    steps: dict[int, tuple[Any, Path]] = {}
    for file in files:
        # if a step was computed twice, the later one counts, as for its frame
        steps |= {step: (spins, file) for step, spins in _steps(file, list(frames[0].symbols)).items()}
    bonds = {}
    for frame in frames:
        step = frame.info["step"]
        bonds[step] = _add(frame, *steps.get(step, ([], files[-1])))
    write_json(job.folder / BONDS, bonds)
