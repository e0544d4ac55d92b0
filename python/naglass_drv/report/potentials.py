"""Section on a screening: interatomic potentials through the same gates, without a score."""

from collections.abc import Mapping
from typing import Any

from ..analysis.gates import FAILED, FAILURE, GATES, NOT_RUN, PASSED, leader, not_dominated
from ..products import Quantity
from ..wording import digits, duration
from . import figures_potentials, potentials_glass, potentials_long, potentials_motion
from .material import Material
from .numbers import Figure, Fold, Notice, Section, Table
from .style import run_colors

_ATOMS = 300
Screened = Mapping[str, Mapping[str, Any]]


def potentials(material: Material) -> Section | None:
    """The gates of every potential, what they show, and what was not run."""
    found = _screened(material)
    if not found:
        return None
    section = Section("Potentials", "potentials")
    shade = run_colors(list(found))
    section.add(*_notices(found), _gates(found), _facts(found), *_errors(found, shade), *_tradeoff(found, shade))
    section.add(*_crystals(found, shade), *potentials_long.cells(_gate(found, "G4-cell"), _gate(found, "G4-phonons")))
    section.add(*_pairs(found, shade), *_bonds(found), *potentials_motion.motion(_gate(found, "G5"), shade))
    section.add(*potentials_glass.glasses(_gate(found, "G6"), shade))
    section.add(*potentials_long.transport(_gate(found, "G7")), _details(found))
    return section


def _screened(material: Material) -> dict[str, Mapping[str, Any]]:
    """What was found by potential, in the order of the input."""
    known = [material.json(f"screen/{name}/gates") for name in material.names("screen", "gates")]
    order = (material.input.get("screen") or {}).get("potentials", [])
    known.sort(key=lambda each: order.index(each["potential"]) if each["potential"] in order else len(order))
    return {each["potential"]: each for each in known}


def _gate(found: Screened, gate: str) -> dict[str, Mapping[str, Any]]:
    """The outcomes of one gate where it was run to its end."""
    outcomes = {name: each["gates"][gate] for name, each in found.items()}
    return {name: one for name, one in outcomes.items() if one["state"] not in (FAILURE, NOT_RUN)}


def _notices(found: Screened) -> list[Notice]:
    notices = []
    for name, each in found.items():
        failures = {gate: one for gate, one in each["gates"].items() if one["state"] == FAILURE}
        if failures:
            first_one = next(iter(failures.values()))
            text = f"{first_one['failure']}: {first_one['text']} In gates {', '.join(failures)}."
            notices.append(Notice("bad", text, f"{name} failed."))
    first = next(iter(found.values()))
    notices += [Notice("note", note) for note in first["notes"]]
    made = [name for name, each in found.items() if each.get("made_labels")]
    notices += [Notice("note", f"{name} made these labels: its errors on them tell nothing.") for name in made]
    errors = {
        name: one
        for name, one in _gate(found, "G3").items()
        if one.get("forces_rmse_meV_per_A_half_95") is not None and name not in made
    }
    if len(errors) > 1:
        best = leader({name: _interval(one) for name, one in errors.items()})
        told = (
            f"{best} has the smallest force error on these labels; its 95 % interval lies below those of the others. "
            "That says nothing of the other gates."
            if best
            else "No potential is best on these labels: 95 % intervals of the force errors overlap."
        )
        notices.append(Notice("note", told))
    return notices


def _interval(one: Mapping[str, Any]) -> tuple[float, float]:
    half = one["forces_rmse_meV_per_A_half_95"]
    return one["forces_rmse_meV_per_A"] - half, one["forces_rmse_meV_per_A"] + half


def _gates(found: Screened) -> Table:
    rows = []
    for gate, (what, criterion) in GATES.items():
        outcomes = [each["gates"][gate] for each in found.values()]
        rows.append([gate, what, criterion, *(_state(one) for one in outcomes)])
    caption = "Gates; there is no score. What a gate found is told below under Outcomes in words."
    return Table(("gate", "what", "passes if", *found), rows, caption)


def _state(one: Mapping[str, Any]) -> str:
    if one["state"] == FAILURE:
        return one["failure"]
    marks = {PASSED: "passed", FAILED: "FAILED"}
    text = marks.get(one["state"], one["state"])
    return f"{text}; would take about {duration(one['forecast_s'])}" if "forecast_s" in one else text


def _facts(found: Screened) -> Table:
    """Level of theory, dispersion and versions of each potential."""
    rows = []
    for name, each in found.items():
        facts = each["facts"]
        versions = ", ".join(f"{package} {version}" for package, version in facts.get("versions", {}).items())
        dispersion = f"D3(BJ) of {each['dispersion']} on top" if each["dispersion"] else "none on top"
        weights = facts.get("weights_sha256", "")[:12]
        rows.append([name, each["level"], dispersion, facts.get("dtype", ""), versions, weights])
    labels = ", ".join(next(iter(found.values()))["labels"])
    caption = (
        f"Level of theory of the labels: {labels}. Errors compare levels of theory, too: a potential of another level "
        "cannot reach these labels."
    )
    head = ("potential", "level of its training", "dispersion", "precision", "versions", "SHA-256 of the weights")
    return Table(head, rows, caption)


_MEASURED = (
    ("forces_rmse_meV_per_A", "force RMSE", "meV/Å"),
    ("forces_mae_meV_per_A", "force MAE", "meV/Å"),
    ("forces_95_percent_meV_per_A", "95th percentile of the force error", "meV/Å"),
    ("forces_slope", "slope of forces", "1"),
    ("energy_rmse_meV_per_atom", "energy RMSE", "meV/atom"),
    ("pressure_bias_GPa", "mean error of the pressure", "GPa"),
    ("pressure_rmse_GPa", "pressure RMSE", "GPa"),
)


def _errors(found: Screened, shade: Mapping[str, str]) -> list[Any]:
    errors = _gate(found, "G3")
    if not errors:
        return []
    rows = []
    for key, label, unit in _MEASURED:
        cells = [
            Quantity(f"screen.{name}.{key}", f"{label} of {name}", one[key], unit, one.get(f"{key}_err"))
            if key in one
            else "no stress in the labels"
            for name, one in errors.items()
        ]
        rows.append([label, *cells])
    rows += _by_temperature(errors)
    rows.append(["energies compared after", *(one["shift"]["text"] for one in errors.values())])
    count = next(iter(errors.values()))
    caption = (
        f"{count['frames']} frames in {count['groups']} groups, {count['atoms']} atoms. ± is one standard error by "
        "bootstrap over groups; of one group there is none. A slope below 1: the potential is too soft."
    )
    kinds = {name: _kinds(one, "") for name, one in errors.items()}
    svg = figures_potentials.errors(kinds, {name: _kinds(one, "_err") for name, one in errors.items()}, shade)
    words = (
        "Force errors by element, by ion where the labels name the ions, and by temperature where they tell it; bars: "
        "one standard error by bootstrap over groups."
    )
    return [Table(("error relative to the labels", *errors), rows, caption), Figure("potential-errors", svg, words)]


def _kinds(one: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    """Force errors of elements, ions and temperatures, or what is told by the key with this suffix."""
    words = ("element", "ion", "temperature")
    return {kind: x for word in words for kind, x in one[f"forces_rmse_meV_per_A_by_{word}{suffix}"].items()}


def _by_temperature(errors: Mapping[str, Mapping[str, Any]]) -> list[list[Any]]:
    """A row of each error for every range of temperatures."""
    first, rows = next(iter(errors.values())), []
    for key, label, unit in _MEASURED:
        for kind in first.get(f"{key}_by_temperature", ()):
            cells = [
                Quantity(
                    f"screen.{name}.{key}.{kind.replace(' ', '_')}", f"{label} of {name}, {kind}",
                    one[f"{key}_by_temperature"][kind], unit, one[f"{key}_by_temperature_err"][kind],
                )
                for name, one in errors.items()
            ]  # fmt: skip
            rows.append([f"{label}, {kind}", *cells])
    return rows


def _tradeoff(found: Screened, shade: Mapping[str, str]) -> list[Any]:
    """Force error against speed; artifacts join them where the melt-quench was run."""
    errors, points = _gate(found, "G3"), {}
    for name, one in errors.items():
        if found[name].get("made_labels"):
            continue
        speed = 86400e3 / (one.get("step_ms_per_atom", one["ms_per_atom"]) * _ATOMS) * 1e-6
        points[name] = (speed, one["forces_rmse_meV_per_A"], one.get("forces_rmse_meV_per_A_half_95") or 0.0)
    if not points:
        return []
    columns = {name: [-speed, error] for name, (speed, error, _) in points.items()}
    artifacts = {name: one["artifacts"] for name, one in _gate(found, "G6").items() if "artifacts" in one}
    if set(artifacts) == set(columns):
        columns = {name: [*row, artifacts[name]] for name, row in columns.items()}
    front = not_dominated(columns)
    rows = [
        [
            name,
            Quantity(f"screen.{name}.speed", f"speed of {name}", _rough(speed), "ns/day"),
            Quantity(
                f"screen.{name}.ms_per_atom", f"time per atom of {name}", _rough(errors[name]["ms_per_atom"]), "ms"
            ),
            "on the front" if name in front else "dominated",
        ]
        for name, (speed, _, _) in points.items()
    ]
    other = "" if artifacts else " Artifacts of a glass are the third axis; the melt-quench was not run."
    caption = (
        f"Speed of {_ATOMS} atoms at 1 fs, from the time per atom of the labeled frames, where LAMMPS evaluates of "
        f"steps of a cell of about {_ATOMS} atoms: good within a factor of two "
        "if the machine was equally busy for all. The Pareto front is that of force error and speed alone, without "
        f"their uncertainty.{other}"
    )
    svg = figures_potentials.tradeoff(points, front, shade)
    figure = Figure(
        "potential-tradeoff", svg, "Force error (95 % interval) against speed; filled: on the Pareto front."
    )
    return [Table(("potential", "speed", "time per atom and evaluation", "Pareto front"), rows, caption), figure]


def _rough(value: float) -> float:
    """The digits that a number has which is good within a factor of two."""
    return float(f"{value:.2g}")


def _crystals(found: Screened, shade: Mapping[str, str]) -> list[Any]:
    volumes = _gate(found, "G4-EV")
    if not volumes:
        return []
    names = list(dict.fromkeys(name for one in volumes.values() for name in one["crystals"]))
    curves = {
        crystal: {name: one["crystals"][crystal] for name, one in volumes.items() if crystal in one["crystals"]}
        for crystal in names
    }
    rows = []
    reference = next(iter(volumes))
    for crystal, of_crystal in curves.items():
        first = of_crystal.get(reference, {}).get("volume")
        for name, curve in of_crystal.items():
            key = f"screen.{name}.{crystal}"
            rows.append([crystal, name, *_volume_cells(key, f"{crystal} by {name}", curve, first)])
    relaxed = all(one["relaxed"] for one in volumes.values())
    caption = "Fit of Birch and Murnaghan; ± is one standard error of the fit. " + (
        "Positions relaxed at each volume."
        if relaxed
        else "Positions scaled with the cell: the modulus is an upper bound, and volumes are biased."
    )
    head = ("crystal", "potential", "volume / given", f"volume / {reference}", "bulk modulus", "residual of the fit")
    svg = figures_potentials.volume_curves(curves, {name: shade[name] for name in volumes})
    figure = Figure("potential-volumes", svg, "Energy against volume; dotted: volume of lowest energy by the fit.")
    return [Table(head, rows, caption), figure]


def _volume_cells(key: str, label: str, curve: Mapping[str, Any], first: float | None) -> list[Any]:
    if curve["volume"] is None:
        return ["no minimum in the range", "", "", ""]
    volume, err = curve["volume"], curve["volume_err"]
    return [
        Quantity(f"{key}.volume", f"relative volume of {label}", volume, "1", err),
        f"{volume / first:.3f}" if first else "",
        Quantity(f"{key}.bulk", f"bulk modulus of {label}", curve["bulk_GPa"], "GPa", curve["bulk_GPa_err"]),
        Quantity(f"{key}.residual", f"residual, {label}", curve["residual_meV_per_atom"], "meV/atom"),
    ]


def _pairs(found: Screened, shade: Mapping[str, str]) -> list[Any]:
    pairs = _gate(found, "G1")
    names = list(dict.fromkeys(pair for one in pairs.values() for pair in one["pairs"]))
    if not names:
        return []
    curves = {pair: {name: one["pairs"][pair] for name, one in pairs.items() if pair in one["pairs"]} for pair in names}
    caption = "Two atoms alone, energy relative to 6 Å; dashed: not sound, so that a melt may fall into a hole."
    svg = figures_potentials.pair_curves(curves, {name: shade[name] for name in pairs})
    return [Figure("potential-pairs", svg, caption)]


def _bonds(found: Screened) -> list[Fold]:
    """Length, minima and kink of each bond that was stretched."""
    rows = []
    for name, one in _gate(found, "G2").items():
        for bond, each in one["bonds"].items():
            key, kink = f"screen.{name}.{bond}", each["kink_eV_per_A2"]
            rows.append([
                bond, name, Quantity(f"{key}.length", f"length of {bond} by {name}", each["length_A"], "Å"),
                str(each["minima"]), Quantity(f"{key}.kink", f"largest kink of {bond} by {name}", kink, "eV/Å²"),
                "sound" if each["sound"] else "not sound",
            ])  # fmt: skip
    head = ("bond", "potential", "length, relaxed", "minima", "largest kink", "")
    return [Fold("Stretched bonds", [Table(head, sorted(rows, key=lambda row: row[0]))])] if rows else []


def _details(found: Screened) -> Fold:
    rows = [
        [name, gate, one["text"], f"{digits(one['seconds'], 3)} s" if "seconds" in one else ""]
        for name, each in found.items()
        for gate, one in each["gates"].items()
    ]
    return Fold("Outcomes in words", [Table(("potential", "gate", "found", "took"), rows)])
