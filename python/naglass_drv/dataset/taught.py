"""Frames labeled by an interatomic potential, in the form of the convention (see `frames`), and their E0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..wording import counted
from .energies import is_table, read_table
from .frames import check_labeled, is_isolated_atom, read_labeled
from .gate import Refused, dispersion_fault

if TYPE_CHECKING:
    from ase import Atoms

#: Where the E0 of a dataset come from.
LEAST_SQUARES, GIVEN = "least_squares", "isolated_atoms"
# beginning of the source of an isolated atom with such an energy
_FITTED = "least squares"


@dataclass(frozen=True)
class Fitted:
    """Energies of isolated atoms (eV) by least squares over `frames` frames of `compositions` compositions.

    `determined` says whether the compositions determine each of them; otherwise they are the smallest that hold for
    mixtures of the compositions. `rms_eV_per_atom` is what they leave of the energies.
    """

    e0_eV: Mapping[str, float]
    frames: int
    compositions: int
    determined: bool
    rms_eV_per_atom: float

    def origin(self) -> dict[str, Any]:
        """What a dataset says of the origin of its E0."""
        return {"from": LEAST_SQUARES} | {key: value for key, value in vars(self).items() if key != "e0_eV"}


def told(origin: Mapping[str, Any]) -> str:
    """The origin of the E0 of a dataset in words."""
    if origin["from"] == GIVEN:
        return "E0 from isolated atoms"
    if "frames" not in origin:
        return f"E0 taken over from included frames: {origin['source']}"
    where = ", taken over from an earlier dataset" if origin.get("kept") else ""
    return (
        f"E0 by least squares over {counted(origin['frames'], 'frame')} for training, of "
        f"{counted(origin['compositions'], 'composition')}{where}; determined: "
        f"{'yes' if origin['determined'] else 'no, they hold for mixtures of these compositions'}; "
        f"they leave {1000 * origin['rms_eV_per_atom']:.3g} meV/atom (root mean square)"
    )


def is_fitted(atom: "Atoms") -> bool:
    """Whether the energy of an isolated-atom frame is one of `fitted_atoms`."""
    return str(atom.info["source"]).startswith(_FITTED)


def least_squares(frames: Sequence["Atoms"]) -> Fitted:
    """E0 of the elements of labeled `frames`, by their energies per atom.

    A potential knows no isolated atoms: what it says of one is far from any atom of an oxide.
    """
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    counts = np.array([[list(frame.symbols).count(element) for element in elements] for frame in frames])
    atoms = np.array([len(frame) for frame in frames])
    energies = np.array([frame.info["REF_energy"] for frame in frames]) / atoms
    shares = counts / atoms[:, None]
    found, *_ = np.linalg.lstsq(shares, energies, rcond=None)
    # whole numbers, since the rank of rounded shares is larger than it should be
    determined = bool(np.linalg.matrix_rank(counts) == len(elements))
    return Fitted(
        dict(zip(elements, found.tolist(), strict=True)),
        len(frames),
        len(np.unique(shares.round(9), axis=0)),
        determined,
        float(np.sqrt(((shares @ found - energies) ** 2).mean())),
    )


def taught(frame: "Atoms", result: Any, level: str, teacher: str, source: str) -> "Atoms":
    """A prepared frame (see `candidates.prepared`) with the energy, forces and stress of `result` (eV, eV/Å, eV/Å³).

    Moments are left out: those of a potential are a second opinion, and no label. Raises Refused (DISPERSION_SWITCHES)
    where a C6 of D3 switches.
    """
    if result.dispersion_forces is not None and (fault := dispersion_fault(result.dispersion_forces, frame.symbols)):
        raise Refused("DISPERSION_SWITCHES", fault)
    labeled = frame.copy()
    labeled.info |= {"level": level, "source": source, "program": teacher}
    labeled.info["REF_energy"] = float(result.energy)
    labeled.set_array("REF_forces", np.array(result.forces))
    if result.stress is not None:
        labeled.info["REF_stress"] = np.array(result.stress)[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    labeled.info["net_force_eV_per_A"] = float(np.linalg.norm(labeled.arrays["REF_forces"].sum(axis=0)))
    check_labeled(labeled, teacher)
    return labeled


def fitted_atoms(frames: Sequence["Atoms"], multiplicity: Mapping[str, int]) -> tuple[list["Atoms"], bool]:
    """Isolated-atom frames with the energies of `least_squares` over `frames`, and whether these determine them."""
    found = least_squares(frames)
    source = f"{_FITTED} over {len(frames)} frames"
    return _isolated(found.e0_eV, frames[0].info["level"], source, multiplicity), found.determined


def given_atoms(path: Path, multiplicity: Mapping[str, int]) -> list["Atoms"]:
    """Isolated-atom frames of a file of labeled frames, or with the energies of a table (see `energies`).

    Raises InputError for a file without any.
    """
    if not is_table(path):
        found = [frame for frame in read_labeled(path) if is_isolated_atom(frame)]
        if not found:
            raise InputError(f"{path}: has no isolated atoms (frames of one atom with config_type=IsolatedAtom)")
        return found
    table = read_table(path)
    if not table.e0_eV:
        raise InputError(f"{path}: E0_eV is empty")
    source = path.name
    if table.origin.get("from") == LEAST_SQUARES:
        source = f"{_FITTED} over {table.origin.get('frames', 'other')} frames, by {path.name}"
    return _isolated(table.e0_eV, table.level, source, multiplicity)


def _isolated(e0_eV: Mapping[str, float], level: str, source: str, multiplicity: Mapping[str, int]) -> list["Atoms"]:
    from ase import Atoms

    out = []
    for element, energy in e0_eV.items():
        atom = Atoms(element, positions=[[0.0, 0.0, 0.0]])
        atom.info = {
            "config_type": "IsolatedAtom", "charge": 0, "multiplicity": multiplicity.get(element, 1),
            "level": level, "group": f"{element}-atom", "REF_energy": energy, "source": source,
        }  # fmt: skip
        atom.set_array("REF_forces", np.zeros((1, 3)))
        check_labeled(atom, element)
        out.append(atom)
    return out
