"""Properties of the transition metals derived from the moments of a labeled frame, stored as its arrays."""

import numpy as np
from ase import Atoms

from ..chemistry.formers import oxygen_cutoff_A
from ..chemistry.ions import POLARIZED_MUB, TRANSITION_METALS
from ..errors import InputError

_SIGNS = {1: "+", -1: "-", 0: "."}


def annotate(frame: Atoms) -> None:
    """Add to a labeled frame (N atoms, with `REF_spin`) what follows from its moments and bonds.

    `arrays` (0, or "-", for all other atoms and where it is not known): `redox` int, the oxidation state by |moment|
    (see core.fingerprint); `coordination` int, oxygens within the usual cutoff; `bond_valence` (valence units);
    `bond_family` text such as "[1+4]". `info["spin_pattern"]`: the signs of the metals' moments in their order, "."
    below 0.5 µB. A frame without a metal is left as it is.
    """
    from ..core import fingerprint

    metals = sorted(TRANSITION_METALS & set(frame.symbols))
    if not metals:
        return
    moments = frame.arrays["REF_spin"]
    numbers = {"redox": np.zeros(len(frame), int), "coordination": np.zeros(len(frame), int)}
    valence, family = np.zeros(len(frame)), np.full(len(frame), "-", dtype="U12")
    for metal in metals if "O" in frame.symbols else ():
        cutoff = oxygen_cutoff_A(metal)
        try:
            found = fingerprint(frame, {(metal, "O"): cutoff}, center=metal, spins=moments)
        except InputError:
            # a metal whose states and moments are not tabulated
            continue
        centers = found.centers
        numbers["redox"][centers] = found.by_moment
        numbers["coordination"][centers] = found.coordination
        family[centers] = found.label
        if found.bond_valence is not None:
            valence[centers] = found.bond_valence
    for key, values in (numbers | {"bond_valence": valence, "bond_family": family}).items():
        frame.set_array(key, values)
    frame.info["spin_pattern"] = spin_pattern(frame, moments)


def spin_pattern(frame: Atoms, moments: np.ndarray) -> str:
    """Signs of the transition metals' moments (N, µB) in their order: "+", "-", and "." below 0.5 µB."""
    metal = [symbol in TRANSITION_METALS for symbol in frame.symbols]
    return "".join(_SIGNS[int(np.sign(m)) if abs(m) >= POLARIZED_MUB else 0] for m in moments[metal])
