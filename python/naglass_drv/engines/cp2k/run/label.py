"""One label: run CP2K in a child process, check its output, and admit the frame or reject it with a named failure.

`Runner` starts the child; trajectories and relaxations (`motion`) are made with it, too.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import SetupError, TaskFailed
from ....runtime.launch import LONE_PROCESS
from .. import parse, tree
from ..failures import FAILURES, Refused
from ..theory import tight_binding
from ..theory.levels import Method, kinds_of, label_of
from ..write import scf
from ..write.inputs import asked_moments, single_point
from . import judge
from .runaway import RanAway, RunawayWatch
from .version import cp2k_version

if TYPE_CHECKING:
    from ase import Atoms

_PROJECT = "label"
#: A label's output, in the folder of its rung.
LOG = f"{_PROJECT}.out"


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
            raise SetupError("no CP2K executable was found; install CP2K or set it in the site profile (key cp2k)")
        data, launcher = site.get("cp2k_data"), site.get("launcher")
        return cls(
            Path(site["cp2k"]),
            Path(data) if data else None,
            Path(launcher) if launcher else None,
            ranks,
            int(site.get("threads") or 1),
        )

    def command(self, input: str = f"{_PROJECT}.inp") -> list[str]:
        """The command line for a file. Raises SetupError for several ranks without a launcher of the same MPI."""
        start = [str(self.executable), "-i", input]
        if self.ranks == 1:
            return start
        if self.launcher is None:
            raise SetupError(f"CP2K on {self.ranks} ranks needs a launcher; set it in the site profile (key launcher)")
        from ....runtime.vendors import launcher_vendor, library_vendor

        launcher, library = launcher_vendor(self.launcher), library_vendor(self.executable)
        if launcher is None or library is None or launcher not in (library, "Slurm"):
            raise SetupError(
                f"{self.launcher} starts programs of {launcher or 'an unknown MPI'}, but {self.executable} is linked "
                f"against {library or 'no known MPI'}"
            )
        binding = ["--bind-to", "none"] if launcher == "Open MPI" else []
        return [str(self.launcher), "-n", str(self.ranks), *binding, *start]

    def version(self) -> str | None:
        """``2023.1`` from the program itself; None if it does not say."""
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


class Runner:
    """Starts CP2K again and again for one task: `child(argv, folder=, env=, log=, timeout_s=, ...)` runs a command and
    returns its exit status.

    `timeout_s` is for all runs together, None for no limit. `log` and `command` are those of the last run.
    """

    def __init__(self, program: Program, child: Callable[..., int], timeout_s: float | None = None):
        self.program = program
        self.command = program.command()
        self.log: Path | None = None
        self._child = child
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s

    def run(
        self,
        root: tree.Section,
        folder: Path,
        project: str = _PROJECT,
        *,
        start: Path | None = None,
        on_poll: Callable[[], None] = lambda: None,
    ) -> parse.Header:
        """Run the input `root` as `project` in the empty `folder`, and return its header.

        `start` is a file of orbitals to begin from; `on_poll` is called now and then, and may raise Refused. Raises
        Refused unless the run came to its normal end. An SCF that runs away is ended, and leaves no orbitals.
        """
        root.at("GLOBAL").set("PROJECT", project)
        if start is not None:
            shutil.copyfile(start, folder / scf.START_WFN)
            scf.start_from(root, scf.START_WFN)
        tight_binding.provide(root, self.program.data, folder)
        (folder / f"{project}.inp").write_text(str(root))
        self.command = self.program.command(f"{project}.inp")
        self.log = folder / f"{project}.out"
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        atoms = sum(len(coordinates.items) for coordinates in root.sections("FORCE_EVAL/SUBSYS/COORD"))
        watch = RunawayWatch(self.log, atoms)

        def poll() -> None:
            watch.look()
            on_poll()

        try:
            status = self._child(
                self.command,
                folder=folder,
                env=self.program.environment(),
                log=self.log.name,
                timeout_s=left,
                on_poll=poll,
            )
        except RanAway:
            # not before CP2K has ended: it writes them as it goes
            for orbitals in folder.glob("*.wfn*"):
                orbitals.unlink()
            raise
        if status != 0 and self._deadline is not None and time.monotonic() >= self._deadline:
            raise Refused("TIMEOUT", "CP2K was stopped at the time limit")
        return judge.finished(self.log, status, self.program.ranks, "RESTART" if start else None)

    def failed(self, refused: Refused, *, resumable: bool = False) -> TaskFailed:
        """The task failure that corresponds to `refused`."""
        return TaskFailed(refused.failure, refused.told(), log=self.log, command=self.command, resumable=resumable)


def input_text(
    atoms: "Atoms",
    level: Method,
    program: Program,
    charge: int,
    multiplicity: int,
    magnetization: Mapping[str, float] | None = None,
    outputs: Sequence[str] = (),
) -> str:
    """The input of a single point for a `program`: see `inputs.single_point`."""
    return single_point(
        atoms,
        level,
        charge=charge,
        multiplicity=multiplicity,
        magnetization=magnetization,
        data=program.data,
        outputs=outputs,
        version=program.version(),
    )


def label(
    atoms: "Atoms",
    level: Method,
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

    The labels are those of `labeled`; `info["scf_path"]` is the rung of `scf.ladder` they came by. Every rung runs in
    a folder of its own (``scf-1``, ...), and a run that ended for no reason of its own once more (``scf-1-again``).
    `child`: see Runner. `magnetization`, `outputs`: see `inputs.single_point`, raising InputError before a start.

    Raises TaskFailed by a name of `failures.FAILURES` when the frame is not admitted.
    """
    text = input_text(atoms, level, program, charge, multiplicity, magnetization, outputs)
    runner = Runner(program, child, timeout_s)
    try:
        found, path = _climb(runner, text, folder, list(atoms.symbols))
        judge.admit(
            found,
            multiplicity,
            max_net_force_eV_per_A,
            on_grid=level.needs_basis,
            asked=asked_moments(atoms, magnetization),
        )
    except Refused as refused:
        raise runner.failed(refused) from refused
    finally:
        for orbitals in folder.glob("scf-*/*.wfn*"):
            orbitals.unlink()
    frame = labeled(atoms, found, charge, multiplicity, level)
    frame.info["scf_path"] = path
    return frame


def _climb(runner: Runner, text: str, folder: Path, elements: list[str]) -> tuple[parse.Output, str]:
    """What the first rung of the ladder gives that converges, and the rung's name."""
    rungs = scf.ladder(tree.parse(text))
    tried: list[str] = []
    for number, rung in enumerate(rungs, start=1):
        start = scf.orbitals(folder / f"scf-{number - 1}", _PROJECT) if rung.goes_on else None
        if rung.goes_on and start is None:
            continue
        root = tree.parse(text)
        rung.change(root.at(scf.SCF))
        if any(later.goes_on for later in rungs[number : number + 1]):
            scf.keep_orbitals(root)
        try:
            return _converged(runner, root, folder / f"scf-{number}", elements, start), rung.name
        except Refused as refused:
            if FAILURES[refused.failure].again != "ladder":
                raise
            tried.append(f"{rung.name}: {refused}")
            last = refused
    raise Refused(last.failure, f"{len(tried)} SCF paths failed ({'; '.join(tried)})")


def _converged(
    runner: Runner, root: tree.Section, folder: Path, elements: list[str], start: Path | None, again: bool = True
) -> parse.Output:
    """The output of a run in `folder`; of a second one if the first ended for an external reason."""
    folder.mkdir()
    try:
        runner.run(root, folder, start=start)
        found = parse.read(folder / LOG, elements)
    except parse.OutputError as error:
        refused = judge.unreadable(error, folder / LOG, 0)
    except Refused as error:
        refused = error
    else:
        if found.scf_converged:
            return found
        refused = Refused("SCF_NOT_CONVERGED", "the SCF did not converge")
    if again and FAILURES[refused.failure].again == "once":
        return _converged(runner, root, folder.with_name(f"{folder.name}-again"), elements, start, again=False)
    raise refused


def labeled(atoms: "Atoms", found: parse.Evaluation, charge: int, multiplicity: int, level: Method) -> "Atoms":
    """A copy of `atoms` with the labels of an admitted evaluation.

    Added are `info` REF_energy (eV), REF_stress (3×3, eV/Å³, virial, ASE sign), charge, multiplicity, level, kinds
    where elements have settings of their own, and s2_contamination (⟨S²⟩ minus S(S+1)) where it was printed;
    `arrays` REF_forces (N×3, eV/Å), REF_spin (N, µB; Hirshfeld where the level prints it, else Mulliken) and
    REF_spin_mulliken.
    """
    frame = atoms.copy()
    frame.calc = None
    frame.info |= {
        "REF_energy": found.energy_eV,
        "REF_stress": found.stress_eV_per_A3,
        "charge": charge,
        "multiplicity": multiplicity,
        "level": label_of(level),
    }
    if (kinds := kinds_of(level, atoms.symbols)) is not None:
        frame.info["kinds"] = kinds
    if found.s_squared is not None:
        ideal, value = found.s_squared
        frame.info["s2_contamination"] = round(value - ideal, 6)
    for name, values in (
        ("REF_forces", found.forces_eV_per_A),
        ("REF_spin", judge.spin_of(found)),
        ("REF_spin_mulliken", judge.mulliken_of(found)),
    ):
        frame.set_array(name, np.asarray(values))
    return frame
