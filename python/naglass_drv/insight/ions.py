"""The mobile ions of trajectories, one row each: whether an ion left its site, and what surrounded it at the start."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..chemistry.formers import FORMERS, oxygen_cutoff_A
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..dataset.frames import each_frame
from ..errors import InputError
from .runs import Measured, names_of

if TYPE_CHECKING:
    from ase import Atoms

#: The target: 1 for an ion that hopped and did not return, else 0.
TARGET = "ions.mobile"
_AROUND_A = 4.0
# their distances are a matrix
_MOST_ATOMS = 10_000


def rows(measured: Sequence[Measured]) -> Iterator[dict[str, Any]]:
    """Every mobile ion of the trajectories whose hops were analyzed.

    ``ions.mobile`` is 1 for an ion with a hop that it did not undo. In the first frame: ``coordination`` by O and
    mean ``bond_length`` within the first shell; ``nonbridging``, the share of these O that are bonded to one former or
    metal; ``linkage.formers`` and ``.metals``, those within 4 Å; ``distance.ion``, that to the next ion.
    """
    for one in measured:
        for subject, curves in one.files["curves"].items():
            path = one.files["trajectory"].get(subject)
            if path is None or not path.is_file():
                continue
            with np.load(curves) as arrays:
                if "hop_atom" not in arrays:
                    continue
                moved = set(arrays["hop_atom"][~arrays["hop_returned"].astype(bool)].tolist())
            atoms = next(each_frame(path))
            if isinstance(atoms, InputError):
                raise atoms
            if len(atoms) > _MOST_ATOMS:
                raise InputError(f"{path}: {len(atoms)} atoms; at most {_MOST_ATOMS} are looked at one by one")
            named = names_of(one, subject)
            for ion in _ions(atoms, moved):
                yield named | ion


def _ions(atoms: "Atoms", moved: set[int]) -> Iterator[dict[str, Any]]:
    symbols = np.array(atoms.get_chemical_symbols())
    element = next((each for each in MOBILE_IONS if each in symbols), None)
    if element is None:
        return
    network = [e for e in dict.fromkeys(symbols) if e in FORMERS or e in TRANSITION_METALS]
    if not network or "O" not in symbols:
        return
    bonds = core.bond_graph(atoms, {(e, "O"): oxygen_cutoff_A(e) for e in network})
    bridges = sum((bonds.coordination(e) for e in network), np.zeros(len(atoms), int))
    distances = atoms.get_all_distances(mic=True)
    formers = np.isin(symbols, [e for e in network if e in FORMERS])
    metals = np.isin(symbols, [e for e in network if e in TRANSITION_METALS])
    for k in np.flatnonzero(symbols == element):
        away = distances[k]
        shell = np.flatnonzero((symbols == "O") & (away < oxygen_cutoff_A(element)))
        others = np.delete(away[symbols == element], np.flatnonzero(np.flatnonzero(symbols == element) == k))
        yield {
            f"{TARGET} (1)": str(int(int(k) in moved)),
            "coordination (1)": str(len(shell)),
            "bond_length (Å)": repr(float(away[shell].mean())) if len(shell) else "",
            "nonbridging (1)": repr(float((bridges[shell] == 1).mean())) if len(shell) else "",
            "linkage.formers (1)": str(int((formers & (away < _AROUND_A)).sum())),
            "linkage.metals (1)": str(int((metals & (away < _AROUND_A)).sum())),
            "distance.ion (Å)": repr(float(others.min())) if len(others) else "",
        }
