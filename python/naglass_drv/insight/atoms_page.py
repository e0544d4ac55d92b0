"""Claims and page of a study of atoms."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__
from ..products import Quantity
from ..report.html import page
from ..report.numbers import Figure, Notice, Section, Table
from ..report.style import GUIDE, PALETTE, canvas, to_svg
from ..wording import capital, counted
from .atom_rows import kinds
from .atoms import AtomScore, AtomStudy
from .blocks import label
from .table import Table as GlassTable

_LABELS = {"logistic": "logistic regression", "boosting": "gradient boosting"}


def sentences(study: AtomStudy) -> list[str]:
    """What is claimed, and what is not, in words."""
    name = study.sites.name
    kind, others = kinds(name)
    found = [
        f"{kind[0].upper()}{kind[1:]} differ from {others} in {label(v.block)} beyond what the other blocks tell."
        for v in study.verdicts
        if v.important
    ]
    if silent := [label(v.block) for v in study.verdicts if not v.important]:
        found.append(f"{name} is not shown to depend on {', '.join(silent)} beyond what the other blocks tell.")
    return found


def as_claims(study: AtomStudy, table: GlassTable, sources: Mapping[str, str], alpha: float) -> dict[str, Any]:
    """The content of claims.yaml."""
    best = study.scores[0]
    return {
        "naglass": __version__,
        "target": table.name,
        "level": "atoms",
        "sources": dict(sources),
        "atoms": len(table),
        "glasses": len(study.sites.names),
        "alpha": alpha,
        "model": best.model,
        "average_precision": {"mean": _mean(best.precision), "by_guessing": _mean(best.prevalence)},
        "area_under_ROC": {"mean": _mean(best.area), "standard_error": _error(best.area)},
        "claims": [
            {
                "block": v.block,
                "verdict": "important" if v.important else "not shown",
                "loss_without_it_nats": _short(v.loss),
                "standard_error": _short(v.error),
                "p": {"refit": _short(v.p), "corrected": _short(v.corrected)},
                "glasses": len(study.sites.names),
            }
            for v in study.verdicts
        ],
        "limits": list(_limits(study)),
        "notes": list(table.notes),
    }


def _limits(study: AtomStudy):
    yield "correlations between atoms of the same glass; no experiment changed one block alone"
    yield "features are relative to the mean of their glass; what all atoms of a glass share is not seen"
    yield f"glasses are the groups: {counted(len(study.sites.names), 'glass')}, however many atoms they have"


def atoms_page(study: AtomStudy, table: GlassTable) -> tuple[str, dict[str, bytes]]:
    """The page as HTML, and its figures as SVG."""
    claims = Section("Claims", "claims")
    important = any(v.important for v in study.verdicts)
    for text in sentences(study):
        claims.add(Notice("good" if important and "differ from" in text else "note", text))
    claims.add("Limits: " + "; ".join(_limits(study)) + ".", *(f"{capital(note)}." for note in table.notes))
    prediction = Section("Prediction", "prediction")
    prediction.add(_scores(study), Figure("propensity", propensity_figure(study), _CAPTION))
    blocks = Section("Blocks", "blocks")
    rows = [
        [
            label(v.block),
            Quantity(f"insight.loss.{v.block}", f"loss without {v.block}", v.loss, "nats", v.error, "equal in all"),
            f"{v.p:.2g}", f"{v.corrected:.2g}", "important" if v.important else "not shown",
        ]
        for v in study.verdicts
    ]  # fmt: skip
    caption = "Mean log loss that a refit without the block adds on glasses left out; both kinds weigh the same."
    blocks.add(Table(["block", "loss without it", "p", "p corrected", "verdict"], rows, caption))
    shown = f"{counted(len(table), 'atom')} of {counted(len(study.sites.names), 'glass')}"
    figures = {"propensity": propensity_figure(study)}
    lead = [f"{shown}, {table.target.mean():.1%} positive. Every number is of glasses left out."]
    footer = f"Written by naglass {__version__}. All claims are also in claims.yaml."
    return page(f"What distinguishes atoms by {table.name}", lead, [claims, prediction, blocks], footer), figures


_CAPTION = (
    "Share of positive atoms against predicted propensity, in glasses left out; both kinds weigh the same, so that 0.5 "
    "is guessing. Bars are one standard error over glasses."
)


def _scores(study: AtomStudy) -> Table:
    def cell(name: str, score: AtomScore, values: np.ndarray) -> Quantity:
        return Quantity(f"insight.{name}.{score.model}", name, _mean(values), "1", _error(values), "one glass")

    rows = [
        [
            _LABELS[score.model], cell("average precision", score, score.precision),
            cell("prevalence", score, score.prevalence), cell("area under ROC", score, score.area),
        ]
        for score in study.scores
    ]  # fmt: skip
    caption = "Means over glasses left out, with standard errors. Guessing has the prevalence as its average precision."
    return Table(["model", "average precision", "prevalence", "area under ROC"], rows, caption)


def propensity_figure(study: AtomStudy) -> bytes:
    """Share of positive atoms against predicted propensity, and its histogram."""
    with canvas(1, 2, height=3.0, width=7.4) as (figure, (left, right)):
        points = study.curve
        left.errorbar(points[:, 0], points[:, 1], points[:, 2], marker="o", markersize=4, color=PALETTE[0])
        left.plot([0, 1], [0, 1], color=GUIDE, linewidth=0.8, linestyle="--")
        left.set_xlabel("predicted propensity")
        left.set_ylabel("share of positive atoms")
        bins = np.linspace(0, 1, 21)
        for kind, color in ((True, PALETTE[3]), (False, PALETTE[7])):
            values = study.scores[0].propensity[study.sites.positive == kind]
            right.hist(values, bins, density=True, histtype="step", color=color, label="positive" if kind else "others")
        right.set_xlabel("predicted propensity")
        right.set_ylabel("density of atoms")
        right.legend()
        return to_svg(figure)


def _mean(values: np.ndarray) -> float:
    return _short(float(np.nanmean(values)))


def _error(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return _short(float(known.std(ddof=1) / np.sqrt(len(known)))) if len(known) > 1 else float("nan")


def _short(value: float) -> float:
    return float(f"{value:.3g}")
