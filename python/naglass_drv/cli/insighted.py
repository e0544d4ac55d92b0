"""What an input asks insight for: a target that other runs and tables have, and what so few compositions allow."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..wording import counted
from .screened import told

if TYPE_CHECKING:
    from ..config.load import Study
    from ..config.partial import Partial
    from ..config.source import Document


def check_insight(top: "Partial", document: "Document", source: Path) -> None:
    """Add to `document` what is wrong with the runs and tables of the section `insight`."""
    from ..config.partial import rule

    if top.insight is None:
        return
    with rule():
        for index, path in enumerate(top.insight.runs):
            told(document, ("insight", "runs", index), _check_run, source / path)
    with rule():
        asked = top.insight
        for index, path in enumerate(asked.tables):
            told(document, ("insight", "tables", index), _check_table, source / path, asked.target)
    with rule():
        asked = top.insight
        for index, target in enumerate(asked.atoms):
            told(document, ("insight", "atoms", index), _check_atoms, top, target, bool(asked.runs))
    with rule():
        asked = top.insight
        if asked.runs and not asked.tables and top.analysis is None:
            folders = [source / path for path in asked.runs]
            told(document, ("insight", "target"), _check_target, folders, asked.target)


def _check_run(folder: Path) -> None:
    from ..insight.runs import is_run, measured_in

    if not is_run(folder):
        raise InputError(f"{str(folder)!r} is not the folder of a run")
    if not any(one.files["numbers"] for one in measured_in(folder)):
        raise InputError(f"{str(folder)!r}: no analysis of a glass or trajectory is finished in this run")


def _check_table(path: Path, target: str) -> None:
    from ..insight.build import composition_of, target_of
    from ..insight.columns import Columns
    from ..insight.mapping import Map
    from ..insight.sources import read_frame

    given = Map(target=target)
    columns = Columns([read_frame(path)], given)
    target_of(columns, given)
    if not composition_of(columns, given, [])[1]:
        raise InputError(f"{path}: there is no composition in columns such as 'Na2O (mol%)'")


def _check_atoms(top: "Partial", target: str, other_runs: bool) -> None:
    from ..insight.atom_rows import KNOWN, is_of_atoms, metal_of
    from ..insight.crystal_atoms import TARGET as JOINED

    if not is_of_atoms(target):
        raise InputError(f"{target!r} is not a target of single atoms; they are {KNOWN}")
    if other_runs:
        return
    if target == JOINED and (top.md is None or top.md.structures != "interface"):
        raise InputError(f"{target!r} takes trajectories of a crystal against a glass: md.structures: interface")
    if top.md is None and not (metal_of(target) and top.reference):
        labels = " or labels" if metal_of(target) else ""
        raise InputError(f"{target!r} is read from trajectories{labels}, and there is no md section")


def _check_target(folders: list[Path], target: str) -> None:
    from ..insight.runs import read_run, target_head

    target_head(target, [read_run(folder) for folder in folders])


def outlook(study: "Study", source: Path) -> Iterator[str]:
    """What so many compositions allow, if the input asks for insight."""
    first = next(iter(study.systems.values()))
    if first.insight is None:
        return
    # heavy, and of no use to other inputs
    from ..insight.atoms import LEAST_GLASSES
    from ..insight.runs import measured_in
    from ..insight.study import possible

    cells = {_cell(input.system) for input in study.systems.values()} if first.analysis is not None else set()
    others = [len({one.system for one in measured_in(source / path)}) for path in first.insight.runs]
    count = len(cells) + sum(others)
    yield f"  {'insight':13s} {first.insight.target} of {counted(count, 'composition')}: {possible(count)}"
    if first.insight.atoms and first.glass is not None and not first.insight.runs:
        glasses = sum(input.glass.replicas for input in study.systems.values() if input.glass is not None)
        told = f"claims, if {LEAST_GLASSES} of them have both kinds"
        if glasses < LEAST_GLASSES:
            told = f"too few to leave any out; {LEAST_GLASSES} are needed"
        for target in first.insight.atoms:
            yield f"  {'insight':13s} {target} of the atoms of {counted(glasses, 'glass')}: {told}"


def _cell(system: Any) -> tuple[Any, ...]:
    from functools import reduce
    from math import gcd

    counts = sorted(system.composition.items())
    unit = reduce(gcd, (count for _, count in counts))
    return tuple((label, count // unit) for label, count in counts)
