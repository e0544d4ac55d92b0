"""Values in an input of CP2K: numbers with units, logicals, and the one section or keyword that is looked for.

Units are products of powers (``hartree*bohr^-1``): https://manual.cp2k.org/#units.
"""

import math
import re
from collections.abc import Sequence

from ...errors import InputError
from .parse.evaluation import BOHR_A, GPA_PER_EV_A3, HARTREE_EV
from .tree import Section

#: Sections that add to the energy or the forces of &DFT, or replace them.
ADDED_TO_DFT = tuple(
    f"FORCE_EVAL/{name}" for name in ("EXTERNAL_POTENTIAL", "RESCALE_FORCES", "MIXED", "EMBED", "QMMM", "BSSE")
)
_ON = ("", "T", "TRUE", ".T.", ".TRUE.", "Y", "YES", "ON", "1")
_OFF = ("F", "FALSE", ".F.", ".FALSE.", "N", "NO", "OFF", "0")
# CODATA 2018 (10.1103/RevModPhys.93.025010): the atomic unit of time, and one joule in eV
_AU_TIME_FS = 2.4188843265857e-2
_JOULE_EV = 1 / 1.602176634e-19
_KJMOL_EV = 1e3 * _JOULE_EV / 6.02214076e23
_PA = 1e-9 / GPA_PER_EV_A3
_NEWTON = _JOULE_EV * 1e-10
# each in eV, Å, fs, rad and their products: forces in eV/Å, pressures in eV/Å³
_UNITS = {
    "angstrom": 1.0, "bohr": BOHR_A, "au_l": BOHR_A, "pm": 1e-2, "nm": 10.0, "m": 1e10,
    "ev": 1.0, "kev": 1e3, "hartree": HARTREE_EV, "au_e": HARTREE_EV, "ry": HARTREE_EV / 2, "joule": _JOULE_EV,
    "kjmol": _KJMOL_EV, "kcalmol": 4.184 * _KJMOL_EV, "k_e": 8.617333262e-5,
    "fs": 1.0, "ps": 1e3, "s": 1e15, "au_t": _AU_TIME_FS, "rad": 1.0, "deg": math.pi / 180,
    "bar": 1e5 * _PA, "kbar": 1e8 * _PA, "atm": 101325 * _PA, "pa": _PA, "mpa": 1e6 * _PA, "gpa": 1e9 * _PA,
    "n": _NEWTON, "newton": _NEWTON, "mn": 1e-3 * _NEWTON, "mnewton": 1e-3 * _NEWTON, "au_f": HARTREE_EV / BOHR_A,
}  # fmt: skip
_POWER = re.compile(r"([a-z_]+)(?:\^([-+]?\d))?")
_FACTOR = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[ED][-+]?\d{1,3})?)([*/]|$)", re.IGNORECASE)


def only(section: Section, path: str) -> Section:
    """The one section at `path`; InputError if there is none or more than one."""
    found = section.sections(path)
    if len(found) != 1:
        raise InputError(f"the input has {len(found)} sections &{path} instead of one")
    return found[0]


def words(section: Section, *names: str) -> list[str] | None:
    """The words of the only line of a keyword, by any of its names; None without one."""
    lines = section.lines(*names)
    if len(lines) > 1:
        raise InputError(f"{names[0]} appears {len(lines)} times in &{section.name}")
    return lines[0].words if lines else None


def word(section: Section, *names: str) -> str | None:
    """The first word of a keyword's value; None where there is none."""
    return next(iter(words(section, *names) or ()), None)


def text(section: Section, *names: str) -> str | None:
    """The whole value of a keyword, which is a name of a file; None without one."""
    words(section, *names)
    return next((line.value for line in section.lines(*names)), None)


def logical(section: Section, *names: str, default: bool = False) -> bool:
    """Whether a keyword is switched on; alone on its line it is."""
    found = words(section, *names)
    return default if found is None else is_on((found or [""])[0], names[0])


def is_on(value: str, name: str) -> bool:
    """A logical value as CP2K spells it. InputError for another word."""
    if value.upper() not in _ON + _OFF:
        raise InputError(f"{name} {value}: must be true or false")
    return value.upper() in _ON


def integers(section: Section, *names: str, default: Sequence[int]) -> tuple[int, ...]:
    """The whole numbers of a keyword, as many as `default` has."""
    found = words(section, *names)
    if found is None:
        return tuple(default)
    if len(found) != len(default) or not all(re.fullmatch(r"[-+]?\d{1,9}", value) for value in found):
        wanted = "an integer" if len(default) == 1 else f"{len(default)} integers"
        raise InputError(f"{names[0]} {' '.join(found)[:60]}: must be {wanted}")
    return tuple(map(int, found))


def unit_value(unit: str) -> float:
    """One `unit` in eV, Å, fs and rad. InputError for one that is not supported."""
    value = 1.0
    for part in unit.strip().lower().split("*"):
        match = _POWER.fullmatch(part.strip())
        if match is None or match[1] not in _UNITS:
            raise InputError(f"unit {unit.strip()[:40]!r} is not supported; must be one of {', '.join(_UNITS)}")
        value *= _UNITS[match[1]] ** int(match[2] or 1)
    return value


def quantities(found: Sequence[str], unit: str, count: int, what: str) -> list[float]:
    """`count` numbers, each in the last unit in brackets before it (``[nm] 0.6``), by default `unit`.

    In eV, Å, fs and rad. InputError (naming `what`) for fewer or more.
    """
    numbers = []
    scale = unit_value(unit)
    for value in found:
        if value[:1] == "[" and value[-1:] == "]":
            scale = unit_value(value[1:-1])
        else:
            numbers.append(real(value, what) * scale)
    if len(numbers) != count:
        raise InputError(f"{what} {' '.join(found)[:60]!r}: must be {count} numbers")
    return numbers


def real(value: str, what: str) -> float:
    """A number in CP2K's input syntax: Fortran (6.0D0), a product or a fraction (19/3). InputError otherwise."""
    number, sign, at = 1.0, "*", 0
    while sign:
        match = _FACTOR.match(value, at)
        factor = 0.0 if match is None else float(match[1].upper().replace("D", "E"))
        if match is None or (sign == "/" and factor == 0.0):
            raise InputError(f"{what} {value[:60]!r}: is not a number")
        number = number * factor if sign == "*" else number / factor
        sign, at = match[2], match.end()
    if not math.isfinite(number):
        raise InputError(f"{what} {value[:60]!r}: is not finite")
    return number
