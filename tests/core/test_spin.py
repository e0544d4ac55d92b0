"""Links between centers, their colors and clusters; moments along a trajectory."""

import itertools
import math

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import brute_force_pairs, crystal, small_cells

CUTOFFS = {("V", "O"): 2.5, ("P", "O"): 2.0, ("Na", "O"): 3.1}


def topology(name, **options):
    return core.spin_topology(core.bond_graph(crystal(name), CUTOFFS), **options)


def test_vanadyl_phosphate_chains_along_the_short_bonds():
    """α-NaVOPO4: trans-connected VO6 chains, joined into a framework by phosphate."""
    found = topology("NaVOPO4_alpha_P21c_DLSmodel")
    assert len(found.direct) == 4 and found.direct.paths.tolist() == [1] * 4
    chains = found.clusters()
    assert chains.size.tolist() == [2, 2] and chains.dimension.tolist() == [1, 1]
    assert found.clusters("mediated").dimension.tolist() == [3]
    assert (found.alkali_neighbors == 5).all()
    assert set(found.absent) == {"moment", "state", "relation"}


def test_the_lantern_framework_has_no_direct_link():
    """NASICON: each V is linked through phosphate to 1 V by three paths, to 3 by two and to 9 by one."""
    found = topology("NVP_R-3c_Na3_ewald_ordered")
    assert len(found.direct) == 0 and found.clusters().size.tolist() == [1] * 12
    ends = np.concatenate([found.mediated.first, found.mediated.second])
    ways = np.concatenate([found.mediated.paths, found.mediated.paths])
    for center in found.centers:
        assert sorted(ways[ends == center].tolist()) == [1] * 9 + [2] * 3 + [3]
    assert found.clusters("mediated").dimension.tolist() == [3]


def test_sheets_of_vanadium_oxide_and_of_vanadyl_phosphate():
    assert topology("V2O5_alpha_Pmmn").clusters().dimension.tolist() == [2]
    assert topology("VOPO4_alphaII_P4n").clusters("mediated").dimension.tolist() == [2]


def chain(spins, states):
    """A row of V–O–V with a phosphate bridge between the last two vanadiums."""
    n = len(spins)
    row = Atoms(f"V{n}", positions=[[3.6 * k, 0, 0] for k in range(n)])
    row += Atoms(f"O{n - 1}", positions=[[3.6 * k + 1.8, 0, 0] for k in range(n - 1)])
    x = 3.6 * (n - 1)
    row += Atoms("VPO2", positions=[[x, 5.0, 0], [x + 1.2, 2.5, 0], [x + 0.6, 1.5, 0], [x + 0.6, 3.5, 0]])
    row.set_cell([60, 40, 40])
    moments = np.zeros(len(row))
    valences = np.zeros(len(row), dtype=int)
    moments[:n], valences[:n] = spins, states
    moments[2 * n - 1], valences[2 * n - 1] = -1.0, 4
    return core.spin_topology(core.bond_graph(row, CUTOFFS), spins=moments, states=valences)


def test_links_are_colored_by_spin_and_state():
    found = chain([1.0, 1.1, -0.9, 0.1, 1.9], [4, 4, 4, 5, 3])
    assert found.direct.relation_counts() == {"parallel": 1, "antiparallel": 1, "none": 2}
    assert found.direct.state_counts() == {(3, 5): 1, (4, 4): 2, (4, 5): 1}
    assert found.direct.mixed_share() == 0.5
    assert found.mediated.relation_counts() == {"parallel": 0, "antiparallel": 1, "none": 0}
    assert found.mediated.state_counts() == {(3, 4): 1}
    parallel = found.clusters(used=found.direct.relation == 1)
    assert sorted(parallel.size.tolist()) == [1, 1, 1, 1, 2]
    mixed = found.clusters(used=found.direct.mixed())
    assert sorted(mixed.size.tolist()) == [1, 1, 1, 3] and (mixed.dimension == 0).all()


def test_a_fingerprint_brings_moments_and_states():
    atoms = crystal("NaVOPO4_alpha_P21c_DLSmodel")
    spins = np.where(np.array(atoms.get_chemical_symbols()) == "V", 1.0, 0.0)
    spins[np.flatnonzero(spins)[:2]] *= -1
    shape = core.fingerprint(atoms, CUTOFFS, spins=spins)
    found = core.spin_topology(core.bond_graph(atoms, CUTOFFS), states=shape)
    assert found.moment.tolist() == shape.moment.tolist() and found.absent == ()
    assert found.direct.state_counts() == {(4, 4): 4} and found.direct.mixed_share() == 0.0
    mean, error = found.alkali_by_state()[4]
    assert mean == 5.0 and error == 0.0


def oracle(atoms, cutoffs):
    """Links and sodium neighbors by walking every path on a dictionary of bonds."""
    symbols = atoms.get_chemical_symbols()
    limit = {frozenset(pair): length for pair, length in cutoffs.items()}
    bonds = {i: [] for i in range(len(atoms))}
    for (i, j, shift), d in brute_force_pairs(atoms, max(limit.values())).items():
        if d < limit.get(frozenset((symbols[i], symbols[j])), 0.0):
            bonds[i].append((j, np.array(shift)))

    def steps(at, element):
        return [(j, at[1] + s) for j, s in bonds[at[0]] if symbols[j] == element]

    def record(found, i, end):
        if end[0] == i and not end[1].any():
            return
        key = (i, end[0], tuple(int(x) for x in end[1]))
        found[key] = found.get(key, 0) + 1

    direct, mediated, sodium = {}, {}, {}
    for i in (k for k, s in enumerate(symbols) if s == "V"):
        home, near = (i, np.zeros(3, dtype=int)), set()
        for oxygen in steps(home, "O"):
            near |= {(j, tuple(s)) for j, s in steps(oxygen, "Na")}
            for end in steps(oxygen, "V"):
                record(direct, i, end)
            for former in steps(oxygen, "P"):
                for other in steps(former, "O"):
                    if other[0] == oxygen[0] and (other[1] == oxygen[1]).all():
                        continue
                    for end in steps(other, "V"):
                        record(mediated, i, end)
        sodium[i] = len(near)
    return direct, mediated, sodium


def both_ways(links):
    out = {}
    for i, j, shift, paths in zip(links.first, links.second, links.shifts.tolist(), links.paths):
        out[int(i), int(j), tuple(shift)] = int(paths)
        out[int(j), int(i), tuple(-s for s in shift)] = int(paths)
    return out


@settings(max_examples=40, deadline=None)
@given(small_cells(elements=("V", "V", "O", "O", "O", "P", "Na")))
def test_links_equal_walks_on_any_cell(atoms):
    assume("O" in atoms.symbols and len(set(atoms.symbols)) > 1)
    direct, mediated, sodium = oracle(atoms, CUTOFFS)
    found = core.spin_topology(core.bond_graph(atoms, CUTOFFS))
    assert both_ways(found.direct) == direct
    assert both_ways(found.mediated) == mediated
    assert dict(zip(found.centers.tolist(), found.alkali_neighbors.tolist())) == sodium


@settings(max_examples=40, deadline=None)
@given(small_cells(elements=("V", "V", "O", "O")), st.integers(2, 3))
def test_clusters_equal_those_of_a_replicated_cell(atoms, n):
    """Repeating the cell keeps every center in a cluster of the same dimension and copies the finite clusters."""
    assume({"V", "O"} <= set(atoms.symbols))
    once = core.spin_topology(core.bond_graph(atoms, CUTOFFS))
    many = core.spin_topology(core.bond_graph(atoms.repeat([n if p else 1 for p in atoms.pbc]), CUTOFFS))
    for name in ("direct", "mediated"):
        small, large = once.clusters(name), many.clusters(name)
        copies = n ** int(atoms.pbc.sum())
        assert large.size.sum() == copies * small.size.sum()
        for dimension in range(4):
            before = small.size[small.dimension == dimension].sum()
            assert large.size[large.dimension == dimension].sum() == copies * before
        finite, repeated = small.size[small.dimension == 0], large.size[large.dimension == 0]
        assert sorted(repeated.tolist()) == sorted(np.repeat(finite, copies).tolist())


def test_missing_pieces_and_bad_input_are_named():
    graph = core.bond_graph(crystal("NaVOPO4_alpha_P21c_DLSmodel"), {("V", "O"): 2.5})
    found = core.spin_topology(graph)
    assert found.alkali_neighbors is None and len(found.mediated) == 0
    assert math.isnan(found.direct.mixed_share()) and found.direct.relation_counts() == {}
    with pytest.raises(InputError, match="alkali_by_state: missing moment, state, alkali_neighbors"):
        found.alkali_by_state()
    with pytest.raises(InputError, match="states = None: needed to find mixed pairs"):
        found.direct.mixed()
    for options, message in (
        ({"spins": [0.0]}, r"spins = array of shape \(1,\)"),
        ({"states": [4]}, r"states = array of shape \(1,\)"),
        ({"spins": np.full(len(graph), np.nan)}, r"spins\[0\] = nan: must be finite"),
        ({"former": "V"}, "former = 'V': already has the role center"),
        ({"spin_threshold": -1.0}, "spin_threshold = -1.0: must be a positive"),
    ):
        with pytest.raises(InputError, match=message):
            core.spin_topology(graph, **options)
    with pytest.raises(InputError, match=r"cutoffs: the pair \('V', 'O'\) is missing"):
        core.spin_topology(core.bond_graph(crystal("V2O5_alpha_Pmmn"), {("O", "O"): 2.0}))
    with pytest.raises(InputError, match="graph = Atoms: must be a BondGraph"):
        core.spin_topology(crystal("V2O5_alpha_Pmmn"))
    with pytest.raises(InputError, match="kind = 'all': must be one of direct, mediated"):
        found.clusters("all")


@pytest.mark.parametrize("own_mean", [False, True])
def test_autocorrelation_equals_its_definition(own_mean):
    moments = np.random.default_rng(1).normal(1.0, 0.3, size=(40, 6)) + np.arange(6) * 0.2
    deviation = moments - (moments.mean(axis=0) if own_mean else moments.mean())
    norm = (deviation**2).mean()
    found = core.moment_autocorrelation(moments, 15, own_mean=own_mean)
    assert found.lag.tolist() == list(range(16))
    for k in found.lag:
        mean = np.mean([deviation[t] * deviation[t + k] for t in range(40 - k)])
        assert found.value[k] == pytest.approx(mean / norm, abs=1e-12)


def test_autocorrelation_of_telegraph_moments_decays_as_it_must():
    """Moments that switch between 0 and 1 with probability p per frame: C(k) = (1 - 2p)^k, within the quoted error."""
    random, p = np.random.default_rng(7), 0.05
    switches = random.random((2000, 60)) < p
    moments = (np.cumsum(switches, axis=0) + random.integers(0, 2, 60)) % 2
    found = core.moment_autocorrelation(moments, 20)
    expected = (1 - 2 * p) ** found.lag
    assert found.value[0] == 1.0 and found.error[0] == pytest.approx(0.0, abs=1e-12)
    assert (np.abs(found.value - expected)[1:] < 4 * found.error[1:]).all()
    assert (found.error[1:] < 0.03).all() and (found.error[5:] > 1e-3).all()


def test_frozen_moments_keep_their_correlation():
    frozen = np.tile([1.0, 0.0, 1.0, 0.0], (20, 1))
    assert core.moment_autocorrelation(frozen, 5).value == pytest.approx(np.ones(6))
    with pytest.raises(InputError, match="moments = 0.5.*: do not vary"):
        core.moment_autocorrelation(frozen, 5, own_mean=True)
    assert math.isnan(core.moment_autocorrelation(np.array([[0.0], [1.0], [0.0]]), 1).error[1])


def hopping_moments():
    """Five centers: 0 → 2 at frame 30, a flip of 1 at 50, 2 → 3 at 70 a little late, a loss of 4 alone at 100."""
    moments = np.zeros((140, 5))
    moments[:30, 0] = 1.0
    moments[30:70, 2] = -1.1
    moments[73:, 3] = 1.0
    moments[:, 1] = np.where(np.arange(140) < 50, 1.0, -1.0)
    moments[:100, 4] = 1.0
    return moments + np.random.default_rng(3).normal(0, 0.02, moments.shape)


def test_polaron_hops_are_found_with_their_partners():
    found = core.polaron_hops(hopping_moments(), window=8)
    assert len(found) == 2
    assert found.losing.frame.tolist() == [30, 70] and found.losing.center.tolist() == [0, 2]
    assert found.gaining.frame.tolist() == [30, 73] and found.gaining.center.tolist() == [2, 3]
    assert found.losing.change == pytest.approx([-1.0, -1.1], abs=0.05)
    assert found.gaining.change == pytest.approx([1.1, 1.0], abs=0.05)
    assert found.unpaired.frame.tolist() == [100] and found.unpaired.center.tolist() == [4]


def test_partners_must_be_close_in_time_and_linked():
    strict = core.polaron_hops(hopping_moments(), window=8, tolerance=2)
    assert strict.losing.frame.tolist() == [30] and sorted(strict.unpaired.frame.tolist()) == [70, 73, 100]
    linked = core.polaron_hops(hopping_moments(), window=8, linked=[(3, 2), (1, 4)])
    assert linked.losing.frame.tolist() == [70] and sorted(linked.unpaired.frame.tolist()) == [30, 30, 100]


def test_a_change_below_the_threshold_or_a_brief_one_is_no_hop():
    moments = np.ones((60, 2))
    moments[30:, 0], moments[30:, 1] = 0.6, 1.4
    assert len(core.polaron_hops(moments, window=5)) == 0
    assert len(core.polaron_hops(moments, window=5, threshold=0.3)) == 1
    blink = np.ones((60, 2))
    blink[30:32] = [0.0, 2.0]
    assert len(core.polaron_hops(blink, window=10)) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_every_ideal_exchange_is_found(seed):
    """A random walk of one polaron, with steps more than two windows apart: the hops reproduce the walk."""
    random = np.random.default_rng(seed)
    times = np.cumsum(random.integers(13, 30, size=6))
    places = [int(random.integers(4))]
    for _ in times:
        places.append(int(random.choice([k for k in range(4) if k != places[-1]])))
    moments = np.zeros((times[-1] + 20, 4))
    for place, (start, stop) in zip(places, itertools.pairwise([0, *times, len(moments)])):
        moments[start:stop, place] = 1.0
    found = core.polaron_hops(moments, window=6)
    assert found.losing.frame.tolist() == found.gaining.frame.tolist() == times.tolist()
    assert found.losing.center.tolist() == places[:-1] and found.gaining.center.tolist() == places[1:]
    assert len(found.unpaired) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: core.moment_autocorrelation(m[:, 0]), "moments = array of shape \\(.*\\): must have the shape"),
        (lambda m: core.moment_autocorrelation(m, 40), "max_lag = 40: must lie between 0 and the number of frames"),
        (lambda m: core.moment_autocorrelation(m * np.nan), r"moments\[0,0\] = .*nan: must be finite"),
        (lambda m: core.polaron_hops(m, window=21), "window = 21: must be at least 1 and at most half of the 40"),
        (lambda m: core.polaron_hops(m, threshold=0.0), "threshold = 0.0+: must be a positive"),
        (lambda m: core.polaron_hops(m, tolerance=-1), "tolerance = -1: must be a whole number of at least 0"),
        (lambda m: core.polaron_hops(m, linked=[(0, 9)]), "linked = 0, 9: centers run from 0 to 2"),
        (lambda m: core.polaron_hops(m[:0]), "moments = 0 values: must have the shape"),
    ],
)
def test_bad_trajectories_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call(np.random.default_rng(0).normal(size=(40, 3)))
