"""The verbs before a run: init, validate, doctor, plugins."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from . import checks as input_checks
from . import reference, systems
from .insighted import outlook
from .run import site_settings


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add init, validate, doctor and plugins."""
    init = add("init", _init, "write a complete, commented input.yaml")
    init.add_argument("folder", nargs="?", type=Path, default=Path("."), help="folder to write it to (default: here)")
    check = add("validate", _validate, "check an input file and report every error")
    check.add_argument("input", type=Path)
    check.add_argument(
        "--lint",
        action="store_true",
        help="also write a CP2K input for every reference set and check it with the installed CP2K and its schema",
    )
    check.add_argument(
        "--schema", type=Path, metavar="XML", help="check them against this schema (cp2k_input.xml) instead"
    )
    add("doctor", _doctor, "check MPI, LAMMPS, plugins, torch, MACE, CP2K and the machine")
    add("plugins", _plugins, "print the folder of the LAMMPS plugins (for LAMMPS_PLUGIN_PATH)")


def _init(options: argparse.Namespace) -> int:
    from ..files import check_target, write_bytes
    from ..paths import data_file

    target = options.folder / "input.yaml"
    check_target(options.folder, "folder", folder=True)
    if os.path.lexists(target):
        raise InputError(f"{target}: already exists and is not overwritten")
    write_bytes(target, data_file("config", "example.yaml").read_bytes())
    print(f"{target} written; next: python -m naglass_drv validate {target}")
    print(
        "It shows the whole chain within minutes; its model of a few labels will not be stable, and gives no results."
    )
    return 0


def _validate(options: argparse.Namespace) -> int:
    from ..config import cost
    from ..config.load import load_study
    from ..config.source import dotted
    from ..workflow.chain import stages_of

    checks = input_checks.Checks()
    study = load_study(options.input, checks=[checks])
    source = options.input.resolve().parent
    said: set[str] = set()
    for input, document in study.with_own_sets():
        notes = [*reference.warnings(input, document, str(options.input))]
        notes += reference.check_spins(input, document, source)
        if options.lint or options.schema:
            notes += reference.lint(input, source, site_settings(), options.schema)
        for line in notes:
            if line not in said:
                print(line, flush=True)
        said.update(notes)
    rounds = len(study.by_round)
    loop = f"; up to {rounds} rounds, round 0 and those of learn" if rounds > 1 else ""
    print(f"{options.input}: OK; stages: {', '.join(stages_of(study.by_round)) or 'none'}{loop}")
    if "" not in study.systems:
        print(systems.table(study))
    found = [item for inputs in study.rounds.values() for item in cost.of_rounds(inputs, checks.counts)]
    shown = found if "" in study.systems else cost.totals(found)
    width = max((len(dotted(item.where)) for item in shown), default=0)
    for item in shown:
        print(f"  {dotted(item.where):{max(width, 13)}s} {item}")
    for line in outlook(study, source):
        print(line)
    if (ranks := max(cost.ranks(input) for inputs in study.rounds.values() for input in inputs)) > 1:
        print(f"  start it with mpirun -n {ranks} or higher")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine

    return examine()


def _plugins(options: argparse.Namespace) -> int:
    from ..paths import plugin_folder

    print(plugin_folder())
    return 0
