"""Labels of others in every spelling: names, numbers, tensors and words on convergence, and the gate's refusals."""

import json

import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.foreign.gate import Refused, Terms, admit, read_extxyz
from support.labeled import cell

STRESS = np.array([[0.01, 0.002, 0.003], [0.002, 0.02, 0.004], [0.003, 0.004, 0.03]])
VOIGT = [0.01, 0.02, 0.03, 0.004, 0.003, 0.002]
VOLUME_A3 = 125.0
ROWS = ["Na 0.1 0.2 0.3 0.1 0.2 -0.3", "O 2.0 2.1 2.2 -0.1 -0.2 0.3"]


def words(values) -> str:
    return " ".join(f"{value:.10g}" for value in np.ravel(values))


def text(
    entries: str = "energy=-10.5", forces: str = "forces", rows=ROWS, lattice='Lattice="5 0 0 0 5 0 0 0 5"'
) -> str:
    return "\n".join([str(len(rows)), f"{lattice} Properties=species:S:1:pos:R:3:{forces}:R:3 {entries}", *rows, ""])


def found_in(path, entries: str = "energy=-10.5", **more):
    keys = more.pop("keys", {})
    path.write_text(text(entries, **more))
    (found,) = read_extxyz(path, keys)
    return found


def refusal(found, **terms) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        admit(found, Terms("made", "x", multiplicity=2, **terms))
    return refused.value.failure, str(refused.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.xyz"


@pytest.mark.parametrize(
    "entry",
    ["scf_converged=F", "scf_converged=False", "scf_converged=.FALSE.", "scf_converged=.F.", "scf_converged=0",
     "scf_converged=0.0", "scf_converged=no", "scf_converged=No", "scf_converged=n", "scf_converged=off",
     "converged=F", "Converged=false", "SCF_CONVERGED=f", "is_converged=0", "electronic_converged=N", "dft_converged=n",
     "SCFconverged=F", "converged_scf=.false.", "unconverged=T", "scf_unconverged=1", "not_converged=y", "unconverged",
     "convergence=no", "scf_convergence=0", 'scf_converged="not converged"', 'status="SCF NOT converged"',
     "scf_converged=T converged_electronic=F", "SCF NOT converged"],
)  # fmt: skip
def test_an_scf_that_did_not_converge_is_refused_in_any_spelling(path, entry):
    assert refusal(found_in(path, f"energy=-10.5 {entry}"))[0] == "SCF_NOT_CONVERGED"


@pytest.mark.parametrize(
    "entry",
    ["scf_converged=T", "scf_converged=.TRUE.", "scf_converged=1", "scf_converged=yes", "converged", "Converged=On",
     "unconverged=F", "n_unconverged=0", "not_converged=0", "scf_convergence=1e-6", "convergence_threshold=0",
     "ionic_converged=F", "relax_converged=no", "geometry_converged=0"],
)  # fmt: skip
def test_an_scf_that_converged_or_of_which_nothing_is_said_passes(path, entry):
    frame = admit(found_in(path, f"energy=-10.5 {entry}"), Terms("made", "x", multiplicity=2))
    assert frame.info.get("scf_converged", True) is True


@pytest.mark.parametrize("value", ["2", "-1", "maybe", "nan", "1e-6", '"T F"', "None"])
def test_a_convergence_that_is_no_truth_value_is_refused(path, value):
    failure, message = refusal(found_in(path, f"energy=-10.5 scf_converged={value}"))
    assert failure == "UNREADABLE" and "scf_converged is" in message and "must be true or false" in message


@pytest.mark.parametrize(
    "key", ["REF_energy", "energy", "dft_energy", "DFT_energy", "Energy", "TotEnergy", "total_energy", "free_energy",
            "energy_dft", "ref_energy", "E_tot", "potential_energy"]
)  # fmt: skip
def test_the_energy_is_found_by_its_name(path, key):
    found = found_in(path, f"{key}=-10.5")
    assert found.frame.info["REF_energy"] == -10.5 and found.untaken == ()


@pytest.mark.parametrize("key", ["REF_forces", "forces", "force", "Forces", "dft_force", "DFT_forces", "forces_ref"])
def test_forces_are_found_by_their_name(path, key):
    found = found_in(path, forces=key)
    np.testing.assert_array_equal(found.frame.arrays["REF_forces"], [[0.1, 0.2, -0.3], [-0.1, -0.2, 0.3]])


@pytest.mark.parametrize("key", ["MACE_energy", "energy_per_atom", "kinetic_energy", "formation_energy"])
def test_what_may_be_no_label_is_not_taken_and_named(path, key):
    failure, message = refusal(found_in(path, f"{key}=-10.5"))
    assert failure == "INCOMPLETE" and f"it has {key}: select the right one with --energy-key" in message
    assert found_in(path, f"{key}=-10.5", keys={"energy": key}).frame.info["REF_energy"] == -10.5
    assert found_in(path, f"energy=-1 {key}=-10.5").untaken == (key,)


@pytest.mark.parametrize("key", ["stress", "REF_stress", "dft_stress", "Stress", "stress_tensor"])
@pytest.mark.parametrize("value", [words(STRESS), words(VOIGT), words(STRESS).replace(" ", ", ")])
def test_a_stress_is_taken_in_each_form(path, key, value):
    found = found_in(path, f'energy=-10.5 {key}="{value}"')
    np.testing.assert_allclose(found.frame.info["REF_stress"], STRESS, rtol=1e-9)


@pytest.mark.parametrize(
    "key", ["virial", "virials", "REF_virial", "REF_virials", "dft_virial", "Virial", "virial_tensor"]
)
@pytest.mark.parametrize("shape", [STRESS, VOIGT], ids=["nine", "six"])
def test_a_virial_becomes_a_stress(path, key, shape):
    found = found_in(path, f'energy=-10.5 {key}="{words(-VOLUME_A3 * np.array(shape))}"')
    np.testing.assert_allclose(found.frame.info["REF_stress"], STRESS, rtol=1e-8)
    assert found.untaken == ()


def test_nested_brackets_and_json_hold_a_tensor_too(path):
    rows = [f"[{', '.join(f'{x:g}' for x in row)}]" for row in STRESS]
    for value in (f"[{', '.join(rows)}]", f'"_JSON [{", ".join(rows)}]"'):
        found = found_in(path, f"energy=-10.5 REF_stress={value}")
        np.testing.assert_allclose(found.frame.info["REF_stress"], STRESS)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            f'stress="{words(STRESS)}" virial="9 0 0 0 9 0 0 0 9"',
            "stress and virial both give the stress and differ by",
        ),
        (f'REF_stress="{words(STRESS)}" virials="{words(VOLUME_A3 * STRESS)}"', "have opposite signs"),
        (f'stress="{words(STRESS)}" REF_stress="{words(2 * STRESS)}"', "stress and REF_stress both give the stress"),
        (f'stress="{words(STRESS)}" dft_stress="0.01 0.02 0.03 0.002 0.003 0.004"', "differ by 0.002"),
        (
            "dft_energy=-10.4",
            "energy and dft_energy both give the energy and differ by 0.1; select one with --energy-key",
        ),
    ],
)
def test_labels_that_contradict_each_other_are_refused(path, entries, message):
    failure, said = refusal(found_in(path, f"energy=-10.5 {entries}"))
    assert failure == "CONTRADICTION" and message in said


def test_a_named_key_settles_a_contradiction_and_entries_that_agree_are_one(path):
    both = f'energy=-10.5 stress="{words(STRESS)}" virial="{words(-2 * VOLUME_A3 * STRESS)}"'
    for keys, factor in (({"stress": "stress"}, 1), ({"virial": "virial"}, 2)):
        frame = found_in(path, both, keys=keys).frame
        np.testing.assert_allclose(frame.info["REF_stress"], factor * STRESS, rtol=1e-8)
    agree = f'energy=-10.5 dft_energy=-10.5 stress="{words(STRESS)}" REF_virials="{words(-VOLUME_A3 * STRESS)}"'
    np.testing.assert_allclose(found_in(path, agree).frame.info["REF_stress"], STRESS, rtol=1e-8)


@pytest.mark.parametrize(
    ("stress", "message"),
    [
        ("-251 13.8 2 13.8 -240 1 2 1 -245", "a stress of 4.021e+04 GPa, above 1000: the unit must be eV/Å³"),
        ("8.2 0 0 0 8.1 0 0 0 8.3", "a stress of 1330 GPa, above 1000"),
        ("0 0.5 0 0.002 0 0 0 0 0", "the stress is not symmetric: two components that should be equal differ by 0.498"),
        ("0.01 0.5 0.3 -0.5 0.02 0.1 -0.3 -0.1 0.02", "the stress is not symmetric"),
    ],
)
def test_a_stress_that_cannot_be_one_is_left_out_with_a_word(path, tmp_path, capsys, stress, message):
    path.write_text(text(f'energy=-10.5 REF_stress="{stress}"') + text(f'energy=-10.5 REF_stress="{words(STRESS)}"'))
    out = tmp_path / "o.extxyz"
    command = [
        "import-frames",
        str(path),
        "-o",
        str(out),
        "--level-name",
        "x",
        "--settings",
        "s",
        "--multiplicity",
        "2",
    ]
    assert main(command) == 0
    assert ["REF_stress" in frame.info for frame in read_labeled(out)] == [False, True]
    said = capsys.readouterr().out
    assert "stress dropped from 1 frame (--max-stress), first:" in said and f"#0: {message}" in said


def test_the_limit_of_the_stress_can_be_raised(path):
    found = found_in(path, 'energy=-10.5 stress="7 0 0 0 7 0 0 0 7"')
    for limit, there in ((1000.0, False), (2000.0, True)):
        terms = Terms("made", "x", multiplicity=2, max_stress_GPa=limit)
        assert ("REF_stress" in admit(found, terms).info) == there


def test_a_cluster_without_a_cell_has_no_stress(path):
    found = found_in(path, 'energy=-10.5 virial="1 0 0 0 1 0 0 0 1"', lattice='pbc="F F F"')
    assert "REF_stress" not in found.frame.info and found.frame.info["REF_energy"] == -10.5


@pytest.mark.parametrize(
    ("entries", "failure", "message"),
    [
        ("energy=**********", "UNREADABLE", "energy is '**********'; must be a number"),
        ("energy=-1.234-103", "UNREADABLE", "energy is '-1.234-103'"),
        ("energy=T", "UNREADABLE", "energy is 'True'"),
        ('energy="1 2"', "UNREADABLE", "energy is 2 numbers"),
        ("energy", "UNREADABLE", "energy is 'True'"),
        ("energy=nan", "NAN", "REF_energy is not finite"),
        ("energy=-inf", "NAN", "REF_energy is not finite"),
        ('energy=-1 stress="1 2 3 4 5"', "UNREADABLE", "stress is 5 numbers; must be 3 × 3 numbers"),
        ('energy=-1 virials="* 0 0 0 * 0 0 0 *"', "UNREADABLE", "virials is '* 0 0 0 * 0 0 0 *'"),
        ("energy=-1 charge=0.5", "UNREADABLE", "charge is 0.5; must be a whole number"),
        ("energy=-1 multiplicity=high", "UNREADABLE", "multiplicity is 'high'"),
    ],
)
def test_what_is_no_number_is_refused_by_name(path, entries, failure, message):
    name, said = refusal(found_in(path, entries))
    assert name == failure and message in said


def test_fortran_exponents_are_numbers(path):
    rows = ["Na 0.1D0 0.2 0.3 0.1d+00 0.2 -0.3", "O 2.0 2.1 2.2 -0.1 -0.2 3.0D-01"]
    lattice = 'Lattice="5.0D0 0 0 0 5.0d+00 0 0 0 5"'
    found = found_in(path, 'energy=-1.05D+01 REF_virials="-1.25D0 0 0 0 -2.5d0 0 0 0 0"', rows=rows, lattice=lattice)
    assert found.frame.info["REF_energy"] == -10.5
    np.testing.assert_array_equal(found.frame.arrays["REF_forces"], [[0.1, 0.2, -0.3], [-0.1, -0.2, 0.3]])
    np.testing.assert_allclose(found.frame.info["REF_stress"], np.diag([0.01, 0.02, 0.0]))
    assert found.frame.positions[0, 0] == 0.1


def test_one_bad_frame_does_not_refuse_the_good_ones(tmp_path, capsys):
    good = text("energy=-10.5 iteration=3")
    stars = ["Na 0.1 0.2 0.3 ******* 0.2 -0.3", ROWS[1]]
    unknown = ["Qq 0.1 0.2 0.3 0.1 0.2 -0.3", ROWS[1]]
    bad = [text("energy=********"), text(rows=stars), text(rows=unknown), text("energy=-10.5 pbc=**")]
    (tmp_path / "mixed.xyz").write_text("".join(part for each in bad for part in (good, each)) + good)
    (tmp_path / "other.xyz").write_text(good + "3\ncut")
    (tmp_path / "none.xyz").write_text("no frames here\n")
    sources = [str(tmp_path / name) for name in ("none.xyz", "mixed.xyz", "other.xyz")]
    out = tmp_path / "taken.extxyz"
    words = ["import-frames", *sources, "-o", str(out), "--level-name", "x", "--settings", "s", "--multiplicity", "2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "6 frames admitted, 6 rejected: UNREADABLE 6" in said and str(tmp_path / "taken-rejected.json") in said
    assert len(read_labeled(out)) == 6
    records = json.loads((tmp_path / "taken-rejected.json").read_text())
    assert [record["frame"].rpartition("/")[2] for record in records] == [
        "none.xyz", "mixed.xyz#1", "mixed.xyz#3", "mixed.xyz#5", "mixed.xyz#7", "other.xyz#1",
    ]  # fmt: skip


def test_a_refused_import_says_why_and_which_option_helps(tmp_path, capsys):
    (tmp_path / "a.xyz").write_text(
        text("E=-10.5 my_energy=-10.5", forces="F") + text("E=1 my_energy=-10.5", forces="F")
    )
    words = [
        "import-frames",
        str(tmp_path / "a.xyz"),
        "-o",
        str(tmp_path / "o.extxyz"),
        "--level-name",
        "x",
        "--settings",
        "s",
    ]
    assert main(words) == 4
    said = capsys.readouterr().out
    assert "0 frames admitted, 2 rejected: INCOMPLETE 2" in said
    assert "a.xyz#0: there is no energy and no forces; it has my_energy: select the right one with --energy-key" in said
    assert main([*words, "--energy-key", "E", "--forces-key", "F"]) == 4
    assert "a.xyz#0: neither the source nor --multiplicity gives the multiplicity" in capsys.readouterr().out
    assert main([*words, "--energy-key", "E", "--forces-key", "F", "--multiplicity", "2"]) == 0
    assert "not imported: my_energy (2 frames)" in capsys.readouterr().out


def test_moments_and_charges_under_other_names_are_told(tmp_path, capsys):
    frame = cell("Na3PO4", multiplicity=1, charge=0, total_charge=3, spin_multiplicity=1, spin_sum_muB=0.0)
    for key in ("REF_magmoms", "magnetic_moments", "REF_spin", "mine_spins"):
        frame.set_array(key, np.zeros(8))
    write_frames(tmp_path / "a.xyz", [frame])
    words = ["import-frames", str(tmp_path / "a.xyz"), "-o", str(tmp_path / "o.xyz"), "--level-name", "x",
             "--settings", "s"]  # fmt: skip
    assert main([*words, "--spin-key", "mine_spins"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not imported")]
    names = ("REF_magmoms", "magnetic_moments", "spin_multiplicity", "total_charge")
    listed, _, advice = line.removeprefix("not imported: ").partition("; ")
    assert listed == ", ".join(f"{name} (1 frame)" for name in names)
    assert all(flag in advice for flag in ("--spin-key", "--charge", "--multiplicity"))
    del frame.arrays["REF_forces"]
    write_frames(tmp_path / "a.xyz", [frame])
    assert main(words) == 4
    assert "there are no forces" in (said := capsys.readouterr().out) and "it has" not in said


@pytest.mark.parametrize("group", ["run-{iteration}", "{iteration}", "melt"])
def test_isolated_atoms_need_no_group(tmp_path, group):
    alone = text("energy=-5.0 config_type=IsolatedAtom", rows=["O 0 0 0 0 0 0"], forces="forces")
    (tmp_path / "a.xyz").write_text(text("energy=-10.5 iteration=3") + alone)
    out = tmp_path / "o.extxyz"
    words = ["import-frames", str(tmp_path / "a.xyz"), "-o", str(out), "--level-name", "x", "--settings", "s",
             "--multiplicity", "2", "--group", group, "--e0", "Na=-1.5", "O=-5.0"]  # fmt: skip
    assert main(words) == 0
    frames = read_labeled(out)
    assert [len(frame) for frame in frames] == [2, 1, 1, 1]
    # a bare number would be read back as one
    assert frames[0].info["group"] == ("group-3" if group == "{iteration}" else group.format(iteration=3))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        *(
            (["--max-net-force", value], f"--max-net-force {value}: must be a finite number")
            for value in ("nan", "inf")
        ),
        (["--max-net-force", "-1"], "--max-net-force -1: must be 0 or more"),
        (["--max-net-force", "big"], "--max-net-force big: must be a number"),
        (["--max-stress", "0"], "--max-stress 0: must be above 0"),
        (["--max-stress", "nan"], "--max-stress nan: must be a finite number"),
        (["--every", "1.5"], "--every 1.5: must be a whole number"),
        (["--every", "-1"], "--every -1: must be 1 or more"),
        (["--frames-per-file", "0"], "--frames-per-file 0: must be 1 or more"),
        (["--charge", "nan"], "--charge nan: must be a whole number"),
        (["--e0", "Na=nan"], "--e0 Na=nan: must be an element and its energy"),
        (["--e0", "Na=-inf"], "--e0 Na=-inf: must be an element and its energy"),
        (["--e0", "Na=1", "Na=2"], "--e0 Na=2: Na is given twice"),
        (["--e0", "X=1"], "'X' is not an element"),
        (["--e0", "Og=1"], "--e0 Og=1: neither the source nor the ground state of the element gives the multiplicity"),
    ],
)
def test_numbers_of_the_verb_are_finite_and_within_bounds(tmp_path, capsys, option, message):
    (tmp_path / "a.xyz").write_text(text())
    out = tmp_path / "o.extxyz"
    words = ["import-frames", str(tmp_path / "a.xyz"), "-o", str(out), "--level-name", "x", "--settings", "s"]
    assert main([*words, *option]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.xyz"], "nothing is written"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["select-frames", "a", "-o", "b", "-n", "0"], "--count 0: must be 1 or more"),
        (["select-frames", "a", "-o", "b", "-n", "inf"], "--count inf: must be a whole number"),
        (["export-frames", "a", "-o", "b", "--seed", "-1"], "--seed -1: must be from 0 to"),
        (["export-frames", "a", "-o", "b", "--valid-fraction", "nan"], "--valid-fraction nan: must be a finite number"),
        (["export-frames", "a", "-o", "b", "--test-fraction", "-0.1"], "--test-fraction -0.1: must be from 0 to 0.5"),
        (["fit-spin", "a", "b", "--hidden", "-1"], "--hidden -1: must be 0 or more"),
        (["fit-spin", "a", "b", "--seed", "1e99"], "--seed 1e99: must be a whole number"),
        (["fit-spin", "a", "b", "--seed", "99999999999999999999"], "--seed 99999999999999999999: must be from 0 to"),
        (["audit", "a", "--limit", "energy_z=nan"], "--limit energy_z=nan"),
        (["audit", "a", "--limit", "max_stress_GPa=inf"], "--limit max_stress_GPa=inf"),
    ],
)
def test_numbers_of_the_other_verbs_are_so_too(capsys, words, message):
    assert main(words) == 2 and message in capsys.readouterr().err
