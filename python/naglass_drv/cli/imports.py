"""The verb import-frames: frames labeled elsewhere."""

import argparse
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, TaskFailed
from ..wording import counted
from .numbers import add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..foreign.gate import Terms


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add import-frames."""
    take = add("import-frames", _import, "import frames labeled elsewhere; they have to pass our own checks")
    kinds = "extended XYZ, vasprun.xml, OUTCAR, or folders of CP2K or VASP runs"
    take.add_argument("sources", nargs="+", type=Path, help=kinds)
    take.add_argument(
        "--output",
        "-o",
        type=Path,
        required=True,
        help="extended XYZ file to write; rejected frames are listed next to it",
    )
    take.add_argument("--level-name", required=True, metavar="NAME", help="name of the level of theory")
    take.add_argument(
        "--settings",
        help="further settings that affect the labels, as text or a file (INCAR, ...); required for extended XYZ",
    )
    add_number(take, "--charge", kind=int, help="charge of every cell (default: from the source, else 0)")
    take.add_argument("--multiplicity", help="2S+1 of every cell, or high-spin (default: from the source)")
    take.add_argument(
        "--group", help="group name of the frames, may contain info keys in braces (default: formula and file)"
    )
    add_number(
        take,
        "--max-net-force",
        least=0,
        default=0.05,
        metavar="eV/Å",
        help="reject frames with a larger |ΣF| (default: %(default)s)",
    )
    add_number(
        take,
        "--max-stress",
        above=0,
        default=1000.0,
        metavar="GPa",
        help="drop the stress of frames with a larger |σij| (default: %(default)s)",
    )
    take.add_argument("--program", default="", help="program that computed the labels, if the sources do not say")
    add_number(
        take,
        "--frames-per-file",
        kind=int,
        least=1,
        metavar="N",
        help="write shards of N frames and an index (default: one file)",
    )
    add_number(take, "--every", kind=int, least=1, default=1, metavar="N", help="use every Nth frame of a source")
    take.add_argument("--e0", nargs="+", default=[], metavar="EL=eV", help="isolated-atom energies at this level")
    for what in ("energy", "forces", "stress", "virial", "spin"):
        take.add_argument(f"--{what}-key", metavar="KEY", help=f"key of the {what} in extended XYZ")


def _import(options: argparse.Namespace) -> int:
    from ..dataset.frames import write_frames
    from ..dataset.sets import write_set
    from ..files import stem_of, write_json
    from ..foreign.gate import Refused, admit, unfit_stress
    from ..foreign.sources import read_source

    rejected = _check_output(options)
    names = ("energy", "forces", "stress", "virial", "spin")
    keys = {name: key for name in names if (key := getattr(options, f"{name}_key"))}
    terms = _terms(options)
    atoms = list(_isolated_atoms(options.e0, terms))
    frames, refused, untaken, unfit = [], [], Counter(), []
    for path in options.sources:
        source = read_source(path, keys)
        refused += source.refused
        for found in source.found[:: options.every]:
            if not (terms.settings or found.settings or found.refusal):
                raise InputError(f"{path}: contains no settings of its level of theory; give them with --settings")
            untaken.update(found.untaken)
            try:
                frames.append(admit(found, terms, source.sha256))
            except Refused as error:
                refused.append(error.record(found.source))
            else:
                unfit += [f"{found.source}: {fault}"] if (fault := unfit_stress(found, terms)) else []
    levels = Counter(frame.info["level"] for frame in frames)
    for atom in atoms:
        # the settings found in the sources apply to the given energies, too
        atom.info["level"] = next(iter(levels), atom.info["level"])
    write_json(rejected, refused)
    if frames and options.frames_per_file is None:
        write_frames(options.output, frames + atoms)
    elif frames:
        write_set(options.output.parent, stem_of(options.output), frames + atoms, options.frames_per_file)
    for line in admission(len(frames), refused, rejected):
        print(line)
    if unfit:
        print(f"stress dropped from {counted(len(unfit), 'frame')} (--max-stress), first: {unfit[0]}")
    for line in _remarks(frames, untaken, levels):
        print(line)
    return 0 if frames else TaskFailed.exit_code


def _check_output(options: argparse.Namespace) -> Path:
    """Refuse an output that cannot be written or would replace an input; returns where rejected frames are listed."""
    from ..dataset.sets import files_replaced
    from ..dataset.shards import files_read, is_index
    from ..files import check_target, stem_of

    name = stem_of(options.output)
    beside = [options.output.parent / f"{name}-rejected.json"]
    if options.frames_per_file is not None:
        beside += files_replaced(options.output.parent, name)
    else:
        check_frames_name(options.output)
    inputs = files_read(options.sources)
    if options.settings and os.path.isfile(options.settings):
        inputs.append(Path(options.settings))
    check_target(options.output, "--output", beside=beside, inputs=inputs)
    index = options.output.parent / f"{name}.json"
    if options.frames_per_file is not None and index.is_file() and not is_index(index):
        raise InputError(f"--output {options.output}: would overwrite {index}, which is no index of frames")
    return beside[0]


def check_frames_name(output: Path) -> None:
    """Raise InputError for the name of a single file that would be read as something other than extended XYZ."""
    if output.suffix == ".json":
        raise InputError(f"--output {output}: only an index of shards may have this suffix; use .extxyz or .xyz")


def _terms(options: argparse.Namespace) -> "Terms":
    from ..engines.cp2k.write.inputs import ATOM_MULTIPLICITY
    from ..foreign.gate import HIGH_SPIN, Terms

    multiplicity = options.multiplicity
    if multiplicity not in (None, HIGH_SPIN):
        if not multiplicity.isdecimal() or int(multiplicity) < 1:
            raise InputError(f"--multiplicity {multiplicity}: must be an integer of at least 1, or {HIGH_SPIN}")
        multiplicity = int(multiplicity)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", options.level_name):
        raise InputError(f"--level-name {options.level_name}: only letters, digits and ._+- are allowed")
    settings = options.settings or ""
    if os.path.isfile(settings):
        settings = re.sub(r"[#!].*", "", Path(settings).read_text(encoding="utf-8", errors="replace"))
    return Terms(
        options.level_name, settings, options.charge, multiplicity, options.group, options.max_net_force,
        ATOM_MULTIPLICITY, options.program, options.max_stress,
    )  # fmt: skip


def _isolated_atoms(stated: list[str], terms: "Terms") -> Iterator["Atoms"]:
    """Frames of one atom from EL=eV."""
    from ase import Atoms
    from ase.data import atomic_numbers

    from ..foreign.gate import Found, Refused, admit

    elements = set()
    for item in stated:
        element, _, text = item.partition("=")
        try:
            energy = float(text)
            if not math.isfinite(energy):
                raise ValueError(text)
        except ValueError:
            raise InputError(f"--e0 {item}: must be an element and its energy, like Na=-0.0749") from None
        if atomic_numbers.get(element, 0) < 1:
            raise InputError(f"--e0 {item}: {element!r} is not an element")
        if element in elements:
            raise InputError(f"--e0 {item}: {element} is given twice")
        elements.add(element)
        atom = Atoms(element, info={"REF_energy": energy, "config_type": "IsolatedAtom"})
        try:
            yield admit(Found(f"stated#{element}", atom), terms)
        except Refused as error:
            raise InputError(f"--e0 {item}: {error}") from None


def admission(count: int, refused: Sequence[Mapping[str, str]], rejected: Path) -> Iterator[str]:
    """How many frames passed, and for each failure the first frame with its reason."""
    reasons = Counter(record["failure"] for record in refused)
    words = ", ".join(f"{failure} {number}" for failure, number in reasons.most_common())
    yield f"{counted(count, 'frame')} admitted, {len(refused)} rejected{f': {words}' if words else ''}"
    for failure, _ in reasons.most_common():
        first = next(record for record in refused if record["failure"] == failure)
        message = first["message"]
        yield f"  {failure}: {message if first['frame'] in message else first['frame'] + ': ' + message}"
    if refused:
        yield f"all rejected frames: {rejected}"


def _remarks(frames: list["Atoms"], untaken: Counter[str], levels: Counter[str]) -> Iterator[str]:
    """What the user should know about the admitted frames."""
    from ..dataset.audit import work_fault, work_ratio

    if (fault := work_fault(work_ratio(frames))) is not None:
        yield f"stress: {fault}; see the audit for details"
    if untaken:
        names = ", ".join(f"{name} ({counted(count, 'frame')})" for name, count in untaken.most_common())
        flags = "--energy-key, --forces-key, --stress-key, --virial-key and --spin-key"
        yield f"not imported: {names}; use {flags} to name the labels, --charge and --multiplicity for the state"
    yield from (f"level {level}: {counted(count, 'frame')}" for level, count in levels.items())
    if len(levels) > 1:
        yield "a dataset holds frames of one level only: import them separately, or state one level with --settings"
