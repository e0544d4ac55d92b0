"""Writes glasses.csv: a made-up series in which D follows the composition and the mean n of Qⁿ, and nothing else."""

import csv
from pathlib import Path

import numpy as np

HEAD = (
    "glass", "series", "replica", "Na2O (mol-%)", "V2O5 (mol-%)", "P2O5 (mol-%)", "P-O-P angle (deg)", "mean_n", "Q1",
    "V4+/V", "density (g/cm3)", "D (cm2/s)",
)  # fmt: skip
GLASSES, REPLICAS = 24, 2


def main() -> None:
    rng = np.random.default_rng(3)
    with open(Path(__file__).with_name("glasses.csv"), "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEAD)
        for number in range(GLASSES):
            shares = 100 * rng.dirichlet([6, 3, 6])
            linked = 1 + 0.02 * shares[1] + 0.2 * rng.normal()
            angle, redox = 130 + 0.1 * shares[0] + 2 * rng.normal(), rng.uniform(0, 0.5)
            density = 2.4 + 0.01 * shares[1] + 0.05 * rng.normal()
            level = -9 + 0.02 * shares[0] - 1.2 * (linked - 1.5) + 0.15 * rng.normal()
            for replica in range(REPLICAS):
                row = (
                    f"g{number}", "ABC"[number % 3], replica, *(f"{share:.2f}" for share in shares),
                    f"{angle + 0.5 * rng.normal():.2f}", f"{linked + 0.02 * rng.normal():.3f}",
                    f"{0.6 - 0.2 * linked + 0.02 * rng.normal():.3f}", f"{redox:.3f}",
                    f"{density + 0.01 * rng.normal():.3f}", f"{10 ** (level + 0.1 * rng.normal()):.3e}",
                )  # fmt: skip
                writer.writerow(row)


if __name__ == "__main__":
    main()
