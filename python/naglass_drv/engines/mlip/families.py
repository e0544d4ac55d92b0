"""The families of potentials that a worker evaluates, and what is known of their models."""

from dataclasses import dataclass

from ...chemistry.ions import SYMBOLS
from ...errors import InputError

# of the Materials Project's trajectories: up to Pu, without Po to Ra
_ELEMENTS = frozenset(SYMBOLS[:94]) - {"Po", "At", "Rn", "Fr", "Ra"}


@dataclass(frozen=True)
class Model:
    """One set of weights.

    `level` is the level of theory of its training data, `dispersion` whether that includes D3; `modal` selects one of
    several levels that the weights were trained on; `elements` are those in the data.
    """

    level: str
    dispersion: bool = False
    modal: str | None = None
    elements: frozenset[str] = _ELEMENTS


@dataclass(frozen=True)
class Family:
    """A package with pretrained models.

    `requirements` are installed with pip into an environment of its own, which cannot be naglass's where they need
    another e3nn. `moments`: magnetic moments are predicted, too.
    """

    name: str
    requirements: tuple[str, ...]
    models: dict[str, Model]
    licence: str
    reference: str
    moments: bool = False


_TORCH = "torch==2.13.0"
_DISPERSION = "dftd3==1.7.0"
_PBE_U = "PBE+U, Materials Project settings"

FAMILIES = {
    "sevennet": Family(
        "sevennet",
        (_TORCH, "sevenn==0.13.0", _DISPERSION),
        {"7net-0": Model(_PBE_U), "7net-l3i5": Model(_PBE_U), "7net-mf-0": Model(_PBE_U, modal="PBE")},
        "MIT",
        "doi:10.1021/acs.jctc.4c00190",
    ),
    "chgnet": Family(
        "chgnet",
        (_TORCH, "chgnet==0.4.2", _DISPERSION),
        {"0.3.0": Model(_PBE_U), "r2scan": Model("r2SCAN", elements=_ELEMENTS - {"Yb"})},
        "modified BSD",
        "doi:10.1038/s42256-023-00716-3",
        moments=True,
    ),
}


def family_of(name: str) -> Family:
    """The family of this name; InputError naming those that there are."""
    if name not in FAMILIES:
        raise InputError(f"{name!r}: no such family of potentials; there are {', '.join(FAMILIES)}")
    return FAMILIES[name]
