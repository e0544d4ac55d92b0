"""Sets in several files, and the cache of what was parsed: both give the frames that were written, or say why not."""

import json
import os

import h5py
import numpy as np
import pytest
from ase import Atoms

from naglass_drv.cli.main import main
from naglass_drv.dataset import cache, shards
from naglass_drv.dataset.cache import read_cached
from naglass_drv.dataset.frames import read_frames, read_labeled, write_frames
from naglass_drv.dataset.sets import find_set, set_files, write_set
from naglass_drv.errors import InputError
from support.labeled import cell


def frames_of(count: int):
    frames = [cell(("Na2O", "NaVPO5")[k % 2], k) for k in range(count)]
    for frame in frames[1::2]:
        frame.info["REF_stress"] = np.arange(9.0).reshape(3, 3)
        frame.set_array("ion", np.array(["Na+", "V4+", "P5+"] + ["O2-"] * 5))
        frame.set_array("REF_spin", np.linspace(-1.0, 1.25, 8))
    frames[0].pbc = [True, False, True]
    frames[-1].info["scf_converged"] = True
    return frames


def assert_same(one: list[Atoms], other: list[Atoms]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a == b and set(a.arrays) == set(b.arrays)
        for key, values in a.arrays.items():
            np.testing.assert_array_equal(values, b.arrays[key])
        assert list(a.info) == list(b.info)
        for key, value in a.info.items():
            assert type(value) is type(b.info[key])
            np.testing.assert_array_equal(value, b.info[key])


def test_a_set_is_one_file_or_shards_with_their_hashes(tmp_path):
    frames = frames_of(7)
    index = write_set(tmp_path, "train", frames, 3)
    assert [path.name for path in set_files(tmp_path, "train")] == [
        "train-00000.extxyz", "train-00001.extxyz", "train-00002.extxyz", "train.json",
    ]  # fmt: skip
    write_frames(tmp_path / "whole.extxyz", frames)
    assert_same(read_labeled(index), read_labeled(tmp_path / "whole.extxyz"))
    assert [entry["frames"] for entry in json.loads(index.read_text())["shards"]] == [3, 3, 1]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_set(tmp_path, "train", frames, 3)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_new_set_replaces_the_files_of_the_old_one_and_no_others(tmp_path):
    for name in ("train-extra.extxyz", "train-rejected.json", "training.json"):
        (tmp_path / name).write_text("of somebody else")
    others = {path.name for path in tmp_path.iterdir()}
    write_set(tmp_path, "train", frames_of(7), 2)
    assert write_set(tmp_path, "train", frames_of(5), 2) == find_set(tmp_path, "train") == tmp_path / "train.json"
    assert len(set_files(tmp_path, "train")) == 4
    assert write_set(tmp_path, "train", frames_of(5), 5) == find_set(tmp_path, "train") == tmp_path / "train.extxyz"
    assert {path.name for path in tmp_path.iterdir()} == others | {"train.extxyz"}
    (tmp_path / "train.json").write_text('{"not": "an index"}')
    write_set(tmp_path, "train", frames_of(4), 5)
    assert (tmp_path / "train.json").exists() and find_set(tmp_path, "train") == tmp_path / "train.extxyz"
    assert find_set(tmp_path / "absent", "train") is None


def spoil_shard(folder):
    text = (folder / "a-00001.extxyz").read_text()
    (folder / "a-00001.extxyz").write_text(text.replace("REF_energy=-", "REF_energy=-1"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_shard, "a-00001.extxyz: has changed since a.json was written"),
        (lambda folder: (folder / "a-00000.extxyz").unlink(), "a-00000.extxyz: no such file, but a.json lists it"),
        (lambda folder: (folder / "a.json").write_text("{"), "a.json: not an index of shards"),
        (lambda folder: (folder / "a.json").write_text('{"format": "x", "frames": 0, "shards": []}'), "not an index"),
        (lambda folder: (folder / "a.json").write_text('[{"shards": 3}]'), "not an index"),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_refused(tmp_path, spoil, message):
    write_set(tmp_path, "a", frames_of(4), 2)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        read_frames(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["../a-00000.extxyz", "/etc/passwd", "sub/a.extxyz", "a.json", 3])
def test_an_index_reads_no_file_but_shards_beside_it(tmp_path, name):
    folder = tmp_path / "set"
    index = write_set(folder, "a", frames_of(4), 2)
    (tmp_path / "a-00000.extxyz").write_bytes((folder / "a-00000.extxyz").read_bytes())
    content = json.loads(index.read_text())
    content["shards"][0]["file"] = name
    index.write_text(json.dumps(content))
    with pytest.raises(InputError, match="is not a valid shard name"):
        read_frames(index)


@pytest.mark.parametrize("per_file", [9, 2])
def test_the_cache_gives_what_the_text_gives(tmp_path, monkeypatch, per_file):
    path = write_set(tmp_path, "a", frames_of(6), per_file)
    first = read_cached(path)
    assert (tmp_path / f".{path.name}.h5").is_file()
    monkeypatch.setattr(cache, "read_frames", None)
    assert_same(read_cached(path), first)
    monkeypatch.undo()
    assert_same(first, read_frames(path))


def test_a_stale_or_damaged_cache_is_made_anew(tmp_path):
    path = tmp_path / "a.extxyz"
    target = tmp_path / ".a.extxyz.h5"
    write_frames(path, frames_of(3))
    read_cached(path)
    write_frames(path, frames_of(5))
    os.utime(path, ns=(target.stat().st_atime_ns, target.stat().st_mtime_ns))
    assert len(read_cached(path)) == 5
    whole = target.read_bytes()
    with h5py.File(target) as file:
        offset = file["arrays/positions/values"].id.get_chunk_info(0).byte_offset
    damaged = bytearray(whole)
    damaged[offset + 5] ^= 0xFF
    for content in (b"", b"not HDF5", whole[: len(whole) // 2], bytes(damaged)):
        target.write_bytes(content)
        assert_same(read_cached(path), read_frames(path))
        assert target.read_bytes() != content, "made anew"
    target.unlink()
    assert_same(read_cached(path), read_frames(path))
    assert sorted(item.name for item in tmp_path.iterdir()) == [".a.extxyz.h5", "a.extxyz"]


def test_a_shard_that_changed_is_refused_by_the_cache_too(tmp_path):
    index = write_set(tmp_path, "a", frames_of(4), 2)
    read_cached(index)
    spoil_shard(tmp_path)
    with pytest.raises(InputError, match="has changed"):
        read_cached(index)
    with pytest.raises(InputError, match="cannot be read"):
        read_cached(tmp_path / "absent.extxyz")


def test_frames_with_a_calculator_and_folders_that_cannot_be_written_get_no_cache(tmp_path, monkeypatch):
    (tmp_path / "a.xyz").write_text('1\nProperties=species:S:1:pos:R:3 energy=-1.5 pbc="F F F"\nNa 0 0 0\n')
    assert read_cached(tmp_path / "a.xyz")[0].calc.results["energy"] == -1.5
    assert [path.name for path in tmp_path.iterdir()] == ["a.xyz"]
    write_frames(tmp_path / "b.extxyz", frames_of(2))

    def refuse(*arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    assert len(read_cached(tmp_path / "b.extxyz")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xyz", "b.extxyz"]


def test_the_verbs_read_indices_and_cache_on_demand(tmp_path, capsys):
    index = write_set(tmp_path, "a", frames_of(6), 2)
    assert main(["audit", str(index), "-o", str(tmp_path / "out"), "--cache"]) == 0
    assert "6 frames" in capsys.readouterr().out and (tmp_path / ".a.json.h5").is_file()
    taken = ["import-frames", str(tmp_path / "a-00000.extxyz"), "-o", str(tmp_path / "b.extxyz"), "--level-name", "x"]
    assert main([*taken, "--settings", "y", "--frames-per-file", "1"]) == 0
    assert find_set(tmp_path, "b") == tmp_path / "b.json" and len(read_labeled(tmp_path / "b.json")) == 2
    assert shards.verified(tmp_path / "b.json")[1][0].name == "b-00001.extxyz"
