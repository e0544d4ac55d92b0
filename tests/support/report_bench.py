"""A run folder with made products, on which the stages `analysis` and `report` really run."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from naglass_drv.analysis.stability import judge
from naglass_drv.config.schema import Audit, Gate, Input
from naglass_drv.dataset.assemble import Dataset
from naglass_drv.dataset.audit import Limits, audited
from naglass_drv.dataset.frames import write_frames
from naglass_drv.files import write_arrays
from naglass_drv.paths import data_file
from naglass_drv.products import Product
from naglass_drv.stages.base import Done, Job, Run, Task
from support import taken
from support.labeled import cell
from support.structures import crystal

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script> $\\frac{1}'
FULL = {
    "name": "small",
    "seed": 7,
    "system": {"composition": {"Na": 4, "V4+": 2, "P": 4, "O": 16}, "density_g_cm3": 2.75},
    "glass": {"replicas": 2, "quench_rate_K_per_ps": 400},
    "reference": [{"name": "glass", "level": "gfn1-xtb"}],
    "dataset": {"level": "gfn1-xtb"},
    "train": {"epochs": 4},
    "md": {"temperatures_K": [600], "time_ps": 0.3},
    "analysis": {"r_max_A": 6.0, "q_max_per_A": 6.0},
    "report": {"title": HOSTILE},
}


class Alone:
    """The communicator of a group of one rank."""

    def Get_rank(self) -> int:
        return 0


class Markup(HTMLParser):
    """Gathers tags, attributes and text of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


def without_shipped_scripts(markup: str) -> str:
    """The page without the viewer's scripts, which must be the shipped files to the last byte."""
    for name in ("3Dmol-min.js", "viewer.js"):
        script = f"<script>{data_file('report', 'vendor', name).read_text(encoding='utf-8')}</script>"
        assert markup.count(script) == 1
        markup = markup.replace(script, "")
    assert "<script>" not in markup
    return markup


class Bench:
    """A run folder with made products, on which the stages `analysis` and `report` really run."""

    def __init__(self, root: Path, content: dict[str, Any]):
        self.finished: dict[str, list[Done]] = {}
        section = Input.model_validate_json(json.dumps(content))
        self.tools: dict[str, dict[str, str]] = {}
        self._bare = Run(section, root, root)

    @property
    def run(self) -> Run:
        """The run with the products of all that is finished, as far as the input asks for it."""
        bare, done = self._bare, self.finished
        made: dict[str, Product] = {
            "glass": taken.glasses(bare, *(item.task.name for item in done.get("glass", []))),
            "reference": taken.labels(bare),
            "dataset": taken.dataset(bare),
            "train": taken.model(bare),
            "md": taken.trajectories(bare, done.get("md", [])),
            "analysis": taken.measurements(bare, done.get("analysis", [])),
        }
        for step, product in made.items():
            behind = tuple(taken.record(item, tools=self.tools.get(step)) for item in done.get(step, []))
            made[step] = replace(product, tasks=behind)
        return replace(bare, takes={step: item for step, item in made.items() if getattr(bare.input, step)})

    def done(self, stage: str, name: str, summary: dict[str, Any], tools: dict[str, str]) -> Path:
        folder = self.run.folder / "tasks" / stage / name / "attempt-1"
        folder.mkdir(parents=True)
        self.tools[stage] = tools
        self.finished.setdefault(stage, []).append(Done(Task(stage, name, {}), folder, summary))
        return folder

    def product(self, path: str, content: Any) -> None:
        target = self.run.products / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content))

    def go(self, stage) -> list[Task]:
        tasks, done = stage.plan(self.run), []
        for task in tasks:
            folder = self.run.folder / "tasks" / stage.name / task.name / "attempt-1"
            folder.mkdir(parents=True, exist_ok=True)
            job = Job(task, folder, None, Alone(), lambda *_: None, lambda: False, None, {})
            done.append(Done(task, folder, stage.run(job)))
        self.finished[stage.name] = done
        stage.collect(self.run, done)
        return tasks

    def page(self) -> Markup:
        return Markup((self.run.folder / "report.html").read_text(encoding="utf-8"))

    def numbers(self) -> dict[str, dict[str, Any]]:
        entries = json.loads((self.run.folder / "report.json").read_text(encoding="utf-8"))["numbers"]
        assert len({entry["key"] for entry in entries}) == len(entries)
        return {entry["key"]: entry for entry in entries}


def glass(seed: int):
    atoms = crystal("NVP_R-3c_hex_allNa")
    atoms.rattle(0.08, seed=seed)
    return atoms


def add_glass(bench: Bench) -> None:
    for replica in range(2):
        bench.done("glass", f"g{replica}", {}, {"lammps": "22Jul2025"})
        write_frames(bench.run.products / "glass" / f"g{replica}.extxyz", [glass(replica)])
        write_frames(bench.run.products / "glass" / f"g{replica}-melt.extxyz", [glass(9)])
        time = np.linspace(0.0, 10.0, 40)
        course = {"temperature_K": 3000 - 270 * time, "pressure_bar": 5e4 - 4e3 * time}
        course |= {"time_ps": time, "potential_energy_eV_per_atom": -20.0 - 0.1 * time}
        bench.product(f"glass/g{replica}-quench.json", {key: values.tolist() for key, values in course.items()})


def add_labels(bench: Bench) -> None:
    bench.done("reference", "glass-g0-0", {}, {"cp2k": "2023.1"})
    rejected = [{"frame": "glass-g1-0", "failure": "SCF_NOT_CONVERGED", "message": f"not converged {HOSTILE}"}]
    bench.product("reference/glass-rejected.json", rejected)
    labeled = glass(5)
    labeled.set_array("REF_spin", np.where(labeled.symbols == "V", 1.9, 0.0))
    write_frames(bench.run.products / "reference" / "glass.extxyz", [labeled])
    part = {
        "frames": 3,
        "atoms": 78,
        "groups": ["r0"],
        "compositions": {"Na4V2P4O16": 3},
        "atomization_energy_mean_eV_per_atom": -5.0,
        "forces_rms_eV_per_A": 2.0,
        "forces_largest_eV_per_A": 9.0,
        "shortest_distance_A": 1.3,
    }
    summary = {
        "level": "gfn1-xtb-1a2b3c",
        "frames": 6,
        "E0_eV": {"Na": -4.0},
        "split": None,
        "train": part,
        "test": part,
    }
    bench.done("dataset", "dataset", {}, {})
    bench.product("dataset/dataset.json", summary)
    frames = [cell(("Na3PO4", "FePO4")[k % 2], k) for k in range(20)]
    frames[3].info |= {"source": HOSTILE, "REF_energy": 50.0}
    frames[5].set_array("REF_spin", np.array([4.4, 0.0, 0.1, 0.1, 0.2, 0.2]))
    dataset = Dataset(tuple(frames), {}, "made-h0a1b2c", 0)
    _, found, arrays = audited(dataset, Limits(**Audit().model_dump()), False)
    bench.product("dataset/audit.json", found)
    write_arrays(bench.run.products / "dataset" / "audit.npz", arrays)


def add_model(bench: Bench) -> None:
    bench.done("train", "model", {}, {"mace": "0.3.16"})
    error = {
        "frames": 3,
        "atoms": 78,
        "energy_rmse_meV_per_atom": 8.0,
        "energy_rmse_meV_per_atom_err": None,
        "energy_mae_meV_per_atom": 6.0,
        "forces_rmse_meV_per_A": 251.0,
        "forces_rmse_meV_per_A_err": 12.0,
        "forces_mae_meV_per_A": 180.0,
        "forces_rmse_meV_per_A_by_element": {"Na": 90.0, "O": 260.0},
    }
    history = [
        {"epoch": epoch, "loss": 3.0 / epoch} | ({} if epoch % 2 else {"test_forces_rmse_meV_per_A": 900 / epoch})
        for epoch in range(1, 9)
    ]
    bench.product(
        "model/model.json",
        {
            "r_max_A": 4.5,
            "parameters": 1234,
            "epochs": 8,
            "start_model": None,
            "epoch_history": history,
            "errors": {"train": error, "test": error},
        },
    )
    rng = np.random.default_rng(0)
    forces, energies = rng.normal(size=(30, 3)), rng.normal(-5, 0.1, 3)
    np.savez(
        bench.run.products / "model" / "parity-test.npz",
        energy_label_eV_per_atom=energies,
        energy_model_eV_per_atom=energies + 0.01,
        forces_label_eV_per_A=forces,
        forces_model_eV_per_A=forces + 0.1,
        numbers=np.tile([11, 8, 8], 10),
    )


def add_md(bench: Bench, *, distance_limit: float) -> None:
    """A rattled crystal as trajectory, judged by the real gate with a limit on distances that it keeps or
    not.
    """
    frames = []
    for k in range(31):
        frame = glass(100 + k)
        frame.info = {"time_ps": 0.01 * k, "temperature_K": 600.0 + k % 7, "step": 10 * k}
        frame.set_array("qn", np.where(frame.symbols == "P", 0, -1))
        frames.append(frame)
    thermo = {
        "time_ps": [frame.info["time_ps"] for frame in frames],
        "temperature_K": [frame.info["temperature_K"] for frame in frames],
        "potential_energy_eV_per_atom": [-5.0 + 0.001 * (k % 3) for k in range(31)],
    }
    gate = Gate(min_distance_fraction=distance_limit)
    verdict = judge(frames, thermo, gate, temperature_K=600.0, planned_ps=0.3)
    summary = {"frames": 31, "reached_ps": 0.3, "stable": verdict.stable, "atoms": len(frames[0])}
    summary |= {"pressure_bar": None, "mean_pressure_bar": -54131.0, "mean_pressure_bar_err": 7454.0}
    folder = bench.done("md", "g0-600K", summary, {"lammps": "22Jul2025"})
    write_frames(folder / "trajectory.extxyz", frames)
    (folder / "thermo.json").write_text(json.dumps(thermo))
    (folder / "gate.json").write_text(json.dumps(verdict.as_dict()))
    bench.product("md/g0-600K.json", summary)
    (folder / "correlations.txt").write_text(
        "# fix naglass/correlate: 31 samples\n# columns: time samples msd_Na msd_Na_err haven_Na haven_Na_err\n"
        "0.01 1 0.02 0.001 0.9 0.2\n0.02 2 0.03 0.001 1.1 0.2\n"
    )
    write_frames(bench.run.products / "md" / "g0-600K-final.extxyz", frames[-1:])
