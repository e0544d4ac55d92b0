"""States of atoms, an integer each: checked where frames are read, and kept by all that hands frames on."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from naglass_drv.cli.main import main
from naglass_drv.dataset import candidates
from naglass_drv.dataset.assemble import assemble
from naglass_drv.dataset.cells import Ions
from naglass_drv.dataset.frames import check_labeled, digest, read_frames, read_labeled, structure_digest, write_frames
from naglass_drv.dataset.sets import write_set
from naglass_drv.errors import InputError
from naglass_drv.stages.candidates import _for_labels
from support.labeled import ENERGY_eV, cell


def stated(seed: int = 0):
    """A labeled cell whose first V is in state 1."""
    frame = cell("Na4V2P4O16", seed)
    frame.set_array("state", (np.arange(26) == 4).astype(int))
    return frame


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (np.full(26, 0.5), "state has shape (26,) and type float64; must be an integer for each atom"),
        (np.zeros((26, 2), int), "state has shape (26, 2) and type int32; must be an integer for each atom"),
        (np.where(np.arange(26) == 4, 16, 0), "state of atom 5 (V) is 16; must be from 0 to 15"),
        (np.where(np.arange(26) == 4, -1, 0), "state of atom 5 (V) is -1; must be from 0 to 15"),
    ],
)
def test_bad_states(tmp_path, states, message):
    frame = cell("Na4V2P4O16")
    frame.set_array("state", states)
    write_frames(tmp_path / "frames.extxyz", [frame])
    with pytest.raises(InputError) as error:
        read_labeled(tmp_path / "frames.extxyz")
    assert "frame 0" in str(error.value) and message in str(error.value)


def test_states_make_another_structure_unless_all_are_0():
    frame, plain = stated(), cell("Na4V2P4O16")
    ground = plain.copy()
    ground.set_array("state", np.zeros(26, int))
    for hash_of in (digest, structure_digest):
        assert hash_of(frame) != hash_of(plain) == hash_of(ground)


def test_datasets_shards_and_exports_keep_states(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    atoms = []
    for element in ("Na", "V", "P", "O"):
        atom = cell(element)
        atom.info |= {"config_type": "IsolatedAtom", "REF_energy": ENERGY_eV[element], "group": f"{element}-atom"}
        atom.pbc = False
        atom.arrays["REF_forces"][:] = 0.0
        atoms.append(atom)
    made = assemble("made", {"frames": [*map(stated, range(8)), *atoms]}, {})
    assert all(frame.arrays["state"].tolist() == stated().arrays["state"].tolist() for frame in made.frames)
    written = write_set(tmp_path / "set", "train", list(made.frames), 3)
    assert [frame.arrays["state"][4] for frame in read_labeled(written)] == [1] * 8
    write_frames(tmp_path / "all.extxyz", [*made.frames, *atoms])
    assert main(["export-frames", "all.extxyz", "--output", "out", "--valid-fraction", "0"]) == 0
    found = [frame for frame in read_frames(tmp_path / "out" / "train.extxyz") if len(frame) > 1]
    assert found and all(frame.arrays["state"][4] == 1 for frame in found)


def test_candidates_and_structures_to_be_labeled_keep_states():
    frame = stated()
    bare = candidates.prepared(frame, "here", "family", 0, None)
    assert bare.arrays["state"][4] == 1 and "REF_forces" not in bare.arrays
    again = candidates.from_json(json.loads(json.dumps(candidates.to_json(bare))))
    assert again.arrays["state"].tolist() == frame.arrays["state"].tolist()
    assert "state" not in candidates.to_json(candidates.prepared(cell("Na4V2P4O16"), "here", "family", 0, None))
    wrong = stated()
    wrong.arrays["state"][4] = 99
    with pytest.raises(InputError, match=r"here: state of atom 5 \(V\) is 99"):
        candidates.prepared(wrong, "here", "family", 0, None)
    big = cell("Na8V4P8O32", step=5)
    moved = _for_labels(big, frame, SimpleNamespace(replicate=(2, 1, 1), structure="s"), "g0-300K")
    assert np.flatnonzero(moved.arrays["state"]).tolist() == [4, 30]
    with pytest.raises(InputError, match="atom 5 is in state 1, and cells that are cut do not keep states"):
        Ions.of(frame)


def test_foreign_frames_and_relabeled_ones_keep_states(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = stated()
    write_frames(tmp_path / "plain.extxyz", [plain])
    argv = ["import-frames", "plain.extxyz", "-o", "here.extxyz", "--level-name", "x", "--settings", "y"]
    assert main([*argv, "--multiplicity", "high-spin", "--max-net-force", "1"]) == 0
    (found,) = read_labeled(tmp_path / "here.extxyz")
    assert found.arrays["state"].tolist() == plain.arrays["state"].tolist()
    check_labeled(found, "here")
