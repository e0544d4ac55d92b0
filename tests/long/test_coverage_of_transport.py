"""Error bars of transport over more processes, numbers of ions and lengths than the suite has time for.

Each case alone can only show a gross error: a share of 200 replicas scatters by 3 %. All cases of a quantity together,
about 8900 replicas, tell an error bar that is wrong by 15 % from one that is right, which is tested too. The seeds are
fixed; the chances of a false alarm stated below are those of new seeds.
"""

from functools import cache, partial

import numpy as np
import pytest
from scipy.stats import binom, norm

from support import diffusive

REPLICAS = 200
# process and its relaxation time in frames: the lag at which the MSD reaches 2.5 Å², or the mean wait
PROCESSES = {
    "random walk": (diffusive.random_walk, 4.2),
    "correlated pairs": (diffusive.correlated_pairs, 4.2),
    "hopping": (diffusive.hopping, 20),
    "regular hopping": (partial(diffusive.hopping, shape=4.0), 20),
    "pairs that hop": (partial(diffusive.hopping, together=2), 20),
}
CASES = [
    (name, ions, length)
    for name in PROCESSES
    for ions in (1, 8, 20, 64, 400)
    for length in (30, 100)  # relaxation times
    if ions > 1 or "pairs" not in name
]
QUANTITIES = ("D", "Haven ratio", "Nernst-Einstein", "Einstein")


@cache
def deviations(process: str, ions: int, length: int) -> dict[str, np.ndarray]:
    """Per quantity |value - truth| / error of the replicas that give it."""
    motion, relaxation = PROCESSES[process]
    replicas = [
        diffusive.transport_of(*motion(np.random.default_rng([seed, ions, length]), int(relaxation * length), ions))
        for seed in range(REPLICAS)
    ]
    found = {}
    for name in QUANTITIES:
        known = np.array([replica[name] for replica in replicas if name in replica]).reshape(-1, 5)
        found[name] = np.abs(known[:, 0] - known[:, 4]) / known[:, 1]
    return found


@pytest.mark.parametrize(("process", "ions", "length"), CASES)
def test_each_case_is_compatible_with_its_level(process, ions, length):
    """Each tail of the binomial distribution is cut at 10⁻⁶: one false alarm in 1400 runs of all cases."""
    for name, found in deviations(process, ions, length).items():
        if name == "Haven ratio" and ions == 1:
            assert len(found) == 0
            continue
        # a third of the short runs of a single ion is refused
        assert len(found) >= (0.6 if ions == 1 else 0.9) * REPLICAS, (name, len(found))
        for sigmas in (1, 2):
            inside, level = (found < sigmas).sum(), 2 * norm.cdf(sigmas) - 1
            tails = binom.cdf(inside, len(found), level), binom.sf(inside - 1, len(found), level)
            assert min(tails) > 1e-6, (name, sigmas, inside / len(found))


def covers(off: np.ndarray) -> bool:
    """Whether the shares within 1 and 2 σ are those of errors that are right within 10 %."""
    shares = [(off < sigmas).mean() for sigmas in (1, 2)]
    return all(2 * norm.cdf(0.9 * s) < share + 1 < 2 * norm.cdf(1.1 * s) for s, share in zip((1, 2), shares))


@pytest.mark.parametrize("name", QUANTITIES)
def test_the_errors_are_right_within_ten_percent(name):
    """The shares of all cases scatter by 0.5 and 0.25 % and lie four times that inside: one false alarm in 10⁴."""
    off = np.concatenate([deviations(*case)[name] for case in CASES])
    assert covers(off), [(off < sigmas).mean() for sigmas in (1, 2)]
    assert not covers(off / 0.85) and not covers(off / 1.15)
