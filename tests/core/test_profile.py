"""Profiles about surfaces: exact answers on crystals, known steps and excesses, and errors that cover the truth."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import _core, core
from naglass_drv.errors import InputError
from support.structures import crystal, rotation, silicate_glass

NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
LN9 = np.log(9.0)


def slab(rng, *, lower=12.0, upper=33.0, height=50.0, width=(2.0, 3.0), atoms=400, noise=0.1, levels=(0.9, 0.2)):
    """Atoms at random heights, and their order parameters: a tanh step at each surface and Gaussian noise."""
    z = rng.uniform(0, height, atoms)
    inside = sum(
        0.5 * (np.tanh((z - lower - n * height) / width[0]) - np.tanh((z - upper - n * height) / width[1]))
        for n in (-1, 0, 1)
    )
    order = levels[1] + (levels[0] - levels[1]) * inside + noise * rng.normal(size=atoms)
    positions = np.column_stack([rng.uniform(0, 10, (atoms, 2)), z])
    return Atoms(["V"] * atoms, positions=positions, cell=[10, 10, height], pbc=True), order


def test_a_tanh_profile_returns_its_surfaces_and_widths():
    rng = np.random.default_rng(1)
    atoms, order = slab(rng, atoms=40000, noise=0.0)
    for bin_width in (0.5, 1.0, 2.0):
        found = core.gibbs_surfaces(atoms, order, bin_width=bin_width)
        # the atoms of a bin are not evenly spread over it
        assert found.position == pytest.approx([12, 33], abs=0.02)
        assert found.width == pytest.approx([2 * LN9, 3 * LN9], rel=0.02)
        assert (found.crystal, found.outside) == pytest.approx((0.9, 0.2), abs=2e-3)
    wrapped = atoms.copy()
    wrapped.positions[:, 2] -= 25.0
    moved = core.gibbs_surfaces(wrapped, order)
    assert moved.position == pytest.approx([37, 58], abs=0.02) and moved.width == pytest.approx(found.width, rel=0.03)


def test_a_sharp_surface_is_found_within_its_bin():
    z = (np.arange(2000) + 0.5) / 2000 * 40
    atoms = Atoms(["V"] * 2000, positions=np.column_stack([0 * z, 0 * z, z]), cell=[5, 5, 40], pbc=True)
    found = core.gibbs_surfaces(atoms, ((z > 10.3) & (z < 28.75)).astype(float))
    assert found.position == pytest.approx([10.3, 28.75], abs=0.02) and (found.width < 0.5).all()


def test_errors_of_surfaces_cover_the_truth():
    truth = np.array([12, 33, 2 * LN9, 3 * LN9, 0.9, 0.2])
    off = []
    for seed in range(200):
        found = core.gibbs_surfaces(*slab(np.random.default_rng([seed, 3])))
        value = np.array([*found.position, *found.width, found.crystal, found.outside])
        off.append((value - truth) / [*found.position_err, *found.width_err, found.crystal_err, found.outside_err])
    inside = np.abs(off) < 1
    assert ((inside.mean(axis=0) > 0.58) & (inside.mean(axis=0) < 0.78)).all(), inside.mean(axis=0)
    assert ((np.abs(off) < 2).mean(axis=0) > 0.9).all()


@pytest.mark.parametrize("kind", ["glass", "crystal", "two atoms"])
def test_what_has_no_surface_is_refused(kind):
    rng = np.random.default_rng(5)
    atoms, order = slab(rng, levels=(0.2, 0.2))
    message = "explain less than half"
    if kind == "crystal":
        order = np.ones(len(atoms))
    if kind == "two atoms":
        order[2:], message = np.nan, "fewer than 8 bins contain atoms"
    with pytest.raises(InputError, match=message):
        core.gibbs_surfaces(atoms, order)


def test_a_crystal_joined_to_itself_is_flat():
    """Layers as thick as the crystal's repeat; the surfaces may lie anywhere."""
    cell = NVP * (1, 1, 4)
    repeat = NVP.cell[2, 2]
    values = {"bonds": core.bond_graph(cell, {("P", "O"): 2.0}).coordination().astype(float)}
    found = core.profile([cell] * 3, lambda _: values, surfaces=(0.37, 0.37 + 2 * repeat), width=repeat, reach=repeat)
    volume = NVP.cell.volume
    for element, count in (("Na", 18), ("V", 12), ("P", 18), ("O", 72)):
        assert found[f"density_{element}"].value == pytest.approx(count / volume), element
        assert found[f"fraction_{element}"].value == pytest.approx(count / len(NVP))
        excess = core.excess_per_area(found, element, crystal=(-repeat, 0), outside=(0, repeat))
        assert excess.value == pytest.approx(0, abs=1e-12) and excess.err == pytest.approx(0, abs=1e-12)
    assert found["bonds"].value == pytest.approx(2 * 72 / len(NVP)) and found["bonds"].err == pytest.approx(0.0)
    assert found["mass_density"].value == pytest.approx(NVP.get_masses().sum() / volume * 1.66053906660, rel=1e-4)


def random_layers(rng, frames, *, extra=0, height=40.0, area=100.0, density=(0.04, 0.02)):
    """Ideal gases within and outside a slab from 10 to 30 Å, and `extra` atoms in a sheet outside each surface."""
    for _ in range(frames):
        parts = [rng.uniform(10, 30, rng.poisson(density[0] * 20 * area))]
        outside = rng.uniform(30, 50, rng.poisson(density[1] * 20 * area))
        parts += [outside, np.full(extra, 30.7), np.full(extra, 9.3)]
        z = np.concatenate(parts) % height
        yield z, area


def excess_of(z_by_frame, relative_to=None):
    """Excess of Na from frames whose number of atoms varies: the missing ones are moved far outside of the reach."""
    most = max(len(z) for z, _ in z_by_frame)
    profiler = core.Profiler(width=1.0)
    for z, area in z_by_frame:
        counted = np.full(most, np.nan)
        counted[: len(z)] = 1.0
        positions = np.zeros((most, 3))
        positions[: len(z), 2] = z
        edge = np.sqrt(area)
        atoms = Atoms(["Na"] * most, positions=positions, cell=[edge, edge, 40], pbc=True)
        profiler.add(atoms, {"there": counted}, surfaces=(10, 30))
    found = profiler.result()
    there = found["there"]
    density = core.layer_sums.column(there.denominator, found["density_Na"].denominator)
    return core.Profile(
        found.distance, 1.0, {"density_Na": density}, found.position, found.surface_width, found.samples
    )


RANGES = {"crystal": (-10, -3), "outside": (3, 10)}


def test_a_known_excess_is_found_and_its_error_covers_it():
    off = []
    for seed in range(120):
        frames = list(random_layers(np.random.default_rng([seed, 7]), 20, extra=5))
        found = core.excess_per_area(excess_of(frames), "Na", **RANGES)
        off.append((found.value - 0.05) / found.err)
    inside = np.mean(np.abs(off) < 1), np.mean(np.abs(off) < 2)
    assert 0.6 < inside[0] < 0.82 and inside[1] > 0.92, inside
    assert np.mean(off) == pytest.approx(0, abs=4 / np.sqrt(120))


def test_relative_excess_does_not_depend_on_the_dividing_surface():
    """Planes of atoms 0.1 Å apart, and two sheets; a shift of the surfaces by a bin moves Γ by the step in density."""
    planes = np.arange(400) * 0.1 + 0.05
    inside = (planes > 10) & (planes < 30)
    z = {"Na": np.repeat(planes, np.where(inside, 3, 1)), "O": np.repeat(planes, np.where(inside, 1, 2))}
    z["Na"] = np.concatenate([z["Na"], np.full(5, 30.75), np.full(5, 9.25)])
    symbols = ["Na"] * len(z["Na"]) + ["O"] * len(z["O"])
    z_all = np.concatenate([z["Na"], z["O"]])
    atoms = Atoms(symbols, positions=np.column_stack([0 * z_all, 0 * z_all, z_all]), cell=[10, 10, 40], pbc=True)
    plain, relative = [], []
    for shift in (0.0, 1.0):
        found = core.profile(atoms, surfaces=(10 - shift, 30 + shift), reach=9)
        ranges = {"crystal": (-9, -4), "outside": (4, 8)}
        plain.append(core.excess_per_area(found, "Na", **ranges).value)
        relative.append(core.excess_per_area(found, "Na", relative_to="O", **ranges).value)
    assert plain == pytest.approx([0.05, 0.05 - 1.0 * (0.3 - 0.1)])
    assert relative == pytest.approx([0.05, 0.05])


def profile_errors(seed: int, kind: str):
    """Deviations in units of the error of a mean value per layer: atoms that move, or a glass whose atoms stay."""
    rng = np.random.default_rng([seed, 11])
    atoms, quenched = 300, kind == "quenched"
    z, level = rng.uniform(0, 40, atoms), rng.normal(size=atoms)
    profiler = core.Profiler(width=2.0)
    for _ in range(40):
        if not quenched:
            z, level = rng.uniform(0, 40, atoms), rng.normal(size=atoms)
        positions = np.column_stack([0 * z, 0 * z, z])
        frame = Atoms(["Na"] * atoms, positions=positions, cell=[10, 10, 40], pbc=True)
        profiler.add(frame, {"level": 0.5 + level + 0.2 * rng.normal(size=atoms)}, surfaces=(10, 30))
    found = profiler.result()["level"]
    return ((found.value - 0.5) / found.err)[np.isfinite(found.err)]


@pytest.mark.parametrize("kind", ["moving", "quenched"])
def test_errors_of_layers_cover_the_truth(kind):
    """In a glass that does not relax only the two surfaces show how far one differs from another."""
    off = np.concatenate([profile_errors(seed, kind) for seed in range(120)])
    assert 0.61 < np.mean(np.abs(off) < 1) < 0.76 and 0.91 < np.mean(np.abs(off) < 2) < 0.98


def test_layers_do_not_depend_on_cell_order_or_axis():
    glass = silicate_glass()
    height = glass.cell.lengths()[2]
    plain = core.profile(glass, surfaces=(10.0, 20.0), width=1.5)
    order = np.random.default_rng(1).permutation(len(glass))
    turned = glass[order]
    turned.set_cell(turned.cell.array @ rotation(3), scale_atoms=True)
    turned.positions += 7 * turned.cell[2] + turned.cell[0]
    cycled = Atoms(turned.get_chemical_symbols(), scaled_positions=turned.get_scaled_positions()[:, [2, 0, 1]],
                   cell=turned.cell[[2, 0, 1]], pbc=True)  # fmt: skip
    for other, axis in ((turned, 2), (cycled, 0)):
        found = core.profile(other, surfaces=(10.0, 20.0), width=1.5, axis=axis)
        for name, each in plain.columns.items():
            assert found[name].value == pytest.approx(each.value, nan_ok=True), name
    counts = plain["density_O"].numerator.sum()
    assert counts == glass.get_chemical_symbols().count("O")
    assert plain["density_O"].denominator.sum() == pytest.approx(glass.cell.volume)
    across = core.profile(glass, width=height / 7)
    assert len(across.distance) == 7 and across.width == pytest.approx(height / 7)
    assert across["density_Na"].numerator.sum() == glass.get_chemical_symbols().count("Na")


def test_sums_are_the_same_for_every_order_of_the_atoms():
    rng = np.random.default_rng(2)
    bins, values = (
        rng.integers(-1, 5, 1000).astype(np.int32),
        rng.normal(size=(2, 1000)) * 10.0 ** rng.integers(-6, 6, 1000),
    )
    values[0, ::7] = np.nan
    plain = _core.layer_sums(bins, values, 5)
    mixed = rng.permutation(1000)
    again = _core.layer_sums(bins[mixed], values[:, mixed], 5)
    assert (plain == again).all()
    for bin_ in range(5):
        chosen = values[0][(bins == bin_) & ~np.isnan(values[0])]
        assert plain[0, bin_, 0] == len(chosen) and plain[0, bin_, 1] == pytest.approx(chosen.sum(), abs=1e-9)


def test_surfaces_that_move_are_followed():
    """A crystal that drifts through the boundary: layers stay sharp about its surfaces, positions are continuous."""
    profiler = core.Profiler(width=1.0)
    for frame in range(6):
        atoms, order = slab(np.random.default_rng(frame), atoms=4000, width=(0.5, 0.5), noise=0.01)
        atoms.positions[:, 2] += 5.0 * frame
        found = profiler.add(atoms, {"order": order}, order=order)
        assert found.position[0] == pytest.approx((12 + 5 * frame) % 50, abs=0.1)
    result = profiler.result()
    assert result.position[:, 1] - result.position[:, 0] == pytest.approx(21, abs=0.1)
    assert np.diff(result.position[:, 0]) == pytest.approx(5.0, abs=0.1)
    level = result["order"].value
    assert level[result.distance < -2][-8:] == pytest.approx(0.9, abs=0.02)
    assert level[(result.distance > 2) & (result.distance < 14)] == pytest.approx(0.2, abs=0.02)


def test_a_crystal_is_found_by_its_similarity():
    """NASICON in a surrounding without order: surfaces within a lattice plane of where the order ends."""
    reference = core.environments(NVP, "V", ("O", "P"), 3.8)
    cell = NVP * (2, 2, 4)
    rng = np.random.default_rng(8)
    ends = np.array([1.5, 3.5]) * NVP.cell[2, 2]
    outside = (cell.positions[:, 2] < ends[0]) | (cell.positions[:, 2] > ends[1])
    profiler = core.Profiler(width=2.0)
    for _ in range(3):
        frame = cell.copy()
        frame.positions += rng.normal(size=(len(cell), 3)) * np.where(outside, 0.6, 0.08)[:, None]
        profiler.add(frame, {"order": outside.astype(float)}, order=core.crystal_similarity(frame, reference))
    found = profiler.result()
    planes = NVP.cell[2, 2] / 6
    assert np.abs(found.position - ends).max() < planes and (found.surface_width < 3 * planes).all()
    far = (np.abs(found.distance) > planes) & (np.abs(found.distance) < NVP.cell[2, 2] - planes)
    assert found["order"].value[far] == pytest.approx((found.distance[far] > 0).astype(float))


BAD = {
    "axis": (dict(axis=3), "axis = 3: must be a whole number"),
    "width": (dict(width=0.0), "width = 0.0: must be a positive number"),
    "values": (dict(values={"q": 1}), "values = .*: must be a function of a frame"),
    "infinite": (dict(values=lambda f: {"q": np.full(len(f), np.inf)}), r"values\['q'\]\[0\] = inf"),
    "shape": (dict(values=lambda f: {"q": np.ones(3)}), r"values\['q'\] = array of shape \(3,\)"),
    "surfaces": (dict(surfaces=(30.0, 10.0)), "upper = 10"),
    "two kinds": (dict(surfaces=(10.0, 20.0), order=lambda f: np.ones(len(f))), "order, surfaces: give one of them"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_argument_is_named(case):
    options, message = BAD[case]
    with pytest.raises(InputError, match=message):
        core.profile(silicate_glass()[:30], **options)


def test_excess_needs_ranges_on_their_sides():
    found = core.profile(silicate_glass(), surfaces=(10.0, 25.0))
    for ranges, message in (
        (dict(crystal=(3, 5), outside=(3, 5)), r"crystal = \(3, 5\): must be a range on its side"),
        (dict(crystal=(-5, -3), outside=(3, 50)), r"outside = \(3, 50\): the profile reaches to"),
        (dict(crystal=(-9, -3), outside=(3, 9)), "reach beyond the middle of the phases"),
    ):
        with pytest.raises(InputError, match=message):
            core.excess_per_area(found, "Na", **ranges)
    with pytest.raises(InputError, match="column = 'density_K': the profile has density_O"):
        core.excess_per_area(found, "K", crystal=(-5, -3), outside=(3, 5))
    with pytest.raises(InputError, match="made without surfaces"):
        core.excess_per_area(core.profile(silicate_glass()), "Na", crystal=(-5, -3), outside=(3, 5))


def test_distances_from_surfaces():
    atoms = Atoms("Na5", positions=[[0, 0, z] for z in (1.0, 11.0, 19.0, 22.0, 36.0)], cell=[8, 8, 40], pbc=True)
    distance, surface = core.surface_distances(atoms, (10.0, 20.0))
    assert distance == pytest.approx([9, -1, -1, 2, 14]) and surface.tolist() == [0, 0, 1, 1, 0]
    moved = core.surface_distances(atoms, (30.0, 60.0))
    assert moved[0] == pytest.approx([-11, -9, -1, 2, -6]) and moved[1].tolist() == [0, 1, 1, 1, 0]
    with pytest.raises(InputError, match="position = .20.0, 10.0.: the second must be above the first"):
        core.surface_distances(atoms, (20.0, 10.0))
