"""The readout of magnetic moments: recovers what it can represent, states its errors, is kept and cut exactly."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from naglass_drv.dataset.frames import read_labeled
from naglass_drv.engines.mace import spin, spin_errors
from naglass_drv.engines.mace.descriptors import descriptors
from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype, load_portable
from naglass_drv.errors import InputError
from support.mace_models import ELEMENTS, build_model, give_moments, packing

pytestmark = pytest.mark.slow

START = Path(__file__).parents[1] / "data" / "tight-binding"


@pytest.fixture(scope="module")
def model():
    with default_dtype("float64"):
        return build_model(hidden="8x0e+8x1o", r_max=3.5, max_ell=2)


def glasses(count: int, seed: int = 0):
    frames = [packing(26, 14.0, tilt=bool(k % 2), seed=seed + k) for k in range(count)]
    for k, frame in enumerate(frames):
        frame.info["group"] = f"g{k // 2}"
    return frames


@pytest.fixture(scope="module")
def labeled(model):
    """Moments that are a known linear function of the features for V, and a constant for the others."""
    frames = glasses(24)
    give_moments(model, frames)
    return frames


def test_invariant_columns_do_not_change_with_the_frame(model):
    """Scalars of both layers: 8 of the first's 32 columns, all 8 of the second's."""
    columns = spin.invariant_columns(model)
    assert columns == [*range(8), *range(32, 40)]
    atoms = packing(12, 14.0, seed=3)
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    with default_dtype("float64"):
        one, other = (next(f.numpy() for f, _ in spin.node_features(model, [a])) for a in (atoms, turned))
    assert other[:, columns] == pytest.approx(one[:, columns], abs=1e-10)
    assert np.abs(other[:, 8:32] - one[:, 8:32]).max() > 1e-3


def test_descriptors_are_means_that_know_neither_size_nor_order(model):
    """Sums of the invariant features of each element, per atom of the frame; of many frames as of one."""
    frames = glasses(3)
    found = descriptors(model, frames)
    columns = spin.invariant_columns(model)
    with default_dtype("float64"):
        for frame, row in zip(frames, found, strict=True):
            ((features, _),) = spin.node_features(model, [frame])
            own = [features.numpy()[frame.symbols == element][:, columns].sum(axis=0) / 26 for element in ELEMENTS]
            assert row == pytest.approx(np.concatenate(own), abs=1e-12)
    again = frames[0][np.random.default_rng(1).permutation(26)]
    again.translate([1.0, 2.0, 3.0])
    assert descriptors(model, [again, frames[0] * (1, 2, 1)]) == pytest.approx(found[[0, 0]], abs=1e-9)
    with pytest.raises(InputError, match="the model covers O Na P V, but not Fe in the frames"):
        descriptors(model, [packing(12, 14.0), Atoms("Fe", cell=[5, 5, 5], pbc=True)])


def test_a_linear_law_is_recovered(model, labeled):
    lines: list[str] = []
    readout = spin.fit_readout(model, labeled[:20], report=lines.append)
    found = spin.predict(model, readout, labeled[20:])
    for frame, moments in zip(labeled[20:], found):
        assert moments == pytest.approx(np.abs(frame.arrays["REF_spin"]), abs=2e-3)
    measured = spin_errors.errors(labeled[20:], found)
    assert measured["V"]["rmse_muB"] < 2e-3 and measured["V"]["atoms"] == 8 and measured["V"]["agreement"] == 1.0
    assert measured["O"]["mae_muB"] < 1e-6 and "agreement" not in measured["O"]
    assert any(line.startswith("V: 40 atoms, ridge ") for line in lines)


def test_hidden_layer_beats_the_mean(model, labeled):
    readout = spin.fit_readout(model, labeled[:8], hidden=16, seed=3)
    again = spin.fit_readout(model, labeled[:8], hidden=16, seed=3)
    assert all(np.array_equal(readout.arrays[key], again.arrays[key]) for key in readout.arrays)
    moments = np.concatenate(spin.predict(model, readout, labeled[:8]))
    labels = np.concatenate([np.abs(f.arrays["REF_spin"]) for f in labeled[:8]])
    vanadium = np.concatenate([np.array(f.symbols) == "V" for f in labeled[:8]])
    assert np.abs(moments - labels)[vanadium].mean() < 0.5 * labels[vanadium].std()


def test_errors_by_hand():
    frames = glasses(2)
    for frame in frames:
        frame.set_array("REF_spin", np.where(np.array(frame.symbols) == "V", 1.0, 0.0))
    frames[1].arrays["REF_spin"][np.array(frames[1].symbols) == "V"] = -2.0
    predicted = [np.abs(f.arrays["REF_spin"]) for f in frames]
    vanadium = np.flatnonzero(np.array(frames[0].symbols) == "V")
    predicted[0] = predicted[0].copy()
    predicted[0][vanadium[0]] = 1.75
    measured = spin_errors.errors(frames, predicted)["V"]
    assert measured["atoms"] == 4 and measured["mae_muB"] == 0.75 / 4
    assert measured["rmse_muB"] == 0.75 / 2 and measured["agreement"] == 0.75
    # one moment of V4+ stands nearer to that of V3+
    assert measured["by_state"]["V4+"]["mae_muB"] == 0.375 and measured["by_state"]["V3+"]["mae_muB"] == 0.0
    assert measured["rmse_muB_err"] is None
    assert "V4+" in spin_errors.table_of({"V": measured}) and "75 %" in spin_errors.table_of({"V": measured})


@pytest.mark.parametrize("hidden", [0, 8])
def test_kept_on_disk_and_in_the_archive(model, labeled, tmp_path, hidden):
    import torch

    readout = spin.fit_readout(model, labeled[:4], hidden=hidden)
    loaded = spin.SpinReadout.load(readout.save(tmp_path / "r.spin"))
    assert loaded.kind == readout.kind and all(
        np.array_equal(loaded.arrays[key], readout.arrays[key]) for key in readout.arrays
    )
    path = export_module(model, tmp_path / "m.naglass", spin=loaded, with_torch=True)
    with zipfile.ZipFile(path) as archive:
        meta = json.loads(archive.read("metadata.json"))
        (tmp_path / "piece.pt").write_bytes(archive.read("pieces/output_spin.pt"))
    assert meta["outputs"] == [{"name": "spin", "unit": "muB", "columns": 1, "labels": "hirshfeld"}]
    piece = torch.jit.load(tmp_path / "piece.pt")
    with default_dtype("float64"):
        features, attributes = next(iter(spin.node_features(model, labeled[:1])))
        assert piece(features, attributes).squeeze(1).numpy() == pytest.approx(
            spin.predict(model, readout, labeled[:1])[0], abs=1e-12
        )


def test_real_moments_of_the_shipped_frames():
    """CP2K moments of 26-atom glasses the shipped potential was trained on: errors far below the moments' spread."""
    frames = [f for f in read_labeled(START / "frames.extxyz.gz") if len(f) > 1]
    groups = sorted({f.info["group"] for f in frames})
    train = [f for f in frames if f.info["group"] != groups[0]][::4]
    test = [f for f in frames if f.info["group"] == groups[0]][::4]
    model = load_portable(START / "model.mace", "float64")
    readout = spin.fit_readout(model, train)
    measured = spin_errors.errors(test, spin.predict(model, readout, test))
    spread = np.concatenate([f.arrays["REF_spin"][np.array(f.symbols) == "V"] for f in test]).std()
    assert measured["V"]["rmse_muB"] < max(0.45, spread)
    assert measured["O"]["rmse_muB"] < 0.1


def test_bad_input(model, labeled, tmp_path):
    with pytest.raises(InputError, match="no frame has REF_spin_mulliken"):
        spin.fit_readout(model, labeled, labels="mulliken")
    foreign = labeled[0].copy()
    foreign.symbols[0] = "Fe"
    with pytest.raises(InputError, match="covers O Na P V, but not Fe in the frames"):
        spin.fit_readout(model, [foreign])
    (tmp_path / "x.spin").write_text("nothing")
    with pytest.raises(InputError, match="not a spin readout"):
        spin.SpinReadout.load(tmp_path / "x.spin")
    readout = spin.fit_readout(model, labeled[:2])
    other = spin.SpinReadout(readout.kind, tuple(reversed(ELEMENTS)), readout.labels, readout.arrays)
    with pytest.raises(InputError, match="the model has O Na P V"):
        export_module(model, tmp_path / "m.naglass", spin=other)
    assert not (tmp_path / "m.naglass").exists()


def test_command(model, labeled, tmp_path, capsys):
    from naglass_drv.cli.main import main
    from naglass_drv.dataset.frames import write_frames
    from naglass_drv.engines.mace.modelfile import save_portable

    save_portable(model, tmp_path / "m.mace")
    write_frames(tmp_path / "f.extxyz", labeled[:6])
    write_frames(tmp_path / "t.extxyz", labeled[6:8])
    words = ["fit-spin", str(tmp_path / "m.mace"), str(tmp_path / "f.extxyz"), "--test", str(tmp_path / "t.extxyz")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "held out frames, |moment| by hirshfeld labels" in out and "V4+" in out
    for frame in labeled[:6]:
        frame.info["level"] = "gfn1-xtb-hacc5a8c"
    write_frames(tmp_path / "f.extxyz", labeled[:6])
    assert main(words) == 0
    assert "held out frames, |moment| by occupations from tight binding\n" in capsys.readouterr().out
    errors = json.loads((tmp_path / "m.spin.json").read_text())["errors"]
    assert errors["held out"]["V"]["atoms"] == 4
    assert main([*words, "--hidden", "-1"]) == 2 and main([*words, "--labels", "mulliken"]) == 2


def moments_of(values, groups):
    """Frames of one V each with these labels (µB), in these groups."""
    frames = []
    for label, group in zip(values, groups, strict=True):
        frame = Atoms("V", positions=[[0.0, 0.0, 0.0]], info={"group": group})
        frame.set_array("REF_spin", np.array([label]))
        frames.append(frame)
    return frames


def test_a_readout_that_regresses_to_the_mean_leaves_states_undetermined():
    """Labels of V5+, V4+ and V3+ (0, 1 and 2 µB) in six groups; predictions shrunk towards their mean."""
    rng = np.random.default_rng(2)
    label = np.tile([0.0, 1.0, 2.0], 60)
    frames = moments_of(label, np.repeat([f"g{k}" for k in range(6)], 30))
    for slope, separates in ((0.95, True), (0.3, False)):
        value = 1.0 + slope * (label - 1.0) + 0.05 * rng.normal(size=len(label))
        found = spin_errors.errors(frames, list(value[:, None]))["V"]
        assert found["slope"] == pytest.approx(slope, abs=0.02)
        assert found["separates"] is separates
        counts = np.array(found["confusion"]["counts"])
        assert counts.sum() == len(label) and bool(np.trace(counts) == len(label)) is separates
    assert found["why_not"].startswith("0 % of V") and "undetermined" in spin_errors.table_of({"V": found})
    assert found["predictions_muB"][1] - found["predictions_muB"][0] < 0.4 * np.ptp(found["labels_muB"])


def test_labels_of_one_state_or_one_group_tell_nothing_apart():
    one = spin_errors.errors(moments_of([1.0] * 8, list("aabbccdd")), [np.array([1.0])] * 8)["V"]
    assert not one["separates"] and one["slope"] is None
    label = np.tile([0.0, 1.0], 10)
    two = spin_errors.errors(moments_of(label, ["a"] * 20), list(label[:, None]))["V"]
    assert not two["separates"] and two["why_not"] == "fewer than two states are labeled in two groups each"
