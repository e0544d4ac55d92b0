"""Fine-tuning of a small foundation model, trained here, to another level: what is learned and what is forgotten."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.morse import MorsePotential

from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.engines.mace.train import BEFORE, PROGRESS, TrainingJob, train
from naglass_drv.errors import InputError, TaskFailed
from naglass_drv.files import write_json
from naglass_drv.stages import train as stage
from naglass_drv.stages.base import Done
from support import taken
from support.attempts import attempt, study
from support.fits import assert_same, killed_after

pytestmark = pytest.mark.slow

FIRST = {"Na": -5.0, "P": -180.0, "O": -430.0, "V": -900.0, "Fe": -1200.0}
SECOND = {"Na": -4.0, "P": -182.0, "O": -433.0}
OPTIONS = {
    "channels": 4, "max_L": 0, "layers": 2, "correlation": 2, "r_max_A": 4.0, "zbl": True, "epochs": 25,
    "optimizer": "adam", "learning_rate": 0.02, "batch_size": 4, "energy_weight": 100.0, "forces_weight": 100.0,
    "stress_weight": 0.0, "dtype": "float64", "threads": 1,
}  # fmt: skip
TUNED = {"E0": "dataset", "head": None, "trust": True}
REPLAY = {"level": "first", "weight": 1.0, "frames": None, "labeled": True}
FORCES = "forces_rmse_meV_per_A"


def labeled(count: int, seed: int, level: str, elements: list[str], spread: float) -> list[Atoms]:
    """Distorted cubic cells of `elements`, of lengths that vary by `spread`, labeled by a Morse potential."""
    e0, depth, width = {"first": (FIRST, 0.8, 2.7), "second": (SECOND, 1.0, 3.0)}[level]
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(count):
        length = 5.4 * (1 + spread * rng.uniform())
        sites = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)]) * length / 2
        atoms = Atoms(rng.permutation(elements), sites + rng.normal(0, 0.15, (8, 3)), cell=[length] * 3, pbc=True)
        atoms.calc = MorsePotential(epsilon=depth, r0=width, rho0=4.0, rcut1=4.5, rcut2=5.5)
        atoms.info |= {
            "REF_energy": atoms.get_potential_energy() + sum(e0[element] for element in atoms.symbols), "charge": 0,
            "multiplicity": 1, "level": f"{level}-1", "group": f"g{number % 5}", "source": f"{level}/{number}",
        }  # fmt: skip
        atoms.arrays["REF_forces"] = atoms.get_forces()
        frames.append(atoms)
    return frames


OXIDE = ["Na", "Na", "P", "P", "O", "O", "O", "O"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    sets = {
        "foundation": [
            *labeled(18, 1, "first", OXIDE, 0.1),
            *labeled(6, 2, "first", ["Na", "V", "Fe", "P", "O", "O", "O", "V"], 0.1),
        ],
        "old": labeled(8, 3, "first", OXIDE, 0.1),
        "replay": [*labeled(16, 4, "first", OXIDE, 0.1), *labeled(2, 5, "first", ["V"] * 8, 0.1)],
        # denser cells only: what the start model knows of the others can be forgotten
        "train": labeled(12, 6, "second", OXIDE, 0.02),
        "test": labeled(4, 7, "second", OXIDE, 0.02),
    }
    for name, frames in sets.items():
        write_frames(folder / f"{name}.extxyz", frames)
    return {name: folder / f"{name}.extxyz" for name in sets}


@pytest.fixture
def in_process(monkeypatch):
    """Runs the child's main here: the same code, without the seconds that a new interpreter takes."""
    import torch

    from naglass_drv.engines.mace import train_child

    def child_in(folder: Path):
        def child(argv, **_):
            monkeypatch.chdir(folder)
            return train_child.main(Path(argv[-1]))

        return child

    def run(job: TrainingJob, folder: Path, previous: Path | None = None):
        folder.mkdir(exist_ok=True)
        return train(job, folder, child_in(folder), lambda *a: None, previous)

    run.child = child_in

    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    yield run
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def foundation(data, tmp_path_factory) -> Path:
    """A model of five elements in one file as mace-torch saves it."""
    import torch

    from naglass_drv.engines.mace.modelfile import load_portable
    from naglass_drv.runtime.launch import run_child

    folder = tmp_path_factory.mktemp("foundation")
    job = TrainingJob(data["foundation"], None, FIRST, OPTIONS | {"epochs": 40}, 3, "first-1")
    train(job, folder, lambda argv, **o: run_child(argv, folder, **o), lambda *a: None)
    torch.save(load_portable(folder / "model.portable"), folder / "foundation.model")
    return folder / "foundation.model"


def job(data, foundation: Path, tuning, replay: Path | None = None, **options) -> TrainingJob:
    return TrainingJob(
        data["train"], data["test"], SECOND, OPTIONS | options, 3, "second-1", foundation, tuning, replay
    )


def force_error(model: Path, frames: Path, head: str, trust: bool = False) -> float:
    from naglass_drv.engines.mace.modelfile import default_dtype, load_model
    from naglass_drv.engines.mace.tuning import errors

    with default_dtype("float64"):
        body = load_model(model, trust=trust)
        return errors(body, {"all": read_labeled(frames)}, head, 8)["all"][FORCES]


@pytest.fixture(scope="module")
def both(data, foundation, tmp_path_factory) -> Path:
    """Folder of a fit with replay."""
    from naglass_drv.runtime.launch import run_child

    folder = tmp_path_factory.mktemp("both")
    own = job(data, foundation, TUNED | {"replay": REPLAY}, data["replay"])
    train(own, folder, lambda argv, **o: run_child(argv, folder, **o), lambda *a: None)
    return folder


def test_with_replay_the_old_level_is_kept_and_without_it_forgotten(data, foundation, both, in_process, tmp_path):
    before = force_error(foundation, data["old"], "Default", trust=True)
    naive = in_process(job(data, foundation, TUNED), tmp_path)
    kept = force_error(both / "model-heads.portable", data["old"], "pt_head")
    lost = force_error(tmp_path / "model.portable", data["old"], "second-1")
    assert kept < 1.5 * before and lost > 2.5 * before
    replayed = json.loads((both / "model.json").read_text())
    for summary in (naive, replayed):
        facts = summary["fine_tuning"]
        assert summary["errors"]["test"][FORCES] < 0.5 * facts["errors_before"]["test"][FORCES]
        assert summary["E0_eV"] == SECOND, "those of the dataset, and nothing of the elements that it lacks"
        assert facts["dropped_elements"] == ["V", "Fe"] and facts["head"] == "Default"
    facts = replayed["fine_tuning"]
    told = {key: value for key, value in facts["replay"].items() if key not in ("errors", "sha256")}
    assert told == {
        "file": "replay.extxyz", "level": "first", "weight": 1.0, "frames": 13, "held_out": 3, "left_out": 2,
    }  # fmt: skip
    assert facts["replay"]["errors"]["test"][FORCES] < 1.5 * facts["errors_before"]["replay"]["test"][FORCES]


def test_a_pickled_model_is_known_without_being_loaded(foundation, tmp_path):
    from naglass_drv.engines.mace.facts import start_energies

    assert start_energies(foundation, trust=True) == FIRST
    with pytest.raises(InputError, match="if you trust its author, add 'trust: true' to the section train"):
        start_energies(foundation)


def test_the_report_tells_origin_and_errors_before_and_after(both):
    from naglass_drv.report import fine_tuning

    summary = json.loads((both / "model.json").read_text())
    told = {row[0]: row[1] for row in fine_tuning.origin(summary["fine_tuning"]).rows}
    assert told["start model"] == "foundation.model" and told["elements left out of it"] == "V, Fe"
    assert told["replay"] == (
        "13 frames of replay.extxyz, labels of level first, weight 1; 2 frames with other elements left out"
    )
    table = fine_tuning.errors(summary)
    assert [row[0] for row in table.rows] == [
        "training frames of the dataset (12)", "held-out frames of the dataset (4)", "training frames replayed (13)",
        "held-out frames replayed (3)",
    ]  # fmt: skip
    (before, after) = table.rows[1][3:]
    assert after.value == summary["errors"]["test"][FORCES] < before.value and after.unit == "meV/Å"
    keys = [cell.key for row in table.rows for cell in row[1:]]
    assert len(set(keys)) == len(keys) == 16


def test_the_model_has_the_new_head_alone_and_goes_on_from_both(data, both, in_process, tmp_path):
    """As a later round of learning does, which finds the replayed frames labeled, in the parts that they were in."""
    summary = json.loads((both / "model.json").read_text())
    single = force_error(both / "model.portable", data["test"], "second-1")
    assert single == pytest.approx(summary["errors"]["test"][FORCES], rel=1e-9)
    assert force_error(both / "model-heads.portable", data["test"], "second-1") == pytest.approx(single, rel=1e-9)
    wish = REPLAY | {"level": None}
    tuning = {"E0": "start_model", "head": "second-1", "trust": False, "replay": wish}
    own = job(data, both / "model-heads.portable", tuning, both / "replay.extxyz", epochs=1, learning_rate=1e-9)
    later = in_process(own, tmp_path)
    before, facts = later["fine_tuning"]["errors_before"], summary["fine_tuning"]["replay"]
    assert before["test"][FORCES] == pytest.approx(single, rel=1e-6)
    assert before["replay"]["test"][FORCES] == pytest.approx(facts["errors"]["test"][FORCES], rel=1e-6)
    assert later["fine_tuning"]["replay"]["held_out"] == facts["held_out"]


def flat(errors, place=()) -> dict[tuple[str, ...], float]:
    """Numbers of a tree of errors (meV and so on) by their place."""
    if not isinstance(errors, dict):
        return {place: errors}
    return {key: value for name, part in errors.items() for key, value in flat(part, (*place, name)).items()}


def test_killed_in_the_middle_it_goes_on_to_the_same_model(data, foundation, in_process, tmp_path):
    """With the structures of the dataset, labeled by the start model."""
    own = job(data, foundation, TUNED | {"replay": REPLAY | {"level": None, "labeled": False}}, epochs=4)
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    in_process(own, whole)
    first.mkdir()
    with pytest.raises(TaskFailed, match="signal 9"):
        train(own, first, killed_after(2, first), lambda *a: None)
    before = json.loads((whole / "model.json").read_text())["fine_tuning"]["errors_before"]
    # from its own labels the start model is off by rounding alone, which no two processes have in common
    assert flat(json.loads((first / BEFORE).read_text())) == pytest.approx(flat(before), rel=1e-9, abs=1e-9)
    write_json(first / BEFORE, before | {"of": "the first attempt"})
    in_process(own, second, previous=first)
    told = json.loads((second / "model.json").read_text())["fine_tuning"]["errors_before"]
    assert told["of"] == "the first attempt" and not (second / BEFORE).exists(), "they were computed twice"
    assert (second / PROGRESS).read_text().count("\n") <= 2, "epochs were done twice"
    for name in ("model.portable", "model-heads.portable"):
        assert_same(second / name, whole / name)
    frames = read_frames(whole / "replay.extxyz")
    assert len(frames) == 12 + 4 and "REF_stress" in frames[0].info
    assert json.loads((whole / "model.json").read_text())["fine_tuning"]["replay"]["file"] is None


@pytest.mark.parametrize(
    ("tuning", "e0", "replay", "message"),
    [
        (TUNED | {"trust": False}, SECOND, None, "a pickled model, which can run code"),
        (TUNED, SECOND | {"Ca": -1.0}, None, "the start model does not cover Ca in the dataset"),
        (TUNED | {"E0": "start_model"}, SECOND, None,
         "E0 of Na is -5.0000 eV in the start model and -4.0000 eV in the dataset: .* add 'E0: dataset'"),
        (TUNED | {"head": "other"}, SECOND, None, "head 'other': must be one of Default"),
        (TUNED | {"replay": REPLAY}, SECOND, "test",
         r"test.extxyz: the energies are \S+ eV per atom from those of head 'Default'"),
        (TUNED | {"replay": REPLAY}, SECOND, "foreign", "no frame has only Na, O, P, the elements of the dataset"),
    ],
)  # fmt: skip
def test_what_cannot_be_fine_tuned_is_refused(data, foundation, in_process, tmp_path, tuning, e0, replay, message):
    file = data.get(replay) if replay else None
    if replay == "foreign":
        file = tmp_path / "foreign.extxyz"
        write_frames(file, labeled(1, 5, "first", ["V"] * 8, 0.1))
    own = TrainingJob(data["train"], None, e0, OPTIONS, 3, "second-1", foundation, tuning, file)
    with pytest.raises(InputError, match=message):
        in_process(own, tmp_path)


def test_a_later_round_goes_on_with_both_heads_and_the_replayed_frames(data, foundation, in_process, tmp_path):
    """By the stage: plan, run and product of a round, and the plan of the next."""
    replay = {"file": str(data["replay"]), "frames": 5}
    section = {"start_model": str(foundation), "trust": True, "E0": "dataset", "replay": replay} | OPTIONS
    run = study(tmp_path, train=section | {"epochs": 1})
    folder = run.products / "dataset"
    folder.mkdir(parents=True)
    (folder / "train.extxyz").write_bytes(data["train"].read_bytes())
    own, replayed = (sum(map(len, read_frames(data[name]))) for name in ("train", "replay"))
    summary = {"E0_eV": SECOND, "level": "second-1", "frames": 12, "train": {"atoms": own}, "test": None}
    (folder / "dataset.json").write_text(json.dumps(summary))
    run = taken.given(run, dataset=taken.dataset(run))
    (task,) = stage.plan(run)
    assert task.effort.size == own + round(replayed * 5 / len(read_frames(data["replay"])))
    assert set(task.inputs) == {"train", "start_model", "replay"}
    made = replace(attempt(task, tmp_path / "attempt"), child=in_process.child(tmp_path / "attempt"))
    product = stage.collect(run, [Done(task, tmp_path / "attempt", stage.run(made))])
    known = json.loads(product.files["summary"].read_text())["fine_tuning"]["replay"]
    assert (known["frames"], known["held_out"], known["level"]) == (5, 3, None)
    (later,) = stage.plan(
        taken.given(study(tmp_path, train={"epochs": 1, "replay": replay}), **run.takes, start=product)
    )
    assert later.inputs["start_model"] == product.files["heads"] and later.inputs["replay"] == product.files["replay"]
    assert later.settings["tuning"]["head"] == "second-1" and later.settings["tuning"]["replay"]["labeled"]
    (alone,) = stage.plan(taken.given(study(tmp_path, train={"epochs": 1}), **run.takes, start=product))
    assert alone.inputs["start_model"] == product.files["portable"] and "tuning" not in alone.settings
