"""How well a readout of moments does on labeled frames: errors, regression to the mean, and states told apart or not.

States are those with the nearest high-spin moment.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...chemistry.ions import high_spin_states
from .spin import LABELS

if TYPE_CHECKING:
    from ase import Atoms

_RESAMPLES = 200
# labels that differ less than this have no slope, and say nothing about states
_SAME_MUB = 0.05
# groups that a state needs, so that telling it apart is no accident of one
_FEWEST_GROUPS = 2


def errors(
    frames: Sequence["Atoms"], predicted: Sequence[np.ndarray], labels: str = "hirshfeld"
) -> dict[str, dict[str, Any]]:
    """Errors (µB) by element, and for transition metals by oxidation state.

    Each entry has `atoms`, `mae_muB`, `rmse_muB` and `rmse_muB_err` (bootstrap over groups, None with one group).
    Transition metals also have `agreement`, the share of atoms whose label and prediction are nearest to the same
    high-spin moment, `by_state`, the errors of those labeled so, and what `_told_apart` says.
    """
    carrying = [(f, p) for f, p in zip(frames, predicted, strict=True) if LABELS[labels] in f.arrays]
    symbols = np.concatenate([np.array(f.get_chemical_symbols()) for f, _ in carrying])
    label = np.concatenate([np.abs(f.arrays[LABELS[labels]]) for f, _ in carrying])
    value = np.concatenate([p for _, p in carrying])
    names = {name: k for k, name in enumerate(dict.fromkeys(str(f.info.get("group", "")) for f, _ in carrying))}
    group = np.concatenate([np.full(len(f), names[str(f.info.get("group", ""))]) for f, _ in carrying])
    found: dict[str, dict[str, Any]] = {}
    for element in np.unique(symbols):
        own = symbols == element
        entry = _spread(value[own] - label[own], group[own])
        if high_spin_states(str(element)):
            entry |= _of_metal(str(element), label[own], value[own], group[own])
        found[str(element)] = entry
    return found


def _of_metal(element: str, label: np.ndarray, value: np.ndarray, group: np.ndarray) -> dict[str, Any]:
    states = high_spin_states(element)
    moments = np.array([moment for _, moment in states])
    true, given = (np.abs(v[:, None] - moments).argmin(axis=1) for v in (label, value))
    names = [f"{element}{state}+" for state, _ in states]
    by_state = {
        name: _spread((value - label)[true == k], group[true == k]) for k, name in enumerate(names) if (true == k).any()
    }
    return {"agreement": float((true == given).mean()), "by_state": by_state} | _told_apart(
        names, label, value, true, given, group
    )


def _told_apart(
    names: Sequence[str], label: np.ndarray, value: np.ndarray, true: np.ndarray, given: np.ndarray, group: np.ndarray
) -> dict[str, Any]:
    """Whether the readout `separates` the states that at least two groups have, and why not.

    It does if it finds each of them in more than half of the cases, in 97.5 % of resamples of the groups. `slope` is
    that of prediction on label: below 1, predictions regress to the mean. `confusion` has a row per state by the label.
    """
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (true, given), 1)
    slope = float(np.polyfit(label, value, 1)[0]) if np.ptp(label) > _SAME_MUB else None
    known = [k for k in range(len(names)) if len(np.unique(group[true == k])) >= _FEWEST_GROUPS]
    if len(known) < 2:
        reason = "fewer than two states are labeled in two groups each"
    else:
        reason = "; ".join(filter(None, (_missed(names[k], (given == k)[true == k], group[true == k]) for k in known)))
    return {
        "slope": slope,
        "labels_muB": _range(label),
        "predictions_muB": _range(value),
        "confusion": {"states": list(names), "counts": counts.tolist()},
        "separates": not reason,
        "why_not": reason,
    }


def _missed(name: str, right: np.ndarray, group: np.ndarray) -> str:
    """That a state is not found in more than half of the cases for certain; empty if it is."""
    ids = np.unique(group)
    hits = np.array([right[group == one].sum() for one in ids])
    sizes = np.array([(group == one).sum() for one in ids])
    picks = np.random.default_rng(0).integers(len(ids), size=(_RESAMPLES, len(ids)))
    low = np.quantile(hits[picks].sum(axis=1) / sizes[picks].sum(axis=1), 0.025)
    return "" if low > 0.5 else f"{100 * right.mean():.0f} % of {name} are recognized, at least {100 * low:.0f} %"


def _range(values: np.ndarray) -> list[float]:
    """The 5th and 95th percentile."""
    return [float(value) for value in np.percentile(values, (5, 95))]


def table_of(found: dict[str, dict[str, Any]]) -> str:
    """The errors as lines for a person."""
    lines = [f"{'':6s} {'atoms':>7s} {'MAE/muB':>9s} {'RMSE/muB':>9s} {'+-':>7s}  same state"]
    for name, entry in found.items():
        lines.append(_line(name, entry))
        lines += [_line(f" {state}", part) for state, part in entry.get("by_state", {}).items()]
        if "confusion" in entry:
            lines += _lines_on_states(name, entry)
    return "\n".join(lines)


def _lines_on_states(name: str, entry: dict[str, Any]) -> list[str]:
    ranges = " and ".join(
        f"{what} {low:.2f} to {high:.2f} muB" for what, (low, high) in
        (("labels", entry["labels_muB"]), ("predictions", entry["predictions_muB"]))
    )  # fmt: skip
    slope = "" if entry["slope"] is None else f"; slope of prediction on label {entry['slope']:.2f}"
    verdict = "are told apart" if entry["separates"] else f"undetermined: {entry['why_not']}"
    return [f"{name}: 5th to 95th percentile of {ranges}{slope}", f"{name}: states {verdict}"]


def _line(name: str, entry: dict[str, Any]) -> str:
    spread = "" if entry["rmse_muB_err"] is None else f"{entry['rmse_muB_err']:.3f}"
    share = f"  {100 * entry['agreement']:.0f} %" if "agreement" in entry else ""
    return f"{name:6s} {entry['atoms']:7d} {entry['mae_muB']:9.3f} {entry['rmse_muB']:9.3f} {spread:>7s}{share}"


def _spread(off: np.ndarray, group: np.ndarray) -> dict[str, Any]:
    names = np.unique(group)
    squares = np.array([np.square(off[group == name]).sum() for name in names])
    counts = np.array([(group == name).sum() for name in names])
    picks = np.random.default_rng(0).integers(len(names), size=(_RESAMPLES, len(names)))
    spread = np.sqrt(squares[picks].sum(axis=1) / counts[picks].sum(axis=1)).std()
    return {
        "atoms": len(off),
        "mae_muB": float(np.abs(off).mean()),
        "rmse_muB": float(np.sqrt(np.square(off).mean())),
        "rmse_muB_err": float(spread) if len(names) > 1 else None,
    }
