"""Descriptors from a MACE model, of frames and of atoms: its invariant node features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dataset.cells import narrowest
from ...errors import InputError
from .modelfile import default_dtype
from .spin import invariant_columns, node_features

if TYPE_CHECKING:
    import torch
    from ase import Atoms

# atoms of a frame that is evaluated at once
_WHOLE = 2000


def descriptors(model: torch.nn.Module, frames: Sequence[Atoms]) -> np.ndarray:
    """(F, Z·C): for each of the model's Z elements the sum of its atoms' C invariant features, per atom of the frame.

    `model` in float64 on the CPU; labels are not needed. Raises InputError for an element that the model does not know.
    """
    _check_elements(model, frames)
    columns = np.array(invariant_columns(model))
    with default_dtype("float64"):
        rows = [
            (one_hot.numpy().T @ features.numpy()[:, columns]).ravel() / len(one_hot)
            for features, one_hot in node_features(model, frames)
        ]
    return np.array(rows)


def atom_descriptors(model: torch.nn.Module, frame: Atoms, atoms: Sequence[int]) -> np.ndarray:
    """(n, C): the invariant features of `atoms` of a frame.

    `model` in float64 on the CPU. Of a large frame only what is in reach of each atom is evaluated. Raises InputError
    for an element that the model does not know.
    """
    _check_elements(model, [frame])
    columns = np.array(invariant_columns(model))
    rows = np.empty((len(atoms), len(columns)))
    with default_dtype("float64"):
        # one part after the other: their edges take most of the memory
        for part, inside, own in _parts(frame, atoms, float(model.r_max) * len(model.products)):
            (found,) = node_features(model, [part])
            rows[own] = found[0].numpy()[inside][:, columns]
    return rows


def _parts(frame: Atoms, atoms: Sequence[int], reach: float) -> Iterator[tuple[Atoms, np.ndarray, Any]]:
    """What has to be evaluated for `atoms`: structures, which of their atoms are meant, and the places of these.

    The frame itself if it is small, else what is within `reach` (Å) of the atoms, of all together or of each.
    """
    from ase.geometry import find_mic

    def around(atom: int, radius: float) -> tuple[Atoms, np.ndarray]:
        vectors, distances = find_mic(frame.positions - frame.positions[atom], frame.cell, frame.pbc)
        near = np.flatnonzero(distances < radius)
        return Atoms(frame.symbols[near], vectors[near]), near

    from ase import Atoms

    spread = find_mic(frame.positions[list(atoms)] - frame.positions[atoms[0]], frame.cell, frame.pbc)[1].max()
    together = (reach + spread) ** 3 < len(atoms) * reach**3
    radius = reach + spread if together else reach
    if len(frame) <= _WHOLE or radius > narrowest(frame) / 2:
        yield frame, np.array(atoms), slice(None)
    elif together:
        part, near = around(atoms[0], radius)
        yield part, np.searchsorted(near, atoms), slice(None)
    else:
        for k, atom in enumerate(atoms):
            part, near = around(atom, radius)
            yield part, np.searchsorted(near, [atom]), [k]


def _check_elements(model: torch.nn.Module, frames: Sequence[Atoms]) -> None:
    from ase.data import chemical_symbols

    elements = [chemical_symbols[int(z)] for z in model.atomic_numbers]
    unknown = sorted({element for frame in frames for element in frame.symbols} - set(elements))
    if unknown:
        raise InputError(f"the model covers {' '.join(elements)}, but not {', '.join(unknown)} in the frames")
