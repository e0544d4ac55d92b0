"""Extended XYZ in the plain form in which frames are usually written, several times as fast as by ASE's reader and
writer, and without importing ``ase.io`` (more than a second of every process that reads a structure).

What is not plain, or has an error, is left to ASE: both functions then return None. Where they do not, the result is
ASE's, to the bit.
"""

import re
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

#: Names that ASE takes for results of a calculator or for parts of the structure.
SPECIAL = {
    "energy", "forces", "stress", "stresses", "dipole", "charges", "magmom", "magmoms", "free_energy", "energies",
    "dielectric_tensor", "born_effective_charges", "polarization", "virial", "uid", "Z", "numbers", "symbols",
    "positions", "charge", "initial_charges", "move_mask", "species", "pos",
}  # fmt: skip
_ENTRY = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*)=(?:"([^"'{}\[\]\\,]+)"|([^\s"'{}\[\]\\,=]+))(?:\s+|$)""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LOGICAL = {"T": True, "F": False, "true": True, "false": False, "True": True, "False": False, "TRUE": True,
            "FALSE": False}  # fmt: skip
_KINDS: dict[str, type] = {"S": str, "R": float, "I": int}
_DTYPES = {str: "O", float: "d", int: "i"}
_FORMATS = {"f": ("R", "%16.8f"), "i": ("I", "%8d"), "U": ("S", "%-2s"), "O": ("S", "%s")}
_TO_ESCAPE = set("\"'{}[]\\")


def parse(text: str) -> "Atoms | None":
    """The frame that `text` holds: number of atoms, comment, and a line for each atom."""
    from ase import Atoms

    head, comment, *lines = text.splitlines()
    info = _entries(comment.strip())
    if info is None or len(lines) != int(head):
        return None
    columns = _columns(str(info.pop("Properties", "species:S:1:pos:R:3")))
    lattice, periodic = info.pop("Lattice", None), info.pop("pbc", None)
    if periodic is None and lattice is not None:
        periodic = [True, True, True]
    rows = [line.split() for line in lines]
    if (
        columns is None
        or SPECIAL & info.keys() - {"charge"}
        or not (lattice is None or np.shape(lattice) == (9,))
        or not (periodic is None or (isinstance(periodic, list) and len(periodic) == 3))
        or any(len(row) != sum(width for _, _, width in columns) for row in rows)
    ):
        return None
    cells = list(zip(*rows, strict=True))
    arrays: dict[str, Any] = {}
    try:
        for name, kind, width in columns:
            own, cells = cells[:width], cells[width:]
            part = np.array([[kind(word) for word in column] for column in own], _DTYPES[kind])
            arrays[name] = part[0] if width == 1 else part.T
        frame = Atoms(
            [symbol.capitalize() for symbol in arrays.pop("species")],
            positions=arrays.pop("pos"),
            cell=None if lattice is None else np.reshape(lattice, (3, 3)),
            pbc=periodic,
            info=info,
        )
    except (ValueError, OverflowError, KeyError):
        return None
    for name, values in arrays.items():
        frame.new_array(name, values)
    return frame


def text_of(frame: "Atoms") -> str | None:
    """The frame as text, with all of its arrays and `info`; positions and arrays with eight decimals."""
    arrays = {"species": np.array(list(frame.symbols)), "pos": frame.positions}
    arrays |= {name: values for name, values in frame.arrays.items() if name not in ("numbers", "positions")}
    others = arrays.keys() - {"species", "pos"}
    if frame.calc is not None or frame.constraints or SPECIAL & (others | frame.info.keys() - {"charge"}):
        return None
    if {"Lattice", "Properties", "pbc"} & frame.info.keys() or not all(map(_NAME.fullmatch, frame.info)):
        return None
    words = [_word(value) for value in frame.info.values()]
    if any(values.ndim > 2 or values.dtype.kind not in _FORMATS for values in arrays.values()) or None in words:
        return None
    properties, formats, columns = [], [], []
    for name, values in arrays.items():
        table = values.reshape(len(frame), -1)
        letter, form = _FORMATS[values.dtype.kind]
        properties.append(f"{name}:{letter}:{table.shape[1]}")
        formats += [form] * table.shape[1]
        columns += table.T.tolist()
    cell = " ".join(map(str, frame.cell.array.ravel().tolist()))
    entries = [f'Lattice="{cell}"'] if frame.cell.any() else []
    entries.append(f"Properties={':'.join(properties)}")
    entries += [f"{key}={word}" for key, word in zip(frame.info, words, strict=True)]
    entries.append(f'pbc="{" ".join("T" if along else "F" for along in frame.pbc)}"')
    form = " ".join(formats)
    rows = [form % row for row in zip(*columns, strict=True)]
    return "\n".join([str(len(frame)), " ".join(entries), *rows, ""])


def _entries(comment: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    at = 0
    while at < len(comment):
        entry = _ENTRY.match(comment, at)
        if entry is None or entry[1] in found:
            return None
        value = _value(entry[2] or entry[3]) if entry[1] != "Properties" else entry[2] or entry[3]
        if value is None:
            return None
        found[entry[1]] = value
        at = entry.end()
    return found


def _value(text: str) -> Any:
    """Numbers, truth values or the text itself; None for what is left to ASE."""
    parts = text.split()
    if parts and all(map(_WHOLE.fullmatch, parts)):
        numbers: Any = np.array([int(part) for part in parts])
    elif parts and all(map(_REAL.fullmatch, parts)):
        numbers = np.array([float(part) for part in parts])
    elif not parts or parts[0] == "_JSON" or not text.isascii() or not any(map(_is_word, parts)):
        return None
    else:
        logical = [_LOGICAL[part] for part in parts if part in _LOGICAL]
        if len(logical) < len(parts):
            return text
        return logical if len(logical) > 1 else logical[0]
    return numbers if len(parts) > 1 else numbers[0]


def _is_word(part: str) -> bool:
    """Whether a part is no number in any notation, such as nan or 1_000."""
    try:
        float(part)
    except ValueError:
        return "_" not in part or not part.replace("_", "").isdigit()
    return False


def _columns(properties: str) -> list[tuple[str, type, int]] | None:
    """Name, type and width of the columns: species, positions, and others with names of their own."""
    fields = properties.split(":")
    if len(fields) % 3 or not all(map(re.compile(r"[1-9]\d?").fullmatch, fields[2::3])):
        return None
    names, kinds, widths = fields[::3], fields[1::3], [int(width) for width in fields[2::3]]
    if (names[:2], kinds[:2], widths[:2]) != (["species", "pos"], ["S", "R"], [1, 3]):
        return None
    others = names[2:]
    if len(set(others)) < len(others) or SPECIAL & set(others) or not set(kinds) <= _KINDS.keys():
        return None
    return [(name, _KINDS[kind], width) for name, kind, width in zip(names, kinds, widths, strict=True)]


def _word(value: Any) -> str | None:
    """An entry of the comment; None for what is left to ASE."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "ifb" and len(value) > 1:
        return f'"{" ".join(_single(each) for each in value)}"'
    if isinstance(value, str):
        if not value or _TO_ESCAPE & set(value):
            return None
        return f'"{value}"' if " " in value else value
    return _single(value) if isinstance(value, (Real, np.bool_)) else None


def _single(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "T" if value else "F"
    return f"{value}"
