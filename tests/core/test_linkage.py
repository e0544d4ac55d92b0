"""Linkage of polyhedra and artifact flags: exact answers, crystals, an independent oracle, invariances, bad input."""

import itertools
from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import brute_force_pairs, crystal, rotation, silicate_glass, small_cells

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}
ALL = {
    "NVP": "NVP_R-3c_Na3_ewald_ordered",
    "NVPF": "NVPF_P42mnm_allNa",
    "NaVOPO4": "NaVOPO4_alpha_P21c_DLSmodel",
    "VOPO4": "VOPO4_alphaII_P4n",
    "V2O5": "V2O5_alpha_Pmmn",
}


def brute_force_linkage(atoms, cutoffs, centers, ligand) -> dict[tuple, Counter]:
    """(kind, kind) -> number of pairs of centers by shared ligands, enumerated explicitly in the infinite crystal."""
    symbols = atoms.get_chemical_symbols()
    limit = {frozenset(p): length for p, length in cutoffs.items()}
    ligands_of = {i: set() for i, s in enumerate(symbols) if s in centers}
    for (i, j, shift), distance in brute_force_pairs(atoms, max(limit.values())).items():
        if i in ligands_of and symbols[j] == ligand and distance < limit.get(frozenset((symbols[i], ligand)), 0):
            ligands_of[i].add((j, shift))
    pairs = Counter()
    for (i, mine), (k, theirs) in itertools.product(ligands_of.items(), repeat=2):
        for (o, mine_at), (p, theirs_at) in itertools.product(mine, theirs):
            image = tuple(a - b for a, b in zip(mine_at, theirs_at))
            if o == p and (i, k, image) > (k, i, tuple(-n for n in image)):
                pairs[i, k, image] += 1
    counts = {}
    for (i, k, _), shared in pairs.items():
        kinds = tuple(sorted((symbols[i], symbols[k]), key=centers.index))
        counts.setdefault(kinds, Counter())[min(shared, 3)] += 1
    return counts


@pytest.mark.parametrize(
    ("shared", "expected"), [(1, (1, 0, 0)), (2, (0, 1, 0)), (3, (0, 0, 1)), (4, (0, 0, 1)), (0, (0, 0, 0))]
)
def test_two_centers_with_ligands_between_them(shared, expected):
    """Ligands on a ring half way between two P, others behind each."""
    angles = np.arange(shared) * 2 * np.pi / max(shared, 1)
    between = [[1.0, 1.2 * np.cos(a), 1.2 * np.sin(a)] for a in angles]
    places = [[0, 0, 0], [2, 0, 0], [-1.5, 0, 0], [3.5, 0, 0], *between]
    atoms = Atoms(["P"] * 2 + ["O"] * (2 + shared), positions=places)
    result = core.linkage(atoms, {("P", "O"): 1.7}, centers="P")
    assert result.counts == {("P", "P"): expected}
    assert result.shared.tolist() == [shared] * (2 * (shared > 0))


def test_a_center_that_shares_ligands_with_its_own_images():
    """A chain with one P and one O per cell; then one in which O bonds twice across each boundary."""
    atoms = Atoms("PO", positions=[[0, 0, 0], [1.5, 0, 0]], cell=[3, 20, 20], pbc=True)
    result = core.linkage(atoms, {("P", "O"): 2.0}, centers="P")
    assert result.counts == {("P", "P"): (1, 0, 0)}
    assert result.shifts.tolist() == [[-1, 0, 0], [1, 0, 0]] and result.degree().tolist() == [2, 0]

    ribbon = Atoms("PO2", positions=[[0, 0, 0], [1.2, 1, 0], [1.2, -1, 0]], cell=[2.4, 20, 20], pbc=True)
    assert core.linkage(ribbon, {("P", "O"): 1.7}, centers="P").counts == {("P", "P"): (0, 1, 0)}


@pytest.mark.parametrize(
    ("name", "counts", "v_degree", "v_v_degree", "p_degree"),
    [
        ("NVP", {("P", "V"): (72, 0, 0)}, 6, 0, 4),
        ("NVPF", {("P", "V"): (32, 0, 0)}, 4, 0, 4),
        ("NaVOPO4", {("P", "V"): (16, 0, 0), ("V", "V"): (4, 0, 0)}, 6, 2, 4),
        ("VOPO4", {("P", "V"): (8, 0, 0)}, 4, 0, 4),
        ("V2O5", {("V", "V"): (6, 4, 0)}, 5, 5, None),
    ],
)
def test_crystals(name, counts, v_degree, v_v_degree, p_degree):
    """NVP: only V-O-P corners, V 6 and P 4; VOPO4: V 4; NaVOPO4: V-O-V chains, V 6; V2O5: edges and corners."""
    atoms = crystal(ALL[name])
    symbols = np.array(atoms.get_chemical_symbols())
    result = core.linkage(atoms, CUTOFFS)
    assert {pair: found for pair, found in result.counts.items() if any(found)} == counts
    assert set(result.degree()[symbols == "V"]) == {v_degree}
    assert set(result.degree("V")[symbols == "V"]) == {v_v_degree}
    assert set(result.degree()[symbols == "P"]) == ({p_degree} if p_degree else set())
    assert not core.artifact_flags(atoms).any.any()


def test_fluorine_links_the_vanadium_of_nvpf():
    """Na3V2(PO4)2F3: pairs of VO4F2 octahedra share one F."""
    atoms = crystal(ALL["NVPF"])
    result = core.linkage(atoms, CUTOFFS | {("V", "F"): 2.5, ("P", "F"): 2.0}, ligand=("O", "F"))
    assert result.counts["V", "V"] == (4, 0, 0)


def test_quartz_and_glass_are_corner_linked():
    quartz = crystal("SiO2_alpha_quartz_ringfixture")
    assert core.linkage(quartz, {("Si", "O"): 2.0}, centers="Si").counts == {("Si", "Si"): (6, 0, 0)}
    glass = silicate_glass()
    result = core.linkage(glass, {("Si", "O"): 2.2}, centers="Si")
    # Every BO_SiSi oxygen of this glass (tests of Qn) is a corner, for no two tetrahedra share more.
    assert result.counts == {("Si", "Si"): (1254, 0, 0)}


@settings(max_examples=30, deadline=None)
@given(small_cells(elements=("V", "P", "O", "O")))
def test_equals_brute_force(atoms):
    for distance in brute_force_pairs(atoms, 2.6).values():
        assume(min(abs(distance - c) for c in (2.0, 2.5)) > 1e-9)
    result = core.linkage(atoms, CUTOFFS)
    expected = brute_force_linkage(atoms, CUTOFFS, ("P", "V"), "O")
    for kinds, found in result.counts.items():
        assert found == tuple(expected.get(kinds, Counter())[n] for n in (1, 2, 3))
    assert result.degree().sum() == 2 * sum(sum(found) for found in result.counts.values())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_in_any_frame(seed):
    random = np.random.default_rng(seed)
    atoms = crystal(ALL["V2O5"]).repeat((1, 2, 2))
    expected = core.linkage(atoms, CUTOFFS)
    order = random.permutation(len(atoms))
    moved = atoms[order]
    images = random.integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    moved.positions = (moved.positions + random.uniform(-9, 9, 3) + images) @ rotation(seed)
    moved.set_cell(atoms.cell.array @ rotation(seed))
    found = core.linkage(moved, CUTOFFS)
    assert (
        found.counts
        == expected.counts
        == {
            pair: tuple(4 * n for n in core.linkage(crystal(ALL["V2O5"]), CUTOFFS).counts[pair])
            for pair in found.counts
        }
    )
    assert found.degree().tolist() == expected.degree()[order].tolist()


def test_artifacts_are_flagged_where_they_are():
    atoms = crystal(ALL["NVP"])
    symbols = np.array(atoms.get_chemical_symbols())
    oxygens, phosphors = np.flatnonzero(symbols == "O"), np.flatnonzero(symbols == "P")
    peroxide = atoms.copy()
    far = oxygens[np.argmax(peroxide.get_distances(oxygens[0], oxygens, mic=True))]
    peroxide.positions[far] = peroxide.positions[oxygens[0]] + [0.0, 0.0, 1.4]
    flags = core.artifact_flags(peroxide)
    assert {oxygens[0], far} <= set(np.flatnonzero(flags.contacts["O", "O"]))
    assert set(symbols[flags.contacts["O", "O"]]) == {"O"} and not flags.contacts["P", "P"].any()

    bonded = atoms.copy()
    bonded.positions[phosphors[1]] = bonded.positions[phosphors[0]] + [0.0, 2.2, 0.0]
    flags = core.artifact_flags(bonded)
    assert np.flatnonzero(flags.contacts["P", "P"]).tolist() == phosphors[:2].tolist()
    assert not core.artifact_flags(bonded, {("P", "P"): 2.1}).contacts["P", "P"].any()

    edge = Atoms("P2O2", positions=[[0, 0, 0], [2.6, 0, 0], [1.3, 1, 0], [1.3, -1, 0]])
    flags = core.artifact_flags(edge)
    assert flags.edge_sharing.tolist() == [True, True, False, False] == flags.any.tolist()


PAIR = Atoms("PO", positions=[[0, 0, 0], [1.5, 0, 0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: core.linkage(PAIR), "cutoffs = None: needed unless a BondGraph"),
        (lambda: core.linkage(PAIR, {("V", "O"): 2.5}), r"cutoffs: the pair \('P', 'O'\) is missing"),
        (lambda: core.linkage(PAIR, CUTOFFS, centers=("P", "P")), "'P' is named twice"),
        (lambda: core.linkage(PAIR, CUTOFFS, centers="P", ligand="P"), "'P' is named twice"),
        (lambda: core.artifact_flags(PAIR, {("O", "O"): -1.7}), r"contacts\['O', 'O'\] = -1.7: must be"),
        (lambda: core.artifact_flags(PAIR, cutoff=float("nan")), r"cutoff = nan: must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
