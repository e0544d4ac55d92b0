"""The input of an external run: atoms, charge, spin, how its cell moves, and the settings of its level."""

from dataclasses import dataclass
from pathlib import Path

from ase.data import atomic_numbers

from ...chemistry.level import short_hash
from ...engines.cp2k import tree
from ...engines.cp2k.parse.trajectory import Files, StartCell
from ...engines.cp2k.preprocess import preprocess
from ...engines.cp2k.tree import Section
from ...engines.cp2k.values import ADDED_TO_DFT, integers, logical, only, text, word
from ...errors import InputError
from .motion_files import files_of
from .subsys import System, beside, element_of, read_system

_MAX_INPUT = 1 << 26
_RUN_TYPES = {
    "GEOMETRY_OPTIMIZATION": "GEO_OPT", "MOLECULAR_DYNAMICS": "MD", "WAVEFUNCTION_OPTIMIZATION": "WFN_OPT",
    "MONTECARLO": "MC", "NORMAL_MODES": "VIBRATIONAL_ANALYSIS", "LINEAR_RESPONSE": "LR",
    "ELECTRONIC_SPECTRA": "SPECTRA",
}  # fmt: skip
MOVING = ("MD", "GEO_OPT", "CELL_OPT")
_SINGLE = ("ENERGY", "ENERGY_FORCE", "WFN_OPT")
_FIXED_CELL = ("NVE", "NVT", "ISOKIN", "LANGEVIN", "NVT_ADIABATIC")
_ISOTROPIC = ("NPT_I", "NPE_I", "NPT_IA")
_REFUSED = {
    **dict.fromkeys(("MULTIPLE_FORCE_EVALS", *ADDED_TO_DFT), "energy and forces are not those of &DFT alone"),
    "MOTION/CONSTRAINT/FIXED_ATOMS": "CP2K sets the forces on fixed atoms to zero",
    "MOTION/CONSTRAINT/VIRTUAL_SITE": "CP2K spreads the forces on virtual sites over other atoms",
    "MOTION/FREE_ENERGY": "its bias is part of the forces",
    "MOTION/FLEXIBLE_PARTITIONING": "its bias is part of the forces",
}
# parts of &DFT that do not affect a converged label, or are recorded separately
_NOT_LEVEL = ("PRINT", "CHARGE", "MULTIPLICITY", "MULTIP", "WFN_RESTART_FILE_NAME", "RESTART_FILE_NAME")
_NOT_KIND = (
    "ELEMENT", "ELEMENT_SYMBOL", "MAGNETIZATION", "MASS", "ATOMIC_MASS", "ATOMIC_WEIGHT", "WEIGHT", "BS",
)  # fmt: skip
_OF_SCF = ("EPS_SCF", "SMEAR")


@dataclass(frozen=True)
class Description:
    """What the input says of the run: atoms at its start, charge, multiplicity, the settings' text and kinds.

    `system` is that of the run's start where `at_start`, else of some step of it.
    """

    system: System
    at_start: bool
    project: str
    run_type: str
    charge: int
    multiplicity: int
    settings: str
    kinds: str | None
    files: Files
    start: StartCell


def describe(path: Path) -> Description:
    """The description in the input file `path`. InputError, with the true reason, for a run that is not supported."""
    lines = preprocess(path, _MAX_INPUT)
    root = tree.parse("\n".join(lines.texts), places=lines.places)
    for found, why in _REFUSED.items():
        if root.sections(found):
            raise InputError(f"&{found.rpartition('/')[2]}: {why}")
    restraint = next((s for c in root.sections("MOTION/CONSTRAINT") for s in c.walk() if s.name == "RESTRAINT"), None)
    if restraint is not None:
        raise InputError("&RESTRAINT: its energy and forces are included in those of the run")
    settings = only(root, "GLOBAL") if root.sections("GLOBAL") else Section("GLOBAL")
    run_type = (word(settings, "RUN_TYPE") or "ENERGY_FORCE").upper()
    run_type = _RUN_TYPES.get(run_type, run_type)
    if run_type not in MOVING + _SINGLE:
        raise InputError(f"RUN_TYPE {run_type} is not supported as a source of labels")
    force_eval = only(root, "FORCE_EVAL")
    method = (word(force_eval, "METHOD") or "QS").upper()
    if method not in ("QS", "QUICKSTEP"):
        raise InputError(f"METHOD {method}: only Quickstep runs (METHOD QS) are supported")
    stress = (word(force_eval, "STRESS_TENSOR") or "NONE").upper()
    if stress.endswith("NUMERICAL"):
        raise InputError(f"STRESS_TENSOR {stress}: the output mixes the run with evaluations of strained cells")
    restarted = path.suffix != ".restart" and _restart(root, path.parent)
    dft, subsys = only(root, "FORCE_EVAL/DFT"), only(root, "FORCE_EVAL/SUBSYS")
    system = read_system(subsys, path.parent)
    (charge,) = integers(dft, "CHARGE", default=(0,))
    (multiplicity,) = integers(dft, "MULTIPLICITY", "MULTIP", default=(0,))
    numbers = [atomic_numbers[element] for element in system.elements]
    project = word(settings, "PROJECT", "PROJECT_NAME") or "PROJECT"
    return Description(
        system, at_start=path.suffix != ".restart" and not restarted, project=project, run_type=run_type, charge=charge,
        # CP2K's own default is the lowest multiplicity
        multiplicity=multiplicity or 1 + (sum(numbers) - charge) % 2,
        settings=_level(force_eval, dft, subsys), kinds=_kinds(subsys), files=files_of(root, project, path.parent),
        start=_start(root, run_type, system),
    )  # fmt: skip


def _start(root: Section, run_type: str, system: System) -> StartCell:
    """How the cell of a run moves from that of its start."""
    if run_type == "CELL_OPT":
        return StartCell(
            system.cell, "relaxed", "RUN_TYPE CELL_OPT moves the cell, but neither the files nor the output contain it"
        )
    found = root.sections("MOTION/MD")
    ensemble = (word(found[0], "ENSEMBLE") if found else None) or "NVE"
    if run_type == "MD" and ensemble.upper() == "REFTRAJ":
        raise InputError(
            "ENSEMBLE REFTRAJ: CP2K gives its first two snapshots the same number, so they cannot be told apart"
        )
    if run_type != "MD" or ensemble.upper() in _FIXED_CELL:
        return StartCell(system.cell)
    moves = "isotropic" if ensemble.upper() in _ISOTROPIC else "unknown"
    why = f"ENSEMBLE {ensemble.upper()} moves the cell, but its vectors were not written (MOTION/PRINT/CELL)"
    return StartCell(system.cell, moves, why)


def _restart(root: Section, folder: Path) -> bool:
    """Put atoms and cell of &EXT_RESTART in place of those of the input, as CP2K does; whether there is one."""
    if not root.sections("EXT_RESTART"):
        return False
    section = only(root, "EXT_RESTART")
    for keyword in ("BINARY_RESTART_FILE_NAME", "BINARY_RESTART_FILE", "CUSTOM_PATH"):
        if any(line.value for line in section.lines(keyword)):
            raise InputError(f"&EXT_RESTART {keyword}: reading the start of the run from there is not supported")
    name = text(section, "RESTART_FILE_NAME", "EXTERNAL_FILE")
    if not name:
        return False
    lines = preprocess(beside(folder, name, "RESTART_FILE_NAME"), _MAX_INPUT)
    before = only(tree.parse("\n".join(lines.texts), places=lines.places), "FORCE_EVAL/SUBSYS")
    default = logical(section, "RESTART_DEFAULT", default=True)
    subsys = only(root, "FORCE_EVAL/SUBSYS")
    for switch, part in (("RESTART_POS", "COORD"), ("RESTART_CELL", "CELL")):
        if logical(section, switch, default=default):
            subsys.replace(only(before, part))
    for topology in subsys.sections("TOPOLOGY"):
        if integers(topology, "MULTIPLE_UNIT_CELL", default=(1, 1, 1)) != (1, 1, 1):
            raise InputError("&EXT_RESTART with MULTIPLE_UNIT_CELL: the atoms of the run cannot be determined")
        topology.remove("CENTER_COORDINATES")
    return True


def _level(force_eval: Section, dft: Section, subsys: Section) -> str:
    scf = only(dft, "SCF") if dft.sections("SCF") else Section("SCF")
    level = [
        f"METHOD {word(force_eval, 'METHOD')}", _canonical(dft, (*_NOT_LEVEL, "SCF")),
        _canonical(Section("SCF", items=[item for item in scf.items if tree.name_of(item) in _OF_SCF])),
        *(_canonical(kind, _NOT_KIND) for kind in subsys.sections("KIND") if kind.parameter.upper() == "DEFAULT"),
    ]  # fmt: skip
    return "\n".join(level)


def _canonical(section: Section, without: tuple[str, ...] = ()) -> str:
    """The text of a section whatever the order, comments and folders of its lines."""
    parts = []
    for item in section.items:
        if tree.name_of(item) in without or not tree.name_of(item):
            continue
        if isinstance(item, Section):
            parts.append(_canonical(item))
        else:
            words = [Path(word).name if item.keyword.endswith("FILE_NAME") else word for word in item.words]
            parts.append(" ".join([item.keyword, *words]))
    return " ".join([f"&{section.name} {section.parameter}".strip(), *sorted(parts), "&END"])


def _kinds(subsys: Section) -> str | None:
    """Each element with the hash of its &KIND blocks; None for a level without basis sets."""
    texts: dict[str, set[str]] = {}
    kinds = [kind for kind in subsys.sections("KIND") if kind.parameter.upper() != "DEFAULT"]
    if not any(tree.name_of(item).startswith("BASIS") for kind in kinds for item in kind.items):
        return None
    for kind in kinds:
        text = _canonical(kind, _NOT_KIND).replace(f"&KIND {kind.parameter}", "&KIND", 1)
        texts.setdefault(element_of(kind.parameter, subsys), set()).add(text)
    return " ".join(f"{element}-{short_hash(' '.join(sorted(found)))}" for element, found in sorted(texts.items()))
