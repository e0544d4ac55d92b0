"""The level of theory of a set of labels: its name, and what a set changes of that name's defaults.

The struct travels whole from the input through a task's settings to the method that writes CP2K's input, or to the
worker that opens a potential. A new option is one field here, and the line that it becomes there
(`engines/cp2k/theory/levels.py`).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..errors import InputError
from ..fields import NonNegative, Positive, Section, within

Name = Literal[
    "gfn1-xtb", "pbe", "pbe+d3", "pbe+u", "pbe+u+d3", "blyp", "blyp+d3", "blyp+u", "blyp+u+d3", "template", "mlip"
]  # fmt: skip
#: Names of the levels; ``template`` is a CP2K input of the user's own, ``mlip`` an interatomic potential.
NAMES: tuple[str, ...] = get_args(Name)
#: Name of the levels that are interatomic potentials, each with a title of its own.
POTENTIAL = "mlip"
#: What frames from tight binding have in place of magnetic moments: their energy does not depend on spin.
OCCUPATIONS = "occupations from tight binding"
#: Type of the validation error for an option that the level does not have.
NOT_OF_THE_LEVEL = "not_of_the_level"
_FUNCTIONALS = ("pbe", "blyp")
#: Families of potentials whose model is a file.
FILES = ("mace", "lammps")


@dataclass(frozen=True)
class Option:
    """An option of the density functionals whose names have the `part`, all of them for "", or of potentials.

    `default` holds where none is given; `what` is what the other levels lack.
    """

    what: str
    default: Any = None
    part: str = ""

    def is_of(self, name: str) -> bool:
        """Whether the level called `name` has this option."""
        if POTENTIAL in (self.part, name):
            return self.part == name
        functional, *parts = name.split("+")
        return functional in _FUNCTIONALS and (not self.part or self.part in parts)


Cutoff = Annotated[Positive, within(50, 5000)]
RelativeCutoff = Annotated[Positive, within(10, 1000)]
Hubbard = Annotated[NonNegative, within(0, 20)]
ElectronicTemperature = Annotated[Positive, within(1, 50_000)]


class Level(Section):
    """A level of theory: ``gfn1-xtb``, a functional with ``+u`` and ``+d3``, ``template``, or a potential, ``mlip``.

    Once validated, an option is None only if the level does not have it, or has nothing for it by default. Below a
    cutoff of 600 Ry sodium's semicore leaves a net force on the cell, which the label's check of the net force shows.
    """

    name: Name
    cutoff_Ry: Annotated[Cutoff | None, Option("plane-wave cutoff", 800.0)] = Field(
        None, description="Plane-wave cutoff of the density."
    )
    rel_cutoff_Ry: Annotated[RelativeCutoff | None, Option("plane-wave cutoff", 60.0)] = Field(
        None, description="Cutoff of the grid that a Gaussian of exponent 1 is put on."
    )
    u_eV: Annotated[dict[str, Hubbard] | None, Option("+U", part="u")] = Field(
        None, description="U_eff of an element's d shell (V) or of a given shell (O-2p), if not that of its KIND block."
    )
    plus_u: Annotated[Literal["mulliken", "lowdin"] | None, Option("+U", "mulliken", part="u")] = Field(
        None, description="Projector of +U."
    )
    sodium: Annotated[Literal["q9", "q1"] | None, Option("pseudopotential", "q9")] = Field(
        None, description="Electrons of sodium's pseudopotential: with the semicore, or without."
    )
    xc_smoothing: Annotated[Literal["none", "nn10"] | None, Option("density on a grid", "none")] = Field(
        None, description="Smoothing of density and potential of exchange and correlation on the grid."
    )
    smearing_K: Annotated[ElectronicTemperature | None, Option("electronic temperature")] = Field(
        None, description="Electronic temperature of Fermi-Dirac occupations; whole ones without it."
    )
    template: Path | None = Field(None, description="CP2K input of your own, for the level template.")
    family: Annotated[str | None, Option("family of potentials", part=POTENTIAL)] = Field(
        None, description="Family of the potential, for the level mlip: sevennet, chgnet, mace, lammps, ase."
    )
    model: Annotated[str | None, Option("model of a potential", part=POTENTIAL)] = Field(
        None, description="Model of the family: a name, a file of mace, MODULE:NAME of ase."
    )
    dispersion: Annotated[Literal["d3"] | None, Option("dispersion to add to a potential", part=POTENTIAL)] = Field(
        None, description="D3(BJ) of the functional of the potential's labels, added to it."
    )

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, dict):
            return given
        return _defaults(str(given.get("name"))) | {key: value for key, value in given.items() if value is not None}

    @field_validator("*")
    @classmethod
    def _is_an_option_of_the_level(cls, value: Any, info: ValidationInfo) -> Any:
        option, name = _OPTIONS.get(str(info.field_name)), info.data.get("name")
        if option is None or value is None or name is None or option.is_of(name):
            return value
        if name == "template":
            raise PydanticCustomError(NOT_OF_THE_LEVEL, "the level is that of the template")
        raise PydanticCustomError(
            NOT_OF_THE_LEVEL, "the level {name} has no {what}", {"name": name, "what": option.what}
        )

    @property
    def functional(self) -> str | None:
        """PBE or BLYP; None for tight binding and templates."""
        functional = self.name.partition("+")[0]
        return functional.upper() if functional in _FUNCTIONALS else None

    @property
    def d3(self) -> bool:
        """Whether D3(BJ) dispersion is part of the level."""
        return self.name.endswith("+d3")

    @property
    def is_potential(self) -> bool:
        """Whether an interatomic potential labels, rather than CP2K."""
        return self.name == POTENTIAL

    @property
    def title(self) -> str:
        """The name that frames carry before the hash, and that a dataset asks for."""
        if self.family is None or self.model is None:
            return self.name
        return title_of(self.family, self.model, self.dispersion is not None)

    @classmethod
    def of(cls, name: str, **options: Any) -> "Level":
        """The level called `name` with these options. Raises InputError for an unknown name or an invalid option."""
        if name not in NAMES:
            raise InputError(f"level {name!r}: not a known level; choose from {', '.join(NAMES)}")
        try:
            return cls(name=name, **options)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key, reason = ".".join(map(str, first["loc"])), first["msg"].replace("Input should", "must")
            raise InputError(f"{key} {_shown(first['input'])}: {reason}") from None

    def changed(self, **options: Any) -> "Level":
        """The same level with these options. Raises InputError as `of`."""
        return Level.of(**self.stated() | options)

    def stated(self) -> dict[str, Any]:
        """The name and all options that differ from the level's defaults, in JSON types: the arguments of `of`.

        They describe the level in the settings of a task: an option that is added to levels later changes no key. The
        text of a template is a setting of its own.
        """
        usual = _defaults(self.name)
        every = self.model_dump(mode="json", exclude_none=True, exclude={"template"})
        return {key: value for key, value in every.items() if value != usual.get(key)}

    def shown(self, key: str) -> str:
        """The value of an option in a message."""
        return _shown(getattr(self, key))


def title_of(family: str, model: str, d3: bool) -> str:
    """The name of a potential as a level: ``sevennet-7net-l3i5+d3``; that of a file is without its folder."""
    own = Path(model).name if family in FILES else model
    return re.sub(r"[^A-Za-z0-9_.+-]", "-", f"{family}-{own}") + ("+d3" if d3 else "")


def short_hash(text: str) -> str:
    """Seven hexadecimal digits of the words of `text`, after a letter, so that they are not read as a number."""
    return f"h{hashlib.sha256(' '.join(text.split()).encode()).hexdigest()[:7]}"


def is_tight_binding(label: str) -> bool:
    """Whether a level, by its name or the label of its frames, is tight binding."""
    return "xtb" in label.lower()


def moments_by(labels: Iterable[str], usual: str) -> str:
    """What the moments of frames with these labels of levels are: `usual`, `OCCUPATIONS`, or both."""
    kinds = dict.fromkeys(OCCUPATIONS if is_tight_binding(label) else usual for label in labels)
    return " and ".join(kinds) or usual


_OPTIONS: dict[str, Option] = {
    key: item for key, field in Level.model_fields.items() for item in field.metadata if isinstance(item, Option)
}


def _defaults(name: str) -> dict[str, Any]:
    """The options that the level called `name` has, where they have a default."""
    return {key: item.default for key, item in _OPTIONS.items() if item.is_of(name) and item.default is not None}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(part)}" for key, part in value.items())
    return "not given" if value is None else f"{value:g}" if isinstance(value, (int, float)) else str(value)
