"""Profiles along an axis of the cell, about the surfaces of a crystal or across the whole cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import _core
from ..chemistry.masses import DALTON_PER_A3_IN_G_CM3, MASSES
from ..errors import InputError
from .arguments import array, number, positive, shown, whole
from .instantaneous import InstantaneousSurface
from .layer_sums import ProfileColumn, column, combined, deviations
from .surfaces import Axis, Surfaces, along, from_surfaces, surfaces_of
from .tables import read_table


@dataclass(frozen=True)
class Profile:
    """Quantities in layers, averaged over samples; definitions in docs/observables/profile.md.

    `distance` is that of a bin's center from the nearer surface, negative within the crystal, or from the cell's lower
    face where no surfaces were given. `columns` has number densities ``density_Na`` (1/Å³), ``mass_density`` (g/cm³),
    shares of the atoms ``fraction_Na``, and the mean of each value per atom by its name.
    """

    distance: np.ndarray  #: (bins,) Å
    width: float  #: Å, of a bin
    columns: dict[str, ProfileColumn]
    position: np.ndarray | None  #: (samples, 2) Å, of the surfaces, below and above the crystal; continuous in time
    surface_width: np.ndarray | None  #: (samples, 2) Å, from 10 to 90 % of the step of the order parameter
    samples: int

    def __getitem__(self, name: str) -> ProfileColumn:
        if name not in self.columns:
            raise InputError(f"column = {shown(name)}: the profile has {', '.join(self.columns)}")
        return self.columns[name]


@dataclass(frozen=True)
class Excess:
    """Atoms of an element per area of the dividing surface beyond those of two phases that reach up to it, 1/Å²."""

    value: float  #: mean of both surfaces
    err: float  #: one standard error, as of a `ProfileColumn`
    by_surface: np.ndarray  #: (2,) below and above the crystal
    crystal: float  #: number density within the crystal, 1/Å³
    outside: float  #: and outside


class Profiler:
    """Adds up frames of a trajectory and averages their layers.

    `axis` is the cell vector along which layers follow each other, `width` (Å) the thickness of a layer, `reach` (Å)
    the largest distance from a surface (default: half the height of the first cell). O(N) per frame and column.
    """

    def __init__(self, *, axis: int = 2, width: float = 1.0, reach: float | None = None):
        self.axis = whole("axis", axis, 0, 2)
        self.width = positive("width", width, "Å")
        self._reach = None if reach is None else positive("reach", reach, "Å")
        self._symbols: tuple[str, ...] = ()
        self._elements: list[str] = []
        self._counted = np.zeros((0, 0))  # 1 for each element's atoms, then the masses
        self._names: tuple[str, ...] = ()
        self._around = False
        self._size = 0  # bins on either side of a surface, or across the cell
        self._heights: list[float] = []
        self._volumes: list[np.ndarray] = []
        self._sums: list[np.ndarray] = []
        self._surfaces: list[np.ndarray] = []

    def add(
        self, atoms, values: Mapping[str, np.ndarray] | None = None, *, order=None, surfaces=None
    ) -> Surfaces | None:
        """Add a frame; returns its surfaces where they are fitted.

        `values` are quantities per atom by name, (N,) each, NaN for atoms that do not count, such as Qn of oxygen.
        Distances are from the surfaces that `gibbs_surfaces` finds in this frame for the `order` parameter (N,), or
        from given `surfaces`: two positions (Å along the axis, the one below the crystal first), or an
        `InstantaneousSurface` of the frame. InputError where these are of another kind than in earlier frames, for
        other atoms, or a value that is infinite.
        """
        seen, values = along(atoms, self.axis), dict(values or {})
        if order is not None and surfaces is not None:
            raise InputError("order, surfaces: give one of them")
        found, rough = None, surfaces if isinstance(surfaces, InstantaneousSurface) else None
        if rough is not None:
            if rough.axis != self.axis:
                raise InputError(f"surfaces: along axis {rough.axis}, but the layers are along {self.axis}")
            found, surfaces = rough.intrinsic, rough.position
        if order is not None:
            found = surfaces_of(seen, array("order", order, (len(seen.fractions),), finite=False), self.width)
            surfaces = found.position
        self._begin(atoms, seen, tuple(values), surfaces is not None)
        if rough is not None:
            bins, thickness = self._local_layers(seen, rough.at(atoms), rough.height.reshape(2, -1))
        else:
            layers = self._layers(seen, surfaces)
            bins, thickness = layers.of(seen.fractions), layers.thickness()
        rows = [_checked(name, value, len(self._symbols)) for name, value in values.items()]
        numbers = np.vstack([self._counted, *rows])
        self._sums.append(_core.layer_sums(bins, numbers, len(thickness)))
        self._volumes.append(thickness * seen.area)
        self._heights.append(seen.height)
        if surfaces is not None:
            widths = np.full(2, np.nan) if found is None else found.width
            self._surfaces.append(np.array([self._continued(np.asarray(surfaces, dtype=float), seen.height), widths]))
        return found

    def result(self) -> Profile:
        """The averages over the frames so far. InputError without frames."""
        if not self._sums:
            raise InputError("frames = 0: the profiler has not been given any")
        shape = (len(self._sums), 2 if self._around else 1, -1)
        counts, sums = (part.reshape(len(part), *shape) for part in np.moveaxis(np.array(self._sums), (1, 3), (1, 0)))
        volume = np.array(self._volumes).reshape(shape)
        atoms = dict(zip(self._elements, counts, strict=False))
        first = len(self._elements) + 1
        values = {name: (sums[first + k], counts[first + k]) for k, name in enumerate(self._names)}
        mass = None if np.isnan(self._counted[-1]).any() else sums[first - 1]
        if self._around:
            distance = (np.arange(2 * self._size) - self._size + 0.5) * self.width
            width = self.width
        else:
            width = float(np.mean(self._heights)) / self._size
            distance = (np.arange(self._size) + 0.5) * width
        surfaces = np.array(self._surfaces) if self._around else None
        return _profile(distance, width, volume, atoms, mass, values, surfaces)

    def _begin(self, atoms, seen: Axis, names: tuple[str, ...], around: bool) -> None:
        symbols = tuple(atoms.get_chemical_symbols())
        if not self._sums:
            self._symbols, self._names, self._around = symbols, names, around
            self._elements = list(dict.fromkeys(symbols))
            kinds = np.array(symbols)
            masses = [MASSES.get(symbol, np.nan) for symbol in symbols]
            self._counted = np.vstack([*(np.where(kinds == e, 1.0, np.nan) for e in self._elements), masses])
            reach = seen.height / 2 if self._reach is None else self._reach
            self._size = max(1, int(np.ceil(reach / self.width - 1e-9)) if around else round(seen.height / self.width))
        if symbols != self._symbols:
            raise InputError(f"frame {len(self._sums)}: its atoms or their order differ from frame 0")
        if names != self._names:
            raise InputError(f"values = {list(names)} of frame {len(self._sums)}: frame 0 has {list(self._names)}")
        if around != self._around:
            raise InputError(f"frame {len(self._sums)}: all frames have surfaces, or none")

    def _layers(self, seen: Axis, surfaces):
        if surfaces is None:
            return _core.LayerBins.across(seen.height, self._size)
        lower, upper = array("surfaces", surfaces, (2,), unit="Å")
        return _core.LayerBins.around(seen.height, lower, upper, self.width, self._size)

    def _local_layers(self, seen: Axis, local: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bins of the atoms by the surfaces (2, N) at their places, and the mean thickness of the bins over lines along
        the axis with surfaces at `heights` (2, lines).
        """
        distance, which = from_surfaces(seen, *local)
        place = np.floor(distance / self.width).astype(int) + self._size
        inside = (place >= 0) & (place < 2 * self._size)
        lines = [
            _core.LayerBins.around(seen.height, *ends, self.width, self._size).thickness()
            for ends in heights.T.tolist()
        ]
        return np.where(inside, place + 2 * self._size * which, -1).astype(np.int32), np.mean(lines, axis=0)

    def _continued(self, position: np.ndarray, height: float) -> np.ndarray:
        """The positions of the surfaces, next to those of the frame before."""
        if not self._surfaces:
            return position
        return position - height * np.rint((position - self._surfaces[-1][0]).mean() / height)


def profile(frames, values=None, *, order=None, surfaces=None, **options) -> Profile:
    """The profile of some frames; `options` are those of `Profiler`.

    `values` and `order` are functions of a frame that return what `Profiler.add` takes; `surfaces` two fixed positions
    (Å):

    >>> profile(frames, lambda f: {"n": ...}, order=lambda f: crystal_similarity(f, nvp))
    """
    for name, given in (("values", values), ("order", order)):
        if given is not None and not callable(given):
            raise InputError(f"{name} = {shown(given)}: must be a function of a frame")
    profiler = Profiler(**options)
    for frame in [frames] if hasattr(frames, "get_chemical_symbols") else _iterable(frames):
        profiler.add(frame, values(frame) if values else None, order=order(frame) if order else None, surfaces=surfaces)
    return profiler.result()


def excess_per_area(
    profile: Profile,
    element: str,
    *,
    crystal: tuple[float, float],
    outside: tuple[float, float],
    relative_to: str | None = None,
) -> Excess:
    """Gibbs' surface excess of an element per area, from its density about the dividing surfaces.

    Γ = ∫ (ρ − ρ_c) dz on the crystal's side + ∫ (ρ − ρ_g) dz outside, with the densities ρ_c and ρ_g within the ranges
    of distance `crystal` and `outside` (Å), such as (-15, -5) and (5, 15); choose whole repeats of the crystal. With
    `relative_to` another element j, Γ_i − Γ_j (ρ_i,c − ρ_i,g)/(ρ_j,c − ρ_j,g), which does not depend on where the
    dividing surface is. InputError for ranges that hold no bin or are on the wrong side.
    """
    if profile.position is None:
        raise InputError("profile: was made without surfaces, so there is no dividing surface")
    weights = _excess_weights(profile, crystal, outside)
    own = profile[f"density_{element}"]
    gamma, low, high = (_mean(own, w) for w in weights)
    parts = [(own, np.tile(weights[0], (2, 1)))]
    if relative_to is not None:
        other = profile[f"density_{relative_to}"]
        gamma_j, low_j, high_j = (_mean(other, w) for w in weights)
        if (low_j == high_j).any():
            raise InputError(f"relative_to = {relative_to!r}: has the same density in both phases")
        q = (low - high) / (low_j - high_j)
        slope = np.outer(gamma_j / (low_j - high_j), weights[1] - weights[2])
        gamma = gamma - q * gamma_j
        parts = [(own, weights[0] - slope), (other, -q[:, None] * weights[0] + q[:, None] * slope)]
    deviation = sum(_linear(each, w) for each, w in parts)
    value, err = combined(gamma, np.asarray(deviation))
    return Excess(value, err, gamma, float(low.mean()), float(high.mean()))


def read_profile(path: str | Path) -> Profile:
    """The profile that `fix naglass/profile` wrote; each of its blocks is a sample.

    Values are named as in the file, ``c_q[1]:P``. InputError for another file, with the line that does not fit.
    """
    table = read_table(path)
    names = table.dtype.names or ()
    known = ("step", "surface", "distance", "samples", "position", "width", "volume")
    if names[: len(known)] != known or not len(table):
        raise InputError(f"path = {str(path)!r}: is not a profile of fix naglass/profile, or holds no block")
    surfaces = int(table["surface"].max()) + 1
    blocks = len(np.unique(table["step"]))
    if len(table) % (blocks * surfaces):
        raise InputError(f"path = {str(path)!r}: its last block is not complete")
    sums = {name: table[name].reshape(blocks, surfaces, -1) for name in names}
    atoms = {name[2:]: sums[name] for name in names if name.startswith("n_")}
    values = {name[2:]: (sums[name[2:]], sums[name]) for name in names if name.startswith("n:")}
    found = None
    if surfaces == 2:
        found = np.stack([sums["position"][..., 0], sums["width"][..., 0]], axis=1)
    distance = sums["distance"].mean(axis=(0, 1))
    width = float(np.diff(distance).mean())
    return _profile(distance, width, sums["volume"], atoms, sums["mass"], values, found)


def _profile(distance, width: float, volume, atoms: dict, mass, values: dict, surfaces) -> Profile:
    everything = np.sum(list(atoms.values()), axis=0)
    columns = {f"density_{element}": column(count, volume) for element, count in atoms.items()}
    if mass is not None:
        columns["mass_density"] = column(DALTON_PER_A3_IN_G_CM3 * mass, volume)
    columns |= {f"fraction_{element}": column(count, everything) for element, count in atoms.items()}
    columns |= {name: column(*sums) for name, sums in values.items()}
    position, widths = (None, None) if surfaces is None else (surfaces[:, 0], surfaces[:, 1])
    return Profile(distance, width, columns, position, widths, len(volume))


def _excess_weights(profile: Profile, crystal, outside) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bins,) weights of the densities in the excess, and in the mean densities of the crystal and outside."""
    ranges = []
    for name, given, sign in (("crystal", crystal, -1), ("outside", outside, 1)):
        low, high = (number(name, end, "Å") for end in (given if np.shape(given) == (2,) else (given, np.nan)))
        if not low < high or min(sign * low, sign * high) < 0:
            raise InputError(f"{name} = {shown(given)}: must be a range on its side of the surface (Å)")
        inside = (profile.distance > low) & (profile.distance < high)
        if not inside.any() or max(abs(low), abs(high)) > np.abs(profile.distance).max() + profile.width:
            raise InputError(f"{name} = {shown(given)}: the profile reaches to {np.abs(profile.distance).max():g} Å")
        ranges.append(inside)
    whole_range = (profile.distance > crystal[0]) & (profile.distance < outside[1])
    low, high = (inside / inside.sum() for inside in ranges)
    weights = profile.width * whole_range.astype(float)
    weights -= weights[profile.distance < 0].sum() * low + weights[profile.distance > 0].sum() * high
    return weights, low, high


def _mean(density: ProfileColumn, weights: np.ndarray) -> np.ndarray:
    """(2,) Σ weights · density of each surface, with weights (bins,)."""
    return np.nan_to_num(density.by_surface) @ weights


def _linear(density: ProfileColumn, weights: np.ndarray) -> np.ndarray:
    """(samples, surfaces) deviations of Σ weights · density, with weights (surfaces, bins)."""
    off = deviations(density.numerator, density.denominator, density.by_surface)
    volume = density.denominator.mean(axis=0)
    if (volume[weights != 0] <= 0).any():
        raise InputError("crystal, outside: reach beyond the middle of the phases, where the profile has no volume")
    return (off * np.divide(weights, volume, out=np.zeros_like(weights), where=volume > 0)).sum(axis=2)


def _checked(name: str, value, atoms: int) -> np.ndarray:
    value = array(f"values[{name!r}]", value, (atoms,), finite=False)
    if np.isinf(value).any():
        raise InputError(
            f"values[{name!r}][{int(np.argmax(np.isinf(value)))}] = inf: must be finite, or NaN to leave it out"
        )
    return value


def _iterable(frames) -> Iterable:
    if isinstance(frames, (str, bytes)) or not np.iterable(frames):
        raise InputError(f"frames = {shown(frames)}: must be atoms or a sequence of atoms")
    return frames
