"""One label: CP2K in a child process, its output judged, the frame admitted with its labels or refused by name."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SetupError, TaskFailed
from ...runtime.launch import LONE_PROCESS
from . import parse
from .inputs import single_point
from .levels import Level, kinds_of, label_of

if TYPE_CHECKING:
    from ase import Atoms

INPUT = "label.inp"
LOG = "label.out"
_SPIN_TOLERANCE = 0.2


@dataclass(frozen=True)
class Program:
    """CP2K on this machine: absolute paths of the executable and its data folder, and how to start it.

    Without a `launcher` one process is started directly, with `threads` OpenMP threads; `launcher` must belong to
    the MPI that the executable is linked against.
    """

    executable: Path
    data: Path | None = None
    launcher: Path | None = None
    ranks: int = 1
    threads: int = 1

    @classmethod
    def of_site(cls, site: Mapping[str, Any], ranks: int = 1) -> "Program":
        """From the keys `cp2k`, `cp2k_data`, `launcher`, `threads` of a site profile. SetupError without CP2K."""
        if not site.get("cp2k"):
            raise SetupError("no CP2K executable was found; install CP2K or name it in the site profile (key cp2k)")
        data, launcher = site.get("cp2k_data"), site.get("launcher")
        return cls(
            Path(site["cp2k"]), Path(data) if data else None, Path(launcher) if launcher else None, ranks,
            int(site.get("threads") or 1),
        )

    def command(self) -> list[str]:
        """The command line. Raises SetupError for several ranks without a launcher, or one of another MPI."""
        start = [str(self.executable), "-i", INPUT]
        if self.ranks == 1:
            return start
        if self.launcher is None:
            raise SetupError(f"CP2K on {self.ranks} ranks needs a launcher; name it in the site profile (key launcher)")
        from ...runtime.vendors import launcher_vendor, library_vendor

        launcher, library = launcher_vendor(self.launcher), library_vendor(self.executable)
        if launcher is None or library is None or launcher not in (library, "Slurm"):
            raise SetupError(
                f"{self.launcher} starts programs of {launcher or 'an unknown MPI'}, but {self.executable} is linked "
                f"against {library or 'no known MPI'}"
            )
        binding = ["--bind-to", "none"] if launcher == "Open MPI" else []
        return [str(self.launcher), "-n", str(self.ranks), *binding, *start]

    def version(self) -> str | None:
        """``2023.1`` by the program itself; None where it does not say."""
        from ...runtime.tools import cp2k_version

        try:
            return cp2k_version(self.executable)
        except SetupError:
            return None

    def environment(self) -> dict[str, str]:
        """What CP2K's process needs beyond a scrubbed environment."""
        variables = {"OMP_NUM_THREADS": str(self.threads)}
        if self.ranks == 1:
            variables |= LONE_PROCESS
        if self.data is not None:
            variables["CP2K_DATA_DIR"] = str(self.data)
        if self.launcher is not None and os.geteuid() == 0:
            variables |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return variables


def label(
    atoms: "Atoms",
    level: Level,
    folder: Path,
    *,
    program: Program,
    charge: int,
    multiplicity: int,
    child: Callable[..., int],
    magnetization: Mapping[str, float] | None = None,
    max_net_force_eV_per_A: float = 0.05,
    timeout_s: float | None = None,
    outputs: Sequence[str] = (),
) -> "Atoms":
    """A copy of `atoms` (N, periodic) with the labels of `level`, computed in `folder`, which is fresh.

    Added are `info` REF_energy (eV), REF_stress (3×3, eV/Å³, virial, ASE sign), charge, multiplicity, level,
    and kinds where elements have settings of their own;
    `arrays` REF_forces (N×3, eV/Å), REF_spin (N, µB; Hirshfeld where the level prints it, else Mulliken) and
    REF_spin_mulliken. `child(argv, env=, log=, timeout_s=)` runs a command in `folder` and returns its exit status.
    `magnetization`, `outputs`: see `inputs.single_point`, which raises InputError before anything is started.

    Raises TaskFailed when the frame is not admitted: LAUNCHER (CP2K did not start as asked), ABORT, KILLED,
    INCOMPLETE (no normal end, or an output that cannot be trusted), SCF_NOT_CONVERGED, NET_FORCE (|Σ F| above
    `max_net_force_eV_per_A`), SPIN_MISMATCH (Σ spin against 2S by more than 0.2 µB).
    """
    text = single_point(
        atoms, level, charge=charge, multiplicity=multiplicity, magnetization=magnetization, data=program.data,
        outputs=outputs, version=program.version(),
    )
    command = program.command()
    (folder / INPUT).write_text(text)
    status = child(command, env=program.environment(), log=LOG, timeout_s=timeout_s)
    log = folder / LOG
    try:
        output = _finished(log, list(atoms.symbols), status, program.ranks)
        _admit(output, multiplicity, max_net_force_eV_per_A)
    except _Refused as refused:
        raise TaskFailed(refused.failure, str(refused), log=log, command=command) from refused
    return _labelled(atoms, output, charge, multiplicity, level)


class _Refused(Exception):
    def __init__(self, failure: str, message: str):
        super().__init__(message)
        self.failure = failure


def _finished(log: Path, elements: list[str], status: int, ranks: int) -> parse.Output:
    """The output of a run that came to its normal end, whatever its SCF did."""
    if status < 0:
        raise _Refused("KILLED", f"CP2K was ended by signal {-status} (time limit, memory, or a stop of the job)")
    try:
        output = parse.read(log, elements)
    except parse.OutputError as error:
        failure = "LAUNCHER" if "version line" in str(error) else "INCOMPLETE"
        raise _Refused(failure, f"exit status {status}; {log.name}: {error}") from error
    if output.abort is not None:
        raise _Refused("ABORT", f"CP2K aborted: {output.abort}")
    if output.processes != ranks:
        raise _Refused("LAUNCHER", f"CP2K ran on {output.processes} processes where {ranks} were asked for")
    if status != 0 or not output.ended or output.out_of_time:
        raise _Refused("INCOMPLETE", f"CP2K did not come to its normal end (exit status {status})")
    return output


def _admit(output: parse.Output, multiplicity: int, max_net_force_eV_per_A: float) -> None:
    """Raise unless the SCF converged, everything is there, the forces balance and the spins are those asked for."""
    if not output.scf_converged:
        raise _Refused("SCF_NOT_CONVERGED", "the SCF did not converge")
    for name in ("energy_eV", "forces_eV_per_A", "stress_eV_per_A3", "spin_mulliken"):
        if getattr(output, name) is None:
            raise _Refused("INCOMPLETE", f"no {name} in the output")
    assert output.net_force_eV_per_A is not None and output.spin_mulliken is not None
    if output.net_force_eV_per_A > max_net_force_eV_per_A:
        raise _Refused(
            "NET_FORCE",
            f"the net force is {output.net_force_eV_per_A:.3f} eV/Å, above {max_net_force_eV_per_A:g}: raise the "
            f"cutoff (cutoff_Ry)",
        )
    for name, spins in (("Mulliken", output.spin_mulliken), ("Hirshfeld", output.spin_hirshfeld)):
        if spins is not None and abs(float(spins.sum()) - (multiplicity - 1)) > _SPIN_TOLERANCE:
            raise _Refused(
                "SPIN_MISMATCH",
                f"the {name} moments add up to {float(spins.sum()):.3f} µB where multiplicity {multiplicity} means "
                f"{multiplicity - 1}",
            )


def _labelled(atoms: "Atoms", output: parse.Output, charge: int, multiplicity: int, level: Level) -> "Atoms":
    frame = atoms.copy()
    frame.calc = None
    frame.info |= {
        "REF_energy": output.energy_eV, "REF_stress": output.stress_eV_per_A3, "charge": charge,
        "multiplicity": multiplicity, "level": label_of(level),
    }
    if (kinds := kinds_of(level, atoms.symbols)) is not None:
        frame.info["kinds"] = kinds
    spin = output.spin_mulliken if output.spin_hirshfeld is None else output.spin_hirshfeld
    for name, values in (
        ("REF_forces", output.forces_eV_per_A), ("REF_spin", spin), ("REF_spin_mulliken", output.spin_mulliken),
    ):
        frame.set_array(name, np.asarray(values))
    return frame
