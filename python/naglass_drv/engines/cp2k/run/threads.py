"""Whether CP2K computes the same with several OpenMP threads as with one.

Its threads call BLAS at the same time. An OpenBLAS built for one thread and without locks returns wrong products then:
energies are off from the first SCF steps on, and differ from run to run.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

from ....errors import SetupError, TaskFailed
from .label import Program, label

if TYPE_CHECKING:
    from ase import Atoms

_TOLERANCE_eV = 1e-4
# of the time on one thread, and seconds to start: an SCF that goes astray may take minutes to give up
_PATIENCE, _START_S = 10.0, 30.0


@cache
def check_threads(program: Program) -> None:
    """Raise SetupError unless CP2K on the program's threads gives the energy that it gives on one.

    Eight atoms of NaCl at GFN1-xTB, on one rank, once in a process; nothing is run for one thread.
    """
    if program.threads == 1:
        return
    own = f"CP2K ({program.executable})"
    began = monotonic()
    try:
        one = _energy_eV(Program(program.executable, program.data))
    except TaskFailed as failure:
        raise SetupError(f"{own} on one thread does not compute an easy cell: {failure}") from failure
    patience = _PATIENCE * (monotonic() - began) + _START_S
    try:
        found = _energy_eV(Program(program.executable, program.data, threads=program.threads), patience)
    except TaskFailed as failure:
        told = f"does not compute an easy cell ({failure.failure})"
    else:
        if abs(found - one) <= _TOLERANCE_eV:
            return
        told = f"gives {found - one:+.3g} eV more than on one thread for an easy cell"
    raise SetupError(
        f"{own} on {program.threads} threads {told}: most likely its BLAS is not safe to call from several threads, as "
        "an OpenBLAS for one thread without locks, or they share too few cores; set threads: 1 in the site profile and "
        "give labels more ranks instead"
    )


def _energy_eV(program: Program, timeout_s: float | None = None) -> float:
    from ....runtime.launch import run_child
    from ..theory.levels import level

    with TemporaryDirectory(prefix="naglass-") as folder:
        frame = label(
            _cell(), level("gfn1-xtb"), Path(folder), program=program, charge=0, multiplicity=1, child=run_child,
            timeout_s=timeout_s,
        )  # fmt: skip
    return float(frame.info["REF_energy"])


def _cell() -> "Atoms":
    """Distorted, for the matrices to be full."""
    from ase.build import bulk

    cell = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    cell.rattle(0.1, seed=1)
    return cell
