"""Potentials as files of LAMMPS commands: what they give, and what a hostile one cannot do."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from naglass_drv.engines.mlip.lammps_file import read_lammps_file
from naglass_drv.engines.mlip.potential import Potential
from naglass_drv.errors import InputError, TaskFailed
from support.mace_models import packing

LJ = "# elements O Na P V\nunits metal\npair_style lj/cut 4.0\npair_coeff * * 0.05 2.2  # all alike\nmass 1 16.0\n"
SALT = """\
# elements Na Cl
pair_style born/coul/long 8.0
pair_coeff 1 1 0.2637 0.317 2.340 1.048 -0.499
pair_coeff 1 2 0.2110 0.317 2.755 6.990 -8.676
pair_coeff 2 2 0.1582 0.317 3.170 72.40 -145.4
kspace_style ewald 1e-6
set type 1 charge 1.0
set type 2 charge -1.0
"""


def written(tmp_path, text: str):
    (tmp_path / "p.lmp").write_text(text)
    return tmp_path / "p.lmp"


def test_the_commands_are_those_of_the_file(tmp_path):
    written(tmp_path, LJ)
    atoms = packing(26, 20.0, tilt=True)
    with Potential.of("lammps:p.lmp", tmp_path).open(tmp_path / "worker") as worker:
        found = worker.evaluate(atoms)
    atoms.calc = LennardJones(sigma=2.2, epsilon=0.05, rc=4.0, smooth=False)
    assert found.forces == pytest.approx(atoms.get_forces(), abs=1e-9 * np.abs(atoms.get_forces()).max())


def test_fixed_charges_with_ewald_sums(tmp_path):
    """Rock salt by Tosi and Fumi: near its lattice energy of -7.9 eV per formula unit."""
    written(tmp_path, SALT)
    salt = Atoms("NaCl", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=5.64 / 2 * (1 - np.eye(3)), pbc=True)
    with Potential.of("lammps:p.lmp", tmp_path).open(tmp_path / "worker") as worker:
        assert worker.facts["charges"] == {"Na": 1.0, "Cl": -1.0}
        assert worker.evaluate(salt).energy == pytest.approx(-7.95, abs=0.15)
        with pytest.raises(TaskFailed, match=r"the charges of the structure add up to \+1.000 e, not to zero"):
            worker.evaluate(salt[[0]])


def test_files_of_coefficients_lie_beside_the_commands(tmp_path):
    text = "# elements V\npair_style snap\npair_coeff * * v.snapcoeff v.snapparam V\n"
    with pytest.raises(InputError, match=r"p.lmp:3: .*v.snapcoeff: no such file"):
        read_lammps_file(written(tmp_path, text))
    for name in ("v.snapcoeff", "v.snapparam"):
        (tmp_path / name).write_text("")
    found = read_lammps_file(written(tmp_path, text))
    assert [path.name for path in found.files] == ["v.snapcoeff", "v.snapparam"]
    assert found.commands[1].split()[3] == str(tmp_path / "v.snapcoeff")
    (tmp_path / "v.snapcoeff").unlink()
    (tmp_path / "v.snapcoeff").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="leads out of"):
        read_lammps_file(tmp_path / "p.lmp")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("shell rm -rf here", "'shell': not one of units, pair_style"),
        ("include other.lmp", "'include': not one of"),
        ("python f here code", "'python': not one of"),
        ("print hello", "'print': not one of"),
        ("variable a equal 1", "'variable': not one of"),
        ("plugin load x.so", "'plugin': not one of"),
        ("run 10", "'run': not one of"),
        ("pair_style python 5.0", "'python': not one of those that only compute"),
        ("pair_style mliap model mliappy x.pkl", "'mliap': not one of those that only compute"),
        ("pair_style mace trust yes", "'mace': not one of those that only compute"),
        ("pair_style hybrid/overlay lj/cut 4.0 python 5.0", "'python': not one of those that only compute"),
        ("pair_style hybrid/overlay lj/cut 4.0 mliap unified m.pkl", "'mliap': not one of those that only compute"),
        ("pair_style lj/cut ${cutoff}", r"'\$\{cutoff\}': not a word"),
        ("pair_style lj/cut $(4.0)", r"'\$\(4.0\)': not a word"),
        ('pair_style "lj/cut" 4', "'\"lj/cut\"': not a word"),
        ("pair_style lj/cut &", "'&': not a word"),
        ("pair_coeff * * ../other.snap V", "'../other.snap': a file of coefficients lies beside"),
        ("pair_coeff * * /etc/passwd V", "'/etc/passwd': a file of coefficients lies beside"),
        ("kspace_style scafacos fmm 1e-5", "kspace_style: must be one of ewald"),
        ("set group all charge 1.0", "must be 'set type N charge Q'"),
        ("set type 5 charge 1.0", "type '5': must be from 1 to 4"),
        ("set type 1 charge v_q", "must be 'set type N charge Q'"),
        ("units real", "units 'real': must be metal"),
    ],
)
def test_what_is_no_line_of_a_potential_is_refused_at_its_line(tmp_path, line, message):
    with pytest.raises(InputError, match=f"p.lmp:6: {message}|p.lmp:6: .*{message}"):
        read_lammps_file(written(tmp_path, LJ + line + "\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair_style lj/cut 4.0\n", "p.lmp:1: must name the elements by type, as '# elements Na V P O'"),
        ("", "p.lmp:1: must name the elements"),
        ("# elements O O\n", "p.lmp:1: an element has one type"),
        ("# elements O\npair_style lj/cut 4.0\n", "p.lmp: has no pair_coeff"),
    ],
)
def test_what_is_no_potential_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_lammps_file(written(tmp_path, text))
