"""Cells of crystal and glass: melts packed against slabs, glasses joined to them, crystallites, and what is checked."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from naglass_drv.chemistry.ions import contact_distance, species
from naglass_drv.chemistry.masses import density
from naglass_drv.errors import InputError
from naglass_drv.interface import filling
from naglass_drv.interface.carving import Glass, broken_bonds, carve, quietest_height
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.interface.filling import Outside, fill
from naglass_drv.interface.inspection import inspect
from naglass_drv.interface.joining import PHASE, join, melt_against
from naglass_drv.interface.orient import oriented
from naglass_drv.interface.seeds import crystallite, seed_in_glass, seed_in_melt
from naglass_drv.interface.slabs import check_receptive_field, check_side, chosen, slab
from naglass_drv.interface.terminations import terminations
from naglass_drv.interface.transfer import transferred
from support.structures import DATA

MARICITE = DATA / "NaFePO4_maricite.extxyz"
GLASS = DATA / "glasses" / "NaPO3_fast_quench.extxyz"
NVP = DATA / "crystals" / "NVP_R-3c_hex_allNa.cif"
NASICON = {"Na": 3, "V": 2, "P": 3, "O": 12}


@pytest.fixture(scope="module")
def thin():
    """Maricite (100), 18 Å thick and 13.7 × 10.1 Å wide."""
    crystal = read_crystal(MARICITE)
    return slab(crystal, chosen(terminations(oriented(crystal, (1, 0, 0)))), thickness_A=12, lateral_A=10)


@pytest.fixture(scope="module")
def maricite():
    return read_crystal(MARICITE)


def phosphate_glass():
    return read(GLASS)


def ratios(atoms):
    """Distances of all pairs over their contact distances, by ASE."""
    distances = atoms.get_all_distances(mic=True)
    contact = np.array([[contact_distance(a, b) for b in atoms.symbols] for a in atoms.symbols])
    return (distances / contact)[np.triu_indices(len(atoms), 1)]


def oxygens_of(atoms):
    """O within 2.0 Å of each P, by ASE."""
    p, o = (np.flatnonzero(atoms.symbols == element) for element in "PO")
    return (atoms.get_all_distances(mic=True)[np.ix_(p, o)] < 2.0).sum(axis=1)


def test_a_melt_against_a_slab(thin):
    made = melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=15, seed=5)
    atoms, crystal = made.atoms, made.atoms.arrays[PHASE] == 1
    assert (atoms.positions[crystal] == thin.atoms.positions).all()
    units = made.facts["glass_units"]
    assert atoms[~crystal].get_chemical_formula() == Atoms(f"Na{units}O{3 * units}P{units}").get_chemical_formula()
    # the space between the nominal surfaces has the density asked for, and the nearest whole thickness
    space = atoms[~crystal]
    space.cell[2, 2] = made.facts["glass_A"]
    assert density(space) == pytest.approx(2.4, rel=1e-4)
    assert abs(made.facts["glass_A"] - 15) <= 101.96 * 1.66054 / 2.4 / thin.area / 2 + 1e-6
    assert atoms.cell[2, 2] == pytest.approx(thin.thickness_A + made.facts["glass_A"])
    assert ratios(atoms).min() >= made.facts["least_distance"] - 1e-9 >= 0.6 - 1e-9
    assert set(atoms.arrays["ion"]) == {"Na+", "Fe2+", "P5+", "O2-"}
    again = melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=15, seed=5)
    other = melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=15, seed=6)
    assert (again.atoms.positions == atoms.positions).all() and (other.atoms.positions != atoms.positions).any()
    assert inspect(made).faults == []


def test_a_strained_glass_is_joined_whole(thin):
    """1 % along x: every atom of the copies stays, and P loses oxygens only at the plane that is opened."""
    glass = phosphate_glass()
    lateral = thin.lateral.diagonal()
    glass.set_cell([lateral[0] / 1.01, lateral[1], 12.0], scale_atoms=True)
    made = join(thin, glass, glass_A=12.0, gap_A=2.5)
    atoms, crystal = made.atoms, made.atoms.arrays[PHASE] == 1
    assert made.facts["strain"] == pytest.approx(0.01) and not made.facts["cut"]
    assert atoms.cell.array[:2, :2] == pytest.approx(thin.lateral)
    part = atoms[~crystal]
    removed = made.facts["units_removed"]
    assert len(part) == len(glass) - 5 * removed and removed <= 2
    if not removed:
        lost = oxygens_of(glass).sum() - oxygens_of(part).sum()
        assert lost == pytest.approx(made.facts["bonds_cut_in_glass"], abs=1)
    # the glass has the volume that it had, strained; the crystal its own
    assert made.facts["glass_A"] == pytest.approx(12.0)
    assert atoms.cell[2, 2] == pytest.approx(thin.thickness_A + 12.0 + 2 * 2.5)
    assert (oxygens_of(atoms[crystal]) == 4).all()
    assert inspect(made).faults == []


def test_a_wide_glass_is_cut_in_whole_formula_units(thin):
    glass = phosphate_glass().repeat((2, 2, 2))
    made = join(thin, glass, glass_A=12.0, most_strain=0.01)
    part = made.atoms[made.atoms.arrays[PHASE] == 0]
    counts = {element: int((part.symbols == element).sum()) for element in ("Na", "P", "O")}
    assert made.facts["cut"] and counts["Na"] == counts["P"] == counts["O"] / 3 == made.facts["glass_units"]
    # contacts across the seams are gone with whole units; the density of what is left is near that of the glass
    assert ratios(made.atoms).min() >= 0.6
    assert made.facts["glass_density_g_cm3"] == pytest.approx(density(glass), rel=0.25)
    seen = inspect(made)
    assert seen.faults == [] and seen.sides["glass"].units == made.facts["glass_units"]


def test_carving_against_a_plain_count():
    """Whole units, none of the forbidden atoms, no oxygen left between two kept formers."""
    glass = Glass.of(phosphate_glass().repeat((2, 2, 1)))
    atoms = glass.atoms
    order = atoms.positions[:, 0]
    forbidden = np.zeros(len(atoms), dtype=bool)
    forbidden[np.flatnonzero(atoms.symbols == "Na")[:3]] = True
    kept = carve(glass, order, forbidden, 30)
    inside = np.isin(np.arange(len(atoms)), kept)
    counts = {element: int((atoms.symbols[kept] == element).sum()) for element in ("Na", "P", "O")}
    assert counts["Na"] == counts["P"] == counts["O"] / 3 and 25 <= counts["P"] <= 30
    assert not (inside & forbidden).any()
    near = (atoms.get_all_distances(mic=True) < 2.0) & (atoms.symbols == "P")[None, :] & (atoms.symbols == "O")[:, None]
    oxygens = np.flatnonzero(near.any(axis=1))
    bridging = [o for o in oxygens if inside[near[o]].all()]
    assert inside[bridging].all()
    assert broken_bonds(glass, kept) == sum((inside[near[o]]).sum() for o in oxygens if not inside[o])


def test_the_quietest_height_crosses_no_bond_of_a_layer():
    """Two PO4 groups at known heights: the plane lies between them."""
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 1.54 / 3**0.5
    places = [np.array([5, 5, z]) for z in (0.3, 5.0)]
    positions = np.concatenate([[place, *(place + tetrahedron)] for place in places])
    atoms = Atoms("PO4" * 2, positions, cell=[10, 10, 10], pbc=True)
    height = quietest_height(Glass.of(atoms))
    for place in places:
        assert abs((height - place[2] + 5) % 10 - 5) >= 0.88


@pytest.mark.parametrize("shape", ["sphere", "cylinder"])
def test_crystallites_are_whole_and_turned(maricite, shape):
    """By their sites: turned back, Fe of maricite stand on half cell vectors from each other."""
    direction = (0, 1, 0) if shape == "sphere" else (1, 0, 0)
    grain = crystallite(maricite, 7.0, shape, direction=direction, length_A=12, seed=2)
    atoms = grain.atoms
    number = grain.units
    assert atoms.get_chemical_formula() == Atoms(f"Na{number}Fe{number}P{number}O{4 * number}").get_chemical_formula()
    assert grain.radius_A == pytest.approx(7.0, rel=0.05)
    along = maricite.atoms.cell.array[direction.index(1)]
    assert grain.rotation @ along == pytest.approx([0, 0, np.linalg.norm(along)])
    assert np.linalg.det(grain.rotation) == pytest.approx(1)
    iron = (atoms.positions[atoms.symbols == "Fe"] @ grain.rotation) @ np.linalg.inv(maricite.atoms.cell.array)
    halves = 2 * (iron - iron[0])
    assert halves == pytest.approx(np.round(halves), abs=1e-6)
    if shape == "cylinder":
        assert grain.period_A == pytest.approx(2 * np.linalg.norm(along))
        atoms.cell[2, 2] = grain.period_A
    assert (oxygens_of(atoms) == 4).all()
    across = 3 if shape == "sphere" else 2
    assert np.linalg.norm(atoms.positions[:, :across], axis=1).max() < 7.0 + 4.0
    assert np.linalg.norm(grain.dipole_eA) < 7.0
    assert (crystallite(maricite, 7.0, shape, direction=direction, length_A=12, seed=2).atoms == atoms) or (
        shape == "cylinder"
    )


def test_a_seed_of_disordered_nasicon():
    grain = crystallite(read_crystal(NVP, NASICON), 6.0, seed=1)
    counts = {element: int((grain.atoms.symbols == element).sum()) for element in NASICON}
    assert {element: count / grain.units for element, count in counts.items()} == NASICON
    assert (oxygens_of(grain.atoms) == 4).all()


def test_a_seed_in_a_melt(maricite):
    grain = crystallite(maricite, 4.5, seed=3)
    made = seed_in_melt(grain, {"Na": 1, "P": 1, "O": 3}, 2.4, width_A=19.0, seed=1)
    crystal = made.atoms.arrays[PHASE] == 1
    apart = made.atoms.positions - made.atoms.cell.lengths() / 2
    apart -= made.atoms.cell.lengths() * np.round(apart / made.atoms.cell.lengths())
    assert np.linalg.norm(apart[~crystal], axis=1).min() >= grain.radius_A - 1.0 - 1e-9
    # the melt has its density in what the crystal, at its own, leaves
    volume = made.atoms.cell.volume - grain.units * maricite.atoms.cell.volume / 4
    mass = made.atoms.get_masses()[~crystal].sum()
    assert 1.66053906660 * mass / volume == pytest.approx(2.4, rel=1e-4)
    assert ratios(made.atoms).min() >= made.facts["least_distance"] - 1e-9
    assert inspect(made).faults == []


@pytest.mark.parametrize("shape", ["sphere", "cylinder"])
def test_a_seed_in_a_glass(maricite, shape):
    glass = phosphate_glass().repeat((2, 2, 2))
    grain = crystallite(maricite, 3.8, shape, length_A=18, seed=3)
    if shape == "cylinder":
        glass.set_cell([*glass.cell.lengths()[:2], grain.period_A / 1.015], scale_atoms=True)
    made = seed_in_glass(grain, glass)
    part = made.atoms[made.atoms.arrays[PHASE] == 0]
    assert len(part) == 5 * made.facts["glass_units"] and made.facts["units_removed"] > 0
    assert made.facts["strain"] == pytest.approx(0.015 if shape == "cylinder" else 0.0)
    taken = grain.units * maricite.atoms.cell.volume / 4
    assert made.facts["units_removed"] >= taken / (made.atoms.cell.volume / 96) - 1e-9
    assert inspect(made).faults == []


def test_planted_faults_are_found(thin):
    made = melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=12, seed=1)
    atoms = made.atoms
    seen = inspect(made)
    bins = seen.density_g_cm3["both"]
    mass = bins.sum() * atoms.cell.volume / len(bins) / 1.66053906660
    assert mass == pytest.approx(atoms.get_masses().sum(), rel=1e-6)
    assert (seen.density_g_cm3["crystal"] + seen.density_g_cm3["glass"]) == pytest.approx(bins)
    assert seen.sides["crystal"].oxygens_of_P == {4: int(((atoms.symbols == "P") & (atoms.arrays[PHASE] == 1)).sum())}
    assert seen.crystal_dipole_eA[2] == pytest.approx(thin.dipole_eA)
    assert seen.nearest[3] == pytest.approx(ratios(atoms).min())

    first_oxygen = int(np.flatnonzero(atoms.symbols == "O")[0])
    without = replace(made, atoms=atoms[[k for k in range(len(atoms)) if k != first_oxygen]])
    faults = " | ".join(inspect(without).faults)
    assert "the crystal is off its stoichiometry by" in faults and "the crystal has a charge of +2 e" in faults
    assert "1 P of the crystal with 3 O" in faults

    near = atoms.copy()
    near.positions[-1] = near.positions[-2] + [0.5, 0, 0]
    assert "pairs nearer than 0.55 of their contact distance" in inspect(replace(made, atoms=near)).faults[-1]


def test_oxygens_at_the_surface_have_not_left(maricite):
    cut = next(cut for cut in terminations(oriented(maricite, (0, 0, 1))) if cut.share)
    made = melt_against(slab(maricite, cut, thickness_A=9, lateral_A=8), {"Na": 1, "P": 1, "O": 3}, 2.2, glass_A=9)
    assert made.atoms.positions[made.atoms.arrays[PHASE] == 1, 2].min() < -1.0
    assert transferred(made, made.atoms).left == {}


def test_planted_exchanges_are_counted(thin):
    """Two Na swapped across a surface, one O gone out; all of it drifted through the cell's boundary, and stretched."""
    made = melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=14, seed=2)
    now = made.atoms.copy()
    crystal = now.arrays[PHASE] == 1
    middle_of_glass = thin.thickness_A + made.facts["glass_A"] / 2
    assert transferred(made, now).left == transferred(made, now).entered == {}
    out = np.flatnonzero(crystal & (now.symbols == "Na"))[:2]
    gone = np.flatnonzero(crystal & (now.symbols == "O"))[:1]
    into = np.flatnonzero(~crystal & (now.symbols == "Na"))[:2]
    now.positions[[*out, *gone], 2] = middle_of_glass
    now.positions[into, 2] = thin.thickness_A / 2
    now.positions[:, 2] += 3.3
    now.cell[2, 2] += 0.5
    now.wrap()
    found = transferred(made, now)
    assert found.left == {"Na": 2, "O": 1} and found.entered == {"Na": 2} and found.charge_e == pytest.approx(2)
    assert found.drift_A == pytest.approx(3.3) and found.per_nm2 == {"O": pytest.approx(-100 / (2 * thin.area))}
    with pytest.raises(InputError, match="not the atoms of the cell"):
        transferred(made, now[1:])
    with pytest.raises(InputError, match="only a slab"):
        transferred(replace(made, facts={}), now)


def test_the_receptive_field_fits_twice():
    assert check_receptive_field(30, 40, 2, 6.0) == 12.0 and check_receptive_field(3, 4, None, None) is None
    with pytest.raises(InputError, match=r"crystal 20\.0 Å: thinner than twice .* 2 × 2 layers × 6 Å = 24 Å"):
        check_receptive_field(20, 40, 2, 6.0)
    with pytest.raises(InputError, match=r"glass 23\.0 Å: thinner"):
        check_receptive_field(30, 23, 2, 6.0)


def unmatched():
    glass = phosphate_glass()
    glass.set_cell([8.0, 8.0, 9.0], scale_atoms=True)
    return glass


def charged():
    glass = phosphate_glass()
    del glass.arrays["ion"], glass[0]
    return glass


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda thin, _: join(thin, unmatched(), glass_A=9), r"does not match the slab of 13\.72 × 10\.10 Å: the best"),
        (lambda thin, _: join(thin, charged()), "the glass: composition: charges do not balance.*instead of"),
        (lambda thin, _: join(thin, phosphate_glass(), gap_A=9), "gap 9 Å"),
        (lambda thin, _: melt_against(thin, {"Na": 1, "P": 1, "O": 4}, 2.4), "charges do not balance"),
        (lambda thin, _: melt_against(thin, {"Na": 1, "P": 1, "O": 3}, -1), "density -1 g/cm³"),
        (lambda thin, _: melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, glass_A=0.1), r"one NaPO3 takes 71 Å³"),
        (lambda thin, _: melt_against(thin, {"Na": 0, "P": 1, "O": 3}, 2.4), "composition Na: 0"),
        (lambda thin, _: melt_against(thin, {"Na": 1, "P": 1, "O": 3}, 2.4, model=(2, 5.0)), "thinner than twice"),
        (lambda thin, _: check_side(thin.atoms[1:], thin.crystal.formula, thin.crystal.charges, "the slab"),
         r"the slab has \d+ × .* and an excess of"),
        (lambda _, whole: crystallite(whole, 1.0), "radius 1 Å: holds no"),
        (lambda _, whole: crystallite(whole, 5.0, "cube"), "shape 'cube'"),
        (lambda _, whole: crystallite(whole, 5.0, direction=(0, 0, 0)), "hkl 0 0 0"),
        (lambda _, whole: seed_in_melt(crystallite(whole, 6.0), {"Na": 1, "P": 1, "O": 3}, 2.4, width_A=20),
         r"the seed is 12\.1 Å in diameter .*more than half of the cell, which is 20\.0 Å wide; it takes a cell, "
         r"or a glass, that is at least 24\.3 Å"),
        (lambda _, whole: seed_in_glass(crystallite(whole, 4.0), phosphate_glass()), "more than half of the cell"),
        (lambda _, whole: seed_in_glass(crystallite(whole, 3.0, "cylinder"), phosphate_glass().repeat((2, 2, 2))),
         r"2[05]\.\d+ Å: 1 copies are strained by"),
        (lambda *_: crystallite(read_crystal(DATA / "crystals" / "SiO2_alpha_quartz_ringfixture.cif"), 5.0),
         "network without end"),
    ],
)  # fmt: skip
def test_what_is_refused(thin, maricite, call, message):
    with pytest.raises(InputError, match=message):
        call(thin, maricite)


def test_ions_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(filling, "_ROUNDS", 60)
    held = Atoms("Na", positions=[[5, 5, 5]], cell=[10, 10, 10], pbc=True)
    with pytest.raises(InputError, match="does not fit beside the crystal"):
        fill(held, species({"Na": 1, "P": 1, "O": 3}, 60), Outside(held.cell.array, 3.0, axial=False))
