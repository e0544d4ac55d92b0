"""Clusters and percolation: lattices of known dimension, crystals, independent oracles, invariances, bad input."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import brute_force_pairs, crystal, rotation, silicate_glass, small_cells

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}


def rank(vectors) -> int:
    """Rank of integer vectors over the rationals, by explicit elimination."""
    rows = [[Fraction(x) for x in vector] for vector in vectors]
    found = 0
    for column in range(3):
        pivot = next((r for r in range(found, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for r in range(found + 1, len(rows)):
            factor = rows[r][column] / rows[found][column]
            rows[r] = [a - factor * b for a, b in zip(rows[r], rows[found])]
        found += 1
    return found


def walk(edges, nodes) -> list[tuple[frozenset, int]]:
    """Components and their dimensions: a spanning tree gives each node an image and then each edge a translation."""
    neighbors = {n: [] for n in nodes}
    for i, j, shift in edges:
        neighbors[i].append((j, shift))
    image, components = {}, []
    for start in nodes:
        if start in image:
            continue
        image[start] = (0, 0, 0)
        members, stack, loops = [start], [start], []
        while stack:
            i = stack.pop()
            for j, shift in neighbors[i]:
                there = tuple(np.add(image[i], shift).tolist())
                if j not in image:
                    image[j] = there
                    members.append(j)
                    stack.append(j)
                else:
                    loops.append(np.subtract(there, image[j]).tolist())
        components.append((frozenset(members), rank(loops)))
    return components


def lattice(*cell, atoms=1):
    return Atoms("Na" * atoms, positions=np.zeros((atoms, 3)), cell=cell, pbc=True)


@pytest.mark.parametrize(
    ("cell", "dimension"),
    [([3, 3, 3], 3), ([3, 3, 9], 2), ([9, 3, 3], 2), ([3, 9, 9], 1), ([9, 9, 3], 1), ([9, 9, 9], 0)],
)
@pytest.mark.parametrize("repeat", [1, (2, 1, 3)])
def test_one_atom_joined_to_its_images(cell, dimension, repeat):
    atoms = lattice(*cell).repeat(repeat)
    result = core.clusters(core.bond_graph(atoms, {("Na", "Na"): 3.5}))
    assert set(result.dimensions) == {dimension}
    assert result.percolating_fraction == (1.0 if dimension else 0.0)
    assert result.sizes.sum() == len(atoms)


def test_a_helix_percolates_along_a_diagonal():
    """Steps that add up to (1, 1, 0): one direction, neither a nor b."""
    atoms = lattice(6, 6, 20, atoms=4)
    atoms.positions[:, :2] = np.arange(4)[:, None] * 1.5
    result = core.clusters(core.bond_graph(atoms, {("Na", "Na"): 2.5}))
    assert result.dimensions.tolist() == [1]
    assert result.translations[0].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    levels = core.percolation_cutoff(atoms)
    assert levels.by_direction[:2] == pytest.approx(1.5 * np.sqrt(2))
    assert np.isnan(levels.by_direction[2])


def test_two_interpenetrating_nets_stay_two():
    """Simple cubic nets shifted by half a cell; bonds of one length only."""
    atoms = Atoms("NaV", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[4, 4, 4], pbc=True)
    result = core.clusters(core.bond_graph(atoms, {("Na", "Na"): 4.1, ("V", "V"): 4.1}))
    assert result.sizes.tolist() == [1, 1] and result.dimensions.tolist() == [3, 3]


def test_a_doubled_translation_is_seen():
    """Bonds that skip every other image: the chain returns after two cells."""
    graph = core.bond_graph(lattice(3, 9, 9), {("Na", "Na"): 3.5})
    skipping = dataclasses.replace(graph, shifts=2 * graph.shifts)
    assert core.clusters(skipping).translations[0].tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_chains_that_cross_make_a_layer():
    """Atom 0 is joined to its images along a, atom 1 along b; atom 2 joins the finished chains."""
    rows = {
        0: [(0, (-1, 0, 0)), (0, (1, 0, 0)), (2, (0, 0, 0))],
        1: [(1, (0, -1, 0)), (1, (0, 1, 0)), (2, (0, 0, 1))],
        2: [(0, (0, 0, 0)), (1, (0, 0, -1))],
    }
    ends = [end for row in rows.values() for end in row]
    graph = core.BondGraph(
        symbols=("Na",) * 3,
        cutoffs={},
        offsets=np.cumsum([0, *map(len, rows.values())]),
        targets=np.array([j for j, _ in ends], dtype=np.int32),
        shifts=np.array([shift for _, shift in ends], dtype=np.int32),
        lengths=np.ones(len(ends)),
    )
    result = core.clusters(graph)
    assert result.sizes.tolist() == [3] and result.dimensions.tolist() == [2]
    assert result.translations[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "sizes", "dimensions"),
    [
        ("NVP_R-3c_Na3_ewald_ordered", [102], [3]),
        ("NVPF_P42mnm_allNa", [24, 24], [2, 2]),  # without F: layers
        ("NaVOPO4_alpha_P21c_DLSmodel", [28], [3]),
        ("VOPO4_alphaII_P4n", [14], [2]),  # layers, joined by long V-O only
        ("V2O5_alpha_Pmmn", [14], [2]),
    ],
)
def test_networks_of_crystals(name, sizes, dimensions):
    atoms = crystal(name)
    result = core.clusters(core.bond_graph(atoms, CUTOFFS), select=("P", "V", "O"))
    assert result.sizes.tolist() == sizes and result.dimensions.tolist() == dimensions
    others = np.isin(atoms.get_chemical_symbols(), ("Na", "F"))
    assert (result.labels[others] == -1).all() and (result.labels[~others] >= 0).all()


def test_silicate_glass_network_percolates():
    glass = silicate_glass()
    result = core.clusters(core.bond_graph(glass, {("Si", "O"): 2.2}), select=("Si", "O"))
    assert result.dimensions[0] == 3 and result.largest_fraction > 0.98
    assert (np.diff(result.sizes) <= 0).all()
    assert np.bincount(result.labels[result.labels >= 0]).tolist() == result.sizes.tolist()


@settings(max_examples=40, deadline=None)
@given(small_cells(), st.floats(1.5, 4.0))
def test_equals_a_walk_through_the_graph(atoms, cutoff):
    symbols = atoms.get_chemical_symbols()
    pairs = brute_force_pairs(atoms, cutoff + 1e-6)
    assume(all(abs(d - cutoff) > 1e-9 for d in pairs.values()))
    nodes = [i for i, s in enumerate(symbols) if s != "O"]
    edges = [key for key, d in pairs.items() if d < cutoff and key[0] in nodes and key[1] in nodes]
    expected = walk(edges, nodes)

    elements = ("Na", "V", "P", "O")
    cutoffs = {(a, b): cutoff for k, a in enumerate(elements) for b in elements[k:]}
    result = core.clusters(core.bond_graph(atoms, cutoffs), select=("Na", "V", "P"))
    found = [
        (frozenset(np.flatnonzero(result.labels == k).tolist()), dimension)
        for k, dimension in enumerate(result.dimensions.tolist())
    ]
    assert sorted(found, key=lambda c: min(c[0])) == expected
    assert result.sizes.tolist() == sorted((len(members) for members, _ in expected), reverse=True)


@settings(max_examples=25, deadline=None)
@given(small_cells(elements=("Na",)))
def test_percolation_cutoff_is_where_the_dimension_changes(atoms):
    """The graph has the dimension just above a level but not just below it, checked by walking brute-force pairs."""
    levels = core.percolation_cutoff(atoms, max_cutoff=6.0)
    pairs = brute_force_pairs(atoms, 6.0)

    def highest(cutoff):
        edges = [key for key, d in pairs.items() if d < cutoff]
        return max(dimension for _, dimension in walk(edges, range(len(atoms))))

    for dimension, level in enumerate(levels.by_dimension, start=1):
        if np.isnan(level):
            assert highest(6.0) < dimension
        else:
            assert highest(level + 1e-9) >= dimension > highest(level - 1e-9)
    assert np.isnan(levels.by_direction[~atoms.pbc]).all()


def test_percolation_cutoff_of_lattices():
    levels = core.percolation_cutoff(lattice(3, 4, 5))
    assert levels.by_dimension.tolist() == [3, 4, 5] == levels.by_direction.tolist()
    fcc = bulk("Na", "fcc", a=4.0, cubic=True)
    assert core.percolation_cutoff(fcc).by_dimension == pytest.approx([np.sqrt(8)] * 3)
    alone = core.percolation_cutoff(lattice(9, 9, 20))
    assert alone.by_dimension[:2].tolist() == [9, 9] and np.isnan(alone.by_dimension[2])
    assert np.isnan(core.percolation_cutoff(lattice(9, 9, 9), "Li").by_dimension).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_in_any_frame(seed):
    random = np.random.default_rng(seed)
    atoms = crystal("NVPF_P42mnm_allNa")
    order = random.permutation(len(atoms))
    moved = atoms[order]
    images = random.integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    moved.positions = (moved.positions + images) @ rotation(seed)
    moved.set_cell(atoms.cell.array @ rotation(seed))
    expected = core.clusters(core.bond_graph(atoms, CUTOFFS), ("P", "V", "O"))
    found = core.clusters(core.bond_graph(moved, CUTOFFS), ("P", "V", "O"))
    assert found.dimensions.tolist() == expected.dimensions.tolist()
    together = expected.labels[order]
    assert ((found.labels[:, None] == found.labels) == (together[:, None] == together)).all()
    assert core.percolation_cutoff(moved).by_dimension == pytest.approx(core.percolation_cutoff(atoms).by_dimension)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: core.percolation_cutoff(lattice(3, 3, 3), max_cutoff=-1.0), "max_cutoff = -1.0: must be"),
        (lambda: core.percolation_cutoff(lattice(3, 3, 3), max_cutoff=float("nan")), "max_cutoff = nan: must be"),
        (
            lambda: core.clusters(core.bond_graph(lattice(3, 3, 3), {}), np.ones(2, dtype=bool)),
            r"select = mask of shape \(2,\): there are 1 atoms",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
