"""Frames labeled by a potential are a dataset of a level of its own."""

import json

import numpy as np
import pytest
from ase.calculators.lj import LennardJones

from naglass_drv.cli.main import main
from naglass_drv.dataset.assemble import assemble
from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.errors import InputError
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


@pytest.mark.parametrize("as_table", [False, True])
def test_isolated_atoms_of_an_earlier_file_are_taken(taught, tmp_path, capsys, as_table):
    """Two files then have the same ones, so that a dataset can have both, and a model of the first be refined."""
    e0 = tmp_path / "taught.extxyz"
    atoms = {frame.get_chemical_formula(): frame.info["REF_energy"] for frame in taught[6:]}
    if as_table:
        e0 = tmp_path / "dataset.json"
        e0.write_text(
            json.dumps({"level": taught[0].info["level"], "E0_eV": atoms, "E0": {"from": "least_squares", "frames": 6}})
        )
    write_frames(tmp_path / "more.extxyz", frames()[2:4])
    again = ["relabel", "more.extxyz", *RELABEL[2:-1], "more-taught.extxyz"]
    assert main(again) == 0
    with pytest.raises(InputError, match="'relabel --e0 FILE' labels with the isolated atoms of another file"):
        assemble(LEVEL, {"taught": taught, "more": read_labeled(tmp_path / "more-taught.extxyz")}, {})
    assert main([*again, "--e0", str(e0)]) == 0
    assert f"isolated-atom energies of {e0}" in capsys.readouterr().out
    more = read_labeled(tmp_path / "more-taught.extxyz")
    assert {frame.get_chemical_formula(): frame.info["REF_energy"] for frame in more[2:]} == {
        element: atoms[element] for element in ("Na", "O", "P")
    }
    assert all(frame.info["source"].startswith("least squares over 6 frames") for frame in more[2:])
    made = assemble(LEVEL, {"taught": taught, "more": more}, {})
    assert made.e0_eV == pytest.approx(atoms, abs=1e-12) and made.copies == 2


def test_isolated_atoms_of_another_kind_are_refused(taught, tmp_path, capsys, monkeypatch):
    """What is missing before the first evaluation; the level as soon as the potential is open."""
    write_frames(tmp_path / "more.extxyz", frames()[:2])
    again = ["relabel", "more.extxyz", *RELABEL[2:-1], "more-taught.extxyz", "--e0"]
    write_frames(tmp_path / "no.extxyz", taught[:6])
    write_frames(tmp_path / "few.extxyz", taught[:8])
    monkeypatch.setattr("naglass_drv.engines.mlip.client.Worker.evaluate", None)
    (tmp_path / "other.json").write_text(
        json.dumps({"level": "lj-h1", "E0_eV": dict.fromkeys(("Na", "V", "P", "O"), -1.0)})
    )
    missing = sorted({"Na", "V", "P", "O"} - {frame.get_chemical_formula() for frame in taught[6:8]})
    for file, message in (
        ("no.extxyz", "no.extxyz: has no isolated atoms"),
        ("few.extxyz", f"--e0 few.extxyz: has no isolated-atom energy of {', '.join(missing)}"),
        ("other.json", "--e0 other.json: is of level lj-h1, not of ase-"),
        ("absent.json", "absent.json: cannot be read"),
    ):
        assert main([*again, file]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "more-taught.extxyz").exists()


def test_a_failure_names_the_frame_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "plain.extxyz", frames())
    assert main(["relabel", "plain.extxyz", "--potential", "ase:ase.calculators.emt:EMT", "-o", "t.extxyz"]) == 4
    assert "plain.extxyz: frame 0: ase: NotImplementedError" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plain.extxyz"]


def test_atoms_on_top_of_each_other_cost_their_frame_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bad = frames()
    bad[1].positions[1] = bad[1].positions[0]
    write_frames(tmp_path / "plain.extxyz", bad)
    assert main(RELABEL) == 0
    assert f"5 frames of level {LEVEL}-h" in capsys.readouterr().out
    (record,) = json.loads((tmp_path / "taught-rejected.json").read_text())
    assert (record["frame"], record["failure"]) == ("plain.extxyz: frame 1", "TOO_CLOSE")
    assert record["message"] == "atoms 0 and 1 are 0.000 Å apart (less than 0.5 Å)"
    write_frames(tmp_path / "plain.extxyz", bad[1:2])
    assert main([*RELABEL[:-1], "again.extxyz"]) == 2
    assert "0.000 Å apart (less than 0.5 Å); no other frame is left" in capsys.readouterr().err
    assert not (tmp_path / "again-rejected.json").exists()


def test_the_frames_are_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "plain.extxyz", frames())
    assert main([*RELABEL[:-1], "plain.extxyz"]) == 2
    assert "--output plain.extxyz: is itself an input" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.info.update(charge="two"), "charge is 'two'; must be an integer"),
        (lambda frame: frame.info.update(charge=0.5), "charge is 0.5; must be an integer"),
        (lambda frame: frame.info.update(multiplicity="high"), "multiplicity is 'high'; must be an integer"),
        (lambda frame: frame.info.update(temperature_K="hot"), "temperature_K is 'hot'; must be a finite number"),
        (lambda frame: frame.set_pbc([True, True, False]), "not periodic in all directions, which lammps:lj.lmp needs"),
        (lambda frame: frame.symbols.__setitem__(0, "Li"), "lammps:lj.lmp does not cover Li"),
    ],
)
def test_a_frame_that_cannot_be_labeled_is_named_before_the_first_evaluation(
    tmp_path, monkeypatch, capsys, change, message
):
    monkeypatch.chdir(tmp_path)
    bad = frames()
    change(bad[1])
    write_frames(tmp_path / "plain.extxyz", frames())
    write_frames(tmp_path / "bad.extxyz", bad)
    (tmp_path / "lj.lmp").write_text("# elements Na V P O\npair_style lj/cut 4.0\npair_coeff * * 0.05 2.2\n")
    monkeypatch.setattr("naglass_drv.engines.mlip.potential.Potential.open", None)
    assert main(["relabel", "plain.extxyz", "bad.extxyz", "--potential", "lammps:lj.lmp", "-o", "t.extxyz"]) == 2
    assert f"bad.extxyz: frame 1: {message}" in capsys.readouterr().err
