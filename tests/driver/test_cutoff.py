"""calibrate-cutoff: points at several cutoffs, the table, and the smallest cutoff whose forces balance."""

import json
import stat
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.engines.cp2k import parse
from naglass_drv.engines.cp2k.run import cutoff
from naglass_drv.errors import TaskFailed
from support.jobs import called
from support.structures import DATA, cp2k_output

pytestmark = pytest.mark.cp2k

CELL = DATA / "structures" / "mol8s.extxyz"
ELEMENTS = ["Na", "V", "P", "O", "O", "O", "O", "O"]


def site(folder: Path, **outputs: str) -> Path:
    """A profile whose CP2K answers each cutoff with a recorded output, or with what the shell command prints."""
    commands = {ry: name if " " in name else f"cat {cp2k_output(name)}" for ry, name in outputs.items()}
    cases = "\n".join(f"*' {ry[2:]}') {command} ;;" for ry, command in commands.items())
    program = folder / "cp2k"
    version = "[ \"$1\" = --version ] && echo ' CP2K version 2023.1' && exit\n"
    program.write_text(f'#!/bin/sh\n{version}case "$(grep " CUTOFF" label.inp)" in\n{cases}\nesac\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "site.yaml").write_text(f"cp2k: {program}\ncp2k_data: /usr/share/cp2k\n")
    return folder / "site.yaml"


def calibrate(folder: Path, profile: Path, *arguments: str):
    return called("calibrate-cutoff", str(CELL), *arguments, cwd=folder, NAGLASS_SITE=str(profile))


def test_the_smallest_cutoff_that_passes_is_picked(tmp_path):
    profile = site(tmp_path, ry200="f_200", ry400="f_400", ry600="f_400")
    done = calibrate(tmp_path, profile, "--cutoffs", "600", "200", "400", "--max-net-force", "1.0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "1 of 3: 200 Ry" and lines[-1].startswith("cutoff_Ry: 400; ")
    found = json.loads((tmp_path / "calibrate-cutoff" / "calibrate-cutoff.json").read_text())
    assert found["picked_Ry"] == 400 and [point["cutoff_Ry"] for point in found["points"]] == [200, 400, 600]
    low, high = (parse.read(cp2k_output(name), ELEMENTS) for name in ("f_200", "f_400"))
    first, second, last = found["points"]
    assert first["net_force_eV_per_A"] == pytest.approx(low.net_force_eV_per_A, abs=1e-5)
    assert first["energy_difference_meV_per_atom"] == pytest.approx(1000 * (low.energy_eV - high.energy_eV) / 8)
    change = 1000 * np.linalg.norm(low.forces_eV_per_A - high.forces_eV_per_A, axis=1)
    assert first["force_difference_largest_meV_per_A"] == pytest.approx(change.max())
    assert first["force_difference_rms_meV_per_A"] == pytest.approx(np.sqrt((change**2).mean()))
    assert first["moment_difference_largest_muB"] == pytest.approx(np.abs(low.spin_mulliken - high.spin_mulliken).max())
    assert second["force_difference_largest_meV_per_A"] == 0 == last["energy_difference_meV_per_atom"]
    (row,) = [line.split() for line in lines if line.startswith("    200 ")]
    assert float(row[1]) == pytest.approx(low.net_force_eV_per_A, abs=1e-4)
    ET.parse(tmp_path / "calibrate-cutoff" / "calibrate-cutoff.svg")
    again = calibrate(tmp_path, profile, "--cutoffs", "400")
    assert again.returncode == 2 and "400Ry: already exists and is not overwritten" in again.stderr


def test_when_none_passes_the_table_is_there_all_the_same(tmp_path):
    profile = site(tmp_path, ry200="f_200", ry400="e_unconv", ry600="echo no CP2K")
    done = calibrate(
        tmp_path, profile, "--cutoffs", "200", "400", "600", "--level", "pbe+u+d3", "sodium=q1", "--folder", "scan"
    )
    assert done.returncode == 4
    net = parse.read(cp2k_output("f_200"), ELEMENTS).net_force_eV_per_A
    assert f"no cutoff brings |sum F| below 0.05 eV/A: the smallest is {net:.4f} at 200 Ry; try larger" in done.stderr
    table = done.stdout[done.stdout.index(" cutoff") :]
    assert "SCF_NOT_CONVERGED: 2 SCF paths failed (as in the template: the SCF did not converge; " in table
    assert "LAUNCHER: exit status 0" in table
    found = json.loads((tmp_path / "scan" / "calibrate-cutoff.json").read_text())
    assert found["picked_Ry"] is None and found["level"] == {"name": "pbe+u+d3", "sodium": "q1"}
    assert "GTH-PBE-q1" in (tmp_path / "scan" / "200Ry" / "scf-1" / "label.inp").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--level", "gfn1-xtb"], "the level gfn1-xtb has no plane-wave cutoff"),
        (["--level", "blyp", "sodium=q1"], "for PBE only"),
        (["--cutoffs", "-3"], "--cutoffs -3: must be above 0"),
        (["--cutoffs", "400", "inf"], "--cutoffs inf: must be a finite number"),
        (["--cutoffs", "7000"], "cutoff_Ry 7000: must be from 50 to 5000"),
        (["--level", "pbe", "rel_cutoff_Ry=NaN"], "rel_cutoff_Ry nan: must be "),
        (["--level", "pbe", "sodium"], "--level sodium: must be an option with its value, as sodium=q1"),
        (["--level", "pbe", "name=blyp"], "--level name=blyp: must be an option with its value"),
        (["--level", "pbo"], "level 'pbo': not a known level; choose from gfn1-xtb, pbe,"),
        (["--max-net-force", "0"], "--max-net-force 0: must be above 0"),
        (["--ranks", "0"], "--ranks 0: must be 1 or more"),
        (["--multiplicity", "3"], "multiplicity 3: 89 electrons (odd"),
    ],
)
def test_what_cannot_be_scanned(tmp_path, arguments, words):
    done = calibrate(tmp_path, site(tmp_path, ry400="f_400"), *arguments)
    assert done.returncode == 2 and words in done.stderr
    assert not (tmp_path / "calibrate-cutoff").exists()


def test_no_result_at_all_is_said_with_its_reason():
    points = [cutoff.Point(400.0, 1.0, 1.0, failure="ABORT: CP2K aborted: no basis")]
    with pytest.raises(TaskFailed, match="below 0.05 eV/A: ABORT: CP2K aborted: no basis"):
        cutoff.pick(points, 0.05)
    (row,) = cutoff.rows(points)
    assert row["failure"].startswith("ABORT") and "ABORT" in cutoff.table_of([row])
