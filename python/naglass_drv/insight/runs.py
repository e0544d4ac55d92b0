"""Features and targets from the folders of runs: what their analyses measured, a row for each glass and trajectory."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..products import MANIFEST, Measurements, Quantity, of_manifest, read_quantities
from .mapping import Map

if TYPE_CHECKING:
    import pandas as pd

#: The analysis of the quenched glasses of a system, made by a rigid-ion potential.
_GLASS = "glass"
_TEMPERATURE = "temperature"
# parts of keys that tell about the simulation, not about the glass
_NOT_FEATURES = (".atoms", ".frames", ".count", ".cutoff", ".duration", ".ions", ".flagged", ".temperature")
# what an analysis lists only where it is found: a row without has none
_LISTED = ("network.Q", "network.oxygen.", "topology.", "metals.", "hops.beside.", "glance.artifact.")
_BOUND = "_upper"


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run."""
    return path.is_dir() and (path / "products").is_dir()


def read_run(folder: Path) -> "pd.DataFrame":
    """One row per glass and trajectory that was analyzed, as `sources.read_frame` gives those of a file.

    Columns are keys of quantities without the name of what was measured, as ``structure.P-O.coordination (1)``, and
    ``system``, ``subject``, ``temperature (K)`` and the atoms of each element in percent. A quantity with only an upper
    bound, such as D where the motion is not diffusive, is written as ``<1e-10``. Raises InputError for a folder without
    analyses.
    """
    import pandas as pd

    rows = list(_rows(folder))
    if not rows:
        raise InputError(f"{folder}: no analysis of a glass or trajectory is finished in this run")
    units: dict[str, str] = {}
    for row in rows:
        units |= row.pop("units")
    frame = pd.DataFrame([{**row.pop("named"), **row.pop("values")} for row in rows], dtype=object)
    heads = {name: f"{name} ({unit})" for name, unit in units.items()}
    for name in frame.columns:
        if name.startswith(_LISTED):
            frame[name] = frame[name].fillna(0.0)
    return frame.rename(columns=heads).fillna("").assign(row=range(1, len(frame) + 1), file=str(folder))


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / "products").rglob(MANIFEST)):
        try:
            product = of_manifest(json.loads(path.read_text(encoding="utf-8")), folder)
        except ValueError as error:
            raise InputError(f"{path}: not a manifest: {error}") from None
        if not isinstance(product, Measurements):
            continue
        numbers = product.each("numbers")
        for subject, file in product.each("quantities").items():
            if subject in numbers:
                yield _row(folder, product.scope, subject, read_quantities(file), numbers[subject])


def _row(folder: Path, scope: str, subject: str, found: list[Quantity], numbers: Path) -> dict[str, Any]:
    try:
        atoms = json.loads(numbers.read_text(encoding="utf-8"))["composition"]
        whole = sum(atoms.values())
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{numbers}: not the numbers of an analysis ({type(error).__name__})") from None
    system = f"{folder.name}/{scope}" if scope else folder.name
    named: dict[str, Any] = {"system": system, "subject": subject}
    units = dict.fromkeys(atoms, "mol%")
    values: dict[str, Any] = {element: 100.0 * count / whole for element, count in atoms.items()}
    for quantity in found:
        key = quantity.key.replace(f".{subject}.", ".", 1)
        if "temperature_K" in quantity.conditions:
            values[_TEMPERATURE], units[_TEMPERATURE] = quantity.conditions["temperature_K"], "K"
        if key.endswith(_BOUND):
            key = key.removesuffix(_BOUND)
            values[key] = f"<{quantity.value!r}"
        elif key.endswith(_NOT_FEATURES):
            continue
        else:
            error = "" if quantity.error is None else f" ± {quantity.error!r}"
            values[key] = f"{float(quantity.value)!r}{error}"
        units[key] = quantity.unit
    return {"named": named, "values": values, "units": units}


def map_of_runs(given: Map, frames: list["pd.DataFrame"]) -> tuple[Map, list["pd.DataFrame"]]:
    """The map of rows from runs, and the rows that have the target.

    Measures of the motion are left out where the target is one. Raises InputError for a target that no row has.
    """
    if given.target is None:
        raise InputError(f"no target: name a quantity with --target, such as {', '.join(_examples(frames))}")
    head = [c for frame in frames for c in frame.columns if c.rpartition(" (")[0] == given.target]
    if not head:
        raise InputError(f"target: no run has the quantity {given.target!r}; some have {', '.join(_examples(frames))}")
    kept = [frame[frame[head[0]] != ""] for frame in frames if head[0] in frame.columns]
    elements = [c.removesuffix(" (mol%)") for frame in kept for c in frame.columns if c.endswith(" (mol%)")]
    updates: dict[str, Any] = {"composition": list(dict.fromkeys(elements)), "composition_unit": "mol%"}
    subjects = {subject for frame in kept for subject in frame["subject"]}
    if given.potential is None:
        updates["potential"] = "rigid-ion" if subjects == {_GLASS} else "machine-learned"
    names = {c.rpartition(" (")[0] for frame in kept for c in frame.columns if c.endswith(")")}
    ignored = {"system", "subject", *given.ignore}
    if given.target.startswith(("transport.", "hops.")):
        ignored |= {name for name in names if name.startswith(("transport.", "hops.")) and name != given.target}
    updates["ignore"] = sorted(ignored)
    if _TEMPERATURE in names and given.temperature is None:
        updates["temperature"] = _TEMPERATURE
    if given.family is None and len({str(frame["file"].iloc[0]) for frame in kept}) > 1:
        updates["source"] = "file"
    return given.model_copy(update=updates), kept


def _examples(frames: list["pd.DataFrame"]) -> list[str]:
    names: Mapping[str, None] = dict.fromkeys(
        c.rpartition(" (")[0] for frame in frames for c in frame.columns if c.startswith(("transport.", "network."))
    )
    return [*names][:6]
