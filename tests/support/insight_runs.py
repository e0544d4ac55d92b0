"""Folders of runs whose glasses and atoms follow a rule that is known, for what learns from them."""

from pathlib import Path

import numpy as np
from ase import Atoms

from naglass_drv.dataset.frames import write_frames
from naglass_drv.files import file_hash, write_json
from naglass_drv.products import Labels, Measurements, Product, Quantity, Trajectories, as_manifest

CELLS, BESIDE = 12, 60
SUBJECT = "g0-800K"


def glass(rng) -> Atoms:
    """Na in separate surroundings 12 Å apart: an O at 2.4 Å, and in every other one a second P within 4 Å."""
    symbols, positions = [], []
    for k in range(CELLS):
        at = 12.0 * np.array([k % 3, k // 3 % 2, k // 6]) + rng.normal(0, 0.01, 3)
        symbols += ["Na", "O", "P"]
        positions += [at, at + (2.4, 0, 0), at + (3.8, 0, 0)]
        if k % 2:
            symbols.append("P")
            positions.append(at - (3.6, 0, 0))
    return Atoms(symbols, positions, cell=[36, 24, 24], pbc=True)


def vanadium(rng, group: str) -> Atoms:
    """V with six O 12 Å apart; those with moments of 1 µB (V4+) have two Na 4 Å away, those without (V5+) none."""
    shell = 1.95 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    symbols, positions, moments = [], [], []
    for k in range(CELLS):
        at = 12.0 * np.array([k % 3, k // 3 % 2, k // 6])
        symbols += ["V", *"OOOOOO"]
        positions += [at, *(at + shell + rng.normal(0, 0.03, shell.shape))]
        reduced = rng.random() < 0.5 if k > 3 else k % 2
        moments += [1.0 * reduced + rng.normal(0, 0.02), *np.zeros(6)]
        # one in eight is the other way round
        if reduced != (rng.random() < 0.125):
            symbols += ["Na", "Na"]
            positions += [at + (0, 2.9, 2.9), at - (0, 2.9, 2.9)]
            moments += [0.0, 0.0]
        # or the ions would be known by the density
        for corner in rng.permutation([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1], [-1, -1, 1]])[: rng.integers(6)]:
            symbols.append("P")
            positions.append(at + 3.1 * corner)
            moments.append(0.0)
    atoms = Atoms(symbols, positions, cell=[36, 24, 24], pbc=True)
    atoms.arrays["REF_spin"] = np.array(moments)
    atoms.info |= {"group": group, "level": "pbe+u-1"}
    return atoms


def joining_rows(rng) -> list[dict]:
    """Of atoms beside a crystal the nearer join, with exceptions; their density says nothing."""
    found = []
    for atom in range(BESIDE):
        distance, density = rng.uniform(3, 15), rng.normal(0.08, 0.005)
        joined = int(distance + 2 * rng.normal() < 8)
        values = {"joined": joined, "time": 10.0, "crystal_distance": distance, "density": density}
        units = {"crystal_distance": "Å", "density": "Å⁻³", "time": "ps", "joined": "1"}
        found += [
            Quantity(
                f"joining.{SUBJECT}.{key}", key, value, units[key], note="made up", subject=f"{SUBJECT} atom {atom}"
            ).as_json()
            for key, value in values.items()
        ]
    return found


def made_run(folder: Path, glasses: int, *, joining: bool = True) -> Path:
    """A run of systems with a trajectory each, in `folder`/run.

    D follows the share of Na. Ions with two P around them leave, with one exception in each glass; one of the others
    hops and returns.
    """
    rng, folder = np.random.default_rng(2), folder / "run"
    for number in range(glasses):
        atoms, scope, place = glass(rng), f"s{number}", folder / "products" / f"s{number}"
        ions = np.flatnonzero(atoms.symbols == "Na")
        left = [*ions[1::2][1:], ions[0]]
        for step in ("md", "analysis", "reference"):
            (place / step).mkdir(parents=True)
        write_frames(place / "md" / "t.extxyz", [atoms, atoms])
        hops = {"hop_atom": np.array([*left, ions[2]]), "hop_returned": np.array([0] * len(left) + [1])}
        np.savez(place / "analysis" / "c.npz", **hops)
        found = {"rows": joining_rows(rng)} if joining else {"reason": "3 atoms joined the crystal; fewer than 50"}
        sodium = 40 + 3 * number
        atoms_of = {"Na": sodium, "P": 80, "O": 200 + sodium // 2}
        write_json(place / "analysis" / "n.json", {"composition": atoms_of, "interface": {"joining": found}})
        rows = [
            Quantity(f"transport.{SUBJECT}.D", "D", 1e-10 * sodium * rng.uniform(0.8, 1.2), "m²/s", 1e-11),
            Quantity(f"network.{SUBJECT}.Q2", "Q2", rng.uniform(0.2, 0.8), "1", 0.01),
        ]
        write_json(place / "analysis" / "q.json", [row.as_json() for row in rows])
        write_frames(place / "reference" / "a.extxyz", [vanadium(rng, f"{scope}-g0")])
        measured = {word: place / "analysis" / name for word, name in _ANALYSIS.items()}
        products: tuple[Product, ...] = (
            Trajectories(scope, "md", {f"{SUBJECT}/trajectory": place / "md" / "t.extxyz"}),
            Measurements(scope, "analysis", {f"{SUBJECT}/{word}": path for word, path in measured.items()}),
            Labels(scope, "reference", {"full/admitted": place / "reference" / "a.extxyz"}),
        )
        for product in products:
            hashes = {role: file_hash(path) for role, path in product.files.items()}
            write_json(place / product.step / "manifest.json", as_manifest(product, folder, hashes))
    return folder


_ANALYSIS = {"curves": "c.npz", "numbers": "n.json", "quantities": "q.json"}
