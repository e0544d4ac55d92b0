"""Frames that others labeled: the numbers of their sources, and the gate."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import write_xyz

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.errors import InputError
from naglass_drv.foreign.cp2k.folder import read_folder
from naglass_drv.foreign.gate import HIGH_SPIN, Found, Refused, Terms, admit, read_extxyz
from naglass_drv.foreign.sources import read_source
from support.labeled import cell

CP2K = Path(__file__).parents[1] / "data" / "cp2k"
HARTREE_eV, BOHR_A = 27.211386245988, 0.529177210903


def foreign(path: Path, **more) -> Atoms:
    """A frame as ASE writes one with a calculator."""
    frame = Atoms("Na2O", [[0, 0, 0], [2.2, 0.1, 0], [4.4, 0, 0.3]], cell=[6, 7, 8], pbc=True, info=more)
    forces = np.array([[0.1, 0.2, 0.3], [0.0, -0.1, 0.0], [-0.1, -0.1, -0.3]])
    stress = [0.1, 0.2, 0.3, 0.04, 0.05, 0.06]
    frame.calc = SinglePointCalculator(frame, energy=-12.5, free_energy=-12.6, forces=forces, stress=stress)
    with open(path, "w") as file:
        write_xyz(file, [frame])
    return frame


def test_a_frame_of_an_ase_calculator_keeps_its_numbers(tmp_path):
    frame = foreign(tmp_path / "run.xyz", iteration=7, multiplicity=1)
    (found,) = read_extxyz(tmp_path / "run.xyz", {})
    admitted = admit(found, Terms("vasp", "ENCUT 520", group="melt-{iteration}", program="VASP 6.4.2"), "ab" * 32)
    assert admitted.info["REF_energy"] == -12.5
    np.testing.assert_allclose(admitted.arrays["REF_forces"], frame.calc.results["forces"])
    np.testing.assert_allclose(admitted.info["REF_stress"], [[0.1, 0.06, 0.05], [0.06, 0.2, 0.04], [0.05, 0.04, 0.3]])
    assert re.fullmatch(r"vasp-h[0-9a-f]{7}", admitted.info["level"])
    assert admitted.info["group"] == "melt-7" and admitted.info["program"] == "VASP 6.4.2"
    assert admitted.info["source"] == f"{tmp_path.name}/run.xyz#0"
    assert admitted.info["source_sha256"] == "hababababababababa"[:16]
    assert admit(found, Terms("vasp", "ENCUT  520")).info["level"] == admitted.info["level"]
    assert admit(found, Terms("vasp", "ENCUT 500")).info["level"] != admitted.info["level"]
    assert admit(found, Terms("vasp")).info["group"] == f"Na2O-{tmp_path.name}-run"


def test_keys_say_where_the_labels_are(tmp_path):
    frame = foreign(tmp_path / "run.xyz")
    virial = np.array([[3.0, 0.1, 0.2], [0.1, 2.0, 0.3], [0.2, 0.3, 1.0]])
    frame.calc = None
    frame.info = {"e": -1.0, "W": virial.flatten()}
    frame.set_array("dft", np.zeros((3, 3)))
    frame.set_array("m", np.array([0.0, 0.5, 0.5]))
    with open(tmp_path / "run.xyz", "w") as file:
        write_xyz(file, [frame])
    keys = {"energy": "e", "forces": "dft", "virial": "W", "spin": "m"}
    (found,) = read_extxyz(tmp_path / "run.xyz", keys)
    assert found.frame.info["REF_energy"] == -1.0
    # a cell that wants to expand has a positive virial, and a negative stress in ASE's sign
    np.testing.assert_allclose(found.frame.info["REF_stress"], -virial / 336.0)
    assert found.frame.arrays["REF_spin"].tolist() == [0.0, 0.5, 0.5]
    with pytest.raises(InputError, match="frame 0: there is no 'dft_force'; available: W, dft, e, m"):
        read_extxyz(tmp_path / "run.xyz", keys | {"forces": "dft_force"})


@pytest.mark.parametrize(
    ("spoil", "terms", "failure"),
    [
        ({"converged": False}, {}, "SCF_NOT_CONVERGED"),
        ({"multiplicity": None}, {}, "SPIN_UNKNOWN"),
        ({"multiplicity": None}, {"multiplicity": 2}, "SPIN_MISMATCH"),
        ({"multiplicity": None}, {"multiplicity": HIGH_SPIN}, None),
        ({"charge": 1}, {}, "SPIN_MISMATCH"),
        ({"charge": 1}, {"charge": 0}, None),
        ({"multiplicity": 3}, {}, "SPIN_MISMATCH"),
        ({}, {"group": "{melt}"}, "GROUP_UNKNOWN"),
        ({}, {"max_net_force_eV_per_A": 1e-20}, "NET_FORCE"),
        ({}, {}, None),
    ],
)
def test_the_gate_refuses_by_name(spoil, terms, failure):
    frame = cell("Na2O")
    frame.set_array("REF_spin", np.full(3, 0.05))
    found = Found("a#0", frame, **{"multiplicity": 1} | spoil)
    if failure is None:
        assert admit(found, Terms("made", **terms)).info["multiplicity"] == 1
        return
    with pytest.raises(Refused) as refused:
        admit(found, Terms("made", **terms))
    assert refused.value.failure == failure


@pytest.mark.parametrize(
    ("spoil", "failure"),
    [
        (lambda f: f.info.pop("REF_energy"), "INCOMPLETE"),
        (lambda f: f.arrays.pop("REF_forces"), "INCOMPLETE"),
        (lambda f: f.info.update(REF_energy=np.nan), "NAN"),
        (lambda f: f.arrays["REF_forces"].__setitem__((0, 1), np.inf), "NAN"),
        (lambda f: f.info.update(REF_stress=np.full((3, 3), np.nan)), "NAN"),
        (lambda f: f.arrays.update(REF_forces=np.zeros((3, 2))), "INCOMPLETE"),
    ],
)
def test_labels_that_are_missing_or_no_numbers_are_refused(spoil, failure):
    frame = cell("Na2O")
    spoil(frame)
    with pytest.raises(Refused) as refused:
        admit(Found("a#0", frame, multiplicity=1), Terms("made"))
    assert refused.value.failure == failure


def test_high_spin_is_that_of_the_ions_that_balance():
    found = [Found("a#0", cell(formula)) for formula in ("Na4V2P4O16", "FePO4", "NaFePO4", "Fe2O5")]
    multiplicities = [admit(f, Terms("made", multiplicity=HIGH_SPIN)).info["multiplicity"] for f in found[:3]]
    assert multiplicities == [3, 6, 5], "2 V4+ d1, Fe3+ d5, Fe2+ d6"
    with pytest.raises(Refused, match="Fe2O5 is unknown.*; give --multiplicity N") as refused:
        admit(found[3], Terms("made", multiplicity=HIGH_SPIN))
    assert refused.value.failure == "SPIN_UNKNOWN"


def test_high_spin_of_mixed_valence():
    mixed, charged, two = cell("Na3V2P4O16"), cell("Na4V2P4O16"), cell("NaVFeP2O8")
    by_atom = cell("Na4V2P4O16")
    by_atom.set_array("ion", np.array(["Na+"] * 4 + ["V3+", "V5+"] + ["P5+"] * 4 + ["O2-"] * 16))
    for frame, charge, multiplicity in ((mixed, 0, 2), (mixed, -1, 3), (charged, 1, 2), (by_atom, 0, 3)):
        found = Found("a#0", frame, charge=charge)
        assert admit(found, Terms("made", multiplicity=HIGH_SPIN)).info["multiplicity"] == multiplicity
    # the charge of a metal follows from neutrality only where it is the only one that is open
    with pytest.raises(Refused, match="the spin of FeNaO8P2V is unknown") as refused:
        admit(Found("a#0", two), Terms("made", multiplicity=HIGH_SPIN))
    assert refused.value.failure == "SPIN_UNKNOWN" and "set" not in str(refused.value)
    by_atom.arrays["ion"][0] = "V5+"
    with pytest.raises(Refused, match=r"ion 'V5\+' on an atom of Na"):
        admit(Found("a#0", by_atom), Terms("made", multiplicity=HIGH_SPIN))


def run_folder(target: Path, name: str) -> Path:
    """A folder as CP2K leaves it, from the recorded run `name`."""
    source = CP2K / name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir()
        for suffix in (".inp", ".out"):
            shutil.copy(CP2K / f"{name}{suffix}", target)
    return target


def test_a_run_of_cp2k_gives_its_frames_with_temperatures(tmp_path):
    found, refused = read_folder(run_folder(tmp_path / "md", "x_md"))
    frames = [admit(f, Terms("xtb")) for f in found]
    assert not refused and len(frames) == 11
    steps = (CP2K / "x_md" / "x_md-pos-1.xyz").read_text().splitlines()
    forces = (CP2K / "x_md" / "x_md-frc-1.xyz").read_text().splitlines()
    thermo = np.loadtxt(CP2K / "x_md" / "x_md-1.ener")
    for k, frame in enumerate(frames):
        assert frame.info["REF_energy"] == pytest.approx(float(steps[10 * k + 1].split("E =")[1]) * HARTREE_eV)
        rows = [line.split() for line in steps[10 * k + 2 : 10 * k + 10]]
        assert list(frame.symbols) == [row[0] for row in rows]
        np.testing.assert_allclose(frame.positions, np.array([row[1:] for row in rows], dtype=float))
        rows = [line.split()[1:] for line in forces[10 * k + 2 : 10 * k + 10]]
        expected = np.array(rows, dtype=float) * HARTREE_eV / BOHR_A
        np.testing.assert_allclose(frame.arrays["REF_forces"], expected, atol=1e-6)
        # CP2K's masses differ in the fifth digit
        assert frame.info["temperature_K"] == pytest.approx(thermo[k, 3], rel=5e-5)
        assert frame.info["multiplicity"] == 2 and frame.info["program"] == "CP2K 2023.1"
    assert frames[3].info["source"] == "md/x_md.out#3" and frames[3].info["group"] == "NaO5PV-md-x_md"


@pytest.mark.parametrize(
    ("name", "failure", "message"),
    [
        ("a_scratch", "NET_FORCE", "the net force is 0.731 eV/Å"),
        ("e_unconv", "SCF_NOT_CONVERGED", "did not converge"),
        ("e_mult", "ABORT", "try to use a different multiplicity"),
        ("e_wall", "SCF_NOT_CONVERGED", "did not converge"),
    ],
)
def test_runs_of_cp2k_that_went_wrong_are_refused(tmp_path, name, failure, message):
    found, refused = read_folder(run_folder(tmp_path / name, name))
    for f in found:
        with pytest.raises(Refused) as error:
            admit(f, Terms("pbe"))
        refused.insert(0, error.value.record(f.source))
    assert refused[0]["failure"] == failure and message in refused[0]["message"]
    assert len(refused) == (2 if name == "e_wall" else 1), "the step of the stop is dropped with a word"


def test_a_single_point_of_cp2k_gives_energy_stress_and_moments(tmp_path):
    ((found,), _) = read_folder(run_folder(tmp_path / "one", "a_scratch"))
    frame = admit(found, Terms("pbe", max_net_force_eV_per_A=1.0))
    text = (CP2K / "a_scratch.out").read_text()
    energy = float(re.search(r"Total FORCE_EVAL.*:\s+(\S+)", text)[1])
    assert frame.info["REF_energy"] == pytest.approx(energy * HARTREE_eV)
    gpa = float(re.search(r"STRESS\| {6}x\s+(\S+)", text)[1])
    assert frame.info["REF_stress"][0, 0] == pytest.approx(-gpa / 160.21766)
    assert frame.arrays["REF_spin"].sum() == pytest.approx(1.0, abs=0.01)
    assert re.fullmatch(r"Na-h\w{7} O-h\w{7} P-h\w{7} V-h\w{7}", frame.info["kinds"])


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("SCF_GUESS ATOMIC", "SCF_GUESS RESTART", ()),
        ("MULTIPLICITY 2", "MULTIPLICITY  2 ! doublet", ()),
        ("EPS_DEFAULT 1.0E-8\n      EXTRAPOLATION ASPC", "EXTRAPOLATION ASPC\n      EPS_DEFAULT 1.0E-8", ()),
        ("BASIS_SET_FILE_NAME BASIS_MOLOPT", "BASIS_SET_FILE_NAME /opt/cp2k/data/BASIS_MOLOPT", ()),
        ("CUTOFF 400", "CUTOFF 600", ("level",)),
        ("      EPS_SCF 1.0E-5\n      MAX_SCF 25", "      EPS_SCF 1.0E-7\n      MAX_SCF 25", ("level",)),
        ("MAGNETIZATION 1", "MAGNETIZATION 2", ()),
        ("BASIS_SET DZVP-MOLOPT-SR-GTH", "BASIS_SET TZVP-MOLOPT-SR-GTH", ("kinds",)),
    ],
)
def test_the_input_of_cp2k_makes_the_level(tmp_path, old, new, changed):
    run = run_folder(tmp_path / "one", "a_scratch")
    terms = Terms("pbe", max_net_force_eV_per_A=1.0)
    first = admit(read_folder(run)[0][0], terms).info
    text = (run / "a_scratch.inp").read_text()
    assert old in text
    (run / "a_scratch.inp").write_text(text.replace(old, new))
    info = admit(read_folder(run)[0][0], terms).info
    assert tuple(key for key in ("level", "kinds") if info[key] != first[key]) == changed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("&COORD\n", "&COORD\n      UNIT [bohr]\n", r"unit '\[bohr\]' is not supported"),
        ("A 6.5", "A [bohr 6.5", r"A '\[bohr': is not a number"),
        ("RUN_TYPE ENERGY_FORCE", "RUN_TYPE BAND", "RUN_TYPE BAND is not supported as a source of labels"),
        ("&GLOBAL", "@INCLUDE 'x.inc'\n&GLOBAL", "a_scratch.inp: .*x.inc: No such file"),
        ("&END CELL", "&END CELL\n&CELL\n&END CELL", "2 sections &CELL"),
    ],
)
def test_inputs_of_cp2k_that_are_not_understood_are_refused(tmp_path, old, new, message):
    run = run_folder(tmp_path / "one", "a_scratch")
    text = (run / "a_scratch.inp").read_text()
    assert text.count(old) == 1
    (run / "a_scratch.inp").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_folder(run)


def test_atoms_of_cp2k_may_be_in_a_file_beside_the_input_only(tmp_path):
    run = run_folder(tmp_path / "one", "a_scratch")
    text = (run / "a_scratch.inp").read_text()
    coord = re.search(r" *&COORD\n(.*?) *&END COORD\n", text, re.DOTALL)
    rows = coord[1].splitlines()
    (run / "start.xyz").write_text(f"{len(rows)}\n\n" + "\n".join(rows) + "\n")
    (tmp_path / "outside.xyz").write_text((run / "start.xyz").read_text())
    expected = read_folder(run)[0][0].frame

    def with_file(name: str) -> None:
        topology = f"&TOPOLOGY\n COORD_FILE_NAME {name}\n&END TOPOLOGY\n"
        (run / "a_scratch.inp").write_text(text.replace(coord[0], topology))

    with_file("start.xyz")
    np.testing.assert_array_equal(read_folder(run)[0][0].frame.positions, expected.positions)
    with_file("../outside.xyz")
    with pytest.raises(InputError, match="COORD_FILE_NAME '../outside.xyz': no such file in the folder of the input"):
        read_folder(run)


def test_a_folder_needs_one_input_and_one_output(tmp_path):
    run = run_folder(tmp_path / "one", "a_scratch")
    shutil.copy(run / "a_scratch.inp", run / "b.inp")
    with pytest.raises(InputError, match="must contain one CP2K input, but has a_scratch.inp, b.inp"):
        read_folder(run)
    (run / "a_scratch.out").unlink()
    with pytest.raises(InputError, match="must contain one CP2K output .*, but has none"):
        read_folder(run)


def test_the_verb_takes_over_and_lists_what_it_refuses(tmp_path, capsys):
    frames = [cell("NaFePO4", k) for k in range(3)]
    frames[1].arrays["REF_forces"][0] += [0.0, 0.0, 1.0]
    for frame in frames:
        del frame.info["multiplicity"]
    write_frames(tmp_path / "set.xyz.gz", frames)
    out = tmp_path / "taken.extxyz"
    arguments = ["import-frames", str(tmp_path / "set.xyz.gz"), "-o", str(out), "--level-name", "vasp", "--settings",
                 "PBE+U", "--multiplicity", "high-spin", "--e0", "Na=-0.1", "Fe=-0.2", "P=-0.3", "O=-0.4"]  # fmt: skip
    assert main(arguments) == 0
    assert "2 frames admitted, 1 rejected: NET_FORCE 1" in capsys.readouterr().out
    (record,) = json.loads((tmp_path / "taken-rejected.json").read_text())
    assert record["frame"].endswith("set.xyz.gz#1") and record["failure"] == "NET_FORCE"
    taken = read_labeled(out)
    assert [frame.info["REF_energy"] for frame in taken[:2]] == [frames[k].info["REF_energy"] for k in (0, 2)]
    atoms = {f.get_chemical_formula(): (f.info["REF_energy"], f.info["multiplicity"]) for f in taken[2:]}
    assert atoms == {"Na": (-0.1, 2), "Fe": (-0.2, 5), "P": (-0.3, 4), "O": (-0.4, 3)}
    assert len({frame.info["level"] for frame in taken}) == 1


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ([], 2, "contains no settings of its level of theory; give them with --settings"),
        (["--settings", "x"], 4, ""),
        (
            ["--settings", "x", "--multiplicity", "many"],
            2,
            "--multiplicity many: must be an integer of at least 1, or high-spin",
        ),
        (["--settings", "x", "--multiplicity", "5", "--e0", "Na"], 2, "--e0 Na: must be an element and its energy"),
        (["--settings", "x", "--multiplicity", "5", "--e0", "Xx=1"], 2, "'Xx' is not an element"),
        (["--settings", "x", "--every", "0"], 2, "--every 0"),
    ],
)
def test_the_verb_refuses_what_it_cannot_know(tmp_path, capsys, more, code, message):
    frame = cell("NaFePO4")
    del frame.info["multiplicity"]
    write_frames(tmp_path / "set.xyz", [frame])
    out = tmp_path / "taken.extxyz"
    assert main(["import-frames", str(tmp_path / "set.xyz"), "-o", str(out), "--level-name", "vasp", *more]) == code
    assert message in capsys.readouterr().err and not out.exists()
    if code == 4:
        assert json.loads((tmp_path / "taken-rejected.json").read_text())[0]["failure"] == "SPIN_UNKNOWN"


def test_a_source_that_is_not_there_is_bad_input_and_a_damaged_one_a_refusal(tmp_path):
    with pytest.raises(InputError, match="absent: no such file or folder"):
        read_source(tmp_path / "absent", {})
    (tmp_path / "bad.xyz").write_text("3\nnothing\n")
    (tmp_path / "empty").mkdir()
    for name in ("bad.xyz", "empty"):
        source = read_source(tmp_path / name, {})
        assert not source.found and [record["failure"] for record in source.refused] == ["UNREADABLE"]
