"""Labeled frames as a reference set has them, made from nothing."""

import numpy as np
from ase import Atoms

ENERGY_eV = {
    "Na": -1.5,
    "P": -4.0,
    "O": -6.0,
    "Fe": -3.0,
    "V": -5.0,
    "C": -5.0,
    "Ti": -4.5,
    "Cr": -4.0,
    "Mn": -3.5,
    "Co": -3.0,
}


def cell(formula: str = "Na2O", seed: int = 0, *, rms_force: float = 1.0, level: str = "made-h0a1b2c", **info) -> Atoms:
    """Atoms on a jittered lattice, no two nearer than 3 Å, with forces that add up to zero.

    E / N = Σ share · ENERGY_eV + 0.1 Å · rms |F component|, to 1e-4 eV per atom.
    """
    rng = np.random.default_rng(seed)
    count = len(Atoms(formula))
    side = int(np.ceil(count ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 3)[:count]
    atoms = Atoms(formula, 3.6 * grid + rng.uniform(-0.3, 0.3, (count, 3)), cell=[3.6 * side] * 3, pbc=True)
    forces = rng.normal(size=(count, 3))
    forces -= forces.mean(axis=0)
    forces *= rms_force / max(np.sqrt((forces**2).mean()), 1e-9)
    atoms.set_array("REF_forces", forces)
    energy = sum(ENERGY_eV[element] for element in atoms.symbols) + 0.1 * count * rms_force
    electrons = int(atoms.numbers.sum())
    atoms.info = {
        "REF_energy": energy + count * rng.normal(scale=1e-4), "charge": 0, "multiplicity": 1 + electrons % 2,
        "level": level, "group": f"{formula}-{seed}", "source": f"made/{formula}-{seed}",
    } | info  # fmt: skip
    return atoms
