"""What each atom brings to the profiles of structure: a number per atom for every quantity, NaN where it has none."""

from collections.abc import Collection, Mapping

import numpy as np
from ase import Atoms

from ..chemistry.formers import FORMERS, METAL_O_CUTOFF_A
from ..chemistry.ions import TRANSITION_METALS
from ..core import Environments, bond_graph, crystal_similarity, fingerprint, linkage, qn, rings
from ..errors import InputError
from .fingerprints import PREDICTED
from .redox import metal_states


def layer_values(
    atoms: Atoms,
    cutoffs: Mapping[str, float],
    *,
    ring_size: int = 8,
    reference: Environments | None = None,
    of_moment: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """(N,) values by name, as `core.Profiler.add` takes them; the mean over the atoms of a layer is its profile.

    `cutoffs` (Å) per pair "P-O", as in the analysis; `ring_size` in formers. With E a metal or a former of the frame:

    =================  ===========================================================================================
    ``n_P``            n of Qⁿ of the glass former, its bridging oxygens
    ``O_BO_PV`` etc.   1 for an oxygen of this class, 0 for another: shares of linkages P–O–P, P–O–V and of V=O
    ``CN_V``           oxygens around a metal
    ``vanadyl_V``      1 for V with a short terminal bond (V=O), 0 for other V
    ``state_V``        oxidation state of a metal by bond valence; NaN where it is not determined
    ``redox_V``            oxidation state of a metal in `of_moment` by the moment that the model predicts
    ``moment_V``           this |moment| in µB, where the frame has the array `moment`
    ``edges_V``        other polyhedra with which a former or metal shares an edge or a face
    ``rings_P``        primitive rings up to `ring_size` formers through a former or metal
    ``similarity``     to the `reference` crystal, where it is given
    =================  ===========================================================================================

    InputError for a frame without oxygen or a glass former.
    """
    symbols = np.array(atoms.get_chemical_symbols())
    former = next((element for element in FORMERS if element in symbols), None)
    if former is None or "O" not in symbols:
        raise InputError("atoms: the profiles of structure need oxygen and a glass former")
    metals = sorted(set(symbols.tolist()) & TRANSITION_METALS)
    formers = (former, *metals)
    bonds = {(element, "O"): cutoffs.get(f"{element}-O", METAL_O_CUTOFF_A) for element in formers}
    graph = bond_graph(atoms, bonds)

    network = qn(graph, former=former, metals=metals)
    values = {f"n_{former}": np.where(symbols == former, network.n, np.nan)}
    for value, label in network.labels.items():
        # classes of metals that the frame has not, and vanadyl oxygens of other metals than V
        if ("M" in label and not metals) or (label.endswith("=O") and "V" not in metals):
            continue
        values[f"O_{label}"] = np.where(symbols == "O", network.oxygen_class == value, np.nan)
    for metal in metals:
        found = fingerprint(atoms, {(metal, "O"): bonds[metal, "O"]}, center=metal)
        values[f"CN_{metal}"] = found.per_atom(found.coordination.astype(float), np.nan)
        if metal == "V":
            values["vanadyl_V"] = found.per_atom((found.vanadyl > 0).astype(float), np.nan)
        if "valence" in found.classes:
            state = found.classes["valence"].astype(float)
            values[f"state_{metal}"] = found.per_atom(np.where(state > 0, state, np.nan), np.nan)
        if PREDICTED in atoms.arrays:
            values[f"moment_{metal}"] = np.where(symbols == metal, np.abs(atoms.arrays[PREDICTED]), np.nan)
        if metal in of_moment:
            redox = metal_states(atoms, metal, cutoffs, of_moment).astype(float)
            values[f"redox_{metal}"] = np.where(redox > 0, redox, np.nan)
    links = linkage(graph, centers=formers)
    wide = links.shared > 1
    edges = np.bincount(np.concatenate([links.i[wide], links.j[wide]]), minlength=len(symbols))
    through = rings(graph, graph_kind="tt", max_size=ring_size, former=formers).per_node.sum(axis=1)
    for element in formers:
        values[f"edges_{element}"] = np.where(symbols == element, edges, np.nan)
        values[f"rings_{element}"] = np.where(symbols == element, through, np.nan)
    if reference is not None:
        values["similarity"] = crystal_similarity(atoms, reference)
    return values
