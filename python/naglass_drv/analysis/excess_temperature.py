"""Whether cells whose energies are compared had the temperature that was asked for, and what its differences make."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..wording import with_error
from .arrhenius import BOLTZMANN_EV_PER_K
from .excess_cells import Cell
from .kinetic_temperature import Kinetic, canonical_error

#: Mean temperature (K) of the cells of a kind and its standard error.
Mean = tuple[float, float]


def mean_temperatures(cells: Mapping[str, Sequence[Cell]], asked_K: float) -> dict[str, Mean]:
    """Mean temperature of each kind of `cells` over the frames of their energies, with its error in time.

    That of N atoms has 3N degrees of freedom, see `canonical_error`.

    InputError where a mean is off `asked_K` by more than three of these errors and by more than 2 %.
    """
    found = {kind: _mean(own, asked_K) for kind, own in cells.items()}
    if not all(Kinetic(*mean, asked_K, 3 * cells[kind][0].atoms).reached for kind, mean in found.items()):
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
    errors = [canonical_error(asked_K, 3 * cell.atoms, cell.temperature_samples) for cell in cells]
    return float(np.mean([cell.temperature_K for cell in cells])), float(np.sqrt(np.square(errors).sum()) / len(cells))
