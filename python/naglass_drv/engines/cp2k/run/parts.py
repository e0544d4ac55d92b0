"""The parts of a run that moves atoms: each is one CP2K child process in its own folder, with its record and files."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ....files import link_files, write_json
from ....runtime.files import read_json
from ..parse.trajectory import Trajectory, read_trajectory

FOLDER = "parts"
_FACTS = "part.json"
_STEP = re.compile(r"^\s*STEP_START_VAL\s+(\d+)\s*$", re.MULTILINE)
# what ends a restart file, the second where the run itself went on from one
_RESTART_ENDS = ("&END FORCE_EVAL", "&END EXT_RESTART")


@dataclass(frozen=True)
class Part:
    """One child: the step it started from, the piece of the plan it belongs to, the rung of the SCF it ran with.

    `end` is the name of the failure that ended it, "" for a normal end; None while it runs, and when it was ended
    together with the driver.
    """

    folder: Path = field(repr=False)
    first: int
    piece: int
    rung: int
    end: str | None = None

    def write(self) -> None:
        """Write the record next to the part's files."""
        facts = asdict(self)
        del facts["folder"]
        write_json(self.folder / _FACTS, facts)

    def ended(self, failure: str) -> "Part":
        """This part with its end, noted."""
        part = replace(self, end=failure)
        part.write()
        return part


def read_parts(folder: Path) -> list[Part]:
    """The parts in a task's `folder`, in order."""
    found = []
    for place in sorted((folder / FOLDER).glob("[0-9]*")):
        facts = read_json(place / _FACTS)
        if facts is not None:
            found.append(Part(place, **facts))
    return found


def new_folder(folder: Path, parts: Sequence[Part]) -> Path:
    """Where the next part goes; not made."""
    (folder / FOLDER).mkdir(exist_ok=True)
    return folder / FOLDER / f"{len(parts):04d}"


def take_over(previous: Path | None, folder: Path) -> list[Part]:
    """Bring the parts of an earlier attempt into `folder`, all or none, before anything else is written there."""
    earlier = read_parts(previous) if previous is not None else []
    if not earlier:
        return []
    # not inside `folder`: a kill before the rename must leave it as if nothing had begun
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for each in earlier:
        names = [path.name for path in each.folder.iterdir() if path.is_file()]
        link_files(each.folder, part / each.folder.name, names)
    os.replace(part, folder / FOLDER)
    return read_parts(folder)


def restart_file(folder: Path, project: str) -> tuple[Path, int] | None:
    """The last whole restart file of a run in `folder` and its step; None where there is none."""
    last = folder / f"{project}-1.restart"
    for path in (last, last.with_name(f"{last.name}.bak-1")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        step = _STEP.search(text)
        if step is not None and text.rstrip().endswith(_RESTART_ENDS):
            return path, int(step[1])
    return None


def read_part(part: Part, project: str, elements: Sequence[str]) -> Trajectory | None:
    """Results of a part; None if it did not reach its first frame.

    Raises OutputError for files that contradict themselves.
    """
    if not (part.folder / f"{project}-pos-1.xyz").exists():
        return None
    return read_trajectory(part.folder, project, part.folder / f"{project}.out", elements)
