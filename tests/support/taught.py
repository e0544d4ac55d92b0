"""Runs whose reference sets are labeled by a potential, and attempts at their tasks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.symbols import string2symbols

from naglass_drv.config.schema import Input
from naglass_drv.stages import reference
from naglass_drv.stages.base import Done, Job, Run, Task

LJ = {"name": "mlip", "family": "ase", "model": "ase.calculators.lj:LennardJones"}
TITLE = "ase-ase.calculators.lj-LennardJones"


class OneRank:
    def Get_rank(self) -> int:
        return 0


def structures(*formulas: str) -> list[Atoms]:
    """Cells of ions of a known charge, on a grid with some disorder, as files keep them."""
    out = []
    for seed, formula in enumerate(formulas):
        rng = np.random.default_rng(seed)
        symbols = string2symbols(formula)
        side = int(np.ceil(len(symbols) ** (1 / 3)))
        places = rng.permutation(np.array(list(np.ndindex(side, side, side))))[: len(symbols)]
        positions = (2.7 * places + 0.1 * rng.normal(size=places.shape)).round(8)
        out.append(Atoms(symbols, positions, cell=[2.7 * side] * 3, pbc=True))
    return out


def make_run(folder: Path, *sections: dict, **dataset: object) -> Run:
    start = {"name": "a", "level": LJ, "structures": "cells.extxyz"}
    content = {
        "name": "t",
        "seed": 5,
        "system": {"composition": {"Na": 1, "P": 1, "O": 3}, "density_g_cm3": 2.0},
        "reference": [start | section for section in sections],
    }
    if dataset:
        content["dataset"] = {"level": TITLE} | dataset
    return Run(Input.model_validate_json(json.dumps(content)), folder, folder / "run", {}, {})


def job_of(task: Task, folder: Path) -> Job:
    """A first attempt of one rank in this folder."""
    return Job(task, folder, None, OneRank(), lambda *a: None, lambda: False, lambda *a: 1, {})


def attempt(run: Run, task: Task, stage=reference, number=1, previous=None, after=None) -> Done:
    """One attempt at a task; it is asked to stop once it has reported `after` frames."""
    folder = run.folder / "tasks" / f"{task.name}-{number}"
    folder.mkdir(parents=True)
    reported: list[float] = []
    job = replace(
        job_of(task, folder),
        previous=previous,
        progress=lambda *a: reported.append(a[0]),
        stopping=lambda: after is not None and len(reported) >= after,
    )
    return Done(task, folder, stage.run(job))
