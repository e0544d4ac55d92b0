"""The page of a study, which reads like a results section."""

import math
from collections.abc import Iterator

import numpy as np

from .. import __version__
from ..products import Quantity
from ..report.html import page
from ..report.numbers import Figure, Notice, Section, Table, leaves
from . import figures
from .blocks import label
from .checklist import FAILED, PASSED, checklist
from .claims import alternatives, claimed, limits, refutation
from .models import LABELS
from .study import Study
from .table import counts_text
from .units import with_unit
from .verdicts import IMPORTANT, NO_CLAIM, NOT_SEPARABLE, Verdict, sentence

_KINDS = {IMPORTANT: "good", NOT_SEPARABLE: "note", NO_CLAIM: "bad"}


def insight_page(study: Study) -> tuple[str, dict[str, bytes]]:
    """The page as HTML, and its figures as SVG."""
    sections = [_claims(study), _data(study), _prediction(study), _importance(study), _referee(study)]
    lead = [
        f"{counts_text(study.table)}. Unless said otherwise, numbers are of compositions that the model has not seen."
    ]
    footer = f"Written by naglass {__version__}. All claims are also in claims.yaml."
    found = {figure.name: figure.svg for section in sections for figure in leaves(section.blocks, Figure)}
    return page(f"What {study.table.name} depends on", lead, sections, footer), found


def _claims(study: Study) -> Section:
    section = Section("Claims", "claims")
    for verdict in claimed(study):
        if verdict.state in _KINDS:
            head = sentence(verdict, study.table.name)
            section.add(Notice(_KINDS[verdict.state], _evidence(study, verdict), head))
    silent = [label(v.name) for v in claimed(study) if v.state not in _KINDS and len(v.blocks) == 1]
    if silent:
        section.add(f"Not shown to matter beyond the other blocks: {', '.join(silent)}; no proof of the contrary.")
    section.add(*(Notice("bad", refusal[0].upper() + refusal[1:] + ".") for refusal in study.refusals))
    section.add("Limits of every claim: " + "; ".join(limits(study)) + ".")
    return section


def _evidence(study: Study, verdict: Verdict) -> str:
    low, high = verdict.interval
    parts = [
        f"A refit without it loses {verdict.gain:.2f} of R² (95 %: {low:.2f} to {high:.2f}); p = "
        f"{verdict.corrected:.2g} after correction for {study.tests} tests, {len(study.glasses)} compositions."
    ]
    if verdict.name in study.family_gains:
        gain = study.family_gains[verdict.name]
        told = f"also across families ({gain:+.2f})" if gain > 0 else f"not across families ({gain:+.2f})"
        parts.append(f"It helps {told}.")
    if verdict.state == IMPORTANT:
        parts.append(f"Not excluded: {'; '.join(alternatives(study, verdict))}.")
    elif verdict.reasons:
        parts.append(f"Why: {'; '.join(verdict.reasons)}.")
    parts.append(f"It would be refuted by {refutation(study, verdict)}.")
    return " ".join(parts)


def _data(study: Study) -> Section:
    table, section = study.table, Section("Data", "data")
    learned = ", learned as its decadic logarithm" if study.scale.logarithm else ""
    section.add(
        f"{table.name} from {table.target.min():.3g} to {with_unit(table.target.max(), table.unit)}{learned}: "
        f"{counts_text(table)}. One row per composition is learned from."
    )
    rows = [[label(block), ", ".join(columns), str(len(columns))] for block, columns in table.blocks.items()]
    section.add(Table(["block", "features", "number"], rows, "Features of a block are only used together."))
    if study.correlations:
        section.add(_tied(study))
    section.add(*(f"{note[0].upper()}{note[1:]}." for note in table.notes))
    return section


def _tied(study: Study) -> Table:
    names = list(study.correlations)
    rows = [[label(a), *(_correlation(study.correlations[a].get(b, math.nan)) for b in names)] for a in names]
    caption = "Correlation of blocks: how well one predicts the other for compositions left out (the better direction)."
    return Table(["", *map(label, names)], rows, caption)


def _correlation(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _prediction(study: Study) -> Section:
    section, best = Section("Prediction", "prediction"), study.composition.score(study.best)
    low, high = best.r2_interval
    section.add(
        f"The {LABELS[study.best]} predicts compositions left out with R² = {best.r2:.2f} (95 %: {low:.2f} to "
        f"{high:.2f}) and a mean absolute error of {with_unit(best.mae, study.unit)}."
    )
    svg = figures.ladder_figure(study)
    section.add(Figure("ladder", svg, "R² by what is left out, with bootstrap intervals (95 %) over compositions."))
    section.add(_ladder(study))
    caption = "Predicted against measured, each composition by models that have not seen it."
    if study.intervals is not None:
        held = study.intervals
        caption += (
            f" Lines: prediction intervals of {held.level:.0%} (jackknife+ by composition), which hold "
            f"{int(held.inside.sum())} of {len(study.glasses)} values."
        )
    section.add(Figure("parity", figures.parity(study), caption))
    if study.curve:
        caption = "R² against the number of compositions learned from; bars are one standard error over random choices."
        section.add(Figure("learning-curve", figures.curve_figure(study), caption))
    return section


def _ladder(study: Study) -> Table:
    rows = []
    for score in study.composition.scores[1:]:
        cells: list = [LABELS[score.model]]
        for rung in study.rungs:
            one = rung.score(score.model)
            key = f"insight.R2.{rung.name}.{score.model}"
            text = f"R² of {LABELS[score.model]}, {rung.name} left out"
            cells.append(Quantity(key, text, round(one.r2, 2), "1", interval=one.r2_interval))
        rows.append(cells)
    heads = [f"{rung.name} ({rung.sets} sets of {_range(rung.sizes)})" for rung in study.rungs]
    careless = "" if study.rungs[0].counts else " Leaving out replicas is no evidence: their sisters are learned from."
    return Table(["model", *heads], rows, f"R² by what is left out, against the mean of the rest.{careless}")


def _range(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if min(sizes) == max(sizes) else f"{min(sizes)}–{max(sizes)}"


def _importance(study: Study) -> Section:
    section = Section("Importance of blocks", "importance")
    if not study.verdicts:
        section.add("Not judged: " + "; ".join(study.refusals) + ".")
        return section
    section.add(
        "A block is called important only where a refit without it, its replacement by what the other blocks predict "
        "of it, and permuted compositions agree, for every model as good as the best and for resampled compositions."
    )
    caption = (
        "Left: the gain of each block (dot) and the range without an effect. Right: R² lost by a refit without it; "
        "ticks: by each model. Blue: important."
    )
    section.add(Figure("importance", figures.importance_figure(study), caption))
    section.add(_table(study))
    for verdict in study.verdicts:
        if verdict.state == IMPORTANT and len(verdict.blocks) == 1:
            caption = (
                f"Dependence of {study.table.name} on {label(verdict.name)}: mean over compositions left out, one line "
                "for each set left out. One feature moves, the others stay: an illustration of the model, no evidence."
            )
            section.add(Figure(f"dependence-{_word(verdict.name)}", figures.dependence(study, verdict), caption))
    return section


def _table(study: Study) -> Table:
    rows = [list(_row(verdict)) for verdict in study.verdicts]
    head = ["block", "R² lost", "permuted", "conditional", "corrected", "stable", "verdict"]
    caption = (
        "One-sided p of no effect beyond the other blocks: by permuted compositions, by conditional replacement, and "
        "the first corrected for all tests (hierarchical). Stable: resampled sets in which the block helps."
    )
    return Table(head, rows, caption)


def _row(verdict: Verdict) -> Iterator:
    key = f"insight.gain.{_word(verdict.name)}"
    yield " or ".join(map(label, verdict.blocks))
    yield Quantity(key, f"R² lost without {verdict.name}", round(verdict.gain, 2), "1", interval=verdict.interval)
    yield f"{verdict.null.p:.2g}"
    yield f"{verdict.conditional:.2g}"
    yield f"{verdict.corrected:.2g}"
    yield "–" if np.isnan(verdict.stability) else f"{verdict.stability:.0%}"
    yield verdict.state


def _word(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _referee(study: Study) -> Section:
    section = Section("Referee's questions", "referee")
    marks = {PASSED: "✓ yes", FAILED: "✗ no"}
    rows = [[item.question, marks.get(item.answer, f"– {item.answer}"), item.reason] for item in checklist(study)]
    section.add(Table(["question", "answer", "reason"], rows, "Answered by the study itself."))
    return section
