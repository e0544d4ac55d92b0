"""The Pedone-form potential in LAMMPS: against a sum written out here, and against rutile."""

from math import erfc, exp, pi, sqrt

import numpy as np
import pytest
from mpi4py import MPI
from ase import Atoms
from ase.spacegroup import crystal
from scipy.optimize import minimize

from naglass_drv.chemistry import potentials
from naglass_drv.chemistry.ions import Species, high_spin_unpaired, species
from naglass_drv.core import neighbors
from naglass_drv.engines.lammps.session import open_session, write_data
from naglass_drv.errors import InputError
from naglass_drv.glass.packing import pack

COULOMB = 14.399645  # eV Å, as LAMMPS has it in metal units
# D, a, r0, C with oxygen, and charge, typed from the publication of each set
PUBLISHED = {
    "Na+": (0.6, 0.023363, 1.763867, 3.006315, 5.0),
    "V4+": (2.4, 0.032832, 2.109308, 2.663618, 1.0),
    "V5+": (3.0, 0.021911, 1.495955, 3.398507, 1.0),
    "P5+": (3.0, 0.831326, 2.585833, 1.800790, 1.0),
    "O2-": (-1.2, 0.042395, 1.379316, 3.618701, 22.0),
}


def energy_by_hand(atoms: Atoms) -> float:
    """Pedone pairs below 5.5 Å and damped shifted-force Coulomb (10.1063/1.2206581) below 8 Å."""
    labels = atoms.get_array("ion")
    charge = np.array([PUBLISHED[label][0] for label in labels])
    alpha, cut = 0.25, 8.0
    slope = erfc(alpha * cut) / cut**2 + 2 * alpha / sqrt(pi) * exp(-((alpha * cut) ** 2)) / cut
    shift = erfc(alpha * cut) / cut
    pairs = neighbors(atoms, cut)
    total = 0.0
    for i, j, r in zip(pairs.i, pairs.j, pairs.distances):
        total += 0.5 * COULOMB * charge[i] * charge[j] * (erfc(alpha * r) / r - shift + slope * (r - cut))
        if "O2-" in (labels[i], labels[j]) and r < 5.5:
            _, d, a, r0, c = PUBLISHED[labels[i] if labels[j] == "O2-" else labels[j]]
            total += 0.5 * (d * (exp(-2 * a * (r - r0)) - 2 * exp(-a * (r - r0))) + c / r**12)
    # what an ion has with the neutralizing charge on its own cutoff sphere
    own = (shift + slope * cut) / 2 + alpha / sqrt(pi)
    return total - COULOMB * own * float((charge**2).sum())


def energy(tmp_path, atoms: Atoms, ions) -> float:
    labels = [ion.label for ion in ions]
    types = np.array([labels.index(label) + 1 for label in atoms.get_array("ion")])
    write_data(tmp_path / "a.data", atoms, types, np.array(potentials.charges(ions))[types - 1])
    with open_session(MPI.COMM_SELF, tmp_path / "log", variables={"data": tmp_path / "a.data"}) as session:
        session.commands(("units metal", "atom_style charge", "read_data ${data}"))
        session.commands(potentials.commands(ions))
        session.command("run 0")
        return session.lmp.get_thermo("pe")


@pytest.mark.parametrize(
    "composition",
    [{"Na": 4, "V4+": 2, "P": 4, "O": 16}, {"O": 18, "P": 4, "V4+": 1, "V5+": 2, "Na": 2}, {"Na": 2, "P": 2, "O": 6}],
)
def test_energy_is_the_written_out_sum(tmp_path, composition):
    """Cells of 5 to 7 Å: smaller than both cutoffs, so that images of images count."""
    ions = species(composition)
    atoms = pack(ions, 2.75, seed=5)
    # LAMMPS takes erfc from a polynomial that is good to 1.5e-7
    assert energy(tmp_path, atoms, ions) == pytest.approx(energy_by_hand(atoms), rel=1e-6)


def test_a_small_cell_is_its_own_supercell(tmp_path):
    ions = species({"Na": 4, "V4+": 2, "P": 4, "O": 16})
    atoms = pack(ions, 2.75, seed=5)
    (tmp_path / "b").mkdir()
    eight = energy(tmp_path / "b", atoms.repeat(2), ions)
    assert eight == pytest.approx(8 * energy(tmp_path, atoms, ions), rel=1e-9)


def test_rutile_with_v4(tmp_path):
    """The minimum over a, c and x of rutile VO2 lies near experiment (4.5546, 2.8514 Å, x 0.300).

    Found: a -0.5 %, c +2.7 %, volume +1.6 %, V-O 4 × 1.931 + 2 × 1.945 Å, against 4 × 1.922 + 2 × 1.932 Å.
    """
    ions = species({"V4+": 1, "O": 2})

    def rutile(a: float, c: float, x: float) -> Atoms:
        atoms = crystal(("V", "O"), [(0, 0, 0), (x, x, 0)], spacegroup=136, cellpar=[a, a, c, 90, 90, 90])
        atoms.set_array("ion", np.array(["V4+" if s == "V" else "O2-" for s in atoms.get_chemical_symbols()]))
        return atoms

    found = minimize(
        lambda v: energy(tmp_path, rutile(*v), ions),
        [4.5546, 2.8514, 0.300],
        method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-6},
    )
    a, c, x = found.x
    assert (2 * a, 3 * c, x) == pytest.approx((9.0602, 8.7874, 0.30363), abs=2e-3)
    assert a * a * c == pytest.approx(4.5546**2 * 2.8514, rel=0.02)
    assert sqrt(2) * x * a == pytest.approx(1.932, abs=0.02)
    assert sqrt(2 * ((0.5 - x) * a) ** 2 + c * c / 4) == pytest.approx(1.922, abs=0.02)


@pytest.mark.parametrize("composition", [{"Mo6+": 1, "O": 3}, {"Na": 2, "S": 1}])
def test_what_has_no_parameters_is_named(composition):
    with pytest.raises(InputError, match="no Pedone parameters for (Mo6|S2)"):
        potentials.check(species(composition))


def test_an_oxide_needs_oxygen():
    with pytest.raises(InputError, match="there is no O"):
        potentials.check([Species("Na", 1, 1, high_spin_unpaired("Na", 1))])
