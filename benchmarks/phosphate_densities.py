"""Molar volumes of the oxides of phosphate glasses, fitted to measured densities, and how well they predict others.

    python benchmarks/phosphate_densities.py select_SciGK.csv select_Gcomp.csv

The two files are tables of SciGlass (github.com/epam/SciGlass, Open Database License) as tab-separated text, of which
the columns KOD, GLASNO, DENSITY and Kod, GlasNo, Composition are read. Errors are those of glasses of publications that
were left out. The coefficients stand in `naglass_drv.chemistry.densities`.
"""

import argparse
import re
import sys
from collections import Counter

import numpy as np
import pandas as pd

from naglass_drv.chemistry.densities import LEAST_P2O5, MOST, PAIRS, VOLUMES
from naglass_drv.insight.composition import molar_mass

_TABLED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def main() -> int:
    """Print the volumes (cm³/mol) beside those of the package, and the errors by system."""
    parser = argparse.ArgumentParser(description="Molar volumes of oxides in phosphate glasses, from SciGlass.")
    parser.add_argument("properties")
    parser.add_argument("compositions")
    options = parser.parse_args()
    sources, densities, mol = read(options.properties, options.compositions)
    print(f"{len(densities)} glasses of {len(set(sources))} publications")
    known = [oxide.translate(_TABLED) for oxide in VOLUMES]
    pairs = [tuple(oxide.translate(_TABLED) for oxide in pair) for pair in PAIRS]
    features, mass = columns(mol, known, pairs)
    volumes, used = fit(features, mass / densities)
    present = (features[used] > 0).sum(axis=0)
    of_package = [*VOLUMES.values(), *PAIRS.values()]
    for name, value, count, ours in zip([*known, *pairs], volumes, present, of_package, strict=True):
        print(f"{name!s:22} {value:8.2f} cm³/mol  package {ours:8.2f}  in {count} glasses")
    for oxide, most in MOST.items():
        found = max(glass.get(oxide.translate(_TABLED), 0.0) for glass in mol)
        print(f"{oxide}: at most {found:.1f} mol %, package {most}")
    print(f"left out as outliers: {(~used).sum()}")
    predicted = np.empty(len(densities))
    for source in set(sources):
        out = sources == source
        predicted[out] = mass[out] / (features[out] @ fit(features[~out], (mass / densities)[~out])[0])
    report(predicted / densities - 1, mol)
    return 0


def read(properties: str, compositions: str) -> tuple[np.ndarray, np.ndarray, list[dict[str, float]]]:
    """Publications, densities (g/cm³) and oxides in mol % of the phosphates of known oxides."""
    table = pd.read_csv(properties, sep="\t", usecols=["KOD", "GLASNO", "DENSITY"], low_memory=False)
    texts = pd.read_csv(compositions, sep="\t", dtype=str)
    texts = texts.astype({"Kod": int, "GlasNo": int})
    table = table.astype({"KOD": int, "GLASNO": int, "DENSITY": float}).query("1.8 < DENSITY < 5")
    both = table.merge(texts, left_on=["KOD", "GLASNO"], right_on=["Kod", "GlasNo"])
    found = []
    for source, density, text in zip(both.KOD, both.DENSITY, both.Composition, strict=True):
        parts = [part for part in re.split(r"[\x00-\x1f\x7f]", text) if part]
        if len(parts) % 4 == 0:
            mol = {parts[k]: float(parts[k + 3]) for k in range(0, len(parts), 4)}
            known = {oxide.translate(_TABLED) for oxide in VOLUMES}
            if set(mol) <= known and mol.get("P2O5", 0) >= LEAST_P2O5 and abs(sum(mol.values()) - 100) < 1:
                found.append((source, density, mol))
    sources, densities, mol = zip(*found, strict=True)
    return np.array(sources), np.array(densities), list(mol)


def columns(mol, known, pairs) -> tuple[np.ndarray, np.ndarray]:
    """Mole fractions of the oxides and their products, and the molar masses (g/mol)."""
    shares = np.array([[glass.get(oxide, 0.0) / 100 for oxide in known] for glass in mol])
    products = [shares[:, known.index(a)] * shares[:, known.index(b)] for a, b in pairs]
    return np.column_stack([shares, *products]), shares @ np.array([molar_mass(oxide) for oxide in known])


def fit(features: np.ndarray, volumes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares, repeated without glasses that are off by more than four robust standard deviations."""
    used = np.ones(len(volumes), dtype=bool)
    for _ in range(20):
        found = np.linalg.lstsq(features[used], volumes[used], rcond=None)[0]
        off = volumes / (features @ found) - 1
        kept = np.abs(off) < 4 * 1.4826 * np.median(np.abs(off[used]))
        if (kept == used).all():
            break
        used = kept
    return found, used


def report(errors: np.ndarray, mol) -> None:
    """Print the relative errors of all glasses and by system."""
    systems = [tuple(sorted(glass)) for glass in mol]
    groups = {"all": np.ones(len(errors), dtype=bool)}
    for system, count in Counter(systems).most_common():
        if count >= 5:
            groups[" ".join(system)] = np.array([each == system for each in systems])
    for name, chosen in groups.items():
        off = errors[chosen]
        within = [100 * np.quantile(np.abs(off), q) for q in (0.68, 0.9)]
        counted = f"{chosen.sum():4d} glasses, median {100 * np.median(off):5.1f} %"
        print(f"{name:32} {counted}, 68 % within {within[0]:.1f} %, 90 % within {within[1]:.1f} %")


if __name__ == "__main__":
    sys.exit(main())
