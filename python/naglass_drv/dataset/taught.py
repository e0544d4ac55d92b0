"""Frames labeled by an interatomic potential, in the form of the convention (see `frames`)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .frames import check_labeled

if TYPE_CHECKING:
    from ase import Atoms


def taught(frame: "Atoms", result: Any, level: str, teacher: str) -> "Atoms":
    """A prepared frame (see `candidates.prepared`) with the energy, forces and stress of `result` (eV, eV/Å, eV/Å³)."""
    labeled = frame.copy()
    labeled.info |= {"level": level, "source": f"relabel {teacher}", "program": teacher}
    labeled.info["REF_energy"] = float(result.energy)
    labeled.set_array("REF_forces", np.array(result.forces))
    if result.stress is not None:
        labeled.info["REF_stress"] = np.array(result.stress)[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    labeled.info["net_force_eV_per_A"] = float(np.linalg.norm(labeled.arrays["REF_forces"].sum(axis=0)))
    check_labeled(labeled, teacher)
    return labeled


def fitted_atoms(frames: Sequence["Atoms"], multiplicity: Mapping[str, int]) -> tuple[list["Atoms"], bool]:
    """Isolated-atom frames whose energies (eV) are those of least squares over `frames`, and whether these determine
    them; otherwise they are the smallest that hold for mixtures of the compositions.

    A potential knows no isolated atoms: what it says of one is far from any atom of an oxide.
    """
    from ase import Atoms

    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    counts = np.array([[list(frame.symbols).count(element) for element in elements] for frame in frames])
    energies = np.array([frame.info["REF_energy"] for frame in frames])
    atoms = np.array([len(frame) for frame in frames])
    found, *_ = np.linalg.lstsq(counts / atoms[:, None], energies / atoms, rcond=None)
    out = []
    for element, energy in zip(elements, found, strict=True):
        atom = Atoms(element, positions=[[0.0, 0.0, 0.0]])
        atom.info = {
            "config_type": "IsolatedAtom", "charge": 0, "multiplicity": multiplicity.get(element, 1),
            "level": frames[0].info["level"], "group": f"{element}-atom", "REF_energy": float(energy),
            "source": f"least squares over {len(frames)} frames",
        }  # fmt: skip
        atom.set_array("REF_forces", np.zeros((1, 3)))
        check_labeled(atom, element)
        out.append(atom)
    return out, bool(np.linalg.matrix_rank(counts) == len(elements))
