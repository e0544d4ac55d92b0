"""Table of the cell of the crystal of an interface: in its file, and in the rigid-ion potential at temperature."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..wording import digits, with_error
from .material import Material
from .numbers import Table

_EDGES = ("a (Å)", "b (Å)", "c (Å)")
_ANGLES = ("\N{GREEK SMALL LETTER ALPHA} (°)", "β (°)", "\N{GREEK SMALL LETTER GAMMA} (°)")
# held by symmetry
_FIXED = (60.0, 90.0, 120.0)


def crystal_cell(material: Material) -> Iterator[Table]:
    """The cell from which slab or seed are cut, and by how much it differs from that of the file."""
    if not material.has("crystal/facts"):
        return
    facts = material.json("crystal/facts")
    file, cells = facts["of_file"], facts["cells"]
    rows = [
        [label, f"{file[i]:.3f}", *(f"{_of(own, i)} ({_percent(own['change_percent'][i])})" for own in cells)]
        for i, label in enumerate(_EDGES)
    ]
    rows += [
        [label, f"{file[i]:.2f}", *(_of(own, i) for own in cells)]
        for i, label in enumerate(_ANGLES, start=3)
        if any(min(abs(own["cell"][i] - angle) for angle in _FIXED) > 1e-6 for own in cells)
    ]
    rows.append(["change of the volume", "", *(_percent(own["volume_change_percent"]) for own in cells)])
    named = [f"at {own['temperature_K']:g} K" if "temperature_K" in own else "as given" for own in cells]
    yield Table(("", "in its file", *named), rows, _caption(facts))


def _of(own: Mapping[str, Any], i: int) -> str:
    return with_error(own["cell"][i], own["err"][i]) if "err" in own else digits(own["cell"][i], 5)


def _percent(value: float) -> str:
    return f"{value:+.2f} %".replace("-", "\N{MINUS SIGN}")


def _caption(facts: Mapping[str, Any]) -> str:
    begun = f"The cell of the crystal, {facts['crystal']}"
    if "atoms" not in facts:
        return f"{begun}, with the edges that the input gives."
    return (
        f"{begun}, at zero pressure in the rigid-ion potential: slab or seed are cut with the first, and follow it to "
        f"the last. {facts['atoms']} atoms, mean of {facts['averaged_ps']:g} ps, with the symmetry that the file has; "
        "errors are those in time. What it differs by is that of the potential from the crystal as well as thermal "
        "expansion."
    )
