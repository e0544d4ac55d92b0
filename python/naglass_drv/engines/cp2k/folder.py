"""Labels from CP2K runs of other people: a folder with the input, the output and the files of one run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import cellpar_to_cell

from ...dataset.foreign import Found, Refused, set_labels, short_hash, source_name
from ...errors import InputError
from . import parse
from .parse.output import read_text
from .parse.trajectory import Frame, read_trajectory
from .tree import Line, Section
from .tree import parse as parse_input

_MOVING = ("MD", "GEO_OPT", "CELL_OPT", "MOLECULAR_DYNAMICS", "GEOMETRY_OPTIMIZATION")
_SINGLE = ("ENERGY", "ENERGY_FORCE", "WAVEFUNCTION_OPTIMIZATION")
_MAX_INPUT = 1 << 26
# what of &DFT does not decide a converged label, or is told apart from it
_NOT_LEVEL = ("PRINT", "CHARGE", "MULTIPLICITY", "WFN_RESTART_FILE_NAME", "RESTART_FILE_NAME")
_NOT_KIND = ("ELEMENT", "MAGNETIZATION", "MASS", "BS")
_OF_SCF = ("EPS_SCF", "SMEAR")
_EV_PER_U_A2_PS2 = 1.0364269656e-4
_BOLTZMANN_EV_K = 8.617333262e-5


@dataclass(frozen=True)
class _Description:
    """What the input says of the run: atoms at its start, charge, multiplicity, the settings' text and kinds."""

    atoms: Atoms
    project: str
    run_type: str
    charge: int
    multiplicity: int
    settings: str
    kinds: str | None


def read_folder(folder: Path) -> tuple[list[Found], list[dict[str, str]]]:
    """Frames of the run in `folder`, a single point or the steps of an MD or a relaxation; and records of refusals.

    One input (``*.inp``; where it cannot be read, or has no atoms, the run's ``*.restart``) and one output of CP2K are
    needed. Raises InputError when they are not there, or are of something else.
    """
    output = output_of(folder)
    described = _described(folder)
    if described.run_type in _MOVING:
        return _steps(folder, output, described)
    if described.run_type not in _SINGLE:
        raise InputError(f"{folder}: RUN_TYPE {described.run_type} gives no labels that are read")
    name = source_name(output, 0)
    try:
        return [_single_point(output, name, described)], []
    except Refused as refused:
        return [], [refused.record(name)]


def output_of(folder: Path) -> Path:
    """The one file of a run's folder that is an output of CP2K; InputError without it."""
    found = []
    for path in sorted({*folder.glob("*.out"), *folder.glob("*.log")}):
        with open(path, "rb") as file:
            if b"CP2K| version string:" in file.read(1 << 16):
                found.append(path)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder}: one output of CP2K (*.out, *.log) is needed, there is {names}")
    return found[0]


def _single_point(output: Path, name: str, described: _Description) -> Found:
    try:
        found = parse.read(output, list(described.atoms.symbols))
    except parse.OutputError as error:
        raise Refused("INCOMPLETE", f"{output.name}: {error}") from None
    if found.abort is not None:
        raise Refused("ABORT", f"CP2K aborted: {found.abort}")
    if not found.ended or found.out_of_time:
        raise Refused("INCOMPLETE", "CP2K did not come to its normal end")
    return _found(name, described.atoms.copy(), found, found.version, described)


def _steps(folder: Path, output: Path, described: _Description) -> tuple[list[Found], list[dict[str, str]]]:
    elements = list(described.atoms.symbols)
    try:
        run = read_trajectory(folder, described.project, output, elements, described.atoms.cell.array)
    except parse.OutputError as error:
        return [], [Refused("INCOMPLETE", str(error)).record(source_name(output, 0))]
    frames = []
    for step in run.frames:
        atoms = Atoms(elements, step.positions, cell=step.cell, pbc=True)
        if step.velocities is not None and len(atoms) > 1:
            atoms.info["temperature_K"] = _temperature_K(atoms, step)
        frames.append(_found(source_name(output, step.step), atoms, step.evaluation, run.header.version, described))
    dropped = [Refused("INCOMPLETE", words).record(source_name(output, 0).partition("#")[0]) for words in run.dropped]
    return frames, dropped


def _temperature_K(atoms: Atoms, step: Frame) -> float:
    """Kinetic temperature, the total momentum taken as conserved."""
    energy = 0.5 * _EV_PER_U_A2_PS2 * float((atoms.get_masses()[:, None] * step.velocities**2).sum())
    return 2 * energy / ((3 * len(atoms) - 3) * _BOLTZMANN_EV_K)


def _found(name: str, atoms: Atoms, found: parse.Evaluation, version: str, described: _Description) -> Found:
    set_labels(atoms, found.energy_eV, found.forces_eV_per_A, found.stress_eV_per_A3)
    hirshfeld, mulliken = found.spin_hirshfeld, found.spin_mulliken
    for key, spins in (("REF_spin", mulliken if hirshfeld is None else hirshfeld), ("REF_spin_mulliken", mulliken)):
        if spins is not None:
            atoms.set_array(key, spins)
    return Found(
        name, atoms, converged=bool(found.scf_converged), charge=described.charge, multiplicity=described.multiplicity,
        program=f"CP2K {version}", settings=described.settings, kinds=described.kinds,
    )  # fmt: skip


def _described(folder: Path) -> _Description:
    inputs = sorted(folder.glob("*.inp"))
    if len(inputs) > 1:
        raise InputError(f"{folder}: one input of CP2K is needed, there are {', '.join(path.name for path in inputs)}")
    problems = []
    for path in (*inputs, *sorted(folder.glob("*.restart"))):
        try:
            return _description(parse_input(read_text(path, _MAX_INPUT)), folder)
        except (InputError, parse.OutputError) as error:
            problems.append(f"{path.name}: {error}")
    raise InputError(f"{folder}: {'; '.join(problems) or 'no input of CP2K (*.inp, *.restart)'}")


def _description(root: Section, folder: Path) -> _Description:
    dft, subsys = _only(root, "FORCE_EVAL/DFT"), _only(root, "FORCE_EVAL/SUBSYS")
    atoms = _atoms(subsys, folder)
    charge = int(_value(dft, "CHARGE") or 0)
    # CP2K's own default is the lowest multiplicity
    lowest = 1 + (int(atoms.numbers.sum()) - charge) % 2
    scf = _only(dft, "SCF") if dft.sections("SCF") else Section("SCF")
    level = [
        f"METHOD {_value(_only(root, 'FORCE_EVAL'), 'METHOD')}", _canonical(dft, (*_NOT_LEVEL, "SCF")),
        _canonical(Section("SCF", items=[item for item in scf.items if _name(item) in _OF_SCF])),
        *(_canonical(kind, _NOT_KIND) for kind in subsys.sections("KIND") if kind.parameter.upper() == "DEFAULT"),
    ]  # fmt: skip
    return _Description(
        atoms, project=_value(_only(root, "GLOBAL"), "PROJECT", "PROJECT_NAME") or "PROJECT",
        run_type=(_value(_only(root, "GLOBAL"), "RUN_TYPE") or "ENERGY_FORCE").upper(), charge=charge,
        multiplicity=int(_value(dft, "MULTIPLICITY", "MULTIP") or 0) or lowest, settings="\n".join(level),
        kinds=_kinds(subsys),
    )  # fmt: skip


def _only(section: Section, path: str) -> Section:
    found = section.sections(path)
    if len(found) != 1:
        raise InputError(f"{len(found)} sections &{path} where one is needed")
    return found[0]


def _value(section: Section, *names: str) -> str | None:
    """The first word of the only value of a keyword, by any of its names."""
    values = [value for name in names for value in section.values(name)]
    if len(values) > 1:
        raise InputError(f"{names[0]} stands {len(values)} times in &{section.name}")
    return values[0].split()[0] if values and values[0] else None


def _name(item: Line | Section) -> str:
    return item.keyword if isinstance(item, Line) else item.name


def _canonical(section: Section, without: tuple[str, ...] = ()) -> str:
    """The text of a section whatever the order, comments and folders of its lines."""
    parts = []
    for item in section.items:
        if _name(item) in without or not _name(item):
            continue
        if isinstance(item, Section):
            parts.append(_canonical(item))
        else:
            words = [Path(word).name if item.keyword.endswith("FILE_NAME") else word for word in item.value.split()]
            parts.append(" ".join([item.keyword, *words]))
    return " ".join([f"&{section.name} {section.parameter}".strip(), *sorted(parts), "&END"])


def _kinds(subsys: Section) -> str | None:
    """Each element with the hash of its &KIND blocks; None for a level without basis sets."""
    texts: dict[str, set[str]] = {}
    kinds = [kind for kind in subsys.sections("KIND") if kind.parameter.upper() != "DEFAULT"]
    if not any(_name(item).startswith("BASIS") for kind in kinds for item in kind.items):
        return None
    for kind in kinds:
        text = _canonical(kind, _NOT_KIND).replace(f"&KIND {kind.parameter}", "&KIND", 1)
        texts.setdefault(_element(kind.parameter, subsys), set()).add(text)
    return " ".join(f"{element}-{short_hash(' '.join(sorted(found)))}" for element, found in sorted(texts.items()))


def _atoms(subsys: Section, folder: Path) -> Atoms:
    cell = _cell(_only(subsys, "CELL"))
    names, positions = zip(*_rows(subsys, folder), strict=True)
    return Atoms([_element(name, subsys) for name in names], positions, cell=cell, pbc=True)


def _element(kind: str, subsys: Section) -> str:
    """The element of a kind: its ELEMENT keyword, else its name without a number."""
    for section in subsys.sections("KIND"):
        if section.parameter == kind and (stated := _value(section, "ELEMENT")):
            return stated.capitalize()
    symbol = re.sub(r"[\d_].*$", "", kind).capitalize()
    if symbol not in atomic_numbers:
        raise InputError(f"kind {kind}: its element is not known")
    return symbol


def _rows(subsys: Section, folder: Path) -> Iterator[tuple[str, list[float]]]:
    """Kind and position (Å) of each atom, from &COORD or an XYZ file beside the input."""
    coord = subsys.sections("COORD")
    if coord:
        lines = [item.text for item in coord[0].items if isinstance(item, Line) and item.keyword]
    else:
        topology = _only(subsys, "TOPOLOGY")
        name = _value(topology, "COORD_FILE_NAME") or ""
        if Path(name).name != name or not (folder / name).is_file():
            raise InputError(f"COORD_FILE_NAME {name!r}: no such file beside the input")
        lines = read_text(folder / name, _MAX_INPUT).splitlines()[2:]
    for line in lines:
        words = line.split("#")[0].split("!")[0].split()
        if len(words) < 4:
            if words and words[0].upper() in ("UNIT", "SCALED"):
                raise InputError(f"&COORD {' '.join(words)}: only positions in Å are read")
            continue
        yield words[0], _numbers(words[1:4])


def _cell(section: Section) -> np.ndarray:
    vectors = [section.values(axis) for axis in "ABC"]
    if all(len(vector) == 1 for vector in vectors):
        return np.array([_numbers(vector[0].split()) for vector in vectors])
    lengths, angles = section.values("ABC"), section.values("ALPHA_BETA_GAMMA")
    if len(lengths) != 1:
        raise InputError("&CELL: A, B, C or ABC are needed")
    return cellpar_to_cell([*_numbers(lengths[0].split()), *_numbers((angles or ["90 90 90"])[0].split())])


def _numbers(words: list[str]) -> list[float]:
    """The first three numbers; a unit in brackets other than Å or degrees is refused."""
    own = words[1:] if words and words[0].lower() in ("[angstrom]", "[deg]") else words
    try:
        x, y, z = map(float, own[:3])
    except ValueError:
        raise InputError(f"{' '.join(words)[:60]!r} where three numbers (Å) are needed") from None
    return [x, y, z]
