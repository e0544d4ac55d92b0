"""What the tasks of one reference set have in common: CP2K, the level, elements, and the check of their inputs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.schema import Reference
from ..errors import SetupError
from .labeling import Settings

if TYPE_CHECKING:
    from ase import Atoms

    from ..config.schema import Input
    from ..engines.cp2k.run.label import Program
    from ..engines.cp2k.theory.levels import Method


def program_of(site: Mapping[str, Any]) -> "Program":
    """CP2K of the site; raises SetupError if it cannot be started, or computes something else on its threads."""
    from ..engines.cp2k.run.label import Program
    from ..engines.cp2k.run.threads import check_threads

    program = Program.of_site(site)
    if not os.access(program.executable, os.X_OK):
        raise SetupError(f"CP2K: {program.executable} is not an executable file")
    check_threads(program)
    return program


def settings_of(section: Reference, source: Path) -> tuple["Method", Settings]:
    """The method of a set, and the settings that all its tasks share, without a frame; `source` is the folder of its
    template.
    """
    from ..engines.cp2k.theory import levels

    template = levels.template_of(section.level, source)
    method = levels.method(section.level, template)
    return method, Settings(
        level=section.level,
        template=template,
        label=levels.label_of(method),
        frame={},
        max_net_force_eV_per_A=section.max_net_force_eV_per_A,
        timeout_min=section.timeout_min,
    )


def elements_of(input: "Input", section: Reference, source: Path) -> list[str]:
    """The elements of the structures of a set: those of its file in the folder `source`, or of the system."""
    from ..chemistry import ions
    from ..dataset.frames import read_frames

    if isinstance(section.structures, Path):
        return sorted({element for frame in read_frames(source / section.structures) for element in frame.symbols})
    return sorted({ion.element for ion in ions.species(input.system.composition, input.system.formula_units)})


def gives_e0(input: "Input", section: Reference) -> bool:
    """Whether the dataset needs the energies of isolated atoms at the level of this set; a potential has none."""
    own = input.dataset is not None and input.dataset.level == section.level.title
    return own and not section.level.is_potential


def included_e0(input: "Input", source: Path) -> set[tuple[str, str]]:
    """Full level and element of each isolated-atom energy in the files that the dataset includes."""
    from ..dataset.energies import is_table, read_table
    from ..dataset.frames import is_isolated_atom, read_labeled

    found: set[tuple[str, str]] = set()
    for path in (source / each for each in input.dataset.include) if input.dataset is not None else ():
        if is_table(path):
            table = read_table(path)
            found |= {(table.level, element) for element in table.e0_eV}
        else:
            atoms = (frame for frame in read_labeled(path) if is_isolated_atom(frame))
            found |= {(str(atom.info["level"]), str(atom.symbols[0])) for atom in atoms}
    return found


def check_inputs(
    jobs: Mapping[str, "Atoms"], method: "Method", program: "Program", where: str, outputs: Sequence[str] = ()
) -> None:
    """Show CP2K one input for each formula; raises InputError with `where` for one that it would trip over."""
    from ..engines.cp2k.run import checks
    from ..engines.cp2k.write import inputs

    checked: set[str] = set()
    for label, frame in jobs.items():
        if (formula := frame.get_chemical_formula()) not in checked:
            spin = {key: frame.info[key] for key in ("charge", "multiplicity")}
            text = inputs.single_point(
                frame, method, **spin, data=program.data, version=program.version(), outputs=outputs
            )
            checks.accepted(text, program.executable, f"{where}: {label}")
            checked.add(formula)
