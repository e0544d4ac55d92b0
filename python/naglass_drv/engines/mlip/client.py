"""A worker process that evaluates one potential, as naglass sees it. What goes wrong in it is a named failure."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import TaskFailed
from ...runtime.launch import scrubbed_environment
from .workers import wire

if TYPE_CHECKING:
    from ase import Atoms

_SERVE = Path(__file__).with_name("workers") / "serve.py"
_START_S, _EVALUATE_S = 300.0, 600.0


@dataclass(frozen=True)
class Evaluation:
    """Results for one structure.

    `energy` in eV, `forces` N×3 in eV/Å, `stress` in eV/Å³ (Voigt order xx yy zz yz xz xy; None if the structure is not
    periodic in all directions), `moments` N in µB or None, `dispersion_forces` N×3 in eV/Å, the part of a dispersion
    correction in `forces`, or None.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    moments: np.ndarray | None
    dispersion_forces: np.ndarray | None = None

    def as_json(self) -> dict[str, Any]:
        """As JSON types, without loss of digits."""
        return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Evaluation:
        """What `as_json` gave."""
        return cls(**{key: np.array(value) if isinstance(value, list) else value for key, value in content.items()})


class Worker:
    """A potential in a process of its own; a context manager.

    Parameters: `python`, the interpreter of its environment; `family` and `options` as in ``workers.ase_potential``;
    `log`, the file for everything that it prints; `threads`, for its libraries; `environment`, further variables;
    `ranks` of MPI, for LAMMPS.

    `facts` says what was opened (family, model, versions, SHA-256 of the weights, dtype, device, dispersion).
    Raises TaskFailed: WORKER_STARTED_NOT, WORKER_FAILED (an exception there), WORKER_DIED, WORKER_HANGS, NOT_FINITE.
    """

    def __init__(
        self,
        python: Path,
        family: str,
        options: Mapping[str, Any],
        *,
        log: Path,
        threads: int = 1,
        environment: Mapping[str, str] | None = None,
        ranks: int = 1,
    ):
        self.family, self.log = family, log
        own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        variables = scrubbed_environment() | own | dict(environment or {})
        command = [str(python), str(_SERVE)]
        if python != Path(sys.executable):
            # nothing of this environment may be found by another
            command.insert(1, "-I")
            variables = {key: value for key, value in variables.items() if not key.startswith("PYTHON")}
        if ranks > 1:
            command = [*_launched(ranks, family), *command, "--ranks"]
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(log, "ab") as stream:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, env=variables
                )
        except OSError as error:
            raise TaskFailed("WORKER_STARTED_NOT", f"{family}: {python}: {error.strerror}") from error
        try:
            self.facts, _ = self._ask({"do": "open", "family": family, "options": dict(options)}, {}, _START_S)
            if self.facts.pop("ranks", 1) != ranks:
                self._fail("WORKER_STARTED_NOT", f"{command[0]} starts no {ranks} ranks of this MPI")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def evaluate(self, atoms: Atoms, patience_s: float = _EVALUATE_S) -> Evaluation:
        """Energy, forces, stress and moments of a structure; TaskFailed as above."""
        header = {"do": "evaluate", "numbers": atoms.numbers.tolist(), "pbc": atoms.pbc.tolist()}
        _, found = self._ask(header, {"positions": atoms.positions, "cell": atoms.cell.array}, patience_s)
        vectors = (len(atoms), 3)
        shapes = {
            "energy": (1,), "forces": vectors, "stress": (6,), "moments": (len(atoms),), "dispersion_forces": vectors,
        }  # fmt: skip
        for name, values in found.items():
            if values.shape != shapes.get(name):
                self._fail("WORKER_FAILED", f"{name} has the shape {values.shape}")
            if not np.isfinite(values).all():
                self._fail("NOT_FINITE", f"{name} of {atoms.get_chemical_formula()} is not finite")
        if not {"energy", "forces"} <= found.keys():
            self._fail("WORKER_FAILED", "the answer has no energy or no forces")
        return Evaluation(
            float(found["energy"][0]), found["forces"], *map(found.get, ("stress", "moments", "dispersion_forces"))
        )

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, header: dict[str, Any], arrays: Mapping[str, np.ndarray], patience_s: float):
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            wire.send(process.stdin, header, arrays)
            answer, found = wire.receive(_Patient(process.stdout.fileno(), patience_s))
        except TimeoutError:
            process.kill()
            self._fail("WORKER_HANGS", f"no answer within {patience_s:g} s")
        except (OSError, EOFError, wire.BadMessage):
            code = self._ended()
            self._fail("WORKER_DIED", f"the process ended with {code}" if code is not None else "its answer is damaged")
        if "error" in answer:
            self._fail("WORKER_FAILED", str(answer["error"]))
        return answer, found

    def _ended(self) -> int | None:
        try:
            return self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return None

    def _fail(self, failure: str, message: str):
        raise TaskFailed(failure, f"{self.family}: {message}", log=self.log)


def _launched(ranks: int, family: str) -> list[str]:
    """The launcher of the MPI of this environment, with its arguments."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    launcher = shutil.which("mpirun", path=folders)
    if launcher is None:
        raise TaskFailed("WORKER_STARTED_NOT", f"{family}: no mpirun beside Python or in PATH")
    return [launcher, "-n", str(ranks)]


class _Patient:
    """Reads from a pipe until a deadline; TimeoutError after it."""

    def __init__(self, descriptor: int, patience_s: float):
        self._descriptor, self._deadline = descriptor, time.monotonic() + patience_s
        self._ready = selectors.DefaultSelector()
        self._ready.register(descriptor, selectors.EVENT_READ)

    def read(self, size: int) -> bytes:
        if not self._ready.select(max(0.0, self._deadline - time.monotonic())):
            raise TimeoutError
        return os.read(self._descriptor, min(size, 1 << 20))
