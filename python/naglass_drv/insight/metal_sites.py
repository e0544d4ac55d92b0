"""The transition metals of labels and trajectories, one row each: reduced or not, and what is around them."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..analysis.fingerprints import MOMENTS, PREDICTED
from ..analysis.joining import Column, surroundings
from ..analysis.redox import MOMENT
from ..chemistry.formers import FORMERS, oxygen_cutoff_A
from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..dataset.frames import each_frame
from ..errors import InputError
from .crystal_atoms import head, numbers_of
from .runs import Measured, names_of

if TYPE_CHECKING:
    from ase import Atoms

#: The column that says by what states are told.
TOLD_BY = "told by"
#: Where there are no moments.
BOND_VALENCE = "bond valence"
# what states by bond valence follow from, and the angles that go with it
_OWN_SHELL = ("coordination", "bond_valence", "angle", "angle_spread")
# names of the row, state of each atom of the metal, and its surroundings by column
_Frame = tuple[dict[str, str], np.ndarray, Mapping[str, Column]]


def rows(measured: Sequence[Measured], metal: str) -> Iterator[dict[str, Any]]:
    """Each atom of a metal whose state is known, in every labeled frame or in the last frame of every trajectory.

    ``metals.V.reduced`` is 1 below the highest state of V in all of them. States are told in one way, the first that
    there is: by the moments of labels (REF_spin) of the level with most frames; by the moments of a model that is known
    to tell them (`analysis.redox.how_told`); by bond valence, and then nothing of the metal's own shell is a feature,
    from which these states follow.
    """
    found = [*_labeled(measured, metal)] or [*_moved(measured, metal)]
    counts = Counter(named[TOLD_BY] for named, _, _ in found)
    way = max(counts.keys() - {BOND_VALENCE}, key=counts.__getitem__, default=BOND_VALENCE)
    chosen = [each for each in found if each[0][TOLD_BY] == way]
    highest = max((int(states.max()) for _, states, _ in chosen), default=0)
    for named, states, columns in chosen:
        # what is reduced in one run may be the highest state in another
        named[TOLD_BY] = f"{way}, {metal}{highest}+ being the highest"
        left_out = ("state", *(_OWN_SHELL if way == BOND_VALENCE else ()))
        for k in np.flatnonzero(states > 0):
            values = {
                head(key, each.unit): repr(float(each.values[k]))
                for key, each in columns.items()
                if key not in left_out and np.isfinite(each.values[k])
            }
            yield named | {f"metals.{metal}.reduced (1)": str(int(states[k] < highest))} | values


def _labeled(measured: Sequence[Measured], metal: str) -> Iterator[_Frame]:
    for one in measured:
        for subject, path in one.files["admitted"].items():
            for frame in each_frame(path):
                if isinstance(frame, InputError):
                    raise frame
                if not {metal, "O"} <= set(frame.symbols) or MOMENTS not in frame.arrays:
                    continue
                named = {"glass": str(frame.info.get("group", one.system)), "system": one.system, "subject": subject}
                named[TOLD_BY] = f"the moments of labels ({frame.info.get('level', 'level not known')})"
                yield (named, *_sites(frame, metal, frame.arrays[MOMENTS]))


def _moved(measured: Sequence[Measured], metal: str) -> Iterator[_Frame]:
    for one in measured:
        for subject, path in one.files["trajectory"].items():
            if subject not in one.files["numbers"] or not path.is_file():
                continue
            told = (numbers_of(one.files["numbers"][subject]).get("metal_states") or {}).get(metal)
            last = deque(each_frame(path), maxlen=1)
            if told is None or not last:
                continue
            if isinstance(last[0], InputError):
                raise last[0]
            spins = last[0].arrays.get(PREDICTED) if told["by"] == MOMENT else None
            way = BOND_VALENCE if spins is None else "the moments of a model"
            yield ({**names_of(one, subject), TOLD_BY: way}, *_sites(last[0], metal, spins))


def _sites(atoms: "Atoms", metal: str, spins: np.ndarray | None) -> tuple[np.ndarray, Mapping[str, Column]]:
    """State of each atom of the metal, 0 where it is not determined, and its surroundings."""
    symbols = list(dict.fromkeys(atoms.get_chemical_symbols()))
    formers, metals = ([s for s in symbols if s in group] for group in (FORMERS, TRANSITION_METALS))
    cutoffs = {(s, "O"): oxygen_cutoff_A(s) for s in (*formers, *metals)}
    ion = next((s for s in MOBILE_IONS if s in symbols), MOBILE_IONS[0])
    found = core.fingerprint(atoms, {(metal, "O"): cutoffs[metal, "O"]}, center=metal, spins=spins)
    states = found.classes.get("moment" if spins is not None else "valence")
    known = np.zeros(len(found.centers), int) if states is None else states
    return known, surroundings(atoms, metal, cutoffs, formers=formers, metals=metals, ion=ion)
