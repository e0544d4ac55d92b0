"""The verbs for models: export-model, fit-spin."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError
from .numbers import MAX_SEED, add_number


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add export-model and fit-spin."""
    export = add("export-model", _export_model, "write a MACE model for pair_style mace")
    export.add_argument("model", type=Path, help="portable model, or a pickled .model with --trust")
    export.add_argument("archive", nargs="?", type=Path, help="archive to write (default: MODEL with suffix .naglass)")
    export.add_argument("--output", "-o", type=Path, help="archive to write, given as an option")
    _add_heads(export)
    export.add_argument(
        "--torch", action="store_true", help="write TorchScript for the libtorch backend, which GPUs need"
    )
    export.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    export.add_argument(
        "--trust",
        action="store_true",
        help="open a pickled model, which can run arbitrary code: only use files you trust",
    )
    spin = add("fit-spin", _fit_spin, "fit a magnetic-moment readout on top of a frozen MACE model and export both")
    spin.add_argument("model", type=Path, help="portable model, or a pickled .model with --trust")
    spin.add_argument("frames", type=Path, help="extended XYZ with REF_spin (muB)")
    spin.add_argument("--test", type=Path, help="held-out frames to measure errors on")
    spin.add_argument("--labels", choices=("hirshfeld", "mulliken"), default="hirshfeld")
    add_number(spin, "--hidden", kind=int, least=0, default=0, help="hidden units (default 0: linear, per element)")
    add_number(
        spin, "--seed", kind=int, least=0, most=MAX_SEED, default=0, help="seed of the fit (default: %(default)s)"
    )
    spin.add_argument("--output", "-o", type=Path, help="archive to write (default: MODEL with suffix .naglass)")
    _add_heads(spin)
    spin.add_argument(
        "--trust",
        action="store_true",
        help="open a pickled model, which can run arbitrary code: only use files you trust",
    )


def _add_heads(parser: argparse.ArgumentParser) -> None:
    """The option of a multi-head model."""
    parser.add_argument(
        "--head", nargs="+", metavar="NAME", help="which head of a multi-head model; several form a committee"
    )


def _export_model(options: argparse.Namespace) -> int:
    from ..engines.mace.export import export_model

    if options.archive is not None and options.output is not None:
        raise InputError(f"--output {options.output}: the archive is given twice, also as {options.archive}")
    options.output = options.output or options.archive
    target = _archive_path(options, (), [options.model])
    made = export_model(
        options.model, target, head=options.head, dtype=options.dtype, trust=options.trust, with_torch=options.torch
    )
    print(made)
    return 0


def _fit_spin(options: argparse.Namespace) -> int:
    from ..chemistry.level import moments_by
    from ..dataset.frames import read_frames
    from ..dataset.shards import files_read
    from ..engines.mace import spin, spin_errors
    from ..engines.mace.export import check_supported, export_module
    from ..engines.mace.modelfile import load_model
    from ..files import write_json

    inputs = [options.model, *files_read(path for path in (options.frames, options.test) if path)]
    target = _archive_path(options, (".spin", ".spin.json"), inputs)
    frames = read_frames(options.frames)
    test = read_frames(options.test) if options.test else []
    if test and not any(spin.LABELS[options.labels] in frame.arrays for frame in test):
        raise InputError(f"{options.test}: no frame has {spin.LABELS[options.labels]}, the moments to compare with")
    model = load_model(options.model, trust=options.trust).double()
    check_supported(model, options.head, str(options.model))
    say = lambda line: print(line, flush=True)  # noqa: E731
    readout = spin.fit_readout(
        model, frames, labels=options.labels, hidden=options.hidden, seed=options.seed, report=say
    )
    measured = {
        name: spin_errors.errors(part, spin.predict(model, readout, part), options.labels)
        for name, part in (("fitted", frames), ("held out", test))
        if part
    }
    source = moments_by((str(frame.info.get("level", "")) for frame in frames), f"{options.labels} labels")
    for name, found in measured.items():
        print(f"{name} frames, |moment| by {source}\n{spin_errors.table_of(found)}")
    readout.save(target.with_suffix(".spin"))
    write_json(target.with_suffix(".spin.json"), {"labels": options.labels, "moments_by": source, "errors": measured})
    print(export_module(model, target, head=options.head, source=str(options.model), spin=readout))
    return 0


def _archive_path(options: argparse.Namespace, suffixes: Sequence[str], inputs: Sequence[Path]) -> Path:
    """Where the archive is written; files with these `suffixes` are written beside it, and none may be an input."""
    from ..engines.mace.filekind import kind_of
    from ..files import check_target

    kind_of(options.model)
    target = options.output or options.model.with_suffix(".naglass")
    if not target.name:
        raise InputError(f"--output {target}: is a folder, not a file")
    beside = [target.with_suffix(suffix) for suffix in suffixes]
    if target in beside:
        raise InputError(f"--output {target}: this suffix is that of the readout, which is written beside the archive")
    check_target(target, "--output", beside=beside, inputs=inputs)
    return target
