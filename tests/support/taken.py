"""Products as earlier steps would hand them on, made of files that a test has put into the products of a run."""

from dataclasses import replace
from pathlib import Path

from naglass_drv.products import Dataset, Labels, Measurements, Model, Product, Structures, TaskRecord, Trajectories
from naglass_drv.stages import analysis, reference
from naglass_drv.stages.base import Done, Run

_GLASS = {"structure": ".extxyz", "melt": "-melt.extxyz", "quench": "-quench.json"}
_MODEL = {
    "archive": "model.naglass", "portable": "model.portable", "summary": "model.json",
    "parity-train": "parity-train.npz", "parity-test": "parity-test.npz",
}  # fmt: skip
_DATASET = {
    "train": "train.extxyz", "test": "test.extxyz", "summary": "dataset.json", "audit": "audit.json",
    "audit-arrays": "audit.npz",
}  # fmt: skip
_MD = {"trajectory": "trajectory.extxyz", "thermo": "thermo.json", "gate": "gate.json"}
_MD |= {"hops": "hops.txt", "correlations": "correlations.txt"}


def _there(files: dict[str, Path]) -> dict[str, Path]:
    return {role: path for role, path in files.items() if path.exists()}


def _named(folder: Path, names: list[str], endings: dict[str, str]) -> dict[str, Path]:
    return _there({f"{name}/{word}": folder / f"{name}{end}" for name in names for word, end in endings.items()})


def record(done: Done, seconds: float = 2.5, tools: dict[str, str] | None = None) -> TaskRecord:
    return TaskRecord(done.task.name, "0f" * 32, seconds, tools or {}, done.summary)


def glasses(run: Run, *names: str) -> Structures:
    return Structures(step="glass", files=_named(run.products / "glass", list(names), _GLASS))


def labels(run: Run) -> Labels:
    names = [item.name for item in run.input.reference]
    levels = {item.name: item.level.title for item in run.input.reference}
    files = _named(run.products / "reference", names, reference.ENDINGS)
    return Labels(step="reference", files=files, facts={"levels": levels})


def dataset(run: Run) -> Dataset:
    folder = run.products / "dataset"
    return Dataset(step="dataset", files=_there({role: folder / name for role, name in _DATASET.items()}))


def model(run: Run) -> Model:
    folder = run.products / "model"
    return Model(step="train", files=_there({role: folder / name for role, name in _MODEL.items()}))


def trajectories(run: Run, done: list[Done]) -> Trajectories:
    files = {}
    for item in done:
        own = {word: item.folder / name for word, name in _MD.items()}
        for word, end in (("summary", ".json"), ("final", "-final.extxyz")):
            own[word] = run.products / "md" / f"{item.task.name}{end}"
        files |= {f"{item.task.name}/{word}": path for word, path in own.items()}
    return Trajectories(step="md", files=_there(files), tasks=tuple(record(item) for item in done))


def measurements(run: Run, done: list[Done]) -> Measurements:
    files = {}
    for item in done:
        numbers, curves, rows = (run.products / "analysis" / name for name in analysis.files(item.task.name))
        files[f"{item.task.name}/{analysis.ROWS}"] = rows
        if item.task.settings["kind"] == analysis.LABELS:
            files[f"{item.task.name}/fingerprints"] = numbers
        else:
            files |= {f"{item.task.name}/numbers": numbers, f"{item.task.name}/curves": curves}
    folder, lines = run.products / "analysis", f"*-{analysis.ARRHENIUS}.json"
    files |= {f"{path.stem}/{analysis.ARRHENIUS}": path for path in folder.glob(lines)}
    files |= {f"{path.stem}/{analysis.ROWS}": path for path in (folder / analysis.ROWS).glob(lines)}
    return Measurements(step="analysis", files=_there(files), tasks=tuple(record(item) for item in done))


def given(run: Run, **takes: Product) -> Run:
    """`run` with further products that it takes."""
    return replace(run, takes={**run.takes, **takes})
