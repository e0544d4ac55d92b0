"""Atoms of a glass as the oxides that its composition is written in, and the electrons that its metals have more."""

from collections.abc import Sequence

import numpy as np

from ..chemistry.ions import TRANSITION_METALS, fixed_state
from ..chemistry.notation import oxide_of
from ..wording import digits

# the states of the oxides in which glass compositions are written, where an element has several
_WRITTEN = {"Ti": 4, "V": 5, "Cr": 3, "Mn": 2, "Fe": 3, "Co": 2, "Ni": 2, "Cu": 2, "Nb": 5, "Mo": 6, "W": 6}
_LEAST_ELECTRONS = 0.005


def oxide(element: str) -> str | None:
    """The oxide of a cation: ``Na2O``, ``V2O5``, ``TiO2``; None for an anion, or an element of no usual state."""
    state = _WRITTEN.get(element) or fixed_state(element)
    if state is None or state <= 0:
        return None
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in oxide_of(element, state).items())


def oxide_shares(atoms: np.ndarray, elements: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
    """Shares (N, C) in mol-% of the oxides of all cations, whatever their state, and the oxides, for atoms (N, E); None
    for anions other than O.
    """
    cations = [element for element in elements if element != "O"]
    names = [oxide(element) for element in cations]
    if "O" not in elements or not cations or None in names:
        return None
    moles = np.column_stack([atoms[:, elements.index(e)] / oxide_of(e, _state(e))[e] for e in cations])
    return 100.0 * moles / moles.sum(axis=1, keepdims=True), [name for name in names if name is not None]


def electrons_per_metal(atoms: np.ndarray, elements: Sequence[str]) -> np.ndarray:
    """(N,) electrons that the transition metals have more than in the oxides of `oxide_shares`, per metal, else 0."""
    charge = sum(_state(e) * atoms[:, k] for k, e in enumerate(elements) if e != "O")
    metals = sum(atoms[:, k] for k, e in enumerate(elements) if e in TRANSITION_METALS)
    extra = charge - 2 * atoms[:, elements.index("O")]
    return np.where(metals > 0, extra / np.maximum(metals, 1e-12), 0.0) * np.ones(len(atoms))


def redox_text(electrons: float) -> str:
    """What tells a glass from one with the same oxides: ``, 0.25 e⁻ per metal``, nothing for the usual states."""
    return f", {digits(electrons, 2)} e⁻ per metal" if abs(electrons) >= _LEAST_ELECTRONS else ""


def _state(element: str) -> int:
    return _WRITTEN.get(element) or fixed_state(element) or 0
