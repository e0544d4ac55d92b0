"""A melt-quench with any potential, and what its glass looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.formers import DEFAULT_CUTOFFS_A
from ..chemistry.masses import density
from ..core import VANADYL_CUTOFF, in_contact, neighbors, qn
from .artifacts import forbidden_contacts
from .dynamics import TIMESTEP_FS, Course, Memory, at_zero_pressure, langevin
from .potentials import Evaluate

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True)
class Quench:
    """Melt, quench and hold, at constant volume above `free_below_K` and at zero pressure below; times in ps."""

    melt_K: float = 3000.0
    melt_ps: float = 10.0
    rate_K_per_ps: float = 100.0
    final_K: float = 300.0
    hold_ps: float = 2.0
    free_below_K: float = 1500.0

    def targets_K(self) -> np.ndarray:
        """The temperature of each step."""
        return np.concatenate(self.parts_K())

    def parts_K(self) -> tuple[np.ndarray, np.ndarray]:
        """The temperature of each step at constant volume, and at zero pressure."""
        melt, ramp, hold = (
            max(1, round(1000 * ps / TIMESTEP_FS))
            for ps in (self.melt_ps, (self.melt_K - self.final_K) / self.rate_K_per_ps, self.hold_ps)
        )
        ends = np.linspace(self.melt_K, self.final_K, ramp)
        hot = ends >= self.free_below_K
        hold_K = np.full(hold, self.final_K)
        return np.concatenate([np.full(melt, self.melt_K), ends[hot]]), np.concatenate([ends[~hot], hold_K])

    def density_g_cm3(self, course: Course) -> float:
        """The mean density of the second half of the hold, by the `course` of what `cooled` gives."""
        steps = max(1, round(500 * self.hold_ps / TIMESTEP_FS))
        return density(course.atoms) * course.atoms.get_volume() / float(np.mean(course.volume_A3[-steps:]))


def melted(evaluate: Evaluate, atoms: "Atoms", how: Quench, *, seed: int, memory: Memory | None = None) -> Course:
    """The part at constant volume, without an end at contacts: what a potential makes of them is counted."""
    return langevin(evaluate, atoms, how.parts_K()[0], seed=seed, memory=memory, look=False)


def cooled(evaluate: Evaluate, atoms: "Atoms", how: Quench, *, seed: int, memory: Memory | None = None) -> Course:
    """The part at zero pressure, from the end of `melted`."""
    return at_zero_pressure(evaluate, atoms, how.parts_K()[1], seed=seed, memory=memory)


def repeated(atoms: "Atoms", least: int) -> "Atoms":
    """Copies of the cell along its shortest vectors until there are at least so many atoms."""
    found = atoms.copy()
    while len(found) < least:
        copies = [1, 1, 1]
        copies[int(np.argmin(found.cell.lengths()))] = 2
        found = found.repeat(copies)
    return found


def counts(glasses: Sequence["Atoms"]) -> dict[str, Any]:
    """Counts over glasses of one composition: atoms in contacts that no oxide glass has, P by the number of its O
    other than four, V=O per V, and the shares of Q^n; `_of` is the number of atoms that each is of.
    """
    symbols = np.array(glasses[0].get_chemical_symbols())
    limits = forbidden_contacts(sorted(set(symbols)))
    reach = max([*limits.values(), DEFAULT_CUTOFFS_A["P-O"], VANADYL_CUTOFF])
    bad, defects, vanadyl, shares = 0, 0, 0, []
    for atoms in glasses:
        pairs = neighbors(atoms, reach)
        marked = np.zeros(len(atoms), dtype=bool)
        for contact, limit in limits.items():
            marked |= in_contact(pairs, symbols, contact, limit)
        bad += int(marked.sum())
        defects += int((_coordination(pairs, symbols, "P", DEFAULT_CUTOFFS_A["P-O"])[symbols == "P"] != 4).sum())
        vanadyl += int(_coordination(pairs, symbols, "V", VANADYL_CUTOFF)[symbols == "V"].sum())
        if "P" in symbols:
            shares.append(qn(atoms, {("P", "O"): DEFAULT_CUTOFFS_A["P-O"]}, metals=()).fractions())
    total = {element: len(glasses) * int((symbols == element).sum()) for element in ("P", "V")}
    found = {"bad": bad, "bad_of": len(glasses) * len(symbols), "P_not_4": defects, "P_of": total["P"]}
    found |= {"vanadyl": vanadyl, "V_of": total["V"]}
    found["qn"] = {
        str(n): [share.get(n, 0.0) for share in shares] for n in sorted({n for share in shares for n in share})
    }
    return found


def _coordination(pairs: Any, symbols: np.ndarray, center: str, cutoff: float) -> np.ndarray:
    """Oxygens of each atom of `center` within the cutoff (Å); 0 for other atoms."""
    bonded = (symbols[pairs.i] == center) & (symbols[pairs.j] == "O") & (pairs.distances < cutoff)
    return np.bincount(pairs.i[bonded], minlength=len(symbols))
