"""Displacements in time: MSD, non-Gaussian parameter, overlap, χ₄, van Hove functions, collective motion.

Definitions in docs/observables/transport.md. All accept a `Trajectory`, the arguments of `trajectory()`, or a
`Correlator` that was filled frame by frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import InputError
from .arguments import number, positive, shown, whole
from .distinct import distinct_curves
from .pairs import pair_counts
from .trajectory import Trajectory, element_order, framework_weights, trajectory
from .unwrap import Unwrapper

_DEFAULT = _core.CorrelatorOptions()

#: Å; the boundary between rattling and hopping for Na in oxide glasses.
OVERLAP: float = _DEFAULT.overlap

_TRAJECTORY_OPTIONS = ("cell", "times", "symbols", "framework", "masses", "wrapped")


@dataclass(frozen=True)
class Curve:
    """A function of the lag with one standard error; the error is NaN with fewer than four time blocks."""

    time: np.ndarray  #: (lags,) ps
    value: np.ndarray  #: (lags,)
    err: np.ndarray  #: (lags,)


@dataclass(frozen=True)
class Correlation:
    """All correlations of a run, by element where they have one."""

    time: np.ndarray  #: (lags,) ps
    lags: np.ndarray  #: (lags,) frames
    origins: np.ndarray  #: (lags,) time origins averaged over
    atoms: dict[str, int]  #: number of atoms per element
    msd: dict[str, Curve]  #: Å², ⟨Δr²⟩
    alpha2: dict[str, Curve]  #: 3⟨Δr⁴⟩/(5⟨Δr²⟩²) - 1
    overlap: dict[str, Curve]  #: ⟨Q⟩/N, share of atoms that moved less than the overlap distance
    chi4: dict[str, Curve]  #: (⟨Q²⟩ - ⟨Q⟩²)/N
    collective: dict[str, Curve]  #: Å², ⟨|ΣΔr|²⟩/N
    haven: dict[str, Curve]  #: MSD / collective
    charge: Curve | None  #: e²Å², ⟨|Σ q Δr|²⟩; None without charges


@dataclass(frozen=True)
class VanHove:
    """Van Hove functions on distances `r` (Å, bin centers) at lags `time` (ps).

    `self` is 4πr²G_s(r,t) (1/Å) per element, (lags, bins): its integral is 1 less the share `beyond` (lags,) of
    atoms that moved farther than the reach. `distinct` is G_d(r,t)/ρ_B per pair "A-B" in the order of elements,
    (lags, bins), or None when not asked for; at t = 0 it is g(r). `*_err` are standard errors.
    """

    r: np.ndarray
    time: np.ndarray
    self: dict[str, np.ndarray]
    self_err: dict[str, np.ndarray]
    beyond: dict[str, np.ndarray]
    distinct: dict[str, np.ndarray] | None
    distinct_err: dict[str, np.ndarray] | None


class Correlator:
    """Streaming displacement correlations; memory grows with the logarithm of the number of frames.

    Parameters
    ----------
    symbols : (N,) element per atom; each element is one species.
    interval : ps between frames.
    points : lags of the first level (even); each level doubles the spacing of lags and origins.
    longest : ps, longest lag; None for no limit.
    overlap : Å, distance of Q and χ₄.
    van_hove : (reach, width of a bin) in Å, or None.
    charges : e per element, for the charge displacement; elements that are left out have none.
    framework, masses : as for `trajectory`.

    Displacements are exact at their lags; positions are not averaged. Memory: 24 bytes per atom for each of about
    p + (p/2) log₂(frames/p) frames. Results do not depend on the number of threads.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        interval: float,
        *,
        points: int = _DEFAULT.points,
        longest: float | None = None,
        overlap: float = OVERLAP,
        van_hove: tuple[float, float] | None = None,
        charges: Mapping[str, float] | None = None,
        framework=None,
        masses=None,
    ):
        interval, overlap = positive("interval", interval, "ps"), number("overlap", overlap, "Å")
        points = whole("points", points, 0, 10**6)
        if longest is not None and not number("longest", longest, "ps") >= interval:
            raise InputError(f"longest = {longest}: must be a time of at least one interval ({interval} ps)")
        symbols = tuple(symbols) if np.iterable(symbols) else ()
        if not symbols or not all(isinstance(one, str) for one in symbols):
            raise InputError(f"symbols = {shown(symbols)}: must be elements, one per atom")
        if van_hove is not None and (not isinstance(van_hove, (tuple, list)) or len(van_hove) != 2):
            raise InputError(f"van_hove = {shown(van_hove)}: must be the reach and the width of a bin (Å)")
        if charges is not None and not isinstance(charges, Mapping):
            raise InputError(f"charges = {shown(charges)}: must map elements to charges (e)")
        charges = {one: number(f"charges[{one!r}]", charge, "e") for one, charge in (charges or {}).items()}
        self.elements = element_order(symbols)  #: species in their order
        unknown = sorted(set(charges or ()) - set(self.elements))
        if unknown:
            raise InputError(f"charges[{unknown[0]!r}]: no atom is of this element")
        count = Counter(symbols)
        self.atoms = {element: count[element] for element in self.elements}  #: number of atoms per element
        self.interval = float(interval)
        self.charges = dict(charges) if charges else None
        self.bin_width = van_hove[1] if van_hove else None
        self.volume: float | None = None  #: Å³ of the cell that displacements are laid into, where one is known
        self._weights = framework_weights(symbols, framework, masses)
        self._unwrapper: Unwrapper | None = None
        self._first_center: np.ndarray | None = None
        self._number = {element: s for s, element in enumerate(self.elements)}
        options = _core.CorrelatorOptions(species=len(self.elements), points=points, overlap=overlap)
        if longest:
            options.longest = int(longest / interval + 1e-6)
        if van_hove:
            options.van_hove_reach, options.van_hove_width = van_hove
        if self.charges:
            options.charges = [self.charges.get(e, 0.0) for e in self.elements]
        self._core = _core.Correlator(np.array([self._number[s] for s in symbols], dtype=np.int32), options)

    @property
    def frames(self) -> int:
        """Frames added so far."""
        return self._core.frames()

    def add(self, positions, cell=None) -> None:
        """The next frame (N, 3) in Å; unwrapped here if its cell (3, 3) is given, else taken as unwrapped.

        With cells, positions are mapped into the cell of the first frame, so that a breathing cell causes no motion.
        """
        positions = np.asarray(positions, dtype=float)
        if cell is not None:
            self._unwrapper = self._unwrapper or Unwrapper()
            positions = self._unwrapper.add(positions, cell)
            assert self._unwrapper.reference is not None
            self.volume = float(abs(np.linalg.det(self._unwrapper.reference)))
        if self._weights is not None:
            center = self._weights @ positions
            self._first_center = center if self._first_center is None else self._first_center
            positions = positions - (center - self._first_center)
        self._core.add(np.ascontiguousarray(positions))

    def merge(self, other: Correlator) -> None:
        """Pools the time origins of another, independent run (a replica) of the same atoms and options.

        InputError for a run that differs. No displacement spans both: to continue a run, use `state`.
        """
        if not isinstance(other, Correlator):
            raise InputError(f"other = {shown(other)}: must be a Correlator")
        if (self.elements, self.interval) != (other.elements, other.interval):
            raise InputError(
                f"other = {other.elements} every {other.interval} ps: "
                f"this one has {self.elements} every {self.interval} ps"
            )
        self._core.merge(other._core)

    def state(self) -> np.ndarray:
        """Everything needed to continue from here with unwrapped positions, bit for bit, as one vector."""
        return self._core.state()

    def restore(self, state: np.ndarray) -> None:
        """Takes over a `state` of a correlator with the same atoms and options; InputError for another.

        Positions added later must be unwrapped and framework-relative like those before.
        """
        self._core.restore(np.asarray(state, dtype=float))

    def result(self) -> Correlation:
        """All correlations so far; cheap compared with adding a frame."""
        found = self._core.estimates()
        lags, origins, species, charge = (found[name] for name in ("lags", "origins", "species", "charge"))
        if not len(lags):
            raise InputError(f"frames = {self.frames}: at least 2 are needed")
        time = lags * self.interval
        msd, alpha2, overlap, chi4, collective, haven = (
            {e: Curve(time, species[:, s, q, 0], species[:, s, q, 1]) for s, e in enumerate(self.elements)}
            for q in range(species.shape[2])
        )
        charged = Curve(time, charge[:, 0], charge[:, 1]) if self.charges else None
        return Correlation(
            time, lags, origins, dict(self.atoms), msd, alpha2, overlap, chi4, collective, haven, charged
        )

    def van_hove_self(self, element: str, lag: int) -> tuple[np.ndarray, np.ndarray]:
        """(bins + 1, 2) values and errors at the lag of this index: 4πr²G_s (1/Å), then the share beyond."""
        return self._core.van_hove(lag, self.species(element))

    def species(self, element: str) -> int:
        """Number of an element's species; InputError for one that is absent."""
        if element not in self._number:
            raise InputError(f"element = {element!r}: must be one of {', '.join(self.elements)}")
        return self._number[element]

    def block_sums(self, lag: int) -> BlockSums:
        """Sums in blocks of time at least twice as long as `lag` (frames)."""
        return BlockSums(self._core.blocks(2 * int(lag)), self)


class BlockSums:
    """Sums over origins per block of time, for the errors of fits: first axis blocks, second lags."""

    def __init__(self, tables: np.ndarray, correlator: Correlator):
        self._tables, self._of = tables, correlator

    def origins(self) -> np.ndarray:
        return self._tables[:, :, 0]

    def square(self, element: str) -> np.ndarray:
        """Σ Δr² (Å²) over the atoms of an element."""
        return self._tables[:, :, 1 + 4 * self._of.species(element)]

    def product(self, first: str, second: str) -> np.ndarray:
        """D_A·D_B (Å²) with D the summed displacement of an element's atoms."""
        low, high = sorted((self._of.species(first), self._of.species(second)))
        return self._tables[:, :, 1 + 4 * len(self._of.elements) + high * (high + 1) // 2 + low]


def correlator(source, **how) -> Correlator:
    """`source` if it is a `Correlator`; else one filled from a trajectory.

    `how` are `points`, `overlap` and `van_hove` of `Correlator`, and the options of `trajectory`.
    """
    if isinstance(source, Correlator):
        if how:
            raise InputError(f"{next(iter(how))}: applies to a trajectory, not to a Correlator")
        return source
    own = {name: how.pop(name) for name in ("points", "overlap", "van_hove") if name in how}
    path = as_trajectory(source, how)
    filled = Correlator(path.symbols, path.interval, **own)
    filled.volume = path.volume
    for frame in path.positions:
        filled.add(frame)
    return filled


def as_trajectory(source, how: Mapping) -> Trajectory:
    """`source` if it is a `Trajectory`; else what `trajectory` makes of it with the options `how`."""
    for name in how:
        if name not in _TRAJECTORY_OPTIONS:
            raise InputError(f"{name} = {shown(how[name])}: must be one of {', '.join(_TRAJECTORY_OPTIONS)}")
    if not isinstance(source, Trajectory):
        return trajectory(source, **how)
    if how:
        raise InputError(f"{next(iter(how))}: must be given to trajectory(), not together with a Trajectory")
    return source


def msd(source, **how) -> dict[str, Curve]:
    """Mean square displacement (Å²) per element at log-spaced lags. Options: `points` and those of `trajectory`.

    Averages over origins at every 2^b-th frame, b the lag's level. Errors: jackknife over blocks of time.
    """
    return correlator(source, **how).result().msd


def alpha2(source, **how) -> dict[str, Curve]:
    """Non-Gaussian parameter 3⟨Δr⁴⟩/(5⟨Δr²⟩²) - 1 per element (Rahman, doi:10.1103/PhysRev.136.A405)."""
    return correlator(source, **how).result().alpha2


def chi4(source, overlap: float | None = None, **how) -> dict[str, Curve]:
    """Dynamic susceptibility χ₄ = (⟨Q²⟩ - ⟨Q⟩²)/N per element, Q counting atoms that moved less than `overlap` (Å).

    `overlap` is 1.3 Å by default; a `Correlator` keeps that which it was made with.

    Averages over origins of one run of fixed composition; Lačević et al., doi:10.1063/1.1605094. Needs at least 100
    independent origins; with fewer it is too small.
    """
    return correlator(source, **(how if overlap is None else how | {"overlap": overlap})).result().chi4


def van_hove(
    source,
    reach: float,
    width: float = 0.1,
    *,
    lags: Sequence[float] | None = None,
    distinct: bool = False,
    origins: int = 50,
    points: int = _DEFAULT.points,
    **how,
) -> VanHove:
    """Self, and on request distinct, van Hove functions up to `reach` (Å) in bins of `width` (Å).

    At the lags nearest to `lags` (ps), by default all. A `Correlator` keeps the reach it was made with. The distinct
    part needs a trajectory with a cell, and is averaged over at most `origins` origins per lag, evenly spaced.
    """
    if distinct and isinstance(source, Correlator):
        raise InputError("distinct = True: needs a trajectory; a Correlator does not keep one")
    streamed = isinstance(source, Correlator)
    path = None if streamed else as_trajectory(source, how)
    filled = correlator(source, **how) if streamed else correlator(path, points=points, van_hove=(reach, width))
    if filled.bin_width is None:
        raise InputError("source: a Correlator made without van_hove has no histogram")
    result = filled.result()
    if lags is None:
        chosen = list(range(len(result.time)))
    else:
        chosen = sorted({int(np.abs(result.time - lag).argmin()) for lag in np.atleast_1d(lags)})
    curves = {e: np.array([filled.van_hove_self(e, k) for k in chosen]) for e in filled.elements}
    bins = next(iter(curves.values())).shape[1] - 1
    apart: tuple[dict[str, np.ndarray] | None, dict[str, np.ndarray] | None] = (None, None)
    if distinct:
        assert path is not None
        apart = _distinct(path, result.lags[chosen], bins, filled.bin_width, origins)
    return VanHove(
        (np.arange(bins) + 0.5) * filled.bin_width,
        result.time[chosen],
        {e: values[:, :-1, 0] for e, values in curves.items()},
        {e: values[:, :-1, 1] for e, values in curves.items()},
        {e: values[:, -1, 0] for e, values in curves.items()},
        *apart,
    )


def _distinct(path: Trajectory, lags: np.ndarray, bins: int, width: float, origins: int):
    if path.cell is None:
        raise InputError("cell = None: the distinct van Hove function needs a cell")
    elements = element_order(path.symbols)
    kind = np.array([elements.index(symbol) for symbol in path.symbols], dtype=np.int32)
    counts = []
    for lag in lags:
        last = len(path.positions) - int(lag)
        starts = range(0, last, -(-last // origins))
        pairs = ((path.positions[t], path.positions[t + int(lag)]) for t in starts)
        counts.append(np.array([pair_counts(a, kind, path.cell, bins * width, bins, b) for a, b in pairs]))
    return distinct_curves(counts, elements, np.bincount(kind), path.cell, bins * width)
