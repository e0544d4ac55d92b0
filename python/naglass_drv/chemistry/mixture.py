"""A cell from a composition in mol-%: the smallest neutral one that has the requested shares and redox ratios.

Everything is exact bookkeeping in whole numbers, as in `chemistry`.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import InputError
from . import ions as chemistry
from .masses import MASSES

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

    `redox` maps ``V4+/V`` to the part of all V that is V4+; the rest of an element keeps the states that its
    compounds give it, and oxygen follows from neutrality. Shares agree to within 1 mol-%, ratios to within 0.01.
    Raises InputError if they do not add up, or if no cell of up to 100 000 atoms has them.
    """
    compounds = [compound(formula) for formula in shares]
    wanted = _cations(compounds, shares, redox)
    anions = _other_anions(compounds, shares)
    per_cation = 1.0 + (sum(wanted[key] * key[1] for key in wanted) + sum(anions[a] * a[1] for a in anions)) / 2.0
    first = max(1, int(0.9 * atoms / (per_cation + sum(anions.values()))))
    for cations in range(first, _MAX_ATOMS):
        best = None
        for counts in _roundings({key: cations * share for key, share in (wanted | anions).items()}):
            cell = _neutral(counts, compounds, shares, redox)
            if cell is not None and cell.atoms >= atoms:
                worst = max(_deviation(share) for share in cell.shares)
                if worst <= TOLERANCE_PERCENT + 1e-9 and (best is None or worst < best[0]):
                    best = (worst, cell)
        if best is not None:
            return best[1]
        if cations * per_cation > _MAX_ATOMS:
            break
    raise InputError(f"no neutral cell of up to {_MAX_ATOMS} atoms has these shares to within 1 mol-%")


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


def _roundings(wanted: Mapping[tuple[str, int], float]) -> Iterable[dict[tuple[str, int], int]]:
    """Whole numbers next to the wanted ones, in all combinations; never zero of what is wanted."""
    choices = []
    for value in wanted.values():
        low = math.floor(value + 1e-9)
        choices.append([low] if abs(value - low) < 1e-9 and low else [each for each in (low, low + 1) if each])
    for counts in itertools.product(*choices):
        yield dict(zip(wanted, counts, strict=True))


def _neutral(
    counts: Mapping[tuple[str, int], int],
    compounds: list[Compound],
    shares: Mapping[str, float],
    redox: Mapping[str, float],
) -> Cell | None:
    charge = sum(state * count for (_, state), count in counts.items())
    if charge <= 0 or charge % 2:
        return None
    labels = {chemistry.ion_label(*key): count for key, count in counts.items()}
    labels["O2-"] = charge // 2
    realized = _realized(counts, compounds, shares)
    if realized is None:
        return None
    found = [Share(formula, shares[formula], value) for formula, value in realized.items()]
    for key, asked in redox.items():
        element, state = redox_key(key)
        whole = sum(count for (symbol, _), count in counts.items() if symbol == element)
        found.append(Share(key, asked, counts.get((element, state), 0) / whole))
    return Cell(labels, tuple(found))


def _realized(
    counts: Mapping[tuple[str, int], int], compounds: list[Compound], shares: Mapping[str, float]
) -> dict[str, float] | None:
    """The mol-% of each compound in a cell with the counted cations, those closest to the asked ones if several sets
    are possible; None if these compounds cannot make up the cations.
    """
    import numpy as np

    elements = sorted({element for (element, state) in counts if state > 0})
    have = np.array([sum(n for (symbol, q), n in counts.items() if symbol == e and q > 0) for e in elements], float)
    matrix = np.array([[sum(i.count for i in c.ions if i.element == e) for c in compounds] for e in elements], float)
    asked = np.array([shares[item.formula] for item in compounds], float)
    asked *= have.sum() / (matrix @ asked).sum()
    units = asked + np.linalg.lstsq(matrix, have - matrix @ asked, rcond=None)[0]
    if np.abs(matrix @ units - have).max() > 1e-6 or units.min() < -1e-9:
        return None
    return {item.formula: float(100 * unit / units.sum()) for item, unit in zip(compounds, units, strict=True)}


def _deviation(share: Share) -> float:
    scale = 100.0 if "/" in share.name else 1.0
    return abs(share.realized - share.asked) * scale
