"""compute heat/flux with pair_style mace against the time derivative of sum_i r_i e_i (Hardy's definition).

In an isolated cluster that sum has no periodic images to choose from, and its derivative along the motion follows from
mace-torch's energies per atom only: no virial is involved.
"""

import ase.units
import numpy as np
import pytest

from support.lammps_runs import run_lammps, thermo_tables
from support.mace_bench import Bench, assert_close
from support.mace_models import packing

pytestmark = pytest.mark.mpi

MODELS = {
    "one": dict(layers=1, hidden="8x0e+8x1o", max_ell=2, correlation=3),
    "other": dict(layers=1, hidden="8x0e", r_max=4.0, max_ell=1, pair_repulsion=True, seed=8),
    "two": dict(layers=2, hidden="8x0e+8x1o", max_ell=2),
}
EV = ase.units._amu * 1e4 / ase.units._e  # of 1 u (Å/ps)²
SCRIPT = """
units metal
newton {newton}
read_data cluster.data
pair_style mace
pair_coeff * * {archives} O Na P V
{velocities}
compute kinetic all ke/atom
compute energy all pe/atom
compute even all stress/atom NULL virial
compute ends all centroid/stress/atom NULL virial
compute even_flux all heat/flux kinetic energy even
compute ends_flux all heat/flux kinetic energy ends
thermo_style custom step c_even_flux[*] c_ends_flux[*]
thermo_modify format float %.15g
run 0
"""


def cluster():
    atoms = packing(26, 14.0, tilt=True, seed=1)
    atoms.set_cell([30, 30, 30])
    atoms.center()
    return atoms


ATOMS = cluster()
# Å/ps; some thousand kelvin
VELOCITIES = np.random.default_rng(1).normal(scale=10.0, size=(len(ATOMS), 3))


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("flux"), MODELS, {"cluster": ATOMS})


def fluxes(bench, models: list[str], ranks: int = 1, newton: str = "on") -> tuple[np.ndarray, np.ndarray]:
    """Heat flux times volume (eV Å/ps) of LAMMPS: total and convective, with the virial split evenly and by ends."""
    place = "set atom {} vx {:.17g} vy {:.17g} vz {:.17g}"
    velocities = "\n".join(place.format(k + 1, *v) for k, v in enumerate(VELOCITIES))
    archives = " ".join(f"{model}.naglass" for model in models)
    done = run_lammps(bench.folder, SCRIPT.format(newton=newton, archives=archives, velocities=velocities), ranks)
    assert done.returncode == 0, done.stdout[-1500:]
    return thermo_tables(done.stdout)[0][0, 1:].reshape(2, 2, 3)


def expected_flux(bench, models: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The same from a five-point derivative along the motion: total and convective."""
    masses = ATOMS.get_masses()[:, None]
    start = [bench.reference(model, ATOMS) for model in models]
    acceleration = np.mean([one["f"] for one in start], axis=0) / masses / EV

    def energies(time: float) -> tuple[np.ndarray, np.ndarray]:
        moved = ATOMS.copy()
        moved.positions += VELOCITIES * time
        each = np.mean([bench.reference(model, moved)["energies"] for model in models], axis=0)
        kinetic = EV / 2 * (masses * (VELOCITIES + acceleration * time) ** 2).sum(axis=1)
        return each + kinetic, moved.positions - ATOMS.positions.mean(axis=0)

    at_rest = energies(0.0)[0]

    def moment(time: float) -> np.ndarray:
        # relative to the energies now, as those of isolated atoms would drown the difference
        energy, places = energies(time)
        return (energy - at_rest) @ places

    h = 1e-4
    by_exchange = (8 * (moment(h) - moment(-h)) - moment(2 * h) + moment(-2 * h)) / (12 * h)
    by_convection = at_rest @ VELOCITIES
    return by_exchange + by_convection, by_convection


@pytest.mark.long
@pytest.mark.parametrize(("models", "ranks", "newton"), [(["one"], 1, "on"), (["one", "other"], 2, "off")])
def test_exact_for_one_layer_with_the_virial_of_the_ends(bench, models, ranks, newton):
    total, convection = expected_flux(bench, models)
    even, ends = fluxes(bench, models, ranks, newton)
    assert_close(ends[1], convection, 1e-7)
    assert_close(ends[0] - ends[1], total - convection, 1e-6)
    # for forces between pairs the even split would do as well
    assert models != ["one"] or np.abs(even[0] - total).max() > 0.1 * np.abs(total - convection).max()


@pytest.mark.long
def test_neglects_the_long_ways_of_several_layers(bench):
    """As documented: the virial split by ends is the better of the two, but not exact."""
    total, convection = expected_flux(bench, ["two"])
    even, ends = (np.abs(flux[0] - total).max() / np.abs(total - convection).max() for flux in fluxes(bench, ["two"]))
    assert 1e-3 < ends < 0.1 < even
