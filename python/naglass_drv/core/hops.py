"""Hops of mobile ions by p_hop, frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import array, element, elements, number, positive, shown, whole
from .graph import names
from .hop_events import COLUMNS, Hops, hops_of
from .unwrap import Unwrapper, full_cell

_DEFAULT = _core.HopOptions()

#: Samples; how long ago a site may have been left for a hop back to it to be a return.
RETURN_WITHIN: int = _DEFAULT.return_within


class HopDetector:
    """Streaming detector of hops by p_hop (Candelier, Dauchot, Biroli, PRL 102, 088001 (2009)).

    With A the older and B the newer half of a window of ``2 * window`` samples,
    p = sqrt(⟨|r − ⟨r⟩_B|²⟩_A ⟨|r − ⟨r⟩_A|²⟩_B) (Å²). A hop opens where p exceeds `threshold`, ends where it falls
    below `release` (default half the threshold), has its time where p is largest, and counts if the mean position moved
    by more than `min_length` (Å). It is a return if it leads to within half its length of one of the last four
    sites that the atom left, at most `return_within` samples ago.

    Of frames (atoms with symbols, cell and pbc) the detector follows `mobile` (elements, or indices; default: Na); it
    unwraps them, lays them into the first cell, and subtracts the mean displacement of the `framework` (elements;
    default: all atoms that are not mobile; ``()``: no subtraction). `cage` gives a cutoff (Å) per element of the host,
    e.g. ``{"O": 3.2}``: each hop then has the fraction of the ion's cage that was kept. `nearest` names elements: each
    hop then has the index of the atom of these elements nearest to its midpoint.

    Of arrays (N, 3), whose positions are unwrapped, `mobile` are indices (default: all atoms); the options that need
    elements, `framework`, `cage` and `nearest`, are refused. A detector can be pickled and then continues
    unchanged. O(1) per atom and sample. Raises InputError for options out of range.
    """

    def __init__(
        self,
        window: int = _DEFAULT.window,
        threshold: float = _DEFAULT.threshold,
        *,
        release: float | None = None,
        min_length: float = _DEFAULT.min_length,
        return_within: int = RETURN_WITHIN,
        mobile: str | Iterable | None = None,
        framework: str | Iterable[str] | None = None,
        cage: Mapping[str, float] | None = None,
        nearest: str | Iterable[str] = (),
    ):
        self._window = whole("window", window, unit="samples")
        threshold = positive("threshold", threshold, "Å²")
        release = threshold / 2 if release is None else number("release", release, "Å²")
        return_within = whole("return_within", return_within, unit="samples")
        self._options: dict[str, Any] = {
            "window": self._window,
            "threshold": threshold,
            "release": release,
            "min_length": number("min_length", min_length, "Å"),
            "return_within": return_within,
        }
        _core.HopDetector(0, _core.HopOptions(**self._options))
        self._selection = (mobile, framework, _checked_cage(cage), elements("nearest", nearest))
        self._core: Any = None
        self._frames: _Frames | None = None
        self._mobile: Any = None
        self._indices: Any = None
        self._atoms = 0
        self._next_step = self._first_step = 0
        self._found: list[np.ndarray] = []
        self._nearest: list[np.ndarray] = []

    def add(self, frame, step: int | None = None, *, offset=(0.0, 0.0, 0.0), cages=None) -> Hops:
        """Add the next sample and return the hops that it confirms, ``2 * window - 1`` samples late.

        `frame` is atoms, or an array (N, 3) of unwrapped positions (Å), from which `offset` (3) is subtracted; with an
        array, `cages` may give host neighbors as (offsets, hosts) in CSR form. `step` counts MD steps (default: the
        sample). Raises InputError for unevenly spaced steps, and for frames that do not continue the last one.
        """
        is_frame = hasattr(frame, "get_chemical_symbols")
        if is_frame and (cages is not None or np.any(offset)):
            raise InputError("offset, cages: only for arrays; for atoms the detector computes them")
        if self._core is not None and is_frame != (self._frames is not None):
            raise InputError("frame: atoms and arrays cannot be mixed")
        step = self._next_step if step is None else whole("step", step, 0, 2**62)
        if is_frame:
            if self._frames is None:
                self._frames = _Frames(frame, *self._selection, history=2 * self._window)
            positions, offset, cages = self._frames.sample(frame, step)
            mobile = self._frames.mobile
        else:
            positions = array("frame", frame, ("N", 3), unit="Å", finite=False)
            if self._core is None:
                self._indices = self._mobile_of_array(len(positions))
            elif len(positions) != self._atoms:
                raise InputError(f"positions = {len(positions)} atoms: the detector follows {self._atoms}")
            self._atoms = len(positions)
            positions = positions[self._indices]
            offset = array("offset", offset, (3,), unit="Å")
            mobile = self._indices
        if self._core is None:
            self._mobile = mobile
            self._core = _core.HopDetector(len(positions), _core.HopOptions(**self._options))
            self._first_step = step
        offsets, hosts = cages if cages is not None else (None, None)
        rows = self._core.add(positions, np.asarray(offset, dtype=float), step, offsets, hosts)
        self._next_step = step + (self._core.interval or 1)
        return self._keep(rows)

    def finish(self) -> Hops:
        """All hops of the stream; no further samples can be added.

        Includes hops with p past its maximum but not yet below `release`.
        """
        if self._core is None:
            raise InputError("frame: the detector has not been given any")
        self._keep(self._core.finish())
        return self._hops(np.concatenate(self._found), np.concatenate(self._nearest))

    def p_hop(self) -> np.ndarray:
        """(M,) p_hop of each atom now (Å²), for a choice of `threshold`; NaN until a window is full.

        It belongs to the sample ``window - 1`` before the last one.
        """
        if self._core is None:
            raise InputError("frame: the detector has not been given any")
        return self._core.p_hop()

    def _mobile_of_array(self, atoms: int) -> np.ndarray:
        mobile, framework, cage, nearest = self._selection
        for name, given in (("framework", framework or None), ("cage", cage or None), ("nearest", nearest or None)):
            if given is not None:
                raise InputError(f"{name} = {shown(given)}: needs elements, which an array does not have; give atoms")
        if mobile is None:
            return np.arange(atoms)
        if isinstance(mobile, str) or any(isinstance(one, str) for one in mobile):
            raise InputError(f"mobile = {shown(mobile)}: an array has no elements; give indices, or atoms")
        return _indices(mobile, atoms)

    def _keep(self, rows: np.ndarray) -> Hops:
        nearest = self._frames.nearest(rows) if self._frames else np.full(len(rows), -1)
        self._found.append(rows)
        self._nearest.append(nearest)
        return self._hops(rows, nearest)

    def _hops(self, rows, nearest) -> Hops:
        interval = self._core.interval
        return hops_of(
            rows.reshape(-1, len(COLUMNS)),
            atoms=self._mobile[rows[:, 1].astype(np.int64)],
            mobile=self._mobile,
            nearest=nearest,
            observed_steps=self._core.observed_samples * interval,
            first_step=self._first_step + (self._window + 1) * interval,
            window_steps=self._window * interval,
            return_within_steps=self._options["return_within"] * interval,
        )


def detect_hops(trajectory, *, symbols=None, cell=None, pbc=True, steps=None, **options) -> Hops:
    """The hops of a trajectory; `options` are those of `HopDetector`.

    `trajectory` is an iterable of atoms, or an array (frames, N, 3) in Å: unwrapped unless a `cell` is given,
    (3,), (3, 3) or (frames, 3, 3) in Å; all mobile unless `symbols` are given. `steps` are the frames' MD steps
    (default: counted from 0), evenly spaced. Raises InputError for fewer frames than a window, and as `HopDetector`.
    """
    detector = HopDetector(**options)
    if isinstance(trajectory, np.ndarray):
        trajectory = _frames_of(trajectory, symbols, cell, pbc)
    elif symbols is not None or cell is not None:
        raise InputError("symbols, cell: only for a trajectory that is an array; atoms have their own")
    elif pbc is not True:
        raise InputError(f"pbc = {shown(pbc)}: only for a trajectory that is an array; atoms have their own")
    elif isinstance(trajectory, (str, bytes)) or not np.iterable(trajectory):
        raise InputError(f"trajectory = {shown(trajectory)}: must be frames of atoms, or an array (frames, N, 3)")
    count = 0
    steps = None if steps is None else list(steps)
    for count, frame in enumerate(trajectory, start=1):
        if steps is not None and count > len(steps):
            raise InputError(f"steps = {len(steps)} steps: there are more frames")
        detector.add(frame, None if steps is None else steps[count - 1])
    if steps is not None and count < len(steps):
        raise InputError(f"steps = {len(steps)} steps: there are {count} frames")
    if count < 2 * detector._window:
        raise InputError(f"trajectory = {count} frames: a window spans {2 * detector._window}")
    return detector.finish()


@dataclass(frozen=True)
class _Frame:
    """The data that the detector needs from atoms."""

    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    symbols: list[str]

    def get_chemical_symbols(self) -> list[str]:
        return self.symbols


def _frames_of(positions, symbols, cell, pbc) -> Iterable:
    if positions.ndim != 3 or positions.shape[2] != 3:
        raise InputError(f"trajectory = an array of shape {positions.shape}: must have the shape (frames, N, 3)")
    if cell is None and pbc is not True:
        raise InputError(f"pbc = {shown(pbc)}: needs a cell")
    if cell is None and symbols is None:
        return positions
    if symbols is None:
        symbols = ["Na"] * positions.shape[1]
    if len(symbols) != positions.shape[1]:
        raise InputError(f"symbols = {len(symbols)} symbols: there are {positions.shape[1]} atoms")
    periodic = np.broadcast_to(np.asarray(pbc, dtype=bool) & (cell is not None), 3)
    cells: Any = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=float)
    if cells.ndim < 3:
        cells = [cells] * len(positions)
    if len(cells) != len(positions):
        raise InputError(f"cell = {len(cells)} cells: there are {len(positions)} frames")
    return (_Frame(r, full_cell(c, periodic), periodic, list(symbols)) for r, c in zip(positions, cells, strict=False))


def _indices(mobile, atoms: int) -> np.ndarray:
    chosen = np.unique(array("mobile", mobile, ("M",), kind=int))
    if not len(chosen):
        raise InputError(f"mobile = {shown(mobile)}: selects no atoms")
    if chosen[0] < 0 or chosen[-1] >= atoms:
        raise InputError(f"mobile = {chosen.tolist()[:8]}: indices run from 0 to {atoms - 1}")
    return chosen


def _checked_cage(cage: Mapping[str, float] | None) -> dict[str, float]:
    if cage is not None and not isinstance(cage, Mapping):
        raise InputError(f"cage = {shown(cage)}: must map elements to cutoffs, as in {{'O': 3.2}} (Å)")
    return {element("cage", host): positive(f"cage[{host!r}]", cutoff, "Å") for host, cutoff in (cage or {}).items()}


class _Frames:
    """Turns frames into samples: mobile positions in the first cell, the framework's drift, cages."""

    def __init__(self, first, mobile, framework, cage: dict[str, float], nearest: tuple[str, ...], *, history: int):
        self._symbols = list(first.get_chemical_symbols())
        self._kinds = np.array(self._symbols)
        self.mobile = self._mobile_atoms(mobile)
        is_mobile = np.isin(np.arange(len(self._kinds)), self.mobile)
        if framework is None:
            self._framework = np.flatnonzero(~is_mobile)
        else:
            self._framework = self._atoms_of("framework", names(framework))
        self._center = None
        self._hosts = self._atoms_of("cage", cage)
        self._cutoffs = np.array([cage[element] for element in self._kinds[self._hosts]])
        self._targets = self._atoms_of("nearest", nearest)
        self._unwrapper = Unwrapper()
        self._history: deque[tuple] = deque(maxlen=history if nearest else 0)

    def _mobile_atoms(self, mobile) -> np.ndarray:
        mobile = "Na" if mobile is None else mobile
        if not isinstance(mobile, str) and not (np.iterable(mobile) and all(isinstance(one, str) for one in mobile)):
            return _indices(mobile, len(self._kinds))
        atoms = self._atoms_of("mobile", elements("mobile", mobile, self._symbols))
        if not len(atoms):
            raise InputError(f"mobile = {mobile!r}: selects no atoms")
        return atoms

    def _atoms_of(self, argument: str, given: Iterable[str]) -> np.ndarray:
        for one in given:
            if one not in self._kinds:
                raise InputError(f"{argument} = {one!r}: the structure has no such element")
        return np.flatnonzero(np.isin(self._kinds, list(given)))

    def sample(self, frame, step: int):
        """Mobile positions (M, 3) and drift (3) in the first cell (Å), and cages as (offsets, hosts) or None."""
        if list(frame.get_chemical_symbols()) != self._symbols:
            raise InputError(
                f"frame at step {step}: its atoms differ from those of the first frame, or are in another order"
            )
        positions = self._unwrapper.add(frame.positions, np.asarray(frame.cell), frame.pbc)
        offset = np.zeros(3)
        if len(self._framework):
            center = positions[self._framework].mean(axis=0)
            self._center = center if self._center is None else self._center
            offset = center - self._center
        if self._history.maxlen:
            cell = full_cell(frame.cell, frame.pbc)
            reference, unflipped = self._unwrapper.reference, self._unwrapper.cell
            assert reference is not None and unflipped is not None
            into_fractions = np.linalg.inv(reference) @ unflipped @ np.linalg.inv(cell)
            self._history.append((step, positions[self._targets] - offset, into_fractions, cell, frame.pbc))
        cages = self._cages(frame) if len(self._hosts) else None
        return positions[self.mobile], offset, cages

    def _cages(self, frame) -> tuple[np.ndarray, np.ndarray]:
        atoms = np.concatenate([self.mobile, self._hosts])
        kinds = np.unique(self._cutoffs)
        types = np.concatenate([np.zeros(len(self.mobile)), 1 + np.searchsorted(kinds, self._cutoffs)])
        pairs = [(0, 1 + k, float(cutoff)) for k, cutoff in enumerate(kinds)]
        positions = np.asarray(frame.positions, dtype=float)[atoms]
        cell = np.asarray(frame.cell, dtype=float).tolist()
        found = _core.bond_graph(
            positions, types.astype(np.int32), cell, [bool(p) for p in frame.pbc], 1 + len(kinds), pairs
        )
        offsets = found["offsets"][: len(self.mobile) + 1]
        return offsets, atoms[found["targets"][: offsets[-1]]].astype(np.int64)

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """The atom nearest to the midpoint of each hop at the hop's step; -1 where none is asked for."""
        found = np.full(len(rows), -1)
        if not self._history.maxlen:
            return found
        frames = {step: frame for step, *frame in self._history}
        for k, row in enumerate(rows):
            targets, into_fractions, cell, pbc = frames[int(row[0])]
            apart = (targets - (row[2:5] + row[5:8]) / 2) @ into_fractions
            apart -= np.rint(apart) * pbc
            # In a skewed cell the nearest image need not be the one of the rounded fractions.
            images = np.array(list(product(*((-1, 0, 1) if p else (0,) for p in pbc))))
            distances = np.linalg.norm((apart[:, None] + images) @ cell, axis=2).min(axis=1)
            found[k] = self._targets[distances.argmin()]
        return found
