"""From trajectories of ions that hop in a host at rest, at three temperatures, to lines, sites and figures."""

import json

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.analysis.arrhenius import BOLTZMANN_EV_PER_K
from naglass_drv.dataset.frames import write_frames
from naglass_drv.products import read_quantities
from naglass_drv.stages import analysis, report
from support.report_bench import FULL, Bench, add_glass
from support.site_lattice import walk

pytestmark = pytest.mark.slow

INTERVAL_PS, FRAMES, IONS = 0.1, 600, 32
CHANCE = {600.0: 0.015, 750.0: 0.033, 900.0: 0.06}
TETRAHEDRON = 0.87 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


def host(rng) -> tuple[np.ndarray, list[str]]:
    """Four PO4 and two V between the sites of the lattice (Å)."""
    voids = np.array([[0, 0, 0], [6, 6, 0], [6, 0, 6], [0, 6, 6]]) + [1.7, 2.9, 4.4]
    metals = np.array([[6, 0, 0], [0, 6, 0]]) + [1.7, 2.9, 4.4]
    oxygen = (voids[:, None] + TETRAHEDRON).reshape(-1, 3)
    return np.vstack([voids, oxygen, metals]), ["P"] * 4 + ["O"] * 16 + ["V"] * 2


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    """The real stages `analysis` and `report` on these trajectories."""
    root = tmp_path_factory.mktemp("run")
    content = json.loads(json.dumps(FULL)) | {"report": {"title": "hopping"}}
    content["md"] = {"temperatures_K": list(CHANCE), "time_ps": 60, "sample_every_fs": 100}
    content["analysis"] |= {"hop_window_ps": 1.0, "ring_max_formers": 4}
    for section in ("reference", "dataset", "train"):
        del content[section]
    content["md"]["model"] = "model.naglass"
    made = Bench(root, content)
    add_glass(made)
    for kelvin, chance in CHANCE.items():
        add_trajectory(made, kelvin, chance)
    made.go(analysis)
    made.go(report)
    return made


def add_trajectory(bench: Bench, kelvin: float, chance: float) -> None:
    rng = np.random.default_rng(int(kelvin))
    moved = walk(int(kelvin), frames=FRAMES, ions=IONS, chance=chance, rattle=0.25)
    places, symbols = host(rng)
    frames = []
    for k, ions in enumerate(moved.positions):
        positions = np.vstack([ions, places + 0.03 * rng.normal(size=places.shape)])
        frame = Atoms(["Na"] * IONS + symbols, positions, cell=moved.cell, pbc=True)
        frame.info = {"time_ps": INTERVAL_PS * k, "temperature_K": kelvin + rng.normal(), "step": 100 * k}
        frames.append(frame)
    name = f"g0-{kelvin:g}K"
    summary = {"frames": FRAMES, "reached_ps": INTERVAL_PS * (FRAMES - 1), "stable": True, "atoms": len(frames[0])}
    summary |= {"structure": "g0", "pressure_bar": None, "mean_pressure_bar": 0.0, "mean_pressure_bar_err": 10.0}
    folder = bench.done("md", name, summary, {"lammps": "22Jul2025"})
    write_frames(folder / "trajectory.extxyz", frames)
    bench.product(f"md/{name}.json", summary)


def test_the_activation_energy_of_the_jumps_is_that_of_d(bench):
    """Jumps by chance p per frame: D = p a²/(6 Δt), so that the line's energy is that of p."""
    folder = bench.run.products / "analysis"
    rows = {row.key: row for row in read_quantities(folder / "quantities" / "g0-arrhenius.json")}
    energy = rows["arrhenius.g0.glass.D.E_a"]
    x = 1 / (BOLTZMANN_EV_PER_K * np.array(list(CHANCE)))
    true = -np.polyfit(x, np.log(list(CHANCE.values())), 1)[0]
    assert abs(energy.value - true) < 3 * energy.error and energy.error < 0.3 * true
    assert energy.conditions == {"quench_rate_K_per_s": 4e14}
    own = read_quantities(folder / "quantities" / "g0-600K.json")
    assert all(row.conditions["quench_rate_K_per_s"] == 4e14 for row in own)
    assert all("quench_rate_K_per_s" not in row.conditions for row in read_quantities(folder / "quantities/glass.json"))


def test_jump_rates_of_the_runs_are_those_of_the_walks(bench):
    for kelvin, chance in CHANCE.items():
        rows = read_quantities(bench.run.products / "analysis" / "quantities" / f"g0-{kelvin:g}K.json")
        found = {row.key.split(".", 2)[2]: row for row in rows if row.key.startswith("sites.")}
        true = chance / INTERVAL_PS
        # stays shorter than the way into a core are not seen: up to 3 % here
        assert abs(found["rate"].value - true) < 3 * found["rate"].error + 0.03 * true
        assert 60 <= found["sites"].value <= 64 and found["percolating"].value == 1.0
        assert found["length"].value == pytest.approx(3.0, abs=0.1)


def test_the_page_shows_the_sections_and_their_figures(bench):
    figures = {path.stem for path in (bench.run.products / "figures").glob("*.svg")}
    assert {"arrhenius", "sites", "stays", "rates", "heterogeneity"} <= figures
    text, numbers = bench.page().text, bench.numbers()
    titles = ("Transport against temperature", "Sites and jumps", "Heterogeneous motion")
    assert all(title in text for title in titles) and "quenched at 4 × 10¹⁴ K/s" in text
    assert "arrhenius.g0.glass.D.E_a" in numbers and "sites.g0-600K.residence" in numbers
    assert numbers["sites.g0-600K.by.near_P.chance"]["note"] == "permutation of the sites"


def test_what_is_no_longer_measured_is_removed(bench):
    folder = bench.run.products / "analysis"
    done = [item for item in bench.finished["analysis"] if item.task.name != "g0-900K"]
    assert (folder / "g0-900K.json").exists()
    product = analysis.collect(bench.run, done)
    assert not (folder / "g0-900K.json").exists() and (folder / "g0-arrhenius.json").exists()
    assert "g0-arrhenius/quantities" not in product.files, "two temperatures carry no line"
    assert not (folder / "quantities" / "g0-arrhenius.json").exists()
