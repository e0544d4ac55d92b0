"""Which files a run of CP2K wrote and in which units, from the print keys of its input."""

from pathlib import Path

from ...engines.cp2k.parse.evaluation import FORCE_EV_A
from ...engines.cp2k.parse.trajectory import VELOCITY_A_PS, Files
from ...engines.cp2k.preprocess import is_within
from ...engines.cp2k.tree import Section
from ...engines.cp2k.values import integers, text, unit_value, word
from ...errors import InputError

_XYZ = ("XMOL", "XYZ")
_STD_OUT = "__STD_OUT__"


def files_of(root: Section, project: str, folder: Path) -> Files:
    """Files of the run `project`; InputError for positions in an unsupported format, or outside `folder`."""
    trajectory, forces, velocities, cells = (
        _print_key(root, "MOTION/PRINT", name) for name in ("TRAJECTORY", "FORCES", "VELOCITIES", "CELL")
    )
    form = _format(trajectory)
    if form not in _XYZ:
        raise InputError(f"&TRAJECTORY FORMAT {form}: positions are read from XYZ files (XMOL, XYZ) only")
    files = Files(
        _name(project, trajectory, "-pos", ".xyz"),
        _name(project, forces, "-frc", ".xyz") if _format(forces) in _XYZ else "",
        _name(project, velocities, "-vel", ".xyz") if _format(velocities) in _XYZ else "",
        _name(project, cells, "", ".cell"),
        _unit(trajectory, 1.0),
        _unit(forces, FORCE_EV_A),
        # in Å/fs there
        _unit(velocities, VELOCITY_A_PS / 1e3) * 1e3,
        _printed(root, project),
    )
    for name in (files.positions, files.forces, files.velocities, files.cells, *(stem for stem, _ in files.printed)):
        if not is_within(folder / name, folder):
            raise InputError(f"FILENAME {name}: must be in the folder of the run")
    return files


def _printed(root: Section, project: str) -> tuple[tuple[str, str], ...]:
    """Stems and suffixes of files with data that are in the output by default."""
    found = []
    for name, suffix in (("FORCES", ".xyz"), ("STRESS_TENSOR", ".stress_tensor")):
        key = _print_key(root, "FORCE_EVAL/PRINT", name)
        filename = text(key, "FILENAME")
        if filename is not None and filename.upper() != _STD_OUT:
            found.append((filename[1:], "") if filename[:1] == "=" else (_name(project, key, "", "", 0), suffix))
    return tuple(found)


def _print_key(root: Section, path: str, name: str) -> Section:
    """The print key `name`; empty where the input has none."""
    found = [key for section in root.sections(path) for key in section.sections(name)]
    if len(found) > 1:
        raise InputError(f"&{path.rpartition('/')[2]} has {len(found)} sections &{name} instead of one")
    return found[0] if found else Section(name)


def _format(key: Section) -> str:
    return (word(key, "FORMAT") or "XMOL").upper()


def _unit(key: Section, default: float) -> float:
    stated = word(key, "UNIT")
    return default if stated is None else unit_value(stated)


def _name(project: str, key: Section, middle: str, suffix: str, levels: int = 1) -> str:
    """The file of a print key: ``=name`` is its whole name, one with a folder is not preceded by the project's.

    The iteration, ``-1`` of a run, is left out where COMMON_ITERATION_LEVELS (by default `levels`) covers it.
    """
    filename = text(key, "FILENAME") or ""
    if filename[:1] == "=":
        return filename[1:].strip()
    stem = filename if "/" in filename else "-".join(part for part in (project, filename) if part)
    (levels,) = integers(key, "COMMON_ITERATION_LEVELS", default=(levels,))
    return f"{stem}{middle}{'-1' if levels < 2 else ''}{suffix}"
