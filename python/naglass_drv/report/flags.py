"""What the pages of the systems flag, on the page of their series."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..wording import counted
from .numbers import Cell, Link, Notice, Table

Flags = Sequence[Mapping[str, str]]


def flags_of(report: Path) -> Flags:
    """The flags in a report.json; none in those of earlier versions."""
    return json.loads(report.read_text(encoding="utf-8")).get("flags", [])


def page_of(scope: str, pages: Mapping[str, str]) -> Cell:
    """The page of a system as a link, or a dash without one."""
    return Link(pages[scope], pages[scope]) if scope in pages else "–"


def flagged(flags: Mapping[str, Flags], pages: Mapping[str, str]) -> list[Notice | Table]:
    """How many systems have flags of each topic, and a table of all; empty if nothing is flagged."""
    flags = {scope: own for scope, own in flags.items() if own}
    topics = dict.fromkeys(flag["topic"] for own in flags.values() for flag in own)
    if not topics:
        return []
    counts = {topic: sum(any(flag["topic"] == topic for flag in own) for own in flags.values()) for topic in topics}
    kind = "bad" if any(flag["kind"] == "bad" for own in flags.values() for flag in own) else "note"
    told = ", ".join(f"{topic.lower()} in {counted(count, 'system')}" for topic, count in counts.items())
    rows = [
        [scope, topic, _said([flag for flag in own if flag["topic"] == topic]), page_of(scope, pages)]
        for scope, own in flags.items()
        for topic in dict.fromkeys(flag["topic"] for flag in own)
    ]
    return [
        Notice(kind, f"{told}.", "Flagged:"),
        Table(["system", "flag", "", "page"], rows, "What the pages of the systems flag, where it is explained."),
    ]


def _said(flags: Flags) -> str:
    names = dict.fromkeys(flag["name"] for flag in flags)
    return "; ".join(f"{name}: {', '.join(flag['text'] for flag in flags if flag['name'] == name)}" for name in names)
