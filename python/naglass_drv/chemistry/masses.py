"""Standard atomic weights, light enough for the check of an input file."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .ions import SYMBOLS, Species

if TYPE_CHECKING:
    from ase import Atoms

DALTON_PER_A3_IN_G_CM3 = 1.66053906660  # CODATA 2018
# IUPAC 2013 (10.1515/pac-2015-0305), H to Bi; Tc and Pm: their longest-lived isotopes
_WEIGHTS = (
    "1.008 4.0026 6.94 9.01218 10.81 12.011 14.007 15.999 18.9984 20.1797 22.9898 24.305 26.9815 28.085 30.9738 32.06 "
    "35.45 39.948 39.0983 40.078 44.9559 47.867 50.9415 51.9961 54.938 55.845 58.9332 58.6934 63.546 65.38 69.723 "
    "72.63 74.9216 78.971 79.904 83.798 85.4678 87.62 88.9058 91.224 92.9064 95.95 97.9072 101.07 102.906 106.42 "
    "107.868 112.414 114.818 118.71 121.76 127.6 126.904 131.293 132.905 137.327 138.905 140.116 140.908 144.242 "
    "144.913 150.36 151.964 157.25 158.925 162.5 164.93 167.259 168.934 173.054 174.967 178.49 180.948 183.84 186.207 "
    "190.23 192.217 195.084 196.967 200.592 204.38 207.2 208.98"
)
#: Mass (u) of an atom by element.
MASSES = dict(zip(SYMBOLS, map(float, _WEIGHTS.split()), strict=True))


def density(atoms: "Atoms") -> float:
    """Mass density (g/cm³) of a periodic cell."""
    return float(atoms.get_masses().sum() / atoms.cell.volume * DALTON_PER_A3_IN_G_CM3)


def volume_of(mass_u: float, density_g_cm3: float) -> float:
    """Volume (Å³) of a mass at a mass density."""
    return float(mass_u * DALTON_PER_A3_IN_G_CM3 / density_g_cm3)


def volume(ions: Iterable[Species], density_g_cm3: float) -> float:
    """Volume (Å³) of `ions` at a mass density (g/cm³)."""
    return volume_of(sum(MASSES[ion.element] * ion.count for ion in ions), density_g_cm3)
