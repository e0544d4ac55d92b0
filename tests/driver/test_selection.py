"""Farthest-point selection, and the descriptor that needs no model."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv.cli.main import main
from naglass_drv.dataset.frames import read_frames, write_frames
from naglass_drv.dataset.selection import farthest_points, pair_descriptors
from support.labeled import cell
from support.structures import brute_force_pairs


def test_points_on_a_line_in_their_order():
    points = np.array([[0.0], [1.0], [4.0], [10.0], [6.0]])
    found = farthest_points(points, 4)
    # the mean is 4.2; then 10 at 6, 0 at 4, and 6 at 2
    assert found.chosen.tolist() == [2, 3, 0, 4]
    assert found.distances.tolist() == [np.inf, 6.0, 4.0, 2.0] and found.left == 1.0


def test_known_points_come_first_and_ties_go_to_the_lower_index():
    points = np.array([[0.0, 3.0], [3.0, 0.0], [-3.0, 0.0], [0.0, 0.0]])
    found = farthest_points(points, 9, known=np.zeros((1, 2)))
    assert found.chosen.tolist() == [0, 1, 2], "a point that is known already is never chosen"
    assert found.distances.tolist() == [3.0, 3.0, 3.0] and found.left == 0.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_each_choice_is_the_farthest_by_a_table_of_all_distances(seed, count, known):
    rng = np.random.default_rng(seed)
    points, others = rng.normal(size=(15, 3)), rng.normal(size=(known, 3))
    found = farthest_points(points, count, others)
    table = np.linalg.norm(points[:, None] - np.vstack([points, others]), axis=2)
    held = list(range(15, 15 + known))
    for at, distance in zip(found.chosen, found.distances, strict=True):
        if held:
            least = table[:, held].min(axis=1)
            assert distance == pytest.approx(least.max()) and least[at] == pytest.approx(least.max())
        else:
            from_mean = np.linalg.norm(points - points.mean(axis=0), axis=1)
            assert distance == np.inf and from_mean[at] == from_mean.min()
        held.append(at)
    assert len(found.chosen) == min(count, 15)
    assert found.left == pytest.approx(table[:, held].min(axis=1).max(), abs=1e-12)


def test_pair_descriptors_are_the_smoothed_pair_distances():
    frame = cell("Na3PO4", 3)
    frame.set_cell([[5.0, 0, 0], [0.5, 5.5, 0], [0, -0.8, 6.0]], scale_atoms=True)
    elements = ["Na", "O", "P"]
    r = (np.arange(120) + 0.5) * 0.05
    expected = {(a, b): np.zeros(120) for a in elements for b in elements}
    for (i, j, _), distance in brute_force_pairs(frame, 6.0).items():
        # distances are taken at the middle of their bin of 0.05 Å
        d = (np.floor(distance / 0.05) + 0.5) * 0.05
        peak = np.exp(-0.5 * ((r - d) / 0.15) ** 2) / (0.15 * np.sqrt(2 * np.pi))
        weight = 0.5 * (1 + np.cos(np.pi * d / 6.0)) / d**2 * np.sqrt(0.05)
        expected[frame.symbols[i], frame.symbols[j]] += weight * peak / 8
    order = [(a, b) for k, a in enumerate(elements) for b in elements[k:]]
    wanted = np.concatenate([expected[pair] for pair in order])
    (found,) = pair_descriptors([frame], elements)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_pair_descriptors_know_neither_size_nor_order_and_tell_compositions_apart():
    frame = cell("Na3PO4", 3)
    other = frame[np.random.default_rng(2).permutation(8)] * (1, 2, 2)
    other.translate([1.0, 2.0, 3.0])
    fewer = frame[:7]
    first, same, different = pair_descriptors([frame, other, fewer], ["Fe", "Na", "O", "P"])
    np.testing.assert_allclose(same, first, atol=1e-12)
    assert np.linalg.norm(different - first) > 0.01 and first.shape == (1200,)
    assert not first[:120].any(), "there is no Fe-Fe"


def test_the_verb_keeps_away_from_what_is_there(tmp_path, capsys):
    frames = [cell("Na3PO4", k) for k in range(8)]
    stretched = frames[5].copy()
    stretched.set_cell(stretched.cell * 1.2, scale_atoms=True)
    write_frames(tmp_path / "pool.extxyz", [*frames, stretched])
    write_frames(tmp_path / "have.extxyz", frames)
    arguments = ["select-frames", str(tmp_path / "pool.extxyz"), "-n", "3", "-o", str(tmp_path / "out.extxyz")]
    assert main([*arguments, "--exclude", str(tmp_path / "have.extxyz")]) == 0
    assert "1 of 9 frames selected by pair distances" in capsys.readouterr().out
    (chosen,) = read_frames(tmp_path / "out.extxyz")
    np.testing.assert_allclose(chosen.cell.array, stretched.cell.array)
    assert chosen.info["REF_energy"] == stretched.info["REF_energy"]
    record = json.loads((tmp_path / "out-selection.json").read_text())
    assert [entry["frame"].rpartition("/")[2] for entry in record["chosen"]] == ["pool.extxyz: frame 8"]
    assert main(arguments) == 0 and len(read_frames(tmp_path / "out.extxyz")) == 3
    assert main([*arguments[:3], "0", *arguments[4:]]) == 2 and "--count 0" in capsys.readouterr().err
