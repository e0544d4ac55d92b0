"""Error bars of transport over more processes, numbers of ions and lengths than the suite has time for."""

import numpy as np
import pytest

from support import diffusive

REPLICAS = 200


def pairs_that_hop(rng, frames, ions):
    return diffusive.hopping(rng, frames, ions, together=2)


def regular(rng, frames, ions):
    return diffusive.hopping(rng, frames, ions, shape=4.0)


@pytest.mark.parametrize("length", [30, 100])
@pytest.mark.parametrize("ions", [1, 8, 20, 64, 400])
@pytest.mark.parametrize(
    ("process", "relaxation"),
    [
        (diffusive.random_walk, 4.2), (diffusive.correlated_pairs, 4.2), (diffusive.hopping, 20), (regular, 20),
        (pairs_that_hop, 20),
    ],
)  # fmt: skip
def test_errors_hold_the_truth(process, relaxation, ions, length):
    """Runs of 30 and 100 relaxation times: the lag at which the MSD reaches 2.5 Å², or the mean wait."""
    if ions == 1 and process in (diffusive.correlated_pairs, pairs_that_hop):
        pytest.skip("two ions make a pair")
    replicas = [
        diffusive.transport_of(*process(np.random.default_rng([seed, ions, length]), int(relaxation * length), ions))
        for seed in range(REPLICAS)
    ]
    for name in replicas[-1]:
        found = diffusive.coverage(replicas, name)
        assert 0.61 <= found["one"] <= 0.76, (name, found)
        assert 0.91 <= found["two"] <= 0.985, (name, found)
