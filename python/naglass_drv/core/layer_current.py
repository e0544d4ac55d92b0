"""Haven ratio and charge diffusion of ions by layer, from the displacement current of each layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arguments import array, positive
from .diffusion import SMALLEST_MSD
from .regime import LEAST_ONSETS, Blocks, Regime, Total, regime
from .slopes import WORST_RELATIVE_ERR, Estimate, Interval, ratio_of, slope_of
from .transport import Correlator

_ALL = "all"
# of an MSD in three dimensions: along the layers there are two
_IN_PLANE = 2 / 3


@dataclass(frozen=True)
class LayerTransport:
    """Motion of the ions of one layer along the layers; None with a `reason` where the run does not carry it.

    `tracer` is D*, `charge` D_σ (Å²/ps), `haven` D*/D_σ; each has `value`, `err` (one standard error) and `interval`
    (95 %). Where something is missing, `needed` is the length of a run (ps) that it takes at least, if known.
    """

    ions: float  #: mean number in the layer
    tracer: Estimate | None
    charge: Estimate | None
    haven: Estimate | None
    window: Interval | None  #: ps, lags of the slopes of `charge` and `haven`
    reason: str | None
    needed: float | None = None


def layer_transport(
    positions, layer, interval: float, *, normal=(0.0, 0.0, 1.0), min_msd: float = SMALLEST_MSD
) -> list[LayerTransport]:
    """D*, D_σ and Haven ratio along the layers, by layer, whether ions stay in theirs or not.

    `positions` (frames, M, 3) Å, unwrapped and relative to the framework, which is the reference of the current;
    `layer` (frames, M) the layer of each ion, counted from 0, -1 for none; `interval` in ps; `normal` (3,) that of the
    layers. With Δr_iL what ion i moves along the layers while it is in layer L, Δr_i all that it moves, and N_L ions in
    the layer on average, D* = ⟨Σ_i Δr_iL·Δr_i⟩/4 N_L t and D_σ = ⟨Σ_i Δr_iL · Σ_j Δr_j⟩/4 N_L t: q² N_L D_σ/kT is the
    current of the layer in a uniform field along it by linear response (Kubo, J. Phys. Soc. Jpn. 12, 570 (1957),
    doi:10.1143/JPSJ.12.570), and those of all layers add up to that of the cell. A step between two frames in different
    layers counts half in each. Slopes between τ and 2τ, regime and errors as of `haven_ratio`, with τ the shortest lag
    at which the displacement along the layers reaches 2/3 `min_msd` (Å²). InputError for arrays that do not fit.
    """
    positions = array("positions", positions, ("frames", "M", 3), unit="Å")
    layer = array("layer", layer, positions.shape[:2], kind=int)
    interval, min_msd = positive("interval", interval, "ps"), _IN_PLANE * positive("min_msd", min_msd, "Å²")
    number = int(layer.max(initial=-1)) + 1
    blocks = Blocks(_currents(positions, layer, interval, np.asarray(normal, dtype=float), number))
    duration = interval * (len(positions) - 1)
    return [_of_layer(blocks, k, (layer == k).sum(axis=1), min_msd, duration) for k in range(number)]


def _currents(positions: np.ndarray, layer: np.ndarray, interval: float, normal: np.ndarray, number: int) -> Correlator:
    """Displacements of every ion: all of it, that in each layer, and that out of it, as species of their own."""
    ions = positions.shape[1]
    species = [_ALL, *(f"{where}{k}" for k in range(number) for where in ("in", "out"))]
    filled = Correlator([name for name in species for _ in range(ions)], interval)
    unit = normal / np.linalg.norm(normal)
    moved = np.zeros((len(species), ions, 3))
    filled.add(moved.reshape(-1, 3))
    for before, now, was, here in zip(positions, positions[1:], layer, layer[1:], strict=False):
        step = now - before
        step = step - (step @ unit)[:, None] * unit
        moved[0] += step
        for k in range(number):
            share = 0.5 * ((was == k).astype(float) + (here == k))[:, None]
            moved[1 + 2 * k] += share * step
            moved[2 + 2 * k] += (1 - share) * step
        filled.add(moved.reshape(-1, 3))
    return filled


def _of_layer(blocks: Blocks, k: int, present: np.ndarray, min_msd: float, duration: float) -> LayerTransport:
    """Of layer k with `present` (frames,) ions."""
    ions = float(present.mean())
    if not ions:
        return LayerTransport(ions, None, None, None, None, "no ion is in the layer")
    number = _Present(blocks, present)

    @number.evened
    def alone(sums):
        # a·b = (a² + b² - (a - b)²)/2, summed over ions
        return (sums.square(_ALL) + sums.square(f"in{k}") - sums.square(f"out{k}")) / (2 * ions)

    @number.evened
    def together(sums):
        return sums.product(f"in{k}", _ALL) / ions

    single = regime(blocks, alone, min_msd)
    tracer = None if single.onset is None else slope_of(blocks, single.onset, lambda sums: alone(sums) / 4)
    if single.onset is None or tracer is None:
        return LayerTransport(ions, None, None, None, None, *_too_early(blocks, single, alone, min_msd, duration))
    if reason := tracer.too_wide("D", " Å²/ps"):
        return LayerTransport(ions, None, None, None, None, reason, _needed(tracer, tracer.value, duration))
    both = regime(blocks, alone, min_msd, [together])
    if both.onset is None:
        return LayerTransport(ions, tracer, None, None, None, *_too_early(blocks, both, alone, min_msd, duration))
    charge = slope_of(blocks, both.onset, lambda sums: together(sums) / 4)
    haven = ratio_of(blocks, both.onset, alone, together)
    if reason := charge.too_wide("D_σ", " Å²/ps") or haven.too_wide("H_R", ""):
        worst = max(
            (charge, tracer.value), (haven, 1.0), key=lambda each: abs(each[0].err) / max(each[0].value, each[1])
        )
        return LayerTransport(ions, tracer, None, None, None, reason, _needed(*worst, duration))
    time = blocks.found.time
    window = float(time[both.onset]), float(time[blocks.double[both.onset]])
    return LayerTransport(ions, tracer, charge, haven, window, None)


class _Present:
    """How far the number of ions in a layer is off its mean in each block of time."""

    def __init__(self, blocks: Blocks, present: np.ndarray):
        self._blocks = blocks
        width = blocks.origins[:, 0].astype(int)
        first = np.concatenate([[0], np.cumsum(width)[:-1]])
        self._off = np.add.reduceat(present[:-1].astype(float), first) / width / present.mean() - 1

    def evened(self, total: Total) -> Total:
        """`total` as of the mean number of ions in each block, so that ions which come and go are no scatter of it: to
        first order the ratio of the sums of `total` and of ions that were there.
        """
        mean = self._blocks.curve(total)
        return lambda sums: total(sums) - mean * sums.origins() * self._off[:, None]


def _too_early(
    blocks: Blocks, found: Regime, alone: Total, min_msd: float, duration: float
) -> tuple[str, float | None]:
    """Why there is no diffusive regime, and the least length of a run that may have one.

    MSD/t does not rise with t where motion is not faster than diffusion, so that the ions need at least as long for
    `min_msd` as they would at the pace of the longest lag.
    """
    reason = found.reason or ""
    if found.last is None or found.exponent > 1.0 + 2 * found.exponent_err:
        return reason, None
    msd, time = blocks.curve(alone), blocks.found.time
    if not msd[found.last] > 0:
        return reason, None
    least = LEAST_ONSETS * float(time[found.last] * min_msd / msd[found.last])
    return (reason, least) if least > duration else (reason, None)


def _needed(estimate: Estimate, scale: float, duration: float) -> float:
    """Length (ps) at which the error, which falls with its root, is half of the value, or of `scale` if that is more;
    at least twice that of the run.

    A value that is lost in its error, or below zero, does not tell how large the quantity is; `scale` is what it would
    be of independent ions.
    """
    err = abs(estimate.err) / (WORST_RELATIVE_ERR * max(estimate.value, scale))
    return duration * max(2.0, err**2)
