"""Trajectories for displacements: unwrapped, in a fixed cell, relative to the framework, evenly spaced in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..chemistry.formers import ANIONS
from ..errors import InputError
from .arguments import array, elements, shown, structures
from .unwrap import full_cell, unwrap, without_flips


@dataclass(frozen=True)
class Trajectory:
    """Unwrapped positions without the framework's drift. Made by `trajectory`."""

    positions: np.ndarray  #: (frames, N, 3) Å, in `cell`
    interval: float  #: ps between frames
    symbols: tuple[str, ...]  #: element per atom
    cell: np.ndarray | None  #: (3, 3) Å, mean; None where none was given
    wrapped: bool  #: whether the given positions were wrapped

    @property
    def volume(self) -> float | None:
        """Å³ of the mean cell."""
        return None if self.cell is None else float(abs(np.linalg.det(self.cell)))


def trajectory(
    frames,
    cell=None,
    times=None,
    *,
    symbols: str | Sequence[str] | None = None,
    framework=None,
    masses=None,
    wrapped: bool | None = None,
) -> Trajectory:
    """A `Trajectory` from ASE atoms or arrays.

    Parameters
    ----------
    frames : sequence of atoms, or positions (frames, N, 3) in Å.
    cell : (3, 3) or (frames, 3, 3) in Å; taken from atoms. Positions without a cell must be unwrapped.
    times : ps, evenly spaced times (frames,) or the interval; by default ``info["time_ps"]`` of the atoms.
    symbols : elements, one per atom; taken from atoms. By default one element "X".
    framework : elements, or a mask or indices of atoms, relative to whose center positions are taken.
        None removes no drift.
    masses : (N,) weights of the center; by default all atoms of the framework weigh the same.
    wrapped : as for `unwrap`.

    Raises InputError for frames of different atoms, times that are not evenly spaced, and as `unwrap` does.
    """
    if isinstance(frames, np.ndarray):
        positions = array("frames", frames, ("frames", "N", 3), unit="Å")
    else:
        positions, cell, times, symbols = _from_atoms(structures("frames", frames), cell, times, symbols)
    if not positions.shape[1]:
        raise InputError(f"frames = {positions.shape}: there are no atoms")
    symbols = ("X",) * positions.shape[1] if symbols is None else _symbols(symbols)
    if len(symbols) != positions.shape[1]:
        raise InputError(f"symbols = {len(symbols)} entries: there are {positions.shape[1]} atoms")
    if len(positions) < 2:
        raise InputError(f"frames = {len(positions)}: at least 2 are needed")
    if masses is not None and framework is None:
        raise InputError(f"masses = {shown(masses)}: are weights of the framework; give a framework")
    if wrapped is not None and cell is None:
        raise InputError(f"wrapped = {shown(wrapped)}: only positions with a cell can be unwrapped")
    was_wrapped = False
    if cell is not None:
        positions, was_wrapped = unwrap(positions, cell, wrapped=wrapped)
        cell = full_cell(without_flips(np.asarray(cell, dtype=float).reshape(-1, 3, 3)).mean(axis=0))
    weights = framework_weights(symbols, framework, masses)
    if weights is not None:
        positions = relative_to(positions, weights)
    return Trajectory(positions, _interval(times, len(positions)), symbols, cell, was_wrapped)


def _symbols(symbols) -> tuple[str, ...]:
    """A formula like "Na2O" is not a list of elements, which has one entry per atom."""
    given = tuple(symbols) if np.iterable(symbols) else ()
    if not given or not all(isinstance(one, str) for one in given):
        raise InputError(f"symbols = {shown(symbols)}: must be elements, one per atom")
    return tuple(str(one) for one in given)


def framework_weights(symbols: Sequence[str], framework, masses=None) -> np.ndarray | None:
    """(N,) weights of the framework's center, with a sum of 1; None without a framework."""
    if framework is None:
        return None
    chosen = atoms_of("framework", framework, symbols)
    if not chosen.any():
        raise InputError(f"framework = {shown(framework)}: selects no atoms, so the drift is undefined")
    masses = np.ones(len(symbols)) if masses is None else array("masses", masses, (len(symbols),))
    if (masses[chosen] <= 0).any():
        raise InputError(f"masses = {shown(masses)}: must be positive, one per atom")
    weights = chosen * masses
    return weights / weights.sum()


def atoms_of(name: str, given, symbols: Sequence[str]) -> np.ndarray:
    """(N,) mask of the atoms that elements, a mask (N,) or indices mean; every element given must be present."""
    if isinstance(given, str) or (np.iterable(given) and all(isinstance(entry, str) for entry in given)):
        known = elements(name, given, symbols)
        for one in sorted(set(known) - set(symbols)):
            raise InputError(f"{name} = {one!r}: no atom is of this element")
        return np.isin(np.array(symbols), known)
    values = np.asarray(given)
    if values.dtype == bool and values.shape == (len(symbols),):
        return values
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise InputError(f"{name} = {shown(given)}: must be elements, a mask ({len(symbols)},) or indices of atoms")
    if values.size and not 0 <= values.min() <= values.max() < len(symbols):
        raise InputError(f"{name} = {shown(given)}: indices run from 0 to {len(symbols) - 1}")
    chosen = np.zeros(len(symbols), dtype=bool)
    chosen[values] = True
    return chosen


def relative_to(positions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Positions (frames, N, 3) relative to the weighted center, itself at frame 0."""
    center = np.einsum("n,tnx->tx", weights, positions)
    return positions - (center - center[0])[:, None]


def same_elements(frames: Sequence) -> list[str]:
    """The element order of the frames; InputError unless all frames have the same atoms in the same order."""
    if not frames:
        raise InputError("no frames to analyze")
    first = list(frames[0].get_chemical_symbols())
    for number, atoms in enumerate(frames):
        if list(atoms.get_chemical_symbols()) != first:
            raise InputError(f"frame {number}: its atoms or their order differ from frame 0")
    return element_order(first)


def element_order(symbols: Iterable[str]) -> list[str]:
    """Elements in order of first appearance, anions last."""
    found = list(dict.fromkeys(symbols))
    return [e for e in found if e not in ANIONS] + [e for e in found if e in ANIONS]


def _from_atoms(frames: list, cell, times, symbols):
    same_elements(frames)
    positions = np.array([atoms.positions for atoms in frames], dtype=float)
    if cell is None and all(np.any(np.asarray(atoms.cell)) for atoms in frames):
        cell = np.array([np.asarray(atoms.cell, dtype=float) for atoms in frames])
    if times is None:
        missing = [t for t, atoms in enumerate(frames) if "time_ps" not in atoms.info]
        if missing:
            raise InputError(f"times = None: frame {missing[0]} has no time_ps in its info")
        times = [atoms.info["time_ps"] for atoms in frames]
    return positions, cell, times, symbols or frames[0].get_chemical_symbols()


def _interval(times, frames: int) -> float:
    if times is None:
        raise InputError("times = None: give times or their interval in ps")
    try:
        times = np.asarray(times, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"times = {shown(times)}: must be an interval or times in ps") from None
    if not np.isfinite(times).all():
        raise InputError(f"times = {shown(times)}: must be finite numbers (ps)")
    if times.ndim == 0:
        step = times.reshape(1)
    elif times.shape == (frames,):
        step = np.diff(times)
    else:
        raise InputError(f"times = {times.shape}: must be an interval or have the shape ({frames},)")
    if not step.min() > 0 or np.ptp(step) > 1e-3 * step.mean() + 1e-9:
        raise InputError(f"times: steps from {step.min():g} to {step.max():g} ps are not evenly spaced")
    return float(step.mean())
