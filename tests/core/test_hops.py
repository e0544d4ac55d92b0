"""Hops by p_hop: exact answers, a plain oracle, known hops of synthetic trajectories, restarts, bad input."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from naglass_drv import core
from naglass_drv.errors import InputError
from support import hop_oracles

W = 10


def rattle(samples: int, s: float) -> np.ndarray:
    """(samples, 3) about the origin: variance s² per axis in each half of even length, exactly, and mean zero."""
    return s * (-1.0) ** np.arange(samples)[:, None] * np.ones(3)


def step_at(sample: int, samples: int, d: float) -> np.ndarray:
    return np.where(np.arange(samples)[:, None] < sample, 0.0, [d, 0.0, 0.0])


def values_of_p(positions: np.ndarray, window: int, **options) -> np.ndarray:
    """p at every sample from the detector, at the index used by the oracle."""
    detector = core.HopDetector(window, **options)
    p = np.full(positions.shape[:2], np.nan)
    for t, frame in enumerate(positions):
        detector.add(frame)
        if t >= 2 * window - 1:
            p[t - window + 1] = detector.p_hop()
    return p


def test_a_stationary_cage_has_three_times_its_variance():
    p = values_of_p(rattle(40, 0.3)[:, None], W)
    assert p[W:31, 0] == pytest.approx(3 * 0.3**2, rel=1e-13)


@pytest.mark.parametrize("s", [0.0, 0.3])
def test_an_ideal_step_has_its_square(s):
    """p falls off from the step as d² (1 − |δ|/h)^(3/2); rattling adds 3 s² at the step."""
    positions = step_at(25, 60, 2.0) + rattle(60, s)
    p = values_of_p(positions[:, None], W)[:, 0]
    assert p[25] == pytest.approx(4.0 + 3 * s**2, rel=1e-13)
    if s == 0.0:
        delta = np.abs(np.arange(W, 51) - 25)
        expected = 4.0 * np.clip(1.0 - delta / W, 0.0, None) ** 1.5
        assert p[W:51] == pytest.approx(expected, abs=1e-12)
    hops = core.detect_hops(positions[:, None])
    assert (hops.step.tolist(), hops.waiting.tolist(), hops.returned.tolist()) == ([25], [-1], [False])
    assert hops.start[0] == pytest.approx([0, 0, 0], abs=1e-13) and hops.end[0] == pytest.approx([2, 0, 0])
    assert hops.length[0] == pytest.approx(2.0) and hops.p_max[0] == pytest.approx(4.0 + 3 * s**2)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 6), st.floats(0.05, 1.0), st.sampled_from([0.0, 1.0, 1e3, 1e6]),
)  # fmt: skip
def test_equals_the_oracle_on_random_walks(seed, window, scale, far):
    """Walks with jumps, also far from the origin: values of p, and every column of every hop."""
    random = np.random.default_rng(seed)
    samples, atoms = int(random.integers(2 * window, 90)), 7
    jumps = (random.random((samples, atoms, 1)) < 0.06) * random.normal(0, 2.0, (samples, atoms, 3))
    r = np.cumsum(jumps + random.normal(0, 0.1 * scale, jumps.shape), axis=0) + random.normal(0, scale, jumps.shape)
    r += far * random.uniform(-1, 1, 3)
    options = {"threshold": 1.5, "release": 0.6, "min_length": 0.8, "return_within": 25}

    p = hop_oracles.p_hop(r, window)
    assert values_of_p(r, window) == pytest.approx(p, rel=1e-9, abs=1e-12 + 1e-15 * far**2, nan_ok=True)

    expected = hop_oracles.hops(r, window, **options)
    # decisions that hang on rounding are not compared
    lengths = [np.linalg.norm(end - start) for _, _, start, end, *_ in expected]
    assume(np.abs(p[np.isfinite(p)][:, None] - [1.5, 0.6]).min(initial=1.0) > 1e-7)
    assume(np.abs(np.array(lengths) - 0.8).min(initial=1.0) > 1e-7)
    hops = core.detect_hops(r, window=window, **options)
    assert [hops.step.tolist(), hops.atom.tolist()] == [[h[k] for h in expected] for k in (0, 1)]
    assert hops.waiting.tolist() == [h[5] for h in expected]
    assert hops.returned.tolist() == [h[6] for h in expected]
    if expected:
        assert hops.start == pytest.approx(np.array([h[2] for h in expected]), abs=1e-9 * max(far, 1.0))
        assert hops.end == pytest.approx(np.array([h[3] for h in expected]), abs=1e-9 * max(far, 1.0))
        assert hops.p_max == pytest.approx(np.array([h[4] for h in expected]), rel=1e-8)


def test_rounding_is_forgotten():
    """Precision lost in the sums while an atom is 10¹⁰ Å away is recovered when they are recomputed."""
    random = np.random.default_rng(5)
    window = 3
    r = np.cumsum(random.normal(0, 1.0, (2 * window * 64 + 50, 4, 3)), axis=0)
    r[:20] += 1e10 * random.uniform(0.5, 1.0, (20, 4, 3))
    p, expected = values_of_p(r, window)[-40:], hop_oracles.p_hop(r, window)[-40:]
    assert p == pytest.approx(expected, rel=1e-10, nan_ok=True)


# 4 Na in a triclinic cell with a framework; hops of known step, atom and vector, with a return of atom 1
CELL = np.array([[16.0, 0, 0], [2.0, 15.0, 0], [-1.5, 1.0, 17.0]])
KNOWN = [(30, 1, (3.0, 0, 0)), (45, 0, (0, 2.5, 0)), (60, 1, (-3.0, 0, 0)), (60, 3, (0, 0, -2.8)), (90, 0, (0, 2.5, 0))]
SAMPLES = 130


def known_trajectory(seed=3) -> tuple[np.ndarray, list[str]]:
    """(T, N, 3) unwrapped positions without drift: Na on sites, hopping as listed in KNOWN; a cubic host of O and V."""
    random = np.random.default_rng(seed)
    host = np.array([[x, y, z] for x in (0.5, 4.2, 8.1) for y in (0.7, 4.9, 8.3) for z in (0.4, 5.1, 9.2)])
    sodium = np.array([[2.0, 2.0, 2.0], [5.0, 3.0, 2.5], [9.0, 6.0, 6.0], [3.0, 9.0, 1.0]])
    symbols = ["V" if k % 9 == 0 else "O" for k in range(len(host))] + ["Na"] * 4
    r = np.tile(np.concatenate([host, sodium]), (SAMPLES, 1, 1))
    for step, ion, vector in KNOWN:
        r[step:, len(host) + ion] += vector
    r[:, len(host) :] += random.normal(0, 0.15, (SAMPLES, 4, 3))
    return r, symbols


def assert_known(hops: core.Hops, first_ion: int) -> None:
    assert list(zip(hops.step.tolist(), (hops.atom - first_ion).tolist())) == [(s, a) for s, a, _ in KNOWN]
    assert hops.end - hops.start == pytest.approx(np.array([v for *_, v in KNOWN]), abs=0.25)
    assert hops.returned.tolist() == [False, False, True, False, False]
    assert hops.waiting.tolist() == [-1, -1, 30, -1, 45]


def frames_of(r, symbols, cells, wrap) -> list[Atoms]:
    frames = [Atoms(symbols, positions=x, cell=c, pbc=True) for x, c in zip(r, cells)]
    for frame in frames:
        if wrap:
            frame.wrap()
    return frames


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("breathing", [False, True])
@pytest.mark.parametrize("drift", [0.0, 0.35])
def test_known_hops_are_found(wrap, breathing, drift):
    """Wrapped, in a breathing cell, with a framework that drifts through the boundary: the same table."""
    r, symbols = known_trajectory()
    expected = core.detect_hops(r, symbols=symbols)
    assert_known(expected, len(symbols) - 4)

    r = r + drift * np.arange(SAMPLES)[:, None, None] * np.array([1.0, -0.6, 0.3])
    strain = 1.0 + (0.04 * np.sin(np.arange(SAMPLES) / 9.0) if breathing else np.zeros(SAMPLES))
    strain /= strain[0]
    frames = frames_of(r * strain[:, None, None], symbols, CELL * strain[:, None, None], wrap)
    hops = core.detect_hops(frames)
    assert_known(hops, len(symbols) - 4)
    shift = (hops.start - expected.start)[0]  # a wrapped first frame
    assert hops.start - shift == pytest.approx(expected.start, abs=1e-9)
    assert hops.p_max == pytest.approx(expected.p_max, rel=1e-9)

    arrays = np.array([f.positions for f in frames]), np.array([f.cell.array for f in frames])
    again = core.detect_hops(arrays[0], cell=arrays[1], symbols=symbols)
    assert again.p_max.tolist() == hops.p_max.tolist() and again.atom.tolist() == hops.atom.tolist()


def test_without_a_framework_its_drift_stays():
    r, symbols = known_trajectory()
    r = r + 0.35 * np.arange(SAMPLES)[:, None, None] * np.array([1.0, 0, 0])
    assert len(core.detect_hops(r, symbols=symbols)) == 5
    assert len(core.detect_hops(r, symbols=symbols, framework=())) > 5
    assert len(core.detect_hops(r, symbols=symbols, framework="V")) == 5


def test_indices_choose_the_ions():
    r, symbols = known_trajectory()
    first = len(symbols) - 4
    hops = core.detect_hops(r, symbols=symbols, mobile=[first + 3, first + 1], framework=("O", "V"))
    assert hops.atom.tolist() == [first + 1, first + 1, first + 3]
    assert hops.per_atom().tolist() == [2, 1]


def test_a_change_of_cage_is_told_from_one_within():
    """One ion leaves its four hosts for four others, one hops among its own."""
    ring = np.array([[1.5, 1.5, 0], [1.5, -1.5, 0], [-1.5, 1.5, 0], [-1.5, -1.5, 0]])
    hosts = np.concatenate([ring, ring + [9.0, 0, 0], 2.0 * ring + [0, 0, 20.0]])
    sodium = np.array([[0.0, 0, 0], [-1.0, 0, 20.0]])
    r = np.tile(np.concatenate([hosts, sodium]), (60, 1, 1))
    r[30:, -2] += [9.0, 0, 0]
    r[30:, -1] += [2.0, 0, 0]
    # a host comes near for a few samples only: not part of the cage
    r[36:39, 0] = r[36:39, -2] + [1.0, 0, 0]
    frames = [Atoms("O12Na2", positions=x, cell=[40, 40, 40], pbc=True) for x in r]
    hops = core.detect_hops(frames, cage={"O": 5.2}, framework=())
    assert hops.overlap.tolist() == [0.0, 1.0]
    assert hops.cage_broken().tolist() == [True, False]
    with pytest.raises(InputError, match="cage = None"):
        core.detect_hops(frames).cage_broken()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_cage_overlap_equals_sets(seed, window):
    random = np.random.default_rng(seed)
    samples, atoms = 5 * window + 8, 4
    r = np.cumsum(3.0 * (random.random((samples, atoms, 3)) < 0.1), axis=0)
    near = [[random.integers(0, 6, random.integers(0, 5)) for _ in range(atoms)] for _ in range(samples)]
    detector = core.HopDetector(window, 1.0, min_length=1.0)
    for x, sets in zip(r, near):
        offsets = np.concatenate([[0], np.cumsum([len(s) for s in sets])])
        detector.add(x, cages=(offsets, np.concatenate(sets).astype(int)))
    hops = detector.finish()
    for step, atom, overlap in zip(hops.step, hops.atom, hops.overlap):
        half = [
            {h for h in range(6) if 2 * sum(h in near[t][atom] for t in span) > window}
            for span in (range(step - window, step), range(step, step + window))
        ]
        either, both = half[0] | half[1], half[0] & half[1]
        assert np.isnan(overlap) if not either else overlap == len(both) / len(either)


def test_nearest_metal_is_that_of_a_search_over_images():
    r, symbols = known_trajectory()
    hops = core.detect_hops(frames_of(r, symbols, [CELL] * SAMPLES, True), nearest="V")
    metals = [i for i, s in enumerate(symbols) if s == "V"]
    shifts = np.array(np.meshgrid(*[range(-3, 4)] * 3)).reshape(3, -1).T @ CELL
    for k in range(len(hops)):
        middle = (hops.start[k] + hops.end[k]) / 2
        away = [np.linalg.norm(r[0, m] + shifts - middle, axis=1).min() for m in metals]
        assert hops.nearest[k] == metals[int(np.argmin(away))]
    assert len(set(hops.nearest.tolist())) > 1
    assert core.detect_hops(r, symbols=symbols).nearest.tolist() == [-1] * 5


def test_hops_come_as_they_become_certain_and_in_order():
    """In consecutive chunks: the whole table, each hop 2w − 1 samples after its step."""
    r, _ = known_trajectory()
    detector = core.HopDetector(W)
    chunks = [detector.add(frame[-4:]) for frame in r]
    late = [(t, int(s)) for t, chunk in enumerate(chunks) for s in chunk.step]
    assert late == [(s + 2 * W - 1, s) for s, *_ in KNOWN if s + 2 * W - 1 < SAMPLES]
    whole = detector.finish()
    assert whole.step.tolist() == [s for s, *_ in KNOWN]
    with pytest.raises(InputError, match="the detector has already finished"):
        detector.add(r[0, -4:])


def test_steps_carry_the_interval():
    r, symbols = known_trajectory()
    hops = core.detect_hops(r, symbols=symbols, steps=range(1000, 1000 + 50 * SAMPLES, 50))
    assert hops.step.tolist() == [1000 + 50 * s for s, *_ in KNOWN]
    assert hops.waiting.tolist() == [-1, -1, 1500, -1, 2250]
    centers = SAMPLES - 2 * W + 1
    assert hops.observed_steps == 50 * (centers - 2)
    rate, error = hops.rate(step_time=0.002)
    assert rate == pytest.approx(5 / 4 / ((centers - 2) * 0.1))
    between = np.std([2, 2, 0, 1], ddof=1) / 2  # smaller than that of 5 independent hops
    assert error == pytest.approx(np.sqrt(5) / 4 / ((centers - 2) * 0.1)) and between < np.sqrt(5) / 4
    share, error = hops.return_fraction()
    assert share == 0.2 and error == pytest.approx(np.sqrt(2 * 5 / 8) / 7)


def test_a_return_needs_a_site_left_lately():
    r = np.zeros((200, 1, 3))
    r[40:90] = [2, 0, 0]
    r[140:] = [0.5, 0, 0]  # within half a length of the site left at 90, not of the origin's
    r[140:] += [1.6, 0, 0]
    found = {n: core.detect_hops(r, return_within=n).returned.tolist() for n in (0, 49, 50, 100)}
    assert found == {0: [False] * 3, 49: [False] * 3, 50: [False, True, True], 100: [False, True, True]}


def test_a_diffusing_atom_hops_at_most_once_a_half_window():
    r = 0.5 * np.arange(300)[:, None, None] * np.array([1.0, 0, 0])
    hops = core.detect_hops(r, window=W)
    assert np.diff(hops.step).min() >= W and len(hops) > 20


@pytest.mark.parametrize("cut", [1, 2 * W - 1, 2 * W, 62, 70, 129])
def test_pickled_in_between_it_goes_on_bit_for_bit(cut):
    r, symbols = known_trajectory()
    frames = frames_of(r, symbols, [CELL] * SAMPLES, True)
    options = {"cage": {"O": 3.0}, "nearest": "V"}
    whole = core.detect_hops(frames, **options)
    detector = core.HopDetector(**options)
    for frame in frames[:cut]:
        detector.add(frame)
    detector = pickle.loads(pickle.dumps(detector))
    for frame in frames[cut:]:
        detector.add(frame)
    assert detector.finish().table().tobytes() == whole.table().tobytes()


def test_threads_change_nothing(tmp_path):
    script = """
import numpy as np, sys, zlib
from naglass_drv import core
random = np.random.default_rng(1)
r = np.cumsum(random.normal(0, 0.2, (60, 9000, 3)), axis=0)
table = core.detect_hops(r).table()
print(len(table), zlib.crc32(table.tobytes()))
"""
    out = [
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"OMP_NUM_THREADS": n}, capture_output=True, text=True
        )
        for n in ("1", "3")
    ]
    assert out[0].returncode == 0, out[0].stderr
    assert out[0].stdout == out[1].stdout and int(out[0].stdout.split()[0]) > 1000


def test_a_file_of_lammps_is_read(tmp_path):
    path = tmp_path / "hops.txt"
    path.write_text("# naglass/hops\n120 7 0 0 0 2 0 0 4.5 nan -1 0\n150 7 2 0 0 0 0 0 4.25 0.25 30 1\n")
    hops = core.read_hops(path, mobile=[3, 7], observed_steps=1000)
    assert (hops.step.tolist(), hops.atom.tolist(), hops.waiting.tolist()) == ([120, 150], [7, 7], [-1, 30])
    assert hops.length.tolist() == [2.0, 2.0] and hops.returned.tolist() == [False, True]
    assert hops.per_atom().tolist() == [0, 2] and hops.rate()[0] == 2 / 2 / 1000
    path.write_text("# naglass/hops\n")
    assert len(core.read_hops(path)) == 0
    for text, message in (("step atom\n", "not a file written by fix"), ("# naglass/hops\n1 2 3\n", "not have 12 col")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            core.read_hops(path)


STILL = np.zeros((40, 2, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window = 0: must be at least 1"),
        ({"window": 2.5}, "window = 2.5: must be a whole number"),
        ({"threshold": -1.0}, "threshold = -1.0+: must be a positive"),
        ({"threshold": float("nan")}, "threshold = nan: must be a positive"),
        ({"release": 1.1}, "release = 1.1: must be positive and at most"),
        ({"min_length": -0.1}, "min_length = -0.1: must be"),
        ({"return_within": -1}, "return_within = -1: must be"),
        ({"cage": {"O": -1.0}}, r"cage\['O'\] = -1.0: must be a positive"),
        ({"symbols": ["Na", "O"], "mobile": "K"}, "mobile = 'K': the structure has no such element"),
        ({"symbols": ["Na", "O"], "mobile": [2]}, r"mobile = \[2\]: indices run from 0 to 1"),
        ({"symbols": ["Na", "O"], "framework": "P"}, "framework = 'P': the structure has no"),
        ({"symbols": ["Na", "O"], "cage": {"S": 3.0}}, "cage = 'S': the structure has no"),
        ({"symbols": ["Na", "O"], "nearest": "V"}, "nearest = 'V': the structure has no"),
        ({"symbols": ["Na"]}, "symbols = 1 symbols: there are 2 atoms"),
        ({"cell": np.ones((3, 3))}, "cell = .*: the cell vectors lie in one plane"),
        ({"cell": np.ones((7, 3, 3))}, "cell = 7 cells: there are 40 frames"),
        ({"steps": range(39)}, "steps = 39 steps: there are more frames"),
        ({"steps": range(41)}, "steps = 41 steps: there are 40 frames"),
        (
            {"steps": [*range(20), *range(25, 45)]},
            "step = 25: samples must be evenly spaced; the last one was at step 19",
        ),
        ({"window": 21}, "trajectory = 40 frames: a window spans 42"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(InputError, match=message):
        core.detect_hops(STILL, **options)


def test_bad_frames_are_named():
    broken = STILL.copy()
    broken[33, 1, 2] = np.nan
    with pytest.raises(InputError, match=r"positions\[1\] = not finite"):
        core.detect_hops(broken)
    with pytest.raises(InputError, match=r"positions\[1\] = \[0.0, 0.0, nan\] of frame 33"):
        core.detect_hops(broken, cell=[9, 9, 9])
    with pytest.raises(InputError, match="symbols, cell: only for a trajectory that is an array"):
        core.detect_hops([Atoms("Na")], cell=[9, 9, 9])
    detector = core.HopDetector()
    detector.add(Atoms("NaO"))
    with pytest.raises(InputError, match="frame: atoms and arrays cannot be mixed"):
        detector.add(STILL[0])
    with pytest.raises(InputError, match="frame at step 1: its atoms differ from those of the first frame"):
        detector.add(Atoms("ONa"))
    with pytest.raises(InputError, match="positions = 3 atoms: the detector follows 2"):
        detector = core.HopDetector()
        detector.add(STILL[0])
        detector.add(np.zeros((3, 3)))
    with pytest.raises(InputError, match="cages = given: must be given with every sample"):
        detector.add(STILL[0], cages=(np.zeros(3, dtype=int), np.zeros(0, dtype=int)))


def test_frames_too_far_apart_to_unwrap_are_refused():
    """Steps of 0.3 of an edge: at the first wrap the nearest image is a guess."""
    r = np.zeros((40, 2, 3))
    r[:, 1, 0] = (3.0 * np.arange(40)) % 10.0
    with pytest.raises(InputError, match="wrapped trajectory: at frame 4 the frames are too far apart"):
        core.detect_hops(r, cell=[10.0, 10.0, 10.0])
    r[:, 1, 0] = 3.0 * np.arange(40)
    assert len(core.detect_hops(r, cell=[10.0, 10.0, 10.0])) > 0


def test_a_hop_at_an_end_is_not_counted():
    """For any cut, a step is found, at its true time, if and only if the maximum of p is inside."""
    for sample in range(1, 60):
        hops = core.detect_hops(step_at(sample, 60, 2.0)[:, None])
        assert hops.step.tolist() == ([sample] if W < sample < 60 - W else [])
        assert hops.observed_steps == 39
