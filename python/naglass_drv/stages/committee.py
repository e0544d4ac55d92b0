"""A committee in the stages: the names of its members among files and tasks, and the calibration of its deviation.

Member 0 is the model that a run without a committee has. The others are ``member-1`` and so on. Members that are heads
on one body are all in its archive.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..products import Model
from .base import lammps_seed

if TYPE_CHECKING:
    import numpy as np

    from ..dataset.uncertainty import Calibration

#: Roles of the calibration, and of the errors of the mean.
UNCERTAINTY, MEAN = "uncertainty", "mean"


def heads_in(section: Any) -> int:
    """How many read-out heads of one model form the committee of a section `train`; 0 if it has none of them."""
    return section.committee if section.committee_of == "heads" else 0


def tasks_in(section: Any) -> int:
    """The models that a section `train` asks for."""
    return 1 if heads_in(section) else section.committee


def head_role(member: int) -> str:
    """The role of the predictions of a head for the frames that are held out."""
    return f"head-{member}/parity-test"


def task_of(member: int) -> str:
    """The name of the task that trains a member."""
    return f"member-{member}" if member else "model"


def role_of(member: int, word: str) -> str:
    """The role of a member's file in the product."""
    return f"member-{member}/{word}" if member else word


def seed_of(member: int, seed: int) -> int:
    """The seed of a member: that of the run for the first."""
    return lammps_seed(f"{seed} member {member}") if member else seed


def archives(model: Model) -> list[Path]:
    """The archives of all members, in order."""
    others = model.each("archive")
    return [model.files["archive"], *(others[name] for name in sorted(others, key=lambda name: int(name[7:])) if name)]


def variable(role: str) -> str:
    """The variable of LAMMPS scripts for a member's archive: names there have no hyphens."""
    return role.replace("-", "_")


def factors(model: Model) -> Mapping[str, float] | None:
    """The factors that calibrate the deviation, by element; None if it is not calibrated."""
    path = model.files.get(UNCERTAINTY)
    scale = json.loads(path.read_text(encoding="utf-8"))["scale"] if path is not None else {}
    return scale if scale and all(scale.values()) else None


def calibration(test: Path, parities: Sequence[Path]) -> "Calibration":
    """Calibrate the members on the frames `test` that were held out, from their parity data in the same order."""
    import numpy as np

    from ..dataset.frames import read_labeled
    from ..dataset.uncertainty import calibrate, committee

    frames = read_labeled(test)
    found = _read(parities)
    mean, deviation = committee(np.array([each["forces_model_eV_per_A"] for each in found]))
    error = np.linalg.norm(mean - found[0]["forces_label_eV_per_A"], axis=1)

    def of_atoms(values: Any) -> np.ndarray:
        return np.concatenate([np.broadcast_to(np.asarray(value, dtype=str), len(frame)) for frame, value in values])

    return calibrate(
        deviation,
        error,
        of_atoms((frame, frame.get_chemical_symbols()) for frame in frames),
        of_atoms((frame, frame.info["group"]) for frame in frames),
        of_atoms((frame, frame.arrays.get("ion", "")) for frame in frames),
    )


def mean_errors(test: Path, parities: Sequence[Path]) -> dict[str, Any]:
    """Errors of the mean of the members, with which MD runs, on the frames `test`: those of energies and forces."""
    import numpy as np

    from ..dataset.frames import read_labeled
    from ..engines.mace.accuracy import errors

    frames, found = read_labeled(test), _read(parities)
    energy = np.mean([each["energy_model_eV_per_atom"] for each in found], axis=0)
    forces = np.mean([each["forces_model_eV_per_A"] for each in found], axis=0)
    return errors(frames, {"energy": energy * [len(frame) for frame in frames], "forces": forces})


def _read(parities: Sequence[Path]) -> "list[dict[str, np.ndarray]]":
    from ..files import read_arrays

    return [read_arrays(path) for path in parities]
