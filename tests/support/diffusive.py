"""Random motions whose diffusion coefficient, Haven ratio, hop rate and share of returns are known."""

import dataclasses

import numpy as np

from naglass_drv import core

DIRECTIONS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
LENGTH = 3.0  # Å, of a hop
VOLUME, KELVIN = 8000.0, 600.0


def random_walk(rng, frames, ions, *, step=0.45):
    """Brownian motion: positions, D in Å² per frame, Haven ratio."""
    return np.cumsum(rng.normal(scale=step, size=(frames, ions, 3)), axis=0), step**2 / 2, 1.0


def correlated_pairs(rng, frames, ions, *, step=0.45, correlation=0.6):
    """Brownian motion of ions two by two, whose steps are correlated: H_R = 1/(1 + correlation)."""
    common = rng.normal(size=(frames, ions // 2, 1, 3))
    own = rng.normal(size=(frames, ions // 2, 2, 3))
    steps = step * (np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own)
    return np.cumsum(steps.reshape(frames, ions, 3), axis=0), step**2 / 2, 1 / (1 + correlation)


def hop_events(rng, ions, frames, wait, *, shape=1.0, back=0.0):
    """Times (ions, hops) and directions of hops on a cubic lattice, stationary from time 0 to `frames`.

    Waits are gamma-distributed with mean `wait`; with the chance `back` a hop undoes the one before.
    """
    hops = int(2 * frames / wait + 12 * np.sqrt(frames / wait) + 30)
    times = np.cumsum(rng.gamma(shape, wait / shape, (ions, hops)), axis=1) - 5 * wait
    ways, undone = rng.integers(6, size=(ions, hops)), rng.random((ions, hops)) < back
    for k in range(1, hops):
        ways[:, k] = np.where(undone[:, k], ways[:, k - 1] ^ 1, ways[:, k])
    return times, ways


def hopping(rng, frames, ions, *, wait=20.0, shape=1.0, back=0.0, rattle=0.25, together=1):
    """Continuous-time random walk of finite mean wait that rattles at its sites; `together` ions hop as one."""
    times, ways = hop_events(rng, ions // together, frames, wait, shape=shape, back=back)
    jumps = np.zeros((frames, ions // together, 3))
    ion, hop = np.nonzero((times > 0) & (times < frames - 1))
    np.add.at(jumps, (np.ceil(times[ion, hop]).astype(int), ion), LENGTH * DIRECTIONS[ways[ion, hop]])
    sites = np.repeat(np.cumsum(jumps, axis=0), together, axis=1)
    persistence = (1 - back) / (1 + back)
    return sites + rattle * rng.normal(size=sites.shape), persistence * LENGTH**2 / (6 * wait), 1 / together


def share_of_returns(wait, within, *, shape=1.0, back=0.0) -> float:
    """Share of hops that lead to one of the last four sites, left at most `within` before, of 3 × 10⁵ hops."""
    times, ways = hop_events(np.random.default_rng(1), 5000, 60 * wait, wait, shape=shape, back=back)
    ends = np.cumsum(DIRECTIONS[ways], axis=1)
    starts, returned = ends - DIRECTIONS[ways], np.zeros(times.shape, dtype=bool)
    for ago in range(1, 5):
        same = (ends[:, ago:] == starts[:, :-ago]).all(axis=2)
        returned[:, ago:] |= same & (times[:, ago:] - times[:, :-ago] <= within)
    return float(returned[(times > 10 * wait) & (times < 50 * wait)].mean())


def transport_of(positions, coefficient, haven, *, framework=None, points=8) -> dict[str, tuple]:
    """Per quantity (value, error, low, high, truth); without those that are refused."""
    ions = positions.shape[1]
    symbols = ["Na"] * ions
    if framework is not None:
        positions = np.concatenate([positions, framework], axis=1)
        symbols += ["P"] * framework.shape[1]
    filled = core.Correlator(symbols, 1.0, points=points, framework=None if framework is None else "P")
    for frame in positions:
        filled.add(frame)
    sigma = core.nernst_einstein(ions / VOLUME * 1e30, coefficient * core.ANGSTROM2_PER_PS_IN_M2_PER_S, KELVIN)
    found, ratio = core.diffusion(filled), core.haven_ratio(filled)
    current = core.conductivity(filled, KELVIN, volume=VOLUME)
    results = {
        "D": (found.coefficient, found.err, found.interval, coefficient),
        "Haven ratio": (ratio.value, ratio.err, ratio.interval, haven),
        "Nernst-Einstein": (
            current.nernst_einstein, current.nernst_einstein_err, current.nernst_einstein_interval, sigma
        ),
        "Einstein": (current.einstein, current.einstein_err, current.einstein_interval, sigma / haven),
    }  # fmt: skip
    return {
        name: (value, err, *ends, truth) for name, (value, err, ends, truth) in results.items() if value is not None
    }


def hops_of(replicas, wait, share, *, window, within) -> list[dict[str, tuple]]:
    """Of each replica the same for the hop rate (per sample) and the share of returns.

    `replicas` are positions (frames, ions, 3). Ions hop each by itself, so that one detector follows those of all.
    """
    ions = replicas[0].shape[1]
    hops = core.detect_hops(np.concatenate(replicas, axis=1), window=window, return_within=within)
    found = []
    for first in range(0, ions * len(replicas), ions):
        own = _of_ions(hops, np.arange(first, first + ions))
        results = {
            "rate": (*own.rate(), *own.rate_interval(), 1 / wait),
            "share of returns": (*own.return_fraction(), *own.return_interval(), share),
        }
        found.append({name: result for name, result in results.items() if np.isfinite(result[0])})
    return found


def _of_ions(hops: core.Hops, ions: np.ndarray) -> core.Hops:
    kept = np.isin(hops.atom, ions)
    per_hop = [field.name for field in dataclasses.fields(hops)[:9]]
    return dataclasses.replace(hops, mobile=ions, **{name: getattr(hops, name)[kept] for name in per_hop})


def coverage(replicas: list[dict[str, tuple]], name: str) -> dict[str, float]:
    """Share of the replicas that give the quantity, and of these that hold the truth; bias in units of the truth."""
    known = np.array([found[name] for found in replicas if name in found])
    value, err, low, high, truth = known.T
    off = np.abs(value - truth) / err
    return {
        "given": len(known) / len(replicas),
        "one": float((off < 1).mean()),
        "two": float((off < 2).mean()),
        "interval": float(((low < truth) & (truth < high)).mean()),
        "bias": float((value / truth).mean() - 1),
        "relative": float((err / value).mean()),
    }
