"""What the columns of a user's table mean: a map in YAML, and the options of the command line over it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from ..errors import InputError
from ..fields import Positive, Section
from ..files import read_bounded

Potential = Literal["rigid-ion", "machine-learned", "first-principles"]
_MOST_BYTES = 1 << 20


def _written(value: Any) -> Any:
    """A number as the text that a table has of it."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


_Text = Annotated[str, BeforeValidator(_written)]


class Map(Section):
    """Columns by role. Names are those of the heads, without their units.

    `units` gives the unit of a column whose head tells none, or another one to convert it to. `blocks` holds sets of
    features that are only used together; features that are in none go by their names. `where` keeps the rows with these
    texts. `potential` tells that the features are of simulated glasses, and of which potential.
    """

    target: str | None = None
    group: str | None = None
    family: str | None = None
    source: str | None = None
    replica: str | None = None
    error: str | None = None
    temperature: str | None = None
    carrier: str | None = None
    composition: list[str] = Field(default_factory=list)
    composition_unit: Annotated[Literal["mol%", "wt%", "1", "formula"] | None, BeforeValidator(_written)] = None
    log_ratios: bool = False
    units: dict[str, _Text] = Field(default_factory=dict)
    features: list[str] = Field(default_factory=list)
    ignore: list[str] = Field(default_factory=list)
    blocks: dict[str, list[str]] = Field(default_factory=dict)
    where: dict[str, _Text] = Field(default_factory=dict)
    potential: Potential | None = None
    quench_rate_K_per_ps: Positive | None = None


def read_map(path: Path) -> Map:
    """The map in a YAML file. Raises InputError, which names the line or the first key that is wrong."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(read_bounded(path, _MOST_BYTES).decode("utf-8"))
    except OSError as error:
        raise InputError(f"--map {path}: {error.strerror}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(f"{path}:{mark.line + 1}: not valid YAML: {error.problem or error.context}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of roles to columns")
    try:
        return Map(**{str(key): value for key, value in content.items()})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise InputError(f"{path}: {where}: not a known key; known are {', '.join(Map.model_fields)}") from None
        told = first["msg"].replace("Input should be", "must be")
        raise InputError(f"{path}: {where}: {told}, not {repr(first['input'])[:60]}") from None
