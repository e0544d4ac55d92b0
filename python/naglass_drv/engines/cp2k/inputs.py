"""Writes the CP2K input of a single point, after everything that can be known to be wrong has been checked."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from ...dataset.frames import check_multiplicity
from ...errors import InputError, SetupError
from ...glass.chemistry import TRANSITION_METALS, high_spin_unpaired, parse_label
from ...paths import data_file
from .levels import Level

if TYPE_CHECKING:
    from ase import Atoms

# ground terms of the free atoms (NIST Atomic Spectra Database, 10.18434/T4W30F)
ATOM_MULTIPLICITY = {
    "H": 2, "Li": 2, "B": 2, "C": 3, "N": 4, "O": 3, "F": 2, "Na": 2, "Mg": 1, "Al": 2, "Si": 3, "P": 4, "S": 3,
    "Cl": 2, "K": 2, "Ca": 1, "Sc": 2, "Ti": 3, "V": 4, "Cr": 7, "Mn": 6, "Fe": 5, "Co": 4, "Ni": 3, "Cu": 2,
    "Zn": 1, "Nb": 6, "Mo": 7,
}
_CLOSEST_A = 0.5


def isolated_atom(element: str, level: Level) -> "Atoms":
    """One atom in the level's box, with its ground-state `info["multiplicity"]`: its energy is the element's E0.

    Raises InputError for an element without a known ground state.
    """
    from ase import Atoms

    if element not in ATOM_MULTIPLICITY:
        raise InputError(f"isolated atom {element}: its ground-state multiplicity is not known")
    box = level.atom_box_A
    atom = Atoms(element, [(box / 2, box / 2, box / 2)], cell=[box] * 3, pbc=True)
    atom.info.update(charge=0, multiplicity=ATOM_MULTIPLICITY[element], config_type="IsolatedAtom")
    return atom


def ion_names(atoms: "Atoms") -> list[str]:
    """What tells the atoms apart in the input: their `ion` ("V4+") where the frame has one, else the element."""
    if "ion" not in atoms.arrays:
        return list(atoms.symbols)
    names = [str(name) for name in atoms.arrays["ion"]]
    for index, (name, element) in enumerate(zip(names, atoms.symbols, strict=True)):
        if parse_label(name)[0] != element:
            raise InputError(f"atom {index}: the ion {name!r} is not one of {element}")
    return names


def start_moments(names: list[str]) -> dict[str, float]:
    """High-spin moment (µB) that each transition-metal ion of `names` starts from; others start from none."""
    moments = {}
    for name in dict.fromkeys(names):
        element, charge = parse_label(name)
        if element in TRANSITION_METALS and charge is not None:
            moments[name] = float(high_spin_unpaired(element, charge))
    return moments


def single_point(
    atoms: "Atoms",
    level: Level,
    *,
    charge: int,
    multiplicity: int,
    magnetization: Mapping[str, float] | None = None,
    data: Path | None = None,
) -> str:
    """Text of the input for energy, forces, stress and moments of `atoms` (N atoms, periodic in three directions).

    `charge` (e) and `multiplicity` (2S+1) are of the whole cell. `magnetization` maps an ion ("V4+") or element to
    the moment (µB) its atoms start from; by default high spin. `data` is CP2K's data folder, in which the level's
    basis sets and pseudopotentials are looked up. Raises InputError for a cell or positions that make no sense,
    two atoms on top of each other, a multiplicity of the wrong parity, an element without a KIND block, or a basis
    set or pseudopotential that CP2K's files do not hold.
    """
    _check_structure(atoms)
    check_multiplicity(atoms, charge, multiplicity, "label")
    names = ion_names(atoms)
    moments = dict(start_moments(names) if magnetization is None else magnetization)
    unknown = sorted(set(moments) - set(names))
    if unknown:
        raise InputError(f"magnetization {unknown[0]}: there is no such ion; there are {', '.join(sorted(set(names)))}")
    labels = _kind_labels(names)
    blocks = [_kind(labels[name], parse_label(name)[0], moments.get(name), level) for name in labels]
    if level.needs_basis:
        for element in dict.fromkeys(atoms.symbols):
            check_basis(element, level, data)
    template = Template(data_file("cp2k_templates", level.template).read_text())
    values = {
        "multiplicity": multiplicity,
        "charge": charge,
        "eps_scf": f"{level.eps_scf:.1E}",
        "subsystem": "\n".join([_cell(atoms), _coordinates(atoms, [labels[name] for name in names]), *blocks]),
    }
    if hasattr(level, "cutoff_Ry"):
        values["cutoff_Ry"] = f"{level.cutoff_Ry:g}"
    return template.substitute(values)


def check_basis(element: str, level: Level, data: Path | None) -> None:
    """Raise InputError naming element, entry and file unless CP2K's data folder holds what the KIND block asks for."""
    if data is None:
        raise SetupError("CP2K's data folder (BASIS_MOLOPT, GTH_POTENTIALS) was not found; name it as cp2k_data")
    template = data_file("cp2k_templates", level.template).read_text()
    kind = _kind_text(element)
    for key, file_key, what in (
        ("BASIS_SET", "BASIS_SET_FILE_NAME", "basis set"),
        ("POTENTIAL", "POTENTIAL_FILE_NAME", "pseudopotential"),
    ):
        wanted = _values(kind, key)[0]
        files = [data / name for name in _values(template, file_key)]
        absent = [str(path) for path in files if not path.is_file()]
        if absent:
            raise SetupError(f"CP2K's data file {absent[0]} does not exist; check cp2k_data")
        if not any(_holds(path, element, wanted) for path in files):
            raise InputError(f"{element}: no {what} {wanted!r} in {', '.join(map(str, files))}")


def _holds(path: Path, element: str, name: str) -> bool:
    """Whether a CP2K data file has an entry for `element` under `name` (entries begin ``element name [alias ...]``)."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0].upper() == element.upper() and name.upper() in map(str.upper, words[1:]):
                return True
    return False


def _values(text: str, key: str) -> list[str]:
    """Values of the keyword `key` in a piece of CP2K input."""
    split = (line.split() for line in text.splitlines())
    return [words[1] for words in split if len(words) > 1 and words[0] == key]


def _kind_text(element: str) -> str:
    try:
        return data_file("cp2k_templates", "kinds", f"{element}.inp").read_text()
    except SetupError:
        raise InputError(f"{element}: no CP2K KIND block (cp2k_templates/kinds/{element}.inp)") from None


def _kind_labels(names: list[str]) -> dict[str, str]:
    """CP2K kind of each ion: the element, numbered where the element has several ions."""
    labels = {}
    for name in sorted(set(names)):
        element = parse_label(name)[0]
        same = [other for other in sorted(set(names)) if parse_label(other)[0] == element]
        labels[name] = element if len(same) == 1 else f"{element}{same.index(name) + 1}"
    return labels


def _kind(label: str, element: str, moment: float | None, level: Level) -> str:
    lines = [f"ELEMENT {element}"]
    if level.needs_basis:
        lines += _kind_text(element).rstrip().splitlines()
    if moment:
        lines.append(f"MAGNETIZATION {moment:g}")
    return "\n".join([f"    &KIND {label}", *(f"      {line}" for line in lines), "    &END KIND"])


def _cell(atoms: "Atoms") -> str:
    rows = [f"      {axis} " + " ".join(f"{x:.12f}" for x in row) for axis, row in zip("ABC", atoms.cell, strict=True)]
    return "\n".join(["    &CELL", *rows, "      PERIODIC XYZ", "    &END CELL"])


def _coordinates(atoms: "Atoms", labels: list[str]) -> str:
    rows = [
        f"      {label} " + " ".join(f"{x:.12f}" for x in position)
        for label, position in zip(labels, atoms.positions, strict=True)
    ]
    return "\n".join(["    &COORD", *rows, "    &END COORD"])


def _check_structure(atoms: "Atoms") -> None:
    if not len(atoms):
        raise InputError("label: there is no atom")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise InputError("label: a position or cell vector is not finite")
    if not atoms.pbc.all() or atoms.cell.volume < 1.0:
        raise InputError(
            f"label: the cell (volume {atoms.cell.volume:g} Å^3, periodic {atoms.pbc.tolist()}) is not periodic in 3D"
        )
    distances = atoms.get_all_distances(mic=True) + 10.0 * np.eye(len(atoms))
    if distances.min() < _CLOSEST_A:
        first, second = np.unravel_index(distances.argmin(), distances.shape)
        raise InputError(
            f"label: atoms {min(first, second)} and {max(first, second)} are {distances.min():.3f} Å apart "
            f"(less than {_CLOSEST_A} Å)"
        )
