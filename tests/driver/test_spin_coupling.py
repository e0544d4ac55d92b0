"""The coupling of moments: one structure with its moments as they are and with one reversed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from driver.test_reference import CELL, CP2K_DATA, DATA, make_run, run_task, stand_in
from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.products import Quantity
from naglass_drv.report.material import Material
from naglass_drv.report.numbers import Notice, Table
from naglass_drv.report.spins import spin_states
from naglass_drv.stages import reference
from naglass_drv.stages.base import Run, Task
from support import cp2k_stand_in

pytestmark = pytest.mark.cp2k


def pair(folder: Path) -> Path:
    """The 16-atom cell of the recorded output: two NaVPO5, atoms sorted by element."""
    double = read_frames(CELL)[0].repeat((2, 1, 1))
    order = sorted(range(16), key=lambda i: ["Na", "V", "P", "O"].index(double.symbols[i]))
    write_frames(folder / "s.extxyz", [double[order]])
    return folder / "s.extxyz"


def recorded(path: Path, higher_Ha: float, moment) -> Path:
    """The recorded output of two V4+ with a higher energy, and site moments (µB) `moment(number, value)`."""
    lines, totals = [], np.zeros(2)
    for line in (DATA / "cp2k" / "o_fm.out").read_text().splitlines():
        words = line.split()
        # rows of Mulliken: ... alpha, beta, charge, moment; of Hirshfeld: ... alpha, beta, moment, charge
        if len(words) in (7, 8) and re.fullmatch(r"\d+ [A-Z][a-z]? \d", " ".join(words[:3])):
            start, at = (3, 6) if len(words) == 7 else (4, 6)
            up, down = (float(word) for word in words[start : start + 2])
            wanted = moment(int(words[0]), float(words[at]))
            up, down = (up + down + wanted) / 2, (up + down - wanted) / 2
            words[start : start + 2], words[at] = [f"{up:.6f}", f"{down:.6f}"], f"{wanted:.6f}"
            totals += [up, down] if len(words) == 7 else 0
            line = "  ".join(words)
        elif "Total charge and spin" in line:
            line = f" # Total charge and spin {totals[0]:.6f} {totals[1]:.6f} 0.0 {totals[0] - totals[1]:.6f}"
        elif "Total energy:" in line or "ENERGY|" in line:
            line = line.replace(words[-1], f"{float(words[-1]) + higher_Ha:.15f}")
        lines.append(line)
    path.write_text("\n".join(lines) + "\n")
    return path


def one_set(folder: Path, *rules: dict, **section):
    program = cp2k_stand_in.install(folder / "bin", *rules)
    site = {"cp2k": str(program), "cp2k_data": CP2K_DATA, "launcher": None, "threads": 1}
    start = {"level": {"name": "pbe+u+d3", "cutoff_Ry": 200.0}, "structures": str(pair(folder))}
    run = make_run(folder, start | section, site=site)
    tasks = reference.plan(run)
    for task in tasks:
        # the recorded run has too low a cutoff for its forces
        task.settings["max_net_force_eV_per_A"] = 200.0
    done = [run_task(run, task) for task in tasks]
    reference.collect(run, done)
    return run, done


HARTREE_meV = 27211.386


PARALLEL, TURNED = {"when": ["MULTIPLICITY 3"]}, {"when": ["MULTIPLICITY 1"]}


def as_it_is(number: int, value: float) -> float:
    return value


def reversed_(number: int, value: float) -> float:
    return value if number % 2 else -value


def test_one_structure_shows_the_coupling_of_its_moments(tmp_path):
    same = recorded(tmp_path / "same.out", 0.0, as_it_is)
    turned = recorded(tmp_path / "turned.out", 0.00158, reversed_)
    rules = (PARALLEL | {"replay": str(same)}, TURNED | {"replay": str(turned)})
    run, done = one_set(tmp_path, *rules, frames_per_structure=2)
    assert [item.task.name for item in done] == ["a-s-v0", "a-s-v1", "a-s-v0-antiparallel"]
    assert [item.summary["status"] for item in done] == ["admitted"] * 3
    products = run.products / "reference"
    frames = read_labeled(products / "a.extxyz")
    assert [frame.info["multiplicity"] for frame in frames] == [3, 3], "the partner is no frame to train on"
    coupling = json.loads((products / "a-coupling.json").read_text())
    assert coupling["energy_difference_meV"] == pytest.approx(0.00158 * HARTREE_meV, rel=1e-5) and coupling["ions"] == 2
    assert coupling["moments_muB"] == {"parallel": [1.015, 1.041], "antiparallel": [1.015, -1.041]}
    assert (coupling["parallel"], coupling["flags"]) == ("a-s-v0", {})
    text, numbers = shown(run)
    assert numbers["labels.a.coupling_ion"].value == pytest.approx(0.00079 * HARTREE_meV, rel=1e-5)
    assert numbers["labels.a.sites_judged"].value == 2 and numbers["labels.a.sites_flagged"].value == 0
    assert "are a convention" in text and "paramagnet" in text


def shown(run: Run) -> tuple[str, dict[str, Quantity]]:
    """Text and numbers of what the report says of the spin states."""
    names = {"admitted": ".extxyz", "coupling": "-coupling.json"}
    files = {f"reference/a/{key}": run.products / "reference" / f"a{end}" for key, end in names.items()}
    material = Material(run.input.model_dump(mode="json"), [], {k: path for k, path in files.items() if path.exists()})
    blocks = list(spin_states(material, material.input["reference"]))
    cells = [c for block in blocks if isinstance(block, Table) for row in block.rows for c in row]
    words = [
        block.caption if isinstance(block, Table) else block.text if isinstance(block, Notice) else block
        for block in blocks
    ]
    return " ".join([*words, *map(str, cells)]), {c.key: c for c in cells if isinstance(c, Quantity)}


@pytest.mark.parametrize(("moved", "flag"), [(0.0, None), (0.9, "DISPROPORTIONATED"), (0.45, "FRACTIONAL_MOMENT")])
def test_a_flagged_label_is_kept_by_name(tmp_path, moved, flag):
    """Moment moved from one V4+ to the other: the sum, and with it all other checks, stay."""

    def odd(number: int, value: float) -> float:
        return value + {3: moved, 4: -moved}.get(number, 0.0)

    rules = [{"replay": str(recorded(tmp_path / "odd.out", 0.0, odd))}]
    run, (item,) = one_set(tmp_path, *rules, antiparallel=False)
    (frame,) = read_labeled(run.products / "reference" / "a.extxyz")
    assert item.summary["status"] == "admitted" and frame.info.get("spin_flag") == flag
    text, numbers = shown(run)
    assert numbers["labels.a.sites_flagged"].value == (flag is not None)
    assert "excluded from the dataset" in text and flag in text if flag else "excluded" not in text


def test_a_coupling_that_did_not_converge_is_told(tmp_path):
    same = recorded(tmp_path / "same.out", 0.0, as_it_is)
    # moments that have turned back to parallel
    rules = (PARALLEL | {"replay": str(same)}, TURNED | {"replay": str(same)})
    run, _ = one_set(tmp_path, *rules)
    coupling = json.loads((run.products / "reference" / "a-coupling.json").read_text())
    assert coupling["failure"] == "SPIN_MISMATCH" and "energy_difference_meV" not in coupling
    assert "the coupling of the moments is not known (SPIN_MISMATCH" in shown(run)[0]


@pytest.mark.parametrize(
    "section",
    [
        {"antiparallel": False}, {"level": "gfn1-xtb"}, {"spin": "antiferromagnetic"},
        {"multiplicity": 1}, {"structures": str(CELL)},
    ],
)  # fmt: skip
def test_sets_without_a_partner(tmp_path, section):
    """Switched off, tight binding, moments that are not parallel, one magnetic ion."""
    start = {"level": {"name": "pbe+u+d3", "cutoff_Ry": 200.0}, "structures": str(pair(tmp_path))}
    tasks: list[Task] = reference.plan(make_run(tmp_path, start | section, site=stand_in(tmp_path, "exit 1")))
    assert len(tasks) == 1 and not tasks[0].name.endswith("antiparallel")


def test_the_first_structure_with_several_magnetic_ions_has_the_partner(tmp_path):
    single, double = read_frames(CELL)[0], read_frames(pair(tmp_path))[0]
    for frame in (single, double):
        frame.info.clear()
    write_frames(tmp_path / "all.extxyz", [single, double, double])
    section = {"level": {"name": "pbe", "cutoff_Ry": 200.0}, "structures": str(tmp_path / "all.extxyz")}
    tasks = {t.name: t for t in reference.plan(make_run(tmp_path, section, site=stand_in(tmp_path, "exit 1")))}
    assert [name for name in tasks if name.endswith("antiparallel")] == ["a-all-1-v0-antiparallel"]
    partner = tasks["a-all-1-v0-antiparallel"].settings
    assert partner["coupling"] == "a-all-1-v0" and partner["frame"]["info"]["multiplicity"] == 1
    assert sum(partner["frame"]["start_moment_muB"]) == 0
    assert all("coupling" not in task.settings for name, task in tasks.items() if "antiparallel" not in name)


@pytest.mark.parametrize("move", ["aimd", "relax"])
def test_a_trajectory_has_the_coupling_of_its_start(tmp_path, move):
    how = {"aimd": {"segments": [{"temperature_K": 300, "time_ps": 0.02}]}, "relax": {}}[move]
    section = {"level": {"name": "pbe", "cutoff_Ry": 200.0}, "structures": str(pair(tmp_path)), move: how, "charge": 0}
    run = make_run(tmp_path, section, site=stand_in(tmp_path, "exit 1"), dataset_level="gfn1-xtb")
    tasks = {task.name: task.settings for task in reference.plan(run)}
    assert list(tasks) == ["a-s-v0", "a-s-v0-parallel", "a-s-v0-antiparallel"]
    assert [move in settings for settings in tasks.values()] == [True, False, False]
    assert [settings.get("coupling") for settings in tasks.values()] == [None, "a-s-v0-parallel", "a-s-v0-parallel"]
    assert [settings["frame"]["info"]["multiplicity"] for settings in tasks.values()] == [3, 3, 1]
