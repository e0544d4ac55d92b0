"""What an input may leave out or write otherwise: the density of a known glass, and the flat form of a level, with its
options beside its name instead of in the mapping `level`.

level: pbe+u+d3             level: {name: pbe+u+d3, cutoff_Ry: 600}
cutoff_Ry: 600
"""

from collections.abc import Iterator
from typing import Any

from ..chemistry.densities import known_density
from ..chemistry.ions import species
from ..chemistry.level import Level
from ..errors import InputError
from .source import Document, Where

_OPTIONS = Level.model_fields.keys() - {"name"}


def nest_levels(document: Document) -> None:
    """Put the options of flat levels into their mapping; errors keep their places in the file.

    A set with both forms is an error.
    """
    for where, item in list(_sets(document.value, ())):
        given, options = item.get("level"), [key for key in item if key in _OPTIONS]
        # an override by the name of its set may have options alone
        override = isinstance(where[-1], str) and "level" not in item and options
        if isinstance(given, dict):
            for key in options:
                document.fault((*where, key), "level is a mapping here; write this option into it")
        elif isinstance(given, str) or override:
            item["level"] = {"name": given} if given else {}
            document.move((*where, "level"), (*where, "level", "name"))
            for key in options:
                item["level"][key] = item[key]
                document.move((*where, key), (*where, "level", key))
        for key in options:
            del item[key]


def _sets(value: Any, where: Where) -> Iterator[tuple[Where, dict[str, Any]]]:
    """Every reference set of an input, also in overrides, with its place: by its number, or by its name."""
    for key, part in _parts(value):
        if key == "reference":
            yield from (((*where, key, name), item) for name, item in _parts(part) if isinstance(item, dict))
        else:
            yield from _sets(part, (*where, key))


def _parts(value: Any) -> list[tuple[str | int, Any]]:
    return list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []


def look_up_density(document: Document) -> str | None:
    """Give a system that states no density the one that is known of its glass, and return the source of that.

    Without one, an error is recorded at the system.
    """
    system = document.value.get("system")
    if not isinstance(system, dict) or "density_g_cm3" in system or not isinstance(system.get("composition"), dict):
        return None
    source = None
    try:
        units = int(system.get("formula_units", 1))
        ions = species({str(key): int(count) for key, count in system["composition"].items()}, units)
    except (InputError, TypeError, ValueError):
        # the composition has an error of its own
        system["density_g_cm3"] = None
    else:
        try:
            system["density_g_cm3"], source = known_density(ions)
        except InputError as error:
            system["density_g_cm3"] = None
            document.fault(("system",), str(error))
    if source is None:
        document.faulty.add(("system", "density_g_cm3"))
    return source
