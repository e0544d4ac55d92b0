"""Which surfaces the stage uses, where they are between the frames that were looked at, and what it says of them."""

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.interface_surfaces import AboutSurfaces, surfaces
from naglass_drv.report.interface import _which
from support.rough_slab import EDGE, HEIGHT, LOWER, UPPER, corrugation, slab


def seen(amplitude, *, growth=0.0, frames=12):
    """Frames 1 ps apart of a slab whose surfaces move outward by `growth` (Å/ps) each."""
    found = AboutSurfaces(HEIGHT)
    for number in range(frames):
        atoms, order = slab(np.random.default_rng([number, 3]), amplitude, grown=growth * number)
        atoms.info["time_ps"] = float(number)
        found.add(atoms, {"similarity": order}, order)
    return found


def test_still_and_flat_surfaces_stay_flat():
    numbers, curves, followed = surfaces(seen(0.0))
    assert numbers["surface"]["used"] == "flat" and not followed.local
    assert numbers["surface"]["roughness_A"] is None and numbers["surface"]["roughness_upper_A"] < 0.8
    # both profiles are there, to be seen beside each other
    assert {"profile/similarity", "instantaneous/similarity", "profile_err/density_V"} <= set(curves)
    assert "No roughness is seen" in _which(numbers["surface"])


def test_rough_surfaces_are_followed_and_the_roughness_is_that_of_the_corrugation():
    about = seen(2.5)
    numbers, curves, followed = surfaces(about)
    found = numbers["surface"]
    assert found["used"] == "instantaneous" and "roughness broadens" in found["why"] and len(followed.local) == 12
    damped = np.exp(-2 * np.pi**2 * found["smoothing_A"] ** 2 / EDGE**2)
    # the wave along the diagonal is shorter
    waves = 2.5 * np.sqrt((2 * damped**2 + damped**4) / 2)
    assert found["roughness_A"] == pytest.approx(waves, rel=0.05) and found["roughness_A_err"] < 0.05
    assert numbers["width_10_90_A"] > 2 * found["intrinsic_10_90_A"]
    away = np.abs(curves["distance_A"] + 3.5) < 1
    assert curves["instantaneous/similarity"][away].min() > 0.88 > curves["profile/similarity"][away].min()
    assert "refer to the instantaneous surface" in _which(found) and "Å" in _which(found)


def test_surfaces_that_move_are_followed_between_the_frames():
    """An atom on the mean of both surfaces of two frames has no distance from the surface between them."""
    numbers, _, followed = surfaces(seen(1.0, growth=0.2, frames=24))
    assert numbers["surface"]["used"] == "instantaneous" and numbers["surface"]["why"].startswith("the surfaces move")
    assert numbers["u_m_per_s"] == pytest.approx(20.0, abs=4 * numbers["u_m_per_s_err"])
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, EDGE, (2, 400))
    smooth = np.exp(-2 * np.pi**2 * numbers["surface"]["smoothing_A"] ** 2 / EDGE**2) * corrugation(x, y, 1.0)
    upper = UPPER + 0.2 * 20.5 + smooth + 2.0
    frame = Atoms(["Na"] * 400, np.column_stack([x, y, upper]), cell=[EDGE, EDGE, HEIGHT], pbc=True)
    frame.info["time_ps"] = 20.5
    distance, which = followed.distances(frame)
    assert (which == 1).all() and distance.mean() == pytest.approx(2.0, abs=0.15) and distance.std() < 0.6


def test_surfaces_with_holes_are_flat_and_it_is_told():
    about = AboutSurfaces(HEIGHT)
    for number in range(4):
        atoms, order = slab(np.random.default_rng(number), 0.0)
        order[atoms.positions[:, 0] < 0.25 * EDGE] = 0.2
        atoms.info["time_ps"] = float(number)
        about.add(atoms, {"similarity": order}, order)
    numbers, curves, followed = surfaces(about)
    assert numbers["surface"]["used"] == "flat" and "0 of 4 frames" in numbers["surface"]["why"]
    assert "lines along the axis do not cross" in _which(numbers["surface"])
    assert not any(key.startswith("instantaneous") for key in curves) and not followed.local
    frame = Atoms("Na2", [[0, 0, LOWER - 1.5], [0, 0, UPPER - 1.0]], cell=[EDGE, EDGE, HEIGHT], pbc=True)
    frame.info["time_ps"] = 1.5
    assert followed.distances(frame)[0] == pytest.approx([1.5, -1.0], abs=0.6)
