"""Haven ratio and conductivity of crystal, interface and glass: from trajectories to lines and the page."""

from pathlib import Path

import numpy as np
import pytest
from test_interface_analysis import CRYSTAL, GLASS, trajectory

from naglass_drv import core
from naglass_drv.analysis import interfaces
from naglass_drv.analysis.arrhenius import BOLTZMANN_EV_PER_K
from naglass_drv.analysis.interface_motion import LAYERS
from naglass_drv.analysis.interface_rows import interfaces as rows
from naglass_drv.analysis.layer_temperatures import layer_temperatures, of_layer
from naglass_drv.analysis.temperatures import lines_of
from naglass_drv.config.schema import Analysis
from naglass_drv.files import write_arrays, write_json
from naglass_drv.interface.bulks import bulk_crystal
from naglass_drv.interface.crystal import read_crystal
from naglass_drv.interface.joining import melt_against
from naglass_drv.interface.slabs import chosen, listed, slab
from naglass_drv.report.arrhenius import arrhenius
from naglass_drv.report.interface import interface as shown
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import Figure, Notice, Table

INTERVAL_PS, HOP_A = 0.5, 1.4
CHANCE = {600.0: 0.04, 750.0: 0.10, 900.0: 0.19}  # of a hop per frame along either axis of the surface


@pytest.fixture(scope="module")
def cell():
    crystal = read_crystal(CRYSTAL)
    cut = slab(crystal, chosen(listed(crystal, (0, 0, 1))), thickness_A=20, lateral_A=8)
    return melt_against(cut, GLASS, 2.6, glass_A=20, seed=3).atoms, bulk_crystal(cut)


def hopping(atoms, kelvin, frames=500, *, slide=0.0):
    """The Na hop along the surfaces, all alike and by themselves; `slide` (Å) moves the glass by the end."""
    rng = np.random.default_rng(int(kelvin))
    ions = np.flatnonzero(np.array(atoms.get_chemical_symbols()) == "Na")
    drawn = rng.random((frames, len(ions), 2))
    steps = (drawn < CHANCE[kelvin] / 2).astype(float) - (drawn > 1 - CHANCE[kelvin] / 2)
    moved = HOP_A * np.cumsum(steps, axis=0)
    made = trajectory(atoms, frames, interval=INTERVAL_PS, seed=int(kelvin))
    for number, frame in enumerate(made):
        frame.positions[ions, :2] += moved[number]
        frame.positions[atoms.arrays["phase"] == 0, 0] += slide * number / frames
        frame.info["temperature_K"] = kelvin + rng.normal()
        frame.wrap()
    return made


@pytest.fixture(scope="module")
def runs(cell):
    """Numbers of the interface at each temperature, as `measure` would hold them, and the curves."""
    atoms, bulk = cell
    found = {}
    for kelvin in CHANCE:
        frames = hopping(atoms, kelvin)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(interfaces, "_PROFILED", 12)
            numbers, curves = interfaces.interface(frames, bulk, Analysis(), name=f"i0-{kelvin:g}K")
        moved = {"ion": "Na", "reason": None, "msd_at_longest_lag_A2": {"Na": 50.0, "P": 0.1}, "longest_lag_ps": 100.0}
        whole = {"interface": numbers, "transport": moved, "temperature_K": kelvin, "exchanged_bonds": {}}
        whole |= {"composition": {"Na": 64, "P": 60}, "duration_ps": 250.0}
        found[f"i0-{kelvin:g}K"] = whole, curves
    return found


def test_layers_have_the_diffusion_and_the_haven_ratio_of_their_walks(runs):
    """D = p a²/(2 Δt) along each axis, the same in all layers, and independent: Haven 1."""
    for (name, (numbers, _)), chance in zip(runs.items(), CHANCE.values(), strict=True):
        true = 1e-8 * chance * HOP_A**2 / (2 * INTERVAL_PS)
        for layer in LAYERS:
            moved = of_layer(numbers, layer)
            assert moved["haven_ratio_reason"] is None, (name, layer)
            assert abs(moved["D_m2_per_s"] - true) < 3.5 * moved["D_m2_per_s_err"]
            low, high = moved["haven_ratio_interval"]
            assert 0.7 * low < 1 < 1.4 * high
            ratio = moved["nernst_einstein_S_per_m"] / moved["D_m2_per_s"]
            density = 1e30 * moved["ions"] / moved["volume_A3"]
            assert ratio == pytest.approx(core.nernst_einstein(density, 1.0, numbers["temperature_K"]), rel=0.01)
        assert numbers["interface"]["layer_transport"]["slide_A"] < 0.1


def test_each_layer_has_its_arrhenius_line(runs):
    lines = {
        each["layer"]: each for each in layer_temperatures("i0", {name: numbers for name, (numbers, _) in runs.items()})
    }
    assert list(lines) == list(LAYERS)
    x = 1 / (BOLTZMANN_EV_PER_K * np.array(list(CHANCE)))
    true = -np.polyfit(x, np.log(list(CHANCE.values())), 1)[0]
    for layer, found in lines.items():
        assert found["structure"] == f"i0-{layer}" and found["quench_rate_K_per_s"] is None
        line = lines_of(found, "D")["solid"]
        assert abs(line.energy_eV - true) < 3 * line.energy_err
    bare = {name: numbers | {"interface": None} for name, (numbers, _) in runs.items()}
    assert list(layer_temperatures("i0", bare)) == []


def test_the_page_sets_glass_interface_and_crystal_side_by_side(runs, tmp_path):
    files: dict[str, Path] = {}
    for name, (numbers, curves) in runs.items():
        write_json(tmp_path / f"{name}.json", numbers)
        write_arrays(tmp_path / f"{name}.npz", curves)
        conditions = {"conditions": {"temperature_K": numbers["temperature_K"]}}
        write_json(tmp_path / f"{name}-rows.json", [r.as_json() | conditions for r in rows(name, numbers["interface"])])
        files |= {
            f"analysis/{name}/numbers": tmp_path / f"{name}.json",
            f"analysis/{name}/curves": tmp_path / f"{name}.npz",
        }
        files[f"analysis/{name}/quantities"] = tmp_path / f"{name}-rows.json"
    for found in layer_temperatures("i0", {name: numbers for name, (numbers, _) in runs.items()}):
        path = tmp_path / f"{found['structure']}-lines.json"
        write_json(path, found)
        files[f"analysis/{found['structure']}-arrhenius/arrhenius"] = path
    material = Material({}, [], files)
    section = shown(material)
    (table,) = [block for block in section.blocks if isinstance(block, Table) and block.head[0] == "run"]
    assert [row[:3] for row in table.rows[:3]] == [["i0-600K", "600 K", layer] for layer in LAYERS]
    assert len(table.rows) == 9 and {len(row) for row in table.rows} == {8}
    notes = [block.text for block in section.blocks if isinstance(block, Notice)]
    assert any("profiles and layers refer to the flat surface" in text for text in notes)
    lines = arrhenius(material)
    svg = next(block for block in lines.blocks if isinstance(block, Figure)).svg.decode()
    assert all(f"i0-{layer}" in svg for layer in LAYERS) and "Haven ratio" in svg


def test_a_glass_that_slides_along_the_crystal_is_told(cell, monkeypatch):
    monkeypatch.setattr(interfaces, "_PROFILED", 6)
    atoms, bulk = cell
    frames = hopping(atoms, 600.0, 60, slide=3.0)
    numbers, _ = interfaces.interface(frames, bulk, Analysis(), name="i0-600K")
    assert numbers["layer_transport"]["slide_A"] == pytest.approx(3.0, rel=0.1)
    early = numbers["layer_transport"]["by_layer"][0]
    assert early["haven_ratio"] is None and "it takes at least" in early["haven_ratio_reason"]
