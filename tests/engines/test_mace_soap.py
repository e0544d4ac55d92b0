"""SOAP takes weights apart and together again, goes on exactly from a checkpoint, and needs fewer epochs than Adam."""

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from test_mace_train import E0, OPTIONS, labeled_frames

from naglass_drv.engines.mace import readouts
from naglass_drv.engines.mace.fit import Fit, build_model, graphs
from naglass_drv.engines.mace.modelfile import default_dtype
from naglass_drv.engines.mace.soap import Soap
from support.mace_kinds import KINDS
from support.mace_models import MODELS
from support.mace_models import build_model as build_kind

pytestmark = pytest.mark.slow
EVERY = MODELS | KINDS
NUMBERS = {atomic_numbers[element]: energy for element, energy in E0.items()}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_each_weight_is_in_one_matrix_and_small_enough_for_its_eigenvectors(name):
    model = build_kind(**EVERY[name])
    soap = Soap(model, 0.01)
    for parameter in model.parameters():
        with torch.no_grad():
            numbers = torch.arange(parameter.numel(), dtype=parameter.dtype).view_as(parameter)
            matrices = soap._matrices(parameter, numbers)
        found = torch.cat([matrix.flatten() for matrix in matrices]).sort().values
        assert torch.equal(found, numbers.flatten())
        assert max(max(matrix.shape[1:]) for matrix in matrices) <= 256


def fitted(optimizer: str, epochs: int, stopped_at=None, checkpoint=None) -> Fit:
    frames = labeled_frames(12, 1)
    options = OPTIONS | {"optimizer": optimizer, "epochs": epochs, "batch_size": 2}

    def begun() -> Fit:
        torch.manual_seed(0)
        return Fit(build_model(options, NUMBERS, frames), options, graphs(frames, sorted(NUMBERS), 4.0), 5)

    fit = begun()
    for epoch in range(epochs):
        if epoch == stopped_at:
            fit.save(checkpoint)
            fit = begun()
            fit.load(checkpoint)
        fit.history.append({"loss": fit.run_epoch()})
    return fit


def test_from_a_checkpoint_it_goes_on_to_the_same_weights(tmp_path):
    with default_dtype("float64"):
        whole, resumed = fitted("soap", 6), fitted("soap", 6, 3, tmp_path / "checkpoint.pt")
    for own, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.allclose(own, other, rtol=1e-6, atol=1e-8)


def test_it_reaches_in_some_epochs_what_adam_needs_many_more_for():
    with default_dtype("float64"):
        losses = {name: [own["loss"] for own in fitted(name, 30).history] for name in ("adam", "soap")}
    assert losses["soap"][-1] < 0.7 * losses["adam"][-1]


def test_a_frame_with_a_huge_force_does_not_undo_the_fit():
    frames = labeled_frames(12, 1)
    options = OPTIONS | {"optimizer": "soap", "epochs": 40, "batch_size": 1}
    with default_dtype("float64"):
        torch.manual_seed(0)
        fit = Fit(build_model(options, NUMBERS, frames), options, graphs(frames, sorted(NUMBERS), 4.0), 5)
        before = [fit.run_epoch() for _ in range(10)][-1]
        wrong = frames[0].copy()
        wrong.arrays["REF_forces"] = 1e4 * wrong.arrays["REF_forces"]
        kept, fit.train = fit.train, graphs([wrong], sorted(NUMBERS), 4.0)
        fit.run_epoch()
        fit.epoch, fit.train = 10, kept
        assert np.mean([fit.run_epoch() for _ in range(3)]) < 2 * before


def test_heads_on_a_frozen_body_learn_faster_than_with_adam_and_leave_the_body_as_it_is():
    frames, fallen = labeled_frames(12, 1), {}
    with default_dtype("float64"):
        for name in ("adam", "soap"):
            options = OPTIONS | {"optimizer": name, "epochs": 5, "batch_size": 2}
            torch.manual_seed(0)
            model = readouts.split(build_model(options, NUMBERS, frames), "Default", 3, 1)
            body = {own: weight.clone() for own, weight in model.named_parameters() if not weight.requires_grad}
            items = readouts.drawn(frames, graphs(frames, sorted(NUMBERS), 4.0, readouts.names(3)), 3, 2)
            fit = Fit(model, options, items, 5)
            losses = [fit.run_epoch() for _ in range(5)]
            fallen[name] = losses[0] - losses[-1]
            after = dict(model.named_parameters())
            assert body and all(torch.equal(weight, after[own]) for own, weight in body.items())
    assert fallen["soap"] > 1.1 * fallen["adam"] > 0
