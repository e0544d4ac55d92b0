"""The rigid-ion potential of Pedone form (PMMCS) for melt-quench, as LAMMPS commands.

E = q q'/r + D (exp(−2a(r − r0)) − 2 exp(−a(r − r0))) + C/r¹², between each cation and O, and between O and O
(Pedone et al., J. Phys. Chem. B 110, 11780 (2006), 10.1021/jp0611018). All charges are 0.6 × formal, so a
formally neutral composition is neutral. Numbers as published with the PMMCS and BMP sets of amorphouspy
(glasagent/amorphouspy: pmmcs_potential.py, bmp_potential.py); V4+ and V5+ are separate ions there. Nobody has
published V3+: it borrows the BMP numbers of Fe3+, whose radius is the same (0.645 against 0.64 Å); with them
Na3V2(PO4)3 keeps its cell volume to 1 %.

Limits: V–O bond lengths do not tell the oxidation state (V4–O comes out shorter than V5–O), no vanadyl bond
survives, and V is under-coordinated after a quench: a start for a better potential, not a result.
"""

from collections.abc import Sequence

from ..errors import InputError
from .ions import Species, ion_label

CHARGE_SCALE = 0.6
SHORT_CUTOFF_A = 5.5
COULOMB_CUTOFF_A = 8.0
DSF_DAMPING_PER_A = 0.25

# (element, formal charge): D eV, a 1/Å, r0 Å, C eV Å^12, all with oxygen
_WITH_OXYGEN = {
    ("Na", 1): (0.023363, 1.763867, 3.006315, 5.0),
    ("P", 5): (0.831326, 2.585833, 1.800790, 1.0),
    ("O", -2): (0.042395, 1.379316, 3.618701, 22.0),
    ("V", 5): (0.021911, 1.495955, 3.398507, 1.0),
    ("V", 4): (0.032832, 2.109308, 2.663618, 1.0),
    ("V", 3): (0.348991, 1.920376, 2.202183, 1.0),
    ("Fe", 2): (0.078171, 1.822638, 2.658163, 2.0),
    ("Fe", 3): (0.418981, 1.620376, 2.382183, 2.0),
    ("Mn", 2): (0.029658, 1.997543, 2.852075, 3.0),
    ("Ti", 4): (0.024235, 2.254703, 2.708943, 1.0),
    ("Cr", 3): (0.399561, 1.785079, 2.340810, 1.0),
}

_OXYGEN = Species("O", -2, 1, 0)


def lacking(ions: Sequence[Species]) -> list[Species]:
    """The ions that have no parameters."""
    return [ion for ion in ions if (ion.element, ion.charge) not in _WITH_OXYGEN]


def known() -> str:
    """The ions that have parameters, as text."""
    return ", ".join(ion_label(element, charge) for element, charge in _WITH_OXYGEN)


def otherwise() -> str:
    """What to do about an ion without parameters, as text."""
    return (
        f"available: {known()}; a machine-learned potential needs none: name a MACE model of these elements as "
        "glass.model, and a protocol of one step, as nvt-100"
    )


def check(ions: Sequence[Species]) -> None:
    """Raise InputError naming every ion that has no parameters, or the lack of oxygen."""
    missing = [ion.label for ion in lacking(ions)]
    if missing:
        raise InputError(f"composition: no Pedone parameters for {', '.join(missing)}; {otherwise()}")
    if all(ion.element != "O" for ion in ions):
        raise InputError("composition: the Pedone potential is for oxides, but there is no O")


def short_range(ion: Species) -> tuple[float, float, float, float]:
    """D (eV), a (1/Å), r0 (Å) and C (eV Å¹²) of an ion with oxygen. Raises InputError for one without parameters."""
    check([ion, _OXYGEN])
    return _WITH_OXYGEN[ion.element, ion.charge]


def pair_coefficients(ions: Sequence[Species], style: str = "pedone") -> list[str]:
    """``pair_coeff`` lines of the short-range part; LAMMPS type i + 1 is ``ions[i]``."""
    check(ions)
    oxygen = next(i for i, ion in enumerate(ions) if ion.element == "O")
    lines = []
    for i, ion in enumerate(ions):
        low, high = sorted((i + 1, oxygen + 1))
        numbers = " ".join(str(value) for value in _WITH_OXYGEN[ion.element, ion.charge])
        lines.append(f"pair_coeff {low} {high} {style} {numbers}  # {ion.label} O2-")
    return lines


def charges(ions: Sequence[Species]) -> list[float]:
    """Charge (e) of each ion in this potential."""
    return [CHARGE_SCALE * ion.charge for ion in ions]


def commands(ions: Sequence[Species]) -> list[str]:
    """LAMMPS commands of the potential: damped shifted-force Coulomb and Pedone pairs.

    Coulomb forces are cut at 8 Å with damping 0.25 1/Å, the short range at 5.5 Å; boxes smaller than that are
    right too, LAMMPS builds as many periodic images as the cutoff needs.
    """
    styles = f"coul/dsf {DSF_DAMPING_PER_A} {COULOMB_CUTOFF_A} pedone {SHORT_CUTOFF_A}"
    return [f"pair_style hybrid/overlay {styles}", "pair_coeff * * coul/dsf", *pair_coefficients(ions)]
