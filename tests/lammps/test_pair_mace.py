"""pair_style mace against mace-torch's own ASE calculator and finite differences."""

from functools import cache

import numpy as np
import pytest

from support import mace_models
from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_models import HEADS, MODELS
from support.mace_worker import BAR_PER_EV_A3

pytestmark = pytest.mark.mpi

STRUCTURES = mace_models.structures()
PAIRS = [("residual", s) for s in ("bulk", "triclinic", "small", "corner", "lonely")]
PAIRS += [("zbl", "triclinic"), ("zbl", "core"), ("deep", "triclinic"), ("deep", "corner")]
# model, structure, newton, ranks: all on one and two ranks, the telling ones without newton and on four
CASES = [(*pair, "on", ranks) for pair in PAIRS for ranks in (1, 2)]
CASES += [(*pair, "off", ranks) for pair in (("residual", "corner"), ("deep", "triclinic")) for ranks in (1, 2)]
FOUR = [("residual", "corner", "off", 4), ("deep", "triclinic", "on", 4)]
LONG = [pytest.param(*case, marks=pytest.mark.long) for case in FOUR]


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mace"), MODELS, STRUCTURES, HEADS)


@pytest.fixture(scope="module")
def references(bench):
    return {pair: bench.reference(pair[0], STRUCTURES[pair[1]]) for pair in PAIRS}


@pytest.fixture(scope="module")
def matrix(bench):
    """Every case's result on so many ranks, made on demand."""

    @cache
    def of(ranks: int) -> dict:
        out = {}
        # ranks in a row along x: the structure `corner` then leaves all but the first without atoms
        cases = {
            f"{model} {structure} {newton}": script(structure, mace_pair(model), newton, f"{ranks} 1 1")
            for model, structure, newton, number in CASES + FOUR
            if number == ranks
        }
        for name, result in bench.run(cases, ranks, torch_first=ranks == 2).items():
            out[(*name.split(), ranks)] = result
        return out

    return of


@pytest.mark.parametrize(("model", "structure", "newton", "ranks"), CASES + LONG)
def test_equals_mace_torch(matrix, references, model, structure, newton, ranks):
    result = matrix(ranks)[model, structure, newton, ranks]
    assert "error" not in result, result["error"]
    expected = references[model, structure]
    assert_close(result["energy"], expected["energy"], 1e-12)
    assert_close(result["f"], expected["f"], 1e-9)
    assert_close(result["stress"], expected["stress"], 1e-9)
    assert_close(result["c_energy"][:, 0], expected["energies"], 1e-12)


@pytest.mark.parametrize(
    ("model", "structure", "newton", "ranks"), [c for c in CASES if c[1] == "triclinic"] + LONG[1:]
)
def test_per_atom_virial_sums_to_the_virial(matrix, model, structure, newton, ranks):
    result = matrix(ranks)[model, structure, newton, ranks]
    for name in ("c_virial", "c_centroid"):
        total = result[name].sum(axis=0)[[0, 1, 2, 5, 4, 3]] / BAR_PER_EV_A3 / STRUCTURES[structure].get_volume()
        assert_close(total, result["stress"], 1e-9)
        assert_close(result[name], matrix(1)[model, structure, "on", 1][name], 1e-9)
    # the antisymmetric part of the nine components is a torque, zero in sum
    nine = result["c_centroid"].sum(axis=0)
    assert_close(nine[6:], nine[3:6], 1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_finite_differences(bench, matrix, model):
    """Central differences of the energy: forces of three atoms, and all six stresses by strain."""
    atoms, step = STRUCTURES["triclinic"], 1e-4
    place = "set atom {} x {:.17g} y {:.17g} z {:.17g}\n"
    moves = [(atom, axis) for atom in (0, 5, 20) for axis in range(3)]
    changes = [
        "".join(place.format(k + 1, *atoms.positions[k]) for k in (0, 5, 20))
        + place.format(atom + 1, *(atoms.positions[atom] + sign * step * np.eye(3)[axis]))
        for atom, axis in moves
        for sign in (1, -1)
    ]
    box = "change_box all x final 0 {:.17g} y final 0 {:.17g} z final 0 {:.17g} "
    box += "xy final {:.17g} xz final {:.17g} yz final {:.17g} remap units box\n"
    home = "".join(place.format(k + 1, *atoms.positions[k]) for k in (0, 5, 20))
    for i, j in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]:
        for sign in (1, -1):
            strain = np.eye(3)
            # the lower triangle only: LAMMPS' cell stays in its standard orientation
            strain[max(i, j), min(i, j)] += sign * step
            (xx, _, _), (xy, yy, _), (xz, yz, zz) = atoms.cell.array @ strain
            changes.append(home + box.format(xx, yy, zz, xy, xz, yz))
            home = ""
    energies = bench.run({"moved": script("triclinic", mace_pair(model)) | {"changes": changes}})["moved"]["energies"]
    slopes = (energies[::2] - energies[1::2]) / (2 * step)
    result = matrix(2)[model, "triclinic", "on", 2]
    assert_close(-slopes[: len(moves)], [result["f"][move] for move in moves], 1e-5)
    assert_close(slopes[len(moves) :] / atoms.get_volume(), result["stress"], 1e-5)


def test_single_precision(bench, matrix):
    cases = {model: script("triclinic", mace_pair(model, options="dtype float32")) for model in ("zbl", "deep")}
    for model, result in bench.run(cases, 2).items():
        exact = matrix(2)[model, "triclinic", "on", 2]
        assert_close(result["energy"], exact["energy"], 1e-6)
        assert_close(result["f"], exact["f"], 1e-4)
        assert_close(result["stress"], exact["stress"], 1e-4)
        assert np.abs(result["f"] - exact["f"]).max() > 1e-12, "not computed in single precision"
