"""Bond fingerprints: published and exact values, an independent oracle, invariances, bad input."""

import json
import math

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.errors import InputError
from support.structures import DATA, crystal

FIXTURES = json.loads((DATA / "fixtures.json").read_text())
CRYSTALS = {
    "NVP": "NVP_R-3c_Na3_ewald_ordered",
    "aNaVOPO4_model": "NaVOPO4_alpha_P21c_DLSmodel",
    "aVOPO4": "VOPO4_alphaII_P4n",
    "V2O5": "V2O5_alpha_Pmmn",
}
V_O = {("V", "O"): 2.5}


def polyhedron(directions, lengths, element="V"):
    """A center at the origin with oxygens along `directions`."""
    unit = np.array(directions, dtype=float)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    positions = [[0, 0, 0], *(unit * np.broadcast_to(lengths, len(unit))[:, None])]
    return Atoms(f"{element}O{len(unit)}", positions=positions)


OCTAHEDRON = [[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
PYRAMID = [[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
BIPYRAMID = [[0, 0, 1], [0, 0, -1], [1, 0, 0], [-0.5, math.sqrt(0.75), 0], [-0.5, -math.sqrt(0.75), 0]]
TETRAHEDRON = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
SQUARE = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]


@pytest.mark.parametrize("name", CRYSTALS)
def test_crystals_have_the_published_sums_distortions_and_vanadyl_bonds(name):
    found = core.fingerprint(crystal(CRYSTALS[name]), {("V", "O"): 2.6}, valence_cutoff=3.2)
    assert found.bond_valence.mean() == pytest.approx(FIXTURES["BVS_HuZhou_R0_1.788_b_0.32"][name], abs=0.005)
    assert found.baur.mean() == pytest.approx(FIXTURES["Baur_D_cut2.6"][name], abs=5e-5)
    assert found.vanadyl.tolist() == [FIXTURES["n_vanadyl_lt1.74"][name]] * len(found.centers)


@pytest.mark.parametrize(
    ("name", "label", "state"),
    [("NVP", "[0+6+0]", 3), ("aNaVOPO4_model", "[1+4+1]", 4), ("aVOPO4", "[1+4]", 5), ("V2O5", "[1+4]", 5)],
)
@pytest.mark.parametrize(
    "options",
    [{"bond_valence": s} for s in ("default", "brown-altermatt", "gagne-hawthorne", "softbv")] + [{"assign": "map"}],
)
def test_every_route_gives_the_crystals_their_oxidation_state(name, label, state, options):
    found = core.fingerprint(crystal(CRYSTALS[name]), V_O, balance=True, **options)
    assert set(found.label) == {label}
    assert {by: set(s.tolist()) for by, s in found.classes.items()} == {
        "valence": {state}, "geometry": {state}, "charge": {state}
    }  # fmt: skip
    assert found.fractions() == {state: 1.0}


@pytest.mark.parametrize(
    ("shape", "tau4", "tau5"),
    [
        (TETRAHEDRON, (360 - 2 * math.degrees(math.acos(-1 / 3))) / 141, None),
        (SQUARE, 0.0, None),
        (PYRAMID, None, 0.0),
        (BIPYRAMID, None, 1.0),
        (OCTAHEDRON, None, None),
    ],
)
def test_shape_indices_of_ideal_polyhedra(shape, tau4, tau5):
    found = core.fingerprint(polyhedron(shape, 1.9), V_O)
    for value, expected in ((found.tau4[0], tau4), (found.tau5[0], tau5)):
        assert math.isnan(value) if expected is None else value == pytest.approx(expected, abs=1e-6)
    assert found.baur[0] == pytest.approx(0.0, abs=1e-15)


def test_tau5_of_a_pyramid_whose_center_is_lifted_off_the_base():
    """Base bonds 105° from the apex: both trans angles are 150°, so τ5 stays 0."""
    lift, out = math.cos(math.radians(105)), math.sin(math.radians(105))
    directions = [[0, 0, 1], [out, 0, lift], [-out, 0, lift], [0, out, lift], [0, -out, lift]]
    found = core.fingerprint(polyhedron(directions, 1.9), V_O)
    assert found.tau5[0] == pytest.approx(0.0, abs=1e-9)


def test_off_centering_is_the_vector_sum_of_bond_valences():
    s = math.exp((1.788 - 1.9) / 0.32)
    assert core.fingerprint(polyhedron(OCTAHEDRON, 1.9), V_O).off_centering[0] == pytest.approx(0.0, abs=1e-12)
    assert core.fingerprint(polyhedron(PYRAMID, 1.9), V_O).off_centering[0] == pytest.approx(s, rel=1e-12)
    short = math.exp((1.788 - 1.6) / 0.32)
    lengths = [1.6, 1.9, 1.9, 1.9, 1.9, 1.9]
    found = core.fingerprint(polyhedron(OCTAHEDRON, lengths), V_O)
    assert found.off_centering[0] == pytest.approx(short - s, rel=1e-12)
    assert found.bond_valence[0] == pytest.approx(short + 5 * s, rel=1e-12)


def test_vanadyl_index_opposes_the_shortest_bond_or_compares_the_two_shortest():
    octahedral = core.fingerprint(polyhedron(OCTAHEDRON, [1.6, 2.2, 1.9, 1.95, 2.0, 2.3]), V_O)
    assert octahedral.vanadyl_index[0] == pytest.approx(0.6, abs=1e-12)
    pyramidal = core.fingerprint(polyhedron(PYRAMID, [1.6, 1.9, 1.95, 2.0, 2.05]), V_O)
    assert pyramidal.vanadyl_index[0] == pytest.approx(0.3 / 1.6, abs=1e-12)
    assert math.isnan(core.fingerprint(polyhedron([[1, 0, 0]], 1.6), V_O).vanadyl_index[0])


@pytest.mark.parametrize(
    ("shape", "lengths", "label", "state"),
    [
        (OCTAHEDRON, [1.60, 2.20, 2.0, 2.0, 2.0, 2.0], "[1+4+1]", 4),
        (OCTAHEDRON, [1.60, 2.20, 1.85, 2.0, 2.0, 2.0], "[1+4+1]", 5),
        (OCTAHEDRON, [1.60, 2.09, 2.0, 2.0, 2.0, 2.0], "[1+5+0]", 4),
        (OCTAHEDRON, [1.62, 2.22, 1.65, 2.21, 1.9, 1.9], "[2+2+2]", 5),
        (OCTAHEDRON, [1.62, 2.02, 1.65, 2.03, 1.9, 1.9], "[2+3+1]", 5),
        (OCTAHEDRON, [1.98, 2.03, 1.98, 2.03, 1.98, 2.03], "[0+6+0]", 3),
        (OCTAHEDRON, [1.80, 2.03, 1.98, 2.03, 1.98, 2.03], "[0+6+0]", 0),
        (PYRAMID, [1.58, 1.97, 1.97, 1.97, 1.97], "[1+4]", 4),
        (PYRAMID, [1.58, 1.80, 1.88, 1.88, 2.4], "[1+4]", 5),
        (PYRAMID, [1.62, 1.65, 1.9, 1.95, 2.0], "[2+3]", 5),
        (TETRAHEDRON, [1.70, 1.71, 1.72, 1.80], "[3+1]", 5),
        (TETRAHEDRON, [1.80, 1.80, 1.80, 1.80], "[0+4]", 0),
    ],
)
def test_families_and_the_state_they_tell(shape, lengths, label, state):
    found = core.fingerprint(polyhedron(shape, lengths), V_O)
    assert found.label.tolist() == [label] and found.by_geometry.tolist() == [state]


@pytest.mark.parametrize(
    ("element", "moment", "state"),
    [("V", 0.0, 5), ("V", 0.499, 5), ("V", 0.5, 4), ("V", -1.1, 4), ("V", 1.499, 4), ("V", 1.5, 3), ("V", -1.9, 3),
     ("Fe", 3.7, 2), ("Fe", 4.2, 2), ("Fe", -4.5, 3), ("Mn", 4.6, 2), ("Mn", 3.8, 3), ("Mn", 3.0, 4),
     ("Ti", 0.1, 4), ("Ti", 0.9, 3), ("Co", 2.7, 2), ("Co", 0.1, 3), ("Co", 3.6, 3), ("Ni", 1.7, 2), ("Ni", 0.9, 3),
     ("Cr", 2.9, 3), ("Cr", 3.6, 2), ("Cr", 0.2, 6)],
)  # fmt: skip
def test_state_by_moment_is_the_nearest(element, moment, state):
    atoms = polyhedron(OCTAHEDRON, 2.0, element)
    found = core.fingerprint(atoms, {(element, "O"): 2.5}, center=element, spins=[moment] + [0.0] * 6)
    assert found.by_moment.tolist() == [state] and found.moment.tolist() == [moment]


@pytest.mark.parametrize(
    ("element", "length", "state"),
    [("Fe", 2.16, 2), ("Fe", 2.02, 3), ("Mn", 2.20, 2), ("Mn", 2.00, 3), ("Mn", 1.90, 4), ("Ti", 2.05, 3),
     ("Ti", 1.96, 4), ("Cr", 2.15, 2), ("Cr", 1.98, 3), ("Co", 2.12, 2), ("Co", 1.93, 3), ("Ni", 2.08, 2)],
)  # fmt: skip
def test_state_by_valence_of_regular_octahedra_of_the_usual_size(element, length, state):
    found = core.fingerprint(polyhedron(OCTAHEDRON, length, element), {(element, "O"): 2.5}, center=element)
    assert found.by_valence.tolist() == [state]
    assert found.by_geometry is None and "by_geometry" in found.absent


def test_every_parameter_gives_a_sum_near_its_state_at_a_common_length():
    """Guards the table against typos: regular octahedra (V5+, Cr6+: tetrahedra) sum to about their state."""
    sizes = {("Ti", 3): 2.04, ("Ti", 4): 1.97, ("V", 3): 2.01, ("V", 4): 1.95, ("V", 5): 1.72, ("Cr", 2): 2.10,
             ("Cr", 3): 1.98, ("Cr", 6): 1.65, ("Mn", 2): 2.20, ("Mn", 3): 2.02, ("Mn", 4): 1.90, ("Fe", 2): 2.14,
             ("Fe", 3): 2.02, ("Co", 2): 2.10, ("Co", 3): 1.91, ("Ni", 2): 2.06, ("Ni", 3): 1.97}  # fmt: skip
    checked = 0
    for name, element, state, r0, b, source in core.BOND_VALENCE_TABLE:
        assert source
        for (metal, z), length in sizes.items():
            if metal == element and state in (0, z) and (name, z) != ("palenik", 6):
                bonds = 4 if z >= 5 else 6
                assert bonds * math.exp((r0 - length) / b) == pytest.approx(z, rel=0.16), (element, state, z)
                checked += 1
    assert checked > 40


def test_with_one_parameter_per_state_the_most_consistent_sum_counts():
    own = {3: (1.7, 0.4), 4: (1.9, 0.4), 5: (2.5, 0.4)}
    found = core.fingerprint(polyhedron(OCTAHEDRON, 2.0), V_O, bond_valence=own)
    sums = {z: 6 * math.exp((r0 - 2.0) / 0.4) for z, r0 in ((3, 1.7), (4, 1.9), (5, 2.5))}
    best = min(sums, key=lambda z: abs(sums[z] - z))
    assert found.by_valence.tolist() == [best] and found.bond_valence[0] == pytest.approx(sums[best], rel=1e-12)


def test_map_follows_the_statistics():
    """P(z) ~ N(sum; mean, sd) · occurrence with O'Keeffe–Brese sums, worked out by hand for one octahedron."""
    size, chi = {"V": 1.21, "O": 0.63}, {"V": 1.45, "O": 3.15}
    correction = size["V"] * size["O"] * (math.sqrt(chi["V"]) - math.sqrt(chi["O"])) ** 2
    r0 = size["V"] + size["O"] - correction / (chi["V"] * size["V"] + chi["O"] * size["O"])
    statistics = {3: (3.0904, 0.4298, 151), 4: (3.8320, 0.5290, 225), 5: (4.8752, 0.4629, 527)}
    seen = set()
    for length in np.linspace(1.8, 2.1, 31):
        total = 6 * math.exp((r0 - length) / 0.31)
        score = {z: n / sd * math.exp(-0.5 * ((total - m) / sd) ** 2) for z, (m, sd, n) in statistics.items()}
        found = core.fingerprint(polyhedron(OCTAHEDRON, length), V_O, assign="map")
        assert found.by_valence[0] == max(score, key=score.get)
        seen.add(int(found.by_valence[0]))
    assert seen == {3, 4, 5}


def three_vanadiums():
    """A V3+-like, a V4+-like and a V5+-like polyhedron far apart."""
    parts = [
        polyhedron(OCTAHEDRON, 2.0),
        polyhedron(OCTAHEDRON, [1.60, 2.2, 2.0, 2.0, 2.0, 2.0]),
        polyhedron(PYRAMID, [1.58, 1.80, 1.88, 1.88, 2.02]),
    ]
    whole = Atoms()
    for k, part in enumerate(parts):
        part.positions += [20 * k, 0, 0]
        whole += part
    return whole


def test_disagreements_are_flagged_and_counted():
    atoms = three_vanadiums()
    spins = np.zeros(len(atoms))
    spins[[0, 7, 14]] = [1.9, 1.0, 1.1]  # the third says V4+ where bonds say V5+
    found = core.fingerprint(atoms, V_O, spins=spins)
    assert found.by_moment.tolist() == [3, 4, 4]
    assert found.by_valence.tolist() == found.by_geometry.tolist() == [3, 4, 5]
    assert found.flags.tolist() == [0, 0, 1 + 2 + 8]
    confusion = found.confusion()
    assert confusion.states == (3, 4, 5) and confusion.counts.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert confusion.agreement() == pytest.approx(2 / 3)
    assert found.confusion("geometry", "valence").agreement() == 1.0
    assert found.state.tolist() == [3, 4, 4] and found.fractions() == {3: 1 / 3, 4: 2 / 3}
    assert found.per_atom(found.state)[[0, 7, 14]].tolist() == [3, 4, 4]


def test_histograms_are_split_by_state_and_side():
    atoms = three_vanadiums()
    spins = np.zeros(len(atoms))
    spins[[0, 7, 14]] = [-1.9, 1.0, 0.1]
    found = core.fingerprint(atoms, V_O, spins=spins, histogram=(1.41, 2.41, 10)).histograms
    assert found.states == (3, 4, 5) and found.edges == pytest.approx(np.linspace(1.41, 2.41, 11))
    expected = {
        3: np.histogram([2.0] * 6, found.edges)[0],
        4: np.histogram([1.6, 2.2, 2.0, 2.0, 2.0, 2.0], found.edges)[0],
        5: np.histogram([1.58, 1.80, 1.88, 1.88, 2.02], found.edges)[0],
    }
    assert found.down.tolist() == [expected[3].tolist(), [0] * 10, [0] * 10]
    assert found.up.tolist() == [[0] * 10, expected[4].tolist(), [0] * 10]
    assert found.unpolarized.tolist() == [[0] * 10, [0] * 10, expected[5].tolist()]
    assert (found.counts == found.up + found.down + found.unpolarized).all()


def test_without_moments_their_columns_are_absent_and_named():
    found = core.fingerprint(three_vanadiums(), V_O)
    assert found.moment is None and found.by_moment is None and found.histograms.up is None
    assert {"moment", "by_moment", "by_charge", "histograms.up"} <= set(found.absent)
    assert found.state.tolist() == [3, 4, 5]
    with pytest.raises(InputError, match="rows = 'moment': must be one of valence, geometry"):
        found.confusion()


def charged(sodium):
    """Three VO5 units with sodium: 15 O, so the sum of states is 30 - sodium."""
    whole = Atoms()
    for k, base in enumerate((1.90, 1.86, 1.82)):
        part = polyhedron(PYRAMID, [1.6, base, base, base, base])
        part.positions += [20 * k, 0, 0]
        whole += part
    return whole + Atoms(f"Na{sodium}", positions=[[60 + 3 * k, 0, 0] for k in range(sodium)])


@pytest.mark.parametrize(
    ("sodium", "by_sum", "by_spin"),
    [(15, [5, 5, 5], [5, 5, 5]), (16, [4, 5, 5], [5, 5, 4]), (18, [4, 4, 4], [4, 4, 4]), (19, [3, 4, 4], [4, 4, 3])],
)
def test_charge_balance_assigns_by_rank(sodium, by_sum, by_spin):
    """The most reduced center has the lowest sum without moments, and the largest moment with moments."""
    atoms = charged(sodium)
    spins = np.zeros(len(atoms))
    spins[[0, 6, 12]] = [0.1, -0.2, 0.3]
    assert core.fingerprint(atoms, V_O, balance=True).by_charge.tolist() == by_sum
    assert core.fingerprint(atoms, V_O, balance=True, spins=spins).by_charge.tolist() == by_spin
    assert core.fingerprint(atoms, V_O, balance={"Na": 1}).state.tolist() == by_sum


def test_in_iron_the_smaller_moment_is_the_more_reduced():
    atoms = charged(22)
    atoms.symbols[[0, 6, 12]] = "Fe"
    spins = np.zeros(len(atoms))
    spins[[0, 6, 12]] = [4.3, 4.1, 4.2]
    found = core.fingerprint(atoms, {("Fe", "O"): 2.5}, center="Fe", spins=spins, balance=True)
    assert found.by_charge.tolist() == [3, 2, 3]


LONE = polyhedron(OCTAHEDRON, 2.0)
SPINS = np.zeros(7)


@pytest.mark.parametrize(
    ("structure", "cutoffs", "options", "message"),
    [
        (LONE, {("P", "O"): 2.0}, {}, r"cutoffs: the pair \('V', 'O'\) is missing"),
        (LONE, {("V", "O"): 2.5, ("O", "V"): 2.4}, {}, r"cutoffs\['O', 'V'\] = 2.4: the pair is given twice"),
        (LONE, {("V", "O"): -1.0}, {}, r"cutoffs\['V', 'O'\] = -1.0: must be a positive number"),
        (LONE, {("V", "O"): math.nan}, {}, r"cutoffs\['V', 'O'\] = nan: must be a positive number"),
        (LONE, {("V", "O"): "2.5"}, {}, r"cutoffs\['V', 'O'\] = '2.5': must be a positive number"),
        (LONE, V_O, {"tolerance": -0.1}, "tolerance = -0.1: must be a number of at least 0"),
        (LONE, V_O, {"valence_cutoff": math.nan}, "valence_cutoff = nan: must be a positive number"),
        (LONE, V_O, {"vanadyl_cutoff": 0.0}, "vanadyl_cutoff = 0.0+: must be a positive number"),
        (LONE, V_O, {"center": "Mo"}, r"cutoffs: the pair \('Mo', 'O'\) is missing"),
        (LONE, {("Mo", "O"): 2.5}, {"center": "Mo"}, "center = Mo: oxidation states and moments are tabulated"),
        (LONE, {("Fe", "O"): 2.5}, {"center": "Fe"}, "center = 'Fe': the structure has none"),
        (LONE, {("V", "F"): 2.5}, {"ligand": "F"}, "bond_valence = default: has no value for V–F"),
        (LONE, {("V", "V"): 2.5}, {"ligand": "V"}, "has no value for V–V"),
        (LONE, V_O, {"bond_valence": "brown"}, "bond_valence = brown: must be one of default, hu-zhou"),
        (LONE, V_O, {"bond_valence": {4: (1.8, 0.37)}}, "bond_valence: no parameter for state 3 of 'V'"),
        (LONE, V_O, {"bond_valence": {0: (1.8, -0.3)}}, r"bond_valence\[0\].b = -0.3"),
        (LONE, V_O, {"assign": "guess"}, "assign = 'guess': must be one of nearest, map"),
        (LONE, V_O, {"states": [4, 6]}, r"states = 6: no moment is tabulated for V6\+"),
        (LONE, V_O, {"spins": SPINS[:6]}, r"spins = array of shape \(6,\): must have the shape \(7,\)"),
        (LONE, V_O, {"spins": [math.nan] * 7}, r"spins\[0\] = nan: must be finite"),
        (LONE, V_O, {"spins": SPINS, "spin_threshold": 0.0}, "spin_threshold = 0.0: must be a positive"),
        (LONE, V_O, {"histogram": (2.0, 1.0, 10)}, "histogram = 2.0+ to 1.0+: must be a range"),
        (LONE, V_O, {"histogram": (1.0, 2.0, 0)}, "histogram = 0 bins: at least one"),
        (LONE, V_O, {"histogram": (1.0, 9.0, 5)}, "histogram = .*: reaches beyond the longest distance"),
        (LONE + Atoms("Xe", [[9, 9, 9]]), V_O, {"balance": True}, r"balance\['Xe'\]: its formal charge is unknown"),
        (LONE, V_O, {"balance": True}, "charge = 12: the sum of the states is impossible for"),
        (core.bond_graph(LONE, V_O), V_O, {}, "structure = BondGraph: bond directions are needed"),
    ],
)
def test_bad_input_is_named(structure, cutoffs, options, message):
    with pytest.raises(InputError, match=message):
        core.fingerprint(structure, cutoffs, **options)


@pytest.mark.parametrize(("element", "name"), [("Cr", r"Cr6\+"), ("Ni", r"Ni3\+")])
def test_a_set_without_a_certain_value_refuses_by_name(element, name):
    atoms = polyhedron(OCTAHEDRON, 2.0, element)
    options = {"center": element, "bond_valence": "gagne-hawthorne"}
    with pytest.raises(InputError, match=f"gagne-hawthorne: has no value for {name}–O"):
        core.fingerprint(atoms, {(element, "O"): 2.5}, **options)
    narrowed = core.fingerprint(atoms, {(element, "O"): 2.5}, states=[2], **options)
    assert narrowed.by_valence.tolist() == [2]


def test_fluorine_is_measured_where_its_parameters_are_given():
    atoms = crystal("NVPF_P42mnm_allNa")
    shape = core.fingerprint(atoms, {("V", "F"): 2.5}, ligand="F", bond_valence=None)
    assert set(shape.coordination) == {2} and {"bond_valence", "by_valence", "off_centering"} <= set(shape.absent)
    own = core.fingerprint(atoms, {("V", "F"): 2.5}, ligand="F", bond_valence={0: (1.7, 0.37)})
    assert own.bond_valence[0] > 0.8
