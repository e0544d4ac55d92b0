"""Densities of glasses at room temperature where the input gives none: a table and a model of oxides, with sources."""

from collections.abc import Iterable, Mapping

from ..errors import InputError
from .ions import Species
from .notation import oxides

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


def known_density(ions: Iterable[Species]) -> tuple[float, str]:
    """Density (g/cm³) of a glass of `ions`, and where it comes from. Raises InputError where no source is known."""
    shares = oxides(tuple(ions))
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
    said = ", ".join(f"{share:.3g} {oxide}" for oxide, share in shares.items())
    raise InputError(
        f"no source is known here for the density of {said} (mol %); state density_g_cm3, measured or looked up, as in "
        "SciGlass"
    )


def _silicate(shares: Mapping[str, float]) -> float:
    found = _SILICA
    for oxide, coefficients in _POWERS.items():
        found += sum(each * shares.get(oxide, 0.0) ** power for power, each in enumerate(coefficients, start=1))
    return found + sum(each * shares.get(a, 0.0) * shares.get(b, 0.0) for (a, b), each in _PRODUCTS.items())
