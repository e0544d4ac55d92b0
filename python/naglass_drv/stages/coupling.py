"""The antiparallel partner of a reference set: one structure labeled with both parallel and antiparallel moments.

Parallel high spin is a convention for a paramagnet. The energy difference shows how much it matters; the
partner is for the report, and is not used for training.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.schema import Reference
from ..files import write_json
from .base import Done, read_settings
from .labeling import Settings

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.cp2k.theory.levels import Method

PARALLEL, PARTNER = "parallel", "antiparallel"


def partners(section: Reference, method: "Method", jobs: Mapping[str, "Atoms"], seed: int) -> dict[str, "Atoms"]:
    """The first frame of `jobs` with several magnetic ions, all parallel, copied with antiparallel moments.

    If `jobs` start trajectories, also with parallel moments, so that both are single points. Empty if there is no such
    frame, if none is wanted, and for tight binding.
    """
    if not section.antiparallel or section.spin != "ferromagnetic" or not method.needs_basis:
        return {}
    from ..engines.cp2k.write.inputs import asked_moments, ordered

    for label, frame in jobs.items():
        parallel = frame.info["multiplicity"] - 1
        if "ion" not in frame.arrays or asked_moments(frame).sum() != parallel:
            continue
        turned = ordered(frame, "antiferromagnetic", seed)
        if turned.info["multiplicity"] - 1 < parallel:
            moves = section.aimd is not None or section.relax is not None
            return ({f"{label}-{PARALLEL}": frame} if moves else {}) | {f"{label}-{PARTNER}": turned}
    return {}


def compared_with(prefix: str, found: Mapping[str, "Atoms"]) -> str:
    """Name of the task with parallel moments, for `found` from `partners` in a set with task names in `prefix`."""
    first = next(iter(found))
    return prefix + first.removesuffix(f"-{PARTNER}")


def is_partner(item: Done) -> bool:
    """Whether a task serves only the coupling, so that its frame is not part of the set."""
    return bool(read_settings(Settings, item.task).coupling)


def write(path: Path, items: Sequence[Done], frame_file: str) -> None:
    """Write the result of the partner among the tasks `items` of a set as JSON; no file if there is no partner.

    The file has the names of both tasks, and `failure` with `message` if one of them was not admitted; otherwise the
    number of magnetic `ions`, `energy_difference_meV` (antiparallel minus parallel, per cell), the `moments_muB` of
    both and the flag of each (see `dataset.sites`).
    """
    by_name = {item.task.name: item for item in items}
    turned = next((item for item in items if item.task.name.endswith(f"-{PARTNER}") and is_partner(item)), None)
    same = None if turned is None else by_name.get(read_settings(Settings, turned.task).coupling)
    if turned is None or same is None:
        path.unlink(missing_ok=True)
        return
    pair = {PARALLEL: same, PARTNER: turned}
    content: dict[str, Any] = {kind: item.task.name for kind, item in pair.items()}
    refused = next((item for item in pair.values() if item.summary["status"] == "rejected"), None)
    if refused is not None:
        content |= {key: refused.summary[key] for key in ("failure", "message")}
    else:
        content |= _compared({kind: item.folder / frame_file for kind, item in pair.items()})
    write_json(path, content)


def _compared(files: Mapping[str, Path]) -> dict[str, Any]:
    from ..dataset.frames import read_frames
    from ..engines.cp2k.write.inputs import asked_moments

    frames = {kind: read_frames(file)[0] for kind, file in files.items()}
    magnetic = asked_moments(frames[PARALLEL]) != 0
    difference_eV = frames[PARTNER].info["REF_energy"] - frames[PARALLEL].info["REF_energy"]
    return {
        "ions": int(magnetic.sum()),
        "energy_difference_meV": 1000.0 * difference_eV,
        "moments_muB": {kind: frame.arrays["REF_spin"][magnetic].tolist() for kind, frame in frames.items()},
        "flags": {kind: frame.info["spin_flag"] for kind, frame in frames.items() if "spin_flag" in frame.info},
    }
