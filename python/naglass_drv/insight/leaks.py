"""Features that already hold the target: found, and refused."""

from collections.abc import Iterator

import numpy as np

from ..errors import InputError
from .blocks import COMPOSITION, DYNAMICS, block_of
from .table import Scale, Table

# of features with the target; no descriptor of structure is that good
_RANK, _LINEAR, _WITHIN = 0.9995, 0.998, 0.98
_LEAST_ROWS, _LEAST_FREEDOM = 10, 8
#: Beginnings of the keys of what a run measures on the motion of its ions.
OF_THE_MOTION = ("transport.", "hops.", "sites.", "heterogeneity.", "network.exchanged.")


def is_of_the_motion(target: str) -> bool:
    """Whether a target is a measure of the motion itself."""
    return block_of(target) == DYNAMICS or target.rpartition(".")[2] in ("D", "D_Na")


def refuse_leaks(table: Table, scale: Scale) -> None:
    """Raise InputError for features that are the target in another form, or replicas that are in two groups."""
    faults = [*_same(table, scale), *_of_the_motion(table), *_repeated(table)]
    if faults:
        raise InputError("; ".join(faults))


def _same(table: Table, scale: Scale) -> Iterator[str]:
    from scipy.stats import spearmanr

    target = scale.to(table.target)
    inside = _within(target, table.groups)
    freedom = len(table) - len(table.names)
    for name, values in zip(table.columns, table.features.T, strict=True):
        # a share was weighed in, and a property may well follow one strictly
        if name in table.blocks.get(COMPOSITION, ()):
            continue
        fault = f"features: {name} tells {table.name} itself"
        remedy = "leave it out (ignore)"
        if len(table) >= _LEAST_ROWS:
            forms = [values] + ([np.log(values)] if (values > 0).all() else [])
            line = max(abs(np.corrcoef(form, target)[0, 1]) for form in forms)
            rank = abs(spearmanr(values, target).statistic)
            if max(line / _LINEAR, rank / _RANK) >= 1:
                yield f"{fault}: correlation {max(line, rank):.4f}; {remedy}"
                continue
        if freedom >= _LEAST_FREEDOM and name not in table.blocks.get("conditions", ()):
            own = _within(values, table.groups)
            if own.std() > 1e-9 * (abs(values).max() + 1e-300) and inside.std() > 0:
                both = abs(np.corrcoef(own, inside)[0, 1])
                if both >= _WITHIN:
                    yield (
                        f"{fault}: between replicas of one composition, where only noise differs, they correlate by "
                        f"{both:.3f}; {remedy}"
                    )


def _within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    out = values.astype(float).copy()
    for group in set(groups):
        out[groups == group] -= out[groups == group].mean()
    return out


def _of_the_motion(table: Table) -> Iterator[str]:
    """Measures of the motion of the same trajectory beside a target that is one."""
    if not is_of_the_motion(table.name):
        return
    found = [name for name in table.columns if name.startswith(OF_THE_MOTION)]
    if found:
        yield (
            f"features: {', '.join(found)} are measured on the same motion as {table.name}, and explain nothing; leave "
            "them out (ignore)"
        )


def _repeated(table: Table) -> Iterator[str]:
    """Rows of two groups with all features equal: replicas across the split."""
    seen: dict[tuple[float, ...], int] = {}
    for row, values in enumerate(table.features):
        first = seen.setdefault(tuple(float(f"{value:.8g}") for value in values), row)
        if table.groups[first] != table.groups[row]:
            yield (
                f"{table.rows[first]} and {table.rows[row]} have the same features, but are in the groups "
                f"{table.groups[first]!r} and {table.groups[row]!r}: is it one glass? Put it into one group"
            )
            return
