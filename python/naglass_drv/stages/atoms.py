"""Stage `atoms`: the isolated atoms of a run of several systems, each element once; their energies are its E0."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import write_json
from ..products import Labels
from . import efforts, labeling, sets
from .base import Done, Job, Run, Task, dumped, read_settings
from .labeling import Settings

if TYPE_CHECKING:
    from ..config.schema import Input, Reference

name = "atoms"
#: Raised when the same settings and files give another result.
revision = 1

ENERGIES = "E0.json"


def plan(run: Run) -> list[Task]:
    """One task for each element in the sets at the level of the dataset, of all systems (`run.input`, by name), whose
    energy is not in an included file.

    Elements come from the compositions and structure files, so that no system has to be waited for. Raises InputError
    if two systems ask for an element in different ways, and SetupError if CP2K or its data are missing.
    """
    from ..dataset.candidates import to_json
    from ..engines.cp2k.theory import levels
    from ..engines.cp2k.write import inputs

    program = sets.program_of(run.site)
    tasks: dict[str, Task] = {}
    asked: dict[str, tuple[str, str]] = {}
    for where, section, elements in _sets(run):
        method, common = sets.settings_of(section, run.source)
        jobs = {}
        for element in elements:
            own = f"{common.label} {levels.kinds_of(method, [element])}"
            first, origin = asked.setdefault(element, (own, where))
            if own != first:
                raise InputError(
                    f"{where}: {element} at {own}, but at {first} in {origin}: one dataset has one level for all"
                )
            if element not in tasks:
                jobs[element] = inputs.isolated_atom(element, method)
        sets.check_inputs(jobs, method, program, where)
        for element, frame in jobs.items():
            settings = replace(common, kinds=levels.kinds_of(method, [element]), frame=to_json(frame))
            effort = efforts.label(section, [element])
            tasks[element] = Task(name, element, dumped(settings), tools=("cp2k",), effort=effort)
    return [tasks[element] for element in sorted(tasks)]


def expect(run: Run) -> tuple[list[Task], Labels]:
    """One task for each element."""
    owners = {element: section for _, section, elements in _sets(run) for element in elements}
    tasks = [Task(name, element, {}, effort=efforts.label(owners[element], [element])) for element in sorted(owners)]
    return tasks, Labels()


def _sets(run: Run) -> Iterator[tuple[str, "Reference", list[str]]]:
    """The sets whose atoms the dataset needs, of all systems: name for messages, section, elements."""
    systems: Mapping[str, Input] = run.input
    # all systems have one dataset
    given = sets.included_e0(next(iter(systems.values())), run.source)
    for scope, input in systems.items():
        for section in input.reference:
            if sets.gives_e0(input, section):
                label = sets.settings_of(section, run.source)[1].label
                elements = sets.elements_of(input, section, run.source)
                yield f"{scope}: reference {section.name}", section, [e for e in elements if (label, e) not in given]


def run(job: Job) -> Mapping[str, Any] | None:
    """Label one atom; one that fails any check is a failed task."""
    return labeling.carry_out(job) if job.rank == 0 else None


def collect(run: Run, done: list[Done]) -> Labels:
    """Write the energies (eV) of all elements into one file."""
    target: Path = run.products / name / ENERGIES
    energies = {item.task.name: item.summary["energy_eV"] for item in done}
    if not done:
        return Labels(facts={"levels": {}})
    write_json(target, {"level": read_settings(Settings, done[0].task).label, "E0_eV": dict(sorted(energies.items()))})
    return Labels(files={"E0": target}, facts={"levels": {}})
