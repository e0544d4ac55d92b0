"""The levels of theory on the command line: the verb calibrate-cutoff and checks of reference sets."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .numbers import add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..chemistry.level import Level
    from ..config.schema import Input, Reference
    from ..config.source import Document

Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(add: Add, site: Callable[[], Mapping[str, Any]]) -> None:
    """Add the verbs by `add(name, function, help)`, which returns the verb's parser; `site()` is the site profile."""
    verb = add(
        "calibrate-cutoff",
        lambda options: _calibrate(options, site()),
        "compute one structure at several plane-wave cutoffs and report the smallest at which the forces sum to zero",
    )
    verb.add_argument("structure", type=Path, help="extended XYZ file; its first frame is used")
    verb.add_argument(
        "--level",
        nargs="+",
        default=["pbe+u+d3"],
        metavar=("NAME", "OPTION=VALUE"),
        help="level of theory, with the options that an input has under level (default: pbe+u+d3)",
    )
    add_number(verb, "--cutoffs", above=0, nargs="+", default=[400.0, 600.0, 800.0, 1000.0], metavar="RY")
    add_number(verb, "--charge", kind=int, default=0, help="charge of the cell in e (default: 0)")
    add_number(verb, "--multiplicity", kind=int, least=1, help="2S + 1 of the cell (default: high spin of its ions)")
    add_number(verb, "--max-net-force", above=0, default=0.05, metavar="EV_PER_A", help="limit (default: 0.05)")
    add_number(verb, "--ranks", kind=int, least=1, default=1, help="MPI ranks for each CP2K run (default: 1)")
    verb.add_argument(
        "--folder", type=Path, default=Path("calibrate-cutoff"), help="folder to write to (default: %(default)s)"
    )


def _calibrate(options: argparse.Namespace, site: Mapping[str, Any]) -> int:
    from ..chemistry.spins import deviation
    from ..dataset.candidates import ions_of, prepared
    from ..dataset.frames import read_frames
    from ..dataset.shards import files_read
    from ..engines.cp2k.run import cutoff
    from ..engines.cp2k.run.label import Program
    from ..engines.cp2k.run.threads import check_threads
    from ..files import check_target, stem_of, write_bytes, write_json
    from ..report.cutoff import cutoff_figure

    target = options.folder / "calibrate-cutoff.json"
    figure = target.with_suffix(".svg")
    check_target(
        options.folder, "--folder", folder=True, beside=(target, figure), inputs=files_read([options.structure])
    )
    frame = read_frames(options.structure)[0]
    atoms = prepared(frame, str(options.structure), stem_of(options.structure), options.charge, options.multiplicity)
    if (ions := ions_of(atoms)) is not None and (difference := deviation(ions, atoms.info["multiplicity"])):
        print(f"multiplicity {atoms.info['multiplicity']}; {difference}")
    level = _level_of(options.level)
    say = lambda line: print(line, flush=True)  # noqa: E731
    program = Program.of_site(site, options.ranks)
    check_threads(program)
    points = cutoff.scan(atoms, level, options.cutoffs, options.folder, program, say)
    found = cutoff.rows(points)
    print(cutoff.table_of(found))
    result: dict[str, Any] = {
        "structure": str(options.structure),
        "formula": atoms.get_chemical_formula(),
        "level": level.stated(),
        "max_net_force_eV_per_A": options.max_net_force,
        "points": found,
        "picked_Ry": None,
    }
    write_json(target, result)
    if any(not point.failure for point in points):
        write_bytes(figure, cutoff_figure(found, options.max_net_force))
    picked = cutoff.pick(points, options.max_net_force)
    write_json(target, result | {"picked_Ry": picked.cutoff_Ry})
    print(f"cutoff_Ry: {picked.cutoff_Ry:g}; {target} written")
    return 0


def _level_of(words: Sequence[str]) -> "Level":
    """The level of the words ``pbe+u sodium=q1``; values are JSON, or words as they are."""
    from ..chemistry.level import Level

    name, *rest = words
    options: dict[str, Any] = {}
    for word in rest:
        key, equals, text = word.partition("=")
        if not equals or key in ("", "name"):
            raise InputError(f"--level {word}: must be an option with its value, as sodium=q1")
        try:
            options[key] = json.loads(text)
        except ValueError:
            options[key] = text
    return Level.of(name, **options)


def warnings(input: "Input", document: "Document", name: str) -> Iterator[str]:
    """What the user should know about the level of each set.

    `document` is that of the input, `name` the name of the input in messages.
    """
    from ..config.source import dotted
    from ..engines.cp2k.theory import levels

    for index, section in enumerate(input.reference):
        if section.level.is_potential:
            continue
        for warning in levels.warnings_of(section.level):
            yield f"{name}: {dotted(document.place(('reference', index)))} ({section.name}): {warning}"


def check_spins(input: "Input", document: "Document", source: Path) -> Iterator[str]:
    """Yield a note, with file, line and key, wherever the spins of a set are not high spin with parallel moments.

    `document` is that of the input, `source` the folder of its structure files. Raises InputError for a structure file
    if its spins are not known or the requested spins are impossible.
    """
    from ..chemistry import ions as chemistry
    from ..chemistry import spins
    from ..config.source import dotted

    for index, section in enumerate(input.reference):
        given = next(key for key in ("multiplicity", "spin", "structures", "name") if key in section.model_fields_set)
        where = ("reference", index, given)
        place = f"{document.name}:{document.line(where)}: {dotted(document.place(where))}"
        if isinstance(section.structures, Path):
            try:
                yield from (f"{place}: {note}" for note in _spins_of_file(section, source, input.seed))
            except InputError as error:
                raise InputError(f"{place}: {error}") from None
            continue
        ions = chemistry.species(input.system.composition, input.system.formula_units)
        if section.multiplicity is not None and (found := spins.deviation(ions, section.multiplicity)):
            yield f"{place}: {section.multiplicity}; {found}"
        if section.spin != "ferromagnetic" and sum(ion.count for ion in ions if ion.unpaired) > 1:
            high = f"high spin of {chemistry.magnetic(ions)} is {chemistry.multiplicity(ions)}"
            yield f"{place}: moments are not all parallel; {high}"


def _spins_of_file(section: "Reference", source: Path, seed: int) -> Iterator[str]:
    """What `check_spins` reports for the structures in a file, each kind of cell once."""
    from ..chemistry import spins
    from ..dataset.candidates import ions_of, prepared
    from ..dataset.frames import read_frames
    from ..engines.cp2k.write import inputs

    told = set()
    for number, frame in enumerate(read_frames(source / section.structures)):
        where = f"{section.structures}: frame {number}"
        cell = prepared(frame, where, section.name, section.charge, section.multiplicity)
        if section.spin != "ferromagnetic":
            cell = inputs.ordered(cell, section.spin, seed)
        ions, found = ions_of(cell), cell.info["multiplicity"]
        notes = []
        if ions is not None and (difference := spins.deviation(ions, found)):
            notes.append(f"multiplicity {found}; {difference}")
        own = frame.info.get("multiplicity", found)
        if own != found and section.multiplicity is None:
            notes.append(f"the multiplicity {own} in the file is ignored; the set uses {found}")
        yield from (f"{where}: {note}" for note in notes if note not in told)
        told.update(notes)


def lint(input: "Input", source: Path, site: Mapping[str, Any], schema: Path | None) -> Iterator[str]:
    """Check an input of every set with CP2K's parser and an input schema; yields one line for each valid set.

    `schema` is a cp2k_input.xml, by default that of the installed CP2K. Raises InputError for the first set that is not
    accepted.
    """
    from ..engines.cp2k.run import checks
    from ..engines.cp2k.run.label import Program
    from ..engines.cp2k.theory import levels
    from ..engines.cp2k.write import inputs

    sections = [section for section in input.reference if not section.level.is_potential]
    if not sections:
        return
    program = Program.of_site(site)
    with TemporaryDirectory(prefix="naglass-") as folder:
        against = checks.Lint(schema or checks.input_schema(program.executable, Path(folder)))
    for section in sections:
        frame = _example(input, section, source)
        spin = {key: frame.info[key] for key in ("charge", "multiplicity")}
        text = inputs.single_point(
            frame,
            levels.method_in(section.level, source),
            **spin,
            data=program.data,
            outputs=section.outputs,
            version=against.version,
        )
        against.check(text, f"reference {section.name}")
        if schema is None:
            checks.accepted(text, program.executable, f"reference {section.name}")
        yield f"reference {section.name}: understood by CP2K {against.version}"


def _example(input: "Input", section: "Reference", source: Path) -> "Atoms":
    """A frame of the kind that the set labels: from its file, or the ions of the composition on a grid."""
    import numpy as np
    from ase import Atoms

    from ..chemistry.ions import species
    from ..dataset.candidates import prepared
    from ..dataset.frames import read_frames
    from ..engines.cp2k.write import inputs

    if not isinstance(section.structures, Path):
        ions = [ion for ion in species(input.system.composition, input.system.formula_units) for _ in range(ion.count)]
        side = int(np.ceil(len(ions) ** (1 / 3)))
        frame = Atoms([ion.element for ion in ions], cell=[3.0 * side] * 3, pbc=True)
        frame.positions = 3.0 * np.array(list(np.ndindex(side, side, side)))[: len(ions)]
        frame.set_array("ion", np.array([ion.label for ion in ions]))
    else:
        frame = read_frames(source / section.structures)[0]
    ready = prepared(frame, f"reference {section.name}", section.name, section.charge, section.multiplicity)
    return ready if section.spin == "ferromagnetic" else inputs.ordered(ready, section.spin, input.seed)
