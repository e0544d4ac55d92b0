"""The section `insight`, and what is wrong with one before anything is run."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..fields import Count, Section, each_once, within
from .partial import Partial
from .source import Document, Where

_WHERE: Where = ("insight",)
Paths = Annotated[list[Path], AfterValidator(each_once), Field(max_length=1000)]
Learner = Literal["ridge", "gp", "forest", "boosting"]
LEARNERS: tuple[Learner, ...] = ("ridge", "gp", "forest", "boosting")
# beginnings of the keys of quantities, by the sections that make them
_OF_GLASS = ("glass.D", "glass.energy", "glass.pressure", "glass.density")
_OF_MOTION = ("transport.", "hops.", "sites.", "heterogeneity.")
_OF_STRUCTURE = ("structure.", "network.", "topology.", "metals.", "diffraction.", "channels.", "redox.", "glance.")


class Insight(Section):
    """What a property of the glasses of this run, and of other `runs`, depends on: `target` is the key of a quantity
    without the name of what was measured, as ``glass.D``, or a column of `tables` with measured values. `atoms` are
    targets of single atoms, as ``ions.mobile``: what distinguishes those with it from the others in their glass.
    """

    target: Annotated[str, Field(min_length=1, max_length=200)]
    runs: Paths = Field(default_factory=list)
    tables: Paths = Field(default_factory=list)
    atoms: Annotated[list[str], AfterValidator(each_once), Field(max_length=10)] = Field(default_factory=list)
    blocks: dict[str, list[str]] = Field(default_factory=dict)
    ignore: list[str] = Field(default_factory=list)
    carrier: Literal["total", "Na", "Li", "ion", "electron"] | None = None
    models: Annotated[list[Learner], AfterValidator(each_once)] = Field(
        default_factory=lambda: list(LEARNERS), min_length=1
    )
    permutations: Annotated[Count, within(99, 100_000)] = 999


def check(top: Partial, document: Document) -> None:
    """There are glasses to learn from, and the target is a quantity that this run makes, if others add none."""
    asked = top.insight
    if asked is None or asked.known("runs") is None:
        return
    if top.analysis is None and not asked.runs:
        document.fault(_WHERE, "there is no analysis section to learn from; add one, or name other runs")
        return
    target = asked.target
    if asked.runs or asked.tables:
        return
    lacking = None
    if target.startswith(_OF_MOTION) and top.md is None:
        lacking = "is measured on trajectories, and there is no md section; glass.D is that of the hold of a quench"
    elif target in _OF_GLASS and top.glass is None:
        lacking = "is measured while a glass is made, and there is no glass section"
    elif target not in _OF_GLASS and not target.startswith((*_OF_MOTION, *_OF_STRUCTURE)):
        known = ", ".join((*_OF_GLASS, *(f"{each}…" for each in (*_OF_MOTION, *_OF_STRUCTURE))))
        lacking = f"is not a quantity that a run makes: {known}; for measured values name tables"
    if lacking:
        document.fault((*_WHERE, "target"), f"{target!r} {lacking}")
