"""Frames that others labelled: what their source tells, and the gate that they pass like our own.

A reader (`read_extxyz` here, VASP and CP2K in `engines`) turns a source into `Found` frames and refusals; `admit` makes
of each a frame of the convention (see `frames`), or refuses it by name.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .assemble import is_isolated_atom
from .audit.moments import LABELS
from .candidates import prepared
from .frames import check_labelled, read_frames
from .gate import net_force_fault, spin_fault

if TYPE_CHECKING:
    from ase import Atoms

# where other programs and people put their labels, by our name; the first that is there is taken
_ENERGY, _FORCES, _STRESS, _VIRIAL = (
    ("REF_energy", "energy"), ("REF_forces", "forces", "force"), ("REF_stress", "stress"), ("REF_virial", "virial"),
)  # fmt: skip
_KEPT_INFO = ("temperature_K", "config_type")
HIGH_SPIN = "high-spin"


@dataclass(frozen=True)
class Found:
    """A labelled frame as its source tells it; None and "" are what the source does not tell.

    `frame` has the labels under the names of the convention. `settings` is text that is the same for all frames of one
    level, `kinds` the same for each element apart (see `engines.cp2k.levels`); `program` is who computed it; `told` is
    what else the source says of the frame.
    """

    source: str
    frame: "Atoms"
    converged: bool | None = None
    charge: int | None = None
    multiplicity: int | None = None
    program: str = ""
    settings: str = ""
    kinds: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


class Refused(Exception):
    """A frame that does not pass; `failure` is the name of the check."""

    def __init__(self, failure: str, message: str):
        super().__init__(message)
        self.failure = failure

    def record(self, source: str) -> dict[str, str]:
        """The refusal as it is listed."""
        return {"frame": source, "failure": self.failure, "message": str(self)}


@dataclass(frozen=True)
class Terms:
    """What whoever imports frames says of them.

    `level` is the level's name and `settings` the text its hash is taken of, where the sources do not tell it.
    `multiplicity` is a number, or "high-spin" (of the ions that balance each composition). Frames of one group stay
    together in a split: `group` names one for all, with what the source tells in braces, as in ``melt-{iteration}``; by
    default they are those of one formula and file. `atom_multiplicity` is that of an isolated atom of each element;
    `program` is who computed the labels.
    """

    level: str
    settings: str = ""
    charge: int | None = None
    multiplicity: int | str | None = None
    group: str | None = None
    max_net_force_eV_per_A: float = 0.05
    atom_multiplicity: Mapping[str, int] = field(default_factory=dict)
    program: str = ""


def read_extxyz(path: Path, keys: Mapping[str, str]) -> list[Found]:
    """Frames of an extended-XYZ file.

    `keys` names where ``energy``, ``forces``, ``stress``, ``virial`` and ``spin`` are. What is not named is looked for
    under the usual names, those of ASE's calculators included. A virial W becomes the stress -W/V. Stresses of six
    numbers are in ASE's order (xx, yy, zz, yz, xz, xy). Raises InputError for a file that is no extended XYZ, or
    without the named keys.
    """
    return [_of_extxyz(frame, number, path, keys) for number, frame in enumerate(read_frames(path))]


def _of_extxyz(frame: "Atoms", number: int, path: Path, keys: Mapping[str, str]) -> Found:
    where = f"{path}: frame {number}"
    energy = _value(frame, keys.get("energy"), _ENERGY, where)
    forces = _value(frame, keys.get("forces"), _FORCES, where)
    stress = _value(frame, keys.get("stress"), _STRESS, where)
    virial = _value(frame, keys.get("virial"), _VIRIAL if stress is None else (), where)
    if virial is not None:
        stress = -_matrix(virial, where) / frame.cell.volume
    labelled = bare(frame)
    labelled.info |= {key: frame.info[key] for key in _KEPT_INFO if key in frame.info}
    set_labels(labelled, energy, forces, None if stress is None else _matrix(stress, where))
    for key in LABELS:
        if key in frame.arrays:
            labelled.set_array(key, frame.arrays[key])
    if "spin" in keys:
        labelled.set_array("REF_spin", np.asarray(_value(frame, keys["spin"], (), where)))
    return Found(
        source_name(path, number), labelled, converged=frame.info.get("scf_converged"), charge=frame.info.get("charge"),
        multiplicity=frame.info.get("multiplicity"), told=dict(frame.info),
    )  # fmt: skip


def bare(frame: "Atoms") -> "Atoms":
    """Elements, positions, cell, periodicity and ions of a frame, nothing else."""
    from ase import Atoms

    copy = Atoms(frame.symbols, frame.positions, cell=frame.cell.array, pbc=frame.pbc)
    if "ion" in frame.arrays:
        copy.set_array("ion", frame.arrays["ion"])
    return copy


def set_labels(frame: "Atoms", energy: Any, forces: Any, stress: Any) -> None:
    """Write what there is of energy (eV), forces (eV/Å) and stress (3×3, eV/Å³) under the names of the convention."""
    if energy is not None:
        frame.info["REF_energy"] = float(energy)
    if forces is not None:
        frame.set_array("REF_forces", np.asarray(forces, dtype=float))
    if stress is not None:
        frame.info["REF_stress"] = np.asarray(stress, dtype=float)


def source_name(path: Path, number: int) -> str:
    """The name of a frame: file with its folder, and the frame's number."""
    return f"{'/'.join(path.absolute().parts[-2:])}#{number}"


def short_hash(text: str) -> str:
    """Seven hexadecimal digits of the words of `text`, after a letter, so that none takes them for a number."""
    return f"h{hashlib.sha256(' '.join(text.split()).encode()).hexdigest()[:7]}"


def _value(frame: "Atoms", named: str | None, usual: Sequence[str], where: str) -> Any:
    """The label under the key `named`, else under the first of the `usual` ones; None without any."""
    results = frame.calc.results if frame.calc is not None else {}
    for key in (named,) if named else usual:
        for place in (frame.info, frame.arrays, results):
            if key in place:
                return place[key]
    if named:
        known = sorted({*frame.info, *frame.arrays, *results} - {"numbers", "positions"})
        raise InputError(f"{where}: there is no {named!r}; there are {', '.join(known)}")
    return None


def _matrix(value: Any, where: str) -> np.ndarray:
    from ase.stress import voigt_6_to_full_3x3_stress

    array = np.asarray(value, dtype=float)
    if array.shape == (6,):
        return voigt_6_to_full_3x3_stress(array)
    if array.size != 9:
        raise InputError(f"{where}: a stress or virial of {array.size} numbers, 6 or 9 are needed")
    return array.reshape(3, 3)


def admit(found: Found, terms: Terms, sha256: str = "") -> "Atoms":
    """The frame as the convention has it, with where it came from (`sha256` of the source). Raises Refused.

    INCOMPLETE without energy or forces, NAN for a number that is not finite, SCF_NOT_CONVERGED where the source says
    so, NET_FORCE above the terms' limit, SPIN_UNKNOWN without a multiplicity from source or terms, SPIN_MISMATCH for
    one that does not fit the electrons or the moments, GROUP_UNKNOWN without what the group is made of.
    """
    frame = found.frame
    _check_labels(found, terms.max_net_force_eV_per_A)
    admitted = bare(frame)
    admitted.info = _spin_state(found, terms) | {
        "level": f"{terms.level}-{short_hash(terms.settings or found.settings)}", "source": found.source,
        "net_force_eV_per_A": net_force(frame),
    }  # fmt: skip
    if terms.group is not None:
        admitted.info["group"] = _group(terms.group, found.told)
    admitted.info |= {key: frame.info[key] for key in ("REF_energy", "REF_stress", *_KEPT_INFO) if key in frame.info}
    told = {
        "source_sha256": sha256 and f"h{sha256[:15]}", "program": found.program or terms.program, "kinds": found.kinds,
        "scf_converged": found.converged,
    }  # fmt: skip
    admitted.info |= {key: value for key, value in told.items() if value not in (None, "")}
    for key in ("REF_forces", *LABELS):
        if key in frame.arrays:
            admitted.set_array(key, frame.arrays[key])
    try:
        check_labelled(admitted, found.source)
    except InputError as error:
        raise Refused("INCOMPLETE", str(error)) from None
    _check_moments(admitted)
    return admitted


def net_force(frame: "Atoms") -> float:
    """|ΣF| (eV/Å) of the labels."""
    return float(np.linalg.norm(frame.arrays["REF_forces"].sum(axis=0)))


def _check_labels(found: Found, max_net_force_eV_per_A: float) -> None:
    frame = found.frame
    if found.converged is False:
        raise Refused("SCF_NOT_CONVERGED", "the SCF did not converge")
    if is_isolated_atom(frame):
        frame.arrays.setdefault("REF_forces", np.zeros((1, 3)))
    missing = [name for name, there in (("energy", frame.info), ("forces", frame.arrays)) if f"REF_{name}" not in there]
    if missing:
        raise Refused("INCOMPLETE", f"there is no {' and no '.join(missing)}")
    for key, values in (*frame.info.items(), *frame.arrays.items()):
        if key.startswith("REF_") and not np.isfinite(values).all():
            raise Refused("NAN", f"{key} is not finite")
    if (fault := net_force_fault(net_force(frame), max_net_force_eV_per_A)) is not None:
        raise Refused("NET_FORCE", fault)


def _spin_state(found: Found, terms: Terms) -> dict[str, Any]:
    """Charge and multiplicity by terms or source, and a group of the frame's formula and file."""
    charge = found.charge if terms.charge is None else terms.charge
    multiplicity = found.multiplicity if terms.multiplicity is None else terms.multiplicity
    if is_isolated_atom(found.frame):
        multiplicity = found.multiplicity or terms.atom_multiplicity.get(found.frame.get_chemical_formula())
    if multiplicity is None:
        raise Refused("SPIN_UNKNOWN", "neither the source nor --multiplicity tells the multiplicity")
    folder, _, name = found.source.partition("#")[0].rpartition("/")
    family = f"{folder}-{name.split('.')[0]}" if folder else name
    number = None if multiplicity == HIGH_SPIN else int(multiplicity)
    try:
        return dict(prepared(bare(found.frame), found.source, family, charge or 0, number).info)
    except InputError as error:
        raise Refused("SPIN_UNKNOWN" if multiplicity == HIGH_SPIN else "SPIN_MISMATCH", str(error)) from None


def _group(pattern: str, told: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in told:
            raise Refused("GROUP_UNKNOWN", f"the source does not tell {match[1]!r}, which the group is made of")
        return str(told[match[1]])

    return re.sub(r"\{(\w+)\}", value, pattern)


def _check_moments(frame: "Atoms") -> None:
    for key in LABELS:
        if key in frame.arrays:
            fault = spin_fault(float(frame.arrays[key].sum()), frame.info["multiplicity"], key)
            if fault is not None:
                raise Refused("SPIN_MISMATCH", fault)
