"""Which structures a reference set labels: charge, spins, group and varied copies of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from ..errors import InputError
from ..glass import chemistry
from .frames import check_multiplicity, digest, read_frames
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

    Raises InputError for a bad file or a spin that cannot be (see `prepared`).
    """
    frames = read_frames(path)
    candidates = []
    for index, frame in enumerate(frames):
        stem = path.name.split(".")[0] + (f"-{index}" if len(frames) > 1 else "")
        start = prepared(frame, f"{path}: frame {index}", path.name.split(".")[0], charge, multiplicity)
        own_seed = crc32(f"{seed} {digest(start)}".encode())
        for number, copy in enumerate(vary(start, count, how, own_seed)):
            candidates.append(Candidate(f"{stem}-v{number}", copy))
    return candidates


def of_melt(path: Path, count: int, charge: int, multiplicity: int | None) -> list[Candidate]:
    """Up to `count` frames of a melt-quench trajectory as they are, evenly spaced between first and last."""
    frames = read_frames(path)
    stem = path.name.split(".")[0]
    picks = np.unique(np.linspace(0, len(frames) - 1, count + 2).round().astype(int)[1:-1])
    return [
        Candidate(f"{stem}-{i}", prepared(frames[i], f"{path}: frame {i}", stem, charge, multiplicity)) for i in picks
    ]


def prepared(frame: "Atoms", where: str, family: str, charge: int, multiplicity: int | None) -> "Atoms":
    """A bare copy of `frame` with `ion`, `charge`, `multiplicity` and `group`, without any labels.

    Ions are those of the frame's `ion` array, else those that balance its composition. `multiplicity` = None
    means high spin of the ions, or the frame's own. A frame without a group gets one of its formula and
    `family`, so that related frames stay together. Raises InputError (beginning with `where`) when there is
    no way to know the spin, when the frame's own charge contradicts, or when electrons and multiplicity do
    not fit.
    """
    from ase import Atoms

    own_charge = frame.info.get("charge", charge)
    if own_charge != charge:
        raise InputError(f"{where}: its charge is {own_charge}, the set's charge is {charge}")
    bare = Atoms(frame.symbols, frame.positions.round(8), cell=frame.cell.array.round(8), pbc=frame.pbc)
    ions = _ions(frame, where)
    if ions is not None:
        bare.set_array("ion", np.array(ions))
    if multiplicity is None:
        multiplicity = high_spin(ions, where) if ions is not None else frame.info.get("multiplicity")
    if multiplicity is None:
        raise InputError(
            f"{where}: the spin of {frame.get_chemical_formula()} is not known: give the set a multiplicity, "
            "or the structure an array 'ion' with entries such as V4+"
        )
    check_multiplicity(frame, charge, multiplicity, where)
    group = str(frame.info.get("group", f"{frame.get_chemical_formula()}-{family}"))
    bare.info = {"charge": charge, "multiplicity": int(multiplicity), "group": group}
    return bare


def high_spin(ions: Sequence[str], where: str) -> int:
    """Multiplicity 2S+1 with all unpaired electrons of `ions` (labels such as "V4+") parallel."""
    try:
        pairs = [chemistry.parse_label(label) for label in ions]
        return 1 + sum(chemistry.high_spin_unpaired(element, charge or 0) for element, charge in pairs)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def to_json(frame: "Atoms") -> dict[str, Any]:
    """What of a candidate decides its label, as JSON types."""
    return {
        "symbols": list(frame.symbols),
        "positions_A": frame.positions.tolist(),
        "cell_A": frame.cell.array.tolist(),
        "pbc": frame.pbc.tolist(),
        "ion": frame.arrays["ion"].tolist() if "ion" in frame.arrays else None,
        "info": dict(frame.info),
        **({"start_moment_muB": frame.arrays["start_moment"].tolist()} if "start_moment" in frame.arrays else {}),
    }


def from_json(content: dict[str, Any]) -> "Atoms":
    """The candidate that `to_json` described."""
    from ase import Atoms

    frame = Atoms(content["symbols"], content["positions_A"], cell=content["cell_A"], pbc=content["pbc"])
    if content["ion"] is not None:
        frame.set_array("ion", np.array(content["ion"]))
    if "start_moment_muB" in content:
        frame.set_array("start_moment", np.array(content["start_moment_muB"]))
    frame.info = dict(content["info"])
    return frame


def _ions(frame: "Atoms", where: str) -> list[str] | None:
    """Ion of each atom; None when the composition is not neutral, or has one element in two charges."""
    if "ion" in frame.arrays:
        labels = [str(label) for label in frame.arrays["ion"]]
        for element, label in zip(frame.symbols, labels, strict=True):
            if chemistry.parse_label(label)[0] != element:
                raise InputError(f"{where}: ion {label!r} on an atom of {element}")
        return labels
    try:
        species = chemistry.species(Counter(frame.symbols))
    except InputError:
        return None
    if len({ion.element for ion in species}) < len(species):
        return None
    label_of = {ion.element: ion.label for ion in species}
    return [label_of[element] for element in frame.symbols]
