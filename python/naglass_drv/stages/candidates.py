"""Frames of a trajectory for labeling: where the committee is uncertain, or evenly spaced in time without one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.schema import Uncertainty
from .base import Done, read_settings
from .md_commands import DEVIATION, Settings

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms

GATE, UNCERTAINTY, TRAJECTORY = "gate.json", "uncertainty.json", "trajectory.extxyz"
# frames of which the structure is measured
_MOST_MEASURED = 40


def judge(folder: Path, settings: Settings) -> dict[str, Any]:
    """How uncertain the committee was along the trajectory in `folder`, in calibrated eV/Å: the largest deviation at
    every look, excursions above the threshold, and the share of all environments above the least threshold.
    """
    import numpy as np

    from ..dataset.exploration import excursions
    from ..dataset.frames import read_frames

    asked = settings.uncertainty or Uncertainty()
    frames = read_frames(folder / TRAJECTORY) if (folder / TRAJECTORY).stat().st_size else []
    deviations = [frame.arrays[DEVIATION] * _scale_of(frame, settings) for frame in frames]
    largest = np.array([values.max() for values in deviations])
    limits = {"least": asked.least_eV_per_A, "most": asked.most_eV_per_A}
    found = excursions(largest, **limits, excess=asked.excess, window=asked.window)
    above = sum(int((values >= asked.least_eV_per_A).sum()) for values in deviations)
    return {
        "unit": "eV/Å",
        "calibrated": settings.scale is not None,
        "least": asked.least_eV_per_A,
        "most": asked.most_eV_per_A,
        "time_ps": [frame.info["time_ps"] for frame in frames],
        "largest": [round(float(value), 6) for value in largest],
        "threshold": [round(float(value), 6) for value in found.threshold],
        "excursions": [[frames[i].info["time_ps"], frames[j].info["time_ps"]] for i, j in found.spans],
        "environments": int(sum(map(len, deviations))),
        "uncertain_environments": above,
        "reached_most": bool((largest >= asked.most_eV_per_A).any()),
        "temperature_K": settings.temperature_K,
        "structure": _structure(frames, settings.elements),
    }


def _scale_of(frame: "Atoms", settings: Settings) -> "np.ndarray":
    """What calibrates the deviation of each atom; 1 where nothing does."""
    import numpy as np

    scale = dict(zip(settings.elements, settings.scale or [1.0] * len(settings.elements), strict=True))
    return np.array([scale[symbol] for symbol in frame.get_chemical_symbols()])


def _structure(frames: "Sequence[Atoms]", elements: Sequence[str]) -> dict[str, float]:
    """Density, coordination of network formers and metals, and Qn, means over the second half of a trajectory."""
    import numpy as np

    from ..analysis.network import network
    from ..analysis.structure import first_shells
    from ..chemistry.formers import FORMERS, oxygen_cutoff_A
    from ..chemistry.ions import TRANSITION_METALS
    from ..chemistry.masses import density

    half = frames[len(frames) // 2 :]
    half = [half[i] for i in np.unique(np.linspace(0, len(half) - 1, _MOST_MEASURED).round().astype(int))]
    if not half:
        return {}
    found = {"density": float(np.mean([density(frame) for frame in half]))}
    centers = [element for element in elements if element in FORMERS or element in TRANSITION_METALS]
    if "O" not in elements or not centers:
        return found
    cutoffs = {f"{element}-O": oxygen_cutoff_A(element) for element in centers}
    for pair, shell in first_shells(half, cutoffs, independent=True).items():
        found[f"CN({pair})"] = float(shell.number.mean)
    measured = network(half, cutoffs, independent=True)
    if measured is not None:
        found |= {f"Q{n}": float(share) for n, share in enumerate(measured.qn.mean)}
    return found


def of_trajectory(item: Done, count: int, verdict: Mapping[str, Any] | None) -> "list[Atoms]":
    """Up to `count` frames of a trajectory.

    With the `verdict` of a committee they are the peaks of its excursions, the most different ones if there are more,
    as far as no two atoms have come too close; without one they are evenly spaced in time, from the relaxed start to
    the first violation of the stability gate.
    """
    import numpy as np

    from ..dataset.frames import read_frames
    from ..dataset.selection import farthest_points, pair_descriptors

    if not count:
        return []
    settings = read_settings(Settings, item.task)
    frames = read_frames(item.folder / TRAJECTORY)
    end = item.summary["first_violation_ps"] if verdict is None else _overlap_ps(item.folder)
    frames = [frame for frame in frames if end is None or frame.info["time_ps"] <= end]
    if verdict is None:
        frames = [frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))]
    else:
        frames = _peaks(frames, verdict)
    if len(frames) > count:
        chosen = farthest_points(pair_descriptors(frames, settings.elements), count).chosen
        frames = [frames[i] for i in sorted(chosen)]
    start = read_frames(item.task.inputs["structure"])[settings.frame]
    return [_for_labels(frame, start, settings, item.task.name) for frame in frames]


def _overlap_ps(folder: Path) -> float | None:
    """When two atoms first came too close for a label to be of use."""
    checks = json.loads((folder / GATE).read_text(encoding="utf-8"))["checks"]
    times = [check["time_ps"] for check in checks if check["name"].startswith("distance ")]
    return min((time for time in times if time is not None), default=None)


def _peaks(frames: "Sequence[Atoms]", verdict: Mapping[str, Any]) -> "list[Atoms]":
    """The frame with the largest deviation of each excursion, as far as there are frames."""
    largest = dict(zip(verdict["time_ps"], verdict["largest"], strict=True))
    inside = [
        [frame for frame in frames if first <= frame.info["time_ps"] <= last] for first, last in verdict["excursions"]
    ]
    return [max(own, key=lambda frame: largest[frame.info["time_ps"]]) for own in inside if own]


def _for_labels(frame: "Atoms", start: "Atoms", settings: Settings, trajectory: str) -> "Atoms":
    """The frame as it is labeled, with the calibrated deviation (eV/Å) of each atom from a committee."""
    from ..dataset.frames import keep_states

    frame.wrap()
    deviation = frame.arrays.get(DEVIATION)
    frame.arrays = {key: frame.arrays[key] for key in ("numbers", "positions")}
    if deviation is not None:
        frame.set_array(DEVIATION, deviation * _scale_of(frame, settings))
    frame.info["source"] = f"{trajectory}-step{frame.info['step']}"
    start = start.repeat(settings.replicate)
    if "ion" in start.arrays:
        # which atom is which ion of a mixed-valence glass would be lost, and with it the spin state of the label
        frame.set_array("ion", start.arrays["ion"])
    keep_states(start, frame)
    frame.info["group"] = str(start.info.get("group", settings.structure))
    return frame
