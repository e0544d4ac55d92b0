"""The shift of energies between two levels of theory: one number for each element, fitted to frames of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..wording import counted

if TYPE_CHECKING:
    from ase import Atoms

#: What a shift is fitted to: nothing, where both are of one level; frames for training; the frames that are compared.
NONE, TRAINING, SAME = "none", "training", "same"


@dataclass(frozen=True)
class Shift:
    """By element (eV), what it was fitted to with the numbers of frames and compositions, and why not to others."""

    element_eV: Mapping[str, float]
    source: str
    frames: int = 0
    compositions: int = 0
    reason: str = ""

    def of(self, frame: "Atoms") -> float:
        """The shift of a frame (eV)."""
        return sum(self.element_eV.get(symbol, 0.0) for symbol in frame.symbols)

    def told(self) -> str:
        """In words, with what it means for the errors."""
        if self.source == NONE:
            return "energies as they are: both of one level of theory"
        where = f"{counted(self.frames, 'frame')} of {counted(self.compositions, 'composition')}"
        if self.source == TRAINING:
            return f"one shift per element, fitted to {where} for training"
        return f"one shift per element, fitted to the same frames, so that the error is a lower bound ({self.reason})"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "from": self.source, "frames": self.frames, "compositions": self.compositions,
            "element_eV": dict(self.element_eV), "text": self.told(),
        }  # fmt: skip


def fitted_shift(frames: Sequence["Atoms"], results: Sequence[Any], source: str, reason: str = "") -> Shift:
    """By least squares over what `results` (with energy in eV) and labels differ by, per atom."""
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    atoms, counts = np.array([len(frame) for frame in frames]), _counts(frames, elements)
    off = np.array([result.energy - frame.info["REF_energy"] for frame, result in zip(frames, results, strict=True)])
    found, *_ = np.linalg.lstsq(counts / atoms[:, None], off / atoms, rcond=None)
    return Shift(dict(zip(elements, found.tolist(), strict=True)), source, len(frames), _distinct(frames), reason)


def not_determined(fitted: Sequence["Atoms"], compared: Sequence["Atoms"]) -> str:
    """Why a shift fitted to some frames says nothing of others; empty if it does: their compositions are mixtures."""
    if not fitted:
        return "there are no others"
    elements = sorted({symbol for frame in (*fitted, *compared) for symbol in frame.symbols})
    known, all_of = _counts(fitted, elements), _counts([*fitted, *compared], elements)
    missing = [element for element, column in zip(elements, known.T, strict=True) if not column.any()]
    if missing:
        return f"no frame for the shift has {', '.join(missing)}"
    if np.linalg.matrix_rank(all_of) > np.linalg.matrix_rank(known):
        return f"the frames for the shift are of {counted(_distinct(fitted), 'composition')}, too few for these"
    return ""


def _counts(frames: Sequence["Atoms"], elements: Sequence[str]) -> np.ndarray:
    return np.array([[list(frame.symbols).count(element) for element in elements] for frame in frames])


def _distinct(frames: Sequence["Atoms"]) -> int:
    return len({frame.symbols.formula.reduce()[0].format("hill") for frame in frames})
