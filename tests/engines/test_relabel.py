"""Frames labeled by a potential are a dataset of a level of its own."""

import numpy as np
import pytest
from ase.calculators.lj import LennardJones

from naglass_drv.cli.main import main
from naglass_drv.dataset.assemble import assemble
from naglass_drv.dataset.frames import read_labeled, write_frames
from support.mace_models import packing

pytestmark = pytest.mark.mpi


def frames():
    """Na4V2P4O16 and mixtures of it, as structures with ions of a known charge."""
    out = []
    for seed, symbols in enumerate(("Na4V2P4O16", "Na4V2P4O16", "Na2O", "P4O10", "V2O5", "Na3PO4")):
        from ase.symbols import string2symbols

        names = string2symbols(symbols)
        atoms = packing(26, 30.0, seed=seed)[: len(names)]
        atoms.symbols[:] = names
        # what files keep
        atoms.set_cell(atoms.cell.array.round(8))
        atoms.positions = atoms.positions.round(8)
        atoms.info["temperature_K"] = 300.0 * seed
        out.append(atoms)
    return out


LEVEL = "ase-ase.calculators.lj-LennardJones"
RELABEL = ["relabel", "plain.extxyz", "--potential", "ase:ase.calculators.lj:LennardJones", "-o", "taught.extxyz"]


@pytest.fixture
def taught(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "plain.extxyz", frames())
    assert main([*RELABEL, "--workers", "2"]) == 0
    assert f"6 frames of level {LEVEL}-h" in capsys.readouterr().out
    return read_labeled(tmp_path / "taught.extxyz")


def test_labels_are_those_of_the_potential(taught):
    for frame, plain in zip(taught, frames(), strict=False):
        plain.calc = LennardJones()
        assert frame.info["REF_energy"] == pytest.approx(plain.get_potential_energy())
        assert frame.arrays["REF_forces"] == pytest.approx(plain.get_forces(), abs=1e-8)
        assert frame.info["REF_stress"] == pytest.approx(plain.get_stress(voigt=False), abs=1e-12)
        assert frame.info["group"].startswith(frame.get_chemical_formula())
        assert frame.info["temperature_K"] == plain.info["temperature_K"]


def test_isolated_atoms_are_fitted_and_a_dataset_takes_them(taught):
    atoms = {frame.get_chemical_formula(): frame.info["REF_energy"] for frame in taught[6:]}
    assert set(atoms) == {"Na", "V", "P", "O"}
    made = assemble(LEVEL, {"taught": taught}, {})
    assert made.e0_eV == pytest.approx(atoms) and len(made.frames) == 6
    counts = np.array([[list(f.symbols).count(e) for e in atoms] for f in taught[:6]]) / [[len(f)] for f in taught[:6]]
    energies = np.array([f.info["REF_energy"] / len(f) for f in taught[:6]])
    expected, *_ = np.linalg.lstsq(counts, energies, rcond=None)
    assert list(atoms.values()) == pytest.approx(expected)


def test_compositions_that_do_not_determine_the_atoms_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "plain.extxyz", frames()[:2])
    assert main(RELABEL) == 0
    assert "the compositions do not determine each of them" in capsys.readouterr().out


def test_a_failure_names_the_frame_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "plain.extxyz", frames())
    assert main(["relabel", "plain.extxyz", "--potential", "ase:ase.calculators.emt:EMT", "-o", "t.extxyz"]) == 4
    assert "frame 0: ase: NotImplementedError" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plain.extxyz"]


def test_the_frames_are_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "plain.extxyz", frames())
    assert main([*RELABEL[:-1], "plain.extxyz"]) == 2
    assert "--output plain.extxyz: is itself an input" in capsys.readouterr().err
