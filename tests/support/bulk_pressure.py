"""The pressure of a bulk crystal at constant volume: an oracle for the cell that it has at constant pressure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from naglass_drv import core
from naglass_drv.engines.lammps.session import open_session

_EVERY = 10


def pressure_at(
    folder: Path,
    kelvin: float,
    *,
    steps: int,
    variables: Mapping[str, object] | None = None,
    plugins: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Means and errors of the pressures (GPa) along x, y, z, in steps of 2 fs after half as many, for the crystal in
    ``start.data`` of `folder` with its ``potential.lmp``."""
    from mpi4py import MPI

    with open_session(MPI.COMM_SELF, folder / "log.lammps", variables=variables or {}, plugins=plugins) as session:
        session.commands(("units metal", "atom_style charge", f'read_data "{folder / "start.data"}"'))
        session.commands((f'include "{folder / "potential.lmp"}"', "timestep 0.002", "minimize 0 1.0e-3 200 400"))
        # half of it becomes potential energy
        session.command(f"velocity all create {2 * kelvin} 9")
        session.commands((f"fix held all nvt temp {kelvin} {kelvin} 0.1", f"run {steps // 2}"))
        seen = []
        for _ in range(steps // _EVERY):
            session.command(f"run {_EVERY} pre no post no")
            seen.append([session.lmp.get_thermo(f"p{axis}{axis}") / 1e4 for axis in "xyz"])
    found = core.average(np.array(seen))
    return found.mean, found.err
