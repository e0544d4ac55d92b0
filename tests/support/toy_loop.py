"""The real workflow of a loop of learning, and the real decision, on stages that do nothing but write text.

What a task writes is a hash of its settings and of what it has read, so that two runs with the same products have done
the same. A trajectory is stable below 1000 K. What was really executed is noted in a journal outside of the run folder.
"""

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from naglass_drv import products
from naglass_drv.cli.run import run_workflow, work_of
from naglass_drv.config.load import load_study
from naglass_drv.runtime.job import Request
from naglass_drv.runtime.task import Effort, Task
from naglass_drv.stages import decision
from support.toy import note

SYSTEMS = """\
systems:
  - {name: half, composition: {Na: 4, V4+: 2, P: 4, O: 16}, density_g_cm3: 2.75}
  - {name: none, composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.5}
"""
REST = """\
name: toy
glass: {}
reference:
  - {name: a, level: gfn1-xtb}
  - {name: b, level: gfn1-xtb, structures: candidates}
dataset: {level: gfn1-xtb}
train: {epochs: 1}
md: {temperatures_K: [1200], time_ps: 1, candidates: 1}
"""
TWO = SYSTEMS + REST.replace("glass: {}", "glass: {replicas: 1}")
#: With a committee, from whose candidates cells are cut.
CUT = TWO.replace("epochs: 1", "epochs: 1, committee: 2").replace("candidates: 1}", "candidates: 1, cells: {}}")
KINDS = {
    "cells": products.Structures, "glass": products.Structures, "atoms": products.Labels, "reference": products.Labels,
    "dataset": products.Dataset, "train": products.Model,
    "md": products.Trajectories, "analysis": products.Measurements, "report": products.Pages, "series": products.Pages,
}  # fmt: skip
# roles of the files of a task's product
ROLES = {
    "cells": ["candidates"],
    "glass": ["{}/structure"], "atoms": ["E0"], "reference": ["{}/admitted"], "dataset": ["train", "summary"],
    "train": ["archive", "portable"], "md": ["{}/final", "{}/gate", "candidates"], "analysis": ["{}/numbers"],
    "report": ["numbers"], "series": ["numbers"],
}  # fmt: skip


@dataclass
class Toy:
    """A stage of the chain; each of its tasks takes `seconds`."""

    name: str
    journal: Path | None = None
    seconds: float = 0.0
    revision: int = 1

    def plan(self, run) -> list[Task]:
        return [
            Task(self.name, name, settings, _files(run, *roles), effort=Effort(self.name, 1.0))
            for name, settings, roles in getattr(self, f"_{self.name}", self._all)(run)
        ]

    def _glass(self, run):
        for replica in range(run.input.glass.replicas):
            yield f"g{replica}", {"seed": run.input.seed, "cell": run.input.system.composition}, ()

    def _reference(self, run):
        for section in run.input.reference:
            if section.structures == "candidates":
                yield section.name, {"seed": run.input.seed}, ("candidates",)
            else:
                for name in run.take("glass", products.Structures).each("structure"):
                    yield f"{section.name}-{name}", {"seed": run.input.seed}, ("glass",)

    def _cells(self, run):
        yield "cells", {"seed": run.input.seed}, ("candidates", "train")

    def _md(self, run):
        for name in run.take("glass", products.Structures).each("structure"):
            for temperature in run.input.md.temperatures_K:
                yield f"{name}-{temperature:g}K", {"temperature_K": temperature}, ("glass", "train")

    def _all(self, run):
        yield self.name, {}, tuple(role for role in run.takes if role not in ("earlier", "candidates"))

    def expect(self, run):
        return self.plan(run), KINDS[self.name]()

    def run(self, job) -> dict:
        label = "/".join(job.folder.parts[job.folder.parts.index("tasks") + 1 : -1])
        if job.rank == 0:
            note(self.journal, "start", label)
            time.sleep(self.seconds)
            told = [job.task.settings, [path.read_text() for path in job.task.inputs.values()]]
            (job.folder / "out").write_text(hashlib.sha256(json.dumps(told).encode()).hexdigest())
        return {"stable": job.task.settings.get("temperature_K", 0) < 1000}

    def collect(self, run, done):
        files = {}
        for item in done:
            gate = json.dumps({"stable": item.summary["stable"]})
            for role in ROLES[self.name]:
                target = run.products / self.name / f"{role.format(item.task.name).replace('/', '-')}.txt"
                target.parent.mkdir(parents=True, exist_ok=True)
                text = gate if role.endswith("gate") else (item.folder / "out").read_text()
                if not target.exists() or target.read_text() != text:
                    target.write_text(text)
                files[role.format(item.task.name)] = target
        return KINDS[self.name](files=files, facts={})


def _files(run, *roles: str) -> dict[str, Path]:
    """The files of the products that a step takes, by role; of trajectories only the candidates."""
    found = {}
    for role in roles:
        for product in run.take_all(role, products.Product):
            names = ["candidates"] if role == "candidates" else product.files
            found |= {f"{role}/{product.scope}/{name}": product.files[name] for name in names if name in product.files}
    return found


def stages(journal: Path | None = None, seconds: float = 0.0):
    """Finds a stage by its name."""
    return lambda name: decision if name == "decision" else Toy(name, journal, seconds)


def request_of(path: Path, folder: Path) -> Request:
    """The request of a run of the input at `path`."""
    return Request(
        **work_of(load_study(path)),
        path=path,
        text=path.read_text(),
        source=path.parent,
        folder=folder,
        resume="RESUME",
    )


def run_loop(path: Path, folder: Path, journal: Path, seconds: float = 0.0) -> int:
    """Run the input on the world communicator; returns the exit code."""
    return run_workflow(lambda: request_of(path, folder), stages(journal, seconds))


if __name__ == "__main__":
    sys.exit(run_loop(*(Path(argument) for argument in sys.argv[1:4]), float(sys.argv[4])))
