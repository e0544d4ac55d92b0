"""The families with pretrained weights, in environments of their own (`make environments`)."""

import json
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.engines.mlip import environments
from naglass_drv.engines.mlip.families import FAMILIES
from naglass_drv.engines.mlip.potential import Potential
from support.mace_models import SMALLEST, build_model

pytestmark = [pytest.mark.slow, pytest.mark.mpi]

STRUCTURES = Path(__file__).parents[1] / "data" / "structures"
FRAMES = Path(__file__).parents[2] / "examples" / "reference-set" / "frames-pbe.extxyz.gz"


@pytest.fixture(scope="module", autouse=True)
def made():
    """Environments take the package index and gigabytes, which a machine may not have."""
    there = {environment.family.name for environment in environments.known() if environment.current}
    if missing := sorted(set(FAMILIES) - there):
        pytest.skip(f"no environment of {', '.join(missing)}: make environments")


@pytest.fixture(scope="module")
def frames():
    return [frame for frame in read_frames(FRAMES) if frame.info.get("config_type") != "IsolatedAtom"]


def test_sevennet_and_chgnet_by_their_own_weights(frames, tmp_path):
    """Force errors on the project's labels as they are known for these weights (13 frames, docs/potentials.md)."""
    some = frames[::2]
    known = {"sevennet:7net-0": (518, 0.913), "chgnet:0.3.0": (577, 0.900)}
    for text, (rmse, slope) in known.items():
        with Potential.of(text).open(tmp_path) as worker:
            found = [worker.evaluate(frame) for frame in some]
        true = np.concatenate([frame.arrays["REF_forces"] for frame in some])
        off = np.concatenate([one.forces for one in found]) - true
        assert 1e3 * np.sqrt((off**2).mean()) == pytest.approx(rmse, abs=1)
        assert ((off + true) * true).sum() / (true**2).sum() == pytest.approx(slope, abs=1e-3)
        assert all((one.moments is not None) == text.startswith("chgnet") for one in found)


def test_dispersion_is_that_of_d3(frames, tmp_path):
    """What is added is attractive, and the same for every model of a functional."""
    frame, added = frames[0], []
    for model in ("7net-0", "7net-mf-0"):
        with Potential.of(f"sevennet:{model}").open(tmp_path) as plain:
            without = plain.evaluate(frame)
        with Potential.of(f"sevennet:{model}+d3").open(tmp_path) as worker:
            assert worker.facts["dispersion"] == "PBE"
            added.append(worker.evaluate(frame).energy - without.energy)
    assert added[0] == pytest.approx(added[1], abs=1e-4) and -0.3 < added[0] / len(frame) < -0.02


def test_a_frame_where_a_coefficient_of_d3_switches_is_no_label(tmp_path, monkeypatch, capsys):
    """The C6 of an Fe goes over within 0.3 % of strain; LAMMPS and CP2K have the same step there."""
    monkeypatch.chdir(tmp_path)
    caught = read_frames(STRUCTURES / "dispersion-switch.extxyz")[0]
    beside, dispersion = caught.copy(), []
    beside.set_cell(1.02 * caught.cell, scale_atoms=True)
    with Potential.of("chgnet:0.3.0").open(tmp_path / "plain") as plain:
        without = [plain.evaluate(frame) for frame in (caught, beside)]
    with Potential.of("chgnet:0.3.0+d3").open(tmp_path / "sum") as worker:
        for frame, base in zip((caught, beside), without, strict=True):
            found = worker.evaluate(frame)
            assert found.forces - base.forces == pytest.approx(found.dispersion_forces, abs=1e-5)
            dispersion.append(np.linalg.norm(found.dispersion_forces, axis=1).max())
    assert dispersion[0] > 3 and dispersion[1] < 0.1
    write_frames(tmp_path / "plain.extxyz", [beside, caught])
    assert main(["relabel", "plain.extxyz", "--potential", "chgnet:0.3.0+d3", "-o", "taught.extxyz"]) == 0
    assert "1 frame admitted, 1 rejected: DISPERSION_SWITCHES 1" in capsys.readouterr().out
    (refused,) = json.loads((tmp_path / "taught-rejected.json").read_text())
    assert refused["frame"] == "plain.extxyz: frame 1" and "(Fe) with 3.4" in refused["message"]
    assert len([frame for frame in read_frames(tmp_path / "taught.extxyz") if len(frame) > 1]) == 1


def test_moments_with_dispersion_are_those_without(frames, tmp_path):
    found = {}
    for text in ("chgnet:0.3.0", "chgnet:0.3.0+d3"):
        with Potential.of(text).open(tmp_path) as worker:
            found[text] = worker.evaluate(frames[0])
    without, with_d3 = found.values()
    assert with_d3.moments == pytest.approx(without.moments, abs=1e-5) and without.moments.max() > 0.1
    assert -0.3 < (with_d3.energy - without.energy) / len(frames[0]) < -0.02


def test_screen_puts_them_side_by_side(frames, tmp_path, monkeypatch, capsys):
    from naglass_drv.engines.mace.modelfile import default_dtype, save_portable

    monkeypatch.chdir(tmp_path)
    with default_dtype("float64"):
        save_portable(build_model(**SMALLEST), tmp_path / "m.mace")
    potentials = ["chgnet:0.3.0", "mace:m.mace", "ase:ase.calculators.emt:EMT"]
    assert main(["screen", str(FRAMES), "--every", "9", "--potential", *potentials]) == 4
    out = capsys.readouterr().out
    assert "G0 sanity: WORKER_FAILED: ase: NotImplementedError: No EMT-potential" in out
    found = json.loads((tmp_path / "screen.json").read_text())["potentials"]
    gates = {text: one["gates"] for text, one in found.items()}
    assert list(found) == potentials and gates["ase:ase.calculators.emt:EMT"]["G3"]["failure"] == "WORKER_FAILED"
    for text in potentials[:2]:
        assert gates[text]["G3"]["frames"] == 3 and len(found[text]["facts"]["weights_sha256"]) == 64
    assert gates["mace:m.mace"]["G0"]["force_eV_per_A"] < 1e-5 < gates["chgnet:0.3.0"]["G0"]["force_eV_per_A"]
    assert gates["chgnet:0.3.0"]["G8"]["V"] > 0 and gates["mace:m.mace"]["G8"]["state"] == "not run"


def test_a_set_is_labeled_as_the_potential_says(frames, tmp_path):
    """SevenNet with D3, and CHGNet, whose moments are no labels."""
    from ase import Atoms

    from naglass_drv.dataset.frames import read_labeled, write_frames
    from naglass_drv.stages import reference
    from support.taught import attempt, make_run

    some = [Atoms(f.symbols, f.positions, cell=f.cell.array, pbc=True) for f in frames[:2]]
    for plain, frame in zip(some, frames, strict=False):
        plain.info["multiplicity"] = int(frame.info["multiplicity"])
    write_frames(tmp_path / "cells.extxyz", some)
    levels = {
        "s": {"name": "mlip", "family": "sevennet", "model": "7net-0", "dispersion": "d3"},
        "c": {"name": "mlip", "family": "chgnet", "model": "0.3.0"},
    }
    run = make_run(tmp_path, *({"name": name, "level": level} for name, level in levels.items()))
    labels = reference.collect(run, [attempt(run, task) for task in reference.plan(run)])
    for name, text in (("s", "sevennet:7net-0+d3"), ("c", "chgnet:0.3.0")):
        with Potential.of(text).open(tmp_path) as worker:
            for frame in (found := read_labeled(labels.files[f"{name}/admitted"])):
                direct = worker.evaluate(frame)
                assert frame.info["REF_energy"] == pytest.approx(direct.energy, abs=1e-4)
                assert frame.arrays["REF_forces"] == pytest.approx(direct.forces, abs=1e-3)
                assert frame.info["level"].startswith(text.replace(":", "-") + "-h")
                assert not {key for key in frame.arrays if "spin" in key or "moment" in key or "magmom" in key}
        assert len(found) == 2
