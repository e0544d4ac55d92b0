"""Workers that evaluate potentials in processes of their own, and what goes wrong in them."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

import support.odd_calculators
from naglass_drv.cli.main import main
from naglass_drv.engines.mlip import environments
from naglass_drv.engines.mlip.client import Worker
from naglass_drv.engines.mlip.families import FAMILIES, Family, Model, family_of
from naglass_drv.engines.mlip.potential import Potential
from naglass_drv.engines.mlip.workers import wire
from naglass_drv.errors import InputError, SetupError, TaskFailed
from support.mace_models import packing

PYTHON = Path(sys.executable)
COPPER = bulk("Cu", cubic=True).repeat((2, 2, 2))


def opened(model: str, log: Path, **arguments) -> Worker:
    options = {"model": model, "arguments": arguments, "device": "cpu", "dispersion": None}
    return Worker(PYTHON, "ase", options, log=log / "worker.log")


def test_any_ase_calculator_gives_the_same_numbers_through_a_worker(tmp_path):
    rng = np.random.default_rng(1)
    with opened("ase.calculators.emt:EMT", tmp_path) as worker:
        assert worker.facts["family"] == "ase" and worker.facts["versions"].keys() == {"ase"}
        for _ in range(3):
            atoms = COPPER.copy()
            atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
            found = worker.evaluate(atoms)
            atoms.calc = EMT()
            assert found.energy == atoms.get_potential_energy()
            assert np.array_equal(found.forces, atoms.get_forces())
            assert np.array_equal(found.stress, atoms.get_stress()) and found.moments is None


@pytest.mark.mpi
def test_lammps_in_a_worker_gives_the_same_forces_with_newton_off_and_on_two_ranks(tmp_path):
    (tmp_path / "lj.lmp").write_text("# elements Cu\npair_style lj/cut 5.0\npair_coeff * * 0.05 2.2\n")
    potential, atoms = Potential.of("lammps:lj.lmp", tmp_path), COPPER.copy()
    atoms.rattle(0.1, seed=1)
    with potential.open(tmp_path / "one") as worker:
        one = worker.evaluate(atoms)
    for name, way in {"off": {"newton": "off"}, "two": {"ranks": 2}}.items():
        with potential.open(tmp_path / name, **way) as worker:
            assert worker.facts["weights_sha256"] and "ranks" not in worker.facts
            for _ in range(2):
                found = worker.evaluate(atoms)
                assert found.energy == pytest.approx(one.energy, rel=1e-12)
                assert np.abs(found.forces - one.forces).max() < 1e-10
            with pytest.raises(TaskFailed, match="no Na among the elements"):
                worker.evaluate(Atoms("Na", cell=[9.0] * 3, pbc=True))


def test_no_launcher_is_a_worker_that_was_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path: None)
    with pytest.raises(TaskFailed, match="no mpirun beside Python") as caught:
        Worker(PYTHON, "lammps", {}, log=tmp_path / "log", ranks=2)
    assert caught.value.failure == "WORKER_STARTED_NOT"


def test_a_molecule_has_no_stress(tmp_path):
    with opened("ase.calculators.emt:EMT", tmp_path) as worker:
        assert worker.evaluate(Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0, 0]])).stress is None


@pytest.fixture
def odd(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(support.odd_calculators.__file__).parent), prepend=":")
    return lambda how: opened("odd_calculators:Odd", tmp_path, how=how)


def test_what_a_library_prints_does_not_end_up_in_the_answer(odd, tmp_path):
    with odd("prints") as worker:
        assert worker.evaluate(COPPER).energy == 2.0
    log = (tmp_path / "worker.log").read_text()
    assert "a line on standard output" in log and "and one below Python" in log


@pytest.mark.parametrize(
    ("how", "failure", "message"),
    [
        ("raises", "WORKER_FAILED", "ase: RuntimeError: no such element in the table"),
        ("dies", "WORKER_DIED", "ase: the process ended with 7"),
        ("hangs", "WORKER_HANGS", "ase: no answer within 3 s"),
        ("nan", "NOT_FINITE", "ase: forces of Cu32 is not finite"),
        ("short", "WORKER_FAILED", r"ase: forces has the shape \(1, 3\)"),
    ],
)
def test_failures_are_named(odd, how, failure, message):
    with odd(how) as worker, pytest.raises(TaskFailed, match=message) as raised:
        worker.evaluate(COPPER, patience_s=3.0)
    assert raised.value.failure == failure and raised.value.log is not None


def test_a_worker_goes_on_after_an_exception(odd):
    with odd("prints") as worker:
        with pytest.raises(TaskFailed, match="KeyError"):
            worker._ask({"do": "evaluate"}, {}, 60.0)
        assert worker.evaluate(COPPER).energy == 2.0


@pytest.mark.parametrize(
    ("python", "model", "message"),
    [
        (PYTHON, "no.such.module:Thing", "ModuleNotFoundError: No module named 'no'"),
        (PYTHON, "ase.calculators.emt:Nothing", "AttributeError"),
        (Path("/no/such/python"), "ase.calculators.emt:EMT", "/no/such/python: No such file or directory"),
        (Path("/bin/true"), "ase.calculators.emt:EMT", "the process ended with 0"),
    ],
)
def test_a_worker_that_cannot_start(tmp_path, python, model, message):
    options = {"model": model, "arguments": {}, "device": "cpu", "dispersion": None}
    with pytest.raises(TaskFailed, match=message):
        Worker(python, "ase", options, log=tmp_path / "worker.log")


def test_commands_of_lammps_are_a_potential(tmp_path):
    """pair_style lj/cut against ASE's Lennard-Jones, in a tilted cell."""
    commands = ["pair_style lj/cut 4.0", "pair_coeff * * 0.05 2.2"]
    options = {"model": "lj", "commands": commands, "elements": ["O", "Na", "P", "V"], "charges": {}}
    atoms = packing(26, 20.0, tilt=True)
    with Worker(PYTHON, "lammps", options, log=tmp_path / "worker.log") as worker:
        found = worker.evaluate(atoms)
        with pytest.raises(TaskFailed, match="no Cu among the elements O Na P V"):
            worker.evaluate(COPPER)
        again = worker.evaluate(atoms)
    atoms.calc = LennardJones(sigma=2.2, epsilon=0.05, rc=4.0, smooth=False)
    forces = atoms.get_forces()
    assert found.forces == pytest.approx(forces, abs=1e-9 * np.abs(forces).max())
    assert found.stress == pytest.approx(atoms.get_stress(), rel=1e-7, abs=1e-9)
    assert np.array_equal(found.forces, again.forces) and found.energy == again.energy


def test_a_step_of_the_same_atoms_starts_lammps_no_second_time(monkeypatch):
    """In a cell of another shape too, with the numbers of a start to the last bit; for other atoms it is started."""
    from naglass_drv.engines.mlip.workers.lammps_potential import open_potential

    commands = ["pair_style lj/cut 4.0", "pair_coeff * * 0.05 2.2"]
    options = {"model": "lj", "commands": commands, "elements": ["O", "Na", "P", "V"], "charges": {}}
    one, fresh = open_potential("lammps", options), open_potential("lammps", options)
    starts = []
    place = type(one.lmp).commands_list
    monkeypatch.setattr(type(one.lmp), "commands_list", lambda self, lines: (starts.append(self), place(self, lines)))
    rng, atoms = np.random.default_rng(4), packing(26, 20.0, tilt=True)
    for step in range(4):
        atoms.positions += 0.3 * rng.normal(size=atoms.positions.shape)
        atoms.set_cell(atoms.cell.array * 1.02 + 0.1 * rng.normal(size=(3, 3)), scale_atoms=True)
        asked = (atoms.numbers, atoms.pbc, atoms.positions, atoms.cell)
        fresh._placed = None
        found, expected = one.evaluate(*asked), fresh.evaluate(*asked)
        for key, value in expected.items():
            assert np.array_equal(found[key], value), (step, key)
    assert starts.count(one.lmp) == 1 and starts.count(fresh.lmp) == 4
    fewer = atoms[:20]
    one.evaluate(fewer.numbers, fewer.pbc, fewer.positions, fewer.cell)
    assert starts.count(one.lmp) == 2
    with pytest.raises(Exception, match="Non-numeric atom coords"):
        one.evaluate(fewer.numbers, fewer.pbc, np.full_like(fewer.positions, np.nan), fewer.cell)
    one.evaluate(fewer.numbers, fewer.pbc, fewer.positions, fewer.cell)
    assert starts.count(one.lmp) == 3


DAMAGED = [
    b"",
    b"naglass1",
    b"a line\n" * 9,
    b"naglass1" + b"\xff" * 8,
    b"naglass1" + (2).to_bytes(8, "little") + b"[]",
    b"naglass1" + (21).to_bytes(8, "little") + b'{"arrays":[["a",-1]]}',
    b"naglass1" + (27).to_bytes(8, "little") + b'{"arrays":[["a",[-1, -1]]]}',
]


@pytest.mark.parametrize("data", DAMAGED)
def test_what_is_no_message_is_refused(data):
    with pytest.raises((EOFError, wire.BadMessage)):
        wire.receive(io.BytesIO(data))


def test_messages_arrive_as_they_were_sent():
    stream, values = io.BytesIO(), {"a": np.arange(6.0).reshape(2, 3), "none": np.zeros((0, 3))}
    wire.send(stream, {"do": "it", "text": "Å"}, values)
    stream.seek(0)
    header, found = wire.receive(stream)
    assert header == {"do": "it", "text": "Å"} and found.keys() == values.keys()
    assert all(np.array_equal(found[name], values[name]) and found[name].shape == values[name].shape for name in values)


@pytest.fixture
def small(tmp_path, monkeypatch) -> Family:
    """A family whose environment is made in seconds."""
    monkeypatch.setenv("NAGLASS_ENVIRONMENTS", str(tmp_path / "environments"))
    family = Family("small", ("packaging==25.0",), {"one": Model("none"), "with": Model("none", True)}, "-", "-")
    monkeypatch.setitem(FAMILIES, "small", family)
    return family


@pytest.mark.slow
def test_an_environment_is_made_found_and_outdated(small, tmp_path, capsys):
    with pytest.raises(SetupError, match="small: no environment in .*: python -m naglass_drv env make small"):
        environments.find(small)
    said: list[str] = []
    made = environments.make(small, said.append)
    assert said == ["small: 1/1 packaging==25.0"] and made.distributions["packaging"] == "25.0"
    assert environments.known() == [made] and made.python.is_file()
    newer = Family("small", ("packaging==26.0",), small.models, "-", "-")
    with pytest.raises(SetupError, match="made from other requirements than today's; make it with"):
        environments.find(newer)
    broken = Family("small", ("packaging==no.such.version",), small.models, "-", "-")
    with pytest.raises(SetupError, match=r"packaging==no.such.version: .* \(all of it: .*small.log\)"):
        environments.make(broken, said.append)
    assert main(["env", "make", "small"]) == 0 and "small: up to date" in capsys.readouterr().out
    assert main(["env", "list", "small"]) == 0 and "small:with  none, with dispersion" in capsys.readouterr().out
    assert environments.find(small) == made and [p.name for p in made.folder.parent.glob("*partial*")] == []


def test_unknown_families_and_models_are_answered_with_the_known(small, tmp_path):
    with pytest.raises(InputError, match="'nequip': no such family of potentials; there are sevennet, chgnet, small"):
        family_of("nequip")
    with pytest.raises(InputError, match="small: no model 'two'; there are one, with"):
        environments.open_worker(small, "two", log=tmp_path / "log")
    with pytest.raises(InputError, match="small:with: trained on energies with dispersion; D3 would be added twice"):
        environments.open_worker(small, "with", log=tmp_path / "log", dispersion="PBE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nequip:small", "must be sevennet:MODEL, chgnet:MODEL, mace:FILE, lammps:FILE or ase:MODULE:NAME"),
        ("sevennet", "must be sevennet:MODEL"),
        ("sevennet:7net-omni", "sevennet has no model '7net-omni'; it has 7net-0, 7net-l3i5, 7net-mf-0"),
        ("mace:none.mace", "none.mace: no such file"),
        ("mace:none.mace+d3", "must be mace:FILE"),
    ],
)
def test_what_is_no_potential(text, message):
    with pytest.raises(InputError, match=message):
        Potential.of(text)


def test_a_missing_environment_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setenv("NAGLASS_ENVIRONMENTS", str(tmp_path))
    for family in FAMILIES.values():
        with pytest.raises(SetupError, match=f"python -m naglass_drv env make {family.name}"):
            Potential.of(f"{family.name}:{next(iter(family.models))}")
