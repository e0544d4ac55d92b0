"""Frames of a run that moves atoms: each step judged like a single point, and labeled or listed with its reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..failures import Refused
from ..parse.trajectory import Frame
from ..theory.levels import Method
from ..write.inputs import asked_moments
from . import judge
from .label import labeled

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Harvest:
    """Admitted frames, labeled, in order; and for each other one `frame` (its step), `failure` and `message`."""

    frames: tuple["Atoms", ...]
    rejected: tuple[Mapping[str, Any], ...]


def harvest(
    atoms: "Atoms",
    steps: Iterable[tuple[Frame, Mapping[str, Any]]],
    level: Method,
    *,
    charge: int,
    multiplicity: int,
    max_net_force_eV_per_A: float,
) -> Harvest:
    """Judge and label `steps`, each with what to note in its `info`, of the run of `atoms` (N, their start).

    Labels: see `run.labeled`. A frame has the ions, group and start moments of `atoms`, and its own `step`.
    """
    frames, rejected = [], []
    for step, info in steps:
        try:
            judge.admit(
                step.evaluation,
                multiplicity,
                max_net_force_eV_per_A,
                on_grid=level.needs_basis,
                asked=asked_moments(atoms),
            )
        except Refused as refused:
            rejected.append({"frame": f"step {step.step}", "failure": refused.failure, "message": refused.told()})
            continue
        moved = atoms.copy()
        moved.set_cell(step.cell)
        moved.set_positions(step.positions)
        frame = labeled(moved, step.evaluation, charge, multiplicity, level)
        frame.info |= {"step": step.step, **info}
        frames.append(frame)
    return Harvest(tuple(frames), tuple(rejected))
