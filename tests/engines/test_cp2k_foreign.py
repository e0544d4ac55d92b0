"""Folders of CP2K runs of others: files, restarts and outputs, held against what CP2K 2023.1 printed of itself.

The runs in `data/cp2k/foreign` are real ones of GFN1-xTB and PADE; their outputs are cut to what is read.
"""

import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.foreign.cp2k.folder import read_folder
from naglass_drv.foreign.gate import Terms, admit
from support.foreign_runs import BOHR_A, RUNS, HARTREE_eV, copies


@pytest.fixture
def folder(tmp_path):
    return copies(tmp_path)


def frames(run: Path):
    """Frames and refusals of a folder; the forces of these small boxes need not add up to zero."""
    found, refused = read_folder(run)
    return [admit(f, Terms("x", max_net_force_eV_per_A=30)) for f in found], [record["message"] for record in refused]


@pytest.mark.parametrize(("name", "apart_A"), [("npt_i", 2e-9), ("cell_opt", 2e-6)])
def test_a_cell_that_moves_comes_from_the_output_where_no_file_has_it(folder, name, apart_A):
    run = folder(name)
    expected, _ = frames(run)
    (run / "w-1.cell").unlink()
    found, _ = frames(run)
    assert len(found) == len(expected) >= 2 and np.ptp([frame.cell.volume for frame in expected]) > 1e-3
    for frame, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(frame.cell.array, other.cell.array, atol=apart_A)
        np.testing.assert_array_equal(frame.positions, other.positions)


def test_the_turned_cell_of_npt_f_is_known_from_its_file_only(folder):
    run = folder("npt_f")
    assert len(frames(run)[0]) == 5
    (run / "w-1.cell").unlink()
    found, refused = frames(run)
    assert [frame.info["source"][-1] for frame in found] == ["0"] and len(refused) == 4
    assert "step 1: ENSEMBLE NPT_F moves the cell, but its vectors were not written" in refused[0]


def test_a_file_of_cells_of_another_run_is_found_out(folder):
    run = folder("npt_f")
    text = (RUNS / "npt_i" / "w-1.cell").read_text()
    (run / "w-1.cell").write_text(text)
    found, refused = frames(run)
    assert found == [] and all("cell file differs from that in the output" in message for message in refused)


def test_units_of_the_files_are_those_of_the_input(folder):
    run = folder("units")
    found, refused = frames(run)
    assert not refused and len(found) == 3
    np.testing.assert_allclose(found[0].positions, [[1, 1, 1], [1.96, 1.05, 0.9], [0.75, 1.93, 1.1]], atol=1e-9)
    # 300 K were asked for at the start
    assert found[0].info["temperature_K"] == pytest.approx(300.0, rel=1e-3)
    rows = (run / "w-frc-1.xyz").read_text().splitlines()[2:5]
    np.testing.assert_allclose(found[0].arrays["REF_forces"], [[float(w) for w in row.split()[1:]] for row in rows])
    gpa = float(re.search(r"STRESS\| {6}x\s+(\S+)", (run / "w-st-1_0.stress_tensor").read_text())[1])
    assert found[0].info["REF_stress"][0, 0] == pytest.approx(-gpa / 160.2176634, rel=1e-9)
    # the work of the forces is the change of the energy: forces, positions and energies are in one system of units
    for a, b in itertools.pairwise(found):
        work = (0.5 * (a.arrays["REF_forces"] + b.arrays["REF_forces"]) * (b.positions - a.positions)).sum()
        assert b.info["REF_energy"] - a.info["REF_energy"] == pytest.approx(-work, rel=0.05, abs=2e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"UNIT nm": "UNIT bohr"}, "first positions differ from those of the input: it has different units"),
        ({"UNIT nm": ""}, "first positions differ from those of the input"),
        ({"UNIT nm": "UNIT nm\nFORMAT DCD"}, "FORMAT DCD: positions are read from XYZ files"),
        ({"UNIT nm": "UNIT nm\nFORMAT PDB"}, "FORMAT PDB: positions are read from XYZ files"),
        ({"UNIT nm": "UNIT nm\nFORMAT ATOMIC"}, "FORMAT ATOMIC: positions are read from XYZ files"),
        (
            {"UNIT nm": "UNIT nm\nFILENAME /scratch/t"},
            "FILENAME /scratch/t-pos-1.xyz: must be in the folder of the run",
        ),
        ({"UNIT eV*angstrom^-1": "UNIT eV*parsec^-1"}, r"unit 'eV\*parsec\^-1' is not supported"),
        ({"ABC 6.0": "ABC 6.1"}, "cell is not the one that CP2K started with, 6.00000 6.20000 6.40000"),
    ],
)
def test_files_of_a_run_in_another_unit_or_format_are_refused(folder, change, message):
    with pytest.raises(InputError, match=message):
        read_folder(folder("units", change))


@pytest.mark.parametrize(
    ("filename", "levels", "name"),
    [("foo", 1, "w-foo-pos-1.xyz"), ("./foo", 1, "foo-pos-1.xyz"), ("=foo.xyz", 1, "foo.xyz"), ("", 1, "w-pos-1.xyz"),
     ("foo", 2, "w-foo-pos.xyz")],
)  # fmt: skip
def test_files_have_the_names_that_cp2k_gives_them(folder, filename, levels, name):
    print_key = f"FILENAME {filename}\nCOMMON_ITERATION_LEVELS {levels}\nUNIT nm"
    run = folder("units", {"UNIT nm": print_key})
    (run / "w-pos-1.xyz").rename(run / name)
    assert len(frames(run)[0]) == 3


def test_one_file_a_step_is_read_in_the_order_of_the_steps(folder):
    run = folder("units", {"UNIT nm": "COMMON_ITERATION_LEVELS 0\nUNIT nm"})
    lines = (run / "w-pos-1.xyz").read_text().splitlines(keepends=True)
    (run / "w-pos-1.xyz").unlink()
    for step in range(3):
        (run / f"w-pos-1_{step}.xyz").write_text("".join(lines[5 * step : 5 * step + 5]))
    assert [frame.info["source"][-1] for frame in frames(run)[0]] == ["0", "1", "2"]


def test_forces_and_stress_may_be_in_files_of_their_own(folder):
    run = folder("forces_in_files")
    ((frame,), _) = frames(run)
    text = (run / "w-forces-1_0.xyz").read_text()
    rows = [line.split()[3:] for line in text.splitlines()[4:7]]
    expected = np.array(rows, dtype=float) * HARTREE_eV / BOHR_A
    np.testing.assert_allclose(frame.arrays["REF_forces"], expected)
    assert "REF_stress" in frame.info
    (run / "w-forces-1_0.xyz").rename(run / "w-forces-1.xyz")
    assert len(frames(run)[0]) == 1
    (run / "w-forces-1.xyz").unlink()
    assert frames(run) == ([], ["there are no forces in the output or w-forces-1_*.xyz"])


@pytest.mark.parametrize("digits", [4, 5, 6, 8])
def test_forces_may_have_any_number_of_digits_that_makes_a_label(folder, digits):
    run = folder("water")
    text = (run / "run.out").read_text()
    block = re.search(r"# Atom   Kind   Element.*?SUM OF ATOMIC FORCES.*?\n", text, re.DOTALL)[0]
    rounded = re.sub(r"-?\d+\.\d{8}", lambda number: f"{float(number[0]):.{digits}f}", block)
    (run / "run.out").write_text(text.replace(block, rounded))
    exact = frames(RUNS / "water")[0][0].arrays["REF_forces"]
    found = frames(run)[0][0].arrays["REF_forces"]
    np.testing.assert_allclose(found, exact, atol=0.51 * 10.0**-digits * HARTREE_eV / BOHR_A)
    cut = re.sub(r"-?\d+\.\d{8}", lambda number: f"{float(number[0]):.3f}", block)
    (run / "run.out").write_text(text.replace(block, cut))
    assert "forces: printed only to 0.001 a.u. (NDIGITS)" in frames(run)[1][0]


@pytest.mark.parametrize(
    ("switches", "positions", "cell"),
    [
        ("", "old", "old"), ("RESTART_DEFAULT T", "old", "old"), ("RESTART_POS .F.", "new", "old"),
        ("RESTART_CELL off", "old", "new"), ("RESTART_DEFAULT F\nRESTART_POS", "old", "new"),
        ("RESTART_DEFAULT 0\nRESTART_CELL ON\nRESTART_POS NO", "new", "old"),
    ],
)  # fmt: skip
def test_a_restart_gives_what_its_switches_say(folder, switches, positions, cell):
    run = folder("restart")
    text = (run / "run.inp").read_text()
    before = re.search(r"&EXT_RESTART\n(.*?)&END", text, re.DOTALL)[1]
    (run / "run.inp").write_text(text.replace(before, f"EXTERNAL_FILE ./o.restart\n{switches}\n"))
    output = (run / "run.out").read_text()
    # as at PRINT_LEVEL LOW, which prints neither the cell nor the atoms
    (run / "run.out").write_text(re.sub(r" CELL.*\n| MODULE QUICKSTEP.*\n", "", output))
    (frame,) = frames(run)[0]
    assert frame.positions[0] == pytest.approx(
        [1, 1, 1] if positions == "new" else [0.92999, 0.93092, 0.92509], abs=2e-4
    )
    assert frame.cell.lengths() == pytest.approx(
        [6.0, 6.2, 6.4] if cell == "new" else [5.57363, 5.75942, 5.9452], abs=1e-5
    )


def test_a_restart_is_held_against_the_output(folder):
    (frame,) = frames(RUNS / "restart")[0]
    assert frame.cell.lengths() == pytest.approx([6.0, 6.2, 6.4])
    with pytest.raises(InputError, match="cell is not the one that CP2K started with, 6.00000 6.20000"):
        read_folder(folder("restart", {"RESTART_DEFAULT .FALSE.\n": ""}))


def test_a_run_that_aborted_says_so_in_cp2ks_words(folder):
    (message,) = frames(folder("aborted"))[1]
    assert message.startswith(
        "CP2K aborted: One constant temperature ensemble has been required, but no thermostat for"
    )


@pytest.mark.parametrize("run_type", ["MD", "GEO_OPT", "CELL_OPT", "ENERGY_FORCE", "BAND"])
def test_an_abort_before_the_header_is_told_for_every_run_type(folder, run_type):
    run = folder("water", {"RUN_TYPE ENERGY_FORCE": f"RUN_TYPE {run_type}"})
    text = (RUNS / "aborted" / "run.out").read_text()
    (run / "run.out").write_text(text[text.index(" ****") :])
    (record,) = read_folder(run)[1]
    assert record["failure"] == "ABORT" and "no thermostat for the particles" in record["message"]


def test_an_abort_in_the_middle_of_an_md_is_told_beside_its_frames(folder):
    run = folder("units")
    text = (run / "run.out").read_text()
    box = (RUNS / "aborted" / "run.out").read_text()
    (run / "run.out").write_text(text + box[box.index(" ****") :])
    found, refused = frames(run)
    assert len(found) == 3 and "CP2K aborted: One constant temperature" in refused[0]


def test_a_run_that_was_killed_before_its_first_step_or_has_no_positions_says_so(folder):
    run = folder("units")
    (run / "w-pos-1.xyz").unlink()
    assert "no positions were written for 3 steps (0 to 2)" in frames(run)[1]
    text = (run / "run.out").read_text()
    (run / "run.out").write_text(text[: text.index(" SCF WAVEFUNCTION OPTIMIZATION")])
    assert frames(run)[1] == ["CP2K was stopped before its first step was complete"]


def test_two_runs_in_one_output_are_refused(folder):
    run = folder("water")
    text = (run / "run.out").read_text()
    (run / "run.out").write_text(text + text)
    assert "2 runs in one file" in frames(run)[1][0]


def test_a_line_search_gives_what_it_accepted(folder):
    """Conjugate gradients end a step with an evaluation that is not the one accepted."""
    run = folder("line_search")
    found, _ = frames(run)
    energies = re.findall(r"E =\s+(\S+)", (run / "w-pos-1.xyz").read_text())
    assert [frame.info["REF_energy"] for frame in found] == pytest.approx(np.array(energies, float) * HARTREE_eV)
    text = (run / "run.out").read_text()
    for frame, energy in zip(found, energies, strict=True):
        row = re.search(rf"{energy[:-1]}\d*\n\n ATOMIC FORCES.*\n\n.*\n +1 +1 +O +(\S+) +(\S+) +(\S+)\n", text)
        expected = np.array(row.groups(), float) * HARTREE_eV / BOHR_A
        np.testing.assert_allclose(frame.arrays["REF_forces"][0], expected, atol=1e-5)


@pytest.mark.parametrize("value", ["numerical", "DIAGONAL_NUMERICAL"])
def test_a_numerical_stress_is_refused_by_name(folder, value):
    run = folder("water", {"STRESS_TENSOR ANALYTICAL": f"STRESS_TENSOR {value}"})
    with pytest.raises(InputError, match="output mixes the run with evaluations of strained cells"):
        read_folder(run)


def test_an_output_without_an_scf_says_so(folder):
    run = folder("water")
    text = (run / "run.out").read_text()
    begin, end = text.index(" SCF WAVEFUNCTION OPTIMIZATION"), text.index("  **** **** ******  **  PROGRAM ENDED")
    (run / "run.out").write_text(text[:begin] + text[end:])
    assert "the output contains no SCF (PRINT_LEVEL SILENT" in frames(run)[1][0]


def test_a_cell_that_does_not_move_needs_not_be_written_at_every_step(folder):
    run = folder("units")
    row = "6.0 0.0 0.0 0.0 6.2 0.0 0.0 0.0 6.4 238.08"
    (run / "w-1.cell").write_text(f"# title\n 0 0.0 {row}\n 2 2.0 {row}\n")
    assert len(frames(run)[0]) == 3
    (run / "w-1.cell").write_text(f"# title\n 0 0.0 {row}\n 2 2.0 {row.replace('6.4 238.08', '6.5 241.8')}\n")
    found, refused = frames(run)
    assert len(found) == 2 and "step 1: its cell was not written" in refused[0]


def test_a_band_with_outputs_of_its_replicas_is_refused_by_its_run_type(folder):
    run = folder("water", {"RUN_TYPE ENERGY_FORCE": "RUN_TYPE BAND"})
    for name in ("w-r-0.out", "w-BAND01.out"):
        shutil.copy(run / "run.out", run / name)
    with pytest.raises(InputError, match="RUN_TYPE BAND is not supported as a source of labels"):
        read_folder(run)


def test_tables_may_go_kind_by_kind(folder):
    run = folder("kind_by_kind")
    ((frame,), _) = frames(run)
    assert list(frame.symbols) == ["O", "H", "H", "O", "H", "H"]
    text = (run / "run.out").read_text()
    rows = re.findall(r"^ +(\d) +[OH] +\d +\S+ +\S+ +\S+ +(\S+)$", text, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "4", "2", "3", "5", "6"]
    np.testing.assert_allclose(frame.arrays["REF_spin"], 0.0, atol=1e-6)
    lost = text.replace(next(line for line in text.splitlines() if re.match(r" +4 +O +1 +3\.", line)) + "\n", "")
    (run / "run.out").write_text(lost)
    assert "Mulliken" in frames(run)[1][0]
