"""The verb ``screen``: interatomic potentials side by side on labeled frames."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TaskFailed
from ..files import check_target, write_json
from .numbers import add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.mlip.potential import Potential

# what finite differences of energies in single precision can tell
_SANITY_EV_PER_A, _SANITY_EV_PER_A3 = 1e-3, 1e-4
_PAIRS = ("Na-Na", "Na-O", "P-P", "P-O", "O-O", "V-V", "V-O", "V-P")


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add screen."""
    parser = add("screen", _screen, "compare interatomic potentials: sanity, pair curves, errors on labeled frames")
    parser.add_argument("frames", type=Path, help="extended XYZ with REF_energy, REF_forces and, if any, REF_stress")
    parser.add_argument(
        "--potential", nargs="+", required=True, metavar="FAMILY:MODEL", help="such as sevennet:7net-l3i5, mace:my.mace"
    )
    parser.add_argument("--output", "-o", type=Path, default=Path("screen.json"), help="file (default: %(default)s)")
    add_number(parser, "--every", kind=int, least=1, default=1, help="take every Nth frame (default: %(default)s)")
    add_number(parser, "--threads", kind=int, least=1, default=1, help="threads of each worker (default: %(default)s)")
    parser.add_argument("--trust", action="store_true", help="open a pickled .model, which can run arbitrary code")


def _screen(options: argparse.Namespace) -> int:
    from ..dataset.frames import read_frames
    from ..engines.mlip.potential import Potential

    frames = [frame for frame in read_frames(options.frames) if frame.info.get("config_type") != "IsolatedAtom"]
    frames = frames[:: options.every]
    if any("REF_energy" not in frame.info or "REF_forces" not in frame.arrays for frame in frames):
        raise InputError(f"{options.frames}: not all frames have REF_energy and REF_forces")
    check_target(options.output, "--output", inputs=[options.frames])
    potentials = [Potential.of(text) for text in options.potential]
    found = {}
    for potential in potentials:
        found[potential.text] = _one(potential, frames, options)
        print(_shown(potential, found[potential.text]), flush=True)
    write_json(options.output, {"frames": str(options.frames), "potentials": found})
    print(options.output)
    return 4 if any("failure" in one for one in found.values()) else 0


def _one(potential: "Potential", frames: Sequence["Atoms"], options: argparse.Namespace) -> dict[str, Any]:
    from tempfile import TemporaryDirectory

    try:
        with (
            TemporaryDirectory() as folder,
            potential.open(Path(folder), threads=options.threads, trust=options.trust) as worker,
        ):
            return {"level": potential.level, "facts": dict(worker.facts)} | _gates(worker.evaluate, frames)
    except TaskFailed as error:
        return {"level": potential.level, "failure": error.failure, "message": str(error)}


def _gates(evaluate: Callable, frames: Sequence["Atoms"]) -> dict[str, Any]:
    import time

    import numpy as np

    from ..analysis.potentials import pair_curve, sanity
    from ..dataset.potential_errors import errors

    elements = {symbol for frame in frames for symbol in frame.symbols}
    smallest = min(frames, key=len)
    pairs = [tuple(pair.split("-")) for pair in _PAIRS if set(pair.split("-")) <= elements]
    curves = [pair_curve(evaluate, (a, b), np.linspace(0.6, 6.0, 100)) for a, b in pairs]
    began = time.monotonic()
    results = [evaluate(frame) for frame in frames]
    seconds = time.monotonic() - began
    return {
        "sanity": asdict(sanity(evaluate, smallest)),
        "pairs": {
            "-".join(curve.elements): {"sound": curve.sound, "minima": curve.minima, "jump_eV": curve.jump_eV,
                                       "repulsive_below_A": curve.repulsive_below_A}
            for curve in curves
        },
        "errors": errors(frames, results),
        "ms_per_atom": 1e3 * seconds / sum(map(len, frames)),
    }  # fmt: skip


def _shown(potential: "Potential", found: Mapping[str, Any]) -> str:
    lines = [f"{potential.text} ({found['level']})"]
    if "failure" in found:
        return "\n".join([*lines, f"  {found['failure']}: {found['message']}"])
    sanity, errors = found["sanity"], found["errors"]
    sound = all(sanity[key] < _SANITY_EV_PER_A for key in sanity if key.endswith("eV_per_A"))
    sound = sound and sanity["stress_eV_per_A3"] < _SANITY_EV_PER_A3
    unsound = ",".join(pair for pair, curve in found["pairs"].items() if not curve["sound"])
    lines += [
        f"  sanity: {'ok' if sound else 'violated'}; largest difference of a force from the slope of the energy "
        f"{1e3 * sanity['force_eV_per_A']:.2g} meV/A, of a stress {sanity['stress_eV_per_A3']:.2g} eV/A^3",
        f"  pair curves: {f'not sound for {unsound}' if unsound else 'ok'}",
        f"  forces: RMSE {errors['forces_rmse_meV_per_A']:.0f} +- {errors['forces_rmse_meV_per_A_err']:.0f} meV/A, "
        f"{100 * errors['forces_share']:.0f} % of their spread; slope {errors['forces_slope']:.3f}",
        f"  energy after a fit of one shift per element: RMSE {errors['energy_rmse_meV_per_atom']:.0f} meV/atom",
        f"  {found['ms_per_atom']:.1f} ms per atom",
    ]
    return "\n".join(lines)
