"""Neighbor list and bond graph against brute force, symmetry and known coordination."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import brute_force_pairs, crystal, rotation, silicate_glass, small_cells


def as_dict(pairs: core.Neighbors) -> dict[tuple, float]:
    keys = zip(pairs.i.tolist(), pairs.j.tolist(), map(tuple, pairs.shifts.tolist()))
    return dict(zip(keys, pairs.distances))


def away_from_cutoff(distances, cutoff):
    """Rounding decides whether a pair exactly at the cutoff counts, so such cells prove nothing."""
    assume(all(abs(d - cutoff) > 1e-9 for d in distances))


@settings(max_examples=60, deadline=None)
@given(small_cells(), st.floats(0.5, 4.0))
def test_neighbors_equal_brute_force(atoms, cutoff):
    expected = brute_force_pairs(atoms, cutoff + 1e-6)
    away_from_cutoff(expected.values(), cutoff)
    found = core.neighbors(atoms, cutoff)
    pairs = as_dict(found)
    assert len(pairs) == len(found.i)
    assert pairs.keys() == {key for key, d in expected.items() if d < cutoff}
    for key, distance in pairs.items():
        assert distance == pytest.approx(expected[key], abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(small_cells(), st.floats(0.5, 4.0), st.integers(0, 999))
def test_neighbors_do_not_depend_on_the_frame(atoms, cutoff, seed):
    """Wrapped, rotated and permuted copies have the same pairs and distances."""
    pairs = as_dict(core.neighbors(atoms, cutoff))
    away_from_cutoff(as_dict(core.neighbors(atoms, cutoff + 1e-6)).values(), cutoff)

    wrapped = atoms.copy()
    wrapped.wrap(eps=0)
    turned = atoms.copy()
    turned.set_cell(atoms.cell @ rotation(seed))
    turned.positions = atoms.positions @ rotation(seed)
    for other in (wrapped, turned):
        distances = core.neighbors(other, cutoff).distances
        assert np.sort(distances) == pytest.approx(sorted(pairs.values()), abs=1e-9)
    assert as_dict(core.neighbors(turned, cutoff)).keys() == pairs.keys()

    order = np.random.default_rng(seed).permutation(len(atoms))
    permuted = as_dict(core.neighbors(atoms[order], cutoff))
    assert {(order[i], order[j], shift) for i, j, shift in permuted} == pairs.keys()


@settings(max_examples=30, deadline=None)
@given(small_cells(), st.floats(0.5, 4.0))
def test_each_pair_is_listed_in_both_directions(atoms, cutoff):
    pairs = as_dict(core.neighbors(atoms, cutoff))
    for (i, j, shift), distance in pairs.items():
        assert pairs[j, i, tuple(-s for s in shift)] == distance


def test_replication_repeats_every_row():
    atoms = crystal("V2O5_alpha_Pmmn")
    once = np.bincount(core.neighbors(atoms, 6.0).i, minlength=len(atoms))
    many = np.bincount(core.neighbors(atoms.repeat((2, 3, 2)), 6.0).i)
    assert many.tolist() == np.tile(once, 12).tolist()


@pytest.mark.parametrize(
    ("crystal_structure", "shells"), [("sc", [6, 18, 26]), ("fcc", [12, 18, 42]), ("bcc", [8, 14, 26])]
)
def test_shells_of_one_atom_cells(crystal_structure, shells):
    atoms = bulk("Po", crystal_structure, a=1.0)
    distances = np.unique(core.neighbors(atoms, 2.0).distances.round(9))
    found = [len(core.neighbors(atoms, d + 1e-6).i) for d in distances[:3]]
    assert found == shells


def test_many_atoms_in_few_bins_and_few_atoms_in_many():
    """A wire of 2000 atoms, and a pair of atoms in a cell of one micrometer."""
    wire = Atoms("H2000", positions=[[0, 0, z] for z in range(2000)], cell=[3, 3, 2000], pbc=True)
    assert np.bincount(core.neighbors(wire, 1.5).i).tolist() == [2] * 2000
    pair = Atoms("H2", positions=[[0, 0, 0], [-1, 0, 0]], cell=[1e4, 1e4, 1e4], pbc=True)
    assert len(core.neighbors(pair, 1.5).i) == 2


def test_molecule_without_a_cell():
    water = Atoms("OH2", positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    assert core.neighbors(water, 1.0).distances == pytest.approx([0.96, np.hypot(0.24, 0.93)] * 2, abs=0.01)
    assert core.bond_graph(water, {("O", "H"): 1.0}).coordination("H").tolist() == [2, 0, 0]


def test_empty_structure():
    assert len(core.neighbors(Atoms(cell=[1, 1, 1], pbc=True), 2.0).i) == 0
    assert len(core.bond_graph(Atoms(cell=[1, 1, 1], pbc=True), {("P", "O"): 2.0})) == 0


@pytest.mark.parametrize(
    ("name", "element", "cutoff", "coordination"),
    [
        ("NVP_R-3c_Na3_ewald_ordered", "P", 2.0, 4),
        ("NVP_R-3c_Na3_ewald_ordered", "V", 2.5, 6),
        ("NaVOPO4_alpha_P21c_DLSmodel", "V", 2.5, 6),
        ("VOPO4_alphaII_P4n", "V", 2.5, 5),
        ("V2O5_alpha_Pmmn", "V", 2.5, 5),
        ("SiO2_alpha_quartz_ringfixture", "Si", 2.0, 4),
    ],
)
def test_coordination_in_crystals(name, element, cutoff, coordination):
    atoms = crystal(name)
    graph = core.bond_graph(atoms, {(element, "O"): cutoff})
    centers = np.array(atoms.get_chemical_symbols()) == element
    assert set(graph.coordination("O")[centers]) == {coordination}
    assert not graph.coordination(element)[centers].any()


def test_bond_graph_takes_each_pair_at_its_own_cutoff():
    atoms = silicate_glass()
    cutoffs = {("O", "Si"): 2.2, ("Na", "O"): 3.1, ("Na", "Na"): 2.9}
    graph = core.bond_graph(atoms, cutoffs)
    symbols = np.array(atoms.get_chemical_symbols())
    near = core.neighbors(atoms, 3.1)
    limit = np.zeros(len(near.i))
    for (a, b), cutoff in cutoffs.items():
        a_to_b = (symbols[near.i] == a) & (symbols[near.j] == b)
        limit[a_to_b | ((symbols[near.i] == b) & (symbols[near.j] == a))] = cutoff
    kept = near.distances < limit
    assert np.repeat(np.arange(len(graph)), np.diff(graph.offsets)).tolist() == near.i[kept].tolist()
    assert graph.targets.tolist() == near.j[kept].tolist()
    assert graph.lengths.tolist() == near.distances[kept].tolist()
    assert graph.bonded(5).tolist() == near.j[kept][near.i[kept] == 5].tolist()


def test_a_table_may_have_pairs_that_the_structure_lacks():
    assert core.bond_graph(cube(), {("P", "O"): 2.0, ("Si", "O"): 2.2}).coordination().tolist() == [1, 1]


def cube(**changes) -> Atoms:
    return Atoms("PO", **({"positions": [[0, 0, 0], [1.5, 0, 0]], "cell": [4, 4, 4], "pbc": True} | changes))


@pytest.mark.parametrize(
    ("atoms", "cutoff", "message"),
    [
        (cube(), -1.0, r"cutoff = -1.0+: must be a positive number"),
        (cube(), 0.0, "cutoff = 0.0+: must be"),
        (cube(), float("nan"), "cutoff = nan: must be"),
        (cube(), float("inf"), "cutoff = inf: must be"),
        (cube(), 1e5, "cutoff = 100000: spans too many images of a cell of height 4 Å"),
        (cube(positions=[[0, 0, 0], [float("nan"), 0, 0]]), 2.0, r"positions\[1\] = nan"),
        (cube(positions=[[0, 0, 0], [1e12, 0, 0]]), 2.0, r"positions\[1\] = 10+: is too many cells"),
        (cube(cell=[4, 4, 0]), 2.0, r"cell\[2\] = 0: a periodic direction needs"),
        (cube(cell=[[4, 0, 0], [0, 4, 0], [4, 4, 0]]), 2.0, r"cell = \[\[4, .*one plane"),
        (cube(cell=[[4, 0, 0], [0, float("inf"), 0], [0, 0, 4]]), 2.0, r"cell = .*inf.*finite"),
    ],
)
def test_bad_geometry_is_named(atoms, cutoff, message):
    with pytest.raises(InputError, match=message):
        core.neighbors(atoms, cutoff)


@pytest.mark.parametrize(
    ("cutoffs", "message"),
    [
        ({("P", "O"): -2.0}, r"cutoffs\['P', 'O'\] = -2.0: must be a positive"),
        ({("P", "O"): float("nan")}, r"cutoffs\['P', 'O'\] = nan: must be"),
        ({("P", "O"): "2.0"}, r"cutoffs\['P', 'O'\] = '2.0': must be"),
        ({("Si", "O"): 2.0}, r"cutoffs = \{\('Si', 'O'\): 2.0\}: the structure has none of these pairs; it has P, O"),
        ({("P", "O"): 2.0, ("O", "P"): 2.1}, r"cutoffs\['O', 'P'\] = 2.1: the pair is given twice"),
    ],
)
def test_bad_cutoffs_are_named(cutoffs, message):
    with pytest.raises(InputError, match=message):
        core.bond_graph(cube(), cutoffs)
