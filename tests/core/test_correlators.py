"""Displacement correlations: exact answers, plain numpy sums at every lag, streaming, merging, units, bad input."""

import os
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import small_cells


def walk(frames: int, atoms: int, seed: int, step: float = 0.3) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(frames, atoms, 3)) * step, axis=0)


def symbols_of(atoms: int) -> list[str]:
    return [("Na", "P", "O")[i % 3] for i in range(atoms)]


def filled(positions, symbols, **options) -> core.Correlator:
    correlator = core.Correlator(symbols, 0.5, **options)
    for frame in positions:
        correlator.add(frame)
    return correlator


def scheme(frames: int, points: int, longest: int | None = None) -> dict[int, int]:
    """lag -> spacing of its origins, written out from the definition."""
    spacing = dict.fromkeys(range(1, points), 1)
    level = 1
    while points // 2 * 2**level < frames:
        spacing |= {j * 2**level: 2**level for j in range(points // 2, points)}
        level += 1
    most = min(frames - 1, longest or frames)
    return {lag: every for lag, every in sorted(spacing.items()) if lag <= most}


def direct(positions, chosen, lag, every, overlap) -> dict[str, float]:
    """One element's correlations by plain sums over origins."""
    origins = range(0, len(positions) - lag, every)
    move = np.array([positions[t + lag, chosen] - positions[t, chosen] for t in origins])
    square = (move**2).sum(axis=2)
    near = (np.sqrt(square) < overlap).sum(axis=1)
    n = chosen.sum()
    return {
        "origins": len(origins),
        "msd": square.mean(),
        "alpha2": 0.6 * (square**2).mean() / square.mean() ** 2 - 1,
        "overlap": near.mean() / n,
        "chi4": near.var() / n,
        "collective": (move.sum(axis=1) ** 2).sum(axis=1).mean() / n,
        "haven": square.mean() * n / (move.sum(axis=1) ** 2).sum(axis=1).mean(),
    }


@settings(max_examples=15, deadline=None)
@given(
    st.integers(2, 90),
    st.integers(1, 7),
    st.sampled_from([2, 4, 6, 16]),
    st.none() | st.integers(1, 60),
    st.integers(0, 10**6),
)
def test_every_lag_equals_plain_sums(frames, atoms, points, longest, seed):
    positions = walk(frames, atoms, seed) + 40.0
    symbols = symbols_of(atoms)
    charges = dict(zip(("Na", "P", "O"), (1.0, 5.0, -2.0)))
    charges = {e: q for e, q in charges.items() if e in symbols}
    result = filled(
        positions, symbols, points=points, longest=longest and longest * 0.5, overlap=1.1, charges=charges
    ).result()
    expected = scheme(frames, points, longest)
    assert result.lags.tolist() == list(expected)
    assert result.time == pytest.approx(result.lags * 0.5)
    for k, (lag, every) in enumerate(expected.items()):
        for element in charges:
            values = direct(positions, np.array(symbols) == element, lag, every, 1.1)
            assert result.origins[k] == values.pop("origins")
            for name, value in values.items():
                # χ₄ is a difference of squares of up to 3²
                assert getattr(result, name)[element].value[k] == pytest.approx(value, rel=1e-10, abs=1e-12)
        q = np.array([charges[s] for s in symbols])
        moves = [q @ (positions[t + lag] - positions[t]) for t in range(0, frames - lag, every)]
        assert result.charge.value[k] == pytest.approx(np.mean([m @ m for m in moves]), rel=1e-10)


def test_van_hove_self_equals_a_histogram():
    positions, symbols = walk(80, 9, 5), symbols_of(9)
    path = core.trajectory(positions, times=0.5, symbols=symbols)
    found = core.van_hove(path, 4.0, 0.25, lags=[0.5, 9.0])
    assert found.time.tolist() == [0.5, 9.0] and found.r[:2].tolist() == [0.125, 0.375]
    for k, (lag, every) in enumerate(((1, 1), (18, 2))):
        for element in ("Na", "P", "O"):
            chosen = np.array(symbols) == element
            moved = np.concatenate(
                [
                    np.linalg.norm(positions[t + lag, chosen] - positions[t, chosen], axis=1)
                    for t in range(0, 80 - lag, every)
                ]
            )
            counts = np.histogram(moved, np.arange(17) * 0.25)[0]
            assert found.self[element][k] == pytest.approx(counts / (len(moved) * 0.25))
            assert found.beyond[element][k] == pytest.approx((moved >= 4.0).mean())


def pairs_by_images(centers, others, cell, a, b, edges) -> np.ndarray:
    images = np.array(np.meshgrid(*[range(-3, 4)] * 3)).reshape(3, -1).T @ cell
    counts = np.zeros(len(edges) - 1)
    for i in np.flatnonzero(a):
        for j in np.flatnonzero(b):
            shifts = images[np.any(images != 0, axis=1)] if i == j else images
            counts += np.histogram(np.linalg.norm(others[j] + shifts - centers[i], axis=1), edges)[0]
    return counts


def test_van_hove_distinct_equals_a_sum_over_images():
    cell = np.array([[6.0, 0, 0], [1.5, 5.5, 0], [-1.0, 0.7, 6.5]])
    positions = np.random.default_rng(3).random((5, 3)) @ cell + walk(8, 5, 6, 0.3)
    symbols = ["Na", "Na", "O", "O", "O"]
    path = core.trajectory(positions, cell, 0.5, symbols=symbols)
    found = core.van_hove(path, 5.0, 0.5, lags=[1.5], distinct=True)
    edges = np.arange(11) * 0.5
    volume = 4 / 3 * np.pi * np.diff(edges**3)
    for name in ("Na-Na", "Na-O", "O-Na", "O-O"):
        a, b = (np.array(symbols) == element for element in name.split("-"))
        counts = np.mean([pairs_by_images(positions[t], positions[t + 3], cell, a, b, edges) for t in range(5)], axis=0)
        assert found.distinct[name][0] == pytest.approx(counts * path.volume / (a.sum() * b.sum() * volume))


def test_van_hove_distinct_streams_and_merges():
    """Frame by frame it equals that of the trajectory; two runs combine their origins; at lag 0 it is g(r)."""
    cell, symbols = np.diag([7.0, 8.0, 9.0]), ["Na", "Na", "O", "O", "O", "O"]
    runs = [np.random.default_rng(k).random((6, 3)) * 7 + walk(20, 6, k, 0.2) for k in (1, 2)]
    streams = []
    for positions in runs:
        streams.append(core.DistinctVanHove(symbols, cell, [4, 0], 3.0, 0.25))
        for frame in positions:
            streams[-1].add(frame % [7.0, 8.0, 9.0])
        path = core.trajectory(positions, cell, 1.0, symbols=symbols)
        whole = core.van_hove(path, 3.0, 0.25, lags=[4.0], distinct=True)
        values, errors = streams[-1].result()
        assert streams[-1].r == pytest.approx(whole.r)
        for name in ("Na-Na", "Na-O", "O-Na", "O-O"):
            assert values[name][1] == pytest.approx(whole.distinct[name][0], rel=1e-12)
            assert errors[name][1] == pytest.approx(whole.distinct_err[name][0], nan_ok=True)
        frames = [Atoms(symbols, positions=frame, cell=cell, pbc=True) for frame in positions]
        assert values["Na-O"][0] == pytest.approx(core.rdf(frames, 3.0, width=0.25).g["Na-O"].mean)
    apart = [stream.result()[0]["O-O"] for stream in streams]
    streams[0].merge(streams[1])
    assert streams[0].result()[0]["O-O"] == pytest.approx(np.mean(apart, axis=0))

    sparse = core.DistinctVanHove(symbols, cell, [4], 3.0, 0.25, every=5)
    for frame in runs[0]:
        sparse.add(frame)
    with pytest.raises(InputError, match="other: its atoms, cell, lags or bins differ"):
        sparse.merge(streams[0])
    with pytest.raises(InputError, match=r"positions = \(5, 3\)"):
        sparse.add(runs[0][0][:5])
    with pytest.raises(InputError, match="lags = 30: the longest is"):
        core.DistinctVanHove(symbols, cell, [30], 3.0).result()


@settings(max_examples=8, deadline=None)
@given(small_cells(elements=("Na", "O")))
def test_rdf_counts_every_image_of_any_cell(atoms):
    atoms.pbc = True
    r_max, bins = 4.0, 8
    edges = np.linspace(0, r_max, bins + 1)
    atoms.positions -= np.floor(atoms.get_scaled_positions(wrap=False)) @ atoms.cell.array
    atoms.positions += np.random.default_rng(0).integers(-1, 2, atoms.positions.shape) @ atoms.cell.array
    found = core.rdf(atoms, r_max, width=r_max / bins)
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    reach = np.ceil(r_max / heights).astype(int) + 3
    grid = np.meshgrid(*[np.arange(-n, n + 1) for n in reach])
    images = np.array(grid).reshape(3, -1).T @ atoms.cell.array
    symbols = np.array(atoms.get_chemical_symbols())
    for name, g in found.g.items():
        counts = np.zeros(bins)
        chosen = [symbols == element for element in name.split("-")]
        for i in np.flatnonzero(chosen[0]):
            for j in np.flatnonzero(chosen[1]):
                d = np.linalg.norm(atoms.positions[j] - atoms.positions[i] + images, axis=1)
                d = d[d > 1e-9] if i == j else d
                near = np.abs(d[:, None] - edges).min() < 1e-9
                counts += np.nan if near else np.histogram(d, edges)[0]
        ideal = chosen[0].sum() * chosen[1].sum() * 4 / 3 * np.pi * np.diff(edges**3) / atoms.get_volume()
        if np.isfinite(counts).all():
            assert g.mean == pytest.approx(counts / ideal)


def test_merged_runs_pool_their_origins():
    runs = [walk(n, 6, n) for n in (70, 45, 31)]
    symbols = symbols_of(6)
    parts = [filled(run, symbols, points=4, van_hove=(3.0, 0.5)) for run in runs]
    for other in parts[1:]:
        parts[0].merge(other)
    result = parts[0].result()
    for k, lag in enumerate(result.lags):
        every = scheme(70, 4)[lag]
        moves = [run[t + lag] - run[t] for run in runs for t in range(0, len(run) - lag, every)]
        square = (np.array(moves)[:, ::3] ** 2).sum(axis=2)
        assert result.origins[k] == len(moves)
        assert result.msd["Na"].value[k] == pytest.approx(square.mean())
        counts = np.histogram(np.sqrt(square), np.arange(7) * 0.5)[0] / (square.size * 0.5)
        assert parts[0].van_hove_self("Na", k)[:-1, 0] == pytest.approx(counts)


def test_merging_many_replicas_bounds_the_blocks_and_keeps_the_sums():
    total = filled(walk(40, 3, 0), ["Na"] * 3)
    for seed in range(1, 30):
        total.merge(filled(walk(40, 3, seed), ["Na"] * 3))
    assert total.result().origins[0] == 30 * 39
    mean = np.mean([(np.diff(walk(40, 3, seed), axis=0) ** 2).sum(axis=2).mean() for seed in range(30)])
    assert total.result().msd["Na"].value[0] == pytest.approx(mean)
    assert len(total.block_sums(1).origins()) <= 96
    with pytest.raises(InputError, match="has different options or atoms"):
        total.merge(filled(walk(40, 3, 0), ["Na"] * 3, overlap=2.0))
    with pytest.raises(InputError, match="other = "):
        total.merge(filled(walk(40, 3, 0), ["O"] * 3))


def assert_same(a: core.Correlator, b: core.Correlator) -> None:
    assert a.state().tobytes() == b.state().tobytes()
    for x, y in zip(a._core.estimates().values(), b._core.estimates().values(), strict=True):
        assert np.array_equal(x, y, equal_nan=True)


@pytest.mark.parametrize("cut", [1, 2, 17, 64, 99])
def test_a_restored_state_goes_on_bit_for_bit(cut):
    positions, symbols, options = walk(150, 7, 1), symbols_of(7), {"points": 8, "van_hove": (3.0, 0.2)}
    whole = filled(positions, symbols, **options)
    first, second = filled(positions[:cut], symbols, **options), core.Correlator(symbols, 0.5, **options)
    second.restore(first.state())
    for frame in positions[cut:]:
        second.add(frame)
    assert_same(whole, second)
    with pytest.raises(InputError, match="different options or atoms"):
        core.Correlator(symbols, 0.5, points=4).restore(first.state())
    for broken in (first.state()[:-1], first.state()[: len(symbols)], np.append(first.state(), 0.0), np.zeros(0)):
        with pytest.raises(InputError):
            core.Correlator(symbols, 0.5, **options).restore(broken)


def test_order_of_atoms_and_threads_change_no_bit():
    positions, symbols = walk(60, 4000, 2), np.array(symbols_of(4000))
    order = np.random.default_rng(1).permutation(4000)
    expected, other = (
        filled(p, s)._core.estimates() for p, s in ((positions, symbols), (positions[:, order], symbols[order]))
    )
    # species are numbered by first appearance, anions last
    first = core.Correlator(symbols, 0.5).elements
    second = core.Correlator(symbols[order], 0.5).elements
    for s, element in enumerate(first):
        assert np.array_equal(expected["species"][:, s], other["species"][:, second.index(element)], equal_nan=True)

    script = (
        "import sys, numpy as np\nfrom naglass_drv import core\n"
        "p = np.cumsum(np.random.default_rng(5).normal(size=(40, 5000, 3)), axis=0)\n"
        "c = core.Correlator(['Na'] * 5000, 1.0, van_hove=(5.0, 0.1))\n"
        "[c.add(f) for f in p]\nsys.stdout.buffer.write(c.state().tobytes())"
    )
    states = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2", "3")
    }
    assert len(states) == 1 and len(states.pop()) > 10**6


def test_memory_grows_with_the_logarithm_of_the_frames():
    held = []
    correlator = core.Correlator(["Na"], 1.0, points=16)
    for t in range(4097):
        correlator.add(np.full((1, 3), 0.1 * t))
        if t in (256, 1024, 4096):
            held.append(len(correlator.state()))
    assert held[2] - held[1] < 1.7 * (held[1] - held[0])
    assert held[2] < 40000


BOX = np.array([6.0, 7.0, 8.0])


def test_wrapped_trajectories_are_recognized_unwrapped_or_refused():
    true = walk(300, 5, 4, 0.12) + 3.0
    path = core.trajectory(true % BOX, np.diag(BOX), 1.0)
    assert path.wrapped and path.positions - path.positions[0] == pytest.approx(true - true[0], abs=1e-9)
    assert not core.trajectory(true, np.diag(BOX), 1.0).wrapped
    streamed = core.Correlator(["Na"] * 5, 1.0)
    for frame in true % BOX:
        streamed.add(frame, np.diag(BOX))
    assert streamed.volume == pytest.approx(BOX.prod())
    assert streamed.result().msd["Na"].value == pytest.approx(core.msd(true, times=1.0)["X"].value)
    with pytest.raises(InputError, match="too far apart to unwrap"):
        core.msd(walk(50, 20, 5, 2.0) % 6.0, cell=np.eye(3) * 6, times=1.0)
    fast = walk(50, 20, 5, 2.0)
    assert core.unwrap(fast, np.eye(3) * 6, wrapped=False)[0] == pytest.approx(fast)


def test_triclinic_and_breathing_cells_are_no_motion():
    cell = np.array([[9.0, 0, 0], [2.0, 8.0, 0], [-1.5, 1.0, 10.0]])
    cells = cell * (1 + 0.03 * np.sin(np.arange(60)))[:, None, None]
    scaled = np.random.default_rng(6).random((4, 3)) + [0, 3, -7]
    assert core.msd(scaled @ cells, cell=cells, times=1.0)["X"].value == pytest.approx(0.0, abs=1e-18)
    hop = np.tile(scaled, (60, 1, 1))
    hop[30:, 0, 0] += 0.2
    found = core.trajectory((hop % 1.0) @ cells, cells, 1.0)
    assert np.linalg.norm(found.positions[-1, 0] - found.positions[0, 0]) == pytest.approx(0.2 * 9.0, rel=0.01)


def test_frames_of_atoms_and_the_framework_at_rest():
    drift = walk(20, 1, 9)
    frames = [
        Atoms("NaPO", positions=[[0.1 * t, 0, 0], [3, 0, 0], [3, 1.5, 0]] + drift[t], info={"time_ps": 0.2 * t})
        for t in range(20)
    ]
    result = core.msd(frames, framework=("P", "O"))
    assert result["Na"].value == pytest.approx((0.5 * result["Na"].time) ** 2)
    assert result["P"].value == pytest.approx(0.0, abs=1e-20)
    weighted = core.trajectory(frames, framework=[1, 2], masses=frames[0].get_masses())
    assert weighted.positions[:, 1] - weighted.positions[0, 1] == pytest.approx(0.0, abs=1e-12)
    drifting = core.msd(frames)["P"].value
    assert drifting[0] == pytest.approx((np.diff(drift[:, 0], axis=0) ** 2).sum(axis=1).mean())


def test_density_map_counts_atoms_where_they_are():
    cell = np.array([[4.0, 0, 0], [1.0, 3.0, 0], [0, 0, 2.0]])
    at = np.array([[0.1, 0.1, 0.1], [0.9, 0.5, 0.6]])
    found = core.density_map(np.array([at @ cell, (at + [1, -2, 3]) @ cell]), cell, 0.5)
    assert found.density.shape == (8, 6, 4) and found.frames == 2
    occupied = np.argwhere(found.density > 0)
    assert occupied.tolist() == [[0, 0, 0], [7, 3, 2]]
    assert found.density.sum() * found.voxel == pytest.approx(2.0)
    assert core.density_map([[-1e-20, 0.0, 0.0]], cell, 1.0).density[-1].sum() > 0
    with pytest.raises(InputError, match="spacing = 0.0: must be"):
        core.density_map(at @ cell, cell, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 5}, "points = 5: must be an even number"),
        ({"points": 0}, "points = 0: must be an even number"),
        ({"overlap": 0.0}, "overlap = 0: must be a positive distance"),
        ({"overlap": float("nan")}, "overlap = nan: must be"),
        ({"longest": 0.1}, "longest = 0.1: must be a time of at least one interval"),
        ({"van_hove": (-1.0, 0.1)}, "van_hove_reach = -1: must be"),
        ({"van_hove": (5.0, 0.0)}, "van_hove_width = 0: must be"),
        ({"charges": {"V": 4.0}}, r"charges\['V'\]: no atom is of this element"),
        ({"charges": {"Na": float("inf")}}, r"charges\['Na'\] = inf: must be a number"),
        ({"framework": "P"}, "framework = 'P': no atom is of this element"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        core.Correlator(["Na"], 0.5, **options)


def test_bad_frames_are_named():
    good = core.Correlator(["Na", "Na"], 1.0)
    good.add(np.zeros((2, 3)))
    with pytest.raises(InputError, match="positions = 3 atoms: the first frame has 2"):
        good.add(np.zeros((3, 3)))
    with pytest.raises(InputError, match=r"positions\[1\] = nan: must be finite"):
        good.add([[0, 0, 0], [0, np.nan, 0]])
    with pytest.raises(InputError, match="frames = 1: at least 2"):
        good.result()
    with pytest.raises(InputError, match="interval = 0"):
        core.Correlator(["Na"], 0)
    with pytest.raises(InputError, match="not evenly spaced"):
        core.msd(np.zeros((3, 1, 3)), times=[0, 1, 3])
    with pytest.raises(InputError, match="times = None"):
        core.msd(np.zeros((3, 1, 3)))
    with pytest.raises(InputError, match="lie in one plane"):
        core.msd(np.zeros((3, 1, 3)), cell=np.ones((3, 3)), times=1.0)
    with pytest.raises(InputError, match="element = 'Na': must be one of X"):
        core.diffusion(walk(100, 2, 1), times=1.0)
    with pytest.raises(InputError, match="times: applies to a trajectory"):
        core.msd(good, times=1.0)
    with pytest.raises(InputError, match="cell: must be given to trajectory"):
        core.msd(core.trajectory(np.zeros((3, 1, 3)), times=1.0), cell=np.eye(3))
    with pytest.raises(InputError, match="made without van_hove"):
        core.van_hove(good, 5.0)
    with pytest.raises(InputError, match="distinct = True: needs a trajectory"):
        core.van_hove(good, 5.0, distinct=True)
    with pytest.raises(InputError, match="cell = None: the distinct"):
        core.van_hove(walk(9, 2, 1), 5.0, times=1.0, distinct=True)
    with pytest.raises(InputError, match="volume = None"):
        core.conductivity(walk(100, 2, 1), 300.0, {"X": 1.0}, times=1.0)
