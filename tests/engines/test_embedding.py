"""Environments of a glass as small periodic cells: what is kept, what fills the rest, and what is refused."""

import itertools
from collections import Counter

import numpy as np
import pytest
from mpi4py import MPI
from ase.geometry import find_mic

from naglass_drv.chemistry import ions as chemistry
from naglass_drv.dataset.cells import CORE, Ions, composition, core_around, small_cell
from naglass_drv.dataset.centers import uncertain_centers
from naglass_drv.dataset.frames import read_frames
from naglass_drv.dataset.surroundings import by_geometry, median_distances
from naglass_drv.engines import embedding
from naglass_drv.engines.lammps.requench import SCRIPT, Course, requench
from naglass_drv.errors import InputError, TaskFailed
from naglass_drv.paths import data_file
from support.lammps_runs import run_lammps
from support.structures import DATA, brute_force_pairs, rotation

RADIUS_A, MOST = 3.2, 120
SHORT = Course(melt_ps=0.2, quench_ps=0.4, release_ps=0.05)
ELEMENTS = ["Na", "O", "P", "V"]


def phosphate():
    """480 atoms NaPO3."""
    return read_frames(DATA / "glasses" / "NaPO3_fast_quench.extxyz")[0].repeat(2)


def vanadate():
    """702 atoms Na4V2P4O16."""
    return read_frames(DATA / "glasses" / "Na4V2P4O16_quench.extxyz")[0].repeat(3)


def without_states(glass, sodium: int):
    """As many Na atoms fewer, so that V has two states, and no word on which atom has which."""
    glass = glass[[k for k in range(len(glass)) if k not in np.flatnonzero(glass.symbols == "Na")[:sodium]]]
    del glass.arrays["ion"]
    return glass


@pytest.fixture(scope="module")
def glass():
    return phosphate()


@pytest.fixture(scope="module")
def center(glass):
    return int(np.flatnonzero(glass.symbols == "P")[5])


@pytest.fixture(scope="module")
def likeness(glass):
    return embedding.Likeness.of(by_geometry(["Na", "O", "P"]), glass, 1)


@pytest.fixture(scope="module")
def requenched(glass, center, tmp_path_factory):
    core = core_around(glass, center, RADIUS_A)
    start = small_cell(glass, core, MOST)
    return core, start, _requench(glass, core, start, tmp_path_factory.mktemp("requench"), 7)


def _requench(glass, core, start, folder, seed):
    forces = embedding.rigid_ion_forces(glass)
    types = start.arrays["ion"].tolist()
    return requench(
        start, len(core.atoms), types, forces, SHORT, seed=seed, comm=MPI.COMM_SELF, folder=folder / f"{seed}"
    )


def _off(one, other, atoms):
    """Distances between the places of atoms in two frames of one cell."""
    return find_mic(one.positions[atoms] - other.positions[atoms], one.cell, True)[1]


@pytest.mark.parametrize(("make", "radius"), [(phosphate, 3.2), (phosphate, 5.0), (vanadate, 4.0)])
def test_a_core_is_a_sphere_with_its_polyhedra_whole(make, radius):
    glass = make()
    pairs = brute_force_pairs(glass, 2.5)
    limits = {"P": 2.0, "V": 2.5}
    for center in range(0, len(glass), 97):
        core = core_around(glass, center, radius)
        distances = glass.get_distances(center, range(len(glass)), mic=True)
        sphere = set(np.flatnonzero(distances < radius).tolist())
        whole = {
            j
            for (i, j, _), length in pairs.items()
            if i in sphere and glass.symbols[j] == "O" and length < limits.get(glass.symbols[i], 0)
        }
        assert core.atoms[0] == center
        assert sorted(core.atoms.tolist()) == sorted(sphere | whole)


@pytest.mark.parametrize("least", [{"Na+": 1, "P5+": 1}, {"P5+": 3, "O2-": 4}, {"Na+": 5}])
def test_the_composition_is_the_nearest_of_all_neutral_ones(least):
    ions, most = Ions({"Na+": 40, "P5+": 30, "O2-": 95}, None), 23
    charges = np.array([1, 5, -2])
    share = np.array([40, 30, 95]) / 165

    def cost(counts):
        return np.abs(counts - counts.sum() * share).sum() - 0.1 * counts.sum()

    neutral = [
        np.array(counts)
        for counts in itertools.product(range(most + 1), repeat=3)
        if sum(counts) <= most and np.dot(counts, charges) == 0
    ]
    fitting = [c for c in neutral if all(n >= least.get(label, 0) for label, n in zip(ions.counts, c, strict=True))]
    found = np.array(list(composition(ions, least, most).values()))
    assert found @ charges == 0 and found.sum() <= most
    assert cost(found) == pytest.approx(min(map(cost, fitting)))


@pytest.mark.parametrize("make", [phosphate, vanadate])
def test_a_cell_is_neutral_as_dense_as_the_glass_and_holds_the_core_as_it_was(make):
    glass = make()
    for center in range(3, len(glass), 101):
        core = core_around(glass, center, RADIUS_A)
        cell = small_cell(glass, core, MOST)
        ions = chemistry.ions_of(cell.arrays["ion"])
        assert chemistry.total_charge(ions) == 0
        assert 0.85 * MOST < len(cell) <= MOST
        density = [frame.get_masses().sum() / frame.cell.volume for frame in (cell, glass)]
        assert density[0] == pytest.approx(density[1], rel=0.02)
        inside = cell.arrays[CORE] >= 0
        assert cell.arrays[CORE][inside].tolist() == core.atoms.tolist()
        assert (cell.arrays["ion"][inside] == glass.arrays["ion"][core.atoms]).all()
        vectors = find_mic(glass.positions[core.atoms] - glass.positions[center], glass.cell, True)[0]
        assert np.allclose(cell.positions[inside] - cell.positions[0], vectors, atol=1e-9)
        share = Counter(glass.symbols)
        for element, count in Counter(cell.symbols).items():
            assert abs(count - len(cell) * share[element] / len(glass)) < 2


def test_states_that_are_not_assigned_still_balance():
    glass = without_states(vanadate(), 30)
    with pytest.raises(InputError, match="rigid ions need an array 'ion'"):
        embedding.rigid_ion_forces(glass)
    cell = small_cell(glass, core_around(glass, 40, RADIUS_A), MOST)
    assert "ion" not in cell.arrays
    states = {ion.charge for ion in chemistry.species(Counter(cell.symbols)) if ion.element == "V"}
    assert states <= {4, 5}


def test_a_charge_that_cannot_be_balanced_is_named_with_what_is_left():
    glass = without_states(vanadate(), 30)
    core = core_around(glass, int(np.flatnonzero(glass.symbols == "V")[0]), 2.6)
    oxygens = len(core.atoms) - 1
    text = f"the core has {oxygens + 1} atoms and a charge of {4 - 2 * oxygens:+d} to {5 - 2 * oxygens:+d} e, which 0 "
    with pytest.raises(InputError) as refusal:
        small_cell(glass, core, oxygens + 1)
    assert text in str(refusal.value)


def test_the_core_stays_and_the_shell_is_another(requenched):
    _, start, found = requenched
    inside = start.arrays[CORE] >= 0
    assert _off(found.quenched, start, inside).max() < 1e-7
    assert np.median(_off(found.quenched, start, ~inside)) > 1.0
    assert 0 < _off(found.released, start, inside).mean() < 0.5
    assert min(brute_force_pairs(found.released, 2.0).values()) > 1.3


@pytest.mark.mpi
def test_the_script_runs_alone_in_the_folder_that_is_left(glass, requenched, tmp_path):
    core, start, _ = requenched
    _requench(glass, core, start, tmp_path, 7)
    script = data_file("lammps_inputs", SCRIPT).read_text()
    for name, value in {"core": len(core.atoms), "melt_ps": 0.01, "quench_ps": 0.01, "release_ps": 0.01}.items():
        script = f"variable {name} index {value}\n{script}"
    done = run_lammps(tmp_path / "7", script)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_same_seed_gives_the_same_cell(glass, requenched, tmp_path):
    core, start, found = requenched
    again = _requench(glass, core, start, tmp_path, 7)
    assert (again.released.positions == found.released.positions).all()
    other = _requench(glass, core, start, tmp_path, 8)
    assert np.median(_off(other.released, found.released, np.ones(len(start), dtype=bool))) > 0.5


def test_a_core_that_is_still_its_own_is_told_from_others(glass, center, likeness, requenched):
    core, _, found = requenched
    judged = [embedding.judged(glass, core, cell, likeness) for cell in (found.quenched, found.released)]
    assert all(map(embedding.accepted, judged))
    assert judged[0]["embed_median"] == likeness.medians["P"]
    # one O of the center's tetrahedron is gone to where nothing is bonded to it
    broken = found.quenched.copy()
    distances = broken.get_distances(0, range(len(broken)), mic=True)
    oxygen = next(k for k in np.argsort(distances) if broken.symbols[k] == "O")
    broken.positions[oxygen] = broken.positions[0] + 2.2 * (broken.positions[oxygen] - broken.positions[0])
    rattled = found.quenched.copy()
    rattled.positions += np.random.default_rng(1).normal(0, 0.4, rattled.positions.shape)
    for wrong in (broken, rattled):
        assert embedding.accepted(embedding.judged(glass, core, wrong, likeness)) is False


def test_a_cell_says_what_it_was_accepted_for(glass, center, likeness, tmp_path):
    cut = embedding.Cut(RADIUS_A, MOST, SHORT, tries=2, seed=3)
    forces = embedding.rigid_ion_forces(glass)
    cell = embedding.cut_cell(glass, center, forces, likeness, cut, comm=MPI.COMM_SELF, folder=tmp_path)
    assert cell.info["config_type"] == "embed" and cell.info["charge"] == 0 and cell.info["multiplicity"] == 1
    assert 0 < cell.info["embed_distance"] < cell.info["embed_median"] and 0 < cell.info["embed_core"] < 1
    assert cell.arrays[CORE][0] == center


def test_a_core_that_melts_when_released_is_refused(glass, center, likeness, tmp_path):
    hot = Course(melt_ps=0.05, quench_ps=0.05, release_ps=1.0, final_temperature_K=12000.0)
    cut = embedding.Cut(RADIUS_A, MOST, hot, tries=2)
    with pytest.raises(TaskFailed) as refusal:
        embedding.cut_cell(
            glass, center, embedding.rigid_ion_forces(glass), likeness, cut, comm=MPI.COMM_SELF, folder=tmp_path
        )
    assert refusal.value.failure == "NOT_ACCEPTED"
    assert str(refusal.value).startswith(f"center {center}: no cell accepted in 2 tries: ")
    assert str(refusal.value).count("for the center, ") == 2


def _charged(glass):
    glass = glass.copy()
    glass.arrays["ion"][0] = "Na2+"
    return glass


def _open(glass):
    glass = glass.copy()
    glass.pbc = False
    return glass


REFUSED = {
    "no such atom": (lambda glass: glass, 480, 3.2, 120, "center 480: the glass has atoms 0 to 479"),
    "wide": (lambda glass: glass, 0, 9.0, 120, "center 0: a core of 9 Å does not fit into a glass that is 18.7 Å wide"),
    "small glass": (lambda glass: glass, 0, 3.2, 480, "the glass has 480 atoms, and cells may have 480"),
    "many": (lambda glass: glass, 17, 5.0, 30, "max_atoms 30: the core alone has"),
    "images": (lambda glass: glass, 17, 5.0, 120, "less than 2.8 Å from its own images"),
    "charged": (_charged, 0, 3.2, 120, r"the ions add up to \+1 e; only neutral glasses"),
    "open": (_open, 0, 3.2, 120, "the glass is not periodic"),
    "unbalanced": (
        lambda glass: glass,
        17,
        3.2,
        20,
        r"a charge of [+-]\d+ e, which \d+ further ions .* cannot balance",
    ),
}


@pytest.mark.parametrize(("change", "center", "radius", "most", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_cut(glass, change, center, radius, most, message):
    changed = change(glass)
    with pytest.raises(InputError, match=message):
        small_cell(changed, core_around(changed, center, radius), most)


def test_surroundings_do_not_depend_on_orientation_or_order():
    glass = read_frames(DATA / "glasses" / "Na4V2P4O16_quench.extxyz")[0]
    describe = by_geometry(ELEMENTS)
    rows = describe(glass, range(len(glass)))
    order = np.random.default_rng(2).permutation(len(glass))
    turned = glass[order]
    turned.set_cell(glass.cell.array @ rotation(3).T)
    turned.positions = turned.positions @ rotation(3).T + [0.3, 0.1, 4.0]
    assert np.allclose(describe(turned, np.argsort(order)), rows, atol=1e-9)
    assert np.allclose(describe(glass.repeat((2, 1, 1)), [3, 3 + len(glass)]), rows[[3, 3]], atol=1e-9)
    assert min(median_distances(describe, glass, 1).values()) > 0


def test_uncertain_atoms_in_several_places_give_a_center_each(glass):
    describe = by_geometry(["Na", "O", "P"])
    seeds = [int(np.flatnonzero(glass.symbols == element)[k]) for element, k in (("P", 3), ("Na", 50), ("O", 200))]
    near = np.min([glass.get_distances(seed, range(len(glass)), mic=True) for seed in seeds], axis=0)
    uncertain = glass.copy()
    uncertain.set_array("deviation", np.exp(-(near**2)) * (near < 4.0))
    chosen = uncertain_centers(uncertain, 5, RADIUS_A, MOST, describe)
    assert 2 <= len(chosen) <= 5
    assert all(near[atom] < 4.0 for atom in chosen)
    cores = [set(core_around(glass, atom, RADIUS_A).atoms.tolist()) for atom in chosen]
    for one, other in itertools.combinations(cores, 2):
        assert len(one & other) <= 0.5 * min(len(one), len(other))
    assert uncertain_centers(uncertain, 1, RADIUS_A, MOST, describe)[0] in np.flatnonzero(near < 4.0)


def test_uncertain_atoms_whose_cores_do_not_fit_are_passed_over(glass):
    describe = by_geometry(["Na", "O", "P"])
    uncertain = glass.copy()
    uncertain.set_array("deviation", np.linspace(1.0, 2.0, len(glass)))
    for atom in uncertain_centers(uncertain, 4, 4.5, 130, describe):
        assert len(small_cell(glass, core_around(glass, atom, 4.5), 130)) <= 130
    with pytest.raises(InputError, match=r"max_atoms 60: "):
        uncertain_centers(uncertain, 4, 4.5, 60, describe)


@pytest.mark.parametrize(
    ("values", "message"),
    [(None, "no array 'deviation'"), (0.0, "is 0 for all atoms"), (np.nan, "must be a finite number")],
)
def test_deviations_that_tell_nothing(glass, values, message):
    frame = glass.copy()
    if values is not None:
        frame.set_array("deviation", np.full(len(glass), values))
    with pytest.raises(InputError, match=message):
        uncertain_centers(frame, 2, RADIUS_A, MOST, by_geometry(["Na", "O", "P"]))
