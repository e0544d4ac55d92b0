"""Training in a child process: errors against ASE's calculator, exact continuation, refinement, failures."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.morse import MorsePotential

from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.engines.mace.facts import potential_facts, start_energies
from naglass_drv.engines.mace.train import CHECKPOINT, PROGRESS, TrainingJob, train
from naglass_drv.errors import InputError, TaskFailed
from naglass_drv.runtime.launch import run_child
from support import taken
from support.fits import assert_same, killed_after

pytestmark = pytest.mark.slow

E0 = {"Na": -5.0, "P": -180.0, "O": -430.0}
OPTIONS = {
    "channels": 4,
    "max_L": 0,
    "layers": 2,
    "correlation": 2,
    "r_max_A": 4.0,
    "zbl": True,
    "epochs": 4,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 4,
    "energy_weight": 1.0,
    "forces_weight": 100.0,
    "stress_weight": 100.0,
    "dtype": "float64",
    "threads": 1,
}


def labeled_frames(count: int, seed: int) -> list[Atoms]:
    """Distorted cubic cells with the exact energies, forces and stresses of a Morse potential."""
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(count):
        length = 5.6 * (1 + 0.02 * rng.normal())
        sites = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)]) * length / 2
        atoms = Atoms("Na2P2O4", sites + rng.normal(0, 0.12, (8, 3)), cell=[length] * 3, pbc=True)
        atoms.calc = MorsePotential(epsilon=0.8, r0=2.7, rho0=4.0, rcut1=4.5, rcut2=5.5)
        atoms.info |= {
            "REF_energy": atoms.get_potential_energy() + sum(E0[element] for element in atoms.symbols),
            "REF_stress": atoms.get_stress(voigt=False),
            "charge": 0,
            "multiplicity": 1,
            "level": "morse-1",
            "group": f"g{number % 4}",
            "source": f"morse/{number}",
        }
        atoms.arrays["REF_forces"] = atoms.get_forces()
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    paths = {"train": folder / "train.extxyz", "test": folder / "test.extxyz"}
    write_frames(paths["train"], labeled_frames(12, 1))
    write_frames(paths["test"], labeled_frames(4, 2))
    return paths


def job(data: dict[str, Path], start_model: Path | None = None, **options) -> TrainingJob:
    return TrainingJob(
        train=data["train"],
        test=data.get("test"),
        e0_eV=E0,
        options=OPTIONS | options,
        seed=3,
        level="morse-1",
        start_model=start_model,
    )


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """Folder of a fit that nothing disturbed, made by a real child."""
    folder = tmp_path_factory.mktemp("whole")
    heard = []
    train(job(data), folder, lambda argv, **o: run_child(argv, folder, **o), lambda *a: heard.append(a))
    assert heard[-1][:3] == (4, 4, "epochs") and "loss" in heard[-1][3]
    return folder


@pytest.fixture
def in_process(monkeypatch):
    """Runs the child's main here: the same code, without the seconds that a new interpreter takes."""
    import torch

    from naglass_drv.engines.mace import train_child

    def at(folder: Path):
        def child(argv, **_):
            monkeypatch.chdir(folder)
            return train_child.main(Path(argv[-1]))

        return child

    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    yield at
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


def test_errors_are_those_of_the_ase_calculator(whole, data):
    from mace.calculators import MACECalculator

    from naglass_drv.engines.mace.modelfile import load_portable

    summary = json.loads((whole / "model.json").read_text())
    calculator = MACECalculator(models=[load_portable(whole / "model.portable")], device="cpu", default_dtype="float64")
    for part in ("train", "test"):
        energy, force, stress = [], [], []
        for frame in read_labeled(data[part]):
            frame.calc = calculator
            energy.append((frame.get_potential_energy() - frame.info["REF_energy"]) / len(frame))
            force.append(frame.get_forces() - frame.arrays["REF_forces"])
            stress.append(frame.get_stress(voigt=False) - frame.info["REF_stress"])
        found = summary["errors"][part]
        expected = {
            "energy_rmse_meV_per_atom": np.sqrt(np.mean(np.square(energy))),
            "energy_mae_meV_per_atom": np.mean(np.abs(energy)),
            "forces_rmse_meV_per_A": np.sqrt(np.mean(np.square(force))),
            "forces_mae_meV_per_A": np.mean(np.abs(force)),
            "stress_rmse_meV_per_A3": np.sqrt(np.mean(np.square(stress))),
        }
        for key, value in expected.items():
            assert found[key] == pytest.approx(1e3 * value, rel=1e-9), key
        phosphorus = np.array(force)[:, 2:4]
        by_element = found["forces_rmse_meV_per_A_by_element"]
        assert by_element["P"] == pytest.approx(1e3 * np.sqrt(np.mean(phosphorus**2)), rel=1e-9)
        parity = np.load(whole / f"parity-{part}.npz")
        difference = parity["forces_model_eV_per_A"] - parity["forces_label_eV_per_A"]
        np.testing.assert_allclose(difference, np.concatenate(force), atol=1e-12)
    assert summary["E0_eV"] == E0 and summary["level"] == "morse-1"


def test_a_fit_leaves_a_model_an_export_and_nothing_else_that_is_large(whole):
    names = {path.name for path in whole.iterdir()}
    assert {"model.portable", "model.naglass", "model.json", "train.log"} <= names
    assert CHECKPOINT not in names
    assert start_energies(whole / "model.portable") == E0
    losses = [json.loads(line)["loss"] for line in (whole / PROGRESS).read_text().splitlines()]
    assert len(losses) == 4 and losses[-1] < losses[0]


def test_killed_in_the_middle_it_goes_on_to_the_same_model(whole, data, in_process, tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()

    with pytest.raises(TaskFailed, match="signal 9") as caught:
        train(job(data), first, killed_after(2, first), lambda *a: None)
    assert caught.value.failure == "CHILD_DIED" and caught.value.log == first / "train.log"
    train(job(data), second, in_process(second), lambda *a: None, previous=first)
    assert (second / PROGRESS).read_text().count("\n") <= 2, "epochs were done twice"
    assert json.loads((second / "model.json").read_text())["epochs"] == 4
    assert_same(second / "model.portable", whole / "model.portable")


@pytest.fixture(scope="module")
def branched(data, tmp_path_factory) -> Path:
    """Folder of the same fit with a committee of three heads."""
    folder = tmp_path_factory.mktemp("branched")
    heard = []
    child = lambda argv, **o: run_child(argv, folder, **o)  # noqa: E731
    train(replace(job(data), heads=3), folder, child, lambda *a: heard.append(a))
    assert heard[-1][:3] == (5, 5, "epochs")
    return folder


def test_heads_leave_the_model_as_it_is_and_share_its_body(branched, whole):
    import torch

    from naglass_drv.engines.mace.modelfile import load_portable

    assert_same(branched / "model.portable", whole / "model.portable")
    body, heads = (load_portable(branched / name) for name in ("model.portable", "model-committee.portable"))
    for part in ("node_embedding", "interactions", "products"):
        own, other = getattr(body, part).state_dict(), getattr(heads, part).state_dict()
        assert all(torch.allclose(own[key], other[key], rtol=0, atol=1e-12) for key in own), part
    energies = heads.atomic_energies_fn.atomic_energies
    assert energies.tolist() == [[E0["O"], E0["Na"], E0["P"]]] * 3
    assert potential_facts(branched / "model.naglass").heads == 3
    assert json.loads((branched / "model.json").read_text())["committee"]["epochs"] == 1


def test_heads_differ_and_their_mean_has_the_errors_that_are_told(branched, data):
    labels = np.concatenate([frame.arrays["REF_forces"] for frame in read_labeled(data["test"])])
    forces = [np.load(branched / f"parity-test-head-{k}.npz")["forces_model_eV_per_A"] for k in range(3)]
    apart = [np.abs(forces[k] - forces[k - 1]).max() for k in range(3)]
    assert min(apart) > 1e-3
    told = json.loads((branched / "model.json").read_text())["committee"]["errors"]["test"]
    error = 1e3 * np.sqrt(np.mean((np.mean(forces, axis=0) - labels) ** 2))
    assert told["forces_rmse_meV_per_A"] == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("epochs", [2, 5])
def test_killed_on_the_body_or_on_the_heads_it_ends_with_the_same_heads(epochs, branched, data, in_process, tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    with pytest.raises(TaskFailed, match="signal 9"):
        train(replace(job(data), heads=3), first, killed_after(epochs, first), lambda *a: None)
    train(replace(job(data), heads=3), second, in_process(second), lambda *a: None, previous=first)
    told = second / PROGRESS
    assert (told.read_text().count("\n") if told.exists() else 0) <= 5 - epochs, "epochs were done twice"
    assert_same(second / "model-committee.portable", branched / "model-committee.portable")


def test_a_head_is_fitted_to_groups_drawn_with_replacement():
    import torch

    from naglass_drv.engines.mace.readouts import drawn

    frames = [Atoms("H", info={"group": f"g{k // 2}"}) for k in range(12)]
    graphs = [SimpleNamespace(place=k, weight=torch.tensor(1.0), head=torch.tensor(0)) for k in range(12)]
    found = drawn(frames, graphs, 3, seed=1)
    own = [{graph.place: float(graph.weight) for graph in found if graph.head == head} for head in range(3)]
    assert [sum(weights.values()) for weights in own] == [12.0] * 3 and own[0] != own[1] != own[2]
    assert all(weights.get(k) == weights.get(k + 1) for weights in own for k in range(0, 12, 2)), "whole groups"
    assert all(len(weights) < 12 for weights in own)
    assert all(graph.weight == 1 for graph in graphs)


@pytest.mark.long
def test_refinement_keeps_e0_and_architecture_and_lowers_the_error(whole, data, in_process, tmp_path):
    start = whole / "model.portable"
    options = {"epochs": 8, "channels": 32, "dtype": "float32"}
    summary = train(job(data, start, **options), tmp_path, in_process(tmp_path), lambda *a: None)
    before = json.loads((whole / "model.json").read_text())
    assert summary["E0_eV"] == E0 and summary["parameters"] == before["parameters"]
    assert summary["start_model_sha256"] == before["sha256"]["model.portable"]
    for part in ("train", "test"):
        key = "forces_rmse_meV_per_A"
        assert summary["errors"][part][key] < 0.8 * before["errors"][part][key]


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize(
    ["options", "told"],
    [
        ({"learning_rate": 1e200}, r"the loss is (inf|nan)"),
        ({"forces_weight": 1e308}, "the gradient of the loss is not finite"),
    ],
)
def test_a_loss_that_is_not_finite_is_named(options, told, optimizer, data, in_process, tmp_path):
    wild = job({"train": data["train"]}, optimizer=optimizer, **options)
    with pytest.raises(TaskFailed, match=rf"{told} at epoch 1, batch \d of 3") as caught:
        train(wild, tmp_path, in_process(tmp_path), lambda *a: None)
    assert caught.value.failure == "LOSS_NOT_FINITE"
    assert not list(tmp_path.glob("model*"))


def test_frames_with_states_are_refused_by_name(data, in_process, tmp_path):
    frames = read_labeled(data["train"])
    for frame in frames:
        frame.set_array("state", np.zeros(len(frame), int))
    frames[5].arrays["state"][2] = 1
    write_frames(tmp_path / "stated.extxyz", frames)
    with pytest.raises(InputError, match=r"stated\.extxyz: frame 5: state of atom 3 \(P\) is 1; models with states"):
        train(job({"train": tmp_path / "stated.extxyz"}), tmp_path, in_process(tmp_path), lambda *a: None)
    assert not list(tmp_path.glob("model*"))


def test_a_start_model_of_another_level_or_without_an_element_is_refused(whole, data, in_process, tmp_path):
    start = whole / "model.portable"
    other = TrainingJob(data["train"], None, E0 | {"P": -179.0}, OPTIONS, 3, "morse-1", start)
    with pytest.raises(InputError, match="E0 of P is -180.0000 eV .* different levels"):
        train(other, tmp_path, in_process(tmp_path), lambda *a: None)
    more = TrainingJob(data["train"], None, E0 | {"V": -900.0}, OPTIONS, 3, "morse-1", start)
    with pytest.raises(InputError, match="does not cover V in the dataset"):
        train(more, tmp_path, in_process(tmp_path), lambda *a: None)
    (tmp_path / "no.mace").write_bytes(b"not a model")
    with pytest.raises(InputError, match="no.mace"):
        start_energies(tmp_path / "no.mace")


def test_learning_rate_rises_once_and_falls_to_a_hundredth():
    from naglass_drv.engines.mace.fit import learning_rate

    rates = np.array([learning_rate(step, 10, 200, 0.02) for step in range(200)])
    assert rates.argmax() in (9, 10) and rates.max() == pytest.approx(0.02)
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all()
    assert rates[-1] == pytest.approx(0.0002, rel=0.02)


def test_the_stage_plans_from_the_dataset_and_refuses_a_start_model_without_an_element(whole, data, tmp_path):
    from naglass_drv.config.schema import Input
    from naglass_drv.products import Model
    from naglass_drv.stages import train as stage
    from naglass_drv.stages.base import Run

    content = {
        "name": "t",
        "seed": 3,
        "system": {"composition": {"Na": 2, "O": 1}, "density_g_cm3": 2.0},
        "train": {"epochs": 2, "start_model": str(whole / "model.portable")},
    }
    run = Run(Input.model_validate_json(json.dumps(content)), tmp_path, tmp_path / "run")
    with pytest.raises(InputError, match="no dataset to train on"):
        stage.plan(run)
    products = run.products / "dataset"
    products.mkdir(parents=True)
    (products / "train.extxyz").write_bytes(data["train"].read_bytes())
    summary = {"E0_eV": E0 | {"V": -900.0}, "level": "morse-1", "frames": 12, "train": {"atoms": 60}, "test": None}
    (products / "dataset.json").write_text(json.dumps(summary))
    run = taken.given(run, dataset=taken.dataset(run))
    with pytest.raises(InputError, match=r"model\.portable does not cover V in the dataset"):
        stage.plan(run)
    (products / "dataset.json").write_text(json.dumps(summary | {"E0_eV": E0}))
    (task,) = stage.plan(run)
    files = {role: path.name for role, path in task.inputs.items()}
    assert files == {"train": "train.extxyz", "start_model": "model.portable"}
    assert task.settings["options"]["epochs"] == 2
    before = Model(scope="round-1", files={"portable": tmp_path / "before.portable"})
    before.files["portable"].write_bytes((whole / "model.portable").read_bytes())
    (task,) = stage.plan(taken.given(run, start=before))
    assert task.inputs["start_model"] == before.files["portable"], "the model of the round before, in a loop"
