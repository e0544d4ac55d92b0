"""What the gates of a screening share: how much is done, what is screened on, and the potential as it is asked."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.dynamics import Memory
from ..analysis.quenching import Quench
from ..errors import InputError, SetupError, TaskFailed

if TYPE_CHECKING:
    from ase import Atoms

    from ..engines.mlip.client import Evaluation, Worker


@dataclass(frozen=True)
class Preset:
    """How much is done: labeled `frames` at most (None: all), `crystals` of at most so many `crystal_atoms`, steps of a
    relaxation, relative `volumes` of a crystal with `volume_relax` steps at each, and of a structure of at most
    `heating_atoms` so many `energy_steps` at constant energy after `equilibration_steps`, `heating_steps` up to 3000 K
    and `compression_steps` there; what takes hours only where it is asked for.
    """

    frames: int | None
    crystals: int | None
    crystal_atoms: int
    relax_steps: int
    volumes: tuple[float, ...]
    volume_relax: int
    heating_steps: int
    heating_atoms: int
    equilibration_steps: int
    energy_steps: int
    compression_steps: int
    cell_steps: int = 0
    phonons: bool = False
    quench: Quench | None = None
    replicas: int = 3
    glass_atoms: int = 300
    transport_K: tuple[float, ...] = ()
    transport_ps: float = 100.0


_NARROW = tuple(np.linspace(0.88, 1.12, 9).tolist())
PRESETS = {
    "small": Preset(60, 3, 24, 30, _NARROW, 0, 100, 120, 50, 100, 30),
    "production": Preset(
        None, None, 200, 300, _NARROW, 100, 27_000, 1000, 2000, 20_000, 2000,
        cell_steps=300, phonons=True, quench=Quench(), transport_K=(800.0, 1000.0, 1200.0),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What a potential is screened on: labeled `frames`, `crystals` by name, the structure that is heated, and labeled
    frames that a shift of the energy is fitted to.
    """

    frames: Sequence["Atoms"]
    crystals: Mapping[str, "Atoms"]
    start: "Atoms"
    shift: Sequence["Atoms"] = ()


@dataclass
class Session:
    """A potential that is opened when it is first asked, and again where its process has died.

    `watch` is called before every evaluation: it may raise errors.Stopped. `memory` keeps the state of a long course by
    its name. `same_level`: the potential was trained on the level of the labels. `other`: the same one with D3 or
        without it, as its `label` says; it ends with this one.
    `by_lammps`: every other structure is a start of LAMMPS, so that the steps of one are many times faster.
    `variants` are other ways to evaluate it, which must not matter, by a name for a key.
    """

    open: Callable[[], "Worker"]
    watch: Callable[[], None] = lambda: None
    memory: Callable[[str], Memory] = lambda name: Memory()
    same_level: bool = False
    label: str = ""
    other: "Session | None" = None
    by_lammps: bool = False
    variants: Mapping[str, Callable[[], "Worker"]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    _cells: dict[str, tuple["Atoms", bool]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _worker: "Worker | None" = None
    _lost: TaskFailed | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        if self.other is not None:
            self.other._stack.close()

    def start(self) -> "Worker":
        """The worker; a potential that could not be opened, or hangs, is not tried again."""
        if self._lost is not None:
            raise self._lost
        if self._worker is None:
            try:
                self._worker = self._stack.enter_context(self.open())
            except TaskFailed as error:
                self._lost = error
                raise
            except (InputError, SetupError) as error:
                self._lost = TaskFailed("NOT_OPENED", str(error))
                raise self._lost from error
            self.facts = dict(self._worker.facts)
        return self._worker

    def evaluate(self, atoms: "Atoms") -> "Evaluation":
        """Energy, forces, stress and moments; TaskFailed as in `Worker.evaluate`."""
        self.watch()
        worker = self.start()
        try:
            return worker.evaluate(atoms)
        except TaskFailed as error:
            if error.failure in ("WORKER_DIED", "WORKER_HANGS"):
                self._stack.pop_all().close()
                self._worker = None
            if error.failure == "WORKER_HANGS":
                self._lost = error
            raise

    def relaxed_cell(self, name: str, crystal: "Atoms", steps: int) -> tuple["Atoms", bool]:
        """The crystal with relaxed cell and positions, once for all gates, and whether that has converged."""
        from ..analysis.asked import relaxed

        if name not in self._cells:
            self._cells[name] = relaxed(self.evaluate, crystal, steps=steps, cell=True)
        return self._cells[name]
