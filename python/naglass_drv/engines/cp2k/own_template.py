"""A user's own CP2K input as a level of theory: read with its directives, checked, and kept as a template.

What naglass has to own is filled in by `inputs.single_point`: project, run type, cell, coordinates, charge,
multiplicity, start moments, and the prints that the parser reads. Everything else stays as the user wrote it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, SetupError
from . import tree
from .tree import Line, Section

_MAX_BYTES = 1 << 20
_INCLUDE = re.compile(r"\s*@(?P<what>INCLUDE|XCTYPE)\b\s*(?P<name>.*)", re.IGNORECASE)
_ON = ("", "T", "TRUE", ".TRUE.", "ON", "YES")
_UKS = ("UKS", "UNRESTRICTED_KOHN_SHAM", "LSD", "SPIN_POLARIZED")
_QUICKSTEP = ("QS", "QUICKSTEP")
# of &SCF these decide the converged label, all else how it gets there
_DECISIVE = ("EPS_SCF", "SMEAR")
# what would take the run out of our hands, or out of its folder
_REFUSED = ("EXT_RESTART", "MULTIPLE_FORCE_EVALS", "FARMING", "OPTIMIZE_INPUT", "SWARM")


@dataclass(frozen=True)
class OwnTemplate:
    """The level of a user's own input: `text` is the input without directives (see `read`)."""

    text: str

    name = "template"
    atom_box_A = 10.0

    @property
    def needs_basis(self) -> bool:
        """Whether the input has &KIND blocks: their settings are hashed by element."""
        return bool(tree.parse(self.text).sections("FORCE_EVAL/SUBSYS/KIND"))

    def input_tree(self) -> Section:
        """The input with everything that is not the user's choice as naglass needs it, and an empty &SUBSYS."""
        root = tree.parse(self.text)
        settings = root.at("GLOBAL")
        for key, value in (("PROJECT", "label"), ("RUN_TYPE", "ENERGY_FORCE"), ("PRINT_LEVEL", "LOW")):
            settings.set(key, value)
        force_eval = root.at("FORCE_EVAL")
        force_eval.replace(Section("SUBSYS"))
        force_eval.at("DFT/SCF").set("SCF_GUESS", "ATOMIC")
        if not force_eval.values("STRESS_TENSOR"):
            force_eval.set("STRESS_TENSOR", "ANALYTICAL")
        for name in ("FORCES", "STRESS_TENSOR"):
            force_eval.at("PRINT").replace(Section(name, "ON"))
        prints = force_eval.at("DFT/PRINT")
        prints.replace(Section("MULLIKEN", "ON"))
        if not _is_tight_binding(root):
            prints.replace(Section("HIRSHFELD", "ON", [Line("SHAPE_FUNCTION DENSITY")]))
        return root

    def electronic(self) -> str:
        """Text of all that decides a converged label: &FORCE_EVAL without atoms, prints, and the path of the SCF."""
        force_eval = tree.parse(self.text).at("FORCE_EVAL")
        for name in ("SUBSYS", "PRINT"):
            force_eval.remove(name)
        dft = force_eval.at("DFT")
        for name in ("PRINT", "CHARGE", "MULTIPLICITY"):
            dft.remove(name)
        scf = dft.at("SCF")
        scf.items = [item for item in scf.items if tree.name_of(item) in _DECISIVE]
        for smear in scf.sections("SMEAR"):
            smear.remove("FIXED_MAGNETIC_MOMENT")
        return str(force_eval)

    def settings(self) -> list[tuple[str, float]]:
        """Nothing: the whole level is in its text."""
        return []

    def kind(self, element: str) -> Section:
        """The template's &KIND of an element, without name, element and start moment.

        Raises InputError where it has none, or several that differ.
        """
        found = []
        for kind in tree.parse(self.text).sections("FORCE_EVAL/SUBSYS/KIND"):
            if _element(kind) == element.upper():
                for keyword in ("ELEMENT", "ELEMENT_SYMBOL", "MAGNETIZATION"):
                    kind.remove(keyword)
                found.append(kind)
        if not self.needs_basis:
            return Section("KIND")
        if not found:
            raise InputError(f"template: there is no &KIND of {element}")
        if any(kind.inner() != found[0].inner() for kind in found):
            names = ", ".join(kind.parameter for kind in found)
            raise InputError(f"template: the kinds {names} are all {element} and differ in more than MAGNETIZATION")
        return Section("KIND", items=found[0].items)


def read(path: Path) -> OwnTemplate:
    """The template of a user's file, with its directives (@SET, @IF, @INCLUDE, ${...}) carried out and checked.

    Included files are read only from the template's own folder. Raises InputError with file and line for what cannot
    be read or used, SetupError where directives need cp2k-input-tools and it is not installed.
    """
    files = _files(path, [])
    if any("@" in text or "$" in text for text in files.values()):
        lines, places = _preprocessed(path)
    else:
        lines = files[path].splitlines()
        places = [f"{path}:{number}" for number in range(1, len(lines) + 1)]
    root = tree.parse("\n".join(lines), places=places)
    root.remove("MOTION")
    for subsystem in root.sections("FORCE_EVAL/SUBSYS"):
        subsystem.items = list(subsystem.sections("KIND"))
    _check(root, path)
    return OwnTemplate(str(root))


def _files(path: Path, above: list[Path]) -> dict[Path, str]:
    """Text of the template and of all that it includes, each checked to lie in the template's folder."""
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file, or no regular one")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path}: larger than {_MAX_BYTES} bytes: no template")
    found = {path: data.decode(errors="replace")}
    for number, line in enumerate(found[path].splitlines(), start=1):
        if match := _INCLUDE.match(line):
            name = match["name"].strip().strip("'\"")
            beside = path.parent / name
            if match["what"].upper() == "XCTYPE" or Path(name).name != name or "$" in name:
                raise InputError(f"{path}:{number}: {line.strip()[:60]!r}: only files beside the template are included")
            if beside.resolve().parent != path.resolve().parent or beside in (path, *above):
                raise InputError(f"{path}:{number}: {line.strip()[:60]!r}: leads out of the folder, or to itself")
            found |= _files(beside, [path, *above])
    return found


def _preprocessed(path: Path) -> tuple[list[str], list[str]]:
    """Lines of the input with all directives carried out, and where each comes from."""
    try:
        from cp2k_input_tools.preprocessor import CP2KPreprocessor
    except ImportError:
        raise SetupError(
            f"{path}: its directives (@SET, @INCLUDE, $...) need cp2k-input-tools: pip install cp2k-input-tools, or "
            "write them out"
        ) from None
    lines, places = [], []
    with open(path, encoding="utf-8", errors="replace") as file:
        preprocessor = CP2KPreprocessor(file, path.parent)
        try:
            for line in preprocessor:
                lines.append(line)
                places.append(f"{preprocessor.fname}:{preprocessor.line_range[1]}")
        # its errors carry a place or none, and foreign text makes it raise others too: the file is bad in any case
        except Exception as error:
            where = error.args[1] if len(error.args) > 1 else None
            place = f"{where.filename}:{where.linenr}" if hasattr(where, "linenr") else str(path)
            raise InputError(f"{place}: {error.args[0] if error.args else type(error).__name__}") from None
    return lines, places


def _check(root: Section, path: Path) -> None:
    """Raise InputError unless the input is one of Quickstep with spins, and stays within its folder."""
    for name in _REFUSED:
        if root.sections(name):
            raise InputError(f"{path}: &{name} has no place in a template")
    if len(root.sections("FORCE_EVAL")) != 1 or len(root.sections("FORCE_EVAL/DFT")) != 1:
        raise InputError(f"{path}: one &FORCE_EVAL with one &DFT is expected")
    for value in root.at("FORCE_EVAL").values("METHOD"):
        if value.upper() not in _QUICKSTEP:
            raise InputError(f"{path}: METHOD {value}: Quickstep (METHOD QS) is expected")
    dft = root.at("FORCE_EVAL/DFT")
    if not any(value.upper() in _ON for keyword in _UKS for value in dft.values(keyword)):
        raise InputError(f"{path}: &DFT has no UKS TRUE: labels carry spins")
    for section in root.walk():
        for item in section.items:
            name = item.keyword if isinstance(item, Line) else ""
            if name.endswith(("FILENAME", "FILE_NAME", "FILE_PATH", "FILE")) and "/" in item.value:
                raise InputError(
                    f"{path}: {item.text[:60]!r} in &{section.name}: a bare name is expected; data are looked up in "
                    "CP2K's data folder, and output stays in the folder of the task"
                )
            if name.startswith("WFN_RESTART"):
                raise InputError(f"{path}: {item.text[:60]!r}: a template starts from no earlier wavefunction")


def _is_tight_binding(root: Section) -> bool:
    values = [value.upper() for qs in root.sections("FORCE_EVAL/DFT/QS") for value in qs.values("METHOD")]
    return bool(values) and values[0] not in ("GPW", "GAPW", "GAPW_XC", "LRIGPW", "RIGPW")


def _element(kind: Section) -> str:
    """The element of a &KIND: stated, or the letters of its name."""
    stated = kind.values("ELEMENT") + kind.values("ELEMENT_SYMBOL")
    return (stated[0] if stated else kind.parameter.rstrip("0123456789")).upper()
