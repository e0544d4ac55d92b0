"""The verb ``interface``: terminations of a crystal, cells with two interfaces to a glass, and crystallites in it."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chemistry.ions import parse_label
from ..errors import InputError
from ..files import check_target, write_json
from ..interface import CRYSTAL_A, GAP_A, GLASS_A, LATERAL_A, MOST_STRAIN, RULES, SHAPES
from ..wording import counted
from .numbers import MAX_SEED, add_number

if TYPE_CHECKING:
    from ase import Atoms

    from ..interface.crystal import Crystal
    from ..interface.joining import Interface
    from ..interface.terminations import Termination

_SAME_A = 1e-4


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add interface with its actions."""
    parser = add(
        "interface", _nothing, "cut a crystal, and build cells of it with a glass: interfaces and crystallites"
    )
    actions = parser.add_subparsers(metavar="ACTION")

    def action(name: str, verb: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=help, description=help)
        sub.set_defaults(verb=verb)
        sub.add_argument(
            "crystal", type=Path, help="CIF, or extended XYZ with an array occupancy if sites are partly full"
        )
        sub.add_argument(
            "--composition",
            metavar="FORMULA",
            help="of the crystal, as Na3V2(PO4)3, or with charges as Na:3,V3+:2,P:3,O:12",
        )
        for axis in ("a", "b", "c"):
            add_number(
                sub, f"--{axis}", above=0, metavar="A", help=f"cell edge {axis} at the temperature of the run, in A"
            )
        return sub

    cuts = action("terminations", _terminations, "list the cuts along (hkl) that break no bond of P, Si or B to O")
    _add_plane(cuts)
    cuts.add_argument("--output", "-o", type=Path, help="JSON file to write")
    build = action("build", _build, "build a crystal slab and a glass with two interfaces")
    _add_plane(build)
    add_number(build, "--termination", kind=int, least=0, help="its number (default: the best that is not polar)")
    _add_glass(build)
    add_number(build, "--crystal-thickness", above=0, default=CRYSTAL_A, help="A (default: %(default)s)")
    add_number(build, "--lateral", above=0, default=LATERAL_A, help="least width of the cell, A (default: %(default)s)")
    grain = action("seed", _seed, "put a crystallite into a melt or glass")
    add_number(grain, "--radius", above=0, required=True, help="A; half the thickness of a slab")
    grain.add_argument("--shape", choices=(*SHAPES, "slab"), default="sphere", help="(default: %(default)s)")
    grain.add_argument(
        "--direction", type=int, nargs=3, default=(0, 0, 1), metavar="N",
        help="along z: hkl whose normal that is, for a cylinder the lattice direction uvw (default: 0 0 1)",
    )  # fmt: skip
    _add_rule(grain)
    add_number(grain, "--length", above=0, default=20.0, help="least length of a cylinder, A (default: %(default)s)")
    add_number(grain, "--width", above=0, default=40.0, help="of the cell of a melt, A (default: %(default)s)")
    _add_glass(grain)
    for sub in (build, grain):
        add_number(sub, "--seed", kind=int, least=0, most=MAX_SEED, default=1, help="(default: %(default)s)")
        sub.add_argument("--model", type=Path, help=".mace or .naglass: both sides must hold twice its receptive field")
        add_number(sub, "--layers", kind=int, least=1, help="message-passing layers, instead of a model")
        add_number(sub, "--r-max", above=0, help="cutoff in A, instead of a model")
        sub.add_argument("--output", "-o", type=Path, required=True, help="extended XYZ; .json and .svg beside it")


def _add_plane(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hkl", type=int, nargs=3, required=True, metavar="N", help="indices of the plane")
    _add_rule(parser)


def _add_rule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", choices=RULES, default=RULES[0], help="cleavage energy (default: %(default)s)")


def _add_glass(parser: argparse.ArgumentParser) -> None:
    glass = parser.add_mutually_exclusive_group(required=True)
    glass.add_argument("--melt", metavar="FORMULA", help="pack a melt of this composition, to be quenched")
    glass.add_argument("--glass", type=Path, help="join this glass, extended XYZ (its last frame)")
    add_number(parser, "--density", above=0, help="of the melt, g/cm3")
    add_number(parser, "--glass-thickness", above=0, default=GLASS_A, help="A (default: %(default)s)")
    add_number(
        parser, "--gap", least=0, default=GAP_A, help="left beside a glass that is joined, A (default: %(default)s)"
    )
    add_number(
        parser,
        "--max-strain",
        least=0,
        most=0.1,
        default=MOST_STRAIN,
        help="of a glass that is joined (default: %(default)s)",
    )


def _nothing(options: argparse.Namespace) -> int:
    raise InputError("interface: choose terminations, build or seed")


def composition_of(text: str, option: str) -> dict[str, int]:
    """``Na3V2(PO4)3`` or ``Na:3,V3+:2,P:3,O:12`` as atoms by element or ion."""
    from ase.formula import Formula

    try:
        if ":" not in text:
            return dict(Formula(text).count())
        pairs = [word.rpartition(":") for word in text.split(",")]
        return {label.strip(): int(number) for label, _, number in pairs}
    except (ValueError, TypeError):
        raise InputError(f"{option} {text}: must be a formula as Na3V2(PO4)3, or ions as Na:3,V3+:2,P:3,O:12") from None


def _crystal(options: argparse.Namespace) -> "Crystal":
    from ..interface.crystal import read_crystal

    composition = composition_of(options.composition, "--composition") if options.composition else None
    crystal = read_crystal(options.crystal, composition)
    given, own = (options.a, options.b, options.c), crystal.atoms.cell.lengths()
    if not any(given):
        return crystal
    edges = []
    for edge, length in zip(given, own, strict=True):
        # edges that are equal by symmetry stay so
        equal = (other for other, its in zip(given, own, strict=True) if other and abs(its - length) < _SAME_A)
        edges.append(edge or next(equal, length))
    return crystal.with_cell(edges)


def _terminations(options: argparse.Namespace) -> int:
    from ..interface.slabs import listed

    if options.output:
        check_target(options.output, "--output", inputs=[options.crystal])
    cuts = listed(_crystal(options), options.hkl, options.by)
    print(_table(cuts, options.by))
    if options.output:
        write_json(options.output, {"by": options.by, "terminations": [asdict(cut) for cut in cuts]})
    return 0


def _table(cuts: "list[Termination]", by: str) -> str:
    rows = [("#", "height/A", "below | above", "cut bonds/nm2", "surface charge/e", f"cleavage ({by})/(J/m2)", "")]
    for cut in cuts:
        note = f"{cut.share:.3g} of the layer above goes below" if cut.share else ""
        words = [
            "polar" if cut.polar else "both sides alike" if cut.symmetric else "",
            note,
            f"{cut.equivalent} by symmetry" if cut.equivalent > 1 else "",
        ]
        rows.append(
            (
                str(cut.number),
                f"{cut.height_A:.2f}",
                f"{cut.below} | {cut.above}",
                f"{cut.cut_bonds_nm2:.1f}",
                f"{cut.surface_charge_e:+.2f}",
                f"{cut.cleavage_J_m2:.2f}",
                ", ".join(word for word in words if word),
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(f"{word:{w}s}" for word, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _build(options: argparse.Namespace) -> int:
    return _with_slab(options, options.hkl, options.crystal_thickness, options.lateral, options.termination)


def _seed(options: argparse.Namespace) -> int:
    if options.shape == "slab":
        return _with_slab(options, options.direction, 2 * options.radius, LATERAL_A, None)
    from ..interface.seeds import crystallite, seed_in_glass, seed_in_melt

    crystal, given, _ = _checked(options)
    grain = crystallite(
        crystal, options.radius, options.shape, direction=options.direction, length_A=options.length,
        seed=options.seed,
    )  # fmt: skip
    if isinstance(given, dict):
        made = seed_in_melt(grain, given, options.density, width_A=options.width, seed=options.seed)
    else:
        made = seed_in_glass(grain, given, most_strain=options.max_strain)
    return _finish(made, options)


def _with_slab(options, hkl, thickness_A: float, lateral_A: float, number: int | None) -> int:
    from ..interface.joining import join, melt_against
    from ..interface.slabs import check_receptive_field, chosen, listed, slab

    crystal, given, model = _checked(options)
    check_receptive_field(thickness_A, options.glass_thickness, *(model or (None, None)))
    cut = chosen(listed(crystal, hkl, options.by), number)
    cell = slab(crystal, cut, thickness_A=thickness_A, lateral_A=lateral_A, seed=options.seed)
    sizes: dict[str, Any] = {"glass_A": options.glass_thickness, "model": model}
    if isinstance(given, dict):
        made = melt_against(cell, given, options.density, seed=options.seed, **sizes)
    else:
        made = join(cell, given, gap_A=options.gap, most_strain=options.max_strain, **sizes)
    return _finish(made, options)


def _checked(options: argparse.Namespace) -> "tuple[Crystal, dict[str, int] | Atoms, tuple[int, float] | None]":
    """The crystal, the composition of the melt or the glass, layers and cutoff of the model, once they fit together."""
    facts, picture = _beside(options.output)
    inputs = [path for path in (options.crystal, options.glass, options.model) if path]
    check_target(options.output, "--output", beside=[facts, picture], inputs=inputs)
    given = _given(options)
    crystal = _crystal(options)
    named = {parse_label(label)[0] for label in given} if isinstance(given, dict) else set(given.symbols)
    return crystal, given, _model(options, {*crystal.formula, *named})


def _given(options: argparse.Namespace) -> "dict[str, int] | Atoms":
    from ..dataset.frames import read_frames

    if options.melt:
        if not options.density:
            raise InputError(f"--melt {options.melt}: needs --density")
        return composition_of(options.melt, "--melt")
    if options.density:
        raise InputError(f"--density {options.density:g}: only for --melt; a glass has its own")
    return read_frames(options.glass)[-1]


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".json"), path.with_suffix(".svg")


def _model(options: argparse.Namespace, elements: set[str]) -> tuple[int, float] | None:
    from ..engines.mace.facts import reach_of

    if (options.layers is None) != (options.r_max is None):
        raise InputError("--layers and --r-max: give both or none")
    if options.model and options.layers is not None:
        raise InputError("--model: gives the layers and the cutoff; leave out --layers and --r-max")
    if options.model:
        reach = reach_of(options.model)
        if lacking := sorted(elements - set(reach.elements)):
            has = ", ".join(reach.elements)
            raise InputError(f"--model {options.model}: lacks {', '.join(lacking)}; it has {has}")
        return reach.layers, reach.r_max_A
    return None if options.layers is None else (options.layers, options.r_max)


def _finish(made: "Interface", options: argparse.Namespace) -> int:
    from ..dataset.frames import write_frames
    from ..files import write_bytes
    from ..interface.inspection import inspect
    from ..interface.joining import PHASE
    from ..report.interfaces import side_view

    seen = inspect(made)
    facts, picture = _beside(options.output)
    title = f"{made.facts['crystal_formula']} in {made.facts['glass_formula']}, {made.facts['route']}"
    drawn = side_view(made.atoms, made.atoms.arrays[PHASE] == 1, seen.z_A, seen.density_g_cm3, title)
    write_frames(options.output, [made.atoms])
    write_json(facts, made.facts | {"checks": seen.facts()})
    write_bytes(picture, drawn)
    lengths = " × ".join(f"{edge:.2f}" for edge in made.atoms.cell.lengths())
    crystal, glass = (seen.sides[name] for name in ("crystal", "glass"))
    a, b, distance, part = seen.nearest
    print(
        f"{options.output}: {counted(len(made.atoms), 'atom')} in {lengths} Å; crystal "
        f"{crystal.units} × {made.facts['crystal_formula']}, glass {glass.units} × {made.facts['glass_formula']}\n"
        f"nearest pair {a}-{b} at {distance:.2f} Å ({part:.2f} of its contact distance); facts in {facts}, picture in "
        f"{picture}"
    )
    for fault in seen.faults:
        print(f"FAULT: {fault}")
    return 4 if seen.faults else 0
