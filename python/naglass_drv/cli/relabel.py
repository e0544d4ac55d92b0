"""The verb ``relabel``: frames with energies, forces and stresses of an interatomic potential."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TaskFailed
from ..files import check_target, stem_of
from .numbers import add_number

if TYPE_CHECKING:
    from ase import Atoms

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
    add_number(parser, "--workers", kind=int, least=1, default=1, help="processes side by side (default: %(default)s)")
    parser.add_argument("--trust", action="store_true", help="open a pickled .model, which can run arbitrary code")


def _relabel(options: argparse.Namespace) -> int:
    from ..dataset.candidates import prepared
    from ..dataset.frames import read_frames, write_frames
    from ..dataset.taught import fitted_atoms, taught
    from ..engines.cp2k.write.inputs import ATOM_MULTIPLICITY
    from ..engines.mlip.potential import Potential

    check_target(options.output, "--output", inputs=options.frames)
    potential = Potential.of(options.potential)
    frames = []
    for path in options.frames:
        for number, frame in enumerate(read_frames(path)):
            if frame.info.get("config_type") != "IsolatedAtom":
                where, stem = f"{path}: frame {number}", stem_of(path)
                bare = prepared(frame, where, stem, int(frame.info.get("charge", 0)), _multiplicity(frame))
                bare.info |= {key: frame.info[key] for key in _KEPT if key in frame.info}
                frames.append(bare)
    if not frames:
        raise InputError(f"{options.frames[0]}: contains no frames but isolated atoms")
    facts, results = _evaluate(potential, frames, options)
    level = potential.level_of(facts)
    teacher = potential.text
    labeled = [taught(*pair, level, teacher, f"relabel {teacher}") for pair in zip(frames, results, strict=True)]
    atoms, determined = fitted_atoms(labeled, ATOM_MULTIPLICITY)
    write_frames(options.output, labeled + atoms)
    shifts = ", ".join(f"{atom.get_chemical_formula()} {atom.info['REF_energy']:.3f}" for atom in atoms)
    print(f"{len(labeled)} frames of level {level}")
    print(f"isolated-atom energies by least squares over these frames (eV): {shifts}")
    if not determined:
        print("the compositions do not determine each of them: they hold for mixtures of these compositions")
    return 0


def _multiplicity(frame: "Atoms") -> int | None:
    """The frame's own, if it has one; otherwise high spin is taken."""
    return int(frame.info["multiplicity"]) if "multiplicity" in frame.info else None


def _evaluate(
    potential: "Potential", frames: Sequence["Atoms"], options: argparse.Namespace
) -> tuple[dict[str, Any], list[Any]]:
    """Facts of the potential and the results for all frames, by so many workers."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import ExitStack
    from tempfile import TemporaryDirectory

    began, told, results = time.monotonic(), time.monotonic(), [None] * len(frames)
    count = min(options.workers, len(frames))
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory()))
        workers = [stack.enter_context(potential.open(root / str(k), trust=options.trust)) for k in range(count)]

        def share(k: int) -> None:
            nonlocal told
            for i in range(k, len(frames), count):
                try:
                    results[i] = workers[k].evaluate(frames[i])
                except TaskFailed as error:
                    raise TaskFailed(error.failure, f"frame {i}: {error}", log=error.log) from error
                if k == 0 and time.monotonic() - told > _PROGRESS_S:
                    told = time.monotonic()
                    print(f"{i + 1} of {len(frames)} frames, {told - began:.0f} s", file=sys.stderr, flush=True)

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(share, range(count)))
        return dict(workers[0].facts), results
