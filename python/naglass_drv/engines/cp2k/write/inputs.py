"""Write the CP2K input of a single point, after checking everything that can be checked beforehand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from ....chemistry import spins
from ....chemistry.ions import OPEN_SHELLS, parse_label
from ....dataset.frames import check_multiplicity, structure_digest
from ....errors import InputError
from ..theory import tight_binding, versions
from ..theory.levels import DFT, Method, data_of, label_of
from ..tree import Line, Section
from . import prints

if TYPE_CHECKING:
    from ase import Atoms

# ground terms of the free atoms (NIST Atomic Spectra Database, 10.18434/T4W30F)
ATOM_MULTIPLICITY = {
    "H": 2,
    "Li": 2,
    "B": 2,
    "C": 3,
    "N": 4,
    "O": 3,
    "F": 2,
    "Na": 2,
    "Mg": 1,
    "Al": 2,
    "Si": 3,
    "P": 4,
    "S": 3,
    "Cl": 2,
    "K": 2,
    "Ca": 1,
    "Sc": 2,
    "Ti": 3,
    "V": 4,
    "Cr": 7,
    "Mn": 6,
    "Fe": 5,
    "Co": 4,
    "Ni": 3,
    "Cu": 2,
    "Zn": 1,
    "Nb": 6,
    "Mo": 7,
}
_CLOSEST_A = 0.5
_START = "start_moment"


def isolated_atom(element: str, level: Method) -> "Atoms":
    """One atom in the level's box, with its ground-state `info["multiplicity"]`: its energy is the element's E0.

    Raises InputError for an element without a known ground state.
    """
    from ase import Atoms

    if element not in ATOM_MULTIPLICITY:
        raise InputError(f"isolated atom {element}: its ground-state multiplicity is unknown")
    box = level.atom_box_A
    atom = Atoms(element, [(box / 2, box / 2, box / 2)], cell=[box] * 3, pbc=True)
    atom.info.update(charge=0, multiplicity=ATOM_MULTIPLICITY[element], config_type="IsolatedAtom")
    return atom


def ion_names(atoms: "Atoms") -> list[str]:
    """What distinguishes the atoms in the input: their `ion` ("V4+") if the frame has one, else the element."""
    if "ion" not in atoms.arrays:
        return list(atoms.symbols)
    names = [str(name) for name in atoms.arrays["ion"]]
    for index, (name, element) in enumerate(zip(names, atoms.symbols, strict=True)):
        if parse_label(name)[0] != element:
            raise InputError(f"atom {index}: {name!r} is not an ion of {element}")
    return names


def ordered(atoms: "Atoms", pattern: str | Mapping[str, str], seed: int) -> "Atoms":
    """A copy of a frame whose ions start with the signs of `pattern`, with the resulting multiplicity.

    See `chemistry.spins.moments` for patterns; ``sampled`` draws from `seed` and the frame. The copy has an array
    `start_moment` (µB), which `single_point` follows. Raises InputError for a frame without known ions, or a pattern
    that does not fit them.
    """
    if "ion" not in atoms.arrays:
        raise InputError(f"spin: the ions of {atoms.get_chemical_formula()} are unknown; add an array 'ion'")
    distances = atoms.get_all_distances(mic=True)
    own_seed = crc32(f"{seed} {structure_digest(atoms)}".encode())
    signed = spins.moments(ion_names(atoms), pattern, distances, own_seed)
    copy = atoms.copy()
    copy.set_array(_START, signed.astype(float))
    copy.info["multiplicity"] = spins.multiplicity(signed)
    return copy


def single_point(
    atoms: "Atoms",
    level: Method,
    *,
    charge: int,
    multiplicity: int,
    magnetization: Mapping[str, float] | None = None,
    data: Path | None = None,
    outputs: Sequence[str] = (),
    version: str | None = None,
) -> str:
    """Text of the input for energy, forces, stress and moments of `atoms` (N atoms, periodic in three directions).

    `charge` (e) and `multiplicity` (2S+1) are of the whole cell. `magnetization` maps an ion ("V4+") or element to
    the moment (µB) its atoms start from; by default the frame's array `start_moment` (µB), else high spin, all up.
    Atoms of an element that differ in ion or start are kinds of their own. `data` is CP2K's data folder, in which the
    level's basis sets and pseudopotentials are looked up. `outputs` names further prints (`prints.OUTPUTS`), `version`
    the CP2K that will read the input, by default 2023.1. Raises InputError for a cell or positions that make no sense,
    two atoms on top of each other, a multiplicity of the wrong parity, an element without a KIND block, or a basis
    set or pseudopotential missing from CP2K's files.
    """
    check_structure(atoms)
    check_multiplicity(atoms, charge, multiplicity, "label")
    names = ion_names(atoms)
    moments = asked_moments(atoms, magnetization)
    labels = _kind_labels(atoms, names, moments)
    root = level.input_tree()
    dft = root.at("FORCE_EVAL/DFT")
    dft.set("CHARGE", charge)
    dft.set("MULTIPLICITY", multiplicity)
    for smear in dft.at("SCF").sections("SMEAR"):
        smear.set("FIXED_MAGNETIC_MOMENT", multiplicity - 1)
    if _pairs_all(atoms, level, multiplicity, moments, outputs):
        # the same solution as with two spins, for half the time
        dft.set("UKS", "FALSE")
    subsystem = [_cell(atoms), _coordinates(atoms, labels), *_kinds(labels, moments, atoms, level)]
    root.at("FORCE_EVAL/SUBSYS").items = subsystem
    if level.needs_basis:
        # finds entries missing from CP2K's files
        data_of(level, atoms.symbols, data)
        _name_basis_files(root)
    prints.add(root, outputs)
    versions.fit(root, version)
    tight_binding.fit(root, data)
    root.fill({name: f"{value:.1E}" if name == "eps_scf" else f"{value:g}" for name, value in level.settings()})
    root.items.insert(0, Line(f"# level {label_of(level)}"))
    return str(root)


def _pairs_all(atoms: "Atoms", level: Method, multiplicity: int, moments: np.ndarray, outputs: Sequence[str]) -> bool:
    """Whether one orbital can hold every pair of electrons: a singlet without metals of open d or f shells.

    Prints beyond a label are read with two spins, and electronic temperatures and inputs of users stay as they are.
    """
    if not isinstance(level, DFT) or level.level.smearing_K is not None or outputs:
        return False
    return multiplicity == 1 and not moments.any() and OPEN_SHELLS.isdisjoint(atoms.symbols)


def start_moments(names: Sequence[str]) -> dict[str, float]:
    """High-spin moment (µB) of each magnetic ion of `names`."""
    return {name: float(size) for name in dict.fromkeys(names) if (size := spins.unpaired(name))}


def asked_moments(atoms: "Atoms", magnetization: Mapping[str, float] | None = None) -> np.ndarray:
    """Moments (N, µB) that the SCF of a frame starts from: see `single_point`."""
    if magnetization is None and _START in atoms.arrays:
        return np.asarray(atoms.arrays[_START], dtype=float)
    names = ion_names(atoms)
    moments = start_moments(names) if magnetization is None else magnetization
    unknown = sorted(set(moments) - set(names))
    if unknown:
        there = ", ".join(sorted(set(names)))
        raise InputError(f"magnetization {unknown[0]}: no such ion; available: {there}")
    return np.array([moments.get(name, 0.0) for name in names], dtype=float)


def _kind_labels(atoms: "Atoms", names: Sequence[str], moments: np.ndarray) -> list[str]:
    """CP2K kind of each atom: its element, numbered where the element has several ions or starts, up before down."""
    own = list(zip(atoms.symbols, names, (-moment for moment in moments), strict=True))
    labels = {}
    for key in sorted(set(own)):
        same = [other for other in sorted(set(own)) if other[0] == key[0]]
        labels[key] = key[0] if len(same) == 1 else f"{key[0]}{same.index(key) + 1}"
    return [labels[key] for key in own]


def _kinds(labels: list[str], moments: np.ndarray, atoms: "Atoms", level: Method) -> list[Section]:
    sections = []
    for label, element, moment in sorted(set(zip(labels, atoms.symbols, moments, strict=True))):
        start = [Line(f"MAGNETIZATION {moment:g}")] if moment else []
        sections.append(Section("KIND", label, [Line(f"ELEMENT {element}"), *level.kind(element).items, *start]))
    return sections


def _name_basis_files(root: Section) -> None:
    """Move the files of basis sets that kinds ask for to &DFT, where CP2K looks for their names."""
    dft = root.at("FORCE_EVAL/DFT")
    for kind in root.sections("FORCE_EVAL/SUBSYS/KIND"):
        for name in kind.values("BASIS_SET_FILE_NAME"):
            if name not in dft.values("BASIS_SET_FILE_NAME"):
                dft.add("BASIS_SET_FILE_NAME", name)
        kind.remove("BASIS_SET_FILE_NAME")


def _cell(atoms: "Atoms") -> Section:
    rows = [f"{axis} " + " ".join(f"{x:.12f}" for x in row) for axis, row in zip("ABC", atoms.cell, strict=True)]
    return Section("CELL", items=[*map(Line, rows), Line("PERIODIC XYZ")])


def _coordinates(atoms: "Atoms", labels: list[str]) -> Section:
    rows = zip(labels, atoms.positions, strict=True)
    return Section("COORD", items=[Line(f"{label} " + " ".join(f"{x:.12f}" for x in place)) for label, place in rows])


def check_structure(atoms: "Atoms", where: str = "label") -> None:
    """Raise InputError (beginning with `where`) for an invalid cell or positions, or two overlapping atoms."""
    if not len(atoms):
        raise InputError(f"{where}: there are no atoms")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise InputError(f"{where}: a position or cell vector is not finite")
    if not atoms.pbc.all() or atoms.cell.volume < 1.0:
        raise InputError(
            f"{where}: the cell (volume {atoms.cell.volume:g} Å^3, periodic {atoms.pbc.tolist()}) is not periodic in 3D"
        )
    if fault := overlap(atoms):
        raise InputError(f"{where}: {fault}")


def overlap(atoms: "Atoms") -> str | None:
    """The closest two atoms, if they are so close that no program computes them; None otherwise."""
    distances = atoms.get_all_distances(mic=True) + 10.0 * np.eye(len(atoms))
    first, second = np.unravel_index(distances.argmin(), distances.shape)
    if distances[first, second] >= _CLOSEST_A:
        return None
    apart = f"{distances[first, second]:.3f} Å apart (less than {_CLOSEST_A} Å)"
    return f"atoms {min(first, second)} and {max(first, second)} are {apart}"
