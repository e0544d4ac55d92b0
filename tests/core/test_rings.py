"""Rings: published and exact answers, glasses that five codes agree on, oracles on random graphs, bad input."""

import dataclasses

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support import ring_oracle
from support.structures import crystal, glass

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5, ("Si", "O"): 2.0}
GLASS = {("Si", "O"): 2.2}
CRITERIA = ("primitive", "king", "guttman", "strong")


def by_size(numbers) -> dict[int, int]:
    return {size: int(n) for size, n in enumerate(numbers) if n}


def graph_from(bonds, symbols) -> core.BondGraph:
    """A bond graph from (i, j, shift) triples, each bond given once."""
    rows = sorted({entry for i, j, s in bonds for entry in ((i, j, s), (j, i, tuple(-a for a in s)))})
    offsets = np.searchsorted([row[0] for row in rows], np.arange(len(symbols) + 1)).astype(np.int64)
    targets = np.array([row[1] for row in rows], dtype=np.int32)
    shifts = np.array([row[2] for row in rows], dtype=np.int32).reshape(-1, 3)
    return core.BondGraph(tuple(symbols), {}, offsets, targets, shifts, np.ones(len(rows)))


def dictionary(graph) -> dict:
    rows = zip(graph.offsets, graph.offsets[1:])
    return {
        i: [(int(graph.targets[e]), tuple(map(int, graph.shifts[e]))) for e in range(*row)]
        for i, row in enumerate(rows)
    }


def member_set(result) -> set:
    """The member lists in the oracle's form; a ring that is listed twice fails."""
    listed = [tuple((int(a), tuple(map(int, s))) for a, s in zip(*ring)) for ring in result.members]
    assert len(set(listed)) == len(listed)
    return set(listed)


# --- Exact answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "former", "cutoff", "max_size", "primitive", "guttman", "king"),
    [
        ("SiO2_alpha_quartz_ringfixture", "Si", 2.5, 12, {6: 3, 8: 15}, {6: 12}, {6: 12, 8: 6}),
        ("NVP_R-3c_hex_allNa", ("P", "V"), 2.5, 8, {4: 36, 6: 72, 8: 18}, {4: 144}, {4: 126, 6: 162}),
        ("VOPO4_alphaII_P4n", ("P", "V"), 2.5, 8, {4: 4}, {4: 16}, {4: 16, 6: 8}),
        ("NVPF_P42mnm_allNa", ("P", "V"), 2.5, 8, {4: 16}, {4: 64}, {4: 64, 6: 32}),
        ("NaVOPO4_alpha_P21c_DLSmodel", ("P", "V"), 2.5, 8, {3: 4, 4: 4, 6: 8, 7: 4}, {3: 24, 4: 16},
         {3: 12, 4: 16, 5: 16, 6: 20, 7: 16, 8: 4}),
        ("V2O5_alpha_Pmmn", ("P", "V"), 2.6, 8, {3: 4, 4: 2}, {3: 16, 4: 4}, {3: 12, 4: 16, 5: 12}),
    ],
)  # fmt: skip
def test_crystals(name, former, cutoff, max_size, primitive, guttman, king):
    """Distinct primitive rings; directed bonds and pairs of neighbors by their shortest ring."""
    graph = core.bond_graph(crystal(name), CUTOFFS | {("V", "O"): cutoff})
    options = {"graph_kind": "tt", "former": former, "max_size": max_size}
    assert by_size(core.rings(graph, **options).counts) == primitive
    assert by_size(core.rings(graph, criterion="guttman", **options).searches) == guttman
    pairs = core.rings(graph, criterion="king", king_neighbors="center", **options).searches
    assert by_size(pairs) == king


def test_diamond_has_two_hexagons_an_atom_by_every_criterion():
    graph = core.bond_graph(bulk("C", "diamond", a=3.57), {("C", "C"): 1.7})
    for criterion in CRITERIA:
        result = core.rings(graph, criterion=criterion, max_size=10)
        assert by_size(result.counts) == {6: 4}
        assert (result.per_node[:, 6] == 12).all()


def test_a_cube_has_hexagons_without_shortcut_that_its_faces_add_up_to():
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    graph = core.bond_graph(Atoms("C8", positions=corners), {("C", "C"): 1.2})
    assert by_size(core.rings(graph).counts) == {4: 6, 6: 4}
    assert by_size(core.rings(graph, criterion="strong").counts) == {4: 6}
    assert by_size(core.rings(graph, criterion="guttman").counts) == {4: 6}


def test_reach_decides_which_sums_a_strong_ring_is_compared_with():
    """The rim of a tube that is closed by one square at its far end is the sum of all the tube's squares."""
    tube = [(4 * k + i, 4 * k + (i + 1) % 4, (0, 0, 0)) for k in range(3) for i in range(4)]
    tube += [(4 * k + i, 4 * k + 4 + i, (0, 0, 0)) for k in range(2) for i in range(4)]
    rim = [(8 + i, 12 + i, (0, 0, 0)) for i in range(4)] + [(12 + i, 8 + (i + 1) % 4, (0, 0, 0)) for i in range(4)]
    octagon = [bond for bond in tube if bond[:2] not in {(8, 9), (9, 10), (10, 11), (11, 8)}] + rim
    graph = graph_from(octagon, ["C"] * 16)
    found = {r: by_size(core.rings(graph, criterion="strong", strong_reach=r, max_size=8).counts) for r in (0, 9)}
    assert found[0][8] == found[9].get(8, 0) + 1


@pytest.mark.parametrize("criterion", CRITERIA)
def test_loops_through_the_boundary_are_no_rings(criterion):
    """A chain, a plane and a cubic lattice with one atom per cell: 0, 1 and 3 squares, and no loop of size 1 or 2."""
    for pbc, squares in (((True, False, False), 0), ((True, True, False), 1), ((True, True, True), 3)):
        atoms = Atoms("C", cell=np.eye(3), pbc=pbc)
        result = core.rings(atoms, {("C", "C"): 1.1}, criterion=criterion, max_size=5)
        assert by_size(result.counts) == ({4: squares} if squares else {})


def test_chain_of_formers_through_a_small_cell_has_no_rings():
    atoms = Atoms("PO", positions=[[0, 0, 0], [1.5, 0, 0]], cell=[3, 20, 20], pbc=True)
    for kind in ("full", "tt"):
        assert not core.rings(atoms, CUTOFFS, graph_kind=kind, former="P", max_size=20).counts.any()


def test_edge_sharing_is_a_ring_of_four_atoms_and_no_ring_of_formers():
    atoms = Atoms("P2O2", positions=[[0, 0, 0], [2.2, 0, 0], [1.1, 1, 0], [1.1, -1, 0]])
    assert by_size(core.rings(atoms, CUTOFFS).counts) == {4: 1}
    assert not core.rings(atoms, CUTOFFS, graph_kind="tt", former="P").counts.any()


# --- Glasses ----------------------------------------------------------------------------------------------------------

PRIMITIVE = {
    "SiO2_3k": {6: 28, 8: 183, 10: 354, 12: 459, 14: 457, 16: 302, 18: 188, 20: 79, 22: 21, 24: 9},
    "NS3_3k": {6: 9, 8: 78, 10: 164, 12: 140, 14: 77, 16: 81, 18: 63, 20: 40, 22: 44, 24: 35},
}
GUTTMAN = {
    "SiO2_3k": {6: 28, 8: 183, 10: 354, 12: 405, 14: 100},
    "NS3_3k": {6: 9, 8: 78, 10: 164, 12: 134, 14: 60, 16: 51},
}
KING = {
    "excluded": {6: 28, 8: 184, 10: 364, 12: 617, 14: 838, 16: 666},
    "center": {6: 28, 8: 184, 10: 365, 12: 621, 14: 839, 16: 664},
}


@pytest.mark.parametrize("name", PRIMITIVE)
def test_glasses_that_five_codes_agree_on(name):
    graph = core.bond_graph(glass(name), GLASS)
    assert by_size(core.rings(graph, max_size=24).counts) == PRIMITIVE[name]
    assert by_size(core.rings(graph, criterion="guttman").counts) == GUTTMAN[name]


@pytest.mark.parametrize("rule", KING)
def test_king_in_silica_by_both_rules(rule):
    graph = core.bond_graph(glass("SiO2_3k"), GLASS)
    assert by_size(core.rings(graph, criterion="king", king_neighbors=rule).counts) == KING[rule]


def test_replicated_glass_has_eight_times_the_rings():
    atoms = glass("NS3_3k")
    one, eight = (core.bond_graph(a, GLASS) for a in (atoms, atoms * (2, 2, 2)))
    for criterion in ("primitive", "king", "guttman"):
        small, large = (core.rings(g, criterion=criterion) for g in (one, eight))
        assert (large.counts == 8 * small.counts).all()
        assert (large.per_node == np.tile(small.per_node, (8, 1))).all()


def test_formers_of_silica_have_half_the_size_where_no_oxygen_is_shared_by_three():
    graph = core.bond_graph(glass("NS3_3k"), GLASS)
    full = core.rings(graph, max_size=16)
    formers = core.rings(graph, graph_kind="tt", former="Si", max_size=8)
    assert (formers.counts == full.counts[::2]).all() and not full.counts[1::2].any()


# --- Oracles ----------------------------------------------------------------------------------------------------------


@st.composite
def periodic_graphs(draw, periodic=True):
    """Few sites, several bonds to images of one another; some bonds with an atom inside, as bridging oxygens are."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(2, 6)) if periodic else draw(st.integers(4, 8))
    wanted = []
    for _ in range(draw(st.integers(3 * count // 2, 5 * count // 2))):
        i, j = random.integers(count, size=2).tolist()
        shift = tuple(random.choice([0, 0, 0, 1, -1], size=3).tolist()) if periodic else (0, 0, 0)
        if i != j or any(shift):
            wanted.append((i, j, shift))
    inside = draw(st.sampled_from(["none", "some", "all"]))
    bonds, symbols = [], ["P"] * count
    for bond in wanted:
        ways = {"none": 0, "all": 1, "some": random.integers(3)}[inside]  # direct, over a bridge, both
        if ways > 0:
            bonds += [(bond[0], len(symbols), (0, 0, 0)), (len(symbols), *bond[1:])]
            symbols.append("O")
        if ways != 1:
            bonds.append(bond)
    order = random.permutation(len(symbols)).tolist()  # a bridge may come before what it joins
    graph = graph_from([(order[i], order[j], s) for i, j, s in bonds], [symbols[order.index(k)] for k in order])
    return graph, {"none": 6, "some": 7, "all": 10}[inside]


def compare(graph, expected, **options):
    result = core.rings(graph, members=True, **options)
    assert member_set(result) == expected
    sizes = [len(ring) for ring in expected]
    assert result.counts.tolist() == np.bincount(sizes, minlength=options["max_size"] + 1).tolist()
    through = np.zeros_like(result.per_node)
    for ring in expected:
        for site, _ in ring:
            through[site, len(ring)] += 1
    assert (result.per_node == through).all()
    return result


@settings(max_examples=60, deadline=None)
@given(periodic_graphs())
def test_primitive_rings_equal_the_oracle(drawn):
    graph, max_size = drawn
    result = compare(graph, ring_oracle.primitive(dictionary(graph), max_size), max_size=max_size)
    assert (result.origins == (result.per_node > 0)).all()


@settings(max_examples=60, deadline=None)
@given(periodic_graphs(), st.sampled_from(["excluded", "center"]))
def test_king_rings_equal_the_oracle(drawn, rule):
    graph, max_size = drawn
    rings, searches = ring_oracle.king(dictionary(graph), max_size, rule)
    result = compare(graph, rings, criterion="king", king_neighbors=rule, max_size=max_size)
    assert by_size(result.searches) == searches
    assert not (result.origins & (result.per_node == 0)).any()


@settings(max_examples=60, deadline=None)
@given(periodic_graphs())
def test_guttman_rings_equal_the_oracle(drawn):
    graph, max_size = drawn
    rings, searches = ring_oracle.guttman(dictionary(graph), max_size)
    result = compare(graph, rings, criterion="guttman", max_size=max_size)
    assert by_size(result.searches) == searches


@settings(max_examples=40, deadline=None)
@given(periodic_graphs(), st.integers(0, 3))
def test_strong_rings_equal_the_oracle(drawn, reach):
    graph, max_size = drawn
    rings = ring_oracle.strong(dictionary(graph), max_size, reach)
    compare(graph, rings, criterion="strong", strong_reach=reach, max_size=max_size)


@settings(max_examples=40, deadline=None)
@given(periodic_graphs(periodic=False))
def test_strong_rings_of_a_molecule_are_no_sum_of_any_smaller_cycles(drawn):
    graph, max_size = drawn
    rings = ring_oracle.strong(dictionary(graph), max_size, 30, ring_oracle.simple_cycles)
    compare(graph, rings, criterion="strong", strong_reach=30, max_size=max_size)


@settings(max_examples=40, deadline=None)
@given(periodic_graphs())
def test_rings_of_formers_equal_the_oracle_on_their_own_graph(drawn):
    graph, _ = drawn
    labeled = dataclasses.replace(graph, cutoffs={("O", "P"): 1.0})
    bonds, formers = dictionary(graph), {}
    for i, symbol in enumerate(graph.symbols):
        row = set()
        for bridge, s in bonds[i] if symbol == "P" else ():
            if graph.symbols[bridge] == "O":
                row |= {ring_oracle.moved(to, s) for to in bonds[bridge] if graph.symbols[to[0]] == "P"}
        formers[i] = sorted(row - {(i, (0, 0, 0))})
    expected = ring_oracle.primitive(formers, 5)
    compare(labeled, expected, graph_kind="tt", former="P", max_size=5)


@settings(max_examples=20, deadline=None)
@given(periodic_graphs(), st.sampled_from(CRITERIA), st.integers(0, 5))
def test_other_images_of_the_atoms_make_no_difference(drawn, criterion, seed):
    graph, max_size = drawn
    moves = np.random.default_rng(seed).integers(-4, 5, size=(len(graph), 3))
    rows = np.repeat(np.arange(len(graph)), np.diff(graph.offsets))
    shifts = graph.shifts + moves[rows] - moves[graph.targets]
    bonds = zip(rows.tolist(), graph.targets.tolist(), map(tuple, shifts.tolist()))
    other = graph_from(list(bonds), graph.symbols)
    options = {"criterion": criterion, "max_size": max_size, "strong_reach": 3}
    assert (core.rings(graph, **options).per_node == core.rings(other, **options).per_node).all()


# --- Selection, indicators, threads -----------------------------------------------------------------------------------


def test_selection_by_elements():
    """Two squares and a hexagon apart: P-O-P-O, P-P-O-O, and P-O-V-O-P-O."""
    symbols = "POPO" + "PPOO" + "POVOPO"
    bonds = [(first + k, first + (k + 1) % n, (0, 0, 0)) for first, n in ((0, 4), (4, 4), (8, 6)) for k in range(n)]
    graph = graph_from(bonds, symbols)
    selected = {"all": {4: 2, 6: 1}, "abab": {4: 1}, "not_abab": {4: 1, 6: 1}, "heteropolar": {4: 1, 6: 1}}
    for criterion in CRITERIA:
        for select, expected in selected.items():
            result = core.rings(graph, criterion=criterion, select=select)
            assert by_size(result.counts) == expected
            assert by_size(result.origins.sum(axis=0)) == {size: n * size for size, n in expected.items()}


def test_indicators_of_a_square_and_a_triangle_on_one_bond():
    """Atoms 0 1 2 3 in a square, 4 on the bond 0-1, 5 bonded to 4 alone."""
    bonds = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (4, 5)]
    result = core.rings(graph_from([(i, j, (0, 0, 0)) for i, j in bonds], "CCCCCC"), max_size=5)
    assert result.R_C.tolist() == [0, 0, 0, 1, 1, 0]
    assert result.R_C_per_node[3] == 1 / 6
    assert result.P_N[3:].tolist() == [3 / 6, 4 / 6, 0]
    assert result.P_max[3] == 1 / 3 and result.P_max[4] == 1 and np.isnan(result.P_max[5])
    assert result.P_min[3] == 1 and result.P_min[4] == 2 / 4
    assert result.pair_matrix[3, 4] == result.pair_matrix[4, 3] == 2 / 6
    assert result.pair_matrix[3, 3] == result.P_N[3]


def test_king_ring_is_originated_only_where_it_is_a_shortest_one():
    """A square with a diagonal bond: from the corners not on the bond, the triangles are shorter."""
    bonds = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]
    graph = graph_from([(i, j, (0, 0, 0)) for i, j in bonds], "CCCC")
    result = core.rings(graph, criterion="king", king_neighbors="center", max_size=5)
    assert by_size(result.counts) == {3: 2, 4: 1}
    assert np.flatnonzero(result.origins[:, 4]).tolist() == [0, 2]
    other = core.rings(graph, criterion="king", king_neighbors="excluded", max_size=5)
    assert by_size(other.counts) == {3: 2}


def test_member_list_closes_bond_by_bond():
    atoms = glass("NS3_3k")
    result = core.rings(atoms, GLASS, members=True, max_size=14)
    sizes = [len(ring) for ring, _ in result.members]
    assert np.bincount(sizes, minlength=15).tolist() == result.counts.tolist() and sizes == sorted(sizes)
    for ring, shifts in result.members:
        places = atoms.positions[ring] + shifts @ atoms.cell.array
        assert (np.linalg.norm(places - np.roll(places, -1, axis=0), axis=1) < 2.2).all()
        assert shifts[0].tolist() == [0, 0, 0] and ring[0] == ring.min()
    assert core.rings(atoms, GLASS).members is None


@pytest.mark.parametrize("criterion", CRITERIA)
def test_threads_make_no_difference(criterion):
    graph = core.bond_graph(glass("NS3_3k"), GLASS)
    one, three = (
        core.rings(graph, criterion=criterion, members=True, max_size=14, strong_reach=4, threads=t) for t in (1, 3)
    )
    for name in ("counts", "per_node", "origins", "searches"):
        assert (getattr(one, name) == getattr(three, name)).all()
    for name in ("offsets", "atoms", "shifts"):
        assert (getattr(one.members, name) == getattr(three.members, name)).all()


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "kings"}, "criterion = 'kings': must be one of primitive, king, guttman, strong"),
        ({"graph_kind": "half"}, "graph_kind = 'half': must be 'full' or 'tt'"),
        ({"max_size": 2}, "max_size = 2: must be a whole number of at least 3"),
        ({"max_size": 8.5}, "max_size = 8.5: must be a whole number"),
        ({"king_neighbors": "none"}, "king_neighbors = 'none': must be one of excluded, center"),
        ({"select": "ABAB"}, "select = 'ABAB': must be one of all, abab"),
        ({"strong_reach": -1}, "strong_reach = -1: must be a whole number of at least 0"),
        ({"threads": 0}, "threads = 0: must be a whole number of at least 1"),
        ({"graph_kind": "tt", "former": "Si"}, "former = ('Si',): no such atom in the structure"),
        ({"graph_kind": "tt", "former": "P", "bridge": "P"}, "bridge = ('P',): an element cannot be"),
        ({"graph_kind": "tt", "cutoffs": {("V", "O"): 2.5}}, "cutoffs: the pair ('P', 'O') is missing"),
    ],
)
def test_bad_option_is_named(options, message):
    cutoffs = options.pop("cutoffs", CUTOFFS)
    with pytest.raises(InputError) as error:
        core.rings(crystal("VOPO4_alphaII_P4n"), cutoffs, **options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("bonds", "message"),
    [
        ([(0, 0, (0, 0, 0))], "targets = 0: an atom cannot be bonded to itself"),
        ([(0, 1, (0, 0, 400_000))], "shifts = 400000: bonded atoms are too many cells apart"),
    ],
)
def test_graph_that_no_structure_has_is_refused(bonds, message):
    with pytest.raises(InputError, match=message):
        core.rings(graph_from(bonds, "PO"))


def test_atoms_without_cutoffs_are_refused():
    with pytest.raises(InputError, match="cutoffs = None"):
        core.rings(crystal("VOPO4_alphaII_P4n"))


def test_no_atoms_no_rings():
    result = core.rings(Atoms(cell=np.eye(3), pbc=True), CUTOFFS, members=True)
    assert not result.counts.any() and len(result.members) == 0 and np.isnan(result.P_N).all()
