"""A study: from a table to what can be claimed of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from .blocks import label
from .glasses import Glasses
from .importance import Importance, corrected, folds_of, importance
from .intervals import Intervals, groups_needed, held_out_intervals
from .leaks import is_of_the_motion, refuse_leaks
from .models import COMPOSITION, LABELS, MODELS, SPOKEN, quiet
from .null import PERMUTATIONS, null_test
from .smoothers import MOST_FOR_KERNELS
from .splits import Rung, Score, ladder, learning_curve, parts_left_out
from .table import Scale, Table, collapsed, prepared, scale_of
from .trend import Slope, no_trend, slopes
from .verdicts import IMPORTANT, Verdict, correlations, sets_to_test, verdicts

LEAST_GLASSES = 5
_LEAST_FOR_IMPORTANCE, _MORE_THAN_BLOCKS = 8, 3
#: Levels of the prediction intervals, the first for which there are compositions enough.
LEVELS = (0.95, 0.9)
# of all values; beyond, their order is not known
_MOST_BOUNDS = 0.4
_BARS = ("mean", "linear")


@dataclass(frozen=True)
class Settings:
    """What a study does. `alpha` is the chance of a false claim in the whole study; `tries` counts the studies that
    were made of the same table, by which it is divided.
    """

    models: tuple[str, ...] = MODELS
    scale: str = "auto"
    alpha: float = 0.05
    tries: int = 1
    permutations: int = PERMUTATIONS
    seed: int = 0

    def __post_init__(self):
        if unknown := [model for model in self.models if model not in MODELS]:
            raise InputError(f"models: {unknown[0]!r} is not known; known are {', '.join(MODELS)}")


@dataclass(frozen=True)
class Study:
    """All that a study found. `refusals` tell what could not be said, and why; `shaken` names the claims that do not
    hold with every bound a standard deviation further out, and is None without bounds or claims.
    """

    table: Table
    scale: Scale
    settings: Settings
    glasses: Glasses
    rungs: tuple[Rung, ...]
    best: str
    importances: tuple[Importance, ...] = ()
    correlations: dict[str, dict[str, float]] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    tests: int = 0
    intervals: Intervals | None = None
    curve: tuple[tuple[int, float, float], ...] = ()
    refusals: tuple[str, ...] = ()
    family_gains: dict[str, float] = field(default_factory=dict)
    shaken: tuple[str, ...] | None = None

    @property
    def composition(self) -> Rung:
        """The split that leaves out compositions."""
        return next(rung for rung in self.rungs if rung.name == "composition")

    @property
    def bounded(self) -> bool:
        """Whether so many values are bounds that the order of the glasses is not known."""
        return float((self.table.censored != 0).mean()) > _MOST_BOUNDS

    @property
    def trends(self) -> list[tuple[Slope, float]]:
        """The shares of the composition with which the target rises or falls, and p as of `slopes_of`."""
        return [(slope, p) for slope, p in self.slopes_of(self.glasses) if p <= self.settings.alpha]

    def slopes_of(self, glasses: Glasses) -> list[tuple[Slope, float]]:
        """Slopes, and p corrected for their number and that of the studies (Bonferroni); none where a model linear in
        composition predicts nothing, or too many values are bounds.
        """
        found = [] if self.bounded else slopes(glasses, self.table)
        if not found or self.composition.score("linear").r2 <= 0:
            return []
        return [(slope, min(slope.p * len(found) * self.settings.tries, 1.0)) for slope in found]

    @property
    def unit(self) -> str:
        """Of the target as it is learned."""
        return self.scale.unit(self.table.unit)


def study(table: Table, settings: Settings, note: Callable[[str], None] = lambda _: None) -> Study:
    """Learn the target of a table, with every split by composition. `note` is told what is being done.

    Raises InputError for a table that leaks its target, or has too few compositions for anything.
    """
    scale = check(table, settings)
    count = len(table.names)
    rng = np.random.default_rng(settings.seed)
    with quiet():
        learned = prepared(table, scale)
        glasses = collapsed(learned)
        models = _models(settings.models, glasses)
        note(f"leaving out {', '.join(parts_left_out(learned, glasses))}")
        rungs = tuple(ladder(learned, glasses, models, rng, settings.seed))
        best, adequate = _adequate(next(rung for rung in rungs if rung.name == "composition").scores)
        found = Study(table, scale, settings, glasses, rungs, best)
        level = next((level for level in LEVELS if count > groups_needed(level)), None)
        refusals = []
        if count > MOST_FOR_KERNELS:
            refusals.append(f"no Gaussian process: {count} compositions are more than {MOST_FOR_KERNELS}")
        if level is None:
            refusals.append(
                f"no prediction intervals: {count} compositions; left out one by one, those of 90 % take "
                f"{groups_needed(0.9) + 1}"
            )
        else:
            note("prediction intervals")
            found = replace(found, intervals=held_out_intervals(glasses, best, level, rng, settings.seed))
        found = replace(found, curve=tuple(learning_curve(glasses, best, rng, settings.seed)))
        if found.bounded:
            refusals.append(f"no trends: {_bounds_text(table)}; still possible: {_beyond(table)}")
        elif tied := no_trend(glasses, table):
            refusals.append(f"no trends: {tied}")
        if obstacle := _obstacle(found, adequate):
            refusals.append(f"no claims about blocks: {obstacle}")
        else:
            found = _judged(found, adequate, rng, note)
        if (table.censored != 0).any():
            found = replace(found, shaken=_shaken(found, rng))
        if found.shaken:
            refusals.append(
                f"not held up by the bounds: {', '.join(found.shaken)}; with every bound a standard deviation further "
                "out, this is not found"
            )
        return replace(found, refusals=tuple(refusals))


def possible(count: int) -> str:
    """What so many compositions allow, in words, before anything is learned from them."""
    if count < LEAST_GLASSES:
        return f"too few to leave any out; {LEAST_GLASSES} are needed. Still possible: to compare them one by one"
    said = [f"predictions of compositions left out ({LEAST_GLASSES} needed)"]
    if count >= _LEAST_FOR_IMPORTANCE:
        said.append(f"claims about up to {count - _MORE_THAN_BLOCKS} blocks of features")
    else:
        said.append(f"no claims about blocks of features ({_LEAST_FOR_IMPORTANCE} needed)")
    level = next((level for level in LEVELS if count > groups_needed(level)), None)
    if level is None:
        said.append(f"no prediction intervals ({groups_needed(LEVELS[-1]) + 1} needed for {100 * LEVELS[-1]:g} %)")
    else:
        said.append(f"prediction intervals of {100 * level:g} %")
    return ", ".join(said)


def _obstacle(found: Study, adequate: Sequence[str]) -> str | None:
    """Why nothing can be claimed about blocks, and what is still possible."""
    count, blocks = len(found.glasses), len(found.glasses.blocks)
    needed = max(_LEAST_FOR_IMPORTANCE, blocks + _MORE_THAN_BLOCKS)
    if count < needed:
        told = f"{count} compositions for {blocks} blocks, {needed} are needed"
        return f"{told}; still possible: predictions, and fewer blocks"
    if found.bounded:
        return f"{_bounds_text(found.table)}; still possible: which glasses lie beyond them, as a target of 0 and 1"
    if not adequate:
        return _no_model(found)
    return "there is only one, and nothing to compare it with" if blocks < 2 else None


def _no_model(found: Study) -> str:
    """Why no model is there whose blocks could be judged."""
    scores = {score.model: score.r2 for score in found.composition.scores}
    able = [model for model in scores if model not in _BARS]
    if not able:
        fitted = " and ".join(LABELS[model] for model in scores)
        others = ", ".join(model for model in MODELS if model not in _BARS)
        return f"no model but those that others have to beat was fitted ({fitted}); still possible: {others}"
    told = f"predicts {found.table.name} of compositions left out better than the mean"
    if scores.get("linear", 0.0) > 0:
        who = "and no model of all blocks does" if len(able) > 1 else f"and {SPOKEN[able[0]]} of all blocks does not"
        return f"the model linear in composition {told}, {who}"
    return f"no model {told}"


def _bounds_text(table: Table) -> str:
    """``60 % of the 48 values of glass.D are bounds, at 300 K``."""
    known = table.temperature[np.isfinite(table.temperature)]
    at = f", at {known.min():.4g} K" if len(known) and not table.several_temperatures else ""
    return f"{100 * (table.censored != 0).mean():.0f} % of the {len(table)} values of {table.name} are bounds{at}"


def _beyond(table: Table) -> str:
    """How bounds become values."""
    return (
        "a run or hold that is long or hot enough to be diffusive"
        if is_of_the_motion(table.name)
        else "measurements beyond the limit of detection"
    )


def check(table: Table, settings: Settings) -> Scale:
    """How the target is learned. Raises InputError for a table that cannot be studied."""
    if (table.censored != 0).all():
        raise InputError(
            f"target: {_bounds_text(table)}, and none a value, so that the glasses cannot be ordered; still possible: "
            f"{_beyond(table)}"
        )
    scale = scale_of(table, settings.scale)
    refuse_leaks(table, scale)
    if (count := len(table.names)) < LEAST_GLASSES:
        raise InputError(
            f"{count} compositions: at least {LEAST_GLASSES} are needed to leave any out; still possible: to compare "
            "them one by one"
        )
    return scale


def _judged(found: Study, adequate: Sequence[str], rng: np.random.Generator, note: Callable[[str], None]) -> Study:
    """With importance, verdicts, and the checks that the verdicts are put to."""
    glasses, settings = found.glasses, found.settings
    tied = correlations(glasses)
    sets = sets_to_test(glasses, tied)
    folds = folds_of(len(glasses), rng)
    importances = []
    for model in adequate:
        note(f"importance by {model}")
        importances.append(importance(glasses, model, folds, sets, settings.seed))
    note("compositions permuted")
    judged = verdicts(
        glasses, sets, importances, tied, rng, alpha=settings.alpha / settings.tries,
        permutations=settings.permutations, rigid_ion=found.table.potential == "rigid-ion",
    )  # fmt: skip
    claimed = [verdict for verdict in judged if verdict.state == IMPORTANT]
    return replace(
        found,
        importances=tuple(importances),
        correlations=tied,
        verdicts=tuple(judged),
        tests=len(sets) * settings.tries,
        family_gains=_by_family(found, claimed, adequate[0]) if claimed else {},
    )


def _models(asked: Sequence[str], glasses: Glasses) -> list[str]:
    """With the bars that every model has to pass, without those that cannot be fitted."""
    wanted = [model for model in MODELS if model in asked or model in _BARS]
    if len(glasses) > MOST_FOR_KERNELS:
        wanted = [model for model in wanted if model != "gp"]
    return [model for model in wanted if model != "linear" or COMPOSITION in glasses.blocks]


def _adequate(scores: Sequence[Score]) -> tuple[str, list[str]]:
    """The model that errs least on compositions left out, and those that are no worse within a standard error, the best
    first. The bars count as models only for the first; none is adequate that does not beat the mean.
    """
    able = [score for score in scores if score.model not in _BARS]
    best = min(able or scores, key=lambda score: score.losses.sum())
    chosen = [best.model]
    for score in able:
        if score is not best:
            mean, error, _ = corrected(score.losses - best.losses, np.arange(len(best.losses)))
            if mean <= error and score.r2 > 0:
                chosen.append(score.model)
    return best.model, chosen if best.r2 > 0 and best in able else []


def _by_family(found: Study, claimed: Sequence[Verdict], model: str) -> dict[str, float]:
    """R² lost by a refit without each claimed block, on families left out; empty without families."""
    rung = next((rung for rung in found.rungs if rung.name == "family"), None)
    if rung is None:
        return {}
    glasses = found.glasses
    families = sorted(set(glasses.families))
    folds = np.array([families.index(family) for family in glasses.families])
    sets = {verdict.name: verdict.blocks for verdict in claimed}
    rises = importance(glasses, model, folds, sets, found.settings.seed).rises
    bar = rung.score("mean").losses.sum()
    return {name: float(rises[name]["dropped"].sum() / bar) for name in sets}


def further_out(found: Study) -> Glasses:
    """The compositions with every bound moved by a standard deviation of the target away from it."""
    return collapsed(prepared(found.table, found.scale, float(found.glasses.target.std())))


def _shaken(found: Study, rng: np.random.Generator) -> tuple[str, ...] | None:
    """The trends and blocks whose claims do not hold for the compositions `further_out`; None without a claim."""
    alpha, moved = found.settings.alpha, further_out(found)
    claimed = [verdict for verdict in found.verdicts if verdict.state == IMPORTANT]
    rising = {slope.column: slope.value > 0 for slope, p in found.slopes_of(moved) if p <= alpha}
    told = [slope for slope, _ in found.trends]
    if not (claimed or told):
        return None
    lost = [f"the trend with {slope.column}" for slope in told if rising.get(slope.column) != (slope.value > 0)]
    for verdict in claimed:
        # a set with an important part is not told of
        if any(set(other.blocks) < set(verdict.blocks) for other in claimed):
            continue
        if null_test(moved, verdict.blocks, rng, found.settings.permutations).p > alpha:
            lost.append(" or ".join(map(label, verdict.blocks)))
    return tuple(lost)
