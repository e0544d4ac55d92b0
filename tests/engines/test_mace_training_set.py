"""A dataset handed to mace-torch's own command: its reader sees the same numbers, and no group is cut."""

import json
import shlex

import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_labeled, write_frames
from naglass_drv.dataset.split import split_in_three
from naglass_drv.files import write_json
from support.labeled import cell

LEVEL = "made-h0a1b2c"
E0 = {"Na": -1.5, "P": -2.5, "O": -3.5, "V": -4.5}
MULTIPLICITY = {"Na": 2, "P": 4, "O": 3, "V": 4}


def frames_of(count: int, groups: int):
    frames = [cell(("Na3PO4", "NaVPO5")[k % 2], k, group=f"g{k % groups}") for k in range(count)]
    rng = np.random.default_rng(1)
    for frame in frames[:-1]:
        stress = rng.normal(size=(3, 3))
        frame.info["REF_stress"] = stress + stress.T
    return frames


def isolated_atoms():
    return [cell(element, REF_energy=energy, config_type="IsolatedAtom") for element, energy in E0.items()]


def export(folder, *arguments) -> list[str]:
    """Run the verb; the words of the command it wrote."""
    assert main(["export-frames", *arguments, "-o", str(folder)]) == 0
    (line,) = [line for line in (folder / "mace_run_train.sh").read_text().splitlines() if line.startswith("exec ")]
    return shlex.split(line)[1:]


def test_mace_reads_the_numbers_that_were_written(tmp_path, monkeypatch):
    from mace import data, tools
    from mace.data import KeySpecification, update_keyspec_from_kwargs
    from mace.tools.scripts_utils import get_dataset_from_xyz

    frames = frames_of(24, 8)
    write_frames(tmp_path / "set.extxyz", [*isolated_atoms(), *frames])
    fractions = ("--valid-fraction", "0.25", "--test-fraction", "0.25")
    command = export(tmp_path / "out", str(tmp_path / "set.extxyz"), *fractions)
    assert command[0] == "mace_run_train"
    options = tools.build_default_arg_parser().parse_args(command[1:])
    keys = update_keyspec_from_kwargs(KeySpecification(), vars(options))
    monkeypatch.chdir(tmp_path / "out")
    sets, e0 = get_dataset_from_xyz(
        work_dir=str(tmp_path), train_path=options.train_file, valid_path=options.valid_file,
        valid_fraction=options.valid_fraction, test_path=options.test_file, key_specification=keys,
    )  # fmt: skip
    assert e0 == {8: -3.5, 11: -1.5, 15: -2.5, 23: -4.5}
    read = [*sets.train, *sets.valid, *sets.tests[0][1]]
    assert (len(sets.train), len(sets.valid), len(sets.tests[0][1])) == (12, 6, 6)
    table = tools.AtomicNumberTable([8, 11, 15, 23])
    known = {round(frame.info["REF_energy"], 6): frame for frame in frames}
    for configuration in read:
        frame = known.pop(round(configuration.properties["energy"], 6))
        assert configuration.properties["energy"] == pytest.approx(frame.info["REF_energy"], abs=1e-9)
        np.testing.assert_allclose(configuration.properties["forces"], frame.arrays["REF_forces"], atol=1e-8)
        np.testing.assert_allclose(configuration.positions, frame.positions, atol=1e-8)
        graph = data.AtomicData.from_config(configuration, z_table=table, cutoff=3.0)
        if "REF_stress" in frame.info:
            np.testing.assert_allclose(graph.stress[0].numpy(), frame.info["REF_stress"], rtol=1e-6)
            assert graph.stress_weight == 1
        else:
            assert graph.stress_weight == 0
    assert not known


def test_isolated_atoms_lead_the_training_frames_and_groups_stay_whole(tmp_path, capsys):
    write_frames(tmp_path / "set.extxyz", [*frames_of(24, 8), *isolated_atoms()])
    command = export(tmp_path / "out", str(tmp_path / "set.extxyz"))
    parts = {part: read_labeled(tmp_path / "out" / f"{part}.extxyz") for part in ("train", "valid", "test")}
    atoms = parts["train"][:4]
    found = {atom.get_chemical_formula(): (atom.info["REF_energy"], atom.info["multiplicity"]) for atom in atoms}
    assert found == {element: (energy, MULTIPLICITY[element]) for element, energy in E0.items()}
    assert len({atom.info["level"] for atom in parts["train"]}) == 1
    groups = [{frame.info["group"] for frame in part if len(frame) > 1} for part in parts.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 8
    assert "--compute_stress" in command and command[command.index("--name") + 1] == "out"
    assert "no group is left" not in capsys.readouterr().out


def test_what_a_run_held_out_stays_held_out(tmp_path):
    frames = frames_of(20, 5)
    held = [frame for frame in frames if frame.info["group"] == "g2"]
    write_frames(tmp_path / "dataset" / "train.extxyz", [frame for frame in frames if frame.info["group"] != "g2"])
    write_frames(tmp_path / "dataset" / "test.extxyz", held)
    write_json(tmp_path / "dataset" / "dataset.json", {"level": LEVEL, "E0_eV": E0})
    export(tmp_path / "out", str(tmp_path / "dataset"), "--valid-fraction", "0.3")
    parts = {part: read_labeled(tmp_path / "out" / f"{part}.extxyz") for part in ("train", "valid", "test")}
    assert {frame.info["group"] for frame in parts["test"]} == {"g2"} and len(parts["test"]) == 4
    assert len(parts["valid"]) == 4 and len(parts["train"]) == 4 + 12


def test_one_group_leaves_validation_to_mace_and_says_so(tmp_path, capsys):
    frames = frames_of(4, 1)
    for frame in frames:
        frame.info.pop("REF_stress", None)
    write_frames(tmp_path / "set.extxyz", [*frames, *isolated_atoms()])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "valid.extxyz").write_text("of an earlier export")
    command = export(tmp_path / "out", str(tmp_path / "set.extxyz"))
    assert "no group is left for validation" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mace_run_train.sh", "train.extxyz"]
    assert not {"--valid_file", "--test_file", "--compute_stress"} & set(command)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set.extxyz"], "no isolated-atom energy for Na, O, P, V"),
        (["set.extxyz", "--test-fraction", "0.9"], "--test-fraction 0.9: must be from 0 to 0.5"),
        (["."], "not the dataset of a run; its training frames and dataset.json are required"),
        (["none.extxyz"], "cannot be read"),
    ],
)
def test_what_cannot_be_exported_is_named(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "set.extxyz", frames_of(6, 3))
    assert main(["export-frames", *arguments, "-o", "out"]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda summary: "{", "dataset.json: cannot be read as JSON"),
        (lambda summary: "[]", "dataset.json: not a table of isolated-atom energies"),
        (lambda summary: json.dumps({"level": LEVEL}), "dataset.json: not a table of isolated-atom energies"),
        (lambda summary: json.dumps(summary | {"E0_eV": {"Na": "low"}}), "E0_eV of Na must be a finite number"),
        (lambda summary: json.dumps(summary | {"E0_eV": {"Xx": 1.0}}), "E0_eV has 'Xx', which is no element"),
        (lambda summary: json.dumps(summary | {"level": "other-h1"}), "dataset.json: is of level other-h1, but "),
    ],
)
def test_a_spoiled_dataset_of_a_run_is_named(tmp_path, capsys, spoil, message):
    write_frames(tmp_path / "set" / "train.extxyz", frames_of(6, 3))
    (tmp_path / "set" / "dataset.json").write_text(spoil({"level": LEVEL, "E0_eV": E0}))
    assert main(["export-frames", str(tmp_path / "set"), "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_split_in_three_cuts_no_group():
    groups = [f"g{k // 5}" for k in range(100)]
    for seed in range(5):
        parts = split_in_three(groups, 0.1, 0.2, seed)
        assert sorted(i for part in parts.values() for i in part) == list(range(100))
        assert [len(parts[name]) for name in ("train", "valid", "test")] == [70, 10, 20]
        names = [{groups[i] for i in part} for part in parts.values()]
        assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    assert split_in_three(groups, 0.0, 0.0, 1) == {"train": tuple(range(100)), "valid": (), "test": ()}
    assert split_in_three(["a"] * 3, 0.3, 0.3, 1) == {"train": (0, 1, 2), "valid": (), "test": ()}
