"""Wrong arguments of every public function: always an InputError that names the argument, never anything else."""

import inspect

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.core.transport import Correlator
from naglass_drv.core.unwrap import face_distances
from naglass_drv.errors import InputError
from support.structures import crystal

CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}
NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
GRAPH = core.bond_graph(NVP, CUTOFFS)
REFERENCE = core.environments(NVP, "V", "O", 2.5)
NEAR = core.neighbors(NVP, 2.5)
SYMBOLS = np.array(NVP.get_chemical_symbols())
WALK = np.random.default_rng(0).normal(0, 0.3, (80, 4, 3)).cumsum(axis=0)
MOMENTS = np.random.default_rng(1).normal(size=(40, 3))

NUMBERS = ("x", None, [1.0], float("nan"), float("inf"), -1.0, -3, True, 1e400, {}, NVP)
POSITIVE = (*NUMBERS, 0.0, 0)
WHOLE = ("x", [3], float("nan"), 2.5, -1, {}, 10**30)
ELEMENTS = ("Xx", "na", "", 5, float("nan"), ["Na", 3], ["Qq"], {"Na": 1})
ONE = (*ELEMENTS, None, ("V", "P"))
STRUCTURES = (None, 3, "NVP", [], {}, np.zeros((3, 3)), float("nan"))
LENGTHS = (
    "P-O", 3.0, [("P", "O", 2.0)], {"P-O": 2.0}, {("P",): 2.0}, {("P", "O", "O"): 2.0}, {("P", 3): 2.0}, {5: 2.0},
    {("P", "O"): "2"}, {("P", "O"): -2.0}, {("P", "O"): 0}, {("P", "O"): float("nan")}, {("P", "O"): None},
    {("P", "Xx"): 2.0}, {("P", "O"): 2.0, ("O", "P"): 2.0},
)  # fmt: skip
FLAGS = ("yes", 2, None, [True], np.nan)
WORDS = ("x", "", None, 3, ["king"])
ARRAYS = ("x", None, 3.0, [], np.zeros((2, 2)), [["a"]], np.full((1, 3), np.nan), {}, [[1, 2], [3]])
SECOND = np.array(["x"])

#: function, its good arguments, and the wrong values of each argument.
CALLS = [
    (core.neighbors, {"atoms": NVP, "cutoff": 2.0}, {"atoms": STRUCTURES, "cutoff": (*POSITIVE, 1e6, 1e300)}),
    (core.bond_graph, {"atoms": NVP, "cutoffs": CUTOFFS}, {"atoms": STRUCTURES, "cutoffs": (None, *LENGTHS)}),
    (
        core.qn,
        {"structure": NVP, "cutoffs": CUTOFFS},
        {"structure": STRUCTURES, "cutoffs": (None, *LENGTHS), "former": ELEMENTS, "metals": ELEMENTS, "oxygen": ONE,
         "vanadyl_cutoff": POSITIVE},
    ),
    (
        core.rings,
        {"structure": NVP, "cutoffs": CUTOFFS, "max_size": 4},
        {"structure": STRUCTURES, "cutoffs": (None, *LENGTHS), "criterion": WORDS, "graph_kind": WORDS,
         "max_size": (*WHOLE, None, 2, 10**6), "members": FLAGS, "king_neighbors": WORDS,
         "former": ELEMENTS, "bridge": ELEMENTS, "select": WORDS, "strong_reach": WHOLE, "threads": (*WHOLE, 0)},
    ),
    (
        core.linkage,
        {"structure": NVP, "cutoffs": CUTOFFS},
        {"structure": STRUCTURES, "cutoffs": (None, *LENGTHS), "centers": (*ELEMENTS, ()), "ligand": ELEMENTS},
    ),
    (
        core.lanterns,
        {"structure": NVP, "cutoffs": CUTOFFS},
        {"structure": STRUCTURES, "cutoffs": (None, *LENGTHS), "center": (*ONE, "Fe"), "bridge": ONE,
         "ligand": ELEMENTS},
    ),
    (core.clusters, {"graph": GRAPH}, {"graph": (*STRUCTURES, NVP), "select": (*ELEMENTS, [True], np.ones(3))}),
    (
        core.percolation_cutoff,
        {"atoms": NVP},
        {"atoms": STRUCTURES, "select": ELEMENTS, "max_cutoff": POSITIVE},
    ),
    (
        core.environments,
        {"crystal": NVP, "center": "V", "neighbors": "O", "cutoff": 2.5},
        {"crystal": STRUCTURES, "center": (*ONE, "Fe"), "neighbors": (*ELEMENTS, "Fe"), "cutoff": POSITIVE,
         "any_rotation": FLAGS, "tolerance": POSITIVE},
    ),
    (
        core.crystal_similarity,
        {"atoms": NVP, "reference": REFERENCE},
        {"atoms": STRUCTURES, "reference": ("V", None, [], 3), "sigma": POSITIVE, "sharpness": POSITIVE,
         "reach": POSITIVE, "any_rotation": FLAGS},
    ),
    (
        core.steinhardt,
        {"atoms": NVP, "cutoff": 5.0},
        {"atoms": STRUCTURES, "cutoff": POSITIVE, "l": ("46", 4, None, (-1,), (21,), (2.5,), ("x",)),
         "centers": (*ELEMENTS, "Fe"), "neighbors": ELEMENTS, "bond_l": (*WHOLE, None, 21)},
    ),
    (
        core.artifact_flags,
        {"atoms": NVP},
        {"atoms": STRUCTURES, "contacts": (None, *LENGTHS), "center": ONE, "ligand": ONE, "cutoff": POSITIVE},
    ),
    (
        core.in_contact,
        {"pairs": NEAR, "symbols": SYMBOLS, "contact": ("O", "O"), "limit": 1.7},
        {"pairs": (None, [], NVP), "symbols": (None, "O", ["O"], SECOND), "contact": ("O", ("O",), (1, 2), ("O", "Xx")),
         "limit": POSITIVE},
    ),
    (
        core.bottleneck_radius,
        {"atoms": NVP, "radii": {"O": 1.4, "P": 0.2, "V": 0.6}, "spacing": 1.0},
        {"atoms": STRUCTURES, "radii": (None, 3, [], {"O": 1.4}, {"O": "x", "P": 1, "V": 1}, {"O": -1, "P": 1, "V": 1}),
         "ignore": ELEMENTS, "spacing": (*POSITIVE, 1e-6), "probe_radius": ("x", None, np.nan, np.inf, [1])},
    ),
    (
        core.density_percolation,
        {"density": np.ones((2, 2, 2))},
        {"density": (*ARRAYS, -np.ones((2, 2, 2)), np.full((2, 2, 2), np.nan)), "pbc": ("x", None, [1, 1], 3)},
    ),
    (
        core.density_map,
        {"positions": np.zeros((1, 3)), "cell": np.eye(3)},
        {"positions": ARRAYS, "cell": (*ARRAYS, np.zeros((3, 3))), "spacing": (*POSITIVE, 1e-9)},
    ),
    (
        core.rdf,
        {"frames": NVP, "r_max": 3.0},
        {"frames": (*STRUCTURES, [3], [NVP, NVP[:4]]), "r_max": (*POSITIVE, 1e6), "width": (*POSITIVE, 9.0, 1e-9),
         "independent": FLAGS},
    ),
    (
        core.structure_factor,
        {"frames": NVP, "q_max": 2.0},
        {"frames": (*STRUCTURES, [3], [NVP, NVP[:4]]), "q_max": (*POSITIVE, 0.2, 1e6), "width": (*POSITIVE, 9.0, 1e-9),
         "per_shell": (*WHOLE, 0), "independent": FLAGS},
    ),
    (
        core.fingerprint,
        {"structure": NVP},
        {"structure": (*STRUCTURES, GRAPH), "cutoffs": LENGTHS, "center": (*ONE, "Fe", "O"), "ligand": (*ONE, "Fe"),
         "spins": (3, "x", [1.0], np.full(len(NVP), np.nan)), "states": (3, "x", [2.5], [-99], [99]),
         "bond_valence": (3, "unknown", {3: 1.7}, {3: (1.7, "x")}, {"x": (1.7, 0.4)}), "assign": WORDS,
         "valence_cutoff": POSITIVE, "vanadyl_cutoff": POSITIVE, "trans_cutoff": POSITIVE,
         "trans_dioxo_cutoff": POSITIVE, "tolerance": NUMBERS, "spin_threshold": POSITIVE,
         "balance": (None, 3, "x", {"Na": 1.5}, {"Na": "x"}),
         "histogram": (None, 3, (1, 2), ("a", "b", 3), (3.0, 1.0, 10), (1.0, 9.0, 10), (1.0, 2.0, -1), (1, 2, 2.5))},
    ),
    (
        core.spin_topology,
        {"graph": GRAPH},
        {"graph": (*STRUCTURES, NVP), "center": ELEMENTS, "bridge": ONE, "former": ELEMENTS, "alkali": ELEMENTS,
         "spins": (3, "x", [1.0], np.full(len(NVP), np.nan)), "states": (3, "x", [1], [2.5] * len(NVP)),
         "spin_threshold": POSITIVE},
    ),
    (
        core.moment_autocorrelation,
        {"moments": MOMENTS},
        {"moments": ARRAYS, "max_lag": (*WHOLE, 100), "own_mean": FLAGS},
    ),
    (
        core.polaron_hops,
        {"moments": MOMENTS},
        {"moments": ARRAYS, "threshold": POSITIVE, "window": (*WHOLE, None, 0), "tolerance": WHOLE,
         "linked": (3, "x", [1, 2], [[0, 99]], [[-1, 0]], [[0.5, 1]])},
    ),
    (
        core.unwrap,
        {"positions": WALK, "cells": np.eye(3) * 50},
        {"positions": ARRAYS, "cells": (*ARRAYS, np.zeros((3, 3))), "reference": ("x", 3, np.zeros((3, 3))),
         "wrapped": ("x", 3)},
    ),
    (
        core.trajectory,
        {"frames": WALK, "times": 0.1},
        {"frames": (3, "x", [], {}, [3], np.zeros((3, 3)), np.zeros((1, 2, 3)), np.zeros((4, 0, 3)), WALK * np.nan),
         "cell": ("x", 3, np.zeros((3, 3)), np.eye(2)), "times": ("x", None, [1, 2], -0.1, 0, np.nan, {}),
         "symbols": (3, [1, 2, 3, 4], "Na", ["Na"]),
         "framework": (3.5, "Fe", ["Fe"], [99], [-1], [], [0.5], np.ones(2, bool), {}), "masses": (3, "x", [1.0]),
         "wrapped": (True, False)},
    ),
    (
        core.DistinctVanHove,
        {"symbols": ["Na", "O"], "cell": np.eye(3) * 9, "lags": [0], "reach": 3.0},
        {"symbols": (None, 3, [], [1, 2]), "cell": ("x", 3, np.zeros((3, 3))), "lags": (3, None, "x", [], [-1], [1.5]),
         "reach": POSITIVE, "width": (*POSITIVE, 9.0), "every": (*WHOLE, 0)},
    ),
    (
        core.HopDetector,
        {},
        {"window": (*WHOLE, None, 0), "threshold": POSITIVE, "release": ("x", np.nan, -1, 9.0, [1]),
         "min_length": NUMBERS, "return_within": WHOLE, "cage": (3, "O", {"O": -1}, {"O": "x"}, {"Xx": 2.0}),
         "nearest": ELEMENTS},
    ),
]  # fmt: skip


def wrong_calls() -> list:
    calls = []
    for function, good, wrong in CALLS:
        for argument, values in wrong.items():
            for k, value in enumerate(values):
                calls.append(pytest.param(function, good, argument, value, id=f"{function.__name__}-{argument}-{k}"))
    return calls


@pytest.mark.parametrize("function", [f for f, _, _ in CALLS], ids=lambda f: f.__name__)
def test_the_good_call_works(function):
    good = next(good for f, good, _ in CALLS if f is function)
    assert function(**good) is not None


@pytest.mark.parametrize(("function", "good", "argument", "value"), wrong_calls())
def test_a_wrong_argument_is_named(function, good, argument, value):
    assert argument in inspect.signature(function).parameters
    with pytest.raises(InputError) as caught:
        function(**{**good, argument: value})
    assert len(str(caught.value)) < 400


def test_the_message_names_argument_and_value():
    for function, good, argument, value in (
        (core.neighbors, {"atoms": NVP}, "cutoff", -1.5),
        (core.lanterns, {"structure": GRAPH}, "center", "Xx"),
        (core.rings, {"structure": GRAPH}, "max_size", 2.5),
        (core.clusters, {"graph": GRAPH}, "select", "Qq"),
    ):
        with pytest.raises(InputError, match=f"^{argument} = {value!r}: "):
            function(**good, **{argument: value})
    with pytest.raises(InputError, match=r"^cutoffs\['P-O'\]: a key must be a pair of elements"):
        core.bond_graph(NVP, {"P-O": 2.0})


DETECTOR = core.HopDetector(window=2)
DETECTOR.add(np.zeros((3, 3)))
HOPS = core.detect_hops(WALK, window=5)
METHODS = {
    "bonded": (GRAPH.bonded, (-1, len(GRAPH), "x", 2.5)),
    "coordination": (GRAPH.coordination, ("Xx", "Fe", 3)),
    "degree": (core.linkage(GRAPH).degree, ("Xx", "Fe", 3)),
    "ordered_bonds": (core.steinhardt(NVP, 5.0).ordered_bonds, ("x", None, np.nan)),
    "link_clusters": (core.spin_topology(GRAPH).clusters, WORDS),
    "add_frame": (DETECTOR.add, (None, "x", 3, np.zeros((2, 3)), np.zeros((3, 2)), NVP, np.full((3, 3), np.nan))),
    "rate": (HOPS.rate, POSITIVE),
    "cage_broken": (HOPS.cage_broken, POSITIVE),
    "confusion": (core.fingerprint(NVP).confusion, WORDS),
    "read_hops": (core.read_hops, (None, 3, "/nonexistent", "")),
    "read_environments": (core.read_environments, (None, 3, "/nonexistent", "")),
    "write": (REFERENCE.write, (None, 3, "/nonexistent/x", "")),
}


@pytest.mark.parametrize(
    ("method", "value"), [pytest.param(m, v, id=f"{n}-{k}") for n, (m, vs) in METHODS.items() for k, v in enumerate(vs)]
)
def test_methods_name_their_argument(method, value):
    with pytest.raises(InputError):
        method(value)


IGNORED = [
    (core.qn, {"structure": GRAPH, "cutoffs": CUTOFFS}, "cutoffs"),
    (core.trajectory, {"frames": WALK, "times": 0.1, "masses": np.ones(4)}, "masses"),
    (core.trajectory, {"frames": WALK, "times": 0.1, "wrapped": True}, "wrapped"),
    (core.detect_hops, {"trajectory": WALK, "pbc": False}, "pbc"),
    (core.detect_hops, {"trajectory": WALK, "mobile": "Na"}, "mobile"),
    (core.detect_hops, {"trajectory": WALK, "framework": "O"}, "framework"),
    (core.detect_hops, {"trajectory": WALK, "cage": {"O": 3.0}}, "cage"),
    (core.detect_hops, {"trajectory": WALK, "nearest": "V"}, "nearest"),
    (core.detect_hops, {"trajectory": [NVP] * 40, "symbols": ["Na"]}, "symbols"),
]


@pytest.mark.parametrize(("function", "given", "ignored"), IGNORED, ids=lambda x: x if isinstance(x, str) else "")
def test_an_option_that_would_have_no_effect_is_refused(function, given, ignored):
    with pytest.raises(InputError, match=ignored):
        function(**given)


def test_of_arrays_the_detector_follows_the_atoms_asked_for():
    every = core.detect_hops(WALK, window=5)
    some = core.detect_hops(WALK, window=5, mobile=[2, 0], framework=())
    assert some.mobile.tolist() == [0, 2] and set(some.atom.tolist()) <= {0, 2}
    chosen = np.isin(every.atom, [0, 2])
    assert chosen.any() and some.step.tolist() == every.step[chosen].tolist()
    assert some.atom.tolist() == every.atom[chosen].tolist()


@pytest.mark.parametrize("positions", [np.nan, np.inf])
def test_a_structure_with_numbers_that_are_none_is_refused(positions):
    atoms = Atoms("PO", [[0, 0, 0], [positions, 0, 0]], cell=[5] * 3, pbc=True)
    with pytest.raises(InputError, match=r"positions\[1\] = (nan|inf)"):
        core.bond_graph(atoms, CUTOFFS)


@pytest.mark.parametrize("options", [{"points": 3}, {"overlap": -1.0}, {"longest": -1.0}, {"charges": {"Fe": 1.0}}])
def test_the_correlator_refuses_options_out_of_range(options):
    with pytest.raises(InputError):
        Correlator(["Na"] * 4, 0.1, **options)


def test_distances_between_opposite_faces_are_the_volume_by_their_areas():
    cell = np.array([[5.0, 0, 0], [2.0, 6.0, 0], [-1.0, 1.5, 7.0]])
    areas = [np.linalg.norm(np.cross(cell[i], cell[j])) for i, j in ((1, 2), (2, 0), (0, 1))]
    assert face_distances(cell) == pytest.approx(abs(np.linalg.det(cell)) / areas)
