"""The phosphate network: shares of Q^n and of the oxygen classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from ..chemistry.formers import FORMERS
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..core.statistics import Average, average
from ..core.trajectory import same_elements
from ..errors import InputError


@dataclass(frozen=True)
class Network:
    """Network statistics over frames.

    `qn` is the share of formers with n = 0, 1, ... bridges; `mean_n` the connectivity <n>; `oxygen` the share
    of the oxygens in each class, by name. `agreement` is the fraction of formers and frames whose n equals
    the value in the `qn` column of the trajectory, or None if there is no such column.
    """

    former: str
    metals: tuple[str, ...]
    qn: Average
    mean_n: Average
    oxygen_names: tuple[str, ...]
    oxygen: Average
    agreement: float | None


def network(frames: Sequence[Atoms], cutoffs: Mapping[str, float], *, independent: bool = False) -> Network | None:
    """Q^n of the glass former and classes of the oxygens, by `core.qn` on each frame.

    `cutoffs` (Å) per pair "P-O"; only former-oxygen and metal-oxygen pairs are used. None for frames without
    a former or without oxygen.
    """
    from .. import core

    elements = same_elements(frames)
    former = next((element for element in FORMERS if element in elements), None)
    if former is None or "O" not in elements:
        return None
    metals = tuple(element for element in elements if element in TRANSITION_METALS)
    missing = [f"{element}-O" for element in (former, *metals) if f"{element}-O" not in cutoffs]
    if missing:
        raise InputError(f"analysis.cutoffs_A: no cutoff for {', '.join(missing)}, and g(r) has no clear minimum")
    bonds = {(element, "O"): cutoffs[f"{element}-O"] for element in (former, *metals)}
    results = [core.qn(atoms, bonds, former=former, metals=metals) for atoms in frames]
    n = np.array([result.n[result.n >= 0] for result in results])
    classes = np.array([result.oxygen_class[result.oxygen_class > 0] for result in results])
    labels = results[0].labels
    seen = [value for value in labels if (classes == value).any()]
    highest = max(3, int(n.max()))
    carried = [atoms.arrays.get("qn") for atoms in frames]
    agreement = None
    if all(column is not None for column in carried):
        own = frames[0].symbols == former
        agreement = float(np.mean([column[own] for column in carried] == n))
    return Network(
        former,
        metals,
        average((n[:, :, None] == np.arange(highest + 1)).mean(axis=1), independent=independent),
        average(n.mean(axis=1), independent=independent),
        tuple(labels[value] for value in seen),
        average((classes[:, :, None] == np.array(seen)).mean(axis=1), independent=independent),
        agreement,
    )


def oxygen_text(name: str) -> str:
    """``BO_PV`` → ``P–O–V``, ``BO_PVV`` → ``P–O–V₂``, ``NBO_P`` → ``NBO (P)``; others stay."""
    kind, _, bonded = name.partition("_")
    elements = re.findall("[A-Z][a-z]?", bonded)
    if kind == "BO" and len(elements) > 1:
        twice = "₂" if elements[1:] == [elements[-1]] * 2 else ""
        return f"{elements[0]}–O–{elements[-1]}{twice}"
    return f"{kind} ({bonded})" if kind == "NBO" else name


def ideal_connectivity(former: str, composition: Mapping[str, int]) -> float | None:
    """2 (4 − O/T): bridges per tetrahedron if all oxygen is on one or two formers; None if others bind oxygen."""
    others = set(composition) - {former, "O", *MOBILE_IONS}
    ideal = 2 * (4 - composition["O"] / composition[former])
    return ideal if former in ("P", "Si") and not others and ideal >= 0 else None
