"""Transport against temperature: from measured runs to lines, rows, the section of the page and its figure."""

import json

import numpy as np
import pytest

from naglass_drv.analysis import temperatures
from naglass_drv.analysis.arrhenius import BOLTZMANN_EV_PER_K
from naglass_drv.core.statistics import student
from naglass_drv.products import read_quantities
from naglass_drv.report.arrhenius import arrhenius
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import Figure, Notice, Table, leaves

RATE = 1e14
GLASS = {"glass": {"quench_rate_K_per_ps": 100}, "md": {"structures": "glass"}}


def measured(kelvin, energy, *, diffusive=True, exchanged=0):
    """What `measure` finds in a run, as far as it matters here."""
    unit = 1e-7 * np.exp(-energy / (BOLTZMANN_EV_PER_K * kelvin))

    def with_errors(key, value):
        return {key: value, f"{key}_err": 0.1 * value, f"{key}_interval": [value / 1.2, value * 1.2]}

    moved = {"ion": "Na", "reason": None if diffusive else "the ions rattle", "diffusive": diffusive}
    moved |= {"msd_at_longest_lag_A2": {"Na": 20.0, "P": 0.1}, "longest_lag_ps": 50.0}
    if diffusive:
        moved |= with_errors("D_m2_per_s", unit) | with_errors("haven_ratio", 0.6)
        moved |= with_errors("conductivity_S_per_m", 1e9 * unit / kelvin)
        moved |= with_errors("nernst_einstein_S_per_m", 6e8 * unit / kelvin)
    else:
        moved |= {"D_m2_per_s": None, "D_m2_per_s_upper": 100 * unit, "haven_ratio": None}
    bonds = {"P-O": {"bonds": 100, "exchanged": exchanged}}
    return {"kind": "trajectory", "temperature_K": kelvin, "transport": moved, "composition": {"Na": 8, "P": 8},
            "exchanged_bonds": bonds, "duration_ps": 100.0}  # fmt: skip


def runs(structure, energy, kelvin=(600.0, 700.0, 850.0), **other):
    return {f"{structure}-{t:.0f}K": measured(t, energy, **other) for t in kelvin}


def material(tmp_path, structures, rate=RATE) -> Material:
    """A page's material as the stage writes it."""
    files, fitted = {}, []
    for structure, own in structures.items():
        for run, numbers in own.items():
            files[f"analysis/{run}/numbers"] = tmp_path / f"{run}.json"
            files[f"analysis/{run}/quantities"] = tmp_path / "no"
            (tmp_path / f"{run}.json").write_text(json.dumps(numbers))
        found = temperatures.temperatures(structure, own, rate)
        path = tmp_path / f"{structure}-arrhenius.json"
        path.write_text(json.dumps(found, allow_nan=False))
        files[f"analysis/{structure}-arrhenius/arrhenius"] = path
        written = tmp_path / f"rows-{structure}.json"
        written.write_text(json.dumps([row.as_json() for row in temperatures.rows(found)]))
        files[f"analysis/{structure}-arrhenius/quantities"] = written
        fitted.append(found)
    means = tmp_path / "means.json"
    means.write_text(json.dumps([row.as_json() for row in temperatures.mean_rows(fitted)]))
    (tmp_path / "no").write_text("[]")
    files["analysis/replicas-arrhenius/quantities"] = means
    return Material(GLASS if rate else {"md": {"structures": "a.extxyz"}}, [], files)


def test_lines_of_d_and_of_both_conductivities_are_rows_with_the_quench_rate():
    found = temperatures.temperatures("g0", runs("g0", 0.5), RATE)
    rows = {row.key: row for row in temperatures.rows(json.loads(json.dumps(found)))}
    for word in ("D", "nernst_einstein", "conductivity"):
        energy = rows[f"arrhenius.g0.glass.{word}.E_a"]
        assert energy.value == pytest.approx(0.5) and energy.unit == "eV" and energy.interval[0] < 0.5
        assert energy.conditions == {"quench_rate_K_per_s": RATE}
    prefactor, at = rows["arrhenius.g0.glass.D.prefactor"], rows["arrhenius.g0.glass.D.at_300K"]
    assert prefactor.value == pytest.approx(1e-7) and prefactor.unit == "m²/s"
    assert at.value == pytest.approx(1e-7 * np.exp(-0.5 / (BOLTZMANN_EV_PER_K * 300))) and at.interval[0] < at.value
    assert at.conditions["temperature_K"] == 300.0
    assert rows["arrhenius.g0.glass.conductivity.prefactor"].value == pytest.approx(100.0)


def test_the_mean_over_glasses_is_a_row_of_its_own():
    energies = (0.45, 0.5, 0.55)
    found = [temperatures.temperatures(f"g{k}", runs(f"g{k}", e), RATE) for k, e in enumerate(energies)]
    (row, *others) = temperatures.mean_rows(found)
    assert row.key == "arrhenius.replicas.glass.D.E_a" and len(others) == 2
    assert row.value == pytest.approx(0.5) and row.error == pytest.approx(student(2, 1.0) * 0.05 / np.sqrt(3))
    assert not list(temperatures.mean_rows(found[:1]))
    crystals = [temperatures.temperatures(f"c{k}", runs(f"c{k}", e), None) for k, e in enumerate(energies)]
    assert not list(temperatures.mean_rows(crystals)), "crystals are not replicas of each other"


def test_a_flowing_network_is_another_state_and_a_crystal_is_no_glass():
    hot = runs("g0", 0.3, (1200.0, 1400.0, 1600.0), exchanged=30)
    found = temperatures.temperatures("g0", runs("g0", 0.5) | hot, RATE)
    keys = {row.key for row in temperatures.rows(found)}
    assert {"arrhenius.g0.glass.D.E_a", "arrhenius.g0.melt.D.E_a", "arrhenius.g0.glass.D.at_300K"} <= keys
    assert "arrhenius.g0.melt.D.at_300K" not in keys, "the melt's line ends where the glass begins"
    crystal = temperatures.temperatures("NVP", runs("NVP", 0.5), None)
    assert next(row.key for row in temperatures.rows(crystal)) == "arrhenius.NVP.solid.D.E_a"
    assert temperatures.temperatures("g0", {"g0-600K": {"transport": None, "temperature_K": 600.0}}, RATE) is None


def test_the_page_shows_lines_bounds_and_reasons(tmp_path):
    cold = runs("g0", 0.5, (400.0,), diffusive=False)
    two = runs("g1", 0.5, (600.0, 700.0)) | runs("g1", 0.5, (850.0,), exchanged=40)
    made = material(tmp_path, {"g0": runs("g0", 0.5) | cold, "g1": two})
    section = arrhenius(made)
    (good, lacking) = (block for block in section.blocks if isinstance(block, Notice))
    assert good.head == "Arrhenius line of D of Na, quenched at 1 × 10¹⁴ K/s."
    assert good.text == "g0, glass: 600 to 850 K, without g0-400K."
    assert "g1, glass: 2 of the 3 temperatures" in lacking.text and "g1, supercooled melt: 1 of" in lacking.text
    lines, points = leaves(section.blocks, Table)
    assert next(row[:3] for row in lines.rows) == ["g0", "glass", "self-diffusion"]
    assert lines.head[2] == "coefficient, quenched at 1 × 10¹⁴ K/s"
    assert [row[3] for row in points.rows][3].startswith("the ions rattle; D is below ")
    (figure,) = leaves(section.blocks, Figure)
    assert figure.svg.startswith(b"<?xml") and len({number.key for number in section.numbers}) == len(section.numbers)
    assert read_quantities(tmp_path / "means.json") == []


def test_a_bound_below_the_line_is_told(tmp_path):
    cold = runs("g0", 0.5, (400.0,), diffusive=False)
    cold["g0-400K"]["transport"]["D_m2_per_s_upper"] *= 1e-4
    section = arrhenius(material(tmp_path, {"g0": runs("g0", 0.5) | cold}))
    assert [block.head for block in section.blocks if isinstance(block, Notice)][-1] == "g0-400K."


def test_one_temperature_has_no_section(tmp_path):
    assert arrhenius(material(tmp_path, {"g0": runs("g0", 0.5, (600.0,))})) is None
    assert arrhenius(Material(GLASS, [], {})) is None
