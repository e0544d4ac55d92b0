"""The structures that a reference set labels: charge, spins, group and varied copies of each."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from ..chemistry import ions as chemistry
from ..errors import InputError
from ..files import stem_of
from .frames import STATE, check_states, keep_states, read_frames, structure_digest
from .vary import Variation, vary

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Candidate:
    """A structure to label and its name in the set; charge, multiplicity and group are in its `info`."""

    name: str
    frame: "Atoms"


def of_file(
    path: Path, count: int, how: Variation, seed: int, charge: int, multiplicity: int | None
) -> list[Candidate]:
    """`count` candidates (see `vary`) of every structure in an extended-XYZ file, named after the file.

    Raises InputError for a bad file or an impossible spin (see `prepared`).
    """
    frames = read_frames(path)
    candidates = []
    for index, frame in enumerate(frames):
        stem = stem_of(path) + (f"-{index}" if len(frames) > 1 else "")
        start = prepared(frame, f"{path}: frame {index}", stem_of(path), charge, multiplicity)
        own_seed = crc32(f"{seed} {structure_digest(start)}".encode())
        for number, copy in enumerate(vary(start, count, how, own_seed)):
            candidates.append(Candidate(f"{stem}-v{number}", copy))
    return candidates


def of_melt(path: Path, count: int, charge: int, multiplicity: int | None) -> list[Candidate]:
    """Up to `count` unchanged frames of a melt-quench trajectory, evenly spaced from first to last."""
    frames = read_frames(path)
    stem = stem_of(path)
    picks = np.unique(np.linspace(0, len(frames) - 1, count + 2).round().astype(int)[1:-1])
    return [
        Candidate(f"{stem}-{i}", prepared(frames[i], f"{path}: frame {i}", stem, charge, multiplicity)) for i in picks
    ]


def prepared(frame: "Atoms", where: str, family: str, charge: int, multiplicity: int | None) -> "Atoms":
    """A bare copy of `frame` with `ion`, `charge`, `multiplicity` and `group`, without any labels.

    Ions are those of the frame's `ion` array, else those that give its composition the `charge` (e). `multiplicity` =
    None means high spin of the ions, or the frame's own. A frame without a group gets one of its formula and
    `family`, so that related frames stay together. Raises InputError (beginning with `where`) when there is
    no way to know the spin, when the charge of the frame or of its ions contradicts, or when the ions cannot carry
    the multiplicity.
    """
    from ase import Atoms

    own_charge = frame.info.get("charge", charge)
    if not isinstance(own_charge, (int, float)) or own_charge != charge:
        raise InputError(f"{where}: has charge {own_charge}, but the charge of the set is {charge}")
    bare = Atoms(frame.symbols, frame.positions.round(8), cell=frame.cell.array.round(8), pbc=frame.pbc)
    try:
        labels, ions = named_ions(frame, charge)
        multiplicity = _checked_multiplicity(frame, labels is not None, ions, charge, multiplicity)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if labels is not None:
        bare.set_array("ion", np.array(labels))
    check_states(frame, where)
    keep_states(frame, bare)
    bare.info = {"charge": charge, "multiplicity": multiplicity, "group": group_of(frame, family)}
    return bare


def group_of(frame: "Atoms", family: str) -> str:
    """The group of a frame; one that has none belongs to its formula and `family`."""
    return str(frame.info.get("group", f"{frame.get_chemical_formula()}-{family}"))


def ions_of(frame: "Atoms") -> tuple[chemistry.Species, ...] | None:
    """The ions of a frame with `info["charge"]`, in that charge: by its array `ion`, else by its composition.

    None where they are not known.
    """
    charge = frame.info["charge"]
    try:
        ions = named_ions(frame, charge)[1]
        return None if ions is None else chemistry.with_charge(ions, charge)
    except InputError:
        return None


def high_spin(frame: "Atoms", charge: int) -> int | None:
    """2S + 1 of the frame's ions in a cell of `charge` (e), all of high spin with parallel moments.

    None where its array `ion` or, without one, its composition does not tell the ions. Raises InputError for a bad
    entry of `ion`.
    """
    ions = named_ions(frame, charge)[1]
    with suppress(InputError):
        return None if ions is None else chemistry.multiplicity(chemistry.with_charge(ions, charge))
    return None


def _checked_multiplicity(
    frame: "Atoms", by_atom: bool, ions: tuple[chemistry.Species, ...] | None, charge: int, stated: int | None
) -> int:
    """`stated`, else 2S + 1 by the ions or the frame, after a check that the cell can have it.

    `by_atom` says that it is known which atom is which of the `ions`.
    """
    total = None if ions is None else chemistry.total_charge(ions)
    if total not in (None, 0, charge):
        raise InputError(f"the ions add up to {total:+d} e, but the charge of the cell is {charge:+d}")
    if stated is None and by_atom:
        if total != charge:
            message = "the ions add up to 0, and it is not known which of them carries the charge of the cell"
            raise InputError(f"{message} ({charge:+d}): give the set a multiplicity")
        stated = chemistry.multiplicity(ions)
    stated = frame.info.get("multiplicity") if stated is None else stated
    if stated is None:
        hint = "" if ions is None else f" (high spin of {chemistry.magnetic(ions)} is {chemistry.multiplicity(ions)})"
        raise InputError(
            f"the spin of {frame.get_chemical_formula()} is unknown: give the set a multiplicity{hint}, "
            "or the structure an array 'ion' with entries like V4+"
        )
    if not isinstance(stated, int) or isinstance(stated, bool) or stated < 1:
        raise InputError(f"its multiplicity is {stated!r}; must be a whole number of at least 1")
    if ions is None:
        chemistry.check_parity(int(frame.numbers.sum()) - charge, stated, charge)
    else:
        chemistry.check_multiplicity(ions, stated, charge)
    return stated


def to_json(frame: "Atoms") -> dict[str, Any]:
    """The parts of a candidate that determine its label, as JSON types."""
    return {
        "symbols": list(frame.symbols),
        "positions_A": frame.positions.tolist(),
        "cell_A": frame.cell.array.tolist(),
        "pbc": frame.pbc.tolist(),
        "ion": frame.arrays["ion"].tolist() if "ion" in frame.arrays else None,
        "info": dict(frame.info),
        **({"start_moment_muB": frame.arrays["start_moment"].tolist()} if "start_moment" in frame.arrays else {}),
        **({STATE: frame.arrays[STATE].tolist()} if STATE in frame.arrays else {}),
    }


def from_json(content: dict[str, Any]) -> "Atoms":
    """The candidate that `to_json` described."""
    from ase import Atoms

    frame = Atoms(content["symbols"], content["positions_A"], cell=content["cell_A"], pbc=content["pbc"])
    if content["ion"] is not None:
        frame.set_array("ion", np.array(content["ion"]))
    if "start_moment_muB" in content:
        frame.set_array("start_moment", np.array(content["start_moment_muB"]))
    if STATE in content:
        frame.set_array(STATE, np.array(content[STATE]))
    frame.info = dict(content["info"])
    return frame


def named_ions(frame: "Atoms", charge: int) -> tuple[list[str] | None, tuple[chemistry.Species, ...] | None]:
    """Ion of each atom, and the count of each ion.

    Without an array `ion` they are those that give the composition its charge: None where nothing does, and no ion of
    each atom where one element has two states.
    """
    if "ion" in frame.arrays:
        labels = [str(label) for label in frame.arrays["ion"]]
        for element, label in zip(frame.symbols, labels, strict=True):
            if chemistry.parse_label(label)[0] != element:
                raise InputError(f"ion {label!r} on an atom of {element}")
        return labels, chemistry.ions_of(labels)
    try:
        ions = chemistry.species(Counter(frame.symbols), charge=charge)
    except InputError:
        return None, None
    label_of = {ion.element: ion.label for ion in ions}
    labels = [label_of[element] for element in frame.symbols]
    return (labels if len(label_of) == len(ions) else None), ions
