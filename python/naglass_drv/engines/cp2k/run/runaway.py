"""Ends an SCF that runs away, which CP2K would continue for hundreds of steps.

At PBE+U+D3(BJ) (8 to 20 atoms) the energy of SCFs that converge moved by less than 0.1 Ha after the first outer loop,
that of others by 5 to 500 Ha, up where DIIS diverges and down where the basis set is nearly linearly dependent; none
of these came back. A lone oxygen atom wandered by 0.4 to 0.8 Ha, and converged with conjugate gradients.
"""

import re
import time
from pathlib import Path

from ..failures import Refused

_LOOP = re.compile(rb"^  outer SCF iter = +(\d+) RMS gradient = +\S+ energy = +(\S+) *$", re.MULTILINE)
_LOOK_EVERY_S = 1.0


class RanAway(Refused):
    """An SCF that has run away; the orbitals it leaves are of no use."""

    def __init__(self, how: str):
        super().__init__("SCF_NOT_CONVERGED", f"the SCF ran away: {how}")


class RunawayWatch:
    """Follows the output `log` of a running CP2K with `atoms` atoms, each SCF from the end of its first outer loop."""

    def __init__(self, log: Path, atoms: int):
        self._log = log
        self._most_Ha = max(min(0.3 * atoms, 4.0), 0.05 * atoms)
        self._read = 0
        self._first_Ha = 0.0
        self._looked = float("-inf")

    def look(self) -> None:
        """Raise RanAway for an SCF that has; looks at the file at most once a second."""
        if time.monotonic() - self._looked < _LOOK_EVERY_S or not self._log.exists():
            return
        self._looked = time.monotonic()
        with open(self._log, "rb") as output:
            output.seek(self._read)
            new = output.read()
        # what follows the last line break is not whole yet
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        for number, energy in _LOOP.findall(new):
            self._follow(int(number), energy.decode(errors="replace"))

    def _follow(self, number: int, energy: str) -> None:
        try:
            now_Ha = float(energy)
        except ValueError:
            raise RanAway(f"its energy is {energy[:30]!r}") from None
        if number == 1:
            self._first_Ha = now_Ha
        if not abs(now_Ha - self._first_Ha) <= self._most_Ha:
            raise RanAway(f"{now_Ha:.2f} Ha in outer loop {number}, but {self._first_Ha:.2f} Ha in the first")
