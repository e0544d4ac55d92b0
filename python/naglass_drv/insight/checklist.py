"""What a referee asks of a study that learns from few glasses, answered by the study itself."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..wording import counted, with_error
from .importance import corrected
from .models import SPOKEN
from .study import Study
from .verdicts import IMPORTANT

PASSED, FAILED, OPEN = "yes", "no", "not tested"


@dataclass(frozen=True)
class Item:
    """A question, its answer, and the reason for it."""

    question: str
    answer: str
    reason: str


def checklist(study: Study) -> list[Item]:
    """All questions."""
    return list(_items(study))


def _items(study: Study) -> Iterator[Item]:
    glasses, table = study.glasses, study.table
    yield Item(
        "Is no composition on both sides of a split?", PASSED,
        f"every split that counts leaves out whole compositions, {len(glasses)} of them; no option changes that",
    )  # fmt: skip
    yield Item(
        "Is the prediction free of what replicas share?", *_optimism(study)
    )  # fmt: skip
    yield Item("Does it hold for families that were not seen?", *_families(study))
    yield Item("Does the model beat composition alone?", *_beats_composition(study))
    held = study.intervals
    if held is None:
        yield Item("Do prediction intervals hold what they say?", OPEN, "too few compositions for intervals")
    else:
        share = held.inside.mean()
        # two standard deviations of a binomial share below the level
        low = held.level - 2 * (held.level * (1 - held.level) / len(glasses)) ** 0.5
        yield Item(
            "Do prediction intervals hold what they say?", PASSED if share >= low else FAILED,
            f"{int(held.inside.sum())} of {len(glasses)} left out lie in their interval of {held.level:.0%}",
        )  # fmt: skip
    tested = len(study.verdicts) > 0
    yield Item(
        "Is the number of tests accounted for?", PASSED if tested else OPEN,
        f"p-values are corrected (by hierarchy) for {counted(study.tests // study.settings.tries, 'test')} in "
        f"{counted(study.settings.tries, 'study')} of this table" if tested else "no block was tested",
    )  # fmt: skip
    important = [verdict for verdict in study.verdicts if verdict.state == IMPORTANT]
    agreeing = {model for verdict in important for model in verdict.gains}
    yield Item("Do other models and resamples agree?", *_agreement(agreeing))
    yield Item("Are errors of the values used?", *_errors(study))
    yield Item("Are there enough compositions to learn from?", *_curve(study))
    censored = int((table.censored != 0).sum())
    if censored:
        answer = {None: OPEN, (): PASSED}.get(study.shaken, FAILED)
        bounds = f"{censored} of {counted(len(table), 'value')} {'is a bound' if censored == 1 else 'are bounds'}"
        yield Item("Would it hold if the bounds lay further out?", answer, bounds)
    yield Item(
        "Was a cause shown?", FAILED,
        "no study of existing glasses shows one; claims name what is not excluded, and what would refute them",
    )  # fmt: skip


def _agreement(models: set[str]) -> tuple[str, str]:
    if not models:
        return OPEN, "there is no claim to confirm"
    if len(models) == 1:
        return OPEN, f"resampled sets agree; no other model is as good as {SPOKEN[models.pop()]}, or was asked for"
    return PASSED, f"{', '.join(SPOKEN[model] for model in sorted(models))} agree in sign, and so do resampled sets"


def _optimism(study: Study) -> tuple[str, str]:
    rung = next((rung for rung in study.rungs if rung.name == "replica"), None)
    if rung is None:
        return PASSED, "there are no replicas"
    careless, honest = rung.score(study.best).r2, study.composition.score(study.best).r2
    return PASSED, f"R² would read {careless:.2f} with replicas on both sides; {honest:.2f} is what is reported"


def _families(study: Study) -> tuple[str, str]:
    rung = next((rung for rung in study.rungs if rung.name == "family"), None)
    if rung is None:
        return OPEN, "fewer than three families are named; nothing is claimed beyond those at hand"
    r2 = rung.score(study.best).r2
    return (PASSED if r2 > 0 else FAILED), f"R² {r2:.2f} with each of {rung.sets} families left out"


def _beats_composition(study: Study) -> tuple[str, str]:
    names = [score.model for score in study.composition.scores]
    if "linear" not in names:
        return OPEN, "the composition is not among the features"
    best, bar = study.composition.score(study.best), study.composition.score("linear")
    p = corrected(bar.losses - best.losses, np.arange(len(study.glasses)))[2]
    told = f"R² {best.r2:.2f} against {bar.r2:.2f} of the linear model in composition (p = {p:.2g})"
    return (PASSED if p <= study.settings.alpha else FAILED), told


def _errors(study: Study) -> tuple[str, str]:
    if not np.isfinite(study.glasses.error).any():
        return FAILED, "there are neither errors nor replicas enough to estimate them"
    origin = "as given" if np.isfinite(study.table.error).all() else "from the scatter of replicas"
    return PASSED, f"standard errors {origin} are the weights of the compositions"


def _curve(study: Study) -> tuple[str, str]:
    if len(study.curve) < 2:
        return OPEN, "too few compositions for a learning curve"
    (_, before, _), (_, last, error) = study.curve[-2:]
    first, count = study.curve[-2][0], study.curve[-1][0]
    if last <= error:
        told = with_error(last, error)
        return FAILED, f"learned from {count} compositions, R² of the others is {told}: no better than their mean"
    rising = last - before > error
    told = f"R² {'still' if rising else 'no longer'} rises from {first} to {count} compositions"
    return (FAILED if rising else PASSED), told
