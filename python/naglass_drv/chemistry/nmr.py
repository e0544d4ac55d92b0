"""Shares of Q^n in sodium phosphate glasses by ³¹P NMR."""

from collections.abc import Iterable

from .ions import Species
from .notation import oxides

#: Where the measured shares come from.
SOURCE = "³¹P NMR: data collected with StatMechGlass (github.com/OxideGlassGroupAAU/StatMechGlass, Data/P2O5/Na.csv)"
# mol% Na2O: % of Q3, Q2, Q1, Q0. The row of the source at 57 mol% repeats that at 54.1, against the balance of charges
_SODIUM = {
    5.0: (96, 4, 0, 0), 7.5: (94, 6, 0, 0), 10.0: (89, 11, 0, 0), 15.0: (81, 19, 0, 0), 20.0: (77, 23, 0, 0),
    25.0: (68, 32, 0, 0), 30.0: (58, 42, 0, 0), 35.0: (43, 57, 0, 0), 40.0: (38, 62, 0, 0), 42.8: (20, 80, 0, 0),
    43.8: (18, 82, 0, 0), 45.3: (13, 87, 0, 0), 47.2: (7, 93, 0, 0), 50.0: (0, 100, 0, 0), 51.1: (0, 99, 1, 0),
    54.1: (0, 78, 22, 0),
}  # fmt: skip


def measured_qn(ions: Iterable[Species]) -> dict[int, float] | None:
    """Shares of Q0 to Q3 that NMR finds in a glass of `ions`, interpolated in mol% Na2O; None if it is no sodium
    phosphate or outside of 5 to 54.1 mol%.
    """
    shares = oxides(tuple(ions))
    if shares is None or set(shares) != {"Na₂O", "P₂O₅"}:
        return None
    sodium, known = shares["Na₂O"], sorted(_SODIUM)
    above = next((each for each in known if each >= sodium - 1e-9), None)
    if above is None or sodium < known[0] - 1e-9:
        return None
    below = max((each for each in known if each < above), default=above)
    part = 1.0 if above == below else (sodium - below) / (above - below)
    return {n: (part * _SODIUM[above][3 - n] + (1.0 - part) * _SODIUM[below][3 - n]) / 100.0 for n in range(4)}
