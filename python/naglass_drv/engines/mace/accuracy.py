"""Errors of a model's energies, forces and stresses relative to the labels, as plain numbers with units."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

HEADLINE = ("energy_rmse_meV_per_atom", "forces_rmse_meV_per_A")
_RESAMPLES = 200


def errors(frames: Sequence["Atoms"], predicted: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Root-mean-square and mean absolute errors of `predicted` (see `fit.predict`) against the labels.

    Energies per atom (meV), force components (meV/Å; also per element), stress components (meV/Å³; only
    frames that carry one, if it is predicted). Keys ending in `_err` are standard errors by bootstrap over frames;
    frames of one group resemble each other, so that the real uncertainty for an unseen structure is larger.
    """
    data = parity(frames, predicted)
    frame_of_atom = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    energy = 1e3 * (data["energy_model_eV_per_atom"] - data["energy_label_eV_per_atom"])
    force = 1e3 * (data["forces_model_eV_per_A"] - data["forces_label_eV_per_A"])
    result: dict[str, Any] = {"frames": len(frames), "atoms": len(force)}
    result |= _both("energy", "meV_per_atom", energy, np.arange(len(frames)))
    result |= _both("forces", "meV_per_A", force, frame_of_atom)
    symbols = np.concatenate([np.array(frame.get_chemical_symbols()) for frame in frames])
    result["forces_rmse_meV_per_A_by_element"] = {
        str(element): _rms(force[symbols == element]) for element in np.unique(symbols)
    }
    labeled = [i for i, frame in enumerate(frames) if "REF_stress" in frame.info]
    if labeled and "stress" in predicted:
        stress = np.array([frames[i].info["REF_stress"] for i in labeled])
        deviation = 1e3 * (predicted["stress"][labeled] - stress)
        result |= _both("stress", "meV_per_A3", deviation, np.arange(len(labeled)))
    return result


def parity(frames: Sequence["Atoms"], predicted: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Labels and predictions: energies per atom (F), forces (ΣN×3), atomic number of each force's atom."""
    atoms = np.array([len(frame) for frame in frames])
    return {
        "energy_label_eV_per_atom": np.array([frame.info["REF_energy"] for frame in frames]) / atoms,
        "energy_model_eV_per_atom": predicted["energy"] / atoms,
        "forces_label_eV_per_A": np.concatenate([frame.arrays["REF_forces"] for frame in frames]),
        "forces_model_eV_per_A": predicted["forces"],
        "numbers": np.concatenate([frame.numbers for frame in frames]),
    }


def _both(name: str, unit: str, deviation: np.ndarray, frame: np.ndarray) -> dict[str, float]:
    """RMSE with its bootstrap error over frames, and MAE; `frame` gives the frame of each row."""
    rows = deviation.reshape(len(deviation), -1)
    squares = np.bincount(frame, weights=(rows**2).sum(axis=1))
    counts = np.bincount(frame) * rows.shape[1]
    picks = np.random.default_rng(0).integers(len(squares), size=(_RESAMPLES, len(squares)))
    spread = np.sqrt(squares[picks].sum(axis=1) / counts[picks].sum(axis=1)).std()
    return {
        f"{name}_rmse_{unit}": _rms(rows),
        f"{name}_rmse_{unit}_err": float(spread) if len(squares) > 1 else None,
        f"{name}_mae_{unit}": float(np.abs(rows).mean()),
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
