"""Decide whether a CP2K result is a valid label: normal end, SCF, net force, spins."""

from pathlib import Path

import numpy as np

from ....chemistry.ions import POLARIZED_MUB
from ....dataset.gate import net_force_fault, spin_fault
from ....wording import counted
from .. import parse
from ..failures import Refused

# net forces within a set are similar: at ten times the limit hardly any frame passes
_HOPELESS = 10.0


def finished(log: Path, status: int, ranks: int, guess: str | None = None) -> parse.Header:
    """The header of a run with exit `status` on `ranks` processes; Refused unless it ended normally.

    `guess` is where its first density had to come from ("RESTART"): if a wavefunction is
    missing, CP2K silently starts from atoms. An abort in the SCF counts as a failure of the SCF.
    """
    signal = _signal(status)
    try:
        header = parse.header(log)
    except parse.OutputError as error:
        raise Refused("KILLED", _killed(signal)) if signal else unreadable(error, log, status) from error
    if header.abort is not None:
        failure = "SCF_NOT_CONVERGED" if header.in_scf else "ABORT"
        raise Refused(failure, f"CP2K aborted{' in the SCF' if header.in_scf else ''}: {header.abort}")
    if signal:
        raise Refused("KILLED", _killed(signal))
    if header.processes != ranks:
        found = counted(header.processes, "process")
        raise Refused("LAUNCHER", f"CP2K ran on {found} instead of the requested {ranks}")
    if header.out_of_time:
        raise Refused("WALLTIME", "CP2K stopped at its own time limit (WALLTIME in the input)")
    if status != 0 or not header.ended:
        raise Refused("INCOMPLETE", f"CP2K did not end normally (exit status {status})")
    if guess is not None and header.density_guess != guess:
        raise Refused("INCOMPLETE", f"the first density came from {header.density_guess}, but {guess} was requested")
    return header


def _signal(status: int) -> int:
    """The signal that killed a process or, reported by mpirun as 128 + n, one of its ranks; 0 for none."""
    return -status if status < 0 else status - 128 if 128 < status <= 192 else 0


def _killed(signal: int) -> str:
    return f"CP2K was killed by signal {signal} (memory, the node, or a user)"


def unreadable(error: parse.OutputError, log: Path, status: int) -> Refused:
    """The refusal for an output that cannot be read."""
    failure = "LAUNCHER" if "version line" in str(error) else "INCOMPLETE"
    if isinstance(error, parse.NotANumber):
        failure = "NAN"
    return Refused(failure, f"exit status {status}; {log.name}: {error}")


def admit(
    found: parse.Evaluation,
    multiplicity: int,
    max_net_force_eV_per_A: float,
    *,
    on_grid: bool,
    asked: np.ndarray | None = None,
) -> None:
    """Raise Refused unless `found` is a valid label: converged, complete, forces balanced, spins as requested.

    `on_grid` says that the level has a plane-wave cutoff. `asked` are the moments (N, µB) that the SCF started from:
    no atom may end with a moment of the other sign.
    """
    if not found.scf_converged:
        raise Refused("SCF_NOT_CONVERGED", "the SCF did not converge")
    for name in ("energy_eV", "forces_eV_per_A", "stress_eV_per_A3", "charge_mulliken"):
        if getattr(found, name) is None:
            raise Refused("INCOMPLETE", f"no {name} in the output")
    if on_grid:
        check_cutoff(found, max_net_force_eV_per_A)
    net = found.net_force_eV_per_A
    assert net is not None
    if (fault := net_force_fault(net, max_net_force_eV_per_A)) is not None:
        raise Refused("NET_FORCE", fault)
    _check_spins(found, multiplicity, asked)


def check_cutoff(found: parse.Evaluation, max_net_force_eV_per_A: float) -> None:
    """Raise Refused if the net force shows that hardly any frame will pass at this plane-wave cutoff."""
    net, most = found.net_force_eV_per_A, max_net_force_eV_per_A
    if found.scf_converged and net is not None and net > _HOPELESS * most:
        raise Refused("CUTOFF_LOW", f"the net force is {net:.3f} eV/Å, more than {_HOPELESS:g} times {most:g}")


def _check_spins(found: parse.Evaluation, multiplicity: int, asked: np.ndarray | None) -> None:
    for name, moments in (("Mulliken", mulliken_of(found)), ("Hirshfeld", found.spin_hirshfeld)):
        if moments is not None and (fault := spin_fault(float(moments.sum()), multiplicity, name)) is not None:
            raise Refused("SPIN_MISMATCH", fault)
    moments = spin_of(found)
    flipped = [] if asked is None or moments is None else turned(moments, asked)
    if len(flipped):
        atoms = ", ".join(f"atom {i} has {moments[i]:+.2f} (started from {asked[i]:+g})" for i in flipped[:4])
        raise Refused("SPIN_MISMATCH", f"moments (µB) that have changed direction: {atoms}")


def spin_of(found: parse.Evaluation) -> np.ndarray | None:
    """The moments (N, µB) used for a label: Hirshfeld if the level prints them, else Mulliken."""
    return mulliken_of(found) if found.spin_hirshfeld is None else found.spin_hirshfeld


def mulliken_of(found: parse.Evaluation) -> np.ndarray | None:
    """Mulliken's moments (N, µB): zero where all electrons are paired and CP2K prints charges alone."""
    if found.spin_mulliken is None and found.charge_mulliken is not None:
        return np.zeros(len(found.charge_mulliken))
    return found.spin_mulliken


def turned(moments: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Atoms with a moment opposite to the one requested; reversing all moments together makes no difference."""
    side = np.where(np.abs(moments) >= POLARIZED_MUB, np.sign(moments), 0.0) * np.sign(asked)
    against, along = np.flatnonzero(side < 0), np.flatnonzero(side > 0)
    return against if len(against) <= len(along) else along
