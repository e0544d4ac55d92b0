"""Which compositions to run next: by what a Gaussian process in composition expects of them, and how sure it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..chemistry.masses import MASSES
from ..chemistry.mixture import MAX_ATOMS, Cell, compound, smallest_cell
from ..errors import InputError
from ..wording import counted, with_error
from .composition import composition_name, coordinates
from .glasses import Glasses, scaled
from .models import COMPOSITION, gaussian_process, quiet
from .study import Study
from .table import Table
from .units import unit_text

_PURPOSES = {"maximum": "for a large {}", "minimum": "for a small {}", "information": "to learn more about {}"}
AIMS = tuple(_PURPOSES)
_STEP_MOL_PERCENT = 2.5
_MOST_CANDIDATES = 4000
# of the hull of known glasses, in standard deviations of the shares
_NEAR = 0.5


@dataclass(frozen=True)
class Wishes:
    """What to look for: an aim, how many compositions, bounds of shares (mol-%), cost per mol-% of each component, and
    the size of the cells.
    """

    aim: str = "maximum"
    count: int = 4
    bounds: Mapping[str, tuple[float, float]] | None = None
    cost: Mapping[str, float] | None = None
    atoms: int = 200
    step: float = _STEP_MOL_PERCENT

    def __post_init__(self):
        if self.aim not in AIMS:
            raise InputError(f"design: aim {self.aim!r}; known are {', '.join(AIMS)}")


@dataclass(frozen=True)
class Proposal:
    """A composition to run: `shares` (mol-%), the neutral `cell`, and the prediction with its standard deviation in the
    unit of learning; `score` is the expected improvement (in standard deviations of the target), or for
    information the share of the variance there that is not noise.
    """

    shares: Mapping[str, float]
    cell: Cell
    expected: float
    deviation: float
    score: float
    cost: float


def check(table: Table, wishes: Wishes) -> None:
    """Raise InputError for wishes that no study of the table could fulfill."""
    if not table.components or COMPOSITION not in table.blocks:
        raise InputError("design: the composition is not among the features; give it in columns of oxides, in mol-%")
    for name in table.components:
        try:
            compound(name)
        except InputError as error:
            reason = f"{name} is an element" if name in MASSES else str(error)
            raise InputError(
                f"design: the composition must be in columns of oxides, of which neutral cells are made; {reason}"
            ) from None
    if wishes.atoms > MAX_ATOMS:
        raise InputError(f"design: cells of {wishes.atoms} atoms; the maximum is {MAX_ATOMS}")
    candidates = grid(table, wishes)
    _costs(table, wishes, candidates)


def proposals(study: Study, wishes: Wishes) -> list[Proposal]:
    """The best compositions, one after the other: each is taken for run, with what is expected of it, before the next.

    Candidates are a grid of the shares within the range of the known glasses, or `bounds`, near enough to one of them;
    where no cell is neutral within a mol-%, there is none. Scores are divided by the cost. Expected improvement:
    D. R. Jones, M. Schonlau, W. J. Welch, J. Glob. Optim. 13, 455 (1998), doi:10.1023/A:1008306431147, eq. 15; taking
    expected for measured: D. Ginsbourger, R. Le Riche, L. Carraro (2010), doi:10.1007/978-3-642-10701-6_6.
    Raises InputError where the composition is not known in oxides, or does not tell anything of the target.
    """
    table = study.table
    check(table, wishes)
    known = _known(table, study)
    candidates = grid(table, wishes)
    process, mean, spread, inverse = _process(study.glasses, known, table, candidates)
    found: list[Proposal] = []
    taken = np.zeros(len(candidates), bool)
    costs = _costs(table, wishes, candidates)
    points, values = process.at_known, (study.glasses.target - mean) / spread
    for _ in range(wishes.count):
        expected, deviation, gains = _scores(process, points, values, inverse, wishes.aim)
        order = np.argsort(-np.where(taken, -np.inf, gains / costs))
        chosen, cell = _first_neutral(order, taken, candidates, table.components, wishes.atoms)
        taken[chosen] = True
        shares = {name: float(v) for name, v in zip(table.components, candidates[chosen], strict=True) if v > 0}
        found.append(
            Proposal(
                shares, cell, float(expected[chosen] * spread + mean), float(deviation[chosen] * spread),
                float(gains[chosen]), float(costs[chosen]),
            )
        )  # fmt: skip
        points = np.vstack([points, process.at_candidates[[chosen]]])
        values = np.append(values, expected[chosen])
        inverse = process.inverse(points)
    return found


@dataclass(frozen=True)
class _Process:
    """A fitted kernel with its noise, at the known and the candidate compositions (scaled coordinates)."""

    kernel: object
    noise: float
    at_known: np.ndarray
    at_candidates: np.ndarray

    def inverse(self, points: np.ndarray) -> np.ndarray:
        """Of the covariance of noisy values at `points`."""
        return np.linalg.inv(self.kernel(points) + self.noise * np.eye(len(points)))


def _known(table: Table, study: Study) -> np.ndarray:
    """(G, C) shares of the compositions that were learned from."""
    first = {group: row for row, group in reversed(list(enumerate(table.groups)))}
    if study.composition.score("linear").r2 <= 0 and study.composition.score(study.best).r2 <= 0:
        raise InputError(
            f"design: no model predicts {table.name} of compositions left out, so that none can be proposed; first it "
            "takes more compositions, or more replicas of them"
        )
    return np.array([table.shares[first[name]] for name in table.names])


def _process(glasses: Glasses, known: np.ndarray, table: Table, candidates: np.ndarray):
    made, _ = coordinates(np.vstack([known, candidates]), table.components)
    blocks = {COMPOSITION: np.arange(made.shape[1])}
    here, there = (scaled(part, blocks, made[: len(known)]) for part in (made[: len(known)], made[len(known) :]))
    with quiet():
        estimator = gaussian_process(glasses).fit(here, glasses.target)
    signal, white = estimator.kernel_.k1, estimator.kernel_.k2
    process = _Process(signal, float(white.noise_level), here, there)
    return process, float(glasses.target.mean()), float(glasses.target.std()), process.inverse(here)


def _scores(process: _Process, points: np.ndarray, values: np.ndarray, inverse: np.ndarray, aim: str):
    from scipy.stats import norm

    across = process.kernel(process.at_candidates, points)
    expected = across @ inverse @ values
    own = process.kernel.diag(process.at_candidates)
    variance = np.maximum(own - np.einsum("ij,jk,ik->i", across, inverse, across), 1e-12)
    deviation = np.sqrt(variance)
    if aim == "information":
        return expected, deviation, variance / (variance + process.noise)
    sign = 1.0 if aim == "maximum" else -1.0
    ahead = sign * expected - (sign * values).max()
    z = ahead / deviation
    return expected, deviation, ahead * norm.cdf(z) + deviation * norm.pdf(z)


def grid(table: Table, wishes: Wishes) -> np.ndarray:
    """(K, C) shares in mol-% on a grid, within the bounds and near the known glasses."""
    names = table.components
    low, high = table.shares.min(axis=0), table.shares.max(axis=0)
    for name, (least, most) in (wishes.bounds or {}).items():
        if name not in names:
            raise InputError(f"design: bounds of {name}, which is no component; they are {', '.join(names)}")
        if not 0 <= least <= most <= 100:
            raise InputError(f"design: bounds of {name}: {least:g} to {most:g}; must be an interval within 0 to 100")
        low[names.index(name)], high[names.index(name)] = least, most
    step = wishes.step
    while True:
        found = _simplex(low, high, step)
        if len(found) <= _MOST_CANDIDATES:
            break
        step *= 1.5
    if not len(found):
        raise InputError("design: no composition lies within the bounds")
    spread = np.maximum(table.shares.std(axis=0), step)
    distance = np.array([(((table.shares - each) / spread) ** 2).mean(axis=1).min() for each in found])
    if not wishes.bounds:
        found = found[distance <= _NEAR**2]
    if len(found) < wishes.count:
        place = "within the bounds" if wishes.bounds else "near the known glasses"
        raise InputError(
            f"design: {counted(len(found), 'composition')} on a grid of {step:g} mol-% {place}, and {wishes.count} are "
            "asked for"
        )
    return found


def _simplex(low: np.ndarray, high: np.ndarray, step: float) -> np.ndarray:
    """Shares on a grid that add up to 100; that with the widest range follows from the others."""
    # of equal ones the last
    widest = len(low) - 1 - int(np.argmax((high - low)[::-1]))
    others = [k for k in range(len(low)) if k != widest]
    axes = [_multiples(low[k], high[k], step) for k in others]
    if np.prod([float(len(axis)) for axis in axes]) > 1e6:
        return np.zeros((_MOST_CANDIDATES + 1, len(low)))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    rest = 100.0 - points.sum(axis=1)
    kept = (rest >= low[widest] - 1e-9) & (rest <= high[widest] + 1e-9)
    return np.insert(points[kept], widest, rest[kept], axis=1)


def _multiples(low: float, high: float, step: float) -> np.ndarray:
    """Multiples of the step within an interval, or its middle if there is none."""
    found = step * np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return found if len(found) else np.array([(low + high) / 2])


def _costs(table: Table, wishes: Wishes, candidates: np.ndarray) -> np.ndarray:
    cost = np.ones(len(table.components))
    for name, value in (wishes.cost or {}).items():
        if name not in table.components or not 0 < value < np.inf:
            raise InputError(f"design: cost {name}={value:g}: must be a component and a number above 0")
        cost[table.components.index(name)] = value
    return candidates @ cost / 100.0


def _first_neutral(
    order: np.ndarray, taken: np.ndarray, candidates: np.ndarray, names: Sequence[str], atoms: int
) -> tuple[int, Cell]:
    reason: InputError | str = "all that are possible are taken"
    for index in order[:50]:
        if taken[index]:
            continue
        shares = {name: float(v) for name, v in zip(names, candidates[index], strict=True) if v > 0}
        try:
            return int(index), smallest_cell(shares, {}, atoms)
        except InputError as error:
            reason = error
    raise InputError(f"design: no neutral cell: {reason}")


def as_input(study: Study, found: Sequence[Proposal], aim: str, density_g_cm3: float, sections: str) -> str:
    """An input.yaml that runs the proposals, made for an `aim`, at one density (g/cm3) through the `sections` of stages
    (YAML); comments tell what is expected of each.
    """
    table = study.table
    unit = f" ({unit_text(table.unit)})" if unit_text(table.unit) else ""
    what = f"log10 of {table.name}{unit}" if study.scale.logarithm else f"{table.name}{unit}"
    lines = [
        f"# Compositions proposed {_PURPOSES[aim].format(table.name)}: expected {what}, and one standard",
        "# deviation, of a Gaussian process in composition alone.",
        "name: proposed",
        f"seed: {max(study.settings.seed, 1)}",
        "",
        "systems:",
    ]
    for number, each in enumerate(found, 1):
        shares = ", ".join(f"{name}: {share:g}" for name, share in each.shares.items())
        lines += [
            f"  # {composition_name(list(each.shares.values()), list(each.shares))}: "
            f"{with_error(each.expected, each.deviation)}, {each.cell.atoms} atoms",
            f"  - name: p{number}",
            f"    mol_percent: {{{shares}}}",
            f"    atoms: {each.cell.atoms}",
            f"    density_g_cm3: {density_g_cm3:g}",
        ]
    return "\n".join([*lines, "", sections])
