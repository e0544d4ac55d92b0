"""Errors of any potential on labeled frames, without assuming that it shares the labels' level of theory."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.ions import TRANSITION_METALS
from ..core.statistics import student
from .energy_shift import SAME, Shift, fitted_shift

if TYPE_CHECKING:
    from ase import Atoms

_RESAMPLES = 200
# standard errors of a Gaussian
_95 = 1.959964
#: Bins of the temperature by their upper end (K); frames without one count by a word of their group.
TEMPERATURES = ((700.0, "up to 700 K"), (1500.0, "700 to 1500 K"), (np.inf, "above 1500 K"))
_WORDS = {"crystal": 0, "quench": 1, "melt": 2}


def errors(frames: Sequence["Atoms"], results: Sequence[Any], shift: Shift | None = None) -> dict[str, Any]:
    """Errors of `results` (with energy in eV, forces in eV/Å, stress in eV/Å³ or None) on frames with labels.

    Forces: RMSE and MAE (meV/Å), its share of the labels' root mean square, the 95th percentile of |ΔF| (meV/Å), the
    slope of predicted on labeled components (below 1: too soft), and RMSE by element, by ion for elements with several
    states where frames name the ions, and by temperature where frames have one. Energies: RMSE (meV/atom) after
    `shift`, or one that is fitted to these frames. Pressure: mean and root mean square difference (GPa) where frames
    carry a stress. ``_err``: standard error by bootstrap over groups, None for one group;
    ``_half_95``: half the 95 % interval from it, by Student's t of the number of groups less one.
    """
    shift = shift or fitted_shift(frames, results, SAME)
    labels = [np.asarray(frame.arrays["REF_forces"]) for frame in frames]
    off = [result.forces - label for result, label in zip(results, labels, strict=True)]
    label = np.concatenate(labels)
    sample = _Sample(frames)
    squares = np.array([(one**2).sum() for one in off])
    counts = np.array([one.size for one in off])
    rmse, rmse_err = sample.ratio(squares, counts, root=True)
    mae, mae_err = sample.ratio(np.array([np.abs(one).sum() for one in off]), counts)
    large, large_err = sample.quantile([np.linalg.norm(one, axis=1) for one in off], 0.95)
    products = np.array([((one + own) * own).sum() for one, own in zip(off, labels, strict=True)])
    slope, slope_err = sample.ratio(products, np.array([(own**2).sum() for own in labels]))
    left = np.array([_energy_error(*each, shift) for each in zip(frames, results, strict=True)]) ** 2
    energy, energy_err = sample.ratio(left, np.ones(len(left)), root=True)
    found = {
        "frames": len(frames),
        "atoms": len(label),
        "groups": sample.groups,
        "forces_rmse_meV_per_A": 1e3 * rmse,
        "forces_rmse_meV_per_A_err": _scaled(rmse_err),
        "forces_rmse_meV_per_A_half_95": None if rmse_err is None else 1e3 * rmse_err * student(sample.groups - 1, _95),
        "forces_mae_meV_per_A": 1e3 * mae,
        "forces_mae_meV_per_A_err": _scaled(mae_err),
        "forces_share": rmse / float(np.sqrt((label**2).mean())),
        "forces_95_percent_meV_per_A": 1e3 * large,
        "forces_95_percent_meV_per_A_err": _scaled(large_err),
        "forces_slope": slope,
        "forces_slope_err": slope_err,
        "energy_rmse_meV_per_atom": 1e3 * energy,
        "energy_rmse_meV_per_atom_err": _scaled(energy_err),
        "shift": shift.as_dict(),
    }
    hot = [temperature_of(frame) for frame in frames]
    kinds = {
        "element": [np.array(frame.get_chemical_symbols()) for frame in frames],
        "ion": _ions(frames),
        "temperature": [np.full(len(frame), name) for frame, name in zip(frames, hot, strict=True)],
    }
    for word, kind in kinds.items():
        found |= _by_kind(f"forces_rmse_meV_per_A_by_{word}", kind, off, sample)
    by_temperature = [np.array([name]) for name in hot]
    found |= _by_kind("energy_rmse_meV_per_atom_by_temperature", by_temperature, np.sqrt(left)[:, None, None], sample)
    return found | _pressure(frames, results, sample)


def temperature_of(frame: "Atoms") -> str:
    """The bin of its temperature, by the frame or by a word of its group; empty if neither tells."""
    if "temperature_K" in frame.info:
        return next(name for end, name in TEMPERATURES if float(frame.info["temperature_K"]) <= end)
    words = re.findall("[a-z]+", str(frame.info.get("group", "")).lower())
    return next((TEMPERATURES[_WORDS[word]][1] for word in words if word in _WORDS), "")


class _Sample:
    """Groups of frames that are drawn again and again with replacement; a frame without a group is one of its own."""

    def __init__(self, frames: Sequence["Atoms"]):
        names = [str(frame.info.get("group", f"frame {k}")) for k, frame in enumerate(frames)]
        found, self._of = np.unique(names, return_inverse=True)
        self.groups = len(found)
        self._picks = np.random.default_rng(0).integers(self.groups, size=(_RESAMPLES, self.groups))

    def ratio(self, above: np.ndarray, below: np.ndarray, root: bool = False) -> tuple[float, float | None]:
        """Of the sums over frames, or its `root`, with its standard error; None if other draws could hold nothing."""
        sums = [np.bincount(self._of, weights=values, minlength=self.groups) for values in (above, below)]
        shape = np.sqrt if root else np.asarray
        value = float(shape(sums[0].sum() / sums[1].sum()))
        if np.count_nonzero(sums[1]) < 2:
            return value, None
        drawn = [total[self._picks].sum(axis=1) for total in sums]
        some = drawn[1] > 0
        return value, _unbiased(shape(drawn[0][some] / drawn[1][some]), int(np.count_nonzero(sums[1])))

    def quantile(self, values: Sequence[np.ndarray], share: float) -> tuple[float, float | None]:
        """Of the values of all frames, with its standard error; None for one group."""
        every = float(np.quantile(np.concatenate(values), share))
        if self.groups < 2:
            return every, None
        grouped = [np.concatenate([values[k] for k in np.flatnonzero(self._of == g)]) for g in range(self.groups)]
        drawn = [np.quantile(np.concatenate([grouped[g] for g in picks]), share) for picks in self._picks]
        return every, _unbiased(drawn, self.groups)


def _unbiased(drawn: Any, groups: int) -> float:
    """The standard deviation of bootstrap draws of `groups` groups, which alone would be too small by this factor."""
    return float(np.std(drawn)) * (groups / (groups - 1)) ** 0.5


def _by_kind(
    key: str, kinds: Sequence[np.ndarray], off: Sequence[np.ndarray], sample: _Sample
) -> dict[str, dict[str, float | None]]:
    """RMSE (1e-3 of the unit) of the rows of each kind, and its error; rows of the empty kind do not count."""
    values: dict[str, float | None] = {}
    spread: dict[str, float | None] = {}
    for kind in sorted({str(kind) for each in kinds for kind in np.unique(each)} - {""}, key=_order):
        mine = [np.asarray(each) == kind for each in kinds]
        squares = np.array([(one[chosen] ** 2).sum() for one, chosen in zip(off, mine, strict=True)])
        counts = np.array([one[chosen].size for one, chosen in zip(off, mine, strict=True)])
        value, err = sample.ratio(squares, counts, root=True)
        values[kind], spread[kind] = 1e3 * value, _scaled(err)
    return {key: values, f"{key}_err": spread}


def _order(kind: str) -> tuple[int, str]:
    """Temperatures ascend, other kinds are in the order of the alphabet."""
    names = [name for _, name in TEMPERATURES]
    return (names.index(kind) if kind in names else -1, kind)


def _scaled(value: float | None) -> float | None:
    return None if value is None else 1e3 * value


def _ions(frames: Sequence["Atoms"]) -> list[np.ndarray]:
    """The ion of each transition metal, as V4+; empty for other atoms, and where not all frames name ions."""
    if any("ion" not in frame.arrays for frame in frames):
        return [np.full(len(frame), "") for frame in frames]
    return [
        np.array([
            str(ion) if symbol in TRANSITION_METALS else ""
            for symbol, ion in zip(frame.symbols, frame.arrays["ion"], strict=True)
        ])
        for frame in frames
    ]  # fmt: skip


def _energy_error(frame: "Atoms", result: Any, shift: Shift) -> float:
    """Per atom (eV)."""
    return (result.energy - frame.info["REF_energy"] - shift.of(frame)) / len(frame)


def _pressure(frames: Sequence["Atoms"], results: Sequence[Any], sample: _Sample) -> dict[str, float | None]:
    from ase.units import GPa

    off = np.array([
        np.trace(frame.info["REF_stress"]) / 3 - result.stress[:3].mean()
        if "REF_stress" in frame.info and result.stress is not None else np.nan
        for frame, result in zip(frames, results, strict=True)
    ]) / GPa  # fmt: skip
    known = np.isfinite(off)
    if not known.any():
        return {}
    off = np.where(known, off, 0.0)
    (bias, bias_err), (rmse, rmse_err) = sample.ratio(off, 1.0 * known), sample.ratio(off**2, 1.0 * known, root=True)
    return {
        "pressure_bias_GPa": bias, "pressure_bias_GPa_err": bias_err,
        "pressure_rmse_GPa": rmse, "pressure_rmse_GPa_err": rmse_err,
    }  # fmt: skip
