"""Whether cells whose energies are compared had the temperature that was asked for, and what its differences make."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..wording import with_error
from .arrhenius import BOLTZMANN_EV_PER_K
from .excess_cells import Cell

# standard errors, and the share that a thermostat and its time step may be off by
_ERRORS, _SHARE = 3.0, 0.02
#: Mean temperature (K) of the cells of a kind and its standard error.
Mean = tuple[float, float]


def mean_temperatures(cells: Mapping[str, Sequence[Cell]], asked_K: float) -> dict[str, Mean]:
    """Mean temperature of each kind of `cells` over the frames of their energies, with its error in time.

    The temperature of N atoms has the variance 2T²/3N, that of 3N Gaussian momenta, in each of its independent samples.
    The scatter of the series itself is not used: it would excuse a run that is still heated up.

    InputError where a mean is off `asked_K` by more than three of these errors and by more than 2 %.
    """
    found = {kind: _mean(own, asked_K) for kind, own in cells.items()}
    off = [kind for kind, mean in found.items() if abs(mean[0] - asked_K) > max(_ERRORS * mean[1], _SHARE * asked_K)]
    if off:
        each = ", ".join(f"{with_error(*mean)} K of {kind}" for kind, mean in found.items())
        raise InputError(
            f"the cells have not come to {asked_K:g} K: their mean temperatures are {each}; leave out more of their "
            "beginning, or run longer"
        )
    return found


def thermal_shift(temperatures: Mapping[str, Mean], atoms: Mapping[str, float]) -> Mean:
    """What differences of temperature add to E − n_c E_c − n_g E_g (eV), 3/2 k_B for each atom, with its error.

    That is the potential energy of harmonic atoms; `atoms` are those of each kind in an interface, of bulk negative.
    """
    each = np.array(
        [[1.5 * BOLTZMANN_EV_PER_K * atoms[kind] * value for value in temperatures[kind]] for kind in atoms]
    )
    return float(each[:, 0].sum()), float(np.sqrt(np.square(each[:, 1]).sum()))


def _mean(cells: Sequence[Cell], asked_K: float) -> Mean:
    variances = [2 * asked_K**2 / (3 * cell.atoms * cell.temperature_samples) for cell in cells]
    return float(np.mean([cell.temperature_K for cell in cells])), float(np.sqrt(sum(variances)) / len(cells))
