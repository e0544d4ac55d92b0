"""The dataset verbs: audit, import, select, export."""

import argparse
import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, TaskFailed
from .numbers import MAX_SEED, add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..foreign.gate import Terms

Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(add: Add) -> None:
    """Add the verbs by `add(name, function, help)`, which returns the verb's parser."""
    check = add("audit", _audit, "look for outliers, short contacts, near-duplicates and odd moments in labeled frames")
    check.add_argument("frames", nargs="+", type=Path, help="labeled frames at one level of theory (extended XYZ)")
    check.add_argument("--output", "-o", type=Path, default=Path("audit"), help="folder for audit.json and audit.html")
    check.add_argument(
        "--limit", action="append", default=[], metavar="KEY=VALUE", help="change a limit, by its key in dataset.audit"
    )
    _add_cache(check)
    _add_import(add)
    _add_select(add)
    _add_export(add)


def _add_cache(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--cache", action="store_true", help="cache the parsed frames next to their files")


def _add_import(add: Add) -> None:
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


def _add_select(add: Add) -> None:
    select = add("select-frames", _select, "select the most diverse frames of a pool (farthest-point sampling)")
    select.add_argument("pool", nargs="+", type=Path, help="structures or labeled frames (extended XYZ)")
    _add_cache(select)
    add_number(select, "--count", "-n", kind=int, least=1, required=True, help="number of frames to select")
    select.add_argument(
        "--output", "-o", type=Path, required=True, help="extended XYZ file to write, in the order of selection"
    )
    select.add_argument("--exclude", nargs="+", type=Path, default=[], help="frames that count as already selected")
    select.add_argument("--model", type=Path, help="MACE model that provides the descriptors (default: pair distances)")
    select.add_argument(
        "--trust",
        action="store_true",
        help="open a pickled model, which can run arbitrary code: only use files you trust",
    )


def _add_export(add: Add) -> None:
    export = add("export-frames", _export, "export a dataset for another training program")
    export.add_argument(
        "dataset", nargs="+", type=Path, help="labeled frames with isolated atoms, or products/dataset of a run"
    )
    export.add_argument("--format", choices=("mace",), default="mace", help="the program: mace-torch's mace_run_train")
    export.add_argument("--output", "-o", type=Path, required=True, help="folder to write")
    for part, words in (("valid", "validation"), ("test", "test")):
        text = f"share of {words} frames (default: %(default)s)"
        add_number(export, f"--{part}-fraction", least=0, most=0.5, default=0.1, help=text)
    _add_cache(export)
    add_number(
        export,
        "--seed",
        kind=int,
        least=0,
        most=MAX_SEED,
        default=1,
        help="seed of the split by group (default: %(default)s)",
    )


def _import(options: argparse.Namespace) -> int:
    from ..dataset.frames import write_frames
    from ..dataset.sets import write_set
    from ..files import check_target, write_json
    from ..foreign.gate import Refused, admit, unfit_stress
    from ..foreign.sources import read_source

    check_target(options.output, "--output")
    names = ("energy", "forces", "stress", "virial", "spin")
    keys = {name: key for name in names if (key := getattr(options, f"{name}_key"))}
    terms = _terms(options)
    atoms = list(_isolated_atoms(options.e0, terms))
    rejected = options.output.with_name(f"{options.output.name.split('.')[0]}-rejected.json")
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
        write_set(options.output.parent, options.output.name.split(".")[0], frames + atoms, options.frames_per_file)
    for line in _admission(len(frames), refused, rejected):
        print(line)
    if unfit:
        print(f"stress dropped from {len(unfit)} frames (--max-stress), first: {unfit[0]}")
    for line in _remarks(frames, untaken, levels):
        print(line)
    return 0 if frames else TaskFailed.exit_code


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
    if settings and Path(settings).is_file():
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


def _admission(count: int, refused: list[dict[str, str]], rejected: Path) -> Iterator[str]:
    """How many frames passed, and for each failure the first frame with its reason."""
    reasons = Counter(record["failure"] for record in refused)
    words = ", ".join(f"{failure} {number}" for failure, number in reasons.most_common())
    yield f"{count} frames admitted, {len(refused)} rejected{f': {words}' if words else ''}"
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
        names = ", ".join(f"{name} ({count} frames)" for name, count in untaken.most_common(5))
        flags = "--energy-key, --forces-key, --stress-key and --virial-key"
        yield f"not imported: {names}; use {flags} to name the labels"
    yield from (f"level {level}: {count} frames" for level, count in levels.items())
    if len(levels) > 1:
        yield "a dataset holds frames of one level only: import them separately, or state one level with --settings"


def _select(options: argparse.Namespace) -> int:
    from ..dataset.assemble import is_isolated_atom
    from ..dataset.frames import write_frames
    from ..dataset.selection import farthest_points
    from ..files import check_target, write_json

    check_target(options.output, "--output")
    pool = [(f"{path}: frame {k}", f) for path in options.pool for k, f in enumerate(_frames(path, options))]
    pool = [(where, frame) for where, frame in pool if not is_isolated_atom(frame)]
    known = [frame for path in options.exclude for frame in _frames(path, options) if not is_isolated_atom(frame)]
    name, points = _descriptors([frame for _, frame in pool] + known, options)
    found = farthest_points(points[: len(pool)], options.count, points[len(pool) :])
    write_frames(options.output, [pool[i][1] for i in found.chosen])
    record = {
        "descriptor": name,
        "covering_radius": found.left,
        "chosen": [
            {"frame": pool[i][0], "distance": distance if distance < float("inf") else None}
            for i, distance in zip(found.chosen.tolist(), found.distances.tolist(), strict=True)
        ],
    }
    write_json(options.output.with_name(f"{options.output.name.split('.')[0]}-selection.json"), record)
    nearest = f"last at {found.distances[-1]:.4g}, " if len(found.distances) > 1 or known else ""
    print(
        f"{len(found.chosen)} of {len(pool)} frames selected by {name}; {nearest}farthest remaining at {found.left:.4g}"
    )
    return 0


def _descriptors(frames, options: argparse.Namespace):
    """Name and values of the descriptor: that of the model, or pair distances."""
    if options.model is None:
        from ..dataset.selection import pair_descriptors

        return "pair distances", pair_descriptors(frames, sorted({element for f in frames for element in f.symbols}))
    from ..engines.mace.descriptors import descriptors
    from ..engines.mace.modelfile import load_model

    return options.model.name, descriptors(load_model(options.model, trust=options.trust).double(), frames)


def _export(options: argparse.Namespace) -> int:
    from ..engines.cp2k.write.inputs import ATOM_MULTIPLICITY
    from ..engines.mace.training_set import SCRIPT, write_training_set
    from ..files import check_target

    check_target(options.output, "--output", folder=True)
    parts, energies = _parts(options)
    unknown = sorted(set(energies) - set(ATOM_MULTIPLICITY))
    if unknown:
        raise InputError(f"isolated atom {unknown[0]}: its ground-state multiplicity is not known")
    command = write_training_set(
        options.output, parts, energies, ATOM_MULTIPLICITY, name=options.output.resolve().name, seed=options.seed
    )
    for part, frames in parts.items():
        groups = {frame.info["group"] for frame in frames}
        print(f"{part:5s} {len(frames):6d} frames, {len(groups)} groups")
    if not parts["valid"]:
        print("no group is left for validation: mace_run_train splits off training frames, near-duplicates of the rest")
    print(f"{options.output / SCRIPT}: {shlex.join(command)}")
    return 0


def _parts(options: argparse.Namespace):
    """Training, validation and test frames, and isolated-atom energies."""
    from ..dataset.assemble import assemble
    from ..dataset.sets import find_set
    from ..dataset.split import split_in_three

    folder = options.dataset[0] if len(options.dataset) == 1 and options.dataset[0].is_dir() else None
    paths, tables = options.dataset, {}
    if folder is not None:
        summary = folder / "dataset.json"
        paths = [path for part in ("train", "test") if (path := find_set(folder, part))]
        if not summary.is_file() or not paths or not paths[0].name.startswith("train"):
            raise InputError(f"{folder}: not the dataset of a run; its training frames and dataset.json are required")
        tables[str(summary)] = json.loads(summary.read_text())["E0_eV"]
    files = {str(path): _frames(path, options, labeled=True) for path in paths}
    level = next(iter(files.values()))[0].info["level"].rpartition("-")[0]
    dataset = assemble(level, files, tables)
    # frames that the run held out stay held out
    held = [id(frame) for path in (paths[1:] if folder else []) for frame in files[str(path)]]
    open_frames = [frame for frame in dataset.frames if id(frame) not in held]
    test_fraction = 0.0 if folder else options.test_fraction
    groups = [frame.info["group"] for frame in open_frames]
    split = split_in_three(groups, options.valid_fraction, test_fraction, options.seed)
    parts = {part: [open_frames[i] for i in indices] for part, indices in split.items()}
    parts["test"] += [frame for frame in dataset.frames if id(frame) in held]
    return parts, dataset.e0_eV


def _audit(options: argparse.Namespace) -> int:
    from ..config.schema import Audit
    from ..dataset.assemble import is_isolated_atom, isolated_atom_energies, one_level
    from ..dataset.audit import Limits, audit, table_of
    from ..files import check_target, write_bytes, write_json
    from ..report.audit import audit_page

    check_target(options.output, "--output", folder=True)
    limits = _limits(options.limit, Audit)
    named = [(f"{path}: frame {k}", f) for path in options.frames for k, f in enumerate(_frames(path, options, True))]
    one_level(named)
    atoms = [(where, frame) for where, frame in named if is_isolated_atom(frame)]
    cells = [(where, frame) for where, frame in named if not is_isolated_atom(frame)]
    if not cells:
        raise InputError(f"{options.frames[0]}: contains only isolated atoms")
    names, frames = [where for where, _ in cells], [frame for _, frame in cells]
    result, arrays = audit(frames, names, Limits(**limits), isolated_atom_energies(atoms))
    write_json(options.output / "audit.json", result)
    title = f"Audit of {', '.join(path.name for path in options.frames)}"
    write_bytes(options.output / "audit.html", audit_page(title, result, arrays).encode())
    print(f"{table_of(result)}\n{options.output / 'audit.html'} and audit.json written")
    return 0


def _frames(path: Path, options: argparse.Namespace, labeled: bool = False):
    """Frames of a file or of an index of shards, through the cache if requested."""
    from ..dataset.cache import read_cached
    from ..dataset.frames import check_labeled, read_frames

    frames = (read_cached if options.cache else read_frames)(path)
    for number, frame in enumerate(frames if labeled else ()):
        check_labeled(frame, f"{path}: frame {number}")
    return frames


def _limits(given: list[str], model) -> dict[str, float]:
    """The default limits, updated with those from the options, checked as in an input."""
    from pydantic import ValidationError

    values = {}
    for item in given:
        key, _, text = item.partition("=")
        if key not in model.model_fields:
            raise InputError(f"--limit {item}: no such limit; choose from {', '.join(model.model_fields)}")
        try:
            values[key] = float(text)
        except ValueError:
            raise InputError(f"--limit {item}: {text!r} is not a number") from None
    try:
        return model(**values).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--limit {first['loc'][0]}={first['input']:g}: {first['msg']}") from None
