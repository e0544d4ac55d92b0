"""Environments of a large glass as small periodic cells that a reference level can label.

The surroundings of an atom are kept as they are, the rest of the cell is melted and quenched around them, and the cell
is accepted if the surroundings still are those of the glass afterwards: the amorphous-matrix embedding of Erhard et
al., Nat. Commun. 15, 1927 (2024), with a test.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry import ions as chemistry
from ..chemistry import potentials
from ..dataset.candidates import high_spin
from ..dataset.cells import Core, Ions, core_around, small_cell
from ..dataset.surroundings import Describe, median_distances
from ..errors import InputError, TaskFailed
from ..wording import counted
from .lammps.requench import Course, Forces, requench
from .mace.facts import potential_facts

if TYPE_CHECKING:
    from ase import Atoms

CONFIG_TYPE = "embed"
NOT_ACCEPTED = "NOT_ACCEPTED"
# shares of the contact distance: what is pushed apart at the start, and what no sound glass or melt comes below
_PUSHED, _GUARDED = 0.85, 0.7
_GUARD_EV = 20.0
_MAX_SEED = 900_000_000


@dataclass(frozen=True)
class Cut:
    """How cells are cut: radius of the core (Å), most atoms of a cell, course of the melt, tries, and their seed."""

    radius_A: float
    most_atoms: int = 200
    course: Course = field(default_factory=Course)
    tries: int = 5
    seed: int = 1


@dataclass(frozen=True)
class Likeness:
    """How the surroundings of atoms are compared: `describe` gives their descriptors, `medians` the median distance
    between two atoms of an element in the glass.
    """

    describe: Describe
    medians: Mapping[str, float]

    @classmethod
    def of(cls, describe: Describe, glass: "Atoms", seed: int) -> "Likeness":
        return cls(describe, median_distances(describe, glass, seed))


def rigid_ion_forces(glass: "Atoms") -> Forces:
    """The rigid-ion potential for a glass. Raises InputError where its ions are not known or lack parameters."""
    labels = Ions.of(glass).labels
    if labels is None:
        raise InputError("rigid ions need an array 'ion', as an element of this glass has two states")
    ions = chemistry.ions_of(labels.tolist())
    commands = potentials.commands(ions)
    types = [ion.label for ion in ions]
    charges = dict(zip(types, potentials.charges(ions), strict=True))
    return Forces(types, charges, commands, commands, _soft([ion.element for ion in ions], "", _PUSHED))


def mace_forces(archives: Sequence[Path], glass: "Atoms", name: str, *, trust: bool = False) -> tuple[Forces, float]:
    """A model, or the mean of several, by ``pair_style mace``, kept from overlaps by a soft repulsion, and its cutoff
    (Å).

    `trust` loads TorchScript, which can run its author's code. Raises InputError, with the `name` of the model, for an
    element of the glass that it lacks.
    """
    facts = potential_facts(archives[0])
    elements = list(dict.fromkeys(glass.symbols))
    if missing := [element for element in elements if element not in facts.elements]:
        covered = " ".join(facts.elements)
        raise InputError(f"{name}: the model covers {covered}, but not {', '.join(missing)} in the glass")
    style = "mace" + ("" if facts.dtype == "float64" else f" dtype {facts.dtype}") + (" trust yes" if trust else "")
    coefficients = " ".join([*(f'"{archive}"' for archive in archives), *elements])
    guarded = [
        f"pair_style hybrid/overlay {style} soft 3.0",
        f"pair_coeff * * mace {coefficients}",
        *_soft(elements, "soft", _GUARDED),
    ]
    plain = [f"pair_style {style}", f"pair_coeff * * {coefficients}"]
    return Forces(elements, {}, plain, guarded, _soft(elements, "", _PUSHED), ("maceplugin",)), facts.r_max_A


def _soft(elements: Sequence[str], style: str, share: float) -> list[str]:
    """``pair_coeff`` lines of a repulsion that begins at a `share` of the contact distance; LAMMPS type i + 1 is
    ``elements[i]``.
    """
    pairs = [(i, j) for i in range(len(elements)) for j in range(i, len(elements))]
    reach = [share * chemistry.contact_distance(elements[i], elements[j]) for i, j in pairs]
    return [
        f"pair_coeff {i + 1} {j + 1} {style} {_GUARD_EV} {length:.4f}"
        for (i, j), length in zip(pairs, reach, strict=True)
    ]


def cut_cell(
    glass: "Atoms",
    center: int,
    forces: Forces,
    likeness: Likeness,
    cut: Cut,
    *,
    comm: Any,
    folder: Path,
    progress: Callable[[int, int, str], None] = lambda step, total, phase: None,
) -> "Atoms":
    """The first cell around `center` that is accepted (see `tries`). Raises TaskFailed (NOT_ACCEPTED) if none is."""
    failed: list[str] = []
    for found in tries(glass, center, forces, likeness, cut, comm=comm, folder=folder, progress=progress):
        if not isinstance(found, str):
            return found
        failed.append(found)
    raise TaskFailed(NOT_ACCEPTED, f"center {center}: {refused(failed)}")


def refused(failed: Sequence[str]) -> str:
    """Why no try was accepted, in words."""
    return f"no cell accepted in {counted(len(failed), 'try')}: {'; '.join(failed)}"


def tries(
    glass: "Atoms", center: int, forces: Forces, likeness: Likeness, cut: Cut, *, first: int = 0, **how: Any
) -> Iterator["Atoms | str"]:
    """Small neutral cells in which the surroundings of atom `center` stand as in the glass: tries from number `first`
    on, each in a folder of its own, until one is accepted. In place of one that is not there is the reason.

    `info` of a cell has `charge`, `multiplicity` (where the ions are known), `config_type`, the number of the try and
    what `judged` found; its array `core` the atoms of the glass. `how` has the `comm`, `folder` and others of
    `requench`. Raises InputError where no such cell exists.
    """
    core = core_around(glass, center, cut.radius_A)
    start = small_cell(glass, core, cut.most_atoms)
    types = start.arrays["ion"].tolist() if forces.charges else start.get_chemical_symbols()
    folder = how.pop("folder")
    for number in range(first, cut.tries):
        seed = int(np.random.SeedSequence([cut.seed, center, number]).generate_state(1)[0] % _MAX_SEED) + 1
        options = {"seed": seed, "folder": folder / f"try-{number}"} | how
        try:
            cell = requench(start, len(core.atoms), types, forces, cut.course, **options).released
        except TaskFailed as error:
            yield f"{error.failure}: {error}"
            continue
        found = judged(glass, core, cell, likeness)
        if accepted(found):
            cell.info = {"charge": 0, "config_type": CONFIG_TYPE, "embed_try": number} | found
            if (multiplicity := high_spin(cell, 0)) is not None:
                cell.info["multiplicity"] = multiplicity
            yield cell
            return
        yield shown(found)


def judged(glass: "Atoms", core: Core, cell: "Atoms", likeness: Likeness) -> dict[str, float]:
    """How far the surroundings in a `cell` are from those in the glass.

    `embed_distance` is the distance between the descriptors of the center before and after, `embed_median` the median
    one between two atoms of its element in the glass (absent where the center is the only one), `embed_core` the mean
    ratio of the two over the atoms of the core.
    """
    before = likeness.describe(glass, core.atoms.tolist())
    after = likeness.describe(cell, list(range(len(core.atoms))))
    distances = np.linalg.norm(after - before, axis=1)
    medians = np.array([likeness.medians.get(glass.symbols[atom], np.nan) for atom in core.atoms])
    found = {"embed_distance": float(distances[0]), "embed_core": float(np.nanmean(distances / medians))}
    return found | ({"embed_median": float(medians[0])} if np.isfinite(medians[0]) else {})


def accepted(found: Mapping[str, float]) -> bool:
    """Whether center and core are nearer to what they were than to other surroundings in the glass."""
    return found["embed_distance"] < found.get("embed_median", np.inf) and found["embed_core"] < 1


def shown(found: Mapping[str, float]) -> str:
    """The distances of `judged` in words, as shares of the median ones."""
    core = f"{found['embed_core']:.2f} of the median distance for the core"
    if "embed_median" not in found:
        return core
    return f"{found['embed_distance'] / found['embed_median']:.2f} for the center, {core}"
