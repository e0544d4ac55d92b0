"""The verb insight: what a property of glasses depends on, from tables or run folders."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .numbers import MAX_SEED, add_number
from .proposed import sections_of

if TYPE_CHECKING:
    from ..insight.design import Wishes
    from ..insight.mapping import Map
    from ..insight.table import Table

_ROLES = ("target", "group", "family", "source", "replica", "error", "temperature", "carrier")


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add insight."""
    verb = add("insight", _insight, "learn what a property depends on, and what of it can be claimed")
    verb.add_argument("sources", nargs="+", type=Path, help="tables (CSV, Parquet, Excel), or folders of runs")
    verb.add_argument("--target", metavar="COLUMN", help="property to explain; for runs the key of a quantity")
    verb.add_argument("--group", metavar="COLUMN", help="rows that are one glass (default: those of one composition)")
    verb.add_argument("--family", metavar="COLUMN", help="families of glasses, for the strictest split")
    verb.add_argument("--source", metavar="COLUMN", help="where a row comes from")
    verb.add_argument("--replica", metavar="COLUMN", help="number of a replica; not a feature")
    verb.add_argument("--error", metavar="COLUMN", help="standard errors of the target")
    verb.add_argument("--temperature", metavar="COLUMN", help="temperature of the measurement")
    verb.add_argument(
        "--carrier", metavar="WHO", help="whose conductivity the target is: a column, or total, electron, ion, Na, …"
    )
    verb.add_argument("--composition-unit", choices=("mol%", "wt%", "1", "formula"), help="unit of the composition")
    verb.add_argument("--log-ratios", action="store_true", help="composition as log-ratios; default: drop one share")
    verb.add_argument("--unit", action="append", default=[], metavar="COLUMN=UNIT", help="unit of a column")
    verb.add_argument("--block", action="append", default=[], metavar="NAME=A,B", help="features used together")
    verb.add_argument("--features", metavar="A,B", help="features to use (default: all other columns of numbers)")
    verb.add_argument("--ignore", metavar="A,B", help="columns to leave out")
    verb.add_argument("--where", action="append", default=[], metavar="COLUMN=TEXT", help="use these rows only")
    verb.add_argument("--map", type=Path, metavar="FILE", help="all of this as YAML")
    verb.add_argument("--format", choices=("sciglass", "obelix", "interglad"), help="database that wrote the table")
    verb.add_argument("--potential", choices=("rigid-ion", "machine-learned", "first-principles"),
                      help="features are of glasses simulated with it")  # fmt: skip
    verb.add_argument("--scale", choices=("auto", "log", "linear"), default="auto", help="how the target is learned")
    verb.add_argument("--models", metavar="A,B", help="models to compare (default: all)")
    add_number(
        verb,
        "--alpha",
        least=0.001,
        most=0.5,
        default=0.05,
        help="chance of a false claim in the study (default: 0.05)",
    )
    add_number(verb, "--permutations", kind=int, least=99, default=999, metavar="N", help="permutations of the null")
    add_number(verb, "--seed", kind=int, least=0, most=MAX_SEED, default=0, help="seed (default: 0)")
    design = verb.add_argument_group("design", "compositions to run next, written as next.yaml")
    add_number(design, "--design", kind=int, least=1, most=50, default=0, metavar="N", help="how many (default: none)")
    design.add_argument(
        "--aim", choices=("maximum", "minimum", "information"), help="what to look for (default: maximum)"
    )
    design.add_argument("--bounds", action="append", default=[], metavar="OXIDE=LOW:HIGH", help="shares in mol-%%")
    design.add_argument(
        "--cost", action="append", default=[], metavar="OXIDE=COST", help="cost per mol-%% (default: 1)"
    )
    add_number(design, "--density", above=0, metavar="G_CM3", help="density of the proposed glasses")
    add_number(
        design,
        "--atoms",
        kind=int,
        least=2,
        help="least atoms of a cell (default: 200); it has as many more as its shares take",
    )
    verb.add_argument("--output", "-o", type=Path, default=Path("insight"), help="folder to write (default: insight)")


def _insight(options: argparse.Namespace) -> int:
    from ..files import check_target, write_bytes
    from ..insight import design
    from ..insight.atom_rows import is_of_atoms, words_of
    from ..insight.claims import hashes
    from ..insight.models import MODELS
    from ..insight.outputs import write_study
    from ..insight.runs import WORDS
    from ..insight.study import Settings, check, study
    from ..insight.table import counts_text, is_binary
    from ..insight.tries import NAME as TRIES
    from ..insight.tries import counted_tries

    check_target(options.output, "--output", folder=True, inputs=options.sources)
    for name in ("aim", "bounds", "cost", "density", "atoms"):
        if not options.design and (value := getattr(options, name)):
            shown = value[0] if isinstance(value, list) else value
            raise InputError(f"--{name} {shown}: is for proposed compositions; give their number with --design")
    wishes = _wishes(options) if options.design else None
    table, given = _table(options)
    sources = hashes(options.sources, words_of(given.target) if is_of_atoms(given.target) else WORDS)
    models = tuple(options.models.split(",")) if options.models else MODELS
    settings = Settings(models, options.scale, options.alpha, 1, options.permutations, options.seed)
    print(f"{table.name}: {counts_text(table)}")
    if is_binary(table):
        return _atoms(options, table, sources)
    # a table that is refused is not a try
    check(table, settings)
    _tell_notes(table)
    if wishes is not None:
        design.check(table, wishes)
    tries = counted_tries(options.output, sources, given.model_dump() | {"scale": options.scale, "models": models})
    if tries > 1:
        # a study that is repeated is not one more
        told = f"{tries} studies of this table, this one included ({options.output / TRIES})"
        print(f"{told}: the chance of a false claim, {options.alpha:g}, is divided among them")
    settings = replace(settings, tries=tries)
    found = study(table, settings, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
    told = write_study(options.output, found, sources)
    try:
        if wishes is not None:
            proposed = design.proposals(found, wishes)
            text = design.as_input(found, proposed, wishes.aim, options.density, sections_of(table, options.sources))
            write_bytes(options.output / "next.yaml", text.encode())
            print(f"proposed compositions: {options.output / 'next.yaml'}")
    finally:
        # what was learned is told, also where it allows no proposal
        for line in told:
            print(line)
        print(f"written: {options.output / 'claims.yaml'}, {options.output / 'report.html'}")
    return 0


def _atoms(options: argparse.Namespace, table: "Table", sources: dict[str, str]) -> int:
    """The study of a target that is 0 or 1, such as whether an atom is mobile."""
    from ..insight.outputs import write_atoms

    for name, given in (("design", options.design), ("models", options.models), ("scale", options.scale != "auto")):
        if given:
            told = f"is for targets of other values; {table.name} is 0 or 1, and learned per atom"
            raise InputError(f"--{name} {getattr(options, name)}: {told}")
    _tell_notes(table)
    for line in write_atoms(options.output, table, sources, alpha=options.alpha, seed=options.seed):
        print(line)
    print(f"written: {options.output / 'claims.yaml'}, {options.output / 'report.html'}")
    return 0


def _tell_notes(table: "Table") -> None:
    """What was done to rows and columns, such as those that are left out."""
    for note in table.notes:
        print(f"  {note}", file=sys.stderr, flush=True)


def _wishes(options: argparse.Namespace) -> "Wishes":
    from ..config.schema import DENSITIES_G_CM3
    from ..insight.design import Wishes

    if options.density is None:
        raise InputError("--design: give the density of the proposed glasses with --density, in g/cm3")
    least, most = DENSITIES_G_CM3
    if not least <= options.density <= most:
        raise InputError(f"--density {options.density:g}: must be from {least:g} to {most:g} g/cm3")
    bounds = {}
    for name, value in _pairs(options.bounds, "--bounds").items():
        text = f"--bounds {name}={value}"
        bounds[name] = tuple(_number(part, text) for part in value.split(":"))
        if len(bounds[name]) != 2:
            raise InputError(f"{text}: must be an oxide, '=' and two numbers, as in Na2O=30:50")
    cost = {name: _number(value, f"--cost {name}={value}") for name, value in _pairs(options.cost, "--cost").items()}
    return Wishes(options.aim or "maximum", options.design, bounds or None, cost or None, options.atoms or 200)


def _number(text: str, option: str) -> float:
    try:
        if math.isfinite(value := float(text)):
            return value
    except ValueError:
        pass
    raise InputError(f"{option}: {text!r} is not a number")


def _table(options: argparse.Namespace) -> tuple["Table", "Map"]:
    """The table of the sources, all of one kind, and the map that it was read by."""
    from ..insight.atom_rows import is_of_atoms, read_atoms, table_of_atoms, words_of
    from ..insight.build import build_table
    from ..insight.columns import refuse_unknown
    from ..insight.databases import of_database
    from ..insight.runs import is_run, measured_in, read_run, table_of_runs
    from ..insight.sources import read_frame

    given = asked = _map(options)
    runs = [path for path in options.sources if is_run(path)]
    if not runs:
        frames = [read_frame(path) for path in options.sources]
        if options.format:
            frames, given = of_database(options.format, frames, given)
        refuse_unknown(frames, asked)
        return build_table(frames, given), given
    if others := [path for path in options.sources if path not in runs]:
        raise InputError(f"{others[0]}: not the folder of a run, as {runs[0]} is; tables and runs are studied apart")
    if options.format:
        raise InputError(f"--format {options.format}: {runs[0]} is the folder of a run")
    if is_of_atoms(target := given.target):
        found = [read_atoms(target, measured_in(path, words_of(target)), str(path)) for path in runs]
        refuse_unknown(found, asked)
        return table_of_atoms(given, found), given
    found = [read_run(path) for path in runs]
    refuse_unknown(found, asked)
    return table_of_runs(given, found)


def _map(options: argparse.Namespace) -> "Map":
    """The map in the file, with what the options say over it."""
    from ..insight.mapping import Map, read_map

    given = read_map(options.map) if options.map else Map()
    said: dict[str, Any] = {role: value for role in _ROLES if (value := getattr(options, role)) is not None}
    for name in ("features", "ignore"):
        if (text := getattr(options, name)) is not None:
            said[name] = [word.strip() for word in text.split(",")]
    said |= {name: value for name in ("composition_unit", "potential") if (value := getattr(options, name)) is not None}
    if options.log_ratios:
        said["log_ratios"] = True
    said["units"] = given.units | _pairs(options.unit, "--unit")
    said["where"] = given.where | _pairs(options.where, "--where")
    listed = _pairs(options.block, "--block")
    said["blocks"] = given.blocks | {name: [word.strip() for word in text.split(",")] for name, text in listed.items()}
    return given.model_copy(update=said)


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Values by name. Raises InputError for a name that is given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name and value):
            raise InputError(f"{option} {text}: must be a name, '=' and a value")
        if name in found:
            raise InputError(f"{option} {text}: {name} is already given, as {found[name]}")
        found[name] = value
    return found
