"""A dataset for mace-torch's own command: ``mace_run_train`` instead of the driver's `train` stage."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...dataset.frames import write_frames
from ...files import write_bytes

if TYPE_CHECKING:
    from ase import Atoms

SCRIPT = "mace_run_train.sh"
#: Every file that `write_training_set` writes, or removes where it is left from before.
FILES = ("train.extxyz", "valid.extxyz", "test.extxyz", SCRIPT)
# a small model, as the driver's own default; everything else is mace-torch's default
_MODEL = {
    "model": "MACE", "r_max": "4.5", "hidden_irreps": "16x0e", "correlation": "3", "num_interactions": "2",
    "batch_size": "4", "lr": "0.01", "max_num_epochs": "100", "default_dtype": "float64", "device": "cpu",
}  # fmt: skip
_WEIGHTS = {"energy_weight": "10", "forces_weight": "100"}
_STRESS = {"loss": "stress", "compute_stress": "True", "stress_key": "REF_stress", "stress_weight": "1000"}


def write_training_set(
    folder: Path,
    parts: Mapping[str, Sequence["Atoms"]],
    e0_eV: Mapping[str, float],
    multiplicities: Mapping[str, int],
    *,
    name: str,
    seed: int,
) -> list[str]:
    """Write ``train.extxyz``, ``valid.extxyz``, ``test.extxyz`` and a script into `folder`; returns the command.

    `parts` maps "train", "valid" and "test" to labeled frames; an empty part has no file, and without validation
    frames mace-torch draws a tenth of the training frames itself. The training frames are led by one isolated atom per
    element of `e0_eV` (``config_type=IsolatedAtom``), from which mace-torch takes E0; `multiplicities` are theirs.
    Labels keep their keys, which are the command's ``--energy_key`` and so on.
    """
    level = parts["train"][0].info["level"]
    atoms = [_isolated_atom(element, energy, multiplicities[element], level) for element, energy in e0_eV.items()]
    for part, frames in parts.items():
        path = folder / f"{part}.extxyz"
        if frames:
            write_frames(path, [*atoms, *frames] if part == "train" else list(frames))
        else:
            path.unlink(missing_ok=True)
    command = ["mace_run_train", *_flags({"name": name, "seed": str(seed)})]
    command += _flags({f"{part}_file": f"{part}.extxyz" for part, frames in parts.items() if frames})
    command += _flags({"energy_key": "REF_energy", "forces_key": "REF_forces"} | _WEIGHTS)
    if any("REF_stress" in frame.info for frame in parts["train"]):
        command += _flags(_STRESS)
    command += [*_flags(_MODEL), "--ema"]
    script = f'#!/bin/sh\n# level {level}; E0 from the isolated atoms in train.extxyz\ncd "$(dirname "$0")" &&\n'
    write_bytes(folder / SCRIPT, f"{script}exec {shlex.join(command)}\n".encode())
    return command


def _flags(values: Mapping[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in (f"--{key}", value)]


def _isolated_atom(element: str, energy: float, multiplicity: int, level: str) -> "Atoms":
    import numpy as np
    from ase import Atoms

    atom = Atoms(element)
    atom.set_array("REF_forces", np.zeros((1, 3)))
    atom.info = {
        "REF_energy": energy, "config_type": "IsolatedAtom", "charge": 0, "multiplicity": multiplicity, "level": level,
        "group": f"{element}-atom", "source": "E0",
    }  # fmt: skip
    return atom
