"""pair_style mace with other pair styles: energies, forces and virials are the sums of those of the separate styles."""

import numpy as np
import pytest

from naglass_drv.engines.lammps.session import write_data as write_charged_data
from support.lammps_runs import write_data
from support.mace_bench import Bench, assert_close, mace_pair, script
from support.mace_models import ELEMENTS, NUMBERS, packing

pytestmark = pytest.mark.mpi

ATOMS = packing(26, 14.0, tilt=True, seed=1)
CHARGES = {"O": -1.2, "Na": 0.6, "P": 2.4, "V": 3.0}
MODELS = {"m": dict(hidden="4x0e+4x1o", correlation=2), "n": dict(r_max=4.0, correlation=1, seed=8)}
PAIRS = [(i, j) for i in range(4) for j in range(i, 4)]
# by style: arguments, lines of coefficients with a place for the style's name, lines that follow
PARTS = {
    "mace": ("", "pair_coeff * * {0} m.naglass O Na P V\n", ""),
    "zbl": ("1.5 2.5", "".join(f"pair_coeff {i + 1} {j + 1} {{0}} {NUMBERS[i]} {NUMBERS[j]}\n" for i, j in PAIRS), ""),
    "dispersion/d3": ("bj pbe 10.0 8.0", "pair_coeff * * {0} O Na P V\n", ""),
    "coul/long": ("6.0", "pair_coeff * * {0}\n", "kspace_style {kspace} 1e-5\nuncompute centroid"),
}


def alone(style: str, kspace: str = "") -> tuple[str, str]:
    arguments, coefficients, more = PARTS[style]
    return f"pair_style {style} {arguments}\n{coefficients.format('')}", more.format(kspace=kspace)


def together(styles, kspace: str = "") -> tuple[str, str]:
    head = "pair_style hybrid/overlay " + " ".join(f"{style} {PARTS[style][0]}" for style in styles)
    coefficients = "".join(PARTS[style][1].format(style) for style in styles)
    return f"{head}\n{coefficients}", "".join(PARTS[style][2] for style in styles).format(kspace=kspace)


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("styles"), MODELS, {"glass": ATOMS})
    types = np.array([1 + ELEMENTS.index(symbol) for symbol in ATOMS.symbols])
    charges = np.array([CHARGES[symbol] for symbol in ATOMS.symbols])
    write_charged_data(bench.folder / "charged.data", ATOMS, types, charges - charges.mean())
    twice = ATOMS.copy()
    twice.symbols[[atom.index for atom in twice if atom.symbol == "O"][::2]] = "S"
    write_data(bench.folder / "twice.data", twice, [*ELEMENTS, "S"])
    return bench


def run(bench, cases: dict, ranks: int) -> dict:
    found = bench.run(cases, ranks)
    for name, result in found.items():
        assert "error" not in result, (name, result["error"])
    return found


@pytest.mark.parametrize(("ranks", "newton"), [(1, "on"), (2, "off")])
def test_overlay_adds_up(bench, ranks, newton):
    """Repulsive core, dispersion and charges with either solver of the long-range part."""
    sums = {
        "mace zbl dispersion/d3 coul/long pppm": together(PARTS, "pppm"),
        "coul/long mace ewald": together(["coul/long", "mace"], "ewald"),
    }
    parts = {style: alone(style) for style in ("mace", "zbl", "dispersion/d3")}
    parts |= {kspace: alone("coul/long", kspace) for kspace in ("pppm", "ewald")}
    cases = {
        name: script("charged", pair, newton, before="atom_style charge", after=after)
        for name, (pair, after) in (sums | parts).items()
    }
    found = run(bench, cases, ranks)
    for name in sums:
        each = [found[part] for part in name.replace("coul/long", "").split()]
        for key in ("energy", "f", "stress", "c_energy", "c_virial"):
            assert_close(found[name][key], sum(part[key] for part in each), 1e-12)
            assert all(np.abs(part[key]).max() > 1e-4 * np.abs(found[name][key]).max() for part in each)


@pytest.mark.parametrize("ranks", [1, 2])
def test_types_and_elements(bench, ranks):
    """NULL leaves a type to the other style; two types, such as isotopes, may be one element; models may be added."""
    sodium = "pair_coeff 1*2 2 {0} {1} 2.5\npair_coeff 2 3*4 {0} {1} 2.5"
    overlay = "pair_style hybrid/overlay mace lj/cut 4.0\npair_coeff * * mace m.naglass O NULL P V\n"
    cases = {
        "null": script("glass", overlay + sodium.format("lj/cut", 0.01)),
        "sodium": script("glass", "pair_style lj/cut 4.0\npair_coeff * * 0 2.5\n" + sodium.format("", 0.01)),
        "twice": script("twice", mace_pair("m", "O Na P V O")),
        "two": script(
            "glass",
            "pair_style hybrid/overlay mace mace\n"
            + "".join(f"pair_coeff * * mace {k + 1} {model}.naglass O Na P V\n" for k, model in enumerate(MODELS)),
        ),
    }
    found = run(bench, cases, ranks)
    framework = [atom.index for atom in ATOMS if atom.symbol != "Na"]
    part, whole, other = (bench.reference(*given) for given in (("m", ATOMS[framework]), ("m", ATOMS), ("n", ATOMS)))
    forces = np.zeros((len(ATOMS), 3))
    forces[framework] = part["f"]
    for key in ("energy", "f", "stress"):
        assert_close(found["twice"][key], whole[key], 1e-9)
        assert_close(found["two"][key], whole[key] + other[key], 1e-9)
    assert_close(found["null"]["energy"], part["energy"] + found["sodium"]["energy"], 1e-12)
    assert_close(found["null"]["f"], forces + found["sodium"]["f"], 1e-9)
    assert_close(found["null"]["stress"], part["stress"] + found["sodium"]["stress"], 1e-9)
