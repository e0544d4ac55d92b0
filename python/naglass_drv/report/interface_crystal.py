"""Table of the cell of the crystal of an interface: in its file, in the rigid-ion potential and in a model."""

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
    """The cell from which slab or seed is cut and that in the model of `md`, and by how much they differ from that of
    the file.
    """
    if not material.has("crystal/facts"):
        return
    facts = {role: material.json(f"{role}/facts") for role in ("crystal", "lattice") if material.has(f"{role}/facts")}
    file = facts["crystal"]["of_file"]
    named = [(_named(role, own), own) for role, found in facts.items() for own in found["cells"]]
    cells = [own for _, own in named]
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
    yield Table(("", "in its file", *(name for name, _ in named)), rows, _caption(facts))


def _named(role: str, own: Mapping[str, Any]) -> str:
    if "temperature_K" not in own:
        return "as given"
    return f"{'model' if role == 'lattice' else 'rigid ions'}, {own['temperature_K']:g} K"


def _of(own: Mapping[str, Any], i: int) -> str:
    return with_error(own["cell"][i], own["err"][i]) if "err" in own else digits(own["cell"][i], 5)


def _percent(value: float) -> str:
    return f"{value:+.2f} %".replace("-", "\N{MINUS SIGN}")


def _caption(facts: Mapping[str, Mapping[str, Any]]) -> str:
    cut = facts["crystal"]
    begun = f"The cell of the crystal, {cut['crystal']}"
    if "atoms" not in cut:
        return f"{begun}, with the edges that the input gives."
    said = [
        f"{begun}, at zero pressure in the rigid-ion potential: slab or seed is cut with the first, and follow it to "
        f"the last ({_sampled(cut)})."
    ]
    if (own := facts.get("lattice")) is not None:
        said.append(
            f"In the model, at {own['pressure_bar']:g} bar: cells of md begin with that of their temperature, and are "
            f"compared with it ({_sampled(own)})."
        )
    said.append(
        "All have the symmetry of the file; errors are those in time. A cell differs from that of the file by what is "
        "wrong with the potential as well as by thermal expansion."
    )
    return " ".join(said)


def _sampled(facts: Mapping[str, Any]) -> str:
    return f"{facts['atoms']} atoms, mean of {facts['averaged_ps']:g} ps"
