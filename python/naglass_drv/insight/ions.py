"""The mobile ions of trajectories, one row each: whether an ion left its site, and what surrounded it at the start."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..chemistry.formers import FORMERS, oxygen_cutoff_A
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..dataset.frames import each_frame
from ..errors import InputError
from ..products import Measurements, Trajectories
from .mapping import Map
from .runs import products_of

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms

#: The target: 1 for an ion that hopped and did not return, else 0.
TARGET = "ions.mobile"
_AROUND_A = 4.0
# their distances are a matrix
_MOST_ATOMS = 10_000


def map_of_ions(given: Map) -> Map:
    """The map of the rows of `read_ions`: glasses are the groups, at whatever temperature."""
    ignored = ["system", "subject", *given.ignore]
    return given.model_copy(update={"group": "glass", "ignore": ignored})


def read_ions(folder: Path) -> "pd.DataFrame":
    """One row per mobile ion of every trajectory whose hops were analyzed, as `sources.read_frame` gives files.

    ``ions.mobile`` is 1 for an ion with a hop that it did not undo. In the first frame: ``coordination`` by O and
    mean ``bond_length`` within the first shell; ``nonbridging``, the share of these O that are bonded to one former or
    metal; ``linkage.formers`` and ``.metals``, those within 4 Å; ``distance.ion``, that to the next ion. Raises
    InputError for a run without analyzed hops.
    """
    import pandas as pd

    rows = list(_rows(folder))
    if not rows:
        raise InputError(f"{folder}: no trajectory with an analysis of the hops of its ions; md and analysis make them")
    return pd.DataFrame(rows, dtype=object).assign(row=range(1, len(rows) + 1), file=str(folder))


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    found = list(products_of(folder))
    paths = {p.scope: p.each("trajectory") for p in found if isinstance(p, Trajectories)}
    for product in found:
        if not isinstance(product, Measurements):
            continue
        for subject, curves in product.each("curves").items():
            path = paths.get(product.scope, {}).get(subject)
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
            structure, _, temperature = subject.rpartition("-")
            named = {"glass": f"{product.scope}/{structure}".strip("/"), "system": product.scope, "subject": subject}
            for ion in _ions(atoms, moved):
                yield named | ion | {"temperature (K)": temperature.removesuffix("K")}


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
