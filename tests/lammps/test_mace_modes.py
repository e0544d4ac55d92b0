"""One small model through every way to run pair_style mace: ranks, newton, single_rank, precision, structure.

test_pair_mace.py has the kinds of models, in double precision; here all modes must agree with mace-torch and,
for quantities that mace-torch does not provide, with each other.
"""

import itertools
from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest

from support.mace_bench import Bench, assert_close, deviations, mace_pair, script
from support.mace_models import structures

pytestmark = pytest.mark.mpi

MODELS = {
    "a": dict(hidden="4x0e+4x1o", correlation=2, pair_repulsion=True),
    "b": dict(hidden="4x0e", correlation=1, r_max=4.0, seed=8),
}
STRUCTURES = {name: atoms for name, atoms in structures().items() if name != "bulk"}
# ranks and how they know of each other, newton, precision
MODES = [(ranks, "", *more) for ranks in (1, 2) for more in (("on", "float64"), ("on", "float32"), ("off", "float64"))]
MODES += [
    (ranks, how, *more)
    for ranks, how in ((1, "single_rank"), (4, ""))
    for more in (("on", "float32"), ("off", "float64"))
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("modes"), MODELS, STRUCTURES)


def run(bench, structures: Iterable[str], modes: Iterable[tuple], pair: str, after: str = "") -> dict:
    """Results by structure and mode; one launch for each number of ranks. `pair` has a placeholder for options."""
    cases: dict[int, dict] = {1: {}, 2: {}, 4: {}}
    for structure, mode in itertools.product(structures, modes):
        ranks, how, newton, dtype = mode
        # ranks in a row along x: the structure `corner` then leaves all but the first without atoms
        cases[ranks][" ".join(map(str, (structure, *mode)))] = script(
            structure,
            pair.format(f"{how} dtype {dtype}"),
            newton,
            f"{ranks} 1 1",
            before="atom_modify map yes",
            after=after,
        )
    results = {name: result for ranks, some in cases.items() for name, result in bench.run(some, ranks).items()}
    return {(s, mode): results[" ".join(map(str, (s, *mode)))] for s, mode in itertools.product(structures, modes)}


@pytest.fixture(scope="module")
def found(bench):
    """Results by mode and structure; one launch for each number of ranks, on demand."""

    @cache
    def of(ranks: int) -> dict:
        return run(bench, STRUCTURES, [mode for mode in MODES if mode[0] == ranks], mace_pair("a", options="{}"))

    return of


@pytest.fixture(scope="module")
def references(bench):
    return {name: bench.reference("a", atoms) for name, atoms in STRUCTURES.items()}


@pytest.fixture(scope="module")
def isolated(references) -> dict[str, float]:
    """Energies (eV) of atoms without a neighbor."""
    return dict(zip(STRUCTURES["lonely"].symbols, references["lonely"]["energies"], strict=True))


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(
    "mode",
    [mode if mode[0] < 4 else pytest.param(mode, marks=pytest.mark.long) for mode in MODES],
    ids=lambda mode: " ".join(map(str, mode)),
)
def test_equals_mace_torch(found, references, isolated, structure, mode):
    result, expected = found(mode[0])[structure, mode], references[structure]
    assert "error" not in result, result["error"]
    double = mode[3] == "float64"
    # relative to what neighbors contribute: the energies of isolated atoms are added in double either way
    scale = (1e-11 if double else 1e-6) * max(1.0, np.abs(interaction(expected, structure, isolated)).max())
    assert np.abs(result["c_energy"][:, 0] - expected["energies"]).max() < scale
    assert abs(result["energy"] - expected["energy"]) < len(STRUCTURES[structure]) * scale
    for key in ("f", "stress"):
        assert_close(result[key], expected[key], 1e-9 if double else 1e-4)
    exact = found(1)[structure, MODES[0]]
    for key in ("c_virial", "c_centroid"):
        assert_close(result[key], exact[key], 1e-9 if double else 1e-4)
    if not double and structure != "lonely":
        assert np.abs(result["f"] - exact["f"]).max() > 1e-12, "not computed in single precision"


def interaction(expected: dict, structure: str, isolated: dict[str, float]) -> np.ndarray:
    return expected["energies"] - [isolated[symbol] for symbol in STRUCTURES[structure].symbols]


def test_committee_where_ranks_own_nothing(bench):
    """Means and deviations, in a cell smaller than the cutoff and of atoms without a neighbor."""
    modes = [mode for mode in MODES if mode[3] == "float64" and mode[0] < 4]
    pair = mace_pair("a", options="{}").replace("a.naglass", "a.naglass b.naglass")
    found = run(bench, ("small", "lonely"), modes, pair, "compute deviation all mace/atom deviation")
    for (structure, mode), result in found.items():
        assert "error" not in result, (structure, mode, result["error"])
        each = [bench.reference(model, STRUCTURES[structure]) for model in MODELS]
        forces = np.array([one["f"] for one in each])
        assert_close(result["f"], forces.mean(axis=0), 1e-9)
        assert_close(result["energy"], np.mean([one["energy"] for one in each]), 1e-12)
        assert_close(result["c_deviation"][:, 0], deviations(forces), 1e-9)
