"""The section on the committee: what its deviation says of the errors, and where its trajectories were uncertain."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..products import Quantity
from .figures_model import course
from .material import Material
from .numbers import Figure, Notice, Section, Table
from .style import GUIDE, PALETTE, canvas, to_svg

_PERCENT = 100.0
_KINDS = {
    "models": "models, fitted with independent seeds",
    "heads": "read-out heads on the body of one model, fitted to groups of frames drawn with replacement",
}
# of the groups that were held out, so many give a coverage that is worth its error bar
_FEW_GROUPS = 8


def uncertainty(material: Material) -> Section | None:
    """Calibration on held-out groups and the course of the deviation; nothing without a committee."""
    train = material.input.get("train") or {}
    members = int(train.get("committee") or 1)
    if members < 2:
        return None
    kind = f"{members} {_KINDS[train.get('committee_of', 'models')]}"
    section = Section("Uncertainty of the committee", "uncertainty")
    if material.has("model/uncertainty"):
        _calibration(section, material.json("model/uncertainty"), kind)
    else:
        reason = (
            "no frames were held out, so that the deviation is not calibrated; selection goes by the bare deviation."
        )
        section.add(Notice("note", f"{kind}; {reason}"))
    _trajectories(section, material)
    return section


def _calibration(section: Section, found: Mapping[str, Any], kind: str) -> None:
    share = _PERCENT * found["share"]
    if not all(found["scale"].values()):
        text = f"{found['groups']} groups were held out; at least 3 are needed to calibrate the deviation."
        section.add(Notice("bad", text, "Not calibrated."))
        return
    section.add(
        f"{kind}. The deviation of an atom, the root mean square difference "
        "of its force from the mean of the models, is no error by itself. It is scaled by a factor for each element "
        f"such that the error of the mean force is smaller for {share:.1f} % of the atoms of an unknown group, or "
        f"more: by {found['atoms']} atoms in {found['groups']} groups that no model was trained on."
    )
    rows: list[list[str | Quantity]] = [
        [element, Quantity(f"uncertainty.scale.{element}", f"factor of {element}", value, "1"),
         "all elements, too few groups" if element in found["pooled"] else "its own"]
        for element, value in found["scale"].items()
    ]  # fmt: skip
    section.add(Table(("element", "factor", "from"), rows, "Factors from deviation to error of the force."))
    if found["coverage"] is not None:
        error = found["coverage_err"]
        coverage = Quantity(
            "uncertainty.coverage",
            "share of atoms within the scaled deviation, groups left out",
            _PERCENT * found["coverage"],
            "%",
            None if error is None else _PERCENT * error,
        )
        section.add(Table(("", "found", "stated"), [[coverage.label, coverage, f"at least {share:.1f} %"]]))
    if found["groups"] < _FEW_GROUPS:
        text = f"with {found['groups']} groups the factors are wide on purpose: they have to hold for an unknown group."
        section.add(Notice("note", text, "Few groups:"))
    if found["curve"]:
        caption = (
            "Share of atoms whose error is within the deviation scaled for a stated share, each group left out once."
        )
        section.add(Figure("calibration", _curve(found["curve"]), caption))


def _curve(points: list[list[float]]) -> bytes:
    with canvas(height=2.8, width=3.4) as (figure, (axis,)):
        stated, observed = _PERCENT * np.array(points).T
        axis.plot([0, 100], [0, 100], color=GUIDE, linewidth=0.8, zorder=1)
        axis.plot(stated, observed, color=PALETTE[0], marker="o", markersize=4)
        axis.set_xlabel("stated share (%)")
        axis.set_ylabel("observed share (%)")
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 100)
        axis.set_aspect("equal", adjustable="box")
        return to_svg(figure)


def _trajectories(section: Section, material: Material) -> None:
    names = material.names("md", "uncertainty")
    if not names:
        return
    found = {name: material.json(f"md/{name}/uncertainty") for name in names}
    rows: list[list[str | Quantity]] = []
    for name, each in found.items():
        share = _PERCENT * each["uncertain_environments"] / max(each["environments"], 1)
        rows.append(
            [name,
             Quantity(f"uncertainty.{name}.environments", f"uncertain environments of {name}", share, "%"),
             Quantity(f"uncertainty.{name}.largest", f"largest deviation of {name}", max(each["largest"]), "eV/Å"),
             Quantity(f"uncertainty.{name}.excursions", f"excursions of {name}", len(each["excursions"]), "1"),
             "yes, ended there" if each["reached_most"] else "no"]
        )  # fmt: skip
    first = next(iter(found.values()))
    kind = "scaled" if first["calibrated"] else "bare"
    head = ("trajectory", "uncertain environments", "largest deviation", "excursions", "reached the upper bound")
    caption = (
        f"An environment, one atom in one frame, is uncertain from a {kind} deviation of {first['least']:g} eV/Å on; "
        f"at {first['most']:g} eV/Å a trajectory ends. An excursion is a stretch above the threshold, which follows "
        "the running mean; its peak is a candidate for labeling."
    )
    section.add(Table(head, rows, caption))
    shade = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(names)}
    series = {name: (each["time_ps"], each["largest"]) for name, each in found.items()}
    panel = {"label": "largest deviation\n(eV/Å)", "series": series, "limits": [first["least"]]}
    section.add(Figure("deviation", course([panel], shade), f"Largest {kind} deviation of a force in each frame."))
