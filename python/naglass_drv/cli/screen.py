"""The verb ``screen``: interatomic potentials through the gates of the stage of that name, on files."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import check_target, write_json
from .numbers import add_number

if TYPE_CHECKING:
    from ..engines.mlip.potential import Potential
    from ..stages.screening import Material


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add screen."""
    parser = add("screen", _screen, "compare interatomic potentials by gates: sanity, bonds, errors, crystals, heating")
    parser.add_argument("frames", type=Path, help="extended XYZ with REF_energy, REF_forces and, if any, REF_stress")
    parser.add_argument(
        "--potential", nargs="+", required=True, metavar="FAMILY:MODEL", help="such as sevennet:7net-l3i5, mace:my.mace"
    )
    parser.add_argument("--crystals", nargs="+", type=Path, default=[], help="extended XYZ of crystals")
    parser.add_argument(
        "--shift", type=Path, help="labeled frames of other groups that a shift of the energy per element is fitted to"
    )
    parser.add_argument("--preset", choices=("small", "production"), default="small", help="(default: %(default)s)")
    parser.add_argument("--output", "-o", type=Path, default=Path("screen.json"), help="file (default: %(default)s)")
    add_number(parser, "--every", kind=int, least=1, default=1, help="take every Nth frame (default: %(default)s)")
    add_number(parser, "--seed", kind=int, least=1, default=1, help="of the velocities (default: %(default)s)")
    add_number(parser, "--threads", kind=int, least=1, default=1, help="threads of each worker (default: %(default)s)")
    parser.add_argument("--trust", action="store_true", help="open a pickled .model, which can run arbitrary code")


def _screen(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..analysis.gates import FAILURE
    from ..engines.mlip.potential import Potential
    from ..stages.screen import made_labels, material_from
    from ..stages.screening import PRESETS

    files = [options.frames, *options.crystals, *([options.shift] if options.shift else [])]
    if missing := [path for path in files if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such file")
    preset = PRESETS[options.preset]
    material, notes, levels = material_from(options.frames, options.crystals, preset, shift=options.shift)
    material = replace(material, frames=material.frames[:: options.every])
    potentials = [Potential.of(text) for text in options.potential]
    read = [path for potential in potentials for path in potential.files()]
    check_target(options.output, "--output", inputs=[*files, *read])
    found = {}
    for potential in potentials:
        found[potential.text] = _one(potential, material, options)
        found[potential.text]["made_labels"] = made_labels(potential, found[potential.text]["facts"], levels)
        print(_shown(potential, found[potential.text]), flush=True)
    said = {"frames": str(options.frames), "labels": levels, "preset": options.preset, "notes": notes}
    write_json(options.output, said | {"potentials": found})
    print(options.output)
    return 4 if any(gate["state"] == FAILURE for one in found.values() for gate in one["gates"].values()) else 0


def _one(potential: "Potential", material: "Material", options: argparse.Namespace) -> dict[str, Any]:
    from tempfile import TemporaryDirectory

    from ..stages.gates import screened
    from ..stages.screen import variants_of, with_other_dispersion
    from ..stages.screening import PRESETS, Session

    with TemporaryDirectory() as folder:

        def opened():
            return potential.open(Path(folder), threads=options.threads, trust=options.trust)

        other = with_other_dispersion(potential, Path(folder), options.threads)
        variants = variants_of(potential, Path(folder), options.trust)
        with Session(opened, other=other, by_lammps=potential.by_lammps, variants=variants) as session:
            gates = screened(session, material, PRESETS[options.preset], seed=options.seed)
            return {"level": potential.level, "facts": session.facts, "gates": gates}


def _shown(potential: "Potential", found: Mapping[str, Any]) -> str:
    from ..analysis.gates import FAILURE, GATES
    from ..wording import duration

    lines = [f"{potential.text} ({potential.level})"]
    if found["made_labels"]:
        lines.append("  made these labels: its errors on them tell nothing")
    for gate, one in found["gates"].items():
        state = one["failure"] if one["state"] == FAILURE else one["state"]
        forecast = f"; would take about {duration(one['forecast_s'])}" if "forecast_s" in one else ""
        lines.append(f"  {gate} {GATES[gate][0]}: {state}: {one['text']}{forecast}")
    return "\n".join(lines)
