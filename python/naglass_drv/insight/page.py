"""The page of a study, which reads like a results section."""

import math
from collections.abc import Iterator

import numpy as np

from .. import __version__
from ..products import Quantity
from ..report.html import page
from ..report.numbers import Figure, Notice, Section, Table, leaves
from ..wording import capital, fixed, span, to_error
from . import figures
from .blocks import COMPOSITION, label
from .checklist import FAILED, PASSED, checklist
from .claims import alternatives, claimed, in_place_of, limits, refutation, trend_sentence
from .models import LABELS, SPOKEN, quiet
from .shapley import attributions
from .study import Study
from .table import counts_text
from .trend import left_share
from .units import unit_text, with_unit
from .verdicts import IMPORTANT, NO_CLAIM, NOT_SEPARABLE, Verdict, of_open_size, sentence

_KINDS = {IMPORTANT: "good", NOT_SEPARABLE: "note", NO_CLAIM: "bad"}


def insight_page(study: Study) -> tuple[str, dict[str, bytes]]:
    """The page as HTML, and its figures as SVG."""
    # the figures fit models, too
    with quiet():
        sections = [_claims(study), _data(study), _prediction(study), _importance(study), _referee(study)]
    lead = [
        f"{counts_text(study.table)}. Unless said otherwise, numbers are of compositions that the model has not seen."
    ]
    footer = f"Written by naglass {__version__}. All claims are also in claims.yaml."
    found = {figure.name: figure.svg for section in sections for figure in leaves(section.blocks, Figure)}
    name = study.table.name
    title = study.table.called(name)
    if title != name:
        lead.insert(0, f"{name} is the {title}.")
        title = f"the {title}"
    return page(f"What {title} depends on", lead, sections, footer), found


def _claims(study: Study) -> Section:
    section = Section("Claims", "claims")
    for slope, p in study.trends:
        bar = study.composition.score("linear").r2
        told = (
            f"By a model linear in composition, R² = {bar:.2f} for compositions left out; p = {p:.2g} corrected, "
            f"{len(study.glasses)} compositions. Not excluded: everything that changes with the composition."
        )
        section.add(Notice("good", told, trend_sentence(study, slope)))
    for verdict in claimed(study):
        if verdict.state in _KINDS:
            head = sentence(verdict, study.table.name)
            section.add(Notice(_KINDS[verdict.state], _evidence(study, verdict), head))
    silent = [label(v.name) for v in claimed(study) if v.state not in _KINDS and len(v.blocks) == 1]
    if silent:
        section.add(f"Not shown to matter beyond the other blocks: {', '.join(silent)}; no proof of the contrary.")
    section.add(*(Notice("bad", capital(refusal) + ".") for refusal in study.refusals))
    section.add("Limits of every claim: " + "; ".join(limits(study)) + ".")
    return section


def _evidence(study: Study, verdict: Verdict) -> str:
    low, high = verdict.interval
    parts = [
        f"A refit without it loses {fixed(verdict.gain, 2)} of R² (95 %: {fixed(low, 2)} to {fixed(high, 2)}); p = "
        f"{verdict.corrected:.2g} after correction for {study.tests} tests, {len(study.glasses)} compositions."
    ]
    if verdict.name in study.family_gains:
        gain = study.family_gains[verdict.name]
        told = f"also across families ({gain:+.2f})" if gain > 0 else f"not across families ({gain:+.2f})"
        parts.append(f"It helps {told}.")
    if of_open_size(verdict):
        parts.append(
            "That there is an effect is told by permuted compositions, with models chosen anew (p); the interval is of "
            f"its size by {SPOKEN[study.best]} alone."
        )
    if verdict.state == IMPORTANT:
        parts.append(f"Not excluded: {'; '.join(alternatives(study, verdict))}.")
    elif verdict.reasons:
        parts.append(f"Why: {'; '.join(verdict.reasons)}.")
    parts.append(f"It would be refuted by {refutation(study, verdict)}.")
    return " ".join(parts)


def _data(study: Study) -> Section:
    table, section = study.table, Section("Data", "data")
    learned = ", learned as its decadic logarithm" if study.scale.logarithm else ""
    values = f"{span(table.target.min(), table.target.max())} {unit_text(table.unit)}".rstrip()
    section.add(
        f"{table.name} from {values}{_at(study)}{learned}: "
        f"{counts_text(table)}. The model learns from one row per composition.{_bounds(study)}"
    )
    rows = [
        [label(block), "; ".join(map(table.called, columns)), str(len(columns))]
        for block, columns in table.blocks.items()
    ]
    section.add(Table(["block", "features", "number"], rows, "Features of a block are only used together."))
    if study.correlations:
        section.add(_tied(study))
    section.add(*(f"{capital(table.in_words(note))}." for note in table.notes))
    return section


def _bounds(study: Study) -> str:
    """How many of the values are bounds; they are no measured values."""
    upper, lower = (int((study.table.censored == side).sum()) for side in (-1, 1))
    told = [f"{n} {word} {'bound' if n == 1 else 'bounds'}" for n, word in ((upper, "upper"), (lower, "lower")) if n]
    return f" Of the values, {' and '.join(told)}: learned from at the bound." if told else ""


def _at(study: Study) -> str:
    """`` at 1200 K``, if the temperatures are known."""
    known = study.table.temperature[np.isfinite(study.table.temperature)]
    if not len(known):
        return ""
    ends = f"{known.min():.4g} to {known.max():.4g}" if study.table.several_temperatures else f"{known.mean():.4g}"
    return f" at {ends} K"


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
        f"{capital(SPOKEN[study.best])} predicts compositions left out with R² = {fixed(best.r2, 2)} "
        f"(95 %: {fixed(low, 2)} to {fixed(high, 2)}) and a mean absolute error of {with_unit(best.mae, study.unit)}."
    )
    section.add(*_trends(study))
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


def _trends(study: Study) -> Iterator[Table | Figure]:
    """How the target changes with the composition, if a linear model predicts anything."""
    found, rows = [slope for slope, _ in study.slopes_of(study.glasses)], []
    for each in found:
        step = f"{each.step_text} {each.column}" if each.unit else each.column
        text = f"change of {study.table.name} per {step}"
        value, low, high = (to_error(x, each.error) for x in (each.value, *each.interval))
        key, unit = f"insight.slope.{each.column}", unit_text(study.unit) or "1"
        rows.append([step, Quantity(key, text, value, unit, interval=(low, high))])
    if rows:
        bar = study.composition.score("linear").r2
        caption = f"By the model linear in composition, whose R² for compositions left out is {bar:.2f}."
        yield Table([f"more{in_place_of(found[0])}", f"change of {study.table.name}"], rows, caption)
        caption = (
            f"{study.table.name} against each share, without the effect of the others by the linear model (partial "
            "residuals). Band: 95 % interval of the slope, about the mean composition."
        )
        yield Figure("trends", figures.trend_figure(study, found), caption)


def _ladder(study: Study) -> Table:
    rows = []
    for score in study.composition.scores[1:]:
        cells: list = [LABELS[score.model]]
        for rung in study.rungs:
            one = rung.score(score.model)
            key = f"insight.R2.{rung.name}.{score.model}"
            text = f"R² of {LABELS[score.model]}, {rung.name} left out"
            cells.append(Quantity(key, text, round(one.r2, 2), "1", interval=_short(one.r2_interval)))
        rows.append(cells)
    heads = [f"{rung.name} ({rung.sets} sets of {_range(rung.sizes)})" for rung in study.rungs]
    careless = (
        "" if study.rungs[0].counts else " Replicas left out are no evidence: others of the glass are learned from."
    )
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
                f"for each set left out. One feature moves, the others stay{_rest(study, verdict)}: an illustration of "
                "the model, no evidence."
            )
            section.add(Figure(f"dependence-{_word(verdict.name)}", figures.dependence(study, verdict), caption))
    section.add(*_illustration(study))
    return section


def _rest(study: Study, verdict: Verdict) -> str:
    """What makes up the difference where shares move that add up to a whole."""
    left = left_share(study.table)
    return f" (and {left} makes up the difference)" if COMPOSITION in verdict.blocks and left else ""


def _illustration(study: Study) -> Iterator[Figure]:
    """How the best model splits its predictions among blocks; nothing on the page rests on it."""
    folds = figures.left_out(study)
    found = attributions(study.glasses, study.best, folds, study.settings.seed)
    if found is not None and len(found.blocks) > 1:
        block, share = found.first(folds)
        caption = (
            f"Illustration, not evidence: exact Shapley values of blocks by {SPOKEN[study.best]}, for compositions "
            f"left out. {label(block).capitalize()} is largest on average, and in {share:.0%} of the sets left out. "
            "They tell what the model does, also with glasses that cannot be; blocks that go together share credit as "
            "the model happens to use them. No verdict uses them."
        )
        yield Figure("attributions", figures.attribution_figure(study, found), caption)


def _table(study: Study) -> Table:
    rows = [list(_row(verdict)) for verdict in study.verdicts]
    head = ["verdict", "block", "R² lost", "permuted", "conditional", "corrected", "stable"]
    caption = (
        "One-sided p of no effect beyond the other blocks: by permuted compositions, by conditional replacement, and "
        "the first corrected for all tests (hierarchical). Stable: resampled sets in which the block helps."
    )
    return Table(head, rows, caption)


def _row(verdict: Verdict) -> Iterator:
    key = f"insight.gain.{_word(verdict.name)}"
    # the first column does not wrap, and the names of blocks are long
    yield verdict.state
    yield " or ".join(map(label, verdict.blocks)) if verdict.correlations else "all blocks together"
    interval = _short(verdict.interval)
    yield Quantity(key, f"R² lost without {verdict.name}", round(verdict.gain, 2), "1", interval=interval)
    yield f"{verdict.null.p:.2g}"
    yield f"{verdict.conditional:.2g}"
    yield f"{verdict.corrected:.2g}"
    yield "–" if np.isnan(verdict.stability) else f"{verdict.stability:.0%}"


def _short(interval: tuple[float, float]) -> tuple[float, float]:
    """An interval of R² to two decimals, as its value."""
    # zero has no sign
    return round(interval[0], 2) + 0.0, round(interval[1], 2) + 0.0


def _word(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _referee(study: Study) -> Section:
    section = Section("Referee's questions", "referee")
    marks = {PASSED: "✓ yes", FAILED: "✗ no"}
    rows = [[item.question, marks.get(item.answer, f"– {item.answer}"), item.reason] for item in checklist(study)]
    section.add(Table(["question", "answer", "reason"], rows, "Answered by the study itself."))
    return section
