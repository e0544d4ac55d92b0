"""Argument checks: each raises InputError with the argument's name and value, or returns the checked value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from ..errors import InputError

#: Symbols of the chemical elements.
ELEMENTS = frozenset(chemical_symbols[1:])


def number(name: str, value, unit: str = "", *, least: float = -np.inf) -> float:
    """A finite number of at least `least`."""
    if not _is_number(value) or not np.isfinite(value) or value < least:
        bound = "" if least == -np.inf else f" of at least {least:g}"
        raise InputError(f"{name} = {shown(value)}: must be a number{bound}{_in(unit)}")
    return float(value)


def positive(name: str, value, unit: str = "") -> float:
    """A finite number above zero."""
    if not _is_number(value) or not 0.0 < value < np.inf:
        raise InputError(f"{name} = {shown(value)}: must be a positive number{_in(unit)}")
    return float(value)


def whole(name: str, value, least: int = 0, most: int = 2**31 - 1, unit: str = "") -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise InputError(
            f"{name} = {shown(value)}: must be a whole number of at least {least} and at most {most}{_in(unit)}"
        )
    return int(value)


def flag(name: str, value) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} = {shown(value)}: must be True or False")
    return bool(value)


def choice(name: str, value, known: Iterable[str]):
    """One of the `known` words."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name} = {shown(value)}: must be one of {', '.join(known)}")
    return value


def array(name: str, value, shape: tuple, *, kind: type = float, unit: str = "", finite: bool = True) -> np.ndarray:
    """An array of numbers of a shape; letters in `shape` mean any length."""
    try:
        result = np.asarray(value)
        if result.size == 0:
            result = result.astype(float)
    except (TypeError, ValueError):
        result = np.asarray(None)
    if result.dtype.kind not in ("biuf" if kind is bool else "iuf"):
        raise InputError(f"{name} = {shown(value)}: must be numbers of the shape {_shape(shape)}{_in(unit)}")
    lengths = zip(shape, result.shape, strict=False)
    if result.ndim != len(shape) or not all(isinstance(s, str) or s == n for s, n in lengths):
        raise InputError(f"{name} = array of shape {result.shape}: must have the shape {_shape(shape)}{_in(unit)}")
    if finite and result.dtype.kind == "f" and not np.isfinite(result).all():
        place = tuple(int(n) for n in np.argwhere(~np.isfinite(result))[0])
        raise InputError(f"{name}[{','.join(map(str, place))}] = {result[place]}: must be finite{_in(unit)}")
    if kind is int and (np.asarray(result, dtype=float) != np.rint(result)).any():
        raise InputError(f"{name} = {shown(value)}: must be whole numbers")
    return result.astype(kind)


def dimensions(value) -> int:
    """Of an array; -1 for what is none."""
    try:
        return np.ndim(value)
    except ValueError:
        return -1


def elements(name: str, value, present: Iterable[str] = ()) -> tuple[str, ...]:
    """One element or several; each a chemical element, or a name that the structure has."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, (Mapping, bytes)):
        raise InputError(f"{name} = {shown(value)}: must be an element such as 'Na', or several")
    given = tuple(given)
    for one in given:
        element(name, one, present)
    return tuple(str(one) for one in given)


def element(name: str, value, present: Iterable[str] = ()) -> str:
    """A chemical element, or a name that the structure has."""
    if not isinstance(value, str) or not (value in ELEMENTS or value in present):
        raise InputError(f"{name} = {shown(value)}: is not a chemical element")
    return str(value)


def present_element(name: str, value, symbols: Iterable[str]) -> str:
    """An element of the structure."""
    known = dict.fromkeys(symbols)
    if element(name, value, known) not in known:
        raise InputError(f"{name} = {value!r}: the structure has none; it has {', '.join(known) or 'no atoms'}")
    return str(value)


def pairs(name: str, value) -> dict[tuple[str, str], float]:
    """Positive lengths (Å) per pair of elements, in the order and spelling given."""
    if not isinstance(value, Mapping):
        raise InputError(f"{name} = {shown(value)}: must map pairs to lengths, as in {{('P', 'O'): 2.0}} (Å)")
    result: dict[tuple[str, str], float] = {}
    for key, length in value.items():
        if not isinstance(key, (tuple, list)) or len(key) != 2 or not all(isinstance(one, str) for one in key):
            raise InputError(f"{name}[{shown(key)}]: a key must be a pair of elements, as in ('P', 'O')")
        where = f"{name}[{key[0]!r}, {key[1]!r}]"
        if tuple(key) in result or tuple(reversed(key)) in result:
            raise InputError(f"{where} = {length!r}: the pair is given twice")
        result[str(key[0]), str(key[1])] = positive(where, length, "Å")
    return result


def structure(name: str, value):
    """`value` if it is a valid atoms object: symbols, positions (N, 3), a cell (3, 3) and pbc (3), all usable."""
    missing = [a for a in ("get_chemical_symbols", "positions", "cell", "pbc") if not hasattr(value, a)]
    if missing:
        raise InputError(f"{name} = {shown(value)}: must be atoms, such as ase.Atoms; it has no {missing[0]}")
    symbols = list(value.get_chemical_symbols())
    positions = array("positions", value.positions, (len(symbols), 3), unit="Å", finite=False)
    if not (usable := np.isfinite(positions).all(axis=1)).all():
        atom = int(np.argmin(usable))
        bad = positions[atom][~np.isfinite(positions[atom])][0]
        raise InputError(f"positions[{atom}] = {bad} in {name}: must be finite numbers (Å)")
    cell = array("cell", np.asarray(value.cell), (3, 3), unit="Å", finite=False)
    if not np.isfinite(cell).all():
        raise InputError(f"cell = {cell.tolist()} of {name}: must be finite numbers (Å)")
    if np.shape(value.pbc) != (3,):
        raise InputError(f"{name}.pbc = {shown(value.pbc)}: must be three flags")
    return value


def structures(name: str, value) -> list:
    """One structure or several, at least one, as a list."""
    if hasattr(value, "get_chemical_symbols"):
        return [structure(name, value)]
    if isinstance(value, (str, bytes, Mapping, np.ndarray)) or not isinstance(value, Iterable):
        raise InputError(f"{name} = {shown(value)}: must be atoms or a sequence of atoms, such as ase.Atoms")
    frames = list(value)
    if not frames:
        raise InputError(f"{name} = []: there are no frames")
    for number_of, frame in enumerate(frames):
        structure(f"{name}[{number_of}]", frame)
    if not len(frames[0].get_chemical_symbols()):
        raise InputError(f"{name}[0] = {shown(frames[0])}: there are no atoms")
    return frames


def read_text(path, name: str = "path") -> str:
    """Content of a text file. Raises InputError with the path if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{name} = {shown(path)}: cannot be read: {error}") from None


def write_text(path, text: str, name: str = "path") -> None:
    """Write a text file. Raises InputError with the path if it cannot be written."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{name} = {shown(path)}: cannot be written: {error}") from None


def shown(value) -> str:
    """The given value, shortened for a message."""
    if isinstance(value, np.ndarray):
        return f"an array of the shape {value.shape}" if value.size > 8 else str(value.tolist())
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({type(value).__name__})"


def _is_number(value) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _shape(shape: tuple) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
