"""Bond fingerprints of the transition metals, with their spins if the frames have moments."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from ..chemistry.formers import METAL_O_CUTOFF_A
from ..chemistry.ions import TRANSITION_METALS
from ..core.statistics import average

MOMENTS = "REF_spin"
PREDICTED = "moment"


def fingerprints(
    frames: Sequence[Atoms], cutoffs: Mapping[str, float], *, independent: bool = False
) -> dict[str, dict[str, Any]]:
    """Per transition metal: numbers averaged over its atoms and the frames; keys of a value `X` and its `X_err`.

    Frames may differ in their atoms; those without the metal, or without oxygen, do not count for it.

    Shares are of all centers in all frames. States by moment, and what compares them with the other assignments, are
    there when every frame has the per-atom array REF_spin or `moment` (µB); the latter is a model's |moment|, from
    which no relative spins follow. Metals without bond-valence parameters have no sums.
    """
    found = {}
    for metal in sorted(TRANSITION_METALS):
        own = [atoms for atoms in frames if {metal, "O"} <= set(atoms.get_chemical_symbols())]
        if own:
            found[metal] = _of_metal(own, metal, cutoffs, independent)
    return found


def _of_metal(frames, metal: str, cutoffs: Mapping[str, float], independent: bool) -> dict[str, Any]:
    from .. import core

    bond = {(metal, "O"): cutoffs.get(f"{metal}-O", METAL_O_CUTOFF_A)}
    labeled = all(MOMENTS in atoms.arrays for atoms in frames)
    spins = [atoms.arrays.get(MOMENTS if labeled else PREDICTED) for atoms in frames]
    known = all(moments is not None for moments in spins)
    results = [
        core.fingerprint(atoms, bond, center=metal, spins=moments if known else None)
        for atoms, moments in zip(frames, spins, strict=True)
    ]
    numbers: dict[str, Any] = {"frames": len(frames), "cutoff_A": bond[metal, "O"]}
    for name in ("coordination", "bond_valence", "baur", "vanadyl"):
        columns = [getattr(result, name) for result in results]
        if columns[0] is not None and np.isfinite(np.concatenate(columns)).all():
            value = average([column.mean() for column in columns], independent=independent)
            numbers |= {name: float(value.mean), f"{name}_err": _known(value.err)}
    labels = Counter(label for result in results for label in result.label.tolist())
    numbers["label_share"] = {k: n / labels.total() for k, n in labels.most_common()}
    numbers["label_share_err"] = {
        label: _share_error([result.label == label for result in results], independent)
        for label in numbers["label_share"]
    }
    assigned = {name: [result.classes[name] for result in results] for name in results[0].classes}
    numbers["states"] = {name: _shares(states) for name, states in assigned.items()}
    numbers["states_err"] = {
        name: {
            _state(value): _share_error([own == value for own in states], independent)
            for value in np.unique(np.concatenate(states))
        }
        for name, states in assigned.items()
    }
    flagged = [result.flags != 0 for result in results]
    numbers["flagged_share"] = float(np.mean(np.concatenate(flagged)))
    numbers["flagged_share_err"] = _share_error(flagged, independent)
    numbers["confusion"] = _confusion(results) if known and results[0].by_valence is not None else None
    numbers["links"] = _links(frames, results, bond, metal) if labeled else None
    numbers["moments"] = None if not known else "labels" if labeled else "model"
    return numbers


def _shares(states: Sequence[np.ndarray]) -> dict[str, float]:
    values, counts = np.unique(np.concatenate(states), return_counts=True)
    return {_state(value): float(n) / counts.sum() for value, n in zip(values, counts, strict=True)}


def _state(value: int) -> str:
    return str(value) if value else "not determined"


def _share_error(members: Sequence[np.ndarray], independent: bool) -> float | None:
    """Error of the share of the centers that are members (masks by frame)."""
    return _known(average([mask.mean() for mask in members], independent=independent).err)


def _known(err: np.ndarray) -> float | None:
    """The error if it is defined: not for a single frame or a quantity that never changed."""
    return float(err) if np.isfinite(err) and err > 0 else None


def _confusion(results) -> dict[str, Any]:
    """Centers by their state from the moment (rows) and from the bond-valence sum (columns)."""
    tables = [result.confusion("moment", "valence") for result in results]
    states = sorted({state for table in tables for state in table.states})
    total = np.zeros((len(states), len(states)), dtype=int)
    for table in tables:
        at = np.searchsorted(states, table.states)
        total[np.ix_(at, at)] += table.counts
    return {"states": states, "counts": total.tolist(), "agreement": float(np.trace(total) / total.sum())}


def _links(frames, results, bond: Mapping[tuple[str, str], float], metal: str) -> dict[str, dict[str, int]]:
    """Pairs of metals joined by one oxygen or through a phosphate, by relative spin and by states."""
    from .. import core

    found = {"direct": Counter(), "mediated": Counter()}
    for atoms, result in zip(frames, results, strict=True):
        graph = core.bond_graph(atoms, {**bond, ("P", "O"): 2.0})
        linked = core.spin_topology(graph, center=metal, states=result)
        for kind in found:
            links = getattr(linked, kind)
            found[kind] += Counter(links.relation_counts())
            found[kind]["mixed states"] += int(links.mixed().sum())
            found[kind]["pairs"] += len(links)
    return {kind: dict(counts) for kind, counts in found.items()}
