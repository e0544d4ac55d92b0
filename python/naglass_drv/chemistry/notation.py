"""Formulas, ions and compositions in chemical notation: Na₄V₂P₄O₁₆, V⁴⁺, mol % of oxides."""

from collections.abc import Iterable, Mapping

from ..wording import SUPERSCRIPT
from .ions import Species

SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
#: Back to the line: ``Na₂O`` → ``Na2O``.
ON_THE_LINE = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def formula_text(composition: Mapping[str, int]) -> str:
    """``{"Na": 4, "V": 2}`` → ``Na₄V₂``."""
    return "".join(f"{e}{str(n).translate(SUBSCRIPT) if n != 1 else ''}" for e, n in composition.items() if n)


def ion_text(label: str) -> str:
    """``V4+`` → ``V⁴⁺``; an element stays as it is."""
    element = label.rstrip("0123456789+-")
    return element + label[len(element) :].translate(SUPERSCRIPT)


def elements(ions: Iterable[Species]) -> dict[str, int]:
    """Atoms per element."""
    counts: dict[str, int] = {}
    for ion in ions:
        counts[ion.element] = counts.get(ion.element, 0) + ion.count
    return counts


def oxides(ions: Iterable[Species]) -> dict[str, float] | None:
    """The oxides of a neutral glass with their shares in mol %; None if O is not the only anion."""
    if not (amounts := oxide_units(ions)):
        return None
    total = sum(amounts.values())
    return {key: 100 * amount / total for key, amount in amounts.items()}


def oxide_units(ions: Iterable[Species]) -> dict[str, float] | None:
    """The oxides of a neutral glass with the formula units of each; None if O is not the only anion."""
    amounts: dict[str, float] = {}
    for ion in ions:
        if ion.charge > 0:
            atoms = oxide_of(ion.element, ion.charge)
            key = formula_text(atoms)
            amounts[key] = amounts.get(key, 0.0) + ion.count / atoms[ion.element]
        elif (ion.element, ion.charge) != ("O", -2):
            return None
    return amounts


def oxide_of(element: str, charge: int) -> dict[str, int]:
    """Atoms in the oxide of a cation: two of odd charge q in X₂O_q, one of even charge in XO_(q/2), as Na₂O, VO₂."""
    return {element: 2, "O": charge} if charge % 2 else {element: 1, "O": charge // 2}


def composition_text(ions: Iterable[Species]) -> str:
    """The composition on one line: mol % of oxides, or the ions and their numbers."""
    ions = tuple(ions)
    shares = oxides(ions)
    named = ", ".join(f"{ion.count} {ion_text(ion.label)}" for ion in ions)
    if shares is None:
        return named
    parts = " · ".join(f"{share:.3g} {oxide}" for oxide, share in shares.items())
    return f"{parts} (mol %); {named}"
