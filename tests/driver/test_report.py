"""The report from products: self-contained, escaped, every number finite with a unit, gaps left out."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import read

from naglass_drv.analysis.stability import judge
from naglass_drv.config.schema import Audit, Gate, Input
from naglass_drv.dataset.assemble import Dataset
from naglass_drv.dataset.audit import Limits, audited
from naglass_drv.dataset.frames import write_frames
from naglass_drv.errors import InputError
from naglass_drv.files import write_arrays
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import Number, quantity
from naglass_drv.stages import analysis, report
from naglass_drv.stages.base import Done, Job, Run, Task
from support.labelled import cell

DATA = Path(__file__).parents[1] / "data"
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script> $\\frac{1}'
TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "nav",
    "h1",
    "h2",
    "p",
    "a",
    "section",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "span",
    "div",
    "figure",
    "img",
    "figcaption",
    "footer",
}
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


class Bench:
    """A run folder with made products, on which the stages `analysis` and `report` really run."""

    def __init__(self, root: Path, content: dict[str, Any]):
        self.finished: dict[str, list[Done]] = {}
        section = Input.model_validate_json(json.dumps(content))
        self.run = Run(section, root, root, lambda stage: self.finished.get(stage, []))

    def done(self, stage: str, name: str, summary: dict[str, Any], tools: dict[str, str]) -> Path:
        folder = self.run.folder / "tasks" / stage / name / "attempt-1"
        folder.mkdir(parents=True)
        record = {"key": "0f" * 32, "seconds": 2.5, "parts": {"tools": tools}}
        (folder.parent / "DONE").write_text(json.dumps(record))
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
    atoms = read(DATA / "crystals" / "NVP_R-3c_hex_allNa.cif")
    atoms.rattle(0.08, seed=seed)
    return atoms


def add_glass(bench: Bench) -> None:
    for replica in range(2):
        bench.done("glass", f"g{replica}", {}, {"lammps": "22Jul2025"})
        write_frames(bench.run.products / "glass" / f"g{replica}.extxyz", [glass(replica)])
        write_frames(bench.run.products / "glass" / f"g{replica}-melt.extxyz", [glass(9)])


def add_labels(bench: Bench) -> None:
    bench.done("reference", "glass-g0-0", {}, {"cp2k": "2023.1"})
    rejected = [{"frame": "glass-g1-0", "failure": "SCF_NOT_CONVERGED", "message": f"not converged {HOSTILE}"}]
    bench.product("reference/glass-rejected.json", rejected)
    labelled = glass(5)
    labelled.set_array("REF_spin", np.where(labelled.symbols == "V", 1.9, 0.0))
    write_frames(bench.run.products / "reference" / "glass.extxyz", [labelled])
    part = {
        "frames": 3,
        "atoms": 78,
        "groups": ["r0"],
        "compositions": {"Na4V2P4O16": 3},
        "atomisation_energy_mean_eV_per_atom": -5.0,
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
    folder = bench.done("md", "g0-600K", summary, {"lammps": "22Jul2025"})
    write_frames(folder / "trajectory.extxyz", frames)
    (folder / "thermo.json").write_text(json.dumps(thermo))
    (folder / "gate.json").write_text(json.dumps(verdict.as_dict()))
    bench.product("md/g0-600K.json", summary)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("full"), FULL)
    add_glass(bench)
    add_labels(bench)
    add_model(bench)
    add_md(bench, distance_limit=0.95)
    bench.go(analysis)
    bench.go(report)
    return bench


def test_page_needs_nothing_from_outside(full):
    page = full.page()
    assert page.tags <= TAGS
    for name, value in page.attributes:
        assert name not in ("srcset", "style", "background") and not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith(("data:image/svg+xml;base64,", "#"))
    markup = (full.run.folder / "report.html").read_text(encoding="utf-8")
    assert "url(" not in markup and "@import" not in markup and "http:" not in markup and "https:" not in markup


def test_text_from_files_is_shown_and_not_obeyed(full):
    page = full.page()
    assert HOSTILE in page.text and f"not converged {HOSTILE}" in page.text
    assert ("src", "x") not in page.attributes


def test_findings_of_the_audit_are_in_the_report(full):
    page, numbers = full.page(), full.numbers()
    assert "Energies off the fit: 1 frames beyond 6 robust z" in page.text and "Nothing was dropped." in page.text
    assert "19 of 20 frames carry no moments" in page.text
    assert numbers["audit.moment.Fe2+.mean_muB"]["value"] == pytest.approx(4.4)
    figures = {path.stem for path in (full.run.products / "figures").glob("audit-*.svg")}
    assert figures == {f"audit-{name}" for name in ("energies", "forces", "distances", "moments", "coverage")}


def test_every_number_is_finite_and_has_a_unit(full):
    numbers = full.numbers()
    assert len(numbers) > 60
    for entry in numbers.values():
        assert math.isfinite(entry["value"]) and entry["unit"] and entry["label"]
        assert entry["err"] is None or (math.isfinite(entry["err"]) and entry["err"] >= 0)


def test_numbers_are_those_of_the_products(full):
    numbers = full.numbers()
    measured = json.loads((full.run.products / "analysis" / "g0-600K.json").read_text())
    shell = measured["coordination"]["V-O"]
    for key in ("structure.g0-600K.V-O.coordination", "glance.g0-600K.V-O"):
        assert (numbers[key]["value"], numbers[key]["err"]) == (shell["number"], shell["number_err"])
    assert numbers["model.test.forces_rmse_meV_per_A"]["value"] == 251.0
    assert numbers["run.glass.wall"] | {"section": "run"} == {
        "key": "run.glass.wall",
        "label": "wall time of the tasks of glass",
        "value": 5.0,
        "err": None,
        "unit": "s",
        "section": "run",
    }


def test_trajectory_that_failed_the_gate_is_marked_everywhere(full):
    text = full.page().text
    assert text.count("g0-600K: NOT STABLE") >= 3
    assert text.count("g0-600K did not pass the stability gate") >= 2
    assert "CROSSED" in text
    measured = json.loads((full.run.products / "analysis" / "g0-600K.json").read_text())
    assert measured["transport"] is None


def test_rejected_frames_limits_and_provenance_are_told(full):
    text = full.page().text
    for words in (
        "SCF_NOT_CONVERGED",
        "4 × 10¹⁴ K/s",
        "GFN1-xTB",
        "on 3 held-out frames",
        "22Jul2025",
        "0f" * 32,
        "system.density_g_cm3",
        "agree for 100 % of atoms and frames",
    ):
        assert words in text


def test_figures_are_files_too(full):
    figures = {path.stem for path in (full.run.products / "figures").glob("*.svg")}
    assert {"parity", "training", "times", "network-qn", "pairs-glass", "course-g0-600K", "view-g0"} <= figures
    page = (full.run.folder / "report.html").read_text()
    assert page.count("data:image/svg+xml") == len(figures)


def test_topology_and_metals_are_told(full):
    numbers, text = full.numbers(), full.page().text
    measured = json.loads((full.run.products / "analysis" / "g0-600K.json").read_text())
    for pair, value in measured["topology"]["linkage"].items():
        assert numbers[f"topology.g0-600K.{pair}"]["value"] == value["per_former"]
    found = measured["fingerprints"]["V"]
    assert numbers["metals.g0-600K.V.bond_valence"]["value"] == found["bond_valence"]
    assert "by moment" in text and "V–O–P–O–V" in text, "the labels carry moments"
    assert "rings" in {path.stem for path in (full.run.products / "figures").glob("*.svg")}


def test_a_stable_trajectory_gets_its_displacements(tmp_path):
    content = {key: FULL[key] for key in ("name", "system", "md", "analysis")} | {"report": {}}
    bench = Bench(tmp_path, content)
    add_md(bench, distance_limit=0.3)
    bench.go(analysis)
    bench.go(report)
    text = bench.page().text
    assert "g0-600K: stable." in text and "no diffusion coefficient is given for Na" in text
    assert bench.numbers()["transport.g0-600K.msd.Na"]["value"] == pytest.approx(6 * 0.08**2, rel=0.2)
    # what the run did not do is not there
    assert "Dataset" not in text and "First-principles labels" not in text and "quench" not in text
    assert not [key for key in bench.numbers() if key.startswith(("model.", "dataset.", "audit.", "labels."))]


def test_report_of_a_run_that_only_made_a_plan(tmp_path):
    bench = Bench(tmp_path, {key: FULL[key] for key in ("name", "system")} | {"report": {}})
    bench.go(report)
    assert "Stages done: none." in bench.page().text and bench.numbers() == {}


def test_same_products_give_the_same_key_and_the_same_bytes(tmp_path):
    bench = Bench(tmp_path, {key: FULL[key] for key in ("name", "system", "train")} | {"report": {}})
    add_model(bench)
    first = bench.go(report)
    page = (tmp_path / "report.html").read_bytes()
    second = bench.go(report)
    assert first == second and (tmp_path / "report.html").read_bytes() == page


def test_analysis_passes_over_a_trajectory_without_frames(tmp_path):
    bench = Bench(tmp_path, {key: FULL[key] for key in ("name", "system", "md", "analysis")})
    with pytest.raises(InputError, match="nothing to analyse"):
        analysis.plan(bench.run)
    bench.done("md", "g0-600K", {"frames": 0, "reached_ps": 0.0, "stable": False}, {})
    assert analysis.plan(bench.run) == []


@pytest.mark.parametrize(
    ("value", "err", "text"),
    [
        (2.0044, 0.013, "2.004 ± 0.013"),
        (600.3, 12.1, "600 ± 12"),
        (1.2e-9, 3e-10, "(1.20 ± 0.30) × 10⁻⁹"),
        (-0.5, None, "−0.5"),
        (4, None, "4"),
        (123456.7, None, "1.23 × 10⁵"),
        (0.25, 0.0, "0.25"),
        (99.96, 0.099, "99.960 ± 0.099"),
    ],
)
def test_numbers_are_written_with_the_decimals_of_their_error(value, err, text):
    assert quantity(value, err) == text


def test_numbers_refuse_what_is_not_one():
    with pytest.raises(InputError, match="report: a.b is nan"):
        Number("a.b", "a", math.nan, "Å")
    with pytest.raises(InputError, match="has no unit"):
        Number("a.b", "a", 1.0, "")
    assert Number("a.b", "a", 1.0, "Å", math.nan).err is None


def test_damaged_products_are_named(tmp_path):
    broken = tmp_path / "numbers.json"
    broken.write_text('{"a": ')
    pickled = tmp_path / "curves.npz"
    np.savez(pickled, a=np.array([{}], dtype=object))
    material = Material({}, [], {"n": broken, "c": pickled})
    with pytest.raises(InputError, match="numbers.json: not JSON"):
        material.json("n")
    with pytest.raises(InputError, match="curves.npz: not an NPZ file of plain arrays"):
        material.arrays("c")
