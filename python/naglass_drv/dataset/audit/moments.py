"""Atomic moments compared with the multiplicity of the cell and the high-spin states of the metals."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...chemistry.ions import TRANSITION_METALS, high_spin_states

if TYPE_CHECKING:
    from ase import Atoms

LABELS = {"REF_spin": "Hirshfeld or the level's own", "REF_spin_mulliken": "Mulliken"}


def moments_of(frame: "Atoms") -> np.ndarray | None:
    """Moments (N, µB) of a frame: `REF_spin`, else Mulliken's; None without any."""
    return next((frame.arrays[key] for key in LABELS if key in frame.arrays), None)


def worst_sum(frame: "Atoms") -> float | None:
    """The largest |Σ moments - (multiplicity - 1)| (µB) among the frame's kinds of moments; None without any."""
    wanted = frame.info["multiplicity"] - 1
    sums = [abs(float(frame.arrays[key].sum()) - wanted) for key in LABELS if key in frame.arrays]
    return max(sums, default=None)


def off_states(frame: "Atoms") -> np.ndarray:
    """How far each atom's |moment| (N, µB) is from the nearest high-spin moment of its element; NaN without moments.

    Elements without open d shells have the one state of no moment.
    """
    moments = moments_of(frame)
    if moments is None:
        return np.full(len(frame), np.nan)
    off = np.abs(moments)
    for element in set(frame.symbols) & TRANSITION_METALS:
        own = frame.symbols == element
        states = np.array([moment for _, moment in high_spin_states(element)])
        off[own] = np.abs(off[own][:, None] - states).min(axis=1)
    return off


def table(frames: Sequence["Atoms"]) -> dict[str, dict[str, Any]]:
    """Moments by element, and those of transition metals by the state of the nearest high-spin moment.

    Each entry has `atoms`, and mean, spread, smallest and largest |moment| (µB).
    """
    values: dict[str, list[np.ndarray]] = defaultdict(list)
    for frame in frames:
        moments = moments_of(frame)
        if moments is None:
            continue
        for element in set(frame.symbols):
            own = np.abs(moments[frame.symbols == element])
            states = high_spin_states(element)
            if not states:
                values[element].append(own)
                continue
            nearest = np.abs(own[:, None] - [moment for _, moment in states]).argmin(axis=1)
            for k, (state, _) in enumerate(states):
                values[f"{element}{state}+"].append(own[nearest == k])
    joined = {name: np.concatenate(parts) for name, parts in sorted(values.items())}
    return {
        name: {
            "atoms": len(own),
            "mean_muB": float(own.mean()),
            "spread_muB": float(own.std()),
            "smallest_muB": float(own.min()),
            "largest_muB": float(own.max()),
        }
        for name, own in joined.items()
        if len(own)
    }
