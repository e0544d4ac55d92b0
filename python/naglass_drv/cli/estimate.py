"""The verb estimate: what a run will take."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..wording import counted, digits, duration
from . import billed, checks
from .numbers import add_number
from .run import work_of

if TYPE_CHECKING:
    from ..runtime.forecast import Forecast

# a task is forecast from one whose size is off by a larger factor: that is said
_NEAR = 5.0
_LIMITS = (
    "times are good within a factor of 2 or so near sizes that were measured on this machine; shipped times are of a "
    "small one, and those scaled by more than 5 may be off by more"
)
_HEAD = ("stage", "tasks", "ranks", "GPUs", "core hours", "GPU hours", "from")


def add_verbs(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add estimate."""
    estimate = add("estimate", _estimate, "estimate tasks, core hours, wall time and disk of an input before it is run")
    estimate.add_argument("input", type=Path)
    add_number(
        estimate, "--ranks", kind=int, least=1, most=65_536, help="ranks of the job (default: the most requested)"
    )
    estimate.add_argument("--site", help="also hours in the unit of this center's bill, and lines for a request")
    add_number(estimate, "--weeks", kind=int, least=1, most=520, help="with --site: a plan over so many weeks")


def _estimate(options: argparse.Namespace) -> int:
    from ..config import cost
    from ..config.load import load_study
    from ..runtime.forecast import forecast, known_times
    from ..stages import load

    if options.weeks and options.site is None:
        raise InputError(f"--weeks {options.weeks}: is given without --site, whose bill it is about")
    center = _center(options.site) if options.site is not None else None
    found = checks.Checks()
    study = load_study(options.input, checks=[found])
    work = work_of(study)
    ranks = options.ranks or max(work["ranks"].values(), default=1)
    source = options.input.resolve().parent
    expected = forecast(work["workflow"](), load, source, source / "run", {}, ranks, known_times())
    disk = sum(item.disk for inputs in study.rounds.values() for item in cost.of_rounds(inputs, found.counts))
    for line in lines(expected, ranks, cost.shown(disk)):
        print(line)
    if center is not None:
        job = billed.Job(ranks, max((row.gpus for row in expected.rows.values()), default=0))
        for line in billed.lines(expected, center, job, cost.shown(disk)):
            print(line)
        if options.weeks:
            print("\n".join(billed.plan_lines(expected, center, options.weeks)))
    if (rounds := len(study.by_round)) > 1:
        print(f"an upper bound: all {rounds} rounds, every frame labeled; a loop that has converged ends earlier")
    if any(item.relax for inputs in study.rounds.values() for input in inputs for item in input.reference):
        print("an upper bound: every relaxation takes max_steps; most come to rest earlier")
    return 0


def _center(name: str) -> "billed.Center":
    from ..config.site import load_site
    from ..config.slurm import bill_of, slurm_of

    own = load_site()
    slurm, path = slurm_of(name, own.slurm)
    return billed.Center(slurm, bill_of(name, own.bill)[0], path)


def lines(expected: "Forecast", ranks: int, disk: str) -> list[str]:
    """The table of a forecast, with its totals and limits."""
    table = [_HEAD]
    for name, row in expected.rows.items():
        cells = (str(row.tasks), str(row.ranks), str(row.gpus), _hours(row.core_s), _hours(row.gpu_s))
        scaled = f", scaled by {digits(row.scaled, 2)}" if row.scaled > _NEAR else ""
        table.append((name, *cells, (" and ".join(sorted(row.sources)) or "unknown") + scaled))
    total = [sum(getattr(row, key) for row in expected.rows.values()) for key in ("tasks", "core_s", "gpu_s")]
    table.append(("in total", str(total[0]), "", "", _hours(total[1]), _hours(total[2]), ""))
    widths = [max(len(row[k]) for row in table) for k in range(len(_HEAD))]
    text = ["  ".join(f"{cell:{width}s}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    text.append(f"wall time on {counted(ranks, 'rank')}: about {duration(expected.wall_s)}")
    text.append(_LIMITS)
    text.append(f"disk: about {disk}")
    for name, row in expected.rows.items():
        text += [f"not included: {name}, since no time of {work} is known" for work in sorted(row.unknown)]
    text += [f"not foreseen: {line}" for line in expected.unforeseen]
    return text


def _hours(seconds: float) -> str:
    return "-" if not seconds else digits(seconds / 3600, 2)
