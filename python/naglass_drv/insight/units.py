"""Units of columns, and numbers as people write them: ``<1e-10``, ``3.2 ± 0.4``, ``1.25(4)``."""

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import InputError
from ..wording import SUPERSCRIPT, with_error

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_POWER = re.compile(r"([A-Za-zÅµμΩ°])([-+]?\d+)")
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
    """A cell of a table; None if it is empty. Raises InputError for what is no number."""
    if isinstance(text, (int, float)):
        return None if math.isnan(text) else Value(float(text))
    written = str(text).replace("\N{MINUS SIGN}", "-").strip()
    if written.lower() in MISSING:
        return None
    match = _VALUE.fullmatch(written)
    if match is None:
        hint = "; decimals take a point" if re.fullmatch(r"-?\d+,\d+", written) else ""
        raise InputError(f"{str(text)!r} is not a number{hint}")
    error = math.nan
    if match["digits"]:
        decimals = len(match["value"].partition(".")[2])
        error = float(match["digits"] + (match["power"] or "")) / 10**decimals
    if match["error"]:
        error = float(match["error"])
    value = float(match["value"] + (match["power"] or ""))
    return Value(value, error, {"<": -1, "≤": -1, ">": 1, "≥": 1}.get(match["sign"] or "", 0))


def split_head(head: str) -> tuple[str, str | None]:
    """Name and unit of a column: ``D (cm²/s)``, ``D [cm^2/s]``, ``temperature_K``; None if it tells no unit."""
    match = _HEAD.fullmatch(head)
    if match and match["name"]:
        text = _plain(match["round"] if match["round"] is not None else match["square"])
        # other brackets belong to the name, as in "IC (Bulk)"
        with suppress(InputError):
            unit(text)
            return match["name"], text
    for end, ending in _ENDS.items():
        if head.endswith(end) and len(head) > len(end):
            return head[: -len(end)], ending
    return head.strip(), None


def _plain(text: str) -> str:
    """A unit as pint reads it: ``cm²s⁻¹`` → ``cm^2 s^-1``, ``mol-%`` → ``mol%``."""
    text = text.strip().replace("−", "-").replace("·", " ").replace("mol-%", "mol%").replace("wt-%", "wt%")
    if any(c in text for c in "⁰¹²³⁴⁵⁶⁷⁸⁹"):
        text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: "^" + m[1].translate(_SUPERSCRIPTS) + " ", text).strip()
    return _POWER.sub(r"\1^\2", text.replace(" /", "/").replace("^ ", "^"))


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

    plain = _plain(text)
    if plain in ("", "1", "-"):
        return _registry().dimensionless
    if plain in ("%", "mol%", "wt%", "at%"):
        return _registry().percent
    try:
        return _registry().parse_units(plain)
    except (pint.errors.PintError, ValueError, AttributeError, TypeError):
        raise InputError(f"{text!r} is not a unit") from None


def capital(text: str) -> str:
    """A sentence with a capital letter, unless it begins with a name such as ``structure.P-O.peak`` or ``mean_n``."""
    first = text.split(" ", 1)[0]
    return text if set("._") & set(first.rstrip(".")) else text[:1].upper() + text[1:]


def unit_text(text: str) -> str:
    """A unit as it is printed: ``cm^2/s`` → ``cm²/s``; nothing for a number without one."""
    if text == "1":
        return ""
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
    if not start.is_compatible_with(end):
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
