"""Paths to a converged SCF: the ladder of fallbacks when the first path fails.

Every rung changes how the SCF gets there (guess, minimizer, preconditioner, mixing), never what it gets to: cutoff,
basis set, U, tolerances and occupations are the level's. docs/stages/reference.md lists how many labels each one
rescued.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..tree import Section

SCF = "FORCE_EVAL/DFT/SCF"
_OFF = ("OFF", "F", "FALSE", ".FALSE.", "NO")
#: The wavefunction that a run starts from, in its own folder.
START_WFN = "start.wfn"


@dataclass(frozen=True)
class Rung:
    """One way to the same density: `name` in words, `change` what it does to &SCF.

    `goes_on` starts from the wavefunction that the rung before has left.
    """

    name: str
    change: Callable[[Section], None]
    goes_on: bool = False


def ladder(root: Section) -> tuple[Rung, ...]:
    """The rungs for an input, the first of them the unchanged input."""
    first = Rung("as in the template", lambda scf: None)
    if any(smear.parameter.upper() not in _OFF for smear in root.at(SCF).sections("SMEAR")):
        mixing = Rung("Broyden mixing with small steps", _small_mixing)
        return first, mixing, Rung("the same, from its density", _small_mixing, goes_on=True)
    minimizer = _tight_binding if _is_tight_binding(root) else _conjugate_gradients
    name = "OT with conjugate gradients"
    return first, Rung(name, minimizer), Rung(f"{name}, from its orbitals", minimizer, goes_on=True)


def _is_tight_binding(root: Section) -> bool:
    return any(value.upper() == "XTB" for qs in root.sections("FORCE_EVAL/DFT/QS") for value in qs.values("METHOD"))


def _tight_binding(scf: Section) -> None:
    # FULL_ALL finds other states than the level's preconditioner, some far off; plain diagonalization diverges
    _minimize(scf, {"MINIMIZER": "CG", "ALGORITHM": "IRAC", "PRECONDITIONER": "FULL_SINGLE_INVERSE"})


def _conjugate_gradients(scf: Section) -> None:
    # with the gap of 0.001 that CP2K's manual names, a cell that converges at 0.02 fell by 150 eV and stayed there
    gap = scf.at("OT").values("ENERGY_GAP") or ["0.02"]
    _minimize(scf, {"MINIMIZER": "CG", "LINESEARCH": "2PNT", "PRECONDITIONER": "FULL_ALL", "ENERGY_GAP": gap[0]})


def _minimize(scf: Section, options: dict[str, object]) -> None:
    """OT by `options`, 12 times 50 steps; tolerances stay."""
    for name in ("DIAGONALIZATION", "MIXING", "ADDED_MOS"):
        scf.remove(name)
    for key, value in options.items():
        scf.at("OT").set(key, value)
    scf.set("MAX_SCF", 50)
    scf.at("OUTER_SCF").set("MAX_SCF", 12)
    scf.at("OUTER_SCF").set("EPS_SCF", *scf.values("EPS_SCF"))


def _small_mixing(scf: Section) -> None:
    mixing = scf.at("MIXING")
    for key, value in (("METHOD", "BROYDEN_MIXING"), ("ALPHA", 0.05), ("NBROYDEN", 12)):
        mixing.set(key, value)
    scf.set("MAX_SCF", 300)


def start_from(root: Section, wavefunction: str) -> None:
    """Let the first SCF of an input start from a file of orbitals in the run's folder."""
    dft = root.at("FORCE_EVAL/DFT")
    dft.set("WFN_RESTART_FILE_NAME", wavefunction)
    dft.at("SCF").set("SCF_GUESS", "RESTART")


def keep_orbitals(root: Section, every: int | None = None) -> None:
    """Let a run leave its orbitals behind, also those of an SCF that does not converge; each `every` steps of an MD."""
    kept = root.at(f"{SCF}/PRINT/RESTART")
    kept.parameter = "ON"
    kept.set("BACKUP_COPIES", 1)
    if every is not None:
        kept.at("EACH").set("QS_SCF", 0)
        kept.at("EACH").set("MD", every)


def stop_unconverged(root: Section) -> None:
    """Let a run that moves atoms end where an SCF does not converge, rather than go on with forces of no state.

    CP2K 2023.1 continues by default; from 2024.1 on it stops by default.
    """
    scf = root.at(SCF)
    if scf.values("IGNORE_CONVERGENCE_FAILURE"):
        scf.remove("IGNORE_CONVERGENCE_FAILURE")
    else:
        scf.set("NOTCONV_STOPALL", "TRUE")


def orbitals(folder: Path, project: str) -> Path | None:
    """The orbitals that a run has left in `folder`, the last that are whole; None where there are none."""
    last = folder / f"{project}-RESTART.wfn"
    found = [path for path in (last, last.with_name(f"{last.name}.bak-1")) if path.is_file()]
    # all files of one run are of one size; a shorter one was being written when the run was killed
    return max(found, key=lambda path: path.stat().st_size, default=None)
