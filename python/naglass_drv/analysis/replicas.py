"""Structure of the glasses of several melt-quenches: S(Q), its first peak, rings, coordination, with their spread."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.formers import METAL_O_CUTOFF_A
from ..core.diffraction import structure_factor
from ..core.statistics import Average, average
from .structure import first_shells
from .topology import topology

if TYPE_CHECKING:
    from ase import Atoms

#: Wave vectors (1/Å) among which the first sharp diffraction peak of an oxide glass lies.
FIRST_PEAK_PER_A = (0.8, 2.6)
_Q_MAX_PER_A, _WIDTH_PER_A = 12.0, 0.2
_RING_FORMERS = 8


def structure_of(glasses: Sequence["Atoms"]) -> dict[str, Any]:
    """Means over replicas with standard errors, which are None for one: numbers and curves as JSON.

    `first_peak` has position (1/Å) and height of the highest maximum of S(Q) in `FIRST_PEAK_PER_A`, by radiation; a
    cell of 300 atoms has few wave vectors there, and the spread between replicas says how few.
    """
    each = [structure_factor([atoms], _Q_MAX_PER_A, width=_WIDTH_PER_A) for atoms in glasses]
    found: dict[str, Any] = {"S": {}, "first_peak": {}}
    for radiation in ("neutron", "xray"):
        curves = [getattr(one, radiation) for one in each]
        if any(curve is None for curve in curves):
            continue
        shells = min(len(one.q) for one in each)
        curve = average(np.array([one.mean[:shells] for one in curves]), independent=True)
        q = np.mean([one.q[:shells] for one in each], axis=0)
        found["S"][radiation] = {"q_per_A": q.tolist()} | _told(curve)
        peaks = [first_peak(one.q, curve.mean) for one, curve in zip(each, curves, strict=True)]
        known = [peak for peak in peaks if peak is not None]
        if known:
            peak = average(np.array(known), independent=True)
            told = _told(peak)
            found["first_peak"][radiation] = {
                "replicas": len(known), "q_per_A": told["mean"][0], "q_per_A_err": told["err"] and told["err"][0],
                "height": told["mean"][1], "height_err": told["err"] and told["err"][1],
            }  # fmt: skip
    return found | _network(glasses)


def first_peak(q: np.ndarray, s: np.ndarray) -> tuple[float, float] | None:
    """Position (1/Å) and height of the highest maximum within `FIRST_PEAK_PER_A`, by a parabola through three points.

    None if there is no maximum.
    """
    low, high = FIRST_PEAK_PER_A
    inner = np.arange(1, len(q) - 1)
    top = inner[(s[inner] > s[inner - 1]) & (s[inner] >= s[inner + 1]) & (q[inner] >= low) & (q[inner] <= high)]
    if not len(top):
        return None
    k = top[np.argmax(s[top])]
    a, b, c = np.polyfit(q[k - 1 : k + 2] - q[k], s[k - 1 : k + 2], 2)
    return float(q[k] - b / (2 * a)), float(c - b**2 / (4 * a))


def _network(glasses: Sequence["Atoms"]) -> dict[str, Any]:
    """Rings per former by size, shared edges of P-P, and oxygens around V."""
    found: dict[str, Any] = {}
    network = topology(glasses, {}, None, ring_size=_RING_FORMERS, independent=True)
    if network is not None:
        found["rings_per_former"] = _told(network.rings)
        edges = network.linkage.get("P-P edge")
        found["PP_edges_per_former"] = {"mean": 0.0, "err": None} if edges is None else _told(edges)
    if {"V", "O"} <= set(glasses[0].symbols):
        shell = first_shells(glasses, {"V-O": METAL_O_CUTOFF_A}, independent=True)["V-O"]
        found["CN_V"] = _told(shell.number)
    return found


def _told(found: Average) -> dict[str, Any]:
    """Mean and error as JSON; None where one replica tells no error."""
    known = bool(np.isfinite(found.err).all())
    return {"mean": np.asarray(found.mean).tolist(), "err": np.asarray(found.err).tolist() if known else None}
