"""What the columns of a user's table mean: a map in YAML, and the options of the command line over it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ..errors import InputError
from ..fields import Positive, Section

Potential = Literal["rigid-ion", "machine-learned", "first-principles"]


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
    composition_unit: Literal["mol%", "wt%", "1", "formula"] | None = None
    log_ratios: bool = False
    units: dict[str, str] = Field(default_factory=dict)
    features: list[str] = Field(default_factory=list)
    ignore: list[str] = Field(default_factory=list)
    blocks: dict[str, list[str]] = Field(default_factory=dict)
    where: dict[str, str] = Field(default_factory=dict)
    potential: Potential | None = None
    quench_rate_K_per_ps: Positive | None = None


def read_map(path: Path) -> Map:
    """The map in a YAML file. Raises InputError, which names the first key that is wrong."""
    from ruamel.yaml import YAML, YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a mapping of roles to columns")
    try:
        return Map(**{str(key): value for key, value in content.items()})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        known = f"; known are {', '.join(Map.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise InputError(f"{path}: {where}: {first['msg']}{known}") from None
