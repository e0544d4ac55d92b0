"""What the quenched glasses are: protocol, pressure or density, Q^n beside NMR, and the curve of the quench."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..chemistry.ions import parse_label
from ..chemistry.notation import SUPERSCRIPT
from ..core import VANADYL_CUTOFF
from ..products import Quantity
from . import figures
from .material import Material
from .measured import error_array, shades
from .numbers import Figure, Notice, Table, side_by_side

_NO_ERROR = "no error published"
_CURVES = {
    "potential_energy_eV_per_atom": "potential energy (eV/atom)",
    "density_g_cm3": "density (g/cm³)",
    "pressure_GPa": "pressure (GPa)",
}
_ROWS = {
    "pressure": "pressure", "density": "density", "energy": "potential energy", "D": "self-diffusion of the ion",
    "D_upper": "self-diffusion of the ion, upper bound (95 %)",
}  # fmt: skip


def glasses_made(material: Material) -> dict[str, Mapping[str, Any]]:
    """What was made, by glass; empty for runs of earlier versions."""
    return {name: material.json(f"glass/{name}/made") for name in material.names("glass", "made")}


def potential(material: Material) -> str:
    """The potential of the glasses in words."""
    return next((made["potential"] for made in glasses_made(material).values()), "rigid-ion potential")


def short_contacts(material: Material) -> str:
    """What short V–O distances are in glasses of rigid ions; empty where there are no such glasses, or no V."""
    glass = material.input.get("glass") or {}
    labels = material.input["system"]["composition"]
    if not glass or glass.get("model") is not None or not any(parse_label(label)[0] == "V" for label in labels):
        return ""
    return (
        "The rigid-ion potential has no directional V=O bond: V–O distances of the quenched glass below "
        f"{VANADYL_CUTOFF:g} Å are short contacts of ions, not vanadyl groups."
    )


def made_blocks(material: Material) -> list[Table | Figure | Notice]:
    """A table of the glasses, and the curves of their quench."""
    found = glasses_made(material)
    if not found:
        return []
    rows: dict[str, dict[str, Quantity | str]] = defaultdict(dict)
    sources = set()
    for name, made in found.items():
        own = {row["key"].removeprefix(f"glass.{name}."): Quantity(**row) for row in made["quantities"]}
        rows["state"][name] = made["state"]
        rows["protocol"][name] = made["protocol"] or "none: times of the input"
        rows["time in the melt"][name] = Quantity(
            f"glass.{name}.melt.time", f"time in the melt of {name}", made["melted_ps"], "ps", note=_ended(made)
        )
        for key, label in _ROWS.items():
            # of ions in a glass the bound tells only how short the hold was
            if key in own and (key != "D_upper" or made["state"] != "glass"):
                rows[label][name] = own[key]
        for key, row in own.items():
            if key == "melt.msd":
                rows[row.label.removesuffix(f" of {name}")][name] = row
            elif key.startswith("melt.renewed."):
                pair = key.removeprefix("melt.renewed.").replace("-", "–")
                rows[f"{pair} bonds exchanged in the melt"][name] = row
            elif key.startswith("artifact."):
                rows[f"{key.removeprefix('artifact.').replace('-', '–')} contacts"][name] = row
        for n in range(7):
            for key, label in ((f"Q{n}", "share of"), (f"NMR.Q{n}", "NMR:")):
                if key in own:
                    row = own[key]
                    if key.startswith("NMR"):
                        # its source is a line long, and the same for all
                        sources.add(row.note)
                        row = replace(row, note=_NO_ERROR)
                    rows[f"{label} Q{str(n).translate(SUPERSCRIPT)}"][name] = row
    caption = "Means over the second half of the hold, ± one standard error; Qⁿ of the minimized glass. "
    caption += "Of the melt: from its start to its end."
    caption += "".join(f" {source}." for source in sorted(sources))
    return [side_by_side(list(found), rows, caption), *_curves(material, found)]


def _ended(made: Mapping[str, Any]) -> str:
    """What ended the melt: the input without a protocol, else that it had forgotten its start, or the longest time."""
    if made["protocol"] is None:
        return "set"
    # a melt of which nothing is known, as one without a former, is not ended early either
    return "until it forgot its start" if (made.get("melt") or {}).get("lost") else "the longest of its protocol"


def _curves(material: Material, found: Mapping[str, Mapping[str, Any]]) -> Iterator[Figure]:
    panels = {
        label: {
            name: (np.array(made["curve"]["temperature_K"]), np.array(made["curve"][key]),
                   error_array(made["curve"][f"{key}_err"]))
            for name, made in found.items()
            if made["curve"].get(key)
        }
        for key, label in _CURVES.items()
    }  # fmt: skip
    panels = {label: lines for label, lines in panels.items() if lines}
    if panels:
        svg = figures.overlays(panels, shades(material), xlabel="temperature (K)", ylabel="")
        caption = "The quench over temperature: means over stretches of about 100 K, bands: one standard error."
        yield Figure("quench-curve", svg, caption)
