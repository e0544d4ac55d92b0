"""What each potential of a screening makes of the same melt-quench."""

from collections.abc import Mapping
from typing import Any

from ..analysis.gates import leader
from ..analysis.replicas import FIRST_PEAK_PER_A
from ..core import VANADYL_CUTOFF
from ..products import Quantity
from ..wording import with_error
from . import figures_potentials
from .numbers import Figure, Notice, Table

Outcomes = Mapping[str, Mapping[str, Any]]


def glasses(outcomes: Outcomes, shade: Mapping[str, str]) -> list[Any]:
    """What each potential makes of the same melt-quench: defects, density, network, S(Q)."""
    made = {name: one for name, one in outcomes.items() if "artifacts" in one}
    if not made:
        return []
    rows, short = [], f"V–O below {VANADYL_CUTOFF:g} Å per V"
    for name, one in made.items():
        key, label = f"screen.{name}.glass", f"the glass of {name}"
        replicas = "counted over all replicas"
        rows.append([
            name,
            Quantity(f"{key}.artifacts", f"share of atoms in forbidden contacts, {label}", one["artifacts"], "1", None,
                     replicas, one["artifacts_interval"]),
            f"{one['P_not_4']} of {one['P_of']}",
            Quantity(f"{key}.density", f"density of {label}", one["density_g_cm3"], "g/cm³", one["density_g_cm3_err"]),
            "no V" if one["vanadyl_per_V"] is None else Quantity(
                f"{key}.vanadyl", f"{short}, {label}", one["vanadyl_per_V"], "1", None, replicas),
            _shares(one["qn"]),
        ])  # fmt: skip
    caption = "Wilson's interval for counts, zero counts too; ± of the density is its standard error over replicas."
    head = ("potential", "atoms in forbidden contacts", "P without 4 O", "density", short, "Qⁿ by replica (%)")
    best = leader({name: tuple(one["artifacts_interval"]) for name, one in made.items()})
    told = [] if len(made) < 2 else [Notice("note", _verdict(best))]
    return [*told, Table(head, rows, caption), *_structure(made, shade)]


def _structure(made: Outcomes, shade: Mapping[str, str]) -> list[Any]:
    rows = []
    for name, one in made.items():
        key, label, found = f"screen.{name}.glass", f"the glass of {name}", one["structure"]
        edges, around = found.get("PP_edges_per_former"), found.get("CN_V")
        rows.append([
            name, _other_density(f"{key}.other_density", label, one["other_density"]),
            *(_peak(key, label, found["first_peak"], radiation) for radiation in ("neutron", "xray")),
            "no V" if around is None else Quantity(
                f"{key}.CN_V", f"O around V, {label}", around["mean"], "1", around["err"]),
            "no network" if edges is None else Quantity(
                f"{key}.PP_edges", f"P-P sharing an edge per former, {label}", edges["mean"], "1", edges["err"]),
            _rings(found),
        ])  # fmt: skip
    head = (
        "potential", "density with or without D3", "first peak of S(Q), neutrons", "X-rays", "O around V",
        "P–P sharing an edge per former", "rings per former by their formers",
    )  # fmt: skip
    low, high = FIRST_PEAK_PER_A
    caption = (
        "± is one standard error over replicas. The other density is that of the same potential with D3 where it has "
        "none, or without it, from the same melts at 1500 K. The first peak is the highest maximum of S(Q) between "
        f"{low:g} and {high:g} 1/Å. Rings are primitive ones of glass formers and transition metals."
    )
    curves = {name: one["structure"]["S"] for name, one in made.items()}
    blocks: list[Any] = [Table(head, rows, caption)]
    if any(curves.values()):
        words = "S(Q) of the glasses, mean over replicas; bands: one standard error."
        blocks.append(Figure("potential-structure-factors", figures_potentials.structure_factors(curves, shade), words))
    return blocks


def _other_density(key: str, label: str, one: Mapping[str, Any] | None) -> Any:
    if one is None:
        return "not possible"
    if one["ended"]:
        return f"{one['label']}: {one['ended']}"
    value, err = one["density_g_cm3"], one["density_g_cm3_err"]
    return Quantity(key, f"density of {label} {one['label']}", value, "g/cm³", err)


def _peak(key: str, label: str, peaks: Mapping[str, Any], radiation: str) -> Any:
    if radiation not in peaks:
        return "none"
    one = peaks[radiation]
    where = f"first peak of S(Q) of {label}, {radiation}"
    return Quantity(f"{key}.first_peak_{radiation}", where, one["q_per_A"], "1/Å", one["q_per_A_err"])


def _rings(found: Mapping[str, Any]) -> str:
    """Each size with its rings per former: ``4: 0.13 ± 0.02; 5: 0.20 ± 0.03``."""
    if "rings_per_former" not in found:
        return "no network"
    mean, err = found["rings_per_former"]["mean"], found["rings_per_former"]["err"]
    told = [f"{n}: {with_error(value, err[n]) if err else f'{value:.2f}'}" for n, value in enumerate(mean) if value > 0]
    return "; ".join(told) or "none"


def _verdict(best: str | None) -> str:
    if best is None:
        return "No potential makes fewer artifacts than all others: the 95 % intervals of their shares overlap."
    return f"{best} makes the fewest artifacts; its 95 % interval lies below those of the others."


def _shares(by_n: Mapping[str, list[float]]) -> str:
    """Each n with its share in the replicas: ``Q2 40, 44; Q3 60, 56``."""
    return "; ".join(f"Q{n} {', '.join(f'{100 * share:.0f}' for share in shares)}" for n, shares in by_n.items())
