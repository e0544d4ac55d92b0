"""Densities of glasses at room temperature where the input gives none: a table and models of oxides, with sources."""

from collections.abc import Iterable, Mapping

from ..errors import InputError
from .ions import Species
from .masses import MASSES
from .notation import oxide_units, oxides

_SAME_PERCENT = 0.5
# oxides in mol%: density (g/cm³), source
_TABLE: tuple[tuple[Mapping[str, float], float, str], ...] = (
    (
        {"Na₂O": 25.0, "FeO": 50.0, "P₂O₅": 25.0}, 3.069,
        "five simulated glasses of 3003 atoms, ACE trained on DFT (github.com/R-Chr/NaFePO4_potential, "
        "10.26434/chemrxiv-2025-9sf4n)",
    ),
)  # fmt: skip
_FLUEGEL = "the model of A. Fluegel, J. Am. Ceram. Soc. 90, 2622 (2007)"
# coefficients of the powers of mol%, and of products, for silicates; at 0 mol% it is silica
_SILICA = 2.121560704
_POWERS = {
    "Na₂O": (0.018129123, -0.000264838, 0.000001614),
    "Al₂O₃": (0.010525974, -0.000076924),
    "TiO₂": (0.018820343,),
}
_PRODUCTS = {("Na₂O", "Al₂O₃"): -0.000253454, ("Na₂O", "TiO₂"): -0.00014331}
_LEAST_SILICA = 50.0
#: Volumes (cm³/mol) of oxides in phosphate glasses, and those of products of their mole fractions, fitted to measured
#: densities of SciGlass (github.com/epam/SciGlass, Open Database License) by benchmarks/phosphate_densities.py.
VOLUMES = {
    "Na₂O": 20.66, "P₂O₅": 56.97, "V₂O₅": 61.78, "VO₂": 28.33, "Fe₂O₃": 37.20, "FeO": 16.00, "TiO₂": 23.23,
    "Al₂O₃": 34.23, "MnO": 16.12, "CoO": 13.89, "Nb₂O₅": 58.37, "MoO₃": 36.70, "WO₃": 34.43, "SiO₂": 24.63,
}  # fmt: skip
PAIRS = {("Na₂O", "P₂O₅"): 7.26, ("V₂O₅", "P₂O₅"): -7.43, ("Fe₂O₃", "Na₂O"): -38.34}
#: mol % of each in the glasses of the fit, at most; of P₂O₅ at least.
MOST = {
    "Na₂O": 70, "V₂O₅": 90, "VO₂": 47, "Fe₂O₃": 53, "FeO": 55, "TiO₂": 90, "Al₂O₃": 37, "MnO": 51, "CoO": 60,
    "Nb₂O₅": 46, "MoO₃": 86, "WO₃": 79, "SiO₂": 90,
}  # fmt: skip
LEAST_P2O5 = 10.0
_SCIGLASS = (
    "volumes of oxides fitted to 1499 phosphate glasses of SciGlass; off by 2.5 % or less for 68 % of the glasses of "
    "publications left out, 5.8 % for 90 %"
)


def known_density(ions: Iterable[Species]) -> tuple[float, str]:
    """Density (g/cm³) of a glass of `ions`, and where it comes from. Raises InputError where no source is known."""
    ions = tuple(ions)
    shares = oxides(ions)
    if shares is None:
        raise InputError("no density is known of glasses with other anions than O")
    for composition, density, source in _TABLE:
        if set(shares) == set(composition) and all(
            abs(shares[oxide] - share) <= _SAME_PERCENT for oxide, share in composition.items()
        ):
            return density, source
    others = set(shares) - {"SiO₂"}
    if shares.get("SiO₂", 0.0) >= _LEAST_SILICA and others <= set(_POWERS):
        return _silicate(shares), _FLUEGEL
    if shares.get("P₂O₅", 0.0) >= LEAST_P2O5 and all(
        oxide == "P₂O₅" or share <= MOST.get(oxide, 0.0) for oxide, share in shares.items()
    ):
        return _phosphate(ions, shares), _SCIGLASS
    said = ", ".join(f"{share:.3g} {oxide}" for oxide, share in shares.items())
    raise InputError(
        f"no source is known here for the density of {said} (mol %){_beyond(shares)}; state density_g_cm3, measured or "
        "looked up, as in SciGlass"
    )


def _beyond(shares: Mapping[str, float]) -> str:
    """Which oxides of a phosphate the fit does not hold for, with their limits; empty for other glasses."""
    if "P₂O₅" not in shares:
        return ""
    said = [
        f"{oxide} of at most {MOST[oxide]} mol %" for oxide, share in shares.items() if share > MOST.get(oxide, 100)
    ]
    said += [f"no {oxide}" for oxide in shares if oxide not in MOST and oxide != "P₂O₅"]
    if shares["P₂O₅"] < LEAST_P2O5:
        said.insert(0, f"P₂O₅ of at least {LEAST_P2O5:g} mol %")
    return f": the measured phosphates that volumes are fitted to have {', '.join(said)}"


def _silicate(shares: Mapping[str, float]) -> float:
    found = _SILICA
    for oxide, coefficients in _POWERS.items():
        found += sum(each * shares.get(oxide, 0.0) ** power for power, each in enumerate(coefficients, start=1))
    return found + sum(each * shares.get(a, 0.0) * shares.get(b, 0.0) for (a, b), each in _PRODUCTS.items())


def _phosphate(ions: Iterable[Species], shares: Mapping[str, float]) -> float:
    x = {oxide: share / 100 for oxide, share in shares.items()}
    volume = sum(VOLUMES[oxide] * share for oxide, share in x.items())
    volume += sum(each * x.get(a, 0.0) * x.get(b, 0.0) for (a, b), each in PAIRS.items())
    units = sum((oxide_units(ions) or {}).values())
    return sum(MASSES[ion.element] * ion.count for ion in ions) / (units * volume)
