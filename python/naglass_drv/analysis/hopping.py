"""Hops of the mobile ions along a trajectory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from ..chemistry.ions import TRANSITION_METALS
from .redox import metal_states

# samples in half a window, here and in the fix that runs with the MD
WINDOW = 10
# Å; neighbors of the ion whose change confirms a hop
_CAGE_A = {"Na": 3.1, "Li": 2.6, "K": 3.5}
_CHANGED = 0.5


@dataclass(frozen=True)
class Hopping:
    """What `core.detect_hops` found; `columns` is its table of hops, times in ps. Errors are one standard error, and
    intervals of 95 %.

    `agreement` is the share of the hops of either list that are in both this one and the one written during the run.
    """

    window_ps: float
    return_ps: float
    count: int
    rate_per_ps: tuple[float, float]
    rate_interval_per_ps: tuple[float, float]
    returned: tuple[float, float] | None
    returned_interval: tuple[float, float] | None
    changed_cage: float | None
    mean_length: tuple[float, float] | None
    agreement: float | None
    columns: dict[str, np.ndarray]


def hopping(
    frames: Sequence[Atoms],
    ion: str,
    cutoffs: Mapping[str, float],
    *,
    window_ps: float,
    threshold_A2: float,
    return_ps: float,
    on_the_fly: Path | None = None,
    of_moment: Collection[str] = (),
) -> Hopping | None:
    """Hops of `ion`; half a window is `window_ps`, and returns happen within `return_ps`.

    None for a trajectory shorter than two windows.

    Frames carry ``info["time_ps"]``, evenly spaced, and ``info["step"]``. The cage of an ion are the oxygens around it;
    a hop has changed it when less than half of them are common. The column `hop_metal_state` is the oxidation state of
    the transition metal nearest to the hop, 0 where there is none: by its moment for metals in `of_moment`, else by
    bond valence (`cutoffs` in Å per pair "V-O"). `on_the_fly` is a file of ``fix naglass/hops``.
    """
    from .. import core

    times = np.array([atoms.info["time_ps"] for atoms in frames])
    stride = max(1, round(window_ps / WINDOW / np.diff(times).mean()))
    sampled = frames[::stride]
    if len(sampled) < 4 * WINDOW:
        return None
    steps = [int(atoms.info["step"]) for atoms in sampled]
    within = round(return_ps / (stride * np.diff(times).mean()))
    step_ps = (times[-1] - times[0]) / (frames[-1].info["step"] - frames[0].info["step"])
    metals = tuple(sorted(set(frames[0].get_chemical_symbols()) & TRANSITION_METALS))
    hops = core.detect_hops(
        sampled, steps=steps, window=WINDOW, threshold=threshold_A2, return_within=within,
        mobile=ion, cage={"O": _CAGE_A[ion]}, nearest=metals,
    )  # fmt: skip
    # a run ends before its last hops are confirmed
    certain = steps[-1] - 2 * WINDOW * (steps[1] - steps[0])
    lengths = hops.length
    error = lengths.std(ddof=1) / np.sqrt(len(hops)) if len(hops) > 1 else np.nan
    returned = hops.return_fraction()
    return Hopping(
        WINDOW * (steps[1] - steps[0]) * step_ps,
        within * (steps[1] - steps[0]) * step_ps,
        len(hops),
        hops.rate(step_ps),
        hops.rate_interval(step_ps),
        returned if np.isfinite(returned[0]) else None,
        hops.return_interval() if np.isfinite(returned[0]) else None,
        float(hops.cage_broken(_CHANGED).mean()) if len(hops) else None,
        (float(lengths.mean()), float(error)) if len(hops) else None,
        _agreement(hops, core.read_hops(on_the_fly), steps[0], certain) if on_the_fly is not None else None,
        {
            "hop_time_ps": times[0] + (hops.step - steps[0]) * step_ps,
            "hop_atom": hops.atom,
            "hop_from_A": hops.start,
            "hop_to_A": hops.end,
            "hop_returned": hops.returned,
            "hop_cage_overlap": hops.overlap,
            "hop_nearest_metal": hops.nearest,
            "hop_metal_state": _metal_states(hops, sampled, steps, cutoffs, of_moment),
        },
    )


def _metal_states(
    hops, sampled: Sequence[Atoms], steps: Sequence[int], cutoffs: Mapping[str, float], of_moment: Collection[str]
) -> np.ndarray:
    """Oxidation state of the metal nearest to each hop, in the frame of the hop."""
    states = np.zeros(len(hops), dtype=int)
    known: dict[tuple[int, str], np.ndarray] = {}
    for k in np.flatnonzero(hops.nearest >= 0):
        frame, metal = steps.index(hops.step[k]), sampled[0].symbols[hops.nearest[k]]
        if (frame, metal) not in known:
            known[frame, metal] = metal_states(sampled[frame], metal, cutoffs, of_moment)
        states[k] = known[frame, metal][hops.nearest[k]]
    return states


def _agreement(hops, written, first: int, last: int) -> float:
    """Of the hops from step `first` to `last`; LAMMPS counts atoms from 1."""
    own, theirs = (
        {(int(s), int(a) + shift) for s, a in zip(found.step, found.atom, strict=True) if first <= s <= last}
        for found, shift in ((hops, 1), (written, 0))
    )
    both, either = own & theirs, own | theirs
    return len(both) / len(either) if either else 1.0
