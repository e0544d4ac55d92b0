"""Identify the ion at each metal site of a labeled frame from its moment, and compare with the composition.

Multiplicity and ⟨S²⟩ cannot distinguish two V4+ from V3+ and V5+, both with 2 µB; the site moments can.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry import ions as chemistry
from ..chemistry.level import is_tight_binding
from ..errors import InputError
from .assemble import Dataset
from .candidates import ions_of

if TYPE_CHECKING:
    from ase import Atoms

FLAGS = {
    "SPIN_TOO_HIGH": "more unpaired electrons than the ions of the composition can have",
    "LOW_SPIN": "a site with a moment below that of any high-spin state of its element",
    "FRACTIONAL_MOMENT": "a site with a moment between those of two oxidation states",
    "DISPROPORTIONATED": "sites that differ more in oxidation state than the ions of the composition",
    "OTHER_IONS": "sites with ions other than those of the composition",
}
_MOST_SITES = 4


@dataclass(frozen=True)
class _Scale:
    """Oxidation states of an element by rising |moment|, and the moments (µB) between each two that belong to neither;
    below `floor` no site is high spin.
    """

    states: tuple[int, ...]
    between: tuple[tuple[float, float], ...]
    floor: float = 0.0


# Moments by Hirshfeld or in PAW spheres. V, Ti, Cr: around half-way between spin-only moments; V of the shipped PBE+U
# frames has 0.00 (V5+), 0.86 to 1.28 (V4+), 1.76 to 1.78 (V3+). Mn: around CHGNet's (10.1038/s42256-023-00716-3).
_SCALES = {
    "Ti": _Scale((4, 3), ((0.3, 0.7),)),
    "V": _Scale((5, 4, 3, 2), ((0.3, 0.7), (1.35, 1.65), (2.3, 2.7))),
    "Cr": _Scale((3, 2), ((3.3, 3.7),), floor=2.5),
    "Mn": _Scale((4, 3, 2), ((3.4, 3.6), (4.1, 4.3)), floor=2.5),
}
# Covalency takes more from Fe3+ than from Fe2+, by an amount that depends on the functional, so no moment is safely
# between them. Two Fe3+ have more unpaired electrons than Fe2+ and Fe4+: the multiplicity distinguishes them
# how many there are, and a gap between the moments whether they are localized.
_FE_FLOOR_MUB, _FE_GAP_MUB = 3.2, 0.25


@dataclass(frozen=True)
class Verdict:
    """Verdict on the sites of a frame: a name in `FLAGS` with its reason in words, or "" and "" if they match.

    `sites` is how many of them do not fit; `found` and `expected` count the ions of each metal that was judged.
    """

    flag: str
    text: str
    sites: int
    found: Mapping[str, int]
    expected: Mapping[str, int]


def judge(frame: "Atoms") -> Verdict | None:
    """Compare the ions and site moments of a labeled `frame` with its composition.

    Ions are those of the array `ion`, else those that give the composition the frame's charge. Moments are `REF_spin`
    where it is not Mulliken's. None if nothing can be said: unknown ions; tight binding, which has no spin; no
    moments by site; metals whose moments do not determine their states.
    """
    ions = ions_of(frame)
    if ions is None:
        return None
    carried = chemistry.multiplicity(ions) - 1
    if frame.info["multiplicity"] - 1 > carried:
        text = (
            f"multiplicity {frame.info['multiplicity']}, but {chemistry.magnetic(ions)} can have at most {carried + 1}"
        )
        return Verdict("SPIN_TOO_HIGH", text, len(frame), {}, {})
    moments = _site_moments(frame)
    metals = [element for element in dict.fromkeys(frame.symbols) if element in {*_SCALES, "Fe"}]
    if moments is None or not metals:
        return None
    expected = {ion.label: ion.count for ion in ions if ion.element in metals}
    found: Counter[str] = Counter()
    odd: dict[str, list[int]] = {"LOW_SPIN": [], "FRACTIONAL_MOMENT": []}
    for element in metals:
        atoms = np.flatnonzero(frame.symbols == element)
        sort = _sort_iron if element == "Fe" else _sort
        found += sort(element, atoms, np.abs(moments[atoms]), expected, odd)
    for flag, atoms in odd.items():
        if atoms:
            return Verdict(flag, f"{FLAGS[flag]}: {_sites(frame, moments, atoms)}", len(atoms), found, expected)
    if found == expected:
        return Verdict("", "", 0, found, expected)
    apart = _charges(found, 1) == _charges(expected, 1) and _charges(found, 2) > _charges(expected, 2)
    flag = "DISPROPORTIONATED" if apart else "OTHER_IONS"
    sites = _sites(frame, moments, [i for i, element in enumerate(frame.symbols) if element in metals])
    text = f"{_counted(found)} by moment, but the composition has {_counted(expected)} ({sites})"
    return Verdict(flag, text, (found - Counter(expected)).total(), found, expected)


def _sort(
    element: str, atoms: np.ndarray, sizes: np.ndarray, expected: Mapping[str, int], odd: Mapping[str, list[int]]
) -> Counter[str]:
    """Count the ions of `atoms` (M) by their |moment| (M, µB), and add those that are none to `odd`."""
    scale = _SCALES[element]
    low, high = np.array(scale.between).T
    blurred = ((sizes[:, None] > low) & (sizes[:, None] < high)).any(axis=1)
    odd["LOW_SPIN"].extend(atoms[sizes < scale.floor])
    odd["FRACTIONAL_MOMENT"].extend(atoms[blurred & (sizes >= scale.floor)])
    states = np.searchsorted((low + high) / 2, sizes, side="right")
    return Counter(chemistry.ion_label(element, scale.states[k]) for k in states)


def _sort_iron(
    element: str, atoms: np.ndarray, sizes: np.ndarray, expected: Mapping[str, int], odd: Mapping[str, list[int]]
) -> Counter[str]:
    """As `_sort`, by the rank of the moments: the Fe2+ that are expected have the smaller ones."""
    odd["LOW_SPIN"].extend(atoms[sizes < _FE_FLOOR_MUB])
    reduced = expected.get("Fe2+", 0)
    order = np.argsort(sizes)
    if 0 < reduced < len(atoms):
        below, above = order[reduced - 1 : reduced + 1]
        if sizes[above] - sizes[below] < _FE_GAP_MUB:
            odd["FRACTIONAL_MOMENT"].extend(atoms[[below, above]])
    return Counter({ion: count for ion, count in expected.items() if ion.startswith(element)})


def without_flagged(dataset: Dataset) -> tuple[Dataset, list[dict[str, Any]]]:
    """The dataset without the frames that `judge` flags, and those: `source`, `flag`, `text`.

    Raises InputError where none would be left.
    """
    kept, flagged = [], []
    for frame in dataset.frames:
        verdict = judge(frame)
        if verdict is None or not verdict.flag:
            kept.append(frame)
        else:
            flagged.append({"source": str(frame.info["source"]), "flag": verdict.flag, "text": verdict.text})
    if not kept:
        counts = Counter(entry["flag"] for entry in flagged)
        names = ", ".join(f"{count} {flag}" for flag, count in counts.items())
        raise InputError(
            f"dataset: every frame is flagged for its spin state ({names}; first: {flagged[0]['source']}: "
            f"{flagged[0]['text']}); admit_spin_flagged: true keeps them"
        )
    return dataset.of(kept), flagged


def _site_moments(frame: "Atoms") -> np.ndarray | None:
    """Moments by site (N, µB) that `_SCALES` are made for; None without any."""
    if "REF_spin" not in frame.arrays or is_tight_binding(str(frame.info.get("level", ""))):
        return None
    moments, mulliken = frame.arrays["REF_spin"], frame.arrays.get("REF_spin_mulliken")
    # where the level prints no other moments, both arrays are Mulliken's; without any moment it does not matter
    if mulliken is not None and np.array_equal(moments, mulliken) and np.abs(moments).max() > 0.1:
        return None
    return moments


def _charges(counts: Mapping[str, int], power: int) -> int:
    """Sum of the charges to a power: of ions with one total charge, those further apart have more squared ones."""
    return sum(count * (chemistry.parse_label(label)[1] or 0) ** power for label, count in counts.items())


def _counted(counts: Mapping[str, int]) -> str:
    return " and ".join(f"{count} {label}" for label, count in sorted(counts.items()))


def _sites(frame: "Atoms", moments: np.ndarray, atoms: Sequence[int]) -> str:
    named = [f"{frame.symbols[i]} {i} {moments[i]:+.2f} µB" for i in atoms[:_MOST_SITES]]
    more = f" and {len(atoms) - _MOST_SITES} more" if len(atoms) > _MOST_SITES else ""
    return ", ".join(named) + more
