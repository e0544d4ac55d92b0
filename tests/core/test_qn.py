"""Q^n and oxygen classes: exact answers, crystals, an independent oracle, invariances, bad input."""

import dataclasses

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import brute_force_pairs, brute_force_qn, crystal, rotation, silicate_glass, small_cells

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}


def tetrahedron(center, length=1.54):
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    return np.array(center) + length * corners


def test_isolated_phosphate_is_q0():
    atoms = Atoms("PO4", positions=[[0, 0, 0], *tetrahedron([0, 0, 0])])
    result = core.qn(atoms, CUTOFFS)
    assert result.n.tolist() == [0, -1, -1, -1, -1]
    assert result.class_counts() == {"NBO_P": 4}


def test_two_tetrahedra_on_one_corner_are_q1():
    first = tetrahedron([0, 0, 0])
    shared = first[0]
    second = 2 * shared - first[1:]
    atoms = Atoms("P2O7", positions=[[0, 0, 0], 2 * shared, *first, *second])
    result = core.qn(atoms, CUTOFFS)
    assert result.n[:2].tolist() == [1, 1]
    assert result.class_counts() == {"NBO_P": 6, "BO_PP": 1}
    assert result.mean_n() == 1.0


def test_chain_through_the_boundary_of_a_cell_smaller_than_a_bond_pair():
    """One P and one bridging O per cell: the neighboring former is the P's own image."""
    atoms = Atoms("PO", positions=[[0, 0, 0], [1.5, 0, 0]], cell=[3, 20, 20], pbc=True)
    result = core.qn(atoms, CUTOFFS)
    assert result.n.tolist() == [2, -1]
    assert result.oxygen_formers.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("partners", "label"),
    [
        ("", "free"),
        ("P", "NBO_P"),
        ("PP", "BO_PP"),
        ("PV", "BO_PV"),
        ("PVV", "BO_PVV"),
        ("VV", "BO_VV"),
        ("VVV", "tri"),
        ("PPP", "tri"),
        ("PPV", "tri"),
        ("PPVV", "tri"),
        ("V", "NBO_V"),
    ],
)
def test_class_of_an_oxygen_by_its_partners(partners, label):
    directions = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]) * 1.8
    atoms = Atoms("O" + partners, positions=[[0, 0, 0], *directions[: len(partners)]])
    assert core.qn(atoms, CUTOFFS).class_counts() == {label: 1}


def test_vanadyl_needs_a_short_terminal_bond():
    for length, label in ((1.60, "V=O"), (1.739, "V=O"), (1.741, "NBO_V"), (2.4, "NBO_V")):
        atoms = Atoms("VO", positions=[[0, 0, 0], [length, 0, 0]])
        assert core.qn(atoms, CUTOFFS).class_counts() == {label: 1}
    assert core.qn(atoms, CUTOFFS, vanadyl_cutoff=2.45).class_counts() == {"V=O": 1}


@pytest.mark.parametrize(
    ("name", "former", "fractions", "links", "classes"),
    [
        ("SiO2_alpha_quartz_ringfixture", "Si", {4: 1.0}, {0}, {"BO_SiSi": 6}),
        ("NVP_R-3c_Na3_ewald_ordered", "P", {0: 1.0}, {4}, {"BO_PV": 72}),
        ("NVPF_P42mnm_allNa", "P", {0: 1.0}, {4}, {"BO_PV": 32}),
        ("NaVOPO4_alpha_P21c_DLSmodel", "P", {0: 1.0}, {4}, {"BO_PV": 16, "BO_VV": 4}),
        ("VOPO4_alphaII_P4n", "P", {0: 1.0}, {4}, {"BO_PV": 8, "V=O": 2}),
        ("V2O5_alpha_Pmmn", "P", {}, set(), {"V=O": 4, "tri": 4, "BO_VV": 2}),
    ],
)
def test_crystals(name, former, fractions, links, classes):
    result = core.qn(crystal(name), CUTOFFS | {("Si", "O"): 2.0}, former=former)
    assert result.fractions() == fractions
    assert set(result.m[result.m >= 0]) == links
    assert result.class_counts() == classes


def test_silicate_glass_equals_an_independent_count():
    """The same counts from ASE's neighbor list and plain numpy."""
    atoms = silicate_glass()
    symbols = np.array(atoms.get_chemical_symbols())
    i, j = neighbor_list("ij", atoms, {("Si", "O"): 2.2})
    silicons_of = np.bincount(j[symbols[i] == "Si"], minlength=len(atoms))
    bridges = np.bincount(i[silicons_of[j] >= 2], minlength=len(atoms))

    result = core.qn(atoms, {("Si", "O"): 2.2}, former="Si", metals=())
    assert result.n[symbols == "Si"].tolist() == bridges[symbols == "Si"].tolist()
    assert result.oxygen_formers[symbols == "O"].tolist() == silicons_of[symbols == "O"].tolist()
    assert (result.n[symbols != "Si"] == -1).all()
    assert result.class_counts() == {"NBO_Si": 496, "BO_SiSi": 1254}
    # Each bridge has two ends, and no oxygen of this glass has three.
    assert result.n[symbols == "Si"].sum() == 2 * 1254


@settings(max_examples=60, deadline=None)
@given(small_cells())
def test_equals_brute_force(atoms):
    for distance in brute_force_pairs(atoms, 2.6).values():
        assume(min(abs(distance - c) for c in (2.0, 2.5)) > 1e-9)
    result = core.qn(atoms, CUTOFFS)
    expected = brute_force_qn(atoms, CUTOFFS, "P", "V")
    assert result.n.tolist() == expected["n"]
    assert result.m.tolist() == expected["m"]
    assert result.oxygen_formers.tolist() == expected["formers"]
    assert result.oxygen_metals.tolist() == expected["metals"]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_glass_is_the_same_in_any_frame(seed):
    """Rotation, permutation, translation, other images: the values of each atom do not change."""
    random = np.random.default_rng(seed)
    atoms = silicate_glass()
    cutoffs, options = {("Si", "O"): 2.2}, {"former": "Si", "metals": ()}
    expected = core.qn(atoms, cutoffs, **options)

    order = random.permutation(len(atoms))
    moved = atoms[order]
    images = random.integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    moved.positions = (moved.positions + random.uniform(-9, 9, 3) + images) @ rotation(seed)
    moved.set_cell(atoms.cell.array @ rotation(seed))
    found = core.qn(moved, cutoffs, **options)
    for field in ("n", "m", "oxygen_formers", "oxygen_metals", "oxygen_class"):
        assert getattr(found, field).tolist() == getattr(expected, field)[order].tolist()


def test_replication_multiplies_every_count():
    atoms = crystal("NaVOPO4_alpha_P21c_DLSmodel")
    once, eight = core.qn(atoms, CUTOFFS), core.qn(atoms.repeat(2), CUTOFFS)
    assert eight.class_counts() == {label: 8 * count for label, count in once.class_counts().items()}
    assert eight.n.tolist() == np.tile(once.n, 8).tolist()


def test_graph_and_atoms_give_the_same():
    atoms = crystal("VOPO4_alphaII_P4n")
    by_graph = core.qn(core.bond_graph(atoms, CUTOFFS))
    by_atoms = core.qn(atoms, CUTOFFS)
    assert by_graph.oxygen_class.tolist() == by_atoms.oxygen_class.tolist()


def test_several_formers_bridge_to_each_other():
    atoms = Atoms("SiOP", positions=[[0, 0, 0], [1.6, 0, 0], [3.15, 0, 0]])
    cutoffs = {("Si", "O"): 2.0, ("P", "O"): 2.0}
    assert core.qn(atoms, cutoffs, former=("P", "Si")).n.tolist() == [1, -1, 1]
    assert core.qn(atoms, cutoffs, former="P").n.tolist() == [-1, -1, 0]
    assert core.qn(atoms, cutoffs, former=("P", "Si")).class_counts() == {"BO_TT": 1}


PAIR = Atoms("PO", positions=[[0, 0, 0], [1.5, 0, 0]])


@pytest.mark.parametrize(
    ("structure", "cutoffs", "options", "message"),
    [
        (PAIR, None, {}, "cutoffs = None: needed unless a BondGraph"),
        (PAIR, {("V", "O"): 2.5}, {}, r"cutoffs: the pair \('P', 'O'\) is missing"),
        (Atoms("VO"), {("P", "O"): 2.0}, {}, r"cutoffs: the pair \('V', 'O'\) is missing"),
        (PAIR, CUTOFFS, {"vanadyl_cutoff": -1.0}, "vanadyl_cutoff = -1.0+: must be"),
        (PAIR, CUTOFFS, {"vanadyl_cutoff": float("nan")}, "vanadyl_cutoff = nan: must be"),
        (PAIR, CUTOFFS, {"former": "V"}, "metal = 'V': already has the role former"),
        (PAIR, CUTOFFS, {"former": "O"}, "former = 'O': already has the role oxygen"),
    ],
)
def test_bad_input_is_named(structure, cutoffs, options, message):
    with pytest.raises(InputError, match=message):
        core.qn(structure, cutoffs, **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": np.array([7, 0], dtype=np.int32)}, "targets = 7: atoms run from 0"),
        ({"targets": np.array([-1, 0], dtype=np.int32)}, "targets = -1: atoms run from 0"),
        ({"offsets": np.array([0, 9, 2])}, "offsets = 3 entries: must increase from 0"),
        ({"offsets": np.array([0, 2])}, "offsets = 2 entries: must increase from 0"),
        ({"lengths": np.array([1.5])}, "lengths = 1 entries: there are 2 bonds"),
    ],
)
def test_a_broken_graph_is_refused(changes, message):
    """External arrays must not make the compiled core read out of bounds."""
    graph = core.bond_graph(PAIR, {("P", "O"): 2.0})
    with pytest.raises(InputError, match=message):
        core.qn(dataclasses.replace(graph, **changes))
