"""Frames labeled elsewhere: what their source says, and the checks that they have to pass like our own.

A reader (`read_extxyz` here, others beside it) turns a source into `Found` frames and refusals; `admit` makes
of each a frame of the convention (see `frames`), or refuses it by name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.level import short_hash
from ..dataset.audit.moments import LABELS
from ..dataset.candidates import high_spin, prepared
from ..dataset.frames import check_labeled, each_frame, is_isolated_atom, keep_states
from ..dataset.gate import Refused, net_force_fault, spin_fault, stress_fault
from ..dataset.labels import LIKE_A_LABEL, Entries, labels_of, numbers, scf_converged, whole
from ..errors import InputError
from ..files import stem_of

if TYPE_CHECKING:
    from ase import Atoms

_KEPT_INFO = ("temperature_K", "config_type")
HIGH_SPIN = "high-spin"


@dataclass(frozen=True)
class Found:
    """A labeled frame as given by its source; None and "" mean that the source does not say.

    `frame` has the labels under the names of the convention. `settings` is text that is the same for all frames of one
    level, `kinds` the same for each element apart (see `engines.cp2k.theory.levels`); `program` is who computed it;
    `told` is what else the source says of the frame, `untaken` names what in it looks like a label and was not taken.
    A frame that cannot be read has its `refusal`, and is empty.
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
    untaken: tuple[str, ...] = ()
    refusal: Refused | None = None


@dataclass(frozen=True)
class Terms:
    """Information on imported frames provided by the user.

    `level` is the level's name and `settings` the text that is hashed, if the sources do not have it.
    `multiplicity` is a number, or "high-spin" (of the ions that balance each composition). Frames of one group stay
    together in a split: `group` names one for all, with entries of the source in braces, as in ``melt-{iteration}``; by
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
    max_stress_GPa: float = 1000.0


def read_extxyz(path: Path, keys: Mapping[str, str]) -> list[Found]:
    """Frames of an extended-XYZ file; a frame that cannot be read has a refusal.

    `keys` names where ``energy``, ``forces``, ``stress``, ``virial`` and ``spin`` are; the others are looked for by
    their names (see `labels`). Raises InputError for a file that is no extended XYZ, or no frame of which has the
    named keys.
    """
    frames = list(each_frame(path, raw=True))
    if all(isinstance(frame, InputError) for frame in frames):
        raise frames[0] if frames else InputError(f"{path}: contains no frames")
    found = [
        unreadable(path, number, frame) if isinstance(frame, InputError) else found_in(path, number, frame, keys)
        for number, frame in enumerate(frames)
    ]
    if all(one.refusal is not None and one.refusal.failure == "INCOMPLETE" for one in found):
        raise InputError(f"{path}: frame 0: {found[0].refusal}")
    return found


def unreadable(path: Path, number: int, error: Exception) -> Found:
    """Placeholder for a frame that cannot be read."""
    from ase import Atoms

    refusal = error if isinstance(error, Refused) else Refused("UNREADABLE", str(error))
    return Found(source_name(path, number), Atoms(), refusal=refusal)


def found_in(path: Path, number: int, frame: "Atoms", keys: Mapping[str, str]) -> Found:
    """Frame `number` of `path` with the labels of its info, arrays and calculator."""
    results = frame.calc.results if frame.calc is not None else {}
    of_atoms = {key for key, value in results.items() if np.shape(value)[:1] == (len(frame),) and key != "stress"}
    entries = Entries(
        {**frame.info, **{key: value for key, value in results.items() if key not in of_atoms}},
        {**frame.arrays, **{key: results[key] for key in of_atoms}},
    )
    try:
        return _found(path, number, frame, entries, keys)
    except Refused as refusal:
        return unreadable(path, number, refusal)


def _found(path: Path, number: int, frame: "Atoms", entries: Entries, keys: Mapping[str, str]) -> Found:
    keys = dict(keys)
    spin = keys.pop("spin", None)
    labels = labels_of(entries, keys, len(frame), frame.cell.volume)
    labeled = bare(frame)
    labeled.info |= {key: frame.info[key] for key in _KEPT_INFO if key in frame.info}
    set_labels(labeled, labels.energy, labels.forces, labels.stress)
    for key in LABELS:
        if key in frame.arrays:
            labeled.set_array(key, numbers(frame.arrays[key], (len(frame),), key))
    if spin is not None:
        if spin not in entries.atoms:
            raise Refused(
                "INCOMPLETE", f"there is no per-atom entry {spin!r}; available: {', '.join(sorted(entries.atoms))}"
            )
        labeled.set_array("REF_spin", numbers(entries.atoms[spin], (len(frame),), spin))
    config = entries.config
    charge, multiplicity = (whole(config.get(key), key) for key in ("charge", "multiplicity"))
    return Found(
        source_name(path, number), labeled, converged=scf_converged(config), charge=charge, multiplicity=multiplicity,
        told=config, untaken=tuple(key for key in labels.untaken if key != spin),
    )  # fmt: skip


def bare(frame: "Atoms") -> "Atoms":
    """Elements, positions, cell, periodicity, ions and states of a frame, nothing else."""
    from ase import Atoms

    copy = Atoms(frame.symbols, frame.positions, cell=frame.cell.array, pbc=frame.pbc)
    if "ion" in frame.arrays:
        copy.set_array("ion", frame.arrays["ion"])
    keep_states(frame, copy)
    return copy


def set_labels(frame: "Atoms", energy: Any, forces: Any, stress: Any) -> None:
    """Store energy (eV), forces (eV/Å) and stress (3×3, eV/Å³), if present, under the names of the convention."""
    if energy is not None:
        frame.info["REF_energy"] = float(energy)
    if forces is not None:
        frame.set_array("REF_forces", np.asarray(forces, dtype=float))
    if stress is not None:
        frame.info["REF_stress"] = np.asarray(stress, dtype=float)


def source_name(path: Path, number: int) -> str:
    """The name of a frame: file with its folder, and the frame's number."""
    return f"{'/'.join(path.absolute().parts[-2:])}#{number}"


def admit(found: Found, terms: Terms, sha256: str = "") -> "Atoms":
    """The frame in the form of the convention, with its origin (`sha256` of the source). Raises Refused.

    The refusal of a frame that could not be read; INCOMPLETE without energy or forces, NAN for a number that is not
    finite, SCF_NOT_CONVERGED where the source says so, NET_FORCE above the terms' limit, SPIN_UNKNOWN without a
    multiplicity from source or terms, SPIN_MISMATCH for one that does not fit the electrons or the moments,
    GROUP_UNKNOWN without what the group is made of. A stress that cannot be one is left out (see `unfit_stress`).
    """
    if found.refusal is not None:
        raise found.refusal
    frame = found.frame
    _check_labels(found, terms)
    admitted = bare(frame)
    admitted.info = _spin_state(found, terms) | {
        "level": f"{terms.level}-{short_hash(terms.settings or found.settings)}", "source": found.source,
        "net_force_eV_per_A": net_force(frame),
    }  # fmt: skip
    # an isolated atom is in no split
    if terms.group is not None and not is_isolated_atom(frame):
        admitted.info["group"] = _group(terms.group, found.told)
    labels = ("REF_energy", "REF_stress") if unfit_stress(found, terms) is None else ("REF_energy",)
    admitted.info |= {key: frame.info[key] for key in (*labels, *_KEPT_INFO) if key in frame.info}
    told = {
        "source_sha256": sha256 and f"h{sha256[:15]}", "program": found.program or terms.program, "kinds": found.kinds,
        "scf_converged": found.converged,
    }  # fmt: skip
    admitted.info |= {key: value for key, value in told.items() if value not in (None, "")}
    for key in ("REF_forces", *LABELS):
        if key in frame.arrays:
            admitted.set_array(key, frame.arrays[key])
    try:
        check_labeled(admitted, found.source)
    except InputError as error:
        raise Refused("INCOMPLETE", str(error)) from None
    _check_moments(admitted)
    return admitted


def unfit_stress(found: Found, terms: Terms) -> str | None:
    """Why the stress of a frame is dropped: not symmetric, or above the limit of the terms; None if it is valid."""
    stress = found.frame.info.get("REF_stress")
    return stress_fault(stress, terms.max_stress_GPa) if np.shape(stress) == (3, 3) else None


def net_force(frame: "Atoms") -> float:
    """|ΣF| (eV/Å) of the labels."""
    return float(np.linalg.norm(frame.arrays["REF_forces"].sum(axis=0)))


def _check_labels(found: Found, terms: Terms) -> None:
    frame = found.frame
    if found.converged is False:
        raise Refused("SCF_NOT_CONVERGED", "the SCF did not converge")
    if is_isolated_atom(frame):
        frame.arrays.setdefault("REF_forces", np.zeros((1, 3)))
    missing = [name for name, there in (("energy", frame.info), ("forces", frame.arrays)) if f"REF_{name}" not in there]
    if missing:
        flags = " and ".join(f"--{name}-key" for name in missing)
        verb = "are" if missing == ["forces"] else "is"
        like = ", ".join(key for key in found.untaken if LIKE_A_LABEL.search(key))
        other = f"; it has {like}: select the right one with {flags}" if like else ""
        raise Refused("INCOMPLETE", f"there {verb} no {' and no '.join(missing)}{other}")
    for key, values in (*frame.info.items(), *frame.arrays.items()):
        if key.startswith("REF_") and not np.isfinite(values).all():
            raise Refused("NAN", f"{key} is not finite")
    if (fault := net_force_fault(net_force(frame), terms.max_net_force_eV_per_A)) is not None:
        raise Refused("NET_FORCE", f"{fault} (--max-net-force)")


def _spin_state(found: Found, terms: Terms) -> dict[str, Any]:
    """Charge and multiplicity by terms or source, and a group of the frame's formula and file."""
    charge = found.charge if terms.charge is None else terms.charge
    multiplicity = found.multiplicity if terms.multiplicity is None else terms.multiplicity
    if is_isolated_atom(found.frame):
        multiplicity = found.multiplicity or terms.atom_multiplicity.get(found.frame.get_chemical_formula())
    if multiplicity is None:
        teller = "the ground state of the element" if is_isolated_atom(found.frame) else "--multiplicity"
        raise Refused("SPIN_UNKNOWN", f"neither the source nor {teller} gives the multiplicity")
    folder, _, name = found.source.partition("#")[0].rpartition("/")
    family = f"{folder}-{stem_of(Path(name))}" if folder else name
    try:
        number = high_spin(found.frame, charge or 0) if multiplicity == HIGH_SPIN else int(multiplicity)
        if number is None:
            problem = f"the spin of {found.frame.get_chemical_formula()} is unknown"
            raise InputError(f"{problem}: composition and charge do not tell its ions; give --multiplicity N")
        return dict(prepared(bare(found.frame), found.source, family, charge or 0, number).info)
    except InputError as error:
        raise Refused("SPIN_UNKNOWN" if multiplicity == HIGH_SPIN else "SPIN_MISMATCH", str(error)) from None


def _group(pattern: str, told: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in told:
            raise Refused("GROUP_UNKNOWN", f"the source has no {match[1]!r}, which the group name needs")
        return str(told[match[1]])

    group = re.sub(r"\{(\w+)\}", value, pattern)
    # extended XYZ reads a bare number or truth value back as that
    return (
        f"group-{group}"
        if re.fullmatch(r"[-+.\d]*([eE][-+]?\d+)?|[TF]|nan|inf|true|false", group, re.IGNORECASE)
        else group
    )


def _check_moments(frame: "Atoms") -> None:
    for key in LABELS:
        if key in frame.arrays:
            fault = spin_fault(float(frame.arrays[key].sum()), frame.info["multiplicity"], key)
            if fault is not None:
                raise Refused("SPIN_MISMATCH", fault)
