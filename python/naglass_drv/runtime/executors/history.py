"""Attempts that ended without a word, by which poisoned tasks and bad hosts are known."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ...wording import counted
from .. import events, progress
from ..attempts import ATTEMPT, DONE, FAILED, asked_again, attempts, number_of
from ..failure import Outcome
from ..files import read_json
from ..store import Store, Ticket

SET_ASIDE = "SET_ASIDE"
# so many attempts in a row that get no further, or different tasks on one host
LIMIT = 3
_ENVIRONMENT = "ENVIRONMENT"


class Try(NamedTuple):
    """An attempt that was killed or stopped, or failed for lack of something on its host; `reached` is its progress."""

    folder: Path
    host: str
    job: str
    started: float
    reached: float
    said: str


def outcome_of_jobs(store: Store, ticket: Ticket, since: float) -> tuple[Outcome | None, list[Try]]:
    """How jobs since the time `since` (s since the epoch) have ended a task, None if it has to be run again, and the
    attempts that did not end it.
    """
    folder, tries = store.task_folder(ticket), list[Try]()
    made = attempts(folder)
    for attempt in made:
        record = read_json(attempt / ATTEMPT) or {}
        mine = record.get("key") == ticket.key and record.get("started", 0.0) >= since
        if not mine or asked_again(folder, number_of(attempt)):
            continue
        failed = read_json(attempt / FAILED) or {}
        by_name = bool(failed) and failed.get("failure") != _ENVIRONMENT
        if by_name and attempt == made[-1]:
            return _failed(ticket, attempt, failed), []
        tries = [] if by_name or (attempt / DONE).exists() else [*tries, _try(attempt, record, failed)]
    return None, tries


def _try(attempt: Path, record: Mapping[str, Any], failed: Mapping[str, Any]) -> Try:
    reached = (progress.read(attempt) or {}).get("done", 0.0)
    host, job = str(record.get("host", "?")), str(record.get("job", ""))
    return Try(attempt, host, job, float(record["started"]), float(reached), str(failed.get("message", "")))


def _failed(ticket: Ticket, attempt: Path, record: Mapping[str, Any]) -> Outcome:
    log = record.get("log")
    return Outcome(
        ticket.label,
        attempt,
        int(record.get("exit_code") or 4),
        str(record.get("failure")),
        str(record.get("message")),
        Path(log) if isinstance(log, str) else None,
        str(record.get("command") or ""),
    )


def poisoned(ticket: Ticket, tries: Sequence[Try]) -> Outcome | None:
    """The outcome of a task whose last attempts all ended where an earlier one had been already; None for others."""
    best, idle = -1.0, 0
    for each in tries:
        idle = 1 if each.reached > max(best, 0.0) else idle + 1
        best = max(best, each.reached)
    if idle < LIMIT:
        return None
    last = tries[-idle:]
    where = ", ".join(f"{each.folder.name} on {each.host}{f' (job {each.job})' if each.job else ''}" for each in last)
    said = next((f"; {each.said}" for each in reversed(last) if each.said), "")
    message = f"{counted(idle, 'attempt')} in a row have ended without getting further: {where}{said}"
    return Outcome(ticket.label, last[-1].folder, 4, SET_ASIDE, message, resumable=True)


def bad_hosts(folder: Path, tries: Mapping[str, Sequence[Try]]) -> dict[str, list[str]]:
    """Hosts on which LIMIT different tasks have ended in vain, none of which has done any task since; with the tasks.

    `tries` has the attempts of each task that is not done; `folder` is the run folder.
    """
    found: dict[str, dict[str, float]] = {}
    for label, each in tries.items():
        for item in each:
            found.setdefault(item.host, {})[label] = item.started
    suspects = {host: labels for host, labels in found.items() if len(labels) >= LIMIT}
    for event in events.read(folder) if suspects else ():
        labels = suspects.get(str(event.get("host")))
        if event["event"] == "done" and labels is not None:
            at = datetime.fromisoformat(event["time"]).timestamp()
            suspects[event["host"]] = {label: time for label, time in labels.items() if time > at}
    return {host: sorted(labels) for host, labels in suspects.items() if len(labels) >= LIMIT}
