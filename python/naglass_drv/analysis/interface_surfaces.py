"""Where the surfaces of a crystal in a glass are, how rough they are and how they move, and profiles about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from .. import core
from ..core.statistics import student
from ..errors import InputError
from .fronts import BLOCKS, RELAXING_PS, steady_rate

Numbers = dict[str, Any]
Curves = dict[str, np.ndarray]

FLAT, INSTANTANEOUS = "flat", "instantaneous"
_BIN_A = 1.0
_LEAST_VOLUME = 0.2
# from 10 to 90 % of a Gaussian, in standard deviations
_GAUSSIAN_10_90 = 2.5631


@dataclass
class AboutSurfaces:
    """The frames of a trajectory that have two surfaces, with profiles about the flat and the instantaneous ones."""

    height: float  #: Å, of the first cell along its third vector
    frames: list[Atoms] = field(default_factory=list)  #: that have flat surfaces
    order: list[np.ndarray] = field(default_factory=list)  #: their order parameters
    places: list[int] = field(default_factory=list)  #: those of them that have instantaneous surfaces, too
    surfaces: list[core.InstantaneousSurface] = field(default_factory=list)  #: and these
    lost: str = ""  #: why the first of the others has none

    def __post_init__(self) -> None:
        self._flat, self._local = (core.Profiler(width=_BIN_A, reach=self.height / 2) for _ in range(2))

    def add(self, frame: Atoms, values: Mapping[str, np.ndarray], order: np.ndarray) -> None:
        """InputError for a frame without flat surfaces; one that has no others is in the flat profile alone."""
        self._flat.add(frame, values, order=order)
        try:
            surface = core.instantaneous_surface(frame, order, bin_width=_BIN_A)
            self._local.add(frame, values, surfaces=surface)
            self.surfaces.append(surface)
            self.places.append(len(self.frames))
        except InputError as error:
            self.lost = self.lost or str(error)
        self.frames.append(frame)
        self.order.append(order)

    @property
    def time(self) -> np.ndarray:
        """(frames,) ps"""
        return np.array([frame.info["time_ps"] for frame in self.frames])

    def flat(self) -> core.Profile:
        return self._flat.result()

    def local(self) -> core.Profile | None:
        """Against the instantaneous surfaces; None where fewer than half of the frames have these."""
        return self._local.result() if 2 * len(self.places) >= len(self.frames) and self.places else None


@dataclass(frozen=True)
class Followed:
    """Surfaces over the `time` (frames,) of a trajectory: mean `position` (frames, 2) in Å, and the instantaneous ones
    about these, none where the surfaces are flat.
    """

    time: np.ndarray
    position: np.ndarray
    local: Sequence[core.InstantaneousSurface] = ()

    def distances(self, frame: Atoms) -> tuple[np.ndarray, np.ndarray]:
        """(N,) distance (Å) of the atoms of any frame from the nearer surface, and which one; interpolated in time."""
        at = float(np.clip(frame.info["time_ps"], self.time[0], self.time[-1]))
        ends = np.array([np.interp(at, self.time, self.position[:, side]) for side in (0, 1)])[:, None]
        if self.local:
            after = min(int(np.searchsorted(self.time, at)), len(self.time) - 1)
            before = max(after - 1, 0)
            span = self.time[after] - self.time[before]
            share = (at - self.time[before]) / span if span else 0.0
            both = ((before, 1 - share), (after, share))
            ends = ends + sum(
                weight * (self.local[k].at(frame) - self.local[k].position[:, None]) for k, weight in both if weight
            )
        return core.surfaces.from_surfaces(core.surfaces.along(frame, 2), ends[0], ends[1])


def surfaces(seen: AboutSurfaces) -> tuple[Numbers, Curves, Followed]:
    """Thickness and width, velocity, roughness, and which surfaces are used: the instantaneous ones where they move, or
    where their roughness broadens the flat profile by more than its intrinsic width.
    """
    flat, local = seen.flat(), seen.local()
    assert flat.position is not None
    numbers = _flat(flat, seen.time)
    moves = "u_m_per_s" in numbers and "u_upper_m_per_s" not in numbers
    curves = _curves("profile", flat) | {"surface_A": flat.position, "surface_time_ps": seen.time}
    if local is None:
        why = f"{len(seen.places)} of {len(seen.frames)} frames have an instantaneous surface everywhere ({seen.lost})"
        numbers["surface"] = {"used": FLAT, "why": why, "frames": len(seen.places)}
        return numbers, curves, Followed(seen.time, flat.position)
    rough = _roughness(seen.surfaces)
    broadening = _GAUSSIAN_10_90 * (rough["roughness_A"] or 0.0)
    reasons = ["the surfaces move"] if moves else []
    if broadening > rough["intrinsic_10_90_A"]:
        reasons.append("their roughness broadens the flat profile by more than its intrinsic width")
    still = "the surfaces do not move" if "u_m_per_s" in numbers else "whether the surfaces move is not known"
    smooth = f"{still}, and their roughness broadens the flat profile by less than its intrinsic width"
    used, why = (INSTANTANEOUS, " and ".join(reasons)) if reasons else (FLAT, smooth)
    numbers["surface"] = {
        "used": used,
        "why": why,
        "frames": len(seen.places),
        "broadening_10_90_A": broadening,
    } | rough
    curves |= _curves(INSTANTANEOUS, local)
    if used == FLAT:
        return numbers, curves, Followed(seen.time, flat.position)
    assert local.position is not None
    return numbers, curves, Followed(seen.time[seen.places], local.position, seen.surfaces)


def _curves(kind: str, profile: core.Profile) -> Curves:
    found = {"distance_A": profile.distance}
    volume = next(each.denominator for name, each in profile.columns.items() if name.startswith("density_")).mean(
        (0, 1)
    )
    # the middles of the phases are at several distances from a rough surface: what few lines reach tells nothing
    told = volume > _LEAST_VOLUME * volume.max()
    for label, column in profile.columns.items():
        found |= {f"{kind}/{label}": np.where(told, column.value, np.nan), f"{kind}_err/{label}": column.err}
    return found


def _roughness(surfaces: Sequence[core.InstantaneousSurface]) -> Numbers:
    """Root mean square of the heights beyond what the centers alone make of it; where it is lost in this, a bound that
    is not below it.
    """
    beyond = core.average([(each.roughness**2 - each.resolution**2).mean() for each in surfaces])
    widths = core.average([np.nan_to_num(each.intrinsic.width, nan=_BIN_A).mean() for each in surfaces])
    square, err = float(beyond.mean), float(beyond.err)
    seen = square > 2 * err if np.isfinite(err) else square > 0
    freedom = max(float(beyond.effective_samples) - 1, 1.0)
    most = max(square, 0.0) + (student(freedom, 1.645) * err if np.isfinite(err) else 0.0)
    resolution = float(np.mean([each.resolution for each in surfaces]))
    return {
        "roughness_A": square**0.5 if seen else None,
        "roughness_A_err": finite(err / (2 * square**0.5)) if seen else None,
        "roughness_upper_A": None if seen else max(most**0.5, resolution),
        "resolution_A": resolution,
        "smoothing_A": float(np.mean([each.smoothing for each in surfaces])),
        "intrinsic_10_90_A": float(widths.mean),
        "intrinsic_10_90_A_err": finite(widths.err),
    }


def _flat(profile: core.Profile, time: np.ndarray) -> Numbers:
    """Thickness of the crystal and width of its surfaces, and how fast each surface moves."""
    position, width = profile.position, profile.surface_width
    assert position is not None and width is not None
    thickness = core.average(position[:, 1] - position[:, 0])
    widths = core.average(np.nanmean(width, axis=1))
    found: Numbers = {
        "frames": profile.samples,
        "crystal_A": float(thickness.mean),
        "crystal_A_err": finite(thickness.err),
        "width_10_90_A": finite(widths.mean),
        "width_10_90_A_err": finite(widths.err),
    }
    if time[-1] - time[0] < RELAXING_PS:
        found["no_velocity"] = f"{time[-1] - time[0]:.3g} ps are too short to tell growth from the cell's relaxation"
        return found
    # frames without surfaces leave holes
    even = np.linspace(time[0], time[-1], 1 + round((time[-1] - time[0]) / np.diff(time).min()))
    growth = np.interp(even, time, (position[:, 1] - position[:, 0]) / 2)
    if len(even) < BLOCKS:
        return found | {"no_velocity": f"{len(even)} frames are fewer than the {BLOCKS} that tell its error"}
    rate = steady_rate(even, growth)
    # 1 Å/ps is 100 m/s
    found |= {"u_m_per_s": 100 * rate.rate, "u_m_per_s_err": 100 * rate.err}
    return found if rate.moves else found | {"u_upper_m_per_s": 100 * rate.upper}


def finite(value: float) -> float | None:
    """The number, None for one that is not."""
    return float(value) if np.isfinite(value) else None
