"""What a fit starts from: a model at the level of the data, or one to be fine-tuned (in the training child only)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from ...dataset.frames import read_frames
from ...errors import InputError
from ...files import file_hash
from . import accuracy, fit
from .body import adapted, heads_of
from .facts import SAME_E0_eV, check_same_level
from .modelfile import load_model
from .replay import HEAD as REPLAY_HEAD
from .replay import Replay, of_file, spread

# a model is off by less on any frames of its own level
_SAME_LEVEL_eV = 1.0
# as frames are written: the last bits of a sum depend on where memory lies, and a resumed fit repeats it
_DECIMALS = 8


@dataclass
class Start:
    """The model to train, in float64, its head for the data, what it replays, and facts for the summary."""

    model: torch.nn.Module
    head: str
    replay: Replay | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def exact_energies(self, e0_eV: Mapping[int, float]) -> torch.Tensor:
        """E0 of all heads in float64, those of the data as they are given."""
        energies = self.model.atomic_energies_fn.atomic_energies.double().clone()
        own = torch.atleast_2d(energies)[heads_of(self.model).index(self.head)]
        for k, z in enumerate(self.model.atomic_numbers.tolist()):
            own[k] = e0_eV.get(z, own[k])
        return energies


def start(job: Mapping[str, Any], e0_eV: Mapping[int, float], train: Sequence[Any], test: Sequence[Any]) -> Start:
    """The start model of `job` (see `TrainingJob`), made ready for the frames of the dataset and their E0.

    Raises InputError where it lacks an element or a head, its E0 are not those that the job expects, or the frames to
    replay are at another level.
    """
    path, how = Path(job["start_model"]), job["tuning"] or {}
    body = load_model(path, trust=how.get("trust", False)).double()
    source = _source(body, how.get("head"), path)
    numbers, wanted = body.atomic_numbers.tolist(), {chemical_symbols[z]: energy for z, energy in e0_eV.items()}
    own = dict(zip((chemical_symbols[z] for z in numbers), _energies(body, source), strict=True))
    if missing := [element for element in wanted if element not in own]:
        raise InputError(f"{path}: the start model does not cover {', '.join(missing)} in the dataset")
    anew = how.get("E0") == "dataset"
    if not anew:
        check_same_level(path, own, wanted)
    if not how:
        return Start(body, source, facts=_facts(path, source, body, body, how))
    replayed = _replayed(body, source, how, job, train, test)
    level = job["level"]
    heads = [(level, source)]
    if replayed is not None:
        heads.insert(0, (REPLAY_HEAD, REPLAY_HEAD if REPLAY_HEAD in heads_of(body) else source))
    # refined at its own level, a model keeps the elements that these frames lack
    model = adapted(body, list(e0_eV) if anew else numbers, heads)
    found = Start(model, level, replayed, _facts(path, source, body, model, how))
    if anew:
        found.facts["shift_eV_per_atom"] = _take_e0(found, e0_eV, train, job["options"]["batch_size"])
    return found


def errors(model: torch.nn.Module, parts: Mapping[str, Sequence[Any]], head: str, batch_size: int) -> dict[str, Any]:
    """Errors of a head of the model on each of the `parts` that has frames; None for the others."""
    return {
        part: accuracy.errors(frames, predicted(model, frames, head, batch_size)) if frames else None
        for part, frames in parts.items()
    }


def predicted(model: torch.nn.Module, frames: Sequence[Any], head: str, batch_size: int) -> dict[str, np.ndarray]:
    """Energies, forces and stresses by a head of the model (see `fit.predict`)."""
    return fit.predict(model, graphs(model, frames, head), batch_size)


def graphs(model: torch.nn.Module, frames: Sequence[Any], head: str) -> list[Any]:
    """The frames as mace-torch's graphs for a head of the model."""
    return fit.graphs(frames, model.atomic_numbers.tolist(), float(model.r_max), heads_of(model), head)


def _source(body: torch.nn.Module, name: str | None, path: Path) -> str:
    heads = heads_of(body)
    if name is None and len(heads) > 1:
        raise InputError(f"{path}: the model has several heads ({', '.join(heads)}); name one as train.head")
    if name is not None and name not in heads:
        raise InputError(f"{path}: head {name!r}: must be one of {', '.join(heads)}")
    return name or heads[0]


def _energies(model: torch.nn.Module, head: str) -> list[float]:
    return torch.atleast_2d(model.atomic_energies_fn.atomic_energies)[heads_of(model).index(head)].tolist()


def _replayed(
    body: torch.nn.Module, source: str, how: Mapping[str, Any], job: Mapping[str, Any], train: Any, test: Any
) -> Replay | None:
    """The frames to replay, labeled; those without labels by the model itself, before it changes."""
    wish = how.get("replay")
    if wish is None:
        return None
    head = REPLAY_HEAD if REPLAY_HEAD in heads_of(body) else source
    file, batch_size = job["replay"], job["options"]["batch_size"]
    if file is None:
        found = Replay(spread(train, wish["frames"]), list(test))
    else:
        elements = {element for frame in train for element in frame.symbols}
        found = of_file(read_frames(Path(file)), elements, wish["frames"], job["seed"], file)
    if not wish["labeled"]:
        labeled = [_labeled(body, frames, head, batch_size) for frames in (found.train, found.test)]
        return Replay(*labeled, found.left_out)
    off = _mean_difference(found.train, predicted(body, found.train, head, batch_size))
    if abs(off) > _SAME_LEVEL_eV:
        raise InputError(
            f"{file}: the energies are {off:+.2f} eV per atom from those of head {head!r} of the start model: they "
            "belong to different levels; leave out replay.level, and the model labels these structures itself"
        )
    return found


def _labeled(body: torch.nn.Module, frames: Sequence[Any], head: str, batch_size: int) -> list[Any]:
    """Copies of the structures with energy, forces and, in a periodic cell, stress by a head of the model."""
    if not frames:
        return []
    copies = [Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc) for frame in frames]
    found = {key: values.round(_DECIMALS) for key, values in predicted(body, copies, head, batch_size).items()}
    starts = np.cumsum([0, *map(len, copies)])
    for k, (copy, frame) in enumerate(zip(copies, frames, strict=True)):
        copy.info = {"REF_energy": float(found["energy"][k]), "source": f"labeled by head {head} of the start model"}
        copy.info["group"] = frame.info.get("group", str(k))
        copy.set_array("REF_forces", found["forces"][starts[k] : starts[k + 1]])
        if copy.pbc.all():
            copy.info["REF_stress"] = found["stress"][k]
    return copies


def _take_e0(found: Start, e0_eV: Mapping[int, float], train: Sequence[Any], batch_size: int) -> float:
    """Give the head of the data its E0; where they change, also the shift by which its energies fit the frames best."""
    model, place = found.model, heads_of(found.model).index(found.head)
    own = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)[place]
    exact = own.new_tensor([e0_eV[z] for z in model.atomic_numbers.tolist()])
    change = float((own - exact).abs().max())
    own.copy_(exact)
    if change <= SAME_E0_eV:
        return 0.0
    shift = round(_mean_difference(train, predicted(model, train, found.head, batch_size)), _DECIMALS)
    torch.atleast_1d(model.scale_shift.shift)[place] += shift
    return shift


def _mean_difference(frames: Sequence[Any], found: Mapping[str, np.ndarray]) -> float:
    """Label minus prediction, in eV per atom."""
    atoms = np.array([len(frame) for frame in frames])
    labels = np.array([frame.info["REF_energy"] for frame in frames])
    return float(np.mean((labels - found["energy"]) / atoms))


def _facts(
    path: Path, source: str, body: torch.nn.Module, model: torch.nn.Module, how: Mapping[str, Any]
) -> dict[str, Any]:
    dropped = set(body.atomic_numbers.tolist()) - set(model.atomic_numbers.tolist())
    return {
        "file": path.name, "sha256": file_hash(path), "head": source, "heads_of_file": heads_of(body),
        "E0": how.get("E0") or "start_model", "dropped_elements": [chemical_symbols[z] for z in sorted(dropped)],
    }  # fmt: skip
