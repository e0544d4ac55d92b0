"""A cell from a composition in mol-%: the smallest neutral one that has the requested shares and redox ratios.

Everything is exact bookkeeping in whole numbers, as in `chemistry`.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from . import ions as chemistry
from .masses import MASSES

if TYPE_CHECKING:
    import numpy as np

#: Largest deviation of a realized share (mol-%) and, in percent, of a redox ratio.
TOLERANCE_PERCENT = 1.0
_MAX_ATOMS = 100_000
_PART = re.compile(r"([A-Z][a-z]?)([0-9]*)")


@dataclass(frozen=True)
class Compound:
    """A component of a mixture: its formula, and its ions with the number of each per formula unit."""

    formula: str
    ions: tuple[chemistry.Species, ...]


@dataclass(frozen=True)
class Share:
    """A requested share and what the cell has of it: mol-% of a compound, or a redox ratio."""

    name: str
    asked: float
    realized: float


@dataclass(frozen=True)
class Cell:
    """Counts of the ions of a neutral cell by label, and the shares that it realizes."""

    counts: dict[str, int]
    shares: tuple[Share, ...]

    @property
    def atoms(self) -> int:
        """Number of atoms."""
        return sum(self.counts.values())


def compound(formula: str) -> Compound:
    """``V2O5`` as two V5+ and five O2-. Raises InputError if it is not a neutral compound of cations and anions."""
    parts = _PART.findall(formula)
    if not parts or "".join(symbol + count for symbol, count in parts) != formula:
        raise InputError(f"{formula!r}: not a formula like 'Na2O', 'V2O5' or 'NaPO3'")
    counts: dict[str, int] = {}
    for symbol, count in parts:
        counts[symbol] = counts.get(symbol, 0) + int(count or 1)
    try:
        ions = chemistry.species(counts)
    except InputError as error:
        reason = str(error).removeprefix("composition: ")
        raise InputError(reason if reason.startswith("'") else f"{formula!r}: {reason}") from error
    if not any(ion.charge > 0 for ion in ions) or not any(ion.charge < 0 for ion in ions):
        raise InputError(f"{formula!r}: not a compound of cations and anions")
    return Compound(formula, ions)


def redox_key(key: str) -> tuple[str, int]:
    """``V4+/V`` as ("V", 4). Raises InputError for anything else."""
    ion, _, whole = key.partition("/")
    try:
        element, charge = chemistry.parse_label(ion)
    except InputError:
        element, charge = ion, None
    if charge is None or charge <= 0 or element != whole:
        raise InputError(f"{key!r}: not a redox ratio like 'V4+/V'")
    if element not in chemistry.TRANSITION_METALS:
        raise InputError(f"{key!r}: {element} has one oxidation state in a glass")
    chemistry.high_spin_unpaired(element, charge)
    return element, charge


def smallest_cell(shares: Mapping[str, float], redox: Mapping[str, float], atoms: int) -> Cell:
    """The smallest neutral cell of at least `atoms` atoms with `shares` (mol-% by compound) and `redox` ratios.

    Smallest by the number of cations, and of the cells in which the number of each ion is the wanted one rounded up or
    down; of several with as many cations, that which deviates least.

    `redox` maps ``V4+/V`` to the part of all V that is V4+; the rest of an element keeps the states that its
    compounds give it, and oxygen follows from neutrality. Shares agree to within 1 mol-%, ratios to within 0.01.
    Raises InputError if they do not add up, or if no cell of up to 100 000 atoms has them.
    """
    if atoms > _MAX_ATOMS:
        raise InputError(f"atoms: at least {atoms} atoms; the maximum for a cell from mol-% is {_MAX_ATOMS}")
    compounds = [compound(formula) for formula in shares]
    wanted = _cations(compounds, shares, redox)
    anions = _other_anions(compounds, shares)
    per_cation = 1.0 + (sum(wanted[key] * key[1] for key in wanted) + sum(anions[a] * a[1] for a in anions)) / 2.0
    first = max(1, int(0.9 * atoms / (per_cation + sum(anions.values()))))
    search = _Search([*wanted, *anions], compounds, shares, redox)
    for cations in range(first, _MAX_ATOMS):
        counts = search.best([cations * share for share in (*wanted.values(), *anions.values())], atoms)
        if counts is not None:
            return search.cell(counts)
        if cations * per_cation > _MAX_ATOMS:
            break
    raise InputError(f"no neutral cell of up to {_MAX_ATOMS} atoms has these shares to within 1 mol-%")


def absent_elements(shares: Mapping[str, object]) -> set[str]:
    """Elements that only compounds of zero share contain."""

    def elements(formulas: Iterable[str]) -> set[str]:
        return {symbol for formula in formulas for symbol, _ in _PART.findall(formula)}

    none = {formula for formula, share in shares.items() if share == 0}
    return elements(none) - elements(shares.keys() - none)


def density_from_volumes(cell: Cell, volumes_cm3: Mapping[str, float]) -> float:
    """Density (g/cm3) of a cell from additive molar volumes (cm3/mol) of its compounds.

    The volumes count for the compounds as written, the mass for the atoms of the cell, with their redox state.
    """
    shares = [share for share in cell.shares if "/" not in share.name]
    if lacking := [share.name for share in shares if share.name not in volumes_cm3]:
        raise InputError(f"no molar volume of {', '.join(lacking)}")
    cations = sum(count for label, count in cell.counts.items() if label.endswith("+"))
    of_each = {s.name: sum(ion.count for ion in compound(s.name).ions if ion.charge > 0) for s in shares}
    units = cations / sum(share.realized * of_each[share.name] for share in shares)
    volume = units * sum(share.realized * volumes_cm3[share.name] for share in shares)
    return sum(MASSES[chemistry.parse_label(label)[0]] * count for label, count in cell.counts.items()) / volume


def _cations(
    compounds: Iterable[Compound], shares: Mapping[str, float], redox: Mapping[str, float]
) -> dict[tuple[str, int], float]:
    """Parts of all cations, by element and charge."""
    found: dict[tuple[str, int], float] = {}
    for item in compounds:
        for ion in item.ions:
            if ion.charge > 0:
                key = (ion.element, ion.charge)
                found[key] = found.get(key, 0.0) + shares[item.formula] * ion.count
    for element in {redox_key(key)[0] for key in redox}:
        whole = sum(part for (symbol, _), part in found.items() if symbol == element)
        if not whole:
            raise InputError(f"redox ratio of {element}, which no compound contains")
        stated = {redox_key(key)[1]: ratio for key, ratio in redox.items() if redox_key(key)[0] == element}
        rest = 1.0 - sum(stated.values())
        if rest < -1e-9:
            raise InputError(f"redox ratios of {element} add up to {1.0 - rest:g}, more than 1")
        others = {key: part for key, part in found.items() if key[0] == element and key[1] not in stated}
        scale = sum(others.values())
        if rest > 1e-9 and not scale:
            raise InputError(f"redox ratios of {element} add up to {1.0 - rest:g}, and no compound has another state")
        for key in [key for key in found if key[0] == element]:
            del found[key]
        found |= {key: whole * rest * part / scale for key, part in others.items() if rest > 1e-9}
        found |= {(element, charge): whole * ratio for charge, ratio in stated.items() if ratio > 0}
    total = sum(found.values())
    return {key: part / total for key, part in found.items()}


def _other_anions(compounds: Iterable[Compound], shares: Mapping[str, float]) -> dict[tuple[str, int], float]:
    """Anions other than oxygen for each cation."""
    compounds = list(compounds)
    cations = sum(shares[c.formula] * ion.count for c in compounds for ion in c.ions if ion.charge > 0)
    found: dict[tuple[str, int], float] = {}
    for item in compounds:
        for ion in item.ions:
            if ion.charge < 0 and ion.element != "O":
                key = (ion.element, ion.charge)
                found[key] = found.get(key, 0.0) + shares[item.formula] * ion.count / cations
    return found


def _roundings(wanted: Sequence[float]) -> "np.ndarray":
    """(R, K) whole numbers next to the K wanted ones, in all combinations; never zero of what is wanted."""
    import numpy as np

    choices = []
    for value in wanted:
        low = math.floor(value + 1e-9)
        choices.append([low] if abs(value - low) < 1e-9 and low else [each for each in (low, low + 1) if each])
    return np.array(list(itertools.product(*choices)))


class _Search:
    """Which counts of the ions `keys` (element and charge, oxygen not among them) make a neutral cell, and what it has.

    Many counts at a time: a cell of seven compounds has hundreds of roundings for every number of cations.
    """

    def __init__(
        self,
        keys: Sequence[tuple[str, int]],
        compounds: Sequence[Compound],
        shares: Mapping[str, float],
        redox: Mapping[str, float],
    ):
        import numpy as np

        self._keys, self._compounds, self._shares, self._redox = keys, compounds, shares, redox
        self._charges = np.array([charge for _, charge in keys])
        elements = sorted({element for element, charge in keys if charge > 0})
        # (K, E) which element a cation is of, and (E, C) how much of it each compound has
        self._of = np.array([[q > 0 and symbol == element for element in elements] for symbol, q in keys], float)
        has = [[sum(ion.count for ion in c.ions if ion.element == element) for c in compounds] for element in elements]
        self._matrix = np.array(has, float)
        self._inverse = np.linalg.pinv(self._matrix)
        asked = np.array([shares[item.formula] for item in compounds], float)
        self._asked, self._asked_cations = asked, (self._matrix @ asked).sum()
        states = [redox_key(key) for key in redox]
        self._state = np.array([[key == state for state in states] for key in keys], float).reshape(len(keys), -1)
        self._whole = np.array([[q > 0 and key == e for e, _ in states] for key, q in keys], float).reshape(
            len(keys), -1
        )

    def best(self, wanted: Sequence[float], atoms: int) -> "np.ndarray | None":
        """Of the roundings of `wanted`, the neutral one of at least `atoms` atoms that deviates least; None if none has
        all shares and ratios within the tolerance.
        """
        import numpy as np

        counts = _roundings(wanted)
        charge = counts @ self._charges
        counts = counts[(charge > 0) & (charge % 2 == 0) & (counts.sum(axis=1) + charge // 2 >= atoms)]
        counts, realized, ratios = self._realized(counts)
        if not len(counts):
            return None
        worst = np.abs(realized - self._asked).max(axis=1)
        if self._redox:
            asked = np.array(list(self._redox.values()))
            worst = np.maximum(worst, 100.0 * np.abs(ratios - asked).max(axis=1))
        first = int(worst.argmin())
        return counts[first] if worst[first] <= TOLERANCE_PERCENT + 1e-9 else None

    def cell(self, counts: "np.ndarray") -> Cell:
        """The cell with these counts."""
        _, realized, ratios = self._realized(counts[None])
        found = [
            Share(item.formula, self._shares[item.formula], float(value))
            for item, value in zip(self._compounds, realized[0], strict=True)
        ]
        found += [Share(*item, float(value)) for item, value in zip(self._redox.items(), ratios[0], strict=True)]
        labels = {chemistry.ion_label(*key): int(count) for key, count in zip(self._keys, counts, strict=True)}
        return Cell(labels | {"O2-": int(counts @ self._charges) // 2}, tuple(found))

    def _realized(self, counts: "np.ndarray") -> tuple["np.ndarray", "np.ndarray", "np.ndarray"]:
        """Those of the counts that the compounds can make up, with mol-% of the compounds and redox ratios; the mol-%
        closest to the asked ones if several sets are possible.
        """
        import numpy as np

        have = counts @ self._of
        asked = self._asked * (have.sum(axis=1, keepdims=True) / self._asked_cations)
        units = asked + (have - asked @ self._matrix.T) @ self._inverse.T
        possible = (np.abs(units @ self._matrix.T - have).max(axis=1) <= 1e-6) & (units.min(axis=1) >= -1e-9)
        counts, units = counts[possible], units[possible]
        return counts, 100.0 * units / units.sum(axis=1, keepdims=True), (counts @ self._state) / (counts @ self._whole)
