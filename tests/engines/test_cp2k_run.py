"""Labels from the real CP2K: right numbers, right names for what goes wrong, also inside an MPI job."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from naglass_drv.config.site import load_site
from naglass_drv.dataset.frames import check_labeled
from naglass_drv.engines.cp2k import parse
from naglass_drv.engines.cp2k.run.label import LOG, Program, label
from naglass_drv.engines.cp2k.theory.levels import label_of, level
from naglass_drv.engines.cp2k.write.inputs import isolated_atom, single_point
from naglass_drv.errors import SetupError, TaskFailed
from naglass_drv.runtime.launch import run_child
from naglass_drv.runtime.vendors import fitting_launcher
from support.jobs import MPIRUN, environment
from support.structures import DATA, cp2k_output

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]

XTB, COARSE = level("gfn1-xtb"), level("pbe+d3", cutoff_Ry=100)
PHOSPHORUS = Atoms(
    "P2", [(2.5, 2.5, 2.0), (2.6, 2.4, 3.9)], cell=[5.0, 5.0, 6.0], pbc=True, info={"group": "P2", "source": "test"}
)


def program(**changes) -> Program:
    site = load_site()
    return Program(**{"executable": site.cp2k, "data": site.cp2k_data, "threads": 1} | changes)


def box():
    return ase.io.read(DATA / "structures" / "mol8s.extxyz")


def labeled(atoms, folder, chosen=XTB, *, multiplicity=2, using=None, child=None, **options):
    folder.mkdir(exist_ok=True)
    child = child or run_child
    return label(
        atoms, chosen, folder, program=using or program(), charge=0, multiplicity=multiplicity, child=child, **options
    )


def replayed(output):
    """A child that leaves the `output` of an earlier CP2K run."""

    def child(argv, *, folder, log, **_):
        shutil.copy(output, folder / log)
        return 0

    return child


def refusal(folder, **options) -> TaskFailed:
    with pytest.raises(TaskFailed) as caught:
        labeled(box(), folder, **options)
    assert caught.value.log == folder / "scf-1" / LOG
    return caught.value


@pytest.mark.long
def test_forces_and_stress_are_derivatives_of_the_energy(tmp_path):
    """Central differences of the energy, on a cell that is neither orthorhombic nor aligned with the axes."""
    atoms = box()
    atoms.set_cell(atoms.cell @ [[1, 0.05, 0], [0, 1, 0.04], [0, 0, 1]], scale_atoms=True)
    atoms.rotate(30, (1, 2, 3), rotate_cell=True)
    frame = labeled(atoms, tmp_path / "here")
    assert np.abs(frame.arrays["REF_forces"].sum(axis=0)).max() < 1e-4

    def energy(name, change):
        moved = atoms.copy()
        change(moved)
        return labeled(moved, tmp_path / name).info["REF_energy"]

    def shift(sign):
        def change(moved):
            moved.positions[3, 1] += sign * 0.01

        return change

    def strain(sign):
        def change(moved):
            moved.set_cell(moved.cell @ (np.eye(3) + sign * direction), scale_atoms=True)

        return change

    direction = 0.002 * np.array([[1, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])
    slope = (energy("up", shift(1)) - energy("down", shift(-1))) / 0.02
    assert frame.arrays["REF_forces"][3, 1] == pytest.approx(-slope, abs=0.02)
    work = (energy("wide", strain(1)) - energy("tight", strain(-1))) / 2
    expected = atoms.cell.volume * float((frame.info["REF_stress"] * direction).sum())
    assert work == pytest.approx(expected, abs=0.05 * abs(expected) + 2e-4)


def test_label_follows_the_frame_convention(tmp_path):
    atoms = box()
    atoms.info |= {"group": "NaVPO5-r0", "source": "test"}
    frame = labeled(atoms, tmp_path)
    check_labeled(frame, "frame")
    assert frame.info["level"] == label_of(XTB) and frame.info["level"].startswith("gfn1-xtb-")
    assert frame.arrays["REF_spin"].sum() == pytest.approx(1.0, abs=1e-4)
    assert "REF_energy" not in atoms.info


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """A label of P2, whose electrons are paired, and its folder."""
    folder = tmp_path_factory.mktemp("paired")
    return labeled(PHOSPHORUS, folder, COARSE, multiplicity=1, max_net_force_eV_per_A=1.0), folder / "scf-1"


def test_paired_electrons_are_labeled_with_one_spin_as_with_two(paired, tmp_path):
    """Twice the same single point; with one spin CP2K prints no moments."""
    frame, folder = paired
    check_labeled(frame, "frame")
    assert not frame.arrays["REF_spin"].any() and not frame.arrays["REF_spin_mulliken"].any()
    written = (folder / "label.inp").read_text()
    assert written.count("UKS FALSE") == 1
    (tmp_path / "label.inp").write_text(written.replace("UKS FALSE", "UKS TRUE"))
    assert run_child(program().command(), tmp_path, env=program().environment(), log=LOG) == 0
    found = parse.read(tmp_path / LOG, ["P", "P"])
    assert found.spin_hirshfeld is not None
    assert frame.info["REF_energy"] == pytest.approx(found.energy_eV, abs=1e-5)
    assert frame.arrays["REF_forces"] == pytest.approx(found.forces_eV_per_A, abs=1e-3)
    assert frame.info["REF_stress"] == pytest.approx(found.stress_eV_per_A3, abs=1e-6)


def test_paired_electrons_are_not_admitted_for_another_multiplicity(paired, tmp_path):
    child = replayed(paired[1] / LOG)
    with pytest.raises(TaskFailed) as caught:
        labeled(PHOSPHORUS, tmp_path, COARSE, multiplicity=3, child=child, max_net_force_eV_per_A=1.0)
    assert caught.value.failure == "SPIN_MISMATCH" and "add up to 0.000" in str(caught.value)


def test_published_parameters_give_the_recorded_energy(tmp_path):
    """Without the level's own k(Na,O), the input is that of a recorded run with other grids."""
    text = single_point(box(), XTB, charge=0, multiplicity=2)
    assert "KAB_PARAM Na O" in text
    (tmp_path / "label.inp").write_text("\n".join(line for line in text.splitlines() if "KAB_PARAM" not in line))
    assert run_child(program().command(), tmp_path, env=program().environment(), log=LOG) == 0
    found = parse.read(tmp_path / LOG, list(box().symbols))
    assert found.energy_eV == pytest.approx(-28.0716174293 * parse.HARTREE_EV, abs=2e-3)


def test_isolated_atom_is_the_reference_of_its_element(tmp_path):
    atom = isolated_atom("O", XTB)
    frame = labeled(atom, tmp_path, multiplicity=atom.info["multiplicity"])
    assert frame.info["REF_energy"] == pytest.approx(-118.343, abs=0.01)
    assert frame.arrays["REF_spin"] == pytest.approx([2.0])


def test_impossible_multiplicity_aborts_with_the_reason_of_cp2k(tmp_path):
    failure = refusal(tmp_path, multiplicity=102)
    assert failure.failure == "ABORT"
    assert "too few electrons for this multiplicity" in str(failure)


def test_time_limit_ends_a_label(tmp_path):
    assert refusal(tmp_path, timeout_s=0.3).failure == "TIMEOUT"


def test_program_that_is_not_cp2k(tmp_path):
    assert refusal(tmp_path, using=program(executable=Path("/bin/echo"))).failure == "LAUNCHER"


def test_spins_of_another_multiplicity(tmp_path):
    child = replayed(cp2k_output("xtb_label"))
    found = refusal(tmp_path, child=child, multiplicity=4)
    assert found.failure == "SPIN_MISMATCH"
    assert "add up to 1.000" in str(found)


def test_other_number_of_processes_than_asked_for(tmp_path):
    child = replayed(cp2k_output("xtb_label"))
    using = program(ranks=2, launcher=fitting_launcher(load_site().cp2k))
    assert refusal(tmp_path, child=child, using=using).failure == "LAUNCHER"


def test_two_processes_with_the_launcher_of_its_own_mpi(tmp_path):
    using = program(ranks=2, launcher=fitting_launcher(load_site().cp2k))
    frame = labeled(isolated_atom("O", XTB), tmp_path, multiplicity=3, using=using)
    assert parse.read(tmp_path / "scf-1" / LOG, list(frame.symbols)).processes == 2


def test_launcher_of_another_mpi_is_refused(tmp_path):
    with pytest.raises(SetupError, match="starts programs of MPICH, but .* is linked against Open MPI"):
        labeled(box(), tmp_path, using=program(ranks=2, launcher=Path(MPIRUN)))
    with pytest.raises(SetupError, match="needs a launcher"):
        labeled(box(), tmp_path, using=program(ranks=2))


IN_JOB = """
import json
import sys
from pathlib import Path
from mpi4py import MPI
sys.path.insert(0, {tests!r})
from engines.test_cp2k_run import XTB, isolated_atom, labeled
world = MPI.COMM_WORLD
folder = Path({folder!r}) / str(world.Get_rank())
energy = float(labeled(isolated_atom("O", XTB), folder, multiplicity=3).info["REF_energy"])
# one rank prints: the launcher may cut lines of several ranks into each other
energies = world.gather(energy)
if world.Get_rank() == 0:
    print(json.dumps(energies))
"""


def test_children_of_an_mpi_job_run_alone(tmp_path):
    """Both ranks of a job of MPICH start a CP2K of Open MPI."""
    script = IN_JOB.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    done = subprocess.run(
        [MPIRUN, "-n", "2", sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert first == pytest.approx(second, abs=1e-6)
