"""Tasks that were given to a job of their own: the file that lists them, and the plan that carries them out."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError, SetupError
from .attempts import attempts
from .failure import Outcome
from .files import read_json, write_json
from .keys import Keys
from .store import Store, Ticket
from .task import Stage


def write(path: Path, bundles: Sequence[Sequence[Ticket]]) -> None:
    """Write the tasks of each job of an array."""
    write_json(path, {"bundles": [[_plain(ticket) for ticket in bundle] for bundle in bundles]})


def keys_of(path: Path) -> list[set[tuple[str, str]]]:
    """Labels and keys of the tasks of each job of an array; an empty list if the file is damaged."""
    bundles = (read_json(path) or {}).get("bundles", [])
    return [{(f"{item['step']}/{item['name']}", item["key"]) for item in bundle} for bundle in bundles]


def read(path: Path, number: int, store: Store) -> list[Ticket]:
    """The tickets of one job of an array; those whose task has another key by now are left out.

    Raises InputError if there is no such file or job.
    """
    bundles = (read_json(path) or {}).get("bundles")
    if not isinstance(bundles, list):
        raise InputError(f"{path}: not a list of tasks")
    if not 0 <= number < len(bundles):
        raise InputError(f"{path}: has the jobs 0 to {len(bundles) - 1}, not {number}")
    return [ticket for item in bundles[number] if (ticket := _ticket(item, store)) is not None]


def _plain(ticket: Ticket) -> dict[str, Any]:
    previous = ticket.previous.name if ticket.previous else None
    return {
        "step": ticket.step,
        "name": ticket.task.name,
        "key": ticket.key,
        "attempt": ticket.attempt,
        "previous": previous,
        "why": ticket.why,
    }


def _ticket(item: Mapping[str, Any], store: Store) -> Ticket | None:
    task = store.issued(item["step"], item["name"], item["key"])
    if task is None:
        return None
    folder = store.step_folder(item["step"]) / item["name"]
    # one of the attempts there are, and no other path
    previous = next((path for path in attempts(folder) if path.name == item["previous"]), None)
    return Ticket(item["step"], task, item["key"], item["attempt"], previous, tuple(item["why"]))


class Worklist:
    """The plan of a job that carries out given tasks, whatever else the run has."""

    def __init__(self, tickets: Sequence[Ticket], ready: Callable[[list[Ticket]], None]):
        self.failures: list[Outcome] = []
        self._tickets = list(tickets)
        self._left = len(self._tickets)
        self._ready = ready

    @property
    def ended(self) -> bool:
        """Whether all tasks have ended."""
        return self._left == 0

    def advance(self) -> None:
        """Let the tasks be carried out."""
        tickets, self._tickets = self._tickets, []
        self._ready(tickets)

    def over(self, ticket: Ticket, outcome: Outcome) -> None:
        """Note the end of a task."""
        self._left -= 1
        if outcome.exit_code:
            self.failures.append(outcome)


def check_as_planned(tickets: Sequence[Ticket], store: Store, keys: Keys, stages: Callable[[str], Stage]) -> None:
    """Raise SetupError if a task would not be here what its key says: other programs, another naglass, other files."""
    for ticket in tickets:
        folder = store.task_folder(ticket)
        planned = (read_json(folder / "task.json") or {})["parts"]
        task = ticket.task
        now = keys.parts(task.settings, task.inputs, task.tools, stages(task.stage).revision)
        for part in ("tools", "inputs", "naglass", "revision"):
            if now[part] != planned[part]:
                raise SetupError(
                    f"{ticket.label}: was planned with {part} {planned[part]}, but here it is {now[part]}; naglass "
                    f"{__version__} of {Path(__file__).parents[1]}"
                )
