"""What a system could have and has not is zero, where its analysis has no row for it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ..chemistry.formers import FORMERS
from ..chemistry.ions import TRANSITION_METALS
from ..products import Quantity

Rows = Mapping[str, Quantity]
NONE_FOUND = "none found"

_ELEMENT = re.compile("[A-Z][a-z]?")
# keys of what may be found: `elements` are needed for it; `bonded` name a class of oxygen
_FOUND = tuple(
    map(
        re.compile,
        (
            r"network\..+\.Q\d+",
            r"network\..+\.oxygen\.(?:N?BO_)?(?P<bonded>.+)",
            r"topology\..+\.(?P<elements>[A-Za-z]+-[A-Za-z]+) \w+",
            r"metals\..+\.(?:label|valence|geometry|moment)\..+",
            r"redox\..+\.(?P<elements>[A-Z][a-z]?)\d*\+",
            r"hops\..+\.beside\.(?P<elements>.+)",
            r"glance\..+\.artifact\.(?P<elements>.+)",
        ),
    )
)
# families of which a system may have no member at all, below the rows that tell that they were looked for
_MAY_BE_EMPTY = (".oxygen", ".beside", ".artifact")


def with_zeros(
    systems: Mapping[str, Rows], realized: Mapping[str, Mapping[str, float]]
) -> Iterator[tuple[str, Quantity]]:
    """All rows with their system, by key in an order common to all systems, and the zeros among them.

    `realized` is the composition of each: a class of oxygen, a bond or a contact is zero only where its elements are.
    """
    order = _common_order(systems.values())
    examples = {key: row for rows in systems.values() for key, row in rows.items()}
    found = {key: match for key in order if (match := _match(key)) is not None}
    for scope, rows in systems.items():
        beside = {_family(key): row for key, row in rows.items()}
        elements = {"O", *(each for name, share in realized[scope].items() if share for each in _ELEMENT.findall(name))}
        for key in order:
            if key in rows:
                yield scope, rows[key]
            elif key in found and _family(key) in beside and _possible(found[key], elements):
                conditions = beside[_family(key)].conditions
                yield scope, replace(examples[key], value=0, error=None, note=NONE_FOUND, interval=None,
                                     conditions=conditions)  # fmt: skip


def _match(key: str) -> re.Match[str] | None:
    return next((match for pattern in _FOUND if (match := pattern.fullmatch(key)) is not None), None)


def _family(key: str) -> str:
    """The part of a key that a row of the same measurement shares."""
    stem = key.rpartition(".")[0]
    return next((stem.removesuffix(part) for part in _MAY_BE_EMPTY if stem.endswith(part)), stem)


def _possible(match: re.Match[str], elements: set[str]) -> bool:
    parts = match.groupdict()
    if parts.get("bonded"):
        former = next((element for element in FORMERS if element in elements), "")
        metals = elements & TRANSITION_METALS
        # oxygens of several metals are named by M
        elements = {"O", former, *(metals if len(metals) < 2 else "M")}
    return set(_ELEMENT.findall(parts.get("bonded") or parts.get("elements") or "")) <= elements


def _common_order(systems: Iterable[Rows]) -> list[str]:
    """All keys, each after the one that it follows in the first system that has it."""
    order: list[str] = []
    for rows in systems:
        previous, known = "", set(order)
        for key in rows:
            if key not in known:
                order.insert(order.index(previous) + 1 if previous else 0, key)
            previous = key
    return order
