"""A cell from a composition in mol-%: the smallest neutral one that has the requested shares and redox ratios.

Everything is exact bookkeeping in whole numbers, as in `chemistry`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from . import ions as chemistry
from . import potentials
from .masses import MASSES

if TYPE_CHECKING:
    import numpy as np

#: Largest deviation of a realized share (mol-%) and, in percent, of a redox ratio.
TOLERANCE_PERCENT = 1.0
#: Largest cell that is searched.
MAX_ATOMS = 100_000
_MOST_COMBINATIONS = 100_000
# halides may stand beside oxygen, as in a fluoride phosphate
_ANIONS = ("O", "F", "Cl")
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


class RatioError(InputError):
    """A redox ratio that cannot be: `key` names it."""

    def __init__(self, message: str, key: str):
        super().__init__(message)
        self.key = key


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
        reason = _without_state(counts) or str(error).removeprefix("composition: ")
        raise InputError(reason if reason.startswith("'") else f"{formula!r}: {reason}") from error
    if not any(ion.charge > 0 for ion in ions) or not any(ion.charge < 0 for ion in ions):
        raise InputError(f"{formula!r}: not a compound of cations and anions")
    return Compound(formula, ions)


def _without_state(counts: Mapping[str, int]) -> str:
    """Which element of an oxide has no known state as a cation, such as S in a sulfate, and what to do; or nothing."""
    lacking = [element for element in counts if element in chemistry.SYMBOLS and not _may_be_cation(element)]
    if "O" not in counts or not lacking:
        return ""
    return (
        f"no state of {lacking[0]} as a cation is known, and a formula cannot give one; a composition can, as in "
        f"'V4+', but the glass section has parameters only for {potentials.known()}"
    )


def _may_be_cation(element: str) -> bool:
    if element in (*chemistry.TRANSITION_METALS, *_ANIONS):
        return True
    try:
        return chemistry.ions_of([element])[0].charge > 0
    except InputError:
        return False


def redox_key(key: str) -> tuple[str, int]:
    """``V4+/V`` as ("V", 4). Raises RatioError for anything else."""
    ion, _, whole = key.partition("/")
    try:
        element, charge = chemistry.parse_label(ion)
    except InputError:
        element, charge = ion, None
    if charge is None or charge <= 0 or element != whole:
        raise RatioError(f"{key!r}: not a redox ratio like 'V4+/V'", key)
    if element not in chemistry.TRANSITION_METALS:
        raise RatioError(f"{key!r}: {element} has one oxidation state in a glass", key)
    try:
        chemistry.high_spin_unpaired(element, charge)
    except InputError as error:
        raise RatioError(str(error), key) from error
    return element, charge


def smallest_cell(shares: Mapping[str, float], redox: Mapping[str, float], atoms: int) -> Cell:
    """The smallest neutral cell of at least `atoms` atoms with `shares` (mol-% by compound) and `redox` ratios.

    Smallest by the number of atoms; of several as small, that which deviates least. `redox` maps ``V4+/V`` to the part
    of all V that is V4+; the rest of an element keeps the states that its compounds give it, and oxygen follows from
    neutrality. Shares agree to within 1 mol-%, ratios to within 0.01, and no ion that is wanted is left out.

    The search is complete as long as the counts within the tolerance have at most 100 000 combinations for a number of
    atoms: about 500 atoms of seven compounds, any number of two. Beyond, the combinations nearest to the wanted counts
    are searched, among which a cell is found unless no cell has that number of atoms.

    Raises RatioError for ratios that cannot be, and InputError for what is no compound, or if no cell of up to 100 000
    atoms has the shares.
    """
    if atoms > MAX_ATOMS:
        raise InputError(f"atoms: at least {atoms} atoms; the maximum for a cell from mol-% is {MAX_ATOMS}")
    compounds = [compound(formula) for formula in shares]
    wanted = _cations(compounds, shares, redox) | _other_anions(compounds, shares)
    if redox and sum(part * charge for (_, charge), part in wanted.items()) < -1e-9:
        raise RatioError(
            "redox ratios leave fewer positive charges than the anions other than oxygen have", [*redox][-1]
        )
    search = _Search(wanted, compounds, shares, redox)
    for size in range(atoms, MAX_ATOMS + 1):
        if (counts := search.best(size)) is not None:
            return search.cell(counts)
    raise InputError(f"no neutral cell of up to {MAX_ATOMS} atoms has these shares to within 1 mol-%")


def absent_elements(shares: Mapping[str, object]) -> set[str]:
    """Elements that only compounds of zero share contain."""

    none = {formula for formula, share in shares.items() if share == 0}
    return set().union(*map(elements, none)) - set().union(*map(elements, shares.keys() - none))


def elements(formula: str) -> set[str]:
    """The elements of a compound."""
    return {symbol for symbol, _ in _PART.findall(formula)}


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
    # by element, the ratio that an error of all of them is reported at
    for element, last in {redox_key(key)[0]: key for key in redox}.items():
        whole = sum(part for (symbol, _), part in found.items() if symbol == element)
        if not whole:
            raise RatioError(f"redox ratio of {element}, which no compound contains", last)
        stated = {redox_key(key)[1]: ratio for key, ratio in redox.items() if redox_key(key)[0] == element}
        rest = 1.0 - sum(stated.values())
        if rest < -1e-9:
            raise RatioError(f"redox ratios of {element} add up to {1.0 - rest:g}, more than 1", last)
        others = {key: part for key, part in found.items() if key[0] == element and key[1] not in stated}
        scale = sum(others.values())
        if rest > 1e-9 and not scale:
            message = f"redox ratios of {element} add up to {1.0 - rest:g}, and no compound has another state"
            raise RatioError(message, last)
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


def _extremes(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
    """Least and largest mean of `values` with weights between `low` and `high` that add up to 1."""

    def least(order: Sequence[int]) -> float:
        mean, left = sum(v * part for v, part in zip(values, low, strict=True)), 1.0 - sum(low)
        for index in order:
            more = min(left, high[index] - low[index])
            mean, left = mean + values[index] * more, left - more
        return mean

    order = sorted(range(len(values)), key=lambda index: values[index])
    return least(order), least(order[::-1])


class _Search:
    """Which counts of the ions (element and charge, oxygen not among them) make a neutral cell, and what it has.

    `wanted` are their numbers, up to a common factor.
    """

    def __init__(
        self,
        wanted: Mapping[tuple[str, int], float],
        compounds: Sequence[Compound],
        shares: Mapping[str, float],
        redox: Mapping[str, float],
    ):
        import numpy as np

        self._keys, self._compounds, self._shares, self._redox = list(wanted), compounds, shares, redox
        self._charges = np.array([charge for _, charge in wanted])
        # twice the atoms that an ion brings: itself, and half an oxygen for each charge
        self._twice = 2 + self._charges
        changing = {redox_key(key)[0] for key in redox}
        # what the compounds fix: each ion, or all of an element whose states have a ratio
        kinds = [(element, 0) if q > 0 and element in changing else (element, q) for element, q in wanted]
        rows = list(dict.fromkeys(kinds))
        self._of = np.array([[kind == row for row in rows] for kind in kinds], float)
        has = [
            [
                sum(ion.count for ion in item.ions if row in {(ion.element, ion.charge), (ion.element, 0)})
                for item in compounds
            ]
            for row in rows
        ]
        self._matrix = np.array(has, float)
        self._inverse = np.linalg.pinv(self._matrix)
        self._asked = np.array([shares[item.formula] for item in compounds], float)
        self._asked_ions = (self._matrix @ self._asked).sum()
        counts = np.array(list(wanted.values()))
        self._ratios = counts / (self._of @ (self._of.T @ counts))
        stated = [redox_key(key) for key in redox]
        self._stated = [index for index, key in enumerate(wanted) if key in stated]
        tolerance = TOLERANCE_PERCENT / 100.0
        # that of the states without a ratio adds up
        self._slack = np.array([
            0.0 if kind == key else tolerance * (1 if key in stated else sum(e == key[0] for e, _ in stated))
            for key, kind in zip(wanted, kinds, strict=True)
        ])  # fmt: skip
        self._center = 2.0 * counts / (counts @ self._twice)
        self._low, self._high = self._bounds(rows, tolerance)

    def _bounds(self, rows: Sequence[tuple[str, int]], tolerance: float) -> tuple["np.ndarray", "np.ndarray"]:
        """(K,) bounds of the counts for each atom of the cell, which all cells within the tolerance keep."""
        import numpy as np

        part = self._asked / 100.0
        low, high = np.maximum(part - tolerance, 0.0), np.minimum(part + tolerance, 1.0)
        of_rows = np.array([_extremes(row, low, high) for row in self._matrix])
        least, most = np.maximum(self._ratios - self._slack, 0.0), np.minimum(self._ratios + self._slack, 1.0)
        atoms = np.zeros((2, len(rows)))
        for index in range(len(rows)):
            states = self._of[:, index] > 0
            atoms[:, index] = _extremes(self._twice[states] / 2.0, least[states], most[states])
        fewest, _ = _extremes(atoms[0] @ self._matrix, low, high)
        _, largest = _extremes(atoms[1] @ self._matrix, low, high)
        return least * (self._of @ of_rows[:, 0]) / largest, most * (self._of @ of_rows[:, 1]) / fewest

    def best(self, atoms: int) -> "np.ndarray | None":
        """Of the neutral cells of so many atoms within the tolerance, the one that deviates least; None for none."""
        import numpy as np

        low = np.maximum(np.ceil(self._low * atoms - 1e-9), 1).astype(int)
        high = np.floor(self._high * atoms + 1e-9).astype(int)
        if (low > high).any():
            return None
        middle, radius = np.floor(self._center * atoms + 1e-9).astype(int), 1
        # the count that follows from the others
        last = int(np.argmax(np.where(self._twice > 0, high - low, -1)))
        while True:
            first = np.clip(middle - radius + 1, low, high)
            end = np.clip(middle + radius, low, high)
            first[last], end[last] = low[last], high[last]
            sizes = end - first + 1
            sizes[last] = 1
            if np.prod(sizes, dtype=float) > _MOST_COMBINATIONS:
                return None
            counts = np.indices(sizes).reshape(len(sizes), -1).T + first
            left = 2 * atoms - counts @ self._twice + counts[:, last] * self._twice[last]
            found, remainder = np.divmod(left, self._twice[last])
            counts[:, last] = found
            neutral = (remainder == 0) & (counts @ self._charges >= 0)
            counts = counts[neutral & (found >= low[last]) & (found <= high[last])]
            if (fitting := self._least_deviating(counts)) is not None:
                return fitting
            if (first == low).all() and (end == high).all():
                return None
            radius *= 2

    def _least_deviating(self, counts: "np.ndarray") -> "np.ndarray | None":
        import numpy as np

        counts, realized, ratios = self._realized(counts)
        kept = (np.abs(ratios - self._ratios) <= self._slack + 1e-9).all(axis=1)
        counts, realized, ratios = counts[kept], realized[kept], ratios[kept]
        if not len(counts):
            return None
        off = 100.0 * np.abs(ratios - self._ratios)[:, self._stated]
        worst = np.concatenate((np.abs(realized - self._asked), off), axis=1).max(axis=1)
        first = int(worst.argmin())
        return counts[first] if worst[first] <= TOLERANCE_PERCENT + 1e-9 else None

    def cell(self, counts: "np.ndarray") -> Cell:
        """The cell with these counts."""
        _, realized, ratios = self._realized(counts[None])
        of_ions = dict(zip(self._keys, ratios[0], strict=True))
        found = [
            Share(item.formula, self._shares[item.formula], float(value))
            for item, value in zip(self._compounds, realized[0], strict=True)
        ]
        found += [Share(key, ratio, float(of_ions.get(redox_key(key), 0.0))) for key, ratio in self._redox.items()]
        labels = {chemistry.ion_label(*key): int(count) for key, count in zip(self._keys, counts, strict=True)}
        oxygens = int(counts @ self._charges) // 2
        return Cell(labels | ({"O2-": oxygens} if oxygens else {}), tuple(found))

    def _realized(self, counts: "np.ndarray") -> tuple["np.ndarray", "np.ndarray", "np.ndarray"]:
        """Those of the counts that the compounds can make up, with mol-% of the compounds, those closest to the asked
        ones if several sets are possible, and with the part that each ion is of all of its row.
        """
        import numpy as np

        have = counts @ self._of
        asked = self._asked * (have.sum(axis=1, keepdims=True) / self._asked_ions)
        units = asked + (have - asked @ self._matrix.T) @ self._inverse.T
        possible = (np.abs(units @ self._matrix.T - have).max(axis=1) <= 1e-6) & (units.min(axis=1) >= -1e-9)
        counts, units = counts[possible], units[possible]
        return counts, 100.0 * units / units.sum(axis=1, keepdims=True), counts / (counts @ self._of @ self._of.T)
