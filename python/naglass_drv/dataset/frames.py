"""Labeled frames: one extended-XYZ convention, read and written in one place.

A frame is an `ase.Atoms` with the labels `info["REF_energy"]` (eV), `arrays["REF_forces"]` (N×3, eV/Å), and
where known `info["REF_stress"]` (3×3, eV/Å³, virial only, sign as in ASE: a compressed cell is negative),
`arrays["REF_spin"]` and `arrays["REF_spin_mulliken"]` (N, µB); and with `info` entries `charge` (e),
`multiplicity` (2S+1), `level` (name and short hash of the electronic settings), `group` (composition and
replica: what a split may never cut) and `source`. The per-atom text array `ion` ("V4+") is kept where it is
present, and so is `state` (N, integers from 0), which says in which of its element's states an atom is. Format:
https://github.com/libAtoms/extxyz.
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry import ions as chemistry
from ..errors import InputError
from ..files import write_bytes
from . import plain
from .shards import verified

if TYPE_CHECKING:
    from ase import Atoms

#: Integer of each atom, which of its element's states it is in; 0 where there is none.
STATE = "state"
#: As many states of an element as pair_style mace is built for.
MOST_STATES = 16
_WHOLE = (int, np.integer)
_INFO = {"charge": _WHOLE, "multiplicity": _WHOLE, "level": str, "group": str, "source": str}
_ATOM_LABELS = {"REF_forces": 3, "REF_spin": 1, "REF_spin_mulliken": 1}
# ASE refuses a stress or virial that has not nine numbers
_MARK = "raw:"
_TENSOR = re.compile(r"(?<!\S)(stress|virial)\s*=")
# rows in brackets, which ASE does not read
_ROWS = re.compile(r"(?<==)\[(\s*\[[^][=]*\]\s*,?)+\s*\]")
_LATTICE = re.compile(r"""(?<!\S)Lattice\s*=\s*["'{\[][^"'}\]]*""")
FORTRAN_EXPONENT = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)")
# larger lengths (Å) lose digits, larger labels overflow when they are squared
_MOST_A, _MOST_LABEL = 1e6, 1e12
_MAX_LINE = 1_000_000
_MAX_ATOMS = 10_000_000


def level_name(level: str) -> str:
    """The name in a frame's `level`, which is name-hash."""
    return level.rpartition("-")[0]


def read_frames(path: Path) -> list["Atoms"]:
    """All frames of an extended-XYZ file (`.gz` allowed) or an index of shards (`.json`), labeled or not.

    Raises InputError with file, frame and line if the file cannot be read, is truncated, or contains an unknown
    element, or positions or a cell that are not finite or beyond 1e6 Å.
    """
    frames = []
    for frame in each_frame(path):
        if isinstance(frame, InputError):
            raise frame
        frames.append(frame)
    if not frames:
        raise InputError(f"{path}: contains no frames")
    return frames


def each_frame(path: Path, *, raw: bool = False) -> Iterator["Atoms | InputError"]:
    """Each frame of an extended-XYZ file, or what is wrong with it; the last one where the file's structure ends.

    With `raw` all entries of the comment line are in `info` as they are written, those that ASE would move to a
    calculator or take for tensors of nine numbers included, and numbers may have Fortran's exponent D.
    """
    if path.suffix == ".json":
        yield from _each_of_shards(path, raw)
        return
    blocks = _blocks(path)
    while True:
        try:
            number, line, text = next(blocks)
        except StopIteration:
            return
        except InputError as error:
            yield error
            return
        where = f"{path}: frame {number} (line {line})"
        try:
            found = None if raw else plain.parse(text)
            if found is None:
                found = _parse_raw(text, where) if raw else _parse(text, where)
            yield _checked(found, where)
        except InputError as error:
            yield error


def _each_of_shards(index: Path, raw: bool) -> Iterator["Atoms | InputError"]:
    for path, count in verified(index):
        found = 0
        for frame in each_frame(path, raw=raw):
            found += 1
            yield frame
        if found != count:
            raise InputError(f"{path}: has {found} frames, but {index.name} lists {count}")


def read_labeled(path: Path) -> list["Atoms"]:
    """Like `read_frames`, for frames with labels: each frame has passed `check_labeled`."""
    frames = read_frames(path)
    for number, frame in enumerate(frames):
        check_labeled(frame, f"{path}: frame {number}")
    return frames


def write_frames(path: Path, frames: Sequence["Atoms"]) -> bool:
    """Write `frames` as extended XYZ under a temporary name and rename; `.gz` compresses.

    Positions and labels keep eight decimals. A file that already has the same content is left untouched, so
    that anything that depends on it stays valid. Returns whether the file was written.
    """
    data = "".join(map(as_text, frames)).encode()
    return write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def as_text(frame: "Atoms") -> str:
    """A frame as extended XYZ; calculators and constraints are left out."""
    own = _for_disk(frame)
    text = plain.text_of(own)
    if text is not None:
        return text
    from ase.io.extxyz import write_xyz

    stream = io.StringIO()
    write_xyz(stream, [own])
    return stream.getvalue()


def check_labeled(frame: "Atoms", where: str) -> None:
    """Raise InputError (beginning with `where`) unless the frame follows the convention of this module.

    Checked: the five `info` entries and their types, what `check_labels` does, and an electron count that the
    multiplicity allows.
    """
    for key, kind in _INFO.items():
        value = frame.info.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = "text that is not a number" if kind is str else "an integer"
            raise InputError(f"{where}: {key} is {value!r}; must be {wanted}")
    check_labels(frame, where)
    check_states(frame, where)
    check_multiplicity(frame, int(frame.info["charge"]), int(frame.info["multiplicity"]), where)


def check_labels(frame: "Atoms", where: str) -> None:
    """Raise InputError (beginning with `where`) unless the frame has an energy and forces, and these and what further
    labels it has are finite numbers of the right shapes; so with its temperature.
    """
    if "REF_energy" not in frame.info:
        raise InputError(f"{where}: no REF_energy")
    energy = frame.info["REF_energy"]
    if not _is_number(energy) or not abs(energy) < _MOST_LABEL:
        raise InputError(f"{where}: REF_energy is {energy!r}; must be a finite number in eV, within {_MOST_LABEL:g}")
    if "REF_forces" not in frame.arrays:
        raise InputError(f"{where}: no REF_forces")
    for key, width in _ATOM_LABELS.items():
        if key in frame.arrays:
            shape = (len(frame), width) if width > 1 else (len(frame),)
            _finite(frame.arrays[key], shape, f"{where}: {key}", _MOST_LABEL)
    if "REF_stress" in frame.info:
        _finite(frame.info["REF_stress"], (3, 3), f"{where}: REF_stress", _MOST_LABEL)
    check_temperature(frame, where)


def check_temperature(frame: "Atoms", where: str) -> None:
    """Raise InputError unless `temperature_K`, where the frame has it, is a finite number of at least 0."""
    kelvin = frame.info.get("temperature_K", 0.0)
    if not _is_number(kelvin) or not 0 <= kelvin < np.inf:
        raise InputError(f"{where}: temperature_K is {kelvin!r}; must be a finite number of at least 0")


def check_states(frame: "Atoms", where: str) -> None:
    """Raise InputError unless states, where the frame has them, are an integer from 0 to 15 for each atom."""
    if STATE not in frame.arrays:
        return
    states = np.asarray(frame.arrays[STATE])
    if states.dtype.kind not in "iu" or states.shape != (len(frame),):
        raise InputError(
            f"{where}: {STATE} has shape {states.shape} and type {states.dtype}; must be an integer for each atom"
        )
    bad = np.flatnonzero((states < 0) | (states >= MOST_STATES))
    if len(bad):
        raise InputError(
            f"{where}: {STATE} of atom {bad[0] + 1} ({frame.symbols[bad[0]]}) is {states[bad[0]]}; must be from 0 to "
            f"{MOST_STATES - 1}"
        )


def keep_states(source: "Atoms", target: "Atoms") -> None:
    """Give `target` the states of `source`, if it has any."""
    if STATE in source.arrays:
        target.set_array(STATE, source.arrays[STATE])


def check_multiplicity(frame: "Atoms", charge: int, multiplicity: int, where: str) -> None:
    """Raise InputError (beginning with `where`) unless `multiplicity` fits the number of electrons."""
    try:
        chemistry.check_parity(int(frame.numbers.sum()) - charge, multiplicity, charge)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def is_isolated_atom(frame: "Atoms") -> bool:
    """Whether the frame gives an element's E0 (mace-torch's convention) and is not trained on."""
    return len(frame) == 1 and frame.info.get("config_type") == "IsolatedAtom"


def digest(frame: "Atoms") -> str:
    """Short hash of elements, positions and cell (to 1e-6 Å), periodicity, states, charge and multiplicity."""
    spin = f"{frame.info.get('charge', 0)} {frame.info.get('multiplicity', 0)}"
    return _digest(frame, spin)


def structure_digest(frame: "Atoms") -> str:
    """Short hash of elements, positions and cell (to 1e-6 Å), periodicity and states: of the structure, not of its
    label."""
    return _digest(frame, "")


def _digest(frame: "Atoms", more: str) -> str:
    state = hashlib.sha256()
    state.update(np.asarray(frame.numbers, "<i4").tobytes())
    # adding zero turns -0.0 into 0.0, which would otherwise hash differently
    for lengths in (frame.positions, frame.cell.array):
        state.update((np.round(lengths, 6) + 0.0).astype("<f8").tobytes())
    state.update(np.asarray(frame.pbc, "u1").tobytes())
    state.update(more.encode())
    if STATE in frame.arrays and np.any(frame.arrays[STATE]):
        state.update(np.asarray(frame.arrays[STATE], "<i4").tobytes())
    return state.hexdigest()[:16]


def shortest_distance_A(frame: "Atoms") -> float:
    """Shortest distance (Å) between two atoms or an atom and its own image; infinite for one free atom."""
    from ..core.graph import neighbors

    for cutoff in (2.0, 4.0, 8.0, 16.0, 32.0):
        distances = neighbors(frame, cutoff).distances
        if len(distances):
            return float(distances.min())
    return float("inf")


def _blocks(path: Path) -> Iterator[tuple[int, int, str]]:
    """Frame number, line number (from 1) and text of each frame of an XYZ file."""
    opener: Any = gzip.open if path.suffix == ".gz" else open
    number, line = 0, 1
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            while head := _line(file, path, line):
                if not head.strip():
                    line += 1
                    continue
                count = _atom_count(head, f"{path}: frame {number} (line {line})")
                lines = [head]
                for offset in range(count + 1):
                    lines.append(_line(file, path, line + 1 + offset))
                    if not lines[-1]:
                        where = f"{path}: frame {number} (line {line})"
                        raise InputError(f"{where}: the file ends after {max(offset - 1, 0)} of {count} atoms")
                yield number, line, "".join(lines)
                number, line = number + 1, line + count + 2
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read (frame {number}): {reason}") from error


def _line(file: Any, path: Path, line: int) -> str:
    text = file.readline(_MAX_LINE)
    if len(text) == _MAX_LINE:
        raise InputError(f"{path}: line {line} is longer than {_MAX_LINE} characters: not an XYZ file")
    return text


def _atom_count(head: str, where: str) -> int:
    text = head.strip()
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:12]) <= _MAX_ATOMS):
        raise InputError(f"{where}: {text[:40]!r} is not a number of atoms")
    return int(text)


def _parse_raw(text: str, where: str) -> "Atoms":
    from ase.io.extxyz import key_val_str_to_dict

    entries: dict[str, Any] = {}

    def geometry_of(line: str) -> dict[str, Any]:
        line = _LATTICE.sub(lambda lattice: FORTRAN_EXPONENT.sub("e", lattice[0]), line)
        line = _ROWS.sub(lambda rows: f'"{re.sub(r"[][,]", " ", rows[0])}"', line)
        parsed = key_val_str_to_dict(_TENSOR.sub(rf"{_MARK}\1=", line))
        entries.update({key.removeprefix(_MARK): value for key, value in parsed.items()})
        periodic = np.asarray(entries.get("pbc", True))
        if periodic.dtype.kind not in "biu" or periodic.size not in (1, 3):
            raise ValueError(f"pbc is {entries['pbc']!r}")
        return {key: entries.pop(key) for key in ("Lattice", "Properties", "pbc") if key in entries}

    count, comment, *rows = text.splitlines(keepends=True)
    try:
        frame = _parse(text, where, geometry_of)
    except InputError:
        if not any(FORTRAN_EXPONENT.search(row) for row in rows):
            raise
        rows = [FORTRAN_EXPONENT.sub("e", row) for row in rows]
        frame = _parse("".join([count, comment, *rows]), where, geometry_of)
    frame.info = entries
    return frame


def _parse(text: str, where: str, entries_of: Callable[[str], dict[str, Any]] | None = None) -> "Atoms":
    from ase.io.extxyz import key_val_str_to_dict, read_xyz

    try:
        frame = next(iter(read_xyz(io.StringIO(text), index=0, properties_parser=entries_of or key_val_str_to_dict)))
    except MemoryError:
        raise
    # the parser raises almost anything on foreign text; whatever it is, the frame is bad
    except Exception as error:
        raise InputError(f"{where}: not a frame of extended XYZ ({type(error).__name__}: {error})") from error
    return frame


def _checked(frame: "Atoms", where: str) -> "Atoms":
    _finite(frame.positions, (len(frame), 3), f"{where}: pos", _MOST_A)
    _finite(frame.cell.array, (3, 3), f"{where}: Lattice", _MOST_A)
    if (frame.numbers < 1).any():
        raise InputError(f"{where}: an atom without an element")
    if frame.pbc.any() and frame.cell.volume < 1e-6:
        raise InputError(f"{where}: periodic, but the cell has no volume")
    for key, value in frame.info.items():
        if isinstance(value, np.generic):
            frame.info[key] = value.item()
    stress = frame.info.get("REF_stress")
    if isinstance(stress, np.ndarray) and stress.shape == (9,):
        frame.info["REF_stress"] = stress.reshape(3, 3)
    return frame


def _is_number(value: Any) -> bool:
    return isinstance(value, (float, int, np.floating, np.integer)) and not isinstance(value, bool)


def _finite(values: Any, shape: tuple[int, ...], where: str, most: float) -> None:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.shape != shape:
        raise InputError(f"{where}: has shape {array.shape} and type {array.dtype}; must be numbers of shape {shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise InputError(f"{where}: the value is not finite at index {bad[0].tolist()}")
    far = np.argwhere(np.abs(array) > most)
    if len(far):
        raise InputError(f"{where}: {array[tuple(far[0])]:g} at index {far[0].tolist()}; must be within {most:g}")


def _for_disk(frame: "Atoms") -> "Atoms":
    """A copy without what ASE would write in its own way: calculator, constraints, a matrix in `info`."""
    copy = frame.copy()
    copy.calc = None
    copy.set_constraint()
    if "REF_stress" in copy.info:
        copy.info["REF_stress"] = np.asarray(copy.info["REF_stress"]).flatten()
    return copy
