"""Q^n of network formers and the classes of oxygens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import element, elements, positive
from .graph import Cutoffs, graph_of, names, pair, roles_of

#: Å; a terminal V–O bond below it is a vanadyl V=O.
#: Schindler, Hawthorne & Baur, Chem. Mater. 12, 1248 (2000).
VANADYL_CUTOFF: float = _core.QnOptions().vanadyl_cutoff


OxygenClass = _core.OxygenClass


@dataclass(frozen=True)
class Qn:
    """Q^n of the formers and the class of each oxygen; definitions in docs/observables/qn.md.

    `n` and `m` are -1 for atoms that are not formers; the oxygen counts are 0 for atoms that are not oxygens.
    """

    n: np.ndarray  #: (N,) bonded oxygens that are bonded to another former too
    m: np.ndarray  #: (N,) bonded oxygens that are bonded to a transition metal too (Q^n_m)
    oxygen_formers: np.ndarray  #: (N,) formers bonded to the oxygen
    oxygen_metals: np.ndarray  #: (N,) transition metals bonded to the oxygen
    oxygen_class: np.ndarray  #: (N,) integer value of `OxygenClass`
    labels: dict[int, str]  #: class value -> the field's name for it, e.g. 4 -> "BO_PV"

    def fractions(self) -> dict[int, float]:
        """Share of the formers with each n that occurs, e.g. ``{2: 0.75, 3: 0.25}``."""
        n = self.n[self.n >= 0]
        values, counts = np.unique(n, return_counts=True)
        return {int(v): float(c) / n.size for v, c in zip(values, counts, strict=True)}

    def mean_n(self) -> float:
        """Network connectivity ⟨n⟩; NaN if there is no former."""
        n = self.n[self.n >= 0]
        return float(n.mean()) if n.size else float("nan")

    def class_counts(self) -> dict[str, int]:
        """Number of oxygens of each class that occurs, by label."""
        counts = Counter(self.oxygen_class[self.oxygen_class > 0].tolist())
        return {self.labels[value]: counts[value] for value in sorted(counts)}


def qn(
    structure,
    cutoffs: Cutoffs | None = None,
    *,
    former: str | Iterable[str] = "P",
    metals: str | Iterable[str] = ("V",),
    oxygen: str = "O",
    vanadyl_cutoff: float = VANADYL_CUTOFF,
) -> Qn:
    """Q^n of each former and the class of each oxygen.

    `structure` is a `BondGraph`, or atoms together with `cutoffs`. Every former and metal of the structure
    needs a cutoff with the oxygen; otherwise InputError names the pair. O(bonds).
    """
    graph = graph_of(structure, cutoffs)
    former, metals = elements("former", former, graph.symbols), elements("metals", metals, graph.symbols)
    oxygen = element("oxygen", oxygen, graph.symbols)
    vanadyl_cutoff = positive("vanadyl_cutoff", vanadyl_cutoff, "Å")
    named = ((_core.Role.oxygen, oxygen), (_core.Role.former, former), (_core.Role.metal, metals))
    roles = roles_of(named)
    present = sorted(set(graph.symbols))
    for one in present:
        bonds = roles.get(one) in (_core.Role.former, _core.Role.metal)
        if bonds and pair(one, oxygen) not in graph.cutoffs:
            raise InputError(f"cutoffs: the pair ({one!r}, {oxygen!r}) is missing")
    type_of = {symbol: t for t, symbol in enumerate(present)}
    found = _core.qn(
        graph.offsets,
        graph.targets,
        graph.lengths,
        np.array([type_of[symbol] for symbol in graph.symbols], dtype=np.int32),
        [roles.get(one, _core.Role.other) for one in present],
        _core.QnOptions(vanadyl_cutoff=vanadyl_cutoff),
    )
    return Qn(**found, labels=_labels(former, metals))


def _labels(former: str | Iterable[str], metals: str | Iterable[str]) -> dict[int, str]:
    """Names of the oxygen classes; T and M mean several formers or metals."""
    formers, transition = names(former), names(metals)
    t = formers[0] if len(formers) == 1 else "T"
    m = transition[0] if len(transition) == 1 else "M"
    labels = {
        OxygenClass.free: "free",
        OxygenClass.non_bridging_former: f"NBO_{t}",
        OxygenClass.bridging_former_former: f"BO_{t}{t}",
        OxygenClass.bridging_former_metal: f"BO_{t}{m}",
        OxygenClass.bridging_former_two_metal: f"BO_{t}{m}{m}",
        OxygenClass.bridging_metal_metal: f"BO_{m}{m}",
        OxygenClass.tri_coordinated: "tri",
        OxygenClass.metal_oxo: f"{m}=O",
        OxygenClass.non_bridging_metal: f"NBO_{m}",
    }
    return {int(value): label for value, label in labels.items()}
