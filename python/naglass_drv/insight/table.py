"""A table of glasses with units, groups, errors and limits, checked before anything learns from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from ..wording import counted
from .glasses import Glasses

#: Temperatures (K) that differ by no more are one.
SAME_K = 1.0
# replicas beyond the first of a composition, for a pooled scatter
_LEAST_FREEDOM = 3


@dataclass(frozen=True)
class Table:
    """N rows: a target and F features of glasses.

    `target` (N,) in `unit`, with `error` (N,) its standard errors (NaN if unknown) and `censored` (N,) -1 where the
    value is an upper bound, 1 where it is a lower bound. `groups` (N,) are the compositions: rows of one are the same
    glass. `shares` (N, C) are mol-% of `components`, without columns if the composition is not known. `temperature`
    (N,) in K is NaN where it is not given. `notes` tell what was done to the rows, `labels` what the
    keys of quantities are called in words.
    """

    name: str
    unit: str
    target: np.ndarray
    error: np.ndarray
    censored: np.ndarray
    features: np.ndarray
    columns: tuple[str, ...]
    units: tuple[str, ...]
    blocks: Mapping[str, tuple[str, ...]]
    groups: np.ndarray
    families: np.ndarray
    sources: np.ndarray
    temperature: np.ndarray
    shares: np.ndarray
    components: tuple[str, ...]
    rows: tuple[str, ...]
    potential: str = ""
    quench_rate_K_per_ps: float | None = None
    carrier: str = ""
    notes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def only(self, kept: np.ndarray, *notes: str) -> "Table":
        """The rows where `kept` (N,) is true, with further notes."""
        arrays = ("target", "error", "censored", "features", "groups", "families", "sources", "temperature", "shares")
        cut = {name: getattr(self, name)[kept] for name in arrays}
        rows = tuple(row for row, keep in zip(self.rows, kept, strict=True) if keep)
        return replace(self, **cut, rows=rows, notes=(*self.notes, *notes))

    def called(self, name: str) -> str:
        """A column in words, or by its name."""
        return self.labels.get(name, name)

    def in_words(self, text: str) -> str:
        """A text with the keys in it in words."""
        # one key may be the beginning of another
        for key in sorted(self.labels, key=len, reverse=True):
            text = text.replace(key, self.labels[key])
        return text

    @property
    def names(self) -> list[str]:
        """The groups, in the order of their first rows."""
        return list(dict.fromkeys(self.groups))

    @property
    def several_temperatures(self) -> bool:
        """Whether rows were measured at temperatures that differ."""
        known = self.temperature[np.isfinite(self.temperature)]
        return len(known) > 0 and bool(np.ptp(known) > SAME_K)


def is_binary(table: Table) -> bool:
    """Whether the target is only 0 or 1."""
    return set(np.unique(table.target)) <= {0.0, 1.0}


@dataclass(frozen=True)
class Scale:
    """How the target is learned: as it is, or as its decadic logarithm."""

    logarithm: bool

    def to(self, values: np.ndarray) -> np.ndarray:
        """From the unit of the table."""
        return np.log10(values) if self.logarithm else values

    def back(self, values: np.ndarray) -> np.ndarray:
        """To the unit of the table."""
        return 10.0**values if self.logarithm else values

    def errors(self, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Standard errors, by the first derivative."""
        return errors / (np.abs(values) * np.log(10)) if self.logarithm else errors

    def unit(self, unit: str) -> str:
        """Of the target as it is learned."""
        return "decades" if self.logarithm else unit


def scale_of(table: Table, asked: str = "auto") -> Scale:
    """A logarithm if it is `asked` for, or if all values are positive and span more than a factor of 30."""
    positive = bool((table.target > 0).all())
    if asked == "log" and not positive:
        row = table.rows[int(np.argmin(table.target))]
        raise InputError(f"{row}: {table.name} is {table.target.min():g}; a logarithm takes positive values")
    wide = positive and float(table.target.max() / table.target.min()) > 30
    return Scale(asked == "log" or (asked == "auto" and wide))


def prepared(table: Table, scale: Scale, shift: float = 0.0) -> Table:
    """The table with target and errors as they are learned.

    Targets at several temperatures are brought to their mean reciprocal temperature along 1/T, with the slope that all
    glasses share. A bound enters as the value that it is, moved by `shift` (in the unit of learning) away from it: what
    does not hold for both is not robust to the bounds.
    """
    target = scale.to(table.target) + shift * table.censored
    error = scale.errors(table.target, table.error)
    if table.several_temperatures:
        target = _at_one_temperature(table, target)
    return replace(table, target=target, error=error, unit=scale.unit(table.unit))


def collapsed(table: Table) -> Glasses:
    """One row per composition: means over replicas and sources, weighted by 1/σ² where all rows have errors.

    The error of a mean is that of its weights, or of the scatter of replicas pooled over all compositions; NaN without
    either. A composition is censored if all of its rows are.
    """
    target, error, names = table.target, table.error, table.names
    known = bool(np.isfinite(error).all())
    means, errors, features, sizes, families, censored = [], [], [], [], [], []
    within, freedom = 0.0, 0
    for name in names:
        rows = np.flatnonzero(table.groups == name)
        weights = 1 / error[rows] ** 2 if known else np.ones(len(rows))
        mean = float(np.average(target[rows], weights=weights))
        means.append(mean)
        errors.append(1 / np.sqrt(weights.sum()) if known else np.nan)
        within += float(((target[rows] - mean) ** 2).sum())
        freedom += len(rows) - 1
        features.append(table.features[rows].mean(axis=0))
        sizes.append(len(rows))
        families.append(str(table.families[rows[0]]))
        bounds = table.censored[rows]
        censored.append(int(bounds[0]) if (bounds != 0).all() else 0)
    if not known and freedom >= _LEAST_FREEDOM:
        errors = list(np.sqrt(within / freedom / np.array(sizes)))
    return Glasses(
        tuple(map(str, names)),
        np.array(features).reshape(len(names), -1),
        np.array(means),
        np.array(errors, float),
        block_columns(table),
        table.columns,
        tuple(families),
        np.array(sizes),
        np.array(censored),
    )


def block_columns(table: Table) -> dict[str, np.ndarray]:
    """The numbers of the columns of each block."""
    place = {column: k for k, column in enumerate(table.columns)}
    return {block: np.array([place[column] for column in columns]) for block, columns in table.blocks.items()}


def _at_one_temperature(table: Table, target: np.ndarray) -> np.ndarray:
    """Targets at the mean 1/T, by the slope against 1/T within glasses."""
    if not np.isfinite(table.temperature).all():
        row = table.rows[int(np.argmin(np.isfinite(table.temperature)))]
        raise InputError(f"{row}: no temperature, and other rows have different ones")
    inverse = 1.0 / table.temperature
    x, y = inverse.copy(), target.copy()
    for name in table.names:
        rows = table.groups == name
        x[rows] -= x[rows].mean()
        y[rows] -= y[rows].mean()
    if (x**2).sum() <= 0:
        raise InputError(
            "every glass has one temperature, and they differ: composition and temperature cannot be told apart; "
            "still possible: the rows at one temperature, by --where"
        )
    return target - (x @ y) / (x @ x) * (inverse - inverse.mean())


def counts_text(table: Table) -> str:
    """``48 rows of 24 compositions, 3 families``."""
    families = len(set(table.families) - {""})
    known = f" in {counted(families, 'family')}" if families else ""
    return f"{counted(len(table), 'row')} of {counted(len(table.names), 'composition')}{known}"
