"""Atoms of a glass as the oxides that its composition is written in, and the electrons that its metals have more."""

from collections.abc import Sequence

import numpy as np

from ..chemistry.ions import TRANSITION_METALS, fixed_state
from ..chemistry.notation import oxide_of
from ..wording import digits
from .composition import composition_name

# the states of the oxides in which glass compositions are written, where an element has several
_WRITTEN = {"Ti": 4, "V": 5, "Cr": 3, "Mn": 2, "Fe": 3, "Co": 2, "Ni": 2, "Cu": 2, "Nb": 5, "Mo": 6, "W": 6}
# of a mean charge that is a whole number
_LEAST_ELECTRONS = 0.005
_NOT_CATION = 0


def oxide(element: str, state: int) -> str:
    """The oxide of a cation in a state: ``("Na", 1)`` → ``Na2O``, ``("Fe", 2)`` → ``FeO``."""
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in oxide_of(element, state).items())


def oxide_shares(atoms: np.ndarray, elements: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
    """Shares (N, C) in mol-% of one oxide of each cation, and the oxides, for atoms (N, E); None for anions but O.

    A transition metal that has one and the same charge in all glasses is written as the oxide of that charge (FeO where
    all iron is Fe2+), by the balance of charges if it is the only one; otherwise as the usual oxide of the element.
    """
    cations = [element for element in elements if element != "O"]
    states = _usual(cations)
    if "O" not in elements or not cations or _NOT_CATION in states.values():
        return None
    if (balanced := _balanced(atoms, elements)) is not None:
        metal, charges = balanced
        common = round(float(charges[0]))
        if common > 0 and np.allclose(charges, common, atol=_LEAST_ELECTRONS):
            states[metal] = common
    moles = np.column_stack([atoms[:, elements.index(e)] / oxide_of(e, q)[e] for e, q in states.items()])
    return 100.0 * moles / moles.sum(axis=1, keepdims=True), [oxide(e, q) for e, q in states.items()]


def glass_name(atoms: np.ndarray, elements: Sequence[str]) -> str:
    """The oxides (mol-%) of a glass of atoms (E,), with the states that its only transition metal has to have.

    ``25 Na2O · 50 FeO · 25 P2O5``; a mean charge that is no whole number is shared between the two next to it. With
    several metals, usual oxides and the electrons that the metals have more, per metal.
    """
    states = _usual([element for element in elements if element != "O"])
    moles: dict[str, float] = {}
    balanced = _balanced(atoms[None, :], elements)
    for element, usual in states.items():
        count, mean = float(atoms[elements.index(element)]), float(usual)
        if balanced is not None and balanced[0] == element:
            mean = float(balanced[1][0])
        low = int(np.floor(mean + _LEAST_ELECTRONS))
        above = mean - low if mean - low >= _LEAST_ELECTRONS else 0.0
        for state, share in ((low, 1 - above), (low + 1, above)):
            if share * count and state > 0:
                moles[oxide(element, state)] = share * count / oxide_of(element, state)[element]
    total = sum(moles.values())
    name = composition_name([100 * each / total for each in moles.values()], list(moles))
    return name if balanced is not None else f"{name}{_electrons_text(atoms, elements, states)}"


def _usual(cations: Sequence[str]) -> dict[str, int]:
    """The usual state of each cation; 0 for an anion, and for an element of no usual state."""
    return {e: max(_WRITTEN.get(e) or fixed_state(e) or _NOT_CATION, _NOT_CATION) for e in cations}


def _balanced(atoms: np.ndarray, elements: Sequence[str]) -> tuple[str, np.ndarray] | None:
    """The only transition metal, and its mean charge (e) in each of the glasses (N, E) that have it, by the balance of
    charges; None where there are several or none, or where no state is positive.
    """
    metals = [
        element
        for element in elements
        if element in TRANSITION_METALS and (atoms[:, elements.index(element)] > 0).any()
    ]
    if len(metals) != 1:
        return None
    (metal,) = metals
    has = atoms[:, elements.index(metal)] > 0
    own = atoms[has]
    others = sum(
        q * own[:, elements.index(e)] for e, q in _usual([e for e in elements if e not in ("O", metal)]).items()
    )
    charges = (2 * own[:, elements.index("O")] - others) / own[:, elements.index(metal)]
    return (metal, charges) if (charges > 1 - _LEAST_ELECTRONS).all() else None


def _electrons_text(atoms: np.ndarray, elements: Sequence[str], states: dict[str, int]) -> str:
    """``, 0.25 e⁻ per metal``, nothing for the usual states and without metals."""
    metals = sum(atoms[k] for k, e in enumerate(elements) if e in TRANSITION_METALS)
    charge = sum(states[e] * atoms[k] for k, e in enumerate(elements) if e != "O")
    extra = float(charge - 2 * atoms[elements.index("O")]) / metals if metals else 0.0
    return f", {digits(extra, 2)} e⁻ per metal" if abs(extra) >= _LEAST_ELECTRONS else ""
