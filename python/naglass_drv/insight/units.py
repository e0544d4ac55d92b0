"""Units of columns, and numbers as people write them: ``<1e-10``, ``3.2 ± 0.4``, ``1.25(4)``."""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..chemistry.ions import SYMBOLS
from ..chemistry.notation import ON_THE_LINE
from ..errors import InputError
from ..wording import SUPERSCRIPT, with_error
from .blocks import is_component

#: Units that are numbers, and of which none can be converted to another.
SHARES = frozenset({"mol%", "wt%", "at%"})
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_POWER = re.compile(r"([A-Za-zÅµμΩ°])([-+]?\d+)")
# of IUPAC, as "D / cm2 s-1"; without spaces it is a ratio, unless a temperature stands before it
_QUOTIENT = re.compile(r"\s*(?P<name>.*\S)\s+/\s+(?P<unit>\S.*?)\s*")
_TEMPERATURE_QUOTIENT = re.compile(r"\s*(?P<name>[^/]*\S)\s*/\s*(?P<unit>°?[CF]|K|deg[CF])\s*")
_TEMPERATURE = re.compile(r"(?i:.*temperature.*)|[Tt]|T_?(?:g|m|x|c|p|f|liq|sol)")
# what one reads of a temperature, and pint as coulomb and farad
_OF_TEMPERATURES = {"C": "degC", "F": "degF"}
_PERCENT_OF = re.compile(r"(mol|mole|wt|weight|mass|at|atom|atomic)[\s.-]*%")
_PERCENTS = {"mole": "mol", "weight": "wt", "mass": "wt", "atom": "at", "atomic": "at"}
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_LARGEST = 1e100
_HEAD = re.compile(r"\s*(?P<name>.*?)\s*(?:\((?P<round>[^()]*)\)|\[(?P<square>[^\[\]]*)\])\s*")
# the ends of names that naglass itself writes
_ENDS = {
    "_mol_percent": "mol%", "_wt_percent": "wt%", "_fraction": "1", "_m2_per_s": "m^2/s", "_cm2_per_s": "cm^2/s",
    "_S_per_m": "S/m", "_S_per_cm": "S/cm", "_g_cm3": "g/cm^3", "_K": "K", "_C": "degC", "_eV": "eV", "_A": "angstrom",
    "_ps": "ps", "_GPa": "GPa", "_deg": "deg",
}  # fmt: skip
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = re.compile(
    r"\s*(?P<sign>[<>≤≥])?=?\s*(?P<value>[-+]?(?:\d+\.?\d*|\.\d+))(?:\((?P<digits>\d+)\))?(?P<power>[eE][-+]?\d+)?"
    rf"\s*(?:(?:±|\+/-)\s*(?P<error>{_NUMBER}))?\s*"
)
MISSING = {"", "-", "–", "nan", "na", "n/a", "none", "null", "missing"}


@dataclass(frozen=True)
class Value:
    """A number with what was written beside it: `bound` is -1 for ``<1e-10``, 1 for ``>5``, else 0."""

    value: float
    error: float = math.nan
    bound: int = 0


def number(text: Any) -> Value | None:
    """A cell of a table; None if it is empty. Raises InputError for what is no number, or beyond 1e100."""
    if isinstance(text, (int, float)):
        return None if math.isnan(text) else Value(_in_reach(float(text), text))
    written = str(text).replace("\N{MINUS SIGN}", "-").strip()
    if written.lower() in MISSING:
        return None
    match = _VALUE.fullmatch(written)
    if match is None:
        hint = "; decimals take a point" if _DECIMAL_COMMA.fullmatch(written) else ""
        raise InputError(f"{str(text)!r} is not a number{hint}")
    error = math.nan
    if match["digits"]:
        decimals = len(match["value"].partition(".")[2])
        error = float(match["digits"] + (match["power"] or "")) / 10**decimals
    if match["error"]:
        error = float(match["error"])
    value = float(match["value"] + (match["power"] or ""))
    _in_reach(0.0 if math.isnan(error) else error, text)
    return Value(_in_reach(value, text), error, {"<": -1, "≤": -1, ">": 1, "≥": 1}.get(match["sign"] or "", 0))


def _in_reach(value: float, text: Any) -> float:
    if abs(value) > _LARGEST:
        raise InputError(f"{str(text)!r} is beyond {_LARGEST:g}")
    return value


def is_meant_as_number(text: Any) -> bool:
    """Whether a cell is a number, or one with a comma for its point."""
    written = str(text).replace("\N{MINUS SIGN}", "-").strip()
    return bool(_VALUE.fullmatch(written) or _DECIMAL_COMMA.fullmatch(written))


def split_head(head: str) -> tuple[str, str | None]:
    """Name and unit of a column: ``D (cm²/s)``, ``D [cm^2/s]``, ``D / cm2 s-1``, ``temperature_K``; None if it tells no
    unit. Components are written with their digits on the line, and C of a temperature is degC.
    """
    name, text = _split(head)
    name = name.translate(ON_THE_LINE) if is_component(name) else name
    return name, text if text is None else unit_of(name, text)


def unit_of(name: str, text: str) -> str:
    """The unit that a column is said to have, as pint reads it: ``C`` of a temperature is ``degC``."""
    plain = plain_unit(text)
    return _OF_TEMPERATURES.get(plain, plain) if _TEMPERATURE.fullmatch(name) else plain


def _split(head: str) -> tuple[str, str | None]:
    if (match := _HEAD.fullmatch(head)) and match["name"]:
        text = plain_unit(match["round"] if match["round"] is not None else match["square"])
        name = match["name"].removesuffix("/").rstrip()
        # other brackets belong to the name, as in "IC (Bulk)"
        if _is_unit(text) and (name == match["name"] or _divides(name, text)):
            return name, text
    if (match := _TEMPERATURE_QUOTIENT.fullmatch(head)) and _TEMPERATURE.fullmatch(match["name"]):
        return match["name"], plain_unit(match["unit"])
    if (match := _QUOTIENT.fullmatch(head)) and _divides(match["name"], text := plain_unit(match["unit"])):
        return match["name"], text
    for end, ending in _ENDS.items():
        if head.endswith(end) and len(head) > len(end):
            return head[: -len(end)], ending
    return head.strip(), None


def _is_unit(text: str) -> bool:
    try:
        unit(text)
    except InputError:
        return False
    return True


def _divides(name: str, text: str) -> bool:
    """Whether what stands after a slash is a unit: letters and elements also make ratios, as in "Na / P", "c / a"."""
    if not name or name in SYMBOLS or (text in SYMBOLS and text not in ("K", "Pa")):
        return False
    return (text in "Kmsg" or not re.fullmatch("[A-Za-z]", text)) and _is_unit(text)


def plain_unit(text: str) -> str:
    """A unit as pint reads it: ``cm²s⁻¹`` → ``cm^2 s^-1``, ``mol-%`` and ``mol %`` → ``mol%``."""
    text = text.strip().replace("−", "-").replace("·", " ")
    if match := _PERCENT_OF.fullmatch(text):
        return f"{_PERCENTS.get(match[1], match[1])}%"
    if any(c in text for c in "⁰¹²³⁴⁵⁶⁷⁸⁹"):
        text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: "^" + m[1].translate(_SUPERSCRIPTS) + " ", text).strip()
    return " ".join(_POWER.sub(r"\1^\2", text.replace(" /", "/").replace("^ ", "^")).split())


@cache
def _registry() -> Any:
    import pint

    registry = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    # of eV/atom
    registry.define("atom = []")
    return registry


@cache
def unit(text: str) -> Any:
    """The unit of pint. Raises InputError for a text that is none."""
    import pint

    plain = plain_unit(text)
    if plain in ("", "1", "-"):
        return _registry().dimensionless
    if plain in ("%", "mol%", "wt%", "at%"):
        return _registry().percent
    try:
        return _registry().parse_units(plain)
    except (pint.errors.PintError, ValueError, AttributeError, TypeError, AssertionError, SyntaxError):
        raise InputError(f"{text!r} is not a unit") from None


def unit_text(text: str) -> str:
    """A unit as it is printed: ``cm^2/s`` → ``cm²/s``, ``mol%`` → ``mol-%``; nothing for a number without one."""
    if text == "1":
        return ""
    if text in SHARES:
        return text.replace("%", "-%")
    return re.sub(r"\^(-?\d+)", lambda match: match[1].translate(SUPERSCRIPT), text)


def with_unit(value: float, text: str) -> str:
    """A value without an error, with its unit if it has one."""
    return f"{with_error(value, None)} {unit_text(text)}".strip()


def converted(value: float, given: str, wanted: str, delta: bool = False) -> float:
    """`value` in another unit; `delta` for a difference or an error. Raises InputError if the units do not fit."""
    import pint

    if given == wanted:
        return value
    start, end = unit(given), unit(wanted)
    # shares of the mass are none of the atoms, though both are numbers
    if not start.is_compatible_with(end) or len({plain_unit(each) for each in (given, wanted)} & SHARES) > 1:
        raise InputError(f"{given} cannot be converted to {wanted}")
    registry = _registry()
    try:
        if delta:
            # a difference knows no zero of the scale
            return float(registry.Quantity(1.0, start).to(end).m - registry.Quantity(0.0, start).to(end).m) * value
        return float(registry.Quantity(value, start).to(end).m)
    except pint.errors.PintError as error:
        raise InputError(f"{given} cannot be converted to {wanted}: {error}") from None


def measures(text: str, example: str) -> bool:
    """Whether a unit has the dimension of the unit `example`."""
    return bool(unit(text).is_compatible_with(unit(example)))
