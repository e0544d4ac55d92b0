"""How the oxidation states of the metals in a trajectory are told: by the model's moments, or by bond valence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from ..chemistry.formers import METAL_O_CUTOFF_A
from ..chemistry.ions import TRANSITION_METALS
from ..chemistry.level import OCCUPATIONS
from .fingerprints import PREDICTED

MOMENT, VALENCE = "moment", "valence"


@dataclass(frozen=True)
class Readout:
    """What is known of a model's readout of moments: per metal why its states are `undetermined` by it, empty where
    they are told apart; `moments` is what these are, as of `chemistry.level.moments_by`.
    """

    undetermined: Mapping[str, str] = field(default_factory=dict)
    moments: str = ""


def told_apart(errors: Mapping[str, Mapping[str, Any]] | None) -> dict[str, str]:
    """Per metal why its states are undetermined, empty where they are not, from the errors of a readout on held-out
    groups (`engines.mace.spin_errors.errors`).
    """
    return {
        metal: "" if entry["separates"] else str(entry.get("why_not") or "they are not told apart")
        for metal, entry in (errors.items() if isinstance(errors, Mapping) else ())
        if isinstance(entry, Mapping) and "separates" in entry
    }


def how_told(frames: Sequence[Atoms], readout: Readout | None) -> dict[str, dict[str, str]]:
    """Per metal of the frames `by` what its states are told, `why`, and what the `moments` are; by bond valence, unless
    all frames have moments and the readout is known to tell the states apart.
    """
    found = {}
    predicted = all(PREDICTED in frame.arrays for frame in frames)
    for metal in sorted(TRANSITION_METALS & set(frames[0].get_chemical_symbols())):
        if not predicted:
            why = "the model gives no moments"
        elif readout is None:
            why = "nothing is known of how well the model's moments tell states apart"
        else:
            why = readout.undetermined.get(metal, "no held-out groups show whether its states are told apart")
            why = f"by the model's moments they are undetermined: {why}" if why else ""
        moments = "" if readout is None or not predicted else readout.moments
        found[metal] = {"by": VALENCE if why else MOMENT, "why": why, "moments": moments}
    return found


def moment_word(moments: str) -> str:
    """``occupation`` where `Readout.moments` are those of tight binding, whose energy does not depend on spin."""
    return "occupation" if moments == OCCUPATIONS else "moment"


def by_moment(told: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The metals whose states are told by moments, from `how_told`."""
    return frozenset(metal for metal, how in told.items() if how["by"] == MOMENT)


def metal_states(atoms: Atoms, metal: str, cutoffs: Mapping[str, float], of_moment: Collection[str] = ()) -> np.ndarray:
    """(N,) oxidation state of each atom of a metal, 0 where there is none, and for other atoms: by the array `moment`
    for metals in `of_moment`, else by bond valence with `cutoffs` (Å) per pair "V-O".
    """
    from .. import core

    bond = {(metal, "O"): cutoffs.get(f"{metal}-O", METAL_O_CUTOFF_A)}
    moments = atoms.arrays[PREDICTED] if metal in of_moment else None
    found = core.fingerprint(atoms, bond, center=metal, spins=moments)
    states = found.classes.get(VALENCE if moments is None else MOMENT)
    return found.per_atom(np.zeros(len(found.centers), dtype=int) if states is None else states)
