"""claims.yaml: what a study claims, how large the effect is, what else could explain it, and what would refute it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import InputError
from ..files import file_hash, write_bytes
from ..wording import counted, with_error
from .blocks import COMPOSITION, label
from .composition import atoms_of
from .runs import WORDS, hash_of_run, is_run
from .study import Study, further_out
from .table import Table
from .trend import Slope, slopes
from .units import unit_text
from .verdicts import IMPORTANT, NOT_SEPARABLE, Verdict, sentence

TREND = "trend"
_ALTERNATIVE = 0.3
_CHANGES = {
    "mol-%": "change_for_10_mol_percent", "at-%": "change_for_10_atom_percent", "": "change_for_1_of_log_ratio",
}  # fmt: skip


def claimed(study: Study) -> list[Verdict]:
    """The verdicts in the order of the page, claims first, without sets that hold an important one or part of it."""
    alone = {verdict.blocks[0] for verdict in study.verdicts if len(verdict.blocks) == 1 and verdict.state == IMPORTANT}
    important = [set(verdict.blocks) for verdict in study.verdicts if verdict.state == IMPORTANT]
    kept = [
        v for v in study.verdicts
        if len(v.blocks) == 1 or not (alone & set(v.blocks) or any(each < set(v.blocks) for each in important))
    ]  # fmt: skip
    return sorted(kept, key=lambda verdict: verdict.state != IMPORTANT)


def sentences(study: Study) -> list[str]:
    """What is claimed, and what is not, in words; that two blocks cannot be told apart is said once."""
    told, apart = [trend_sentence(study, slope) for slope, _ in study.trends], set()
    for verdict in claimed(study):
        if verdict.state == NOT_SEPARABLE:
            pair = frozenset((verdict.name, max(verdict.correlations, key=verdict.correlations.__getitem__)))
            if pair in apart:
                continue
            apart.add(pair)
        told.append(sentence(verdict, study.table.name))
    return told


def as_claims(study: Study, sources: dict[str, str]) -> dict[str, Any]:
    """The content of claims.yaml; `sources` maps the files that were read to their SHA-256."""
    table, settings = study.table, study.settings
    best = study.composition.score(study.best)
    content: dict[str, Any] = {
        "naglass": __version__,
        "target": table.name,
        "unit": table.unit,
        "learned_as": "log10" if study.scale.logarithm else "linear",
        "temperature_K": _temperatures(table),
        "sources": sources,
        "rows": len(table),
        "compositions": len(study.glasses),
        "families": len(set(study.glasses.families) - {""}),
        "seed": settings.seed,
        "alpha": settings.alpha,
        "studies_of_this_table": settings.tries,
        "tests": study.tests,
        "model": study.best,
        "R2_compositions_left_out": {"value": _round(best.r2), "interval_95": _pair(best.r2_interval)},
        "splits": {
            rung.name: {
                "sets": rung.sets,
                "largest": max(rung.sizes),
                "R2": {score.model: _round(score.r2) for score in rung.scores},
                "evidence": rung.counts,
            }
            for rung in study.rungs
        },
    }
    if study.intervals is not None:
        content["intervals"] = {
            "level": study.intervals.level,
            "held": f"{int(study.intervals.inside.sum())} of {len(study.glasses)}",
        }
    content["claims"] = [_trend(study, slope, p) for slope, p in study.trends]
    content["claims"] += [_claim(study, verdict) for verdict in claimed(study)]
    # a claim that is quoted alone keeps its limits
    for claim in content["claims"]:
        claim["limits"] = list(limits(study))
    content["not_possible"] = list(study.refusals)
    content["limits"] = list(limits(study))
    content["notes"] = list(table.notes)
    return content


def _temperatures(table: Table) -> list[float]:
    """The lowest and the highest; one alone if they are equal, none if they are not known."""
    known = table.temperature[np.isfinite(table.temperature)]
    ends = [_round(known.min()), _round(known.max())] if len(known) else []
    return ends if table.several_temperatures else ends[:1]


def in_place_of(slope: Slope) -> str:
    """`` in place of Na2O``; empty where nothing is known to be less."""
    return f" in place of {' and '.join(slope.instead)}" if slope.instead else ""


def trend_sentence(study: Study, slope: Slope) -> str:
    """A trend in words, with its size."""
    size = f"{with_error(slope.value, slope.error)} {unit_text(study.unit)}".strip()
    way = "rises" if slope.value > 0 else "falls"
    what = f"{study.table.name} {way} with {slope.column}{in_place_of(slope)}"
    return f"{what}: {size} per {slope.step_text} (95 %), other variables not held fixed."


def _trend(study: Study, slope: Slope, p: float) -> dict[str, Any]:
    passed = ["composition"]
    return {
        "block": [COMPOSITION],
        "share": slope.column,
        "verdict": TREND,
        "statement": trend_sentence(study, slope),
        "effect": {
            _CHANGES[slope.unit]: _round(slope.value),
            "interval_95": _pair(slope.interval),
            **_further_out(study, slope),
            "R2_of_linear_model": _round(study.composition.score("linear").r2),
        },
        "p": {"slope": _round(slope.p), "corrected": _round(p)},
        "compositions": len(study.glasses),
        "splits_passed": passed,
        "alternatives_not_excluded": ["everything that changes with the composition, structure and density among it"],
        "would_be_refuted_by": f"new compositions in which {study.table.name} does not change so with {slope.column}",
    }


def _further_out(study: Study, slope: Slope) -> dict[str, list[float]]:
    """The 95 % interval of the slope with every bound a standard deviation further out, if there are bounds."""
    if not (study.table.censored != 0).any():
        return {}
    moved = {each.column: each for each in slopes(further_out(study), study.table)}
    return {"interval_95_with_bounds_further_out": _pair(moved[slope.column].interval)}


def _claim(study: Study, verdict: Verdict) -> dict[str, Any]:
    passed = ["composition"] if verdict.state == IMPORTANT else []
    if study.family_gains.get(verdict.name, -1.0) > 0:
        passed.append("family")
    return {
        "block": list(verdict.blocks),
        "verdict": verdict.state,
        "statement": sentence(verdict, study.table.name),
        "effect": {
            "R2_lost_without_it": _round(verdict.gain),
            "interval_95": _pair(verdict.interval),
            "by_model": {model: _round(gain) for model, gain in verdict.gains.items()},
        },
        "p": {
            "permuted_compositions": _round(verdict.null.p),
            "conditional": _round(verdict.conditional),
            "corrected": _round(verdict.corrected),
        },
        "stability": None if verdict.stability != verdict.stability else _round(verdict.stability),
        "compositions": len(study.glasses),
        "splits_passed": passed,
        "alternatives_not_excluded": list(alternatives(study, verdict)),
        "would_be_refuted_by": refutation(study, verdict),
        "reasons": list(verdict.reasons),
    }


def alternatives(study: Study, verdict: Verdict) -> Iterator[str]:
    """What else could stand behind an effect."""
    for other, value in sorted(verdict.correlations.items(), key=lambda item: -item[1]):
        if value >= _ALTERNATIVE:
            yield f"{label(other)} (correlation {value:.2f})"
    if COMPOSITION not in study.glasses.blocks:
        yield "the composition, which is not among the features"
    yield "a property that was not measured and varies with the block"


def refutation(study: Study, verdict: Verdict) -> str:
    """The observation that would show a verdict to be wrong."""
    who = " and ".join(label(block) for block in verdict.blocks)
    if verdict.state == IMPORTANT:
        return (
            f"new compositions, of any family, whose {study.table.name} is predicted as well without {who} as with it"
        )
    if verdict.state == NOT_SEPARABLE:
        other = max(verdict.correlations, key=verdict.correlations.__getitem__)
        return f"compositions that differ in {who} at equal {label(other)}, or the reverse"
    return f"a significant loss without {who} in a study with more compositions"


def limits(study: Study) -> Iterator[str]:
    """What every claim of the study is subject to."""
    table = study.table
    yield "these are correlations that hold for compositions left out; no experiment changed one block alone"
    yield f"nothing is said beyond the range of the {len(study.glasses)} compositions"
    if COMPOSITION not in study.glasses.blocks:
        yield "the composition is not among the features, and every block may stand for it"
    if len(set(table.families) - {""}) < 3:
        yield "transfer to other families of glasses was not tested"
    if table.potential:
        rate = table.quench_rate_K_per_ps
        fast = f"at {rate:g} K/ps" if rate else "within picoseconds to nanoseconds"
        yield f"simulated glasses were quenched {fast}, many orders of magnitude faster than laboratory glasses"
    if table.potential == "rigid-ion" and (not table.components or any("V" in atoms_of(c) for c in table.components)):
        yield "rigid-ion potentials order V–O lengths wrongly; nothing is said about V–O bonds"
    if (table.censored != 0).any():
        held = {None: "no claim rests on them", (): "the claims hold if they lie a standard deviation further out"}
        lost = f"if they lie a standard deviation further out, not found: {', '.join(study.shaken or ())}"
        told = held.get(study.shaken, lost)
        bounds = int((table.censored != 0).sum())
        yield f"{bounds} of {counted(len(table), 'value')} {'is a bound' if bounds == 1 else 'are bounds'}; {told}"
    if table.several_temperatures:
        yield "targets were brought to one temperature by a slope against 1/T that all glasses share"
    if table.carrier:
        yield f"the conductivity is that of {table.carrier}"


def write_claims(path: Path, content: dict[str, Any]) -> None:
    """Write claims.yaml."""
    import io

    from ruamel.yaml import YAML

    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = False, 110, False
    yaml.allow_unicode = True
    yaml.dump(content, text)
    write_bytes(path, text.getvalue().encode())


def hashes(paths: Sequence[Path], words: Sequence[str] = WORDS) -> dict[str, str]:
    """SHA-256 of files, and of what runs have under these `words`, by their names as given; InputError for one that is
    gone.
    """
    try:
        return {str(path): hash_of_run(path, words) if is_run(path) else file_hash(path) for path in paths}
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _pair(values: tuple[float, float]) -> list[float]:
    return [_round(value) for value in values]
