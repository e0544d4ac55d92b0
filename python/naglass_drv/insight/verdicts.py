"""Which blocks a study calls important: where refits, conditional importance and permuted compositions agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..wording import capital, fixed
from .blocks import about_vanadium_bonds, label
from .glasses import Glasses, scaled
from .importance import Importance, corrected, errors_of_the_mean, group_bootstrap
from .null import NullTest, null_test
from .smoothers import least_errors, smoothers

IMPORTANT, NOT_SEPARABLE, NOT_SHOWN, NO_CLAIM = "important", "not separable", "not shown", "no claim"
#: Of resamples in which the block has to help.
STABLE = 0.8
# correlation, across compositions left out, from which two blocks are not told apart
_CORRELATED = 0.5
# and from which they are also tested as one
_JOINT = 0.7
_RESAMPLES, _SHARE = 30, 0.8


@dataclass(frozen=True)
class Verdict:
    """What is said of one block, or of several together.

    `gain` is the R² that a refit without it loses on compositions left out, by the best model, with its 95 % interval
    (bootstrap over compositions); `gains` has it for each model. `null` is the test by permuted compositions, and
    `corrected` its p after `hierarchical` correction; `conditional` and `marginal` are p of those importances
    (Nadeau–Bengio). `stability` is the share of resampled sets of compositions in which the block helps; NaN where the
    tests left nothing to confirm.
    """

    name: str
    blocks: tuple[str, ...]
    state: str
    gain: float
    interval: tuple[float, float]
    gains: Mapping[str, float]
    null: NullTest
    conditional: float
    marginal: float
    corrected: float
    stability: float
    correlations: Mapping[str, float]
    reasons: tuple[str, ...] = field(default_factory=tuple)


def holm(values: Sequence[float]) -> np.ndarray:
    """p-values corrected for their number (S. Holm, Scand. J. Stat. 6, 65 (1979))."""
    values = np.asarray(values, float)
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    out = np.empty(len(values))
    out[order] = np.minimum(steps, 1.0)
    return out


def hierarchical(values: Mapping[str, float], sets: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """p-values of blocks, and of disjoint sets of blocks, corrected so that any false claim among them is as rare as
    stated: of a set, times the number of blocks over that in the set, and of a block no less than that of its set
    (N. Meinshausen, Biometrika 95, 265 (2008), doi:10.1093/biomet/asn007, eq. 3 and 4).
    """
    count = sum(len(blocks) == 1 for blocks in sets.values())
    own = {name: min(values[name] * count / len(blocks), 1.0) for name, blocks in sets.items()}
    return {
        name: max(own[other] for other, around in sets.items() if set(blocks) <= set(around))
        for name, blocks in sets.items()
    }


def correlation(glasses: Glasses, one: str, other: str) -> float:
    """How well `other` predicts the columns of `one` on compositions left out: root of the mean R², at least 0."""
    source = glasses.of([other])
    columns = scaled(glasses.features[:, glasses.blocks[one]], {})
    kept = columns[:, columns.std(axis=0) > 0]
    errors = least_errors(smoothers(source.features, source.blocks, np.ones(len(glasses))), kept)
    # leaving one out, the mean itself errs by the factor n/(n−1)
    bar = kept.var(axis=0) * (len(glasses) / (len(glasses) - 1)) ** 2
    return float(np.sqrt(max(np.mean(1 - errors / bar), 0.0)))


def correlations(glasses: Glasses) -> dict[str, dict[str, float]]:
    """For each block, how far each other block is tied to it: the larger `correlation` of both directions."""
    names = list(glasses.blocks)
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            value = max(correlation(glasses, one, other), correlation(glasses, other, one))
            found[one][other] = found[other][one] = value
    return found


def sets_to_test(glasses: Glasses, tied: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[str, ...]]:
    """Every block, sets that their features do not tell apart (the target has no say), and all blocks together."""
    sets: dict[str, tuple[str, ...]] = {name: (name,) for name in glasses.blocks}
    left = list(glasses.blocks)
    while left:
        group = {left.pop(0)}
        while more := {b for a in group for b, r in tied[a].items() if r >= _JOINT and b in left}:
            group |= more
            left = [name for name in left if name not in more]
        members = tuple(name for name in glasses.blocks if name in group)
        if len(members) > 1:
            sets[" or ".join(members)] = members
    everything = tuple(glasses.blocks)
    if len(everything) > 1:
        sets[" or ".join(everything)] = everything
    return sets


def stability(glasses: Glasses, blocks: Sequence[str], rng: np.random.Generator) -> float:
    """Share of random four fifths of the compositions in which models with the blocks err less than without."""
    helped = 0
    for _ in range(_RESAMPLES):
        part = glasses.only(rng.permutation(len(glasses))[: max(5, round(_SHARE * len(glasses)))])
        weights, target, rest = part.weights(), part.target[:, None], part.without(blocks)
        whole = least_errors(smoothers(part.features, part.blocks, weights), target)
        helped += bool(whole[0] < least_errors(smoothers(rest.features, rest.blocks, weights), target)[0])
    return helped / _RESAMPLES


def verdicts(
    glasses: Glasses,
    sets: Mapping[str, Sequence[str]],
    found: Sequence[Importance],
    tied: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
    *,
    alpha: float,
    permutations: int,
    rigid_ion: bool = False,
) -> list[Verdict]:
    """A verdict on each of `sets`. `found` has the importance by each model that predicts as well as the best, which
    comes first.
    """
    best = found[0]
    bar = errors_of_the_mean(glasses, best.folds)
    nulls = {name: null_test(glasses, blocks, rng, permutations) for name, blocks in sets.items()}
    conditional = {name: corrected(best.rises[name]["conditional"], best.folds)[2] for name in sets}
    marginal = {name: corrected(best.rises[name]["marginal"], best.folds)[2] for name in sets}
    # the test by permutation keeps the rate of false claims, and is corrected; the others have to agree with it
    adjusted = hierarchical({name: test.p for name, test in nulls.items()}, sets)
    out = []
    for name, blocks in sets.items():
        rises = best.rises[name]["dropped"]
        gains = {each.model: float(each.rises[name]["dropped"].sum() / bar.sum()) for each in found}
        stable = stability(glasses, blocks, rng) if max(adjusted[name], conditional[name]) <= alpha else float("nan")
        others = {other: max(tied[block][other] for block in blocks) for other in glasses.blocks if other not in blocks}
        reasons = list(_against(nulls[name].p, conditional[name], adjusted[name], gains, stable, alpha))
        state = IMPORTANT if not reasons else _not_important(marginal[name], others, alpha)
        columns = [glasses.columns[k] for block in blocks for k in glasses.blocks[block]]
        if rigid_ion and (bonds := about_vanadium_bonds(columns)):
            state = NO_CLAIM
            reasons.append(f"rigid-ion potentials order V–O lengths wrongly ({', '.join(bonds)})")
        interval = group_bootstrap((rises, bar), lambda a, b: a.sum(axis=-1) / b.sum(axis=-1), rng)
        out.append(
            Verdict(
                name, tuple(blocks), state, float(rises.sum() / bar.sum()), interval, gains, nulls[name],
                conditional[name], marginal[name], float(adjusted[name]), stable, others, tuple(reasons),
            )
        )  # fmt: skip
    return out


def _against(null: float, conditional: float, adjusted: float, gains: Mapping[str, float], stable: float, alpha: float):
    if null > alpha:
        yield f"a refit without it loses no more than with compositions permuted (p = {null:.2g})"
    if conditional > alpha:
        yield f"replacing it by what the other blocks predict of it costs nothing to speak of (p = {conditional:.2g})"
    if null <= alpha < adjusted:
        yield f"p = {adjusted:.2g} once it is corrected for the number of tests"
    if opposed := [model for model, gain in gains.items() if gain <= 0]:
        yield f"a refit without it predicts no worse ({', '.join(opposed)})"
    if stable < STABLE:
        yield f"it helps in only {stable:.0%} of resampled sets of compositions"


def _not_important(marginal: float, others: Mapping[str, float], alpha: float) -> str:
    """Not separable if the model leans on the block, and another block could stand for it."""
    if marginal <= alpha and others and max(others.values()) >= _CORRELATED:
        return NOT_SEPARABLE
    return NOT_SHOWN


def of_open_size(verdict: Verdict) -> bool:
    """Whether the test by permutation finds an effect, but the size of it in one model may be zero."""
    return verdict.state == IMPORTANT and verdict.interval[0] <= 0


def _open(verdict: Verdict) -> str:
    if not of_open_size(verdict):
        return ""
    ends = " to ".join(fixed(end, 2) for end in verdict.interval)
    return f"; how strongly is open (R² lost without it: {ends}, 95 %)"


def sentence(verdict: Verdict, target: str) -> str:
    """The verdict in words."""
    who = " or ".join(label(block) for block in verdict.blocks)
    if verdict.state == IMPORTANT and not verdict.correlations:
        return f"{target} depends on {who}: on one of them at least, and the glasses do not tell which{_open(verdict)}."
    if verdict.state == IMPORTANT:
        return f"{target} depends on {who} beyond what the other blocks tell{_open(verdict)}."
    if verdict.state == NOT_SEPARABLE:
        other, value = max(verdict.correlations.items(), key=lambda item: item[1])
        return (
            f"{capital(who)} and {label(other)} cannot be told apart as causes of {target} (correlation {value:.2f})."
        )
    if verdict.state == NO_CLAIM:
        return f"No claim is made about {who}: {verdict.reasons[-1]}."
    return f"{target} is not shown to depend on {who} beyond what the other blocks tell."
