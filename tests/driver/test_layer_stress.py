"""Stress in a layer of rigid ions, against LAMMPS and against mechanical equilibrium."""

import numpy as np
import pytest

from naglass_drv.chemistry import ions as chemistry
from naglass_drv.chemistry import potentials
from naglass_drv.engines.lammps.session import open_session, write_data
from naglass_drv.glass.packing import pack
from naglass_drv.interface.stress import layer_stress

BAR_PER_GPA = 1e4


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory):
    """A tilted cell of Na-V-P-O without forces, its ions, and the pressure tensor (bar) of LAMMPS."""
    from mpi4py import MPI

    folder = tmp_path_factory.mktemp("stress")
    ions = chemistry.species({"Na": 4, "V4+": 2, "P": 4, "O": 16}, 4)
    atoms = pack(ions, 2.7, seed=5)
    edge = atoms.cell.lengths()[0]
    atoms.set_cell([[edge, 0, 0], [0.2 * edge, edge, 0], [0, 0, edge]], scale_atoms=True)
    kinds = np.repeat(np.arange(len(ions)), [ion.count for ion in ions])
    write_data(folder / "start.data", atoms, kinds + 1, np.array(potentials.charges(ions))[kinds])
    with open_session(MPI.COMM_SELF, folder / "log.lammps") as session:
        session.commands(("units metal", "atom_style charge", f'read_data "{folder / "start.data"}"'))
        session.commands((*potentials.commands(ions), "neighbor 1.0 bin"))
        session.commands(
            (
                "minimize 0 1.0e-6 500 1000",
                "min_style fire",
                "minimize 0 1.0e-5 20000 40000",
                "compute p all pressure NULL virial",
                "run 0",
            )
        )
        pressure = np.array([session.lmp.extract_compute("p", 0, 1)[k] for k in range(3)])
        atoms.positions = np.array(session.lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
        assert np.abs(session.lmp.gather_atoms("f", 1, 3)).max() < 1e-3
    return atoms, ions, kinds, pressure


def test_the_whole_cell_has_the_pressure_of_lammps(at_rest):
    atoms, ions, kinds, pressure = at_rest
    found = layer_stress(atoms, ions, kinds, 0.0, atoms.cell[2, 2], 0.0)
    assert found * BAR_PER_GPA == pytest.approx(-pressure, rel=1e-4, abs=1.0)


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (3.0, 9.0), (9.5, 13.0), (-2.0, 2.5)])
def test_at_rest_every_layer_bears_the_same_stress_across(at_rest, low, high):
    atoms, ions, kinds, pressure = at_rest
    found = layer_stress(atoms, ions, kinds, low, high, 0.0)
    assert found[2] * BAR_PER_GPA == pytest.approx(-pressure[2], abs=20.0)


def test_layers_make_up_the_cell_and_motion_presses(at_rest):
    atoms, ions, kinds, _ = at_rest
    height = atoms.cell[2, 2]
    whole, lower, upper = (layer_stress(atoms, ions, kinds, *ends, 500.0) for ends in
                           ((0.0, height), (0.0, 0.3 * height), (0.3 * height, height)))  # fmt: skip
    assert 0.3 * lower + 0.7 * upper == pytest.approx(whole)
    # n k T of 104 ions: 1 eV/Å³ is 160.22 GPa
    pressed = layer_stress(atoms, ions, kinds, 0.0, height, 0.0) - whole
    assert pressed == pytest.approx(np.full(3, 104 * 8.617333e-5 * 500 / atoms.cell.volume * 160.21766))
