"""Order parameters of crystallization: fixtures, crystals, independent oracles, invariances, bad input."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import brute_force_pairs, crystal, rotation, small_cells

DATA = Path(__file__).parents[1] / "data"
CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}
NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
OTHERS = ("NVPF_P42mnm_allNa", "NaVOPO4_alpha_P21c_DLSmodel", "VOPO4_alphaII_P4n", "V2O5_alpha_Pmmn")


def reference(atoms=NVP, **options):
    """V with 6 O and 6 P."""
    return core.environments(atoms, "V", ("O", "P"), 3.8, **options)


def brute_force_similarity(atoms, environments, sigma, sharpness, cutoff) -> np.ndarray:
    """The kernel written out over dictionaries of brute-force pairs."""
    symbols = atoms.get_chemical_symbols()
    around = {i: [] for i, s in enumerate(symbols) if s == environments.center}
    for i, j, shift in brute_force_pairs(atoms, cutoff):
        if i in around:
            around[i].append((symbols[j], atoms.positions[j] - atoms.positions[i] + shift @ atoms.cell.array))
    out = np.full(len(atoms), np.nan)
    for i, found in around.items():
        kernels = []
        for elements, vectors in environments.members:
            pairs = itertools.product(zip(elements, vectors), found)
            terms = [np.exp(-((r - r0) ** 2).sum() / (4 * sigma**2)) for (e0, r0), (e, r) in pairs if e == e0]
            kernels.append(sum(terms) / len(elements))
        out[i] = np.log(np.sum(np.exp(sharpness * np.array(kernels)))) / sharpness
    return out


def test_environments_of_nvp():
    """Twelve V in four orientations; two when rotations do not count, mirror images of each other."""
    found = reference()
    assert len(found) == 4 and all(sorted(elements) == ["O"] * 6 + ["P"] * 6 for elements, _ in found.members)
    turned = reference(any_rotation=True)
    assert len(turned) == 2


def test_the_crystal_is_like_itself():
    similarity = core.crystal_similarity(NVP, reference())
    assert np.isnan(similarity[np.array(NVP.get_chemical_symbols()) != "V"]).all()
    assert similarity[~np.isnan(similarity)] == pytest.approx(1.0, abs=1e-3)
    narrow = core.crystal_similarity(NVP, reference(), sigma=0.1)
    assert narrow[~np.isnan(narrow)] == pytest.approx(1.0, abs=1e-9)


def test_a_displaced_neighbor_by_the_formula():
    """One of two neighbors moved by d: (1 + exp(-d²/4σ²))/2, and of another element: 1/2."""
    chain = Atoms("OVO", positions=[[-2, 0, 0], [0, 0, 0], [2, 0, 0]])
    environments = core.environments(chain, "V", ("O", "P"), 2.5)
    for d in (0.1, 0.5):
        moved = chain.copy()
        moved.positions[2] += [0, d, 0]
        expected = (1 + np.exp(-(d**2) / (4 * 0.3**2))) / 2
        assert core.crystal_similarity(moved, environments, sigma=0.3)[1] == pytest.approx(expected, abs=1e-12)
    other = Atoms("OVP", positions=chain.positions)
    assert core.crystal_similarity(other, environments, sigma=0.3)[1] == pytest.approx(0.5, abs=1e-12)


def test_two_references_join_by_the_logarithm():
    """Equal overlaps k with two references: k + ln(2)/λ."""
    atoms = Atoms("OVO", positions=[[-2, 0, 0], [0, 0, 0], [0, 2, 0]])
    halves = [Atoms("VO", positions=[[0, 0, 0], r]) for r in ([-2, 0, 0], [0, 2, 0])]
    both = Atoms("VOVO", positions=[*halves[0].positions, *(halves[1].positions + 50)])
    environments = core.environments(both, "V", "O", 2.5)
    assert len(environments) == 2
    similarity = core.crystal_similarity(atoms, environments, sigma=0.2, sharpness=20.0)[1]
    assert similarity == pytest.approx(1 + np.log(2) / 20, abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(small_cells(), st.floats(0.1, 0.5), st.floats(1.0, 50.0))
def test_equals_brute_force(atoms, sigma, sharpness):
    first = [[0, 0, 0], [1.6, 0, 0], [-0.9, 1, 1], [0, 1.8, 0]]
    molecules = Atoms("VOOPVPO", positions=[*first, [9, 9, 9], [9, 10.7, 9], [9, 9, 10.7]])
    environments = core.environments(molecules, "V", ("O", "P"), 2.5)
    assert [len(elements) for elements, _ in environments.members] == [3, 2]
    farthest = max(np.linalg.norm(vectors, axis=1).max() for _, vectors in environments.members)
    expected = brute_force_similarity(atoms, environments, sigma, sharpness, farthest + 2.0 * sigma)
    found = core.crystal_similarity(atoms, environments, sigma=sigma, sharpness=sharpness, reach=2.0)
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


def rattled(amplitude, seed=1):
    atoms = NVP.copy()
    atoms.rattle(amplitude, seed=seed)
    return atoms


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_turning_the_crystal(seed):
    """A rotation destroys the match at fixed orientation; the best rotation recovers it."""
    atoms = rattled(0.1, seed)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation(seed), scale_atoms=True)
    fixed, free = reference(), reference(any_rotation=True)
    before = core.crystal_similarity(atoms, free, any_rotation=True)
    after = core.crystal_similarity(turned, free, any_rotation=True)
    assert after == pytest.approx(before, abs=1e-6, nan_ok=True)
    assert np.nanmin(after) > 0.8 > 0.5 > np.nanmax(core.crystal_similarity(turned, fixed))
    # never below what the orientation at hand gives, up to the ln 2 / λ of several references
    assert (after >= core.crystal_similarity(atoms, fixed) - np.log(4) / 100)[~np.isnan(after)].all()


def test_the_best_rotation_is_found_among_many():
    """None of 3000 random rotations, each refined in small steps, has a larger overlap."""
    atoms = rattled(0.15)
    free = reference(any_rotation=True)
    center = int(np.flatnonzero(np.array(atoms.get_chemical_symbols()) == "V")[0])
    found = core.crystal_similarity(atoms, free, any_rotation=True)[center]
    i, j, shifts = (getattr(core.neighbors(atoms, 5.4), name) for name in ("i", "j", "shifts"))
    mine = i == center
    vectors = atoms.positions[j[mine]] - atoms.positions[center] + shifts[mine] @ atoms.cell.array
    elements = np.array(atoms.get_chemical_symbols())[j[mine]]

    def overlap(turn):
        best = 0.0
        for names, places in free.members:
            apart = vectors[:, None] - (places @ turn.T)[None]
            terms = np.exp(-(apart**2).sum(axis=-1) / (4 * 0.4**2)) * (elements[:, None] == np.array(names)[None])
            best = max(best, terms.sum() / len(names))
        return best

    random = np.random.default_rng(0)
    turns = [rotation(seed) for seed in range(1000)]
    best = sorted(turns, key=overlap)[-5:]
    for turn in best:
        value = overlap(turn)
        for size in np.geomspace(0.3, 0.003, 150):
            axis = random.normal(size=3) * size
            cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
            step = np.linalg.solve(np.eye(3) - cross / 2, np.eye(3) + cross / 2) @ turn
            if overlap(step) > value:
                turn, value = step, overlap(step)
        assert value <= found + 1e-6
    assert value > 0.5 * found


def test_a_mirror_image_is_not_the_same():
    """Proper rotations only: a left-handed environment is not a right-handed one."""
    corners = np.array([[1.9, 0, 0], [0, 2.2, 0], [0, 0, 2.5], [-1.2, -1.2, -1.2]])
    hand = Atoms("VO4", positions=[[0, 0, 0], *corners])
    other = Atoms("VO4", positions=[[0, 0, 0], *(corners * [1, 1, -1])])
    environments = core.environments(hand, "V", "O", 3.0, any_rotation=True)
    assert core.crystal_similarity(hand, environments, sigma=0.1, any_rotation=True)[0] == pytest.approx(1.0)
    assert core.crystal_similarity(other, environments, sigma=0.1, any_rotation=True)[0] < 0.9


@pytest.mark.parametrize("name", OTHERS)
def test_other_crystals_are_less_like_it(name):
    atoms = crystal(name)
    assert np.nanmax(core.crystal_similarity(atoms, reference())) < 0.3
    assert np.nanmax(core.crystal_similarity(atoms, reference(any_rotation=True), any_rotation=True)) < 0.7


def test_environment_file(tmp_path):
    written = reference()
    written.write(tmp_path / "nvp.env")
    read = core.read_environments(tmp_path / "nvp.env")
    assert read.center == "V" and set(read.elements) == {"O", "P"} and len(read) == 4
    for (names, vectors), (expected_names, expected) in zip(read.members, written.members):
        assert names == expected_names and (vectors == expected).all()
    assert (core.crystal_similarity(NVP, read) == core.crystal_similarity(NVP, written))[
        ~np.isnan(core.crystal_similarity(NVP, read))
    ].all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("environment\nO 1 0 0\n", "no 'center'"),
        ("center V\n", "no 'environment'"),
        ("center V\nenvironment\n", "empty 'environment'"),
        ("center V\nO 1 0 0\n", ":2 = O 1 0 0: expected"),
        ("center V\nenvironment\nO 1 0\n", ":3 = O 1 0: expected"),
        ("center V\nenvironment\nO 1 0 0 0\n", ":3 = O 1 0 0 0: expected"),
        ("center V\nenvironment\nO 0 0 0\n", ":3 = O 0 0 0: expected"),
        ("center V\ncenter P\nenvironment\n", ":2 = center P: expected"),
    ],
)
def test_a_bad_environment_file_is_refused(tmp_path, text, message):
    (tmp_path / "bad.env").write_text(text)
    with pytest.raises(InputError, match=message):
        core.read_environments(tmp_path / "bad.env")


def test_every_vanadium_of_nasicon_has_one_lantern_partner():
    for name in ("NVP_R-3c_Na3_ewald_ordered", "NVP_R-3c_hex_allNa"):
        atoms = crystal(name)
        counts = core.lanterns(atoms, CUTOFFS)
        metals = np.array(atoms.get_chemical_symbols()) == "V"
        assert set(counts[metals]) == {1} and set(counts[~metals]) == {-1}
    for name in OTHERS:
        assert core.lanterns(crystal(name), CUTOFFS).max() == 0


@pytest.mark.parametrize(("bridges", "lantern"), [(2, 0), (3, 1), (4, 0)])
def test_exactly_three_bridges_make_a_lantern(bridges, lantern):
    """P on a ring between two V, each bonded to one O of each V."""
    angles = np.arange(bridges) * 2 * np.pi / bridges
    around = np.column_stack([np.zeros(bridges), np.cos(angles), np.sin(angles)])
    above, below = np.array([[0.9, 0, 0]]), np.array([[-0.9, 0, 0]])
    places = [[2.2, 0, 0], [-2.2, 0, 0], *(2.6 * around), *(1.7 * around + above), *(1.7 * around + below)]
    atoms = Atoms(["V"] * 2 + ["P"] * bridges + ["O"] * (2 * bridges), positions=places)
    assert core.lanterns(atoms, {("V", "O"): 2.2, ("P", "O"): 1.5})[:2].tolist() == [lantern] * 2


def shared_bridges(atoms) -> dict[tuple, int]:
    """(V, V, image) -> common P, from explicit dictionaries of links."""
    links = core.linkage(atoms, CUTOFFS)
    symbols = atoms.get_chemical_symbols()
    bridges = {i: set() for i, s in enumerate(symbols) if s == "V"}
    for i, j, shift in zip(links.i.tolist(), links.j.tolist(), links.shifts.tolist()):
        if i in bridges and symbols[j] == "P":
            bridges[i].add((j, tuple(shift)))
    found = {}
    for i, k in itertools.product(bridges, repeat=2):
        for image in itertools.product(range(-2, 3), repeat=3):
            common = bridges[i] & {(p, tuple(np.add(s, image).tolist())) for p, s in bridges[k]}
            if common and (i != k or any(image)):
                found[i, k, image] = len(common)
    return found


def test_lanterns_are_the_pairs_that_share_three():
    """In NVP each V shares three P with one V at 4.495 Å, two with three, one with nine."""
    pairs = shared_bridges(NVP)
    vanadium = [i for i, s in enumerate(NVP.get_chemical_symbols()) if s == "V"]
    for v in vanadium:
        shares = [n for (i, _, _), n in pairs.items() if i == v]
        assert sorted(shares) == [1] * 9 + [2] * 3 + [3]
    for (i, k, image), n in pairs.items():
        if n == 3:
            apart = NVP.positions[k] + image @ NVP.cell.array - NVP.positions[i]
            assert np.linalg.norm(apart) == pytest.approx(4.495, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_lanterns_of_a_broken_crystal_equal_the_pairs(seed):
    atoms = rattled(0.2, seed)
    expected = np.where(np.array(atoms.get_chemical_symbols()) == "V", 0, -1)
    for (i, _, _), n in shared_bridges(atoms).items():
        expected[i] += n == 3
    assert core.lanterns(atoms, CUTOFFS).tolist() == expected.tolist()
    assert 0 < (expected == 1).sum() < 12
    order = np.random.default_rng(seed).permutation(len(atoms))
    assert core.lanterns(atoms[order], CUTOFFS).tolist() == expected[order].tolist()


T = 1 / np.sqrt(3)
SHELLS = {
    "tetrahedron": [[T, T, T], [T, -T, -T], [-T, T, -T], [-T, -T, T]],
    "octahedron": [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]],
    "square pyramid": [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]],
    "trigonal bipyramid": [[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0], [0, 0, 1], [0, 0, -1]],
}


@pytest.mark.parametrize(
    ("shell", "values"),
    [
        ("tetrahedron", {2: 0.0, 3: 0.7454, 4: 0.5092, 6: 0.6285}),
        ("octahedron", {3: 0.0, 4: 0.7638, 6: 0.3536}),
        ("square pyramid", {2: 0.2, 4: 0.7746, 6: 0.4}),
        ("trigonal bipyramid", {2: 0.1, 4: 0.625, 6: 0.4556}),
    ],
)
def test_steinhardt_of_polyhedra(shell, values):
    places = np.array(SHELLS[shell]) * 1.9 @ rotation(5)
    atoms = Atoms("V" + "O" * len(places), positions=[[0, 0, 0], *places])
    found = core.steinhardt(atoms, 2.2, l=values, centers="V", neighbors="O")
    assert found.q[0] == pytest.approx(list(values.values()), abs=5e-5)
    assert np.isnan(found.q[1:]).all()


def test_steinhardt_of_lattices():
    """fcc 0.1909, 0.5745; bcc with 14 neighbors 0.0364, 0.5107; every bond fully correlated."""
    for name, a, cutoff, values in (("fcc", 3.6, 2.9, (0.19094, 0.57452)), ("bcc", 2.87, 3.2, (0.03637, 0.51069))):
        found = core.steinhardt(bulk("V", name, a=a, cubic=True).repeat(2), cutoff)
        assert found.q == pytest.approx(np.tile(values, (len(found.q), 1)), abs=1e-5)
        assert found.correlation == pytest.approx(1.0)
        assert (found.ordered_bonds(0.5) == (12 if name == "fcc" else 14)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 2, 3, 4, 6, 8, 12]))
def test_harmonics_equal_scipy(seed, order):
    """q_l and the correlation of two centers from SciPy's spherical harmonics, all m written out."""
    random = np.random.default_rng(seed)
    atoms = Atoms("V2O6", positions=random.uniform(-1.5, 1.5, (8, 3)))
    found = core.steinhardt(atoms, 3.0, l=[order], centers="V", neighbors=("V", "O"), bond_l=order)
    harmonics = []
    for center in (0, 1):
        apart = np.delete(atoms.positions, center, axis=0) - atoms.positions[center]
        apart = apart[np.linalg.norm(apart, axis=1) < 3.0]
        theta = np.arccos(apart[:, 2] / np.linalg.norm(apart, axis=1))
        phi = np.arctan2(apart[:, 1], apart[:, 0])
        harmonics.append([sph_harm_y(order, m, theta, phi).mean() for m in range(-order, order + 1)])
    for center in (0, 1):
        q = np.sqrt(4 * np.pi / (2 * order + 1) * np.sum(np.abs(harmonics[center]) ** 2))
        assert found.q[center, 0] == pytest.approx(q, abs=1e-10)
    if len(found.i):
        a, b = np.array(harmonics)
        expected = np.vdot(b, a).real / (np.linalg.norm(a) * np.linalg.norm(b))
        assert found.correlation == pytest.approx([expected] * 2, abs=1e-10)


ENVIRONMENTS = reference()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: core.environments(NVP, "V", "O", -1.0), "cutoff = -1.0"),
        (lambda: core.environments(NVP, "V", "O", 1.0), "cutoff = 1.0: a 'V' of the crystal has no neighbor"),
        (lambda: core.environments(NVP, "Fe", "O", 3.0), "cutoff = 3.0: a 'Fe'"),
        (lambda: core.environments(NVP, "V", "O", 3.0, tolerance=0.0), "tolerance = 0.0+: must be"),
        (lambda: core.crystal_similarity(NVP, ENVIRONMENTS, sigma=0.0), "sigma = 0.0+: must be"),
        (lambda: core.crystal_similarity(NVP, ENVIRONMENTS, sigma=float("nan")), "sigma = nan: must be"),
        (lambda: core.crystal_similarity(NVP, ENVIRONMENTS, sharpness=-1.0), "sharpness = -1.0+: must be"),
        (lambda: core.crystal_similarity(NVP, ENVIRONMENTS, reach=-1.0), "reach = -1.0+: must be"),
        (lambda: core.lanterns(NVP, {("V", "O"): 2.5}), r"cutoffs: the pair \('P', 'O'\) is missing"),
        (lambda: core.lanterns(NVP, CUTOFFS, center="P"), "'P' is named twice"),
        (lambda: core.steinhardt(NVP, 5.0, l=[99]), "l = 99: must be a whole number of at least 0 and at most 20"),
        (lambda: core.steinhardt(NVP, 0.0), "cutoff = 0.0+: must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def two_octahedra(bridges: int, *, shared: int = 0, bidentate: int = 0) -> Atoms:
    """Two V along z, `bridges` PO4 between them, `shared` O of both V, and `bidentate` P with a second O on V 0."""
    symbols, positions = ["V", "V"], [[10.0, 10.0, 8.0], [10.0, 10.0, 12.5]]
    for b in range(bridges):
        angle = 2 * np.pi * b / bridges
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        symbols += ["P", "O", "O"]
        positions += [[10, 10, 10.25] + 3.0 * out, [10, 10, 9.2] + 1.9 * out, [10, 10, 11.3] + 1.9 * out]
        if b < bidentate:
            aside = np.array([-out[1], out[0], 0.0])
            symbols.append("O")
            positions.append([10, 10, 8.9] + 2.0 * out + 0.9 * aside)
    symbols += ["O"] * shared
    positions += [[10 + 0.1 * k, 10, 10.25] for k in range(shared)]
    return Atoms(symbols, positions, cell=[20.0] * 3, pbc=True)


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (two_octahedra(3), [1, 1]),
        (two_octahedra(2), [0, 0]),
        (two_octahedra(4), [0, 0]),
        (two_octahedra(3, shared=1), [0, 0]),  # V that share a corner
        (two_octahedra(3, shared=2), [0, 0]),  # an edge
        (two_octahedra(3, shared=3), [0, 0]),  # a face
        (two_octahedra(3, bidentate=1), [0, 0]),  # a tetrahedron that shares an edge with V
        (two_octahedra(4, bidentate=1), [0, 0]),
    ],
    ids=["lantern", "two", "four", "corner", "edge", "face", "bidentate", "bidentate-fourth"],
)
def test_the_centers_of_a_lantern_share_no_oxygen(built, expected, turn):
    built = built.copy()
    built.positions = np.roll(built.positions, turn, axis=1) + 9.0  # the pair also across the boundary
    built.wrap()
    assert core.lanterns(built, CUTOFFS)[:2].tolist() == expected


@pytest.mark.parametrize("repeat", [(1, 1, 1), (1, 1, 2), (2, 1, 2)])
def test_maricite_has_no_lantern(repeat):
    """NaFePO4, Pnma: chains of FeO6 that share edges, each pair with three PO4 in common."""
    atoms = read(DATA / "NaFePO4_maricite.extxyz").repeat(repeat)
    found = core.lanterns(atoms, {("Fe", "O"): 2.5, ("P", "O"): 2.0}, center="Fe")
    assert set(found[np.array(atoms.get_chemical_symbols()) == "Fe"]) == {0}
