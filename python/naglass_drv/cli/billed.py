"""What a run costs on a machine: hours in the unit of its center, lines for a request, a plan over weeks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config.bill import Bill, Fact
from ..config.site import line_of, own_place
from ..config.slurm import Slurm
from ..errors import InputError
from ..runtime.batch import nodes_for
from ..runtime.forecast import Forecast, Row
from ..wording import counted, digits, duration

_WEEK_H = 168.0


@dataclass(frozen=True)
class Center:
    """A center: what its jobs look like, what an hour costs, and the file that says so."""

    slurm: Slurm
    bill: Bill
    path: Path | None

    @property
    def unknown(self) -> list[str]:
        """Lines of the profile that have to be filled in before hours can be given."""
        facts = {"rate": self.bill.rate, "normalized": self.bill.normalized}
        text = [f"not known: {line_of(self.path, 'bill', key)}" for key, fact in facts.items() if fact.value is None]
        place = own_place(self.path) or " there"
        return [*text, f"state what is not known, with its source and the day,{place}"] if text else []


@dataclass(frozen=True)
class Job:
    """The job that a run would be submitted as: ranks, and GPUs per node."""

    ranks: int
    gpus: int


def hours_of(rows: Mapping[str, Row], bill: Bill) -> dict[str, float | None]:
    """Hours in the unit of the bill that the tasks of each stage take."""
    return {name: bill.used(row.core_s / 3600.0, row.gpu_s / 3600.0) for name, row in rows.items()}


def lines(expected: Forecast, center: Center, job: Job, disk: str) -> list[str]:
    """The bill by stage, and what a request for hours has to state."""
    bill, slurm = center.bill, center.slurm
    if slurm.cores_per_node is None:
        where, place = line_of(center.path, "slurm", "cores_per_node"), own_place(center.path)
        raise InputError(f"{where}: is not known (scontrol show node tells); state it{place or ' there'}")
    if job.gpus > slurm.gpus_per_node:
        where = line_of(center.path, "slurm", "gpus_per_node")
        raise InputError(f"md.gpus: {job.gpus}: {where} is {slurm.gpus_per_node}")
    nodes = nodes_for(job.ranks, 1, slurm.cores_per_node)
    wall_h = expected.wall_s / 3600.0
    node = (slurm.cores_per_node, slurm.gpus_per_node)
    reserved = bill.reserved(wall_h, job.ranks, nodes, job.gpus, node)
    used = hours_of(expected.rows, bill)
    text = [f"{bill.machine}, {bill.unit}:"]
    text += [f"  {name:10s} {_in_units(hours, bill)}" for name, hours in used.items()]
    known = [hours for hours in used.values() if hours is not None]
    total = sum(known) if len(known) == len(used) else None
    text.append(f"  in tasks   {_in_units(total, bill)}")
    text.append(f"  reserved   {_in_units(reserved, bill)}, by a chain of jobs that has all ranks from start to end")
    text += [f"  {line}" for line in center.unknown]
    jobs = max(1, math.ceil(wall_h / slurm.longest_h)) if slurm.longest_h else None
    length = f"{counted(jobs, 'job')} of up to {slurm.longest_h:g} h" if jobs else "jobs; slurm.longest_h is not known"
    gpus = f", {counted(job.gpus, 'GPU')} per node" if job.gpus else ""
    text += [
        f"for a request (DARI), an estimate from {_sources(expected.rows)}, to be made anew with times measured there:",
        f"  machine: {bill.machine}",
        f"  hours: {_in_units(reserved, bill)}",
        f"  size of a job: {counted(job.ranks, 'core')} on {counted(nodes, 'node')}{gpus}",
        f"  length: {duration(expected.wall_s)} in all, a chain of {length}",
        f"  disk: {disk}",
        f"  access: {_access(reserved, bill)}",
        f"  factors: 1 hour of a {bill.counts[:-1].replace('gpu', 'GPU')} = {_fact(bill.rate, bill.unit)};"
        f" 1 {_one(bill.unit)} = {_fact(bill.normalized, 'normalized hours')}",
    ]
    return text


def weekly(expected: Forecast, bill: Bill, weeks: int, least_weeks: float) -> list[dict[str, float | None]]:
    """Hours of each stage in each of so many weeks, if the run is stretched over them evenly."""
    if least_weeks > weeks:
        raise InputError(
            f"--weeks {weeks}: the run takes {digits(least_weeks, 2)} weeks without a pause on its ranks; give it more "
            f"weeks (--weeks {math.ceil(least_weeks)}) or more ranks (--ranks)"
        )
    plan: list[dict[str, float | None]] = [{} for _ in range(weeks)]
    scale = weeks / max(expected.wall_s, 1e-9)
    for name, hours in hours_of(expected.rows, bill).items():
        row = expected.rows[name]
        first, last = row.begins_s * scale, row.ends_s * scale
        for week, shares in enumerate(plan):
            share = _overlap(first, last, week, weeks)
            if share:
                shares[name] = None if hours is None else share * hours
    return plan


def plan_lines(expected: Forecast, center: Center, weeks: int) -> list[str]:
    """The plan over weeks: stages, hours and jobs in each."""
    wall_h = expected.wall_s / 3600.0
    text = [f"over {counted(weeks, 'week')}, hours in tasks:"]
    for number, shares in enumerate(weekly(expected, center.bill, weeks, wall_h / _WEEK_H), 1):
        stages = ", ".join(f"{name} {_number(hours)}" for name, hours in shares.items())
        known = [hours for hours in shares.values() if hours is not None]
        total = _number(sum(known) if len(known) == len(shares) else None)
        text.append(f"  week {number}: {total} {center.bill.unit} ({stages or 'nothing'})")
    if longest := center.slurm.longest_h:
        jobs = math.ceil(wall_h / weeks / longest)
        text.append(
            f"  {digits(wall_h / weeks, 2)} h of jobs a week: {counted(max(1, jobs), 'job')} of up to {longest:g} h"
        )
    return text


def _overlap(first: float, last: float, week: int, weeks: int) -> float:
    """The share of the interval `first` to `last` (weeks) that lies in a week."""
    if last - first < 1e-12:
        return float(min(int(first), weeks - 1) == week)
    return max(0.0, min(last, week + 1) - max(first, week)) / (last - first)


def _in_units(hours: float | None, bill: Bill) -> str:
    text = f"{_number(hours)} {bill.unit}"
    if hours is None or bill.normalized.value in (None, 1.0):
        return text
    return f"{text} = {_number(hours * bill.normalized.value)} normalized hours"


def _sources(rows: Mapping[str, Row]) -> str:
    sources = sorted(set().union(*(row.sources for row in rows.values())))
    return " and ".join("times of this machine" if each == "this machine" else each for each in sources) or "no times"


def _access(hours: float | None, bill: Bill) -> str:
    factor, most = bill.normalized.value, bill.dynamic_access
    if most.value is None:
        return "not known: bill.dynamic_access"
    if hours is None or factor is None:
        return f"Dynamic Access up to {most.value:g} normalized hours; the factor is not known"
    kind = "Dynamic" if hours * factor <= most.value else "Regular"
    limit = f"Dynamic Access is up to {most.value:g} normalized hours at all centers together {most.origin}"
    return f"{kind} Access; {limit}"


def _fact(fact: Fact, unit: str) -> str:
    if fact.value is None:
        return "not known"
    return f"{fact.value:g} {_one(unit) if fact.value == 1 else unit} {fact.origin}"


def _one(unit: str) -> str:
    """``CPU hour`` of ``CPU hours``."""
    return unit.removesuffix("s")


def _number(hours: float | None) -> str:
    if hours is None:
        return "?"
    return digits(hours, 2) if hours else "0"
