"""Errors of a model on labeled frames of compositions that it never saw: by temperature, composition, element, ion.

    python benchmarks/starting_model.py model.mace held-out.extxyz [--temperatures 1000 3500] [--output card.json]

Energies are compared as they are: the model has the isolated-atom energies that were fitted to its training frames, so
that nothing is fitted to the frames left out. Errors are standard errors by bootstrap over compositions.
"""

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from naglass_drv.dataset.frames import read_labeled
from naglass_drv.dataset.potential_errors import errors
from naglass_drv.engines.mlip.potential import Potential

GPA = 160.21766208
_RESAMPLES = 1000


def main() -> int:
    """Print the table, and write all numbers with ``--output``."""
    parser = argparse.ArgumentParser(description="Errors of a model on frames of compositions left out.")
    parser.add_argument("model", type=Path)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1000.0], help="limits between bins (K)")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    frames = [frame for frame in read_labeled(options.frames) if len(frame) > 1]
    with tempfile.TemporaryDirectory() as folder, Potential.of(f"mace:{options.model}").open(Path(folder)) as opened:
        results = [opened.evaluate(frame) for frame in frames]
    found = {"all": _errors(frames, results)}
    for name, chosen in (_bins(frames, options.temperatures) | _compositions(frames)).items():
        found[name] = _errors([frames[k] for k in chosen], [results[k] for k in chosen])
    _print(found)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _bins(frames, limits) -> dict[str, list[int]]:
    """Frames by the temperature of their trajectory."""
    edges = [0.0, *limits, np.inf]
    kelvin = [float(frame.info.get("temperature_K", np.nan)) for frame in frames]
    ranges = list(itertools.pairwise(edges))
    names = [f"up to {high:g} K" if np.isfinite(high) else f"above {low:g} K" for low, high in ranges]
    return {
        name: chosen
        for name, (low, high) in zip(names, ranges, strict=True)
        if (chosen := [k for k, each in enumerate(kelvin) if low < each <= high])
    }


def _compositions(frames) -> dict[str, list[int]]:
    names = [frame.get_chemical_formula() for frame in frames]
    return {name: [k for k, each in enumerate(names) if each == name] for name in sorted(set(names))}


def _errors(frames, results) -> dict:
    """As `potential_errors`, with energies as they are, and errors over compositions."""
    found = errors(frames, results)
    names = np.unique([frame.get_chemical_formula() for frame in frames], return_inverse=True)[1]
    energy = np.array([(r.energy - f.info["REF_energy"]) / len(f) for f, r in zip(frames, results, strict=True)])
    pressure = np.array(
        [
            _pressure(result.stress) - _pressure(np.diag(frame.info["REF_stress"]))
            for frame, result in zip(frames, results, strict=True)
        ]
    )
    squares = np.array([((r.forces - f.arrays["REF_forces"]) ** 2).sum() for f, r in zip(frames, results)])
    sizes = np.array([3.0 * len(frame) for frame in frames])
    return {
        "frames": len(frames),
        "forces_rmse_meV_per_A": over(names, squares, sizes, lambda a, b: 1e3 * np.sqrt(a / b)),
        "energy_rmse_meV_per_atom": over(names, energy**2, sizes * 0 + 1, lambda a, b: 1e3 * np.sqrt(a / b)),
        "pressure_bias_GPa": over(names, pressure, sizes * 0 + 1, lambda a, b: a / b),
        "pressure_rmse_GPa": over(names, pressure**2, sizes * 0 + 1, lambda a, b: np.sqrt(a / b)),
        "forces_slope": found["forces_slope"],
        "forces_rmse_meV_per_A_by_element": found["forces_rmse_meV_per_A_by_element"],
        "forces_rmse_meV_per_A_by_ion": found["forces_rmse_meV_per_A_by_ion"],
    }


def _pressure(stress) -> float:
    """Of xx, yy, zz (eV/Å³), which come first in Voigt's order."""
    return -GPA * float(np.mean(stress[:3]))


def over(names, above, below, ratio) -> tuple[float, float | None]:
    """The ratio of two sums and its standard error by bootstrap over compositions, None for a single one."""
    sums = np.array([np.bincount(names, weights=each) for each in (above, below)])
    picks = np.random.default_rng(0).integers(sums.shape[1], size=(_RESAMPLES, sums.shape[1]))
    resampled = ratio(*sums[:, picks].sum(axis=2))
    return float(ratio(*sums.sum(axis=1))), float(resampled.std()) if sums.shape[1] > 1 else None


def _print(found) -> None:
    print(f"{'':24s} frames   forces (meV/Å)   energy (meV/atom)  pressure bias, RMSE (GPa)")
    for name, row in found.items():
        cells = [_text(row[key]) for key in ("forces_rmse_meV_per_A", "energy_rmse_meV_per_atom")]
        pressures = ", ".join(_text(row[key], 2) for key in ("pressure_bias_GPa", "pressure_rmse_GPa"))
        print(f"{name:24s} {row['frames']:6d}   {cells[0]:>14s}   {cells[1]:>17s}  {pressures}")
    everything = found["all"]
    for key in ("element", "ion"):
        by = everything[f"forces_rmse_meV_per_A_by_{key}"]
        print(f"by {key} (meV/Å): " + ", ".join(f"{name} {value:.0f}" for name, value in by.items()))


def _text(value, decimals: int = 0) -> str:
    mean, error = value
    return f"{mean:.{decimals}f}" + ("" if error is None else f" ± {error:.{decimals}f}")


if __name__ == "__main__":
    sys.exit(main())
