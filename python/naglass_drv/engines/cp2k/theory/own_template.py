"""A user's own CP2K input as a level of theory: read with its directives, checked, and kept as a template.

What naglass has to own is filled in by `inputs.single_point`: project, run type, cell, coordinates, charge,
multiplicity, start moments, and the prints that the parser reads. Everything else stays as the user wrote it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from .. import tree
from ..preprocess import preprocess
from ..tree import Line, Section
from ..values import ADDED_TO_DFT, logical, word

_MAX_BYTES = 1 << 20
_UKS = ("UKS", "UNRESTRICTED_KOHN_SHAM", "LSD", "SPIN_POLARIZED")
_QUICKSTEP = ("QS", "QUICKSTEP")
# of &SCF these decide the converged label, all else how it gets there
_DECISIVE = ("EPS_SCF", "SMEAR")
# what would take the run out of our hands, or out of its folder
_REFUSED = ("EXT_RESTART", "MULTIPLE_FORCE_EVALS", "FARMING", "OPTIMIZE_INPUT", "OPTIMIZE_BASIS", "SWARM", "ATOM")
# what a run starts from, by the other names that CP2K has for it
_EARLIER = ("RESTART_FILE_NAME", "EXTERNAL_FILE", "BINARY_RESTART_FILE_NAME")
_FRACTION = re.compile(r"[-+]?[\d.][-+.\dEeDd*]*(?:/[-+]?[\d.][-+.\dEeDd*]*)+,?")
# keywords that are filled in or read here, by CP2K's other names for them
_ALIASES = {
    "GLOBAL": {"PROJECT_NAME": "PROJECT", "IOLEVEL": "PRINT_LEVEL"},
    "FORCE_EVAL/DFT": {"MULTIP": "MULTIPLICITY"},
    "FORCE_EVAL/SUBSYS/KIND": {"ELEMENT_SYMBOL": "ELEMENT", "POT": "POTENTIAL"},
}


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
        settings.remove("OUTPUT_FILE_NAME")
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

        Raises InputError if it has none, or several that differ.
        """
        found = []
        for kind in tree.parse(self.text).sections("FORCE_EVAL/SUBSYS/KIND"):
            if _element(kind) == element.upper():
                for keyword in ("ELEMENT", "MAGNETIZATION"):
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

    Included files are read only from the template's own folder and below. Raises InputError with file and line for
    what cannot be read or used.
    """
    lines = preprocess(path, _MAX_BYTES, strict=True)
    root = tree.parse("\n".join(lines.texts), places=lines.places)
    root.remove("MOTION")
    for subsystem in root.sections("FORCE_EVAL/SUBSYS"):
        subsystem.items = list(subsystem.sections("KIND"))
    _check(root, path)
    for place, names in _ALIASES.items():
        for section in root.sections(place):
            section.rename(names)
    return OwnTemplate(str(root))


def _check(root: Section, path: Path) -> None:
    """Raise InputError unless the input is one of Quickstep with spins, and stays within its folder."""
    for name in (*_REFUSED, *ADDED_TO_DFT):
        if root.sections(name):
            raise InputError(f"{path}: &{name.rpartition('/')[2]} is not allowed in a template")
    if len(root.sections("FORCE_EVAL")) != 1 or len(root.sections("FORCE_EVAL/DFT")) != 1:
        raise InputError(f"{path}: must have one &FORCE_EVAL with one &DFT")
    try:
        _check_values(root)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    for section in root.walk():
        for line in section.items:
            if isinstance(line, Line):
                _check_files(line, section, path)


def _check_values(root: Section) -> None:
    program = next((word(s, "PROGRAM_NAME", "PROGRAM") for s in root.sections("GLOBAL")), None) or "CP2K"
    if program.upper() != "CP2K":
        raise InputError(f"PROGRAM_NAME {program}: must be CP2K")
    method = word(root.at("FORCE_EVAL"), "METHOD") or "QS"
    if method.upper() not in _QUICKSTEP:
        raise InputError(f"METHOD {method}: must be Quickstep (METHOD QS)")
    if not logical(root.at("FORCE_EVAL/DFT"), *_UKS):
        raise InputError("&DFT has no UKS TRUE, but labels include spins")


def _check_files(line: Line, section: Section, path: Path) -> None:
    """Raise InputError for a line that names a file elsewhere; a slash is else only in a fraction."""
    # keywords that name files do not all end with FILE_NAME: T_C_G_DATA, STORAGE_LOCATION, SEED_NAME, ...
    if any("/" in found and not _FRACTION.fullmatch(found.lstrip("=,:;")) for found in line.value.split()):
        raise InputError(
            f"{path}: {line.text[:60]!r} in &{section.name}: must be a bare file name; data are looked up in "
            "CP2K's data folder, and output stays in the folder of the task"
        )
    if line.keyword.startswith("WFN_RESTART") or line.keyword in _EARLIER:
        raise InputError(f"{path}: {line.text[:60]!r}: a template cannot start from an earlier wavefunction")


def _is_tight_binding(root: Section) -> bool:
    methods = [word(qs, "METHOD") or "GPW" for qs in root.sections("FORCE_EVAL/DFT/QS")]
    return bool(methods) and methods[0].upper() not in ("GPW", "GAPW", "GAPW_XC", "LRIGPW", "RIGPW")


def _element(kind: Section) -> str:
    """The element of a &KIND: stated, or the letters of its name before a number or underscore."""
    stated = word(kind, "ELEMENT")
    return (stated or re.sub(r"\d+$", "", kind.parameter.partition("_")[0])).upper()
