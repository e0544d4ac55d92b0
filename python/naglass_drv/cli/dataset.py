"""The dataset verbs: audit, select, export."""

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..wording import counted
from .imports import check_frames_name
from .numbers import MAX_SEED, add_number

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
    _add_select(add)
    _add_export(add)


def _add_cache(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--cache", action="store_true", help="cache the parsed frames next to their files")


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


def _select(options: argparse.Namespace) -> int:
    from ..dataset.frames import is_isolated_atom, write_frames
    from ..dataset.selection import farthest_points
    from ..dataset.shards import files_read
    from ..files import check_target, stem_of, write_json

    check_frames_name(options.output)
    listed = options.output.parent / f"{stem_of(options.output)}-selection.json"
    inputs = [*files_read([*options.pool, *options.exclude]), *([options.model] if options.model else [])]
    check_target(options.output, "--output", beside=[listed], inputs=inputs)
    pool = [(f"{path}: frame {k}", f) for path in options.pool for k, f in enumerate(_frames(path, options))]
    pool = [(where, frame) for where, frame in pool if not is_isolated_atom(frame)]
    known = [frame for path in options.exclude for frame in _frames(path, options) if not is_isolated_atom(frame)]
    name, points = _descriptors([frame for _, frame in pool] + known, options)
    found = farthest_points(points[: len(pool)], options.count, points[len(pool) :])
    if not len(found.chosen):
        raise InputError(f"{options.pool[0]}: nothing is left to select: all frames are equal to those of --exclude")
    write_frames(options.output, [pool[i][1] for i in found.chosen])
    record = {
        "descriptor": name,
        "covering_radius": found.left,
        "chosen": [
            {"frame": pool[i][0], "distance": distance if distance < float("inf") else None}
            for i, distance in zip(found.chosen.tolist(), found.distances.tolist(), strict=True)
        ],
    }
    write_json(listed, record)
    nearest = f"last at {found.distances[-1]:.4g}, " if len(found.distances) > 1 or known else ""
    print(
        f"{len(found.chosen)} of {counted(len(pool), 'frame')} selected by {name}; "
        f"{nearest}farthest remaining at {found.left:.4g}"
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
    from ..dataset.shards import files_read
    from ..engines.cp2k.write.inputs import ATOM_MULTIPLICITY
    from ..engines.mace.training_set import FILES, SCRIPT, write_training_set
    from ..files import check_target

    written = [options.output / name for name in FILES]
    check_target(options.output, "--output", folder=True, beside=written, inputs=files_read(options.dataset))
    parts, energies = _parts(options)
    unknown = sorted(set(energies) - set(ATOM_MULTIPLICITY))
    if unknown:
        raise InputError(f"isolated atom {unknown[0]}: its ground-state multiplicity is not known")
    command = write_training_set(
        options.output, parts, energies, ATOM_MULTIPLICITY, name=options.output.resolve().name, seed=options.seed
    )
    for part, frames in parts.items():
        groups = {frame.info["group"] for frame in frames}
        print(f"{part:5s} {counted(len(frames), 'frame')}, {counted(len(groups), 'group')}")
    if not parts["valid"]:
        print("no group is left for validation: mace_run_train splits off training frames, near-duplicates of the rest")
    print(f"{options.output / SCRIPT}: {shlex.join(command)}")
    return 0


def _parts(options: argparse.Namespace):
    """Training, validation and test frames, and isolated-atom energies."""
    from ..dataset.assemble import assemble
    from ..dataset.energies import read_table
    from ..dataset.frames import level_name
    from ..dataset.sets import find_set
    from ..dataset.split import split_in_three

    folder = options.dataset[0] if len(options.dataset) == 1 and options.dataset[0].is_dir() else None
    paths, tables, stated = options.dataset, {}, None
    if folder is not None:
        summary = folder / "dataset.json"
        paths = [path for part in ("train", "test") if (path := find_set(folder, part))]
        if not summary.is_file() or not paths or not paths[0].name.startswith("train"):
            raise InputError(f"{folder}: not the dataset of a run; its training frames and dataset.json are required")
        tables[str(summary)] = (stated := read_table(summary)).e0_eV
    files = {str(path): _frames(path, options, labeled=True) for path in paths}
    level = next(iter(files.values()))[0].info["level"]
    if stated is not None and stated.level != level:
        raise InputError(f"{summary}: is of level {stated.level}, but {paths[0]} of {level}")
    dataset = assemble(level_name(level), files, tables)
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
    from ..dataset.assemble import isolated_atom_energies, one_level
    from ..dataset.audit import Limits, audit, table_of
    from ..dataset.frames import is_isolated_atom
    from ..dataset.shards import files_read
    from ..files import check_target, write_bytes, write_json
    from ..report.audit import audit_page

    table, page = options.output / "audit.json", options.output / "audit.html"
    check_target(options.output, "--output", folder=True, beside=[table, page], inputs=files_read(options.frames))
    limits = _limits(options.limit, Audit)
    named = [(f"{path}: frame {k}", f) for path in options.frames for k, f in enumerate(_frames(path, options, True))]
    one_level(named)
    atoms = [(where, frame) for where, frame in named if is_isolated_atom(frame)]
    cells = [(where, frame) for where, frame in named if not is_isolated_atom(frame)]
    if not cells:
        raise InputError(f"{options.frames[0]}: contains only isolated atoms")
    names, frames = [where for where, _ in cells], [frame for _, frame in cells]
    result, arrays = audit(frames, names, Limits(**limits), isolated_atom_energies(atoms))
    write_json(table, result)
    title = f"Audit of {', '.join(path.name for path in options.frames)}"
    write_bytes(page, audit_page(title, result, arrays).encode())
    print(f"{table_of(result)}\n{page} and audit.json written")
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
