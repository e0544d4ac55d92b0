"""Reads the output of one CP2K run: its header and end, and the evaluation of a single point.

Anything not clearly present is None; contradictory text is an error.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....files import read_bounded
from .evaluation import Evaluation, converged, evaluation_fields
from .layout import NUMBER, Layout, OutputError, layout_of, number, only

_ENDING = "PROGRAM ENDED AT"
_SCF = re.compile(r"^ SCF WAVEFUNCTION OPTIMIZATION\s*$", re.MULTILINE)
_BOX = re.compile(r"^((?: \*(?!\*{60})[^\n]*\n){0,6} \* *\[ABORT\][^\n]*\n.*?)^ \*{60,}", re.MULTILINE | re.DOTALL)
#: Largest file of a run of many steps.
MAX_RUN_BYTES = 1 << 30
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Header:
    """How a run began and ended: `ended` means a normal end, `abort` is the text of CP2K's [ABORT] box.

    `in_scf` tells whether the last SCF did not converge, `density_guess` is where the first SCF's
    density came from ("ATOMIC", "RESTART"); `wall_s` in seconds.
    """

    version: str
    processes: int | None
    ended: bool
    out_of_time: bool
    abort: str | None
    in_scf: bool
    density_guess: str | None
    wall_s: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Output(Header, Evaluation):
    """What a single point printed."""


def read(path: Path, elements: Sequence[str]) -> Output:
    """Parse the output file `path` of a single point of atoms `elements`.

    Raises OutputError if it is not a CP2K output of a supported version, contains more than one calculation, has other
    atoms, or contradicts itself.
    """
    return parse(read_text(path, _MAX_BYTES), elements)


def parse(text: str, elements: Sequence[str]) -> Output:
    """As `read`, from the text itself."""
    text = whole_lines(text)
    header, layout = header_of(text)
    return Output(**vars(header), **evaluation_fields(text, layout, elements))


def header(path: Path) -> Header:
    """Beginning and end of the run in the output file `path`, whatever is in between; errors as for `read`."""
    return header_of(read_text(path, MAX_RUN_BYTES))[0]


def read_text(path: Path, most: int) -> str:
    """The whole text file; OutputError if it cannot be read or is larger than `most` bytes."""
    try:
        return read_bounded(path, most).decode("utf-8", errors="replace")
    except OSError as error:
        raise OutputError(f"{path.name}: {error.strerror or error}") from error


def whole_lines(text: str) -> str:
    """The text without an unterminated last line: a number in it may be truncated."""
    return text[: text.rfind("\n") + 1]


def header_of(text: str) -> tuple[Header, Layout]:
    """Beginning and end of the run in `text`, and the layout of its version."""
    found = re.findall(r"^ CP2K\| version string:\s+CP2K version (\S+)", text, re.MULTILINE)
    if not found:
        raise OutputError("no CP2K version line: CP2K did not start, or this is not its output")
    if len(found) > 1:
        raise OutputError(f"{len(found)} runs in one file; use a file with a single run")
    layout = layout_of(found[0], text)
    processes = only(r"^ GLOBAL\| Total number of message passing processes\s+(\d+)\s*$", text)
    guess = re.search(r"^ SCF PARAMETERS\s+Density guess:\s+(\S+)\s*$", text, re.MULTILINE)
    scf = list(_SCF.finditer(text))
    warnings = re.findall(r"^ \*\*\* WARNING in (.*?)(?: \*\*\*)?$", text, re.MULTILINE)
    return Header(
        version=found[0],
        processes=int(processes) if processes else None,
        ended=_ENDING in text,
        out_of_time="exceeded requested execution time" in text,
        abort=abort_reason(text),
        in_scf=bool(scf) and converged(text[scf[-1].end() :]) is not True,
        density_guess=guess[1] if guess else None,
        wall_s=_wall(text),
        warnings=tuple(dict.fromkeys(warnings)),
    ), layout


def abort_reason(text: str) -> str | None:
    """What CP2K's first [ABORT] box says; None without one."""
    if "[ABORT]" not in text:
        return None
    box = _BOX.search(text)
    # the drawing of a man fills the left of the box, its text the right
    rows = [re.sub(r"^ \*.{8}|\*\s*$", "", row).strip() for row in box[1].splitlines()] if box else []
    return " ".join(row for row in rows if row) or "CP2K printed [ABORT] without a reason"


def _wall(text: str) -> float | None:
    """Seconds by CP2K's own timing table: the last column of its row ``CP2K``."""
    found = re.findall(rf"^ CP2K\s+1\s+1\.0(?:\s+{NUMBER}){{3}}\s+({NUMBER})\s*$", text, re.MULTILINE)
    seconds = number(found[-1]) if found else math.nan
    return seconds if math.isfinite(seconds) else None
