"""Errors of any potential on labeled frames, without assuming that it shares the labels' level of theory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.ions import TRANSITION_METALS

if TYPE_CHECKING:
    from ase import Atoms

_RESAMPLES = 200


def errors(frames: Sequence["Atoms"], results: Sequence[Any]) -> dict[str, Any]:
    """Errors of `results` (with energy in eV, forces in eV/Å, stress in eV/Å³ or None) on frames with labels.

    Forces: RMSE and MAE (meV/Å), its share of the labels' root mean square, the 95th percentile of |ΔF| (meV/Å), the
    slope of predicted on labeled components (below 1: too soft), and RMSE by element, and by ion for elements with
    several states where frames name the ions. Energies: RMSE (meV/atom) after
    one shift per element is fitted to these frames, since levels of theory differ by such shifts. Pressure: mean and
    root mean square difference (GPa) where frames carry a stress. ``_err``: standard error by bootstrap over frames,
    which is too small where frames resemble each other.
    """
    labels = [np.asarray(frame.arrays["REF_forces"]) for frame in frames]
    off = [result.forces - label for result, label in zip(results, labels, strict=True)]
    label, deviation = np.concatenate(labels), np.concatenate(off)
    squares = np.array([(one**2).sum() for one in off])
    counts = np.array([one.size for one in off])
    products = np.array([((one + own) * own).sum() for one, own in zip(off, labels, strict=True)])
    norms = np.array([(own**2).sum() for own in labels])
    picks = np.random.default_rng(0).integers(len(frames), size=(_RESAMPLES, len(frames)))
    rmse, rmse_err = _with_error(lambda a, b: np.sqrt(a / b), squares, counts, picks)
    slope, slope_err = _with_error(lambda a, b: a / b, products, norms, picks)
    left = _energy_residuals(frames, results) ** 2
    energy, energy_err = _with_error(lambda a, b: np.sqrt(a / b), left, np.ones(len(left)), picks)
    symbols = np.concatenate([np.array(frame.get_chemical_symbols()) for frame in frames])
    ions = _ions(frames)
    return {
        "frames": len(frames),
        "atoms": len(label),
        "forces_rmse_meV_per_A": 1e3 * rmse,
        "forces_rmse_meV_per_A_err": 1e3 * rmse_err,
        "forces_mae_meV_per_A": 1e3 * float(np.abs(deviation).mean()),
        "forces_share": rmse / float(np.sqrt((label**2).mean())),
        "forces_95_percent_meV_per_A": 1e3 * float(np.quantile(np.linalg.norm(deviation, axis=1), 0.95)),
        "forces_slope": slope,
        "forces_slope_err": slope_err,
        "forces_rmse_meV_per_A_by_element": _by(symbols, deviation),
        "forces_rmse_meV_per_A_by_ion": {} if ions is None else _by(ions, deviation),
        "energy_rmse_meV_per_atom": 1e3 * energy,
        "energy_rmse_meV_per_atom_err": 1e3 * energy_err,
    } | _pressure(frames, results)


def _by(kinds: np.ndarray, deviation: np.ndarray) -> dict[str, float]:
    """RMSE (meV/Å) of the atoms of each kind; atoms of the empty kind do not count."""
    return {
        str(kind): 1e3 * float(np.sqrt((deviation[kinds == kind] ** 2).mean())) for kind in np.unique(kinds) if kind
    }


def _ions(frames: Sequence["Atoms"]) -> np.ndarray | None:
    """The ion of each transition metal, as V4+; None where frames do not name ions."""
    if any("ion" not in frame.arrays for frame in frames):
        return None
    names = [
        str(ion) if symbol in TRANSITION_METALS else ""
        for frame in frames
        for symbol, ion in zip(frame.symbols, frame.arrays["ion"], strict=True)
    ]
    return np.array(names)


def _with_error(ratio, above: np.ndarray, below: np.ndarray, picks: np.ndarray) -> tuple[float, float]:
    spread = ratio(above[picks].sum(axis=1), below[picks].sum(axis=1)).std()
    return float(ratio(above.sum(), below.sum())), float(spread)


def _energy_residuals(frames: Sequence["Atoms"], results: Sequence[Any]) -> np.ndarray:
    """Per atom (eV), after the shifts per element of least squares per atom."""
    elements = sorted({symbol for frame in frames for symbol in frame.symbols})
    atoms = np.array([len(frame) for frame in frames])
    counts = np.array([[list(frame.symbols).count(element) for element in elements] for frame in frames])
    share = counts / atoms[:, None]
    off = np.array([result.energy - frame.info["REF_energy"] for frame, result in zip(frames, results, strict=True)])
    shifts, *_ = np.linalg.lstsq(share, off / atoms, rcond=None)
    return off / atoms - share @ shifts


def _pressure(frames: Sequence["Atoms"], results: Sequence[Any]) -> dict[str, float]:
    from ase.units import GPa

    pairs = [
        (frame.info["REF_stress"], result.stress)
        for frame, result in zip(frames, results, strict=True)
        if "REF_stress" in frame.info and result.stress is not None
    ]
    if not pairs:
        return {}
    off = np.array([-(found[:3].mean() - _voigt(label)[:3].mean()) / GPa for label, found in pairs])
    return {"pressure_bias_GPa": float(off.mean()), "pressure_rmse_GPa": float(np.sqrt((off**2).mean()))}


def _voigt(stress: Any) -> np.ndarray:
    values = np.asarray(stress, dtype=float)
    return values if values.shape == (6,) else values.reshape(3, 3)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
