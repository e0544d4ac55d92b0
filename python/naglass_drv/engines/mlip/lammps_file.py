"""Potentials as a text file of LAMMPS commands in units metal: read as data, no line reaches LAMMPS unchecked.

    # elements Na V P O
    pair_style pedone 15.0
    pair_coeff 1 4 0.023363 1.763867 3.006315
    kspace_style pppm 1e-5
    set type 1 charge 0.6

Types are the elements of the first line, in order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...chemistry.ions import SYMBOLS
from ...errors import InputError
from ...files import read_bounded

_MOST_BYTES, _MOST_FILE = 1 << 20, 1 << 28
_ELEMENTS = re.compile(r"#\s*elements((?:\s+[A-Z][a-z]?)+)\s*$")
# no variable, quote, continuation or path that leads out of the folder
_WORD = re.compile(r"[A-Za-z0-9_.+\-*/]+$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
#: Pair styles that only compute: none runs Python or TorchScript, opens a library, writes, or needs a fix or molecules.
PAIR_STYLES = frozenset({
    "born", "born/coul/dsf", "born/coul/long", "born/coul/wolf", "born/gauss", "buck", "buck/coul/cut",
    "buck/coul/long", "buck/long/coul/long", "buck/mdf", "coul/cut", "coul/debye", "coul/dsf", "coul/long",
    "coul/slater/long", "coul/wolf", "dispersion/d3", "eam", "eam/alloy", "eam/fs", "gauss", "gauss/cut",
    "hybrid", "hybrid/overlay", "lj/cut", "lj/cut/coul/cut", "lj/cut/coul/dsf",
    "lj/cut/coul/long", "lj/cut/coul/wolf", "lj/long/coul/long", "lj/smooth", "lj/smooth/linear", "meam",
    "mie/cut", "morse", "morse/smooth/linear", "nb3b/harmonic", "nb3b/screened", "nm/cut", "nm/cut/coul/long",
    "pedone", "pod", "snap", "sw", "sw/mod", "table", "tersoff", "tersoff/mod", "tersoff/zbl", "uf3",
    "vashishta", "yukawa", "zbl", "zero",
})  # fmt: skip
_LONG_RANGE = ("ewald", "ewald/disp", "pppm", "pppm/disp", "msm")


@dataclass
class LammpsFile:
    """The commands with absolute paths, the elements by type, charges (e) by element, and the files that are read."""

    elements: list[str]
    commands: list[str] = field(default_factory=list)
    charges: dict[str, float] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def read_lammps_file(path: Path) -> LammpsFile:
    """The potential in `path`. Raises InputError, naming file, line and word, for all that is not on the list."""
    try:
        text = read_bounded(path, _MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from None
    lines = text.splitlines()
    head = _ELEMENTS.match(lines[0]) if lines else None
    if head is None:
        raise InputError(f"{path}:1: must name the elements by type, as '# elements Na V P O'")
    found = LammpsFile(head[1].split())
    if unknown := [element for element in found.elements if element not in SYMBOLS]:
        raise InputError(f"{path}:1: {unknown[0]!r}: no element")
    if len(set(found.elements)) < len(found.elements):
        raise InputError(f"{path}:1: an element has one type: {' '.join(found.elements)}")
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if words:
            _take(found, words, f"{path}:{number}", path.parent.resolve())
    for command in ("pair_style", "pair_coeff"):
        if not any(line.startswith(command) for line in found.commands):
            raise InputError(f"{path}: has no {command}")
    return found


def _take(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    for word in words:
        if not _WORD.match(word):
            raise InputError(f"{where}: {word!r}: not a word of letters, digits and _.+-*/")
    command = words[0]
    if command not in _COMMANDS:
        raise InputError(f"{where}: {command!r}: not one of {', '.join(_COMMANDS)}")
    _COMMANDS[command](found, words, where, folder)


def _units(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    if words[1:] != ["metal"]:
        raise InputError(f"{where}: units {' '.join(words[1:])!r}: must be metal")


def _pair_style(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    if len(words) < 2:
        raise InputError(f"{where}: pair_style without a style")
    several = words[1].startswith("hybrid")
    styles = [word for word in words[1:] if re.match("[A-Za-z]", word)] if several else words[1:2]
    for style in styles:
        # of a hybrid, the styles follow with their arguments, some of which are words
        if style not in PAIR_STYLES and (style == words[1] or "/" in style or (several and style not in _ARGUMENTS)):
            raise InputError(f"{where}: pair_style {style!r}: not one of those that only compute (docs/potentials.md)")
    found.commands.append(" ".join(words))


# words that pair styles take beside numbers
_ARGUMENTS = frozenset({
    "long", "cut", "off", "linear", "spline", "lookup", "ewald", "pppm", "original", "damped", "zero", "zerom",
    "bj", "bjm", "pbe", "bloc",
})  # fmt: skip


def _pair_coeff(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    for position, word in enumerate(words[3:], start=3):
        if word.startswith("/") or ".." in Path(word).parts:
            raise InputError(f"{where}: {word!r}: a file of coefficients lies beside the commands")
        file = folder / word
        if file.is_file():
            if not file.resolve().is_relative_to(folder) or file.stat().st_size > _MOST_FILE:
                raise InputError(f"{where}: {word!r}: leads out of {folder}, or is larger than {_MOST_FILE >> 20} MiB")
            if not _WORD.match(str(file)):
                raise InputError(f"{where}: {file}: LAMMPS takes paths of letters, digits and _.+-*/ alone")
            found.files.append(file)
            words[position] = str(file)
        elif "." in word and not _NUMBER.match(word):
            raise InputError(f"{where}: {file}: no such file")
    found.commands.append(" ".join(words))


def _kspace_style(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    if len(words) < 2 or words[1] not in _LONG_RANGE or not all(map(_NUMBER.match, words[2:])):
        raise InputError(f"{where}: kspace_style: must be one of {', '.join(_LONG_RANGE)} and an accuracy")
    found.commands.append(" ".join(words))


def _plain(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    found.commands.append(" ".join(words))


def _set(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    if len(words) != 5 or words[1] != "type" or words[3] != "charge" or not _NUMBER.match(words[4]):
        raise InputError(f"{where}: {' '.join(words)!r}: must be 'set type N charge Q'")
    if not words[2].isdigit() or not 1 <= int(words[2]) <= len(found.elements):
        raise InputError(f"{where}: type {words[2]!r}: must be from 1 to {len(found.elements)}")
    found.charges[found.elements[int(words[2]) - 1]] = float(words[4])


def _mass(found: LammpsFile, words: list[str], where: str, folder: Path) -> None:
    """Masses are those of the elements, whatever the file says."""


_COMMANDS: dict[str, Callable[[LammpsFile, list[str], str, Path], None]] = {
    "units": _units,
    "pair_style": _pair_style,
    "pair_coeff": _pair_coeff,
    "pair_modify": _plain,
    "kspace_style": _kspace_style,
    "kspace_modify": _plain,
    "mass": _mass,
    "set": _set,
}
