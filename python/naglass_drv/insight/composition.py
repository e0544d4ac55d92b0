"""Compositions of glasses: shares that add up to a whole, the same in every table."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ..chemistry.masses import MASSES
from ..chemistry.notation import ON_THE_LINE
from ..errors import InputError

#: Compositions are one if no share differs by more (mol-%).
SAME_MOL_PERCENT = 0.1
# shares that add up to less or more are no rounding
_SUM_PERCENT = 5.0
_TOKEN = re.compile(r"([A-Z][a-z]?)|([()\[\]])|(\d+\.?\d*|\.\d+)|(\s+)")
_CLOSING = {")": "(", "]": "["}


def atoms_of(formula: str) -> dict[str, float]:
    """Atoms of a formula: ``Li1.3Al0.3Ti1.7(PO4)3``, ``Na₂O``. Raises InputError for what is none."""
    formula = formula.translate(ON_THE_LINE)
    stack: list[tuple[str, dict[str, float]]] = [("", {})]
    last: dict[str, float] = {}
    position = 0
    while position < len(formula):
        match = _TOKEN.match(formula, position)
        if match is None:
            raise InputError(f"{formula!r} is not a formula: {formula[position:]!r}")
        symbol, bracket, count, _ = match.groups()
        position = match.end()
        if symbol:
            if symbol not in MASSES:
                raise InputError(f"{formula!r}: {symbol!r} is not an element")
            _merge(stack[-1][1], last)
            last = {symbol: 1.0}
        elif bracket in ("(", "["):
            _merge(stack[-1][1], last)
            last = {}
            stack.append((bracket, {}))
        elif bracket:
            _merge(stack[-1][1], last)
            opened, last = stack.pop()
            if opened != _CLOSING[bracket] or not stack:
                raise InputError(f"{formula!r}: brackets do not match")
        elif count:
            last = {element: number * float(count) for element, number in last.items()}
    _merge(stack[-1][1], last)
    if len(stack) > 1 or not stack[0][1]:
        raise InputError(f"{formula!r} is not a formula")
    return stack[0][1]


def _merge(whole: dict[str, float], part: Mapping[str, float]) -> None:
    for element, number in part.items():
        whole[element] = whole.get(element, 0.0) + number


def molar_mass(formula: str) -> float:
    """g/mol."""
    return sum(MASSES[element] * number for element, number in atoms_of(formula).items())


def normalized(shares: np.ndarray, names: Sequence[str], unit: str, rows: Sequence[str]) -> np.ndarray:
    """(N, C) shares in mol-% that add up to 100, from ``mol%``, ``wt%`` or fractions (``1``); NaN counts as zero.

    `rows` name the rows in the InputError for shares that are negative or do not add up to a whole to within 5 %.
    """
    shares = np.nan_to_num(np.asarray(shares, float))
    if (bad := np.argwhere(shares < 0)).size:
        row, column = bad[0]
        raise InputError(f"{rows[row]}: {names[column]} is {shares[row, column]:g}; a share is not negative")
    sums = shares.sum(axis=1)
    whole = 1.0 if unit == "1" else 100.0
    off = abs(sums / whole - 1) * 100
    if (off > _SUM_PERCENT).any():
        row = int(np.argmax(off > _SUM_PERCENT))
        hint = "; are these fractions? then give --composition-unit 1" if abs(sums[row] - 1) < 0.05 else ""
        raise InputError(f"{rows[row]}: the shares of {', '.join(names)} add up to {sums[row]:g}, not {whole:g}{hint}")
    if unit == "wt%":
        shares = shares / np.array([molar_mass(name) for name in names])
    return 100.0 * shares / shares.sum(axis=1, keepdims=True)


def composition_name(shares: Sequence[float], names: Sequence[str]) -> str:
    """``40 Na2O · 20 V2O5 · 40 P2O5``: mol-% to a tenth, without what is absent."""
    parts = zip(shares, names, strict=True)
    return " · ".join(f"{share:.1f}".removesuffix(".0") + f" {name}" for share, name in parts if share >= 0.05)


def same_compositions(shares: np.ndarray) -> np.ndarray:
    """(N,) number of the composition of each row of shares (N, C) in mol-%: rows that differ by no more than
    SAME_MOL_PERCENT in any share have one.
    """
    numbers = np.full(len(shares), -1)
    firsts: list[np.ndarray] = []
    for row, each in enumerate(shares):
        near = next((k for k, f in enumerate(firsts) if abs(f - each).max() <= SAME_MOL_PERCENT + 1e-9), None)
        if near is None:
            firsts.append(each)
            near = len(firsts) - 1
        numbers[row] = near
    return numbers


def coordinates(shares: np.ndarray, names: Sequence[str], logarithms: bool = False) -> tuple[np.ndarray, list[str]]:
    """Shares (N, C) that add up to 100 as C − 1 coordinates without that constraint, and their names.

    The share that is largest on average is left out, or with `logarithms` is what the others are compared to (additive
    log-ratios: J. Aitchison, J. R. Stat. Soc. B 44, 139 (1982)). Raises InputError for the logarithm of a share of 0.
    """
    varying = np.ptp(shares, axis=0) > 1e-6
    if varying.sum() < 2:
        return np.zeros((len(shares), 0)), []
    rest = int(np.argmax(np.where(varying, shares.mean(axis=0), -1)))
    others = [k for k in np.flatnonzero(varying) if k != rest]
    if not logarithms:
        return shares[:, others], [names[k] for k in others]
    if absent := [names[k] for k in (*others, rest) if (shares[:, k] <= 0).any()]:
        raise InputError(
            f"log-ratios: some glasses have no {absent[0]}; without --log-ratios, one share is left out instead"
        )
    ratios = np.log(shares[:, others] / shares[:, [rest]])
    return ratios, [f"ln({names[k]}/{names[rest]})" for k in others]
