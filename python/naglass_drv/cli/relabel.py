"""The verb ``relabel``: frames with energies, forces and stresses of an interatomic potential."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TaskFailed
from ..files import check_target, stem_of, write_json
from ..wording import counted
from .imports import admission
from .numbers import add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.mlip.client import Evaluation
    from ..engines.mlip.potential import Potential

_PROGRESS_S = 10.0
# of a frame's trajectory; errors can be told by temperature
_KEPT = ("temperature_K", "time_ps")


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add relabel."""
    parser = add("relabel", _relabel, "label frames with an interatomic potential, as a level of its own")
    parser.add_argument("frames", nargs="+", type=Path, help="extended XYZ; labels of other levels are left out")
    parser.add_argument("--potential", required=True, metavar="FAMILY:MODEL", help="such as sevennet:7net-l3i5")
    parser.add_argument("--output", "-o", type=Path, required=True, help="extended XYZ to write, with isolated atoms")
    parser.add_argument(
        "--e0",
        type=Path,
        metavar="FILE",
        help="isolated-atom energies of labeled frames or of a table (dataset.json); by default they are fitted",
    )
    add_number(parser, "--workers", kind=int, least=1, default=1, help="processes side by side (default: %(default)s)")
    parser.add_argument("--trust", action="store_true", help="open a pickled .model, which can run arbitrary code")


def _relabel(options: argparse.Namespace) -> int:
    from ..dataset.frames import write_frames
    from ..dataset.taught import fitted_atoms
    from ..engines.cp2k.write.inputs import ATOM_MULTIPLICITY
    from ..engines.mlip.potential import Potential

    rejected = options.output.parent / f"{stem_of(options.output)}-rejected.json"
    given = [options.e0] if options.e0 else []
    potential = Potential.of(options.potential)
    inputs = [*options.frames, *given, *potential.files()]
    check_target(options.output, "--output", beside=[rejected], inputs=inputs)
    found = _structures(options.frames)
    _check_covered(potential, found, options.trust)
    named, refused = _apart(found)
    atoms = _given_atoms(options.e0, named.values()) if options.e0 else []
    level, results = _evaluate(potential, named, options, atoms)
    labeled, others = _admitted(named, results, level, potential.text)
    refused += others
    write_json(rejected, refused)
    for line in admission(len(labeled), refused, rejected):
        print(line)
    if not labeled:
        return TaskFailed.exit_code
    if atoms:
        origin, determined = f"of {options.e0}", True
    else:
        origin = "by least squares over these frames"
        atoms, determined = fitted_atoms(labeled, ATOM_MULTIPLICITY)
    write_frames(options.output, labeled + atoms)
    shifts = ", ".join(f"{atom.get_chemical_formula()} {atom.info['REF_energy']:.3f}" for atom in atoms)
    print(f"{counted(len(labeled), 'frame')} of level {level}")
    print(f"isolated-atom energies {origin} (eV): {shifts}")
    if not determined:
        print("the compositions do not determine each of them: they hold for mixtures of these compositions")
    return 0


def _given_atoms(path: Path, frames: Iterable["Atoms"]) -> list["Atoms"]:
    """The isolated atoms of a file, of the elements of `frames`; InputError where one is missing."""
    from ..dataset.taught import given_atoms
    from ..engines.cp2k.write.inputs import ATOM_MULTIPLICITY

    elements = {symbol for frame in frames for symbol in frame.symbols}
    atoms = [atom for atom in given_atoms(path, ATOM_MULTIPLICITY) if atom.symbols[0] in elements]
    if missing := elements - {atom.symbols[0] for atom in atoms}:
        raise InputError(f"--e0 {path}: has no isolated-atom energy of {', '.join(sorted(missing))}")
    return atoms


def _admitted(
    named: Mapping[str, "Atoms"], results: Sequence["Evaluation"], level: str, teacher: str
) -> tuple[list["Atoms"], list[dict[str, str]]]:
    """Labeled frames, and the records of those that no label should have."""
    from ..dataset.gate import Refused
    from ..dataset.taught import taught

    labeled, refused = [], []
    for (where, frame), result in zip(named.items(), results, strict=True):
        try:
            labeled.append(taught(frame, result, level, teacher, f"relabel {teacher}"))
        except Refused as error:
            refused.append(error.record(where))
    return labeled, refused


def _apart(named: Mapping[str, "Atoms"]) -> tuple[dict[str, "Atoms"], list[dict[str, str]]]:
    """Frames without, and records of those with, atoms on top of each other, which end some programs."""
    from ..dataset.gate import Refused
    from ..engines.cp2k.write.inputs import overlap

    faults = {where: fault for where, frame in named.items() if (fault := overlap(frame))}
    records = [Refused("TOO_CLOSE", fault).record(where) for where, fault in faults.items()]
    if len(faults) == len(named):
        where, fault = next(iter(faults.items()))
        raise InputError(f"{where}: {fault}; no other frame is left")
    return {where: frame for where, frame in named.items() if where not in faults}, records


def _structures(paths: Sequence[Path]) -> dict[str, "Atoms"]:
    """What is labeled by its place, without labels of other levels."""
    from ..dataset.candidates import prepared
    from ..dataset.frames import check_temperature, is_isolated_atom, read_frames

    found: dict[str, Atoms] = {}
    for path in paths:
        for number, frame in enumerate(read_frames(path)):
            if not is_isolated_atom(frame):
                where = f"{path}: frame {number}"
                check_temperature(frame, where)
                # without a multiplicity, high spin is taken
                charge, multiplicity = _whole(frame, "charge", where) or 0, _whole(frame, "multiplicity", where)
                found[where] = prepared(frame, where, stem_of(path), charge, multiplicity)
                found[where].info |= {key: frame.info[key] for key in _KEPT if key in frame.info}
    if not found:
        raise InputError(f"{paths[0]}: contains no frames but isolated atoms")
    return found


def _whole(frame: "Atoms", key: str, where: str) -> int | None:
    value = frame.info.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InputError(f"{where}: {key} is {value!r}; must be an integer")
    return value


def _check_covered(potential: "Potential", named: Mapping[str, "Atoms"], trust: bool) -> None:
    """InputError for the first frame that the potential cannot evaluate, as far as that is known before."""
    from ..engines.mace.filekind import PICKLED, kind_of

    pickled = potential.family == "mace" and potential.file is not None and kind_of(potential.file) == PICKLED
    known = None if pickled and trust else potential.elements()
    for where, frame in named.items():
        missing = set(frame.symbols) - (set(frame.symbols) if known is None else known)
        if missing:
            raise InputError(f"{where}: {potential.text} does not cover {', '.join(sorted(missing))}")
        if potential.by_lammps and not frame.pbc.all():
            raise InputError(f"{where}: not periodic in all directions, which {potential.text} needs")


def _evaluate(
    potential: "Potential", named: Mapping[str, "Atoms"], options: argparse.Namespace, atoms: Sequence["Atoms"]
) -> tuple[str, list[Any]]:
    """The level of the potential and the results for all frames, by so many workers; given `atoms` must be of it."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    places, frames = list(named), list(named.values())
    began, told, results = time.monotonic(), time.monotonic(), [None] * len(frames)
    count = min(options.workers, len(frames))
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory()))
        workers = [stack.enter_context(potential.open(root / str(k), trust=options.trust)) for k in range(count)]
        level = potential.level_of(workers[0].facts)
        for atom in atoms:
            if atom.info["level"] != level:
                raise InputError(f"--e0 {options.e0}: is of level {atom.info['level']}, not of {level}")

        def share(k: int) -> None:
            nonlocal told
            for i in range(k, len(frames), count):
                try:
                    results[i] = workers[k].evaluate(frames[i])
                except TaskFailed as error:
                    raise TaskFailed(error.failure, f"{places[i]}: {error}", log=error.log) from error
                if k == 0 and time.monotonic() - told > _PROGRESS_S:
                    told = time.monotonic()
                    print(f"{i + 1} of {len(frames)} frames, {told - began:.0f} s", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(share, range(count)))
        return level, results
