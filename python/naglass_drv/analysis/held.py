"""How far the mobile ions of a melt-quench diffuse while it is held at its final temperature."""

from collections.abc import Iterator, Sequence

from ase import Atoms

from .. import core
from ..chemistry.ions import MOBILE_IONS
from ..core.trajectory import same_elements
from ..core.transport import correlator
from ..products import Quantity
from .measure import relative_to_framework

# fewer tell nothing of time blocks
_LEAST_FRAMES = 20


def diffusion_of_hold(hold: Sequence[Atoms], name: str, temperature_K: float) -> Iterator[Quantity]:
    """The self-diffusion coefficient (m²/s) of the mobile ion over the `hold`, frames with info `time_ps`, or its upper
    bound (95 %) if the motion is not diffusive (`core.diffusion`); nothing for a hold of few frames.
    """
    if len(hold) < _LEAST_FRAMES:
        return
    elements = same_elements(hold)
    ion = next((each for each in MOBILE_IONS if each in elements and len(elements) > 1), None)
    if ion is None:
        return
    found = core.diffusion(correlator(relative_to_framework(hold, ion)), ion)
    key, at = f"glass.{name}", {"temperature_K": temperature_K}
    unit = core.ANGSTROM2_PER_PS_IN_M2_PER_S
    if found.coefficient is not None:
        label = f"self-diffusion coefficient of {ion} in the hold of {name}"
        interval = found.interval and [end * unit for end in found.interval]
        error = found.err and found.err * unit
        yield Quantity(f"{key}.D", label, found.coefficient * unit, "m²/s", error, interval=interval, conditions=at)
    elif found.upper is not None:
        label = f"upper bound (95 %) of the self-diffusion coefficient of {ion} in the hold of {name}"
        note = "upper bound, 95 %; not diffusive"
        yield Quantity(f"{key}.D_upper", label, found.upper * unit, "m²/s", note=note, conditions=at)
