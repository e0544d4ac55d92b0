"""Small runs of the real CP2K: what a job prints beyond its label, and spins that start up and down."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k import parse
from naglass_drv.engines.cp2k.parse import electronic
from naglass_drv.engines.cp2k.run.label import Program
from naglass_drv.engines.cp2k.theory.levels import level
from naglass_drv.engines.cp2k.write import prints
from naglass_drv.engines.cp2k.write.inputs import single_point
from naglass_drv.runtime.launch import run_child

pytestmark = pytest.mark.cp2k


def computed(atoms, folder, multiplicity, **options):
    """The output of a single point at PBE and a cutoff that is enough for phosphorus to have its spin."""
    site = load_site()
    program = Program(site.cp2k, site.cp2k_data)
    options |= {"charge": 0, "multiplicity": multiplicity, "data": site.cp2k_data}
    (folder / "label.inp").write_text(single_point(atoms, level("pbe", cutoff_Ry=60), **options))
    run_child([str(program.executable), "-i", "label.inp"], folder, env=program.environment(), log="label.out")
    output = parse.read(folder / "label.out", list(atoms.symbols))
    assert output.scf_converged
    return output


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a phosphorus atom (4 electrons up, 1 down) with all prints."""
    folder = tmp_path_factory.mktemp("phosphorus")
    computed(Atoms("P", [(3.0, 3.0, 3.0)], cell=[6.0] * 3, pbc=True), folder, 4, outputs=prints.OUTPUTS)
    return folder


def test_wannier_centers_of_both_spins(run):
    (frame,) = electronic.read_wannier(run / prints.WANNIER_FILE, ["P"], run / prints.SPREADS_FILE).values()
    assert [len(spin.centers) for spin in frame] == [4, 1]
    assert all((spin.spreads_A2 > 0).all() for spin in frame)


def test_spin_density_holds_the_unpaired_electrons(run):
    (path,) = run.glob("label-SPIN_DENSITY-*.cube")
    head = electronic.read_cube_head(path)
    rows = path.read_text().splitlines()[6 + len(head.numbers) :]
    values = np.array(" ".join(rows).split(), dtype=float)
    assert len(values) == np.prod(head.points)
    electrons = values.sum() * abs(np.linalg.det(head.voxel)) / parse.BOHR_A**3
    assert electrons == pytest.approx(3.0, abs=0.02)
    assert len(list(run.glob("label-ELF_S?-*.cube"))) == 2


def test_projected_states_of_both_spins(run):
    states = [electronic.read_pdos(path) for path in sorted(run.glob("label-*.pdos"))]
    assert [len(found.energies_eV) for found in states] == [4, 1]
    for found in states:
        assert found.kind == "P" and found.weights.sum() == pytest.approx(len(found.energies_eV), abs=1e-4)


@pytest.mark.parametrize(("start", "multiplicity"), [([3.0, -3.0], 1), ([-3.0, 3.0], 1), ([3.0, 3.0], 7)])
def test_two_atoms_of_one_element_keep_the_spins_that_they_start_from(tmp_path, start, multiplicity):
    """Two phosphorus atoms 4 Å apart: kinds of their own carry the signs, and the broken symmetry stays."""
    atoms = Atoms("P2", [(2.0, 2.5, 2.5), (6.0, 2.5, 2.5)], cell=[8.0, 5.0, 5.0], pbc=True)
    atoms.set_array("start_moment", np.array(start))
    found = computed(atoms, tmp_path, multiplicity)
    for moments in (found.spin_hirshfeld, found.spin_mulliken):
        assert (np.sign(moments) == np.sign(start)).all() and (np.abs(moments) > 2.5).all()
        assert moments.sum() == pytest.approx(multiplicity - 1, abs=0.02)
