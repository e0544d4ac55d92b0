"""The seeds of all glasses at each temperature, for the stage `analysis`."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..files import write_json
from ..products import Quantity, Trajectories
from .base import Done, Run


def glass_of(structure: str) -> str:
    """The glass of a cell with a seed, ``s0`` of ``s0-r8``."""
    return structure.rpartition("-r")[0]


def nucleation(
    run: Run, done: Sequence[Done], folder: Path, files: Callable[[str], tuple[str, str, str]]
) -> Iterator[tuple[Path, Iterable[Quantity]]]:
    """For each temperature a file of JSON in `folder` with the seeds together, and their rows."""
    import numpy as np

    from ..analysis.nucleation import Estimate
    from ..analysis.seed_rows import together
    from ..analysis.seeding import Seeded, seeding

    section = run.input.interface
    if section is None or section.seed is None:
        return
    summaries = {made.name: made.summary for made in run.take("md", Trajectories).tasks}
    runs: dict[float, list[Seeded]] = {}
    for item in done:
        if item.task.name not in summaries:
            continue
        numbers_file, curves_file, _ = files(item.task.name)
        numbers = json.loads((folder / numbers_file).read_text(encoding="utf-8")).get("seed")
        if numbers is None or "reason" in numbers:
            continue
        with np.load(folder / curves_file) as curves:
            sizes = {float(key.partition("/")[2]): curves[key] for key in curves if key.startswith("crystallite_size/")}
            one = Seeded(
                item.task.name, summaries[item.task.name]["structure"], numbers, curves["crystallite_time_ps"], sizes
            )
        runs.setdefault(summaries[item.task.name]["temperature_K"], []).append(one)
    known = section.seed.melting
    melting = (Estimate(*known.temperature_K), Estimate(*known.heat_eV_per_atom)) if known else (None, None)
    for temperature, own in runs.items():
        found = seeding(own, temperature, *melting)
        name = f"seeds-{temperature:g}K"
        write_json(folder / f"{name}.json", found.as_json())
        yield folder / f"{name}.json", together(name, found)
