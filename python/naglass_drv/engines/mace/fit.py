"""Fitting a MACE model to labeled frames (imports torch and mace; used in the training child only).

The model is mace-torch's ScaleShiftMACE (Batatia et al., NeurIPS 2022, arXiv:2206.07697) with its
weighted squared-error loss. Differences from mace-torch's own command: the learning rate and the order of the
frames are functions of the epoch alone, and the state is complete after every epoch, so that a stopped fit
goes on exactly.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from .modelfile import import_torch

# e3nn's constants can be read only after this
torch = import_torch()

from e3nn import o3  # noqa: E402
from mace import data, modules, tools  # noqa: E402
from mace.tools import torch_geometric  # noqa: E402
from mace.tools.scripts_utils import get_params_options  # noqa: E402
from torch_ema import ExponentialMovingAverage  # noqa: E402

from .faster import faster  # noqa: E402
from .soap import Soap  # noqa: E402

_KEYS = data.KeySpecification(
    info_keys={"energy": "REF_energy", "stress": "REF_stress"}, arrays_keys={"forces": "REF_forces"}
)
_EMA_DECAY = 0.99
_MAX_GRADIENT = 10.0
_FINAL_RATE = 0.01
_WEIGHT_DECAY = 5e-7


class LossNotFinite(Exception):
    """The loss or a parameter became infinite or NaN."""


def graphs(
    frames: Sequence[Any], elements: Sequence[int], r_max: float, heads: Sequence[str] = ("Default",), head: str = ""
) -> list[data.AtomicData]:
    """mace-torch's graphs of `frames` (ase.Atoms with REF_ labels) for `elements` (Z) and cutoff `r_max` (Å).

    `head` is the one of `heads` whose energies they are evaluated with (the first by default). Numbers are of torch's
    default dtype. A frame without REF_stress has weight 0 in the stress term.
    """
    table = tools.AtomicNumberTable(list(elements))
    own = head or heads[0]
    configurations = [data.config_from_atoms(frame, key_specification=_KEYS, head_name=own) for frame in frames]
    return [data.AtomicData.from_config(c, z_table=table, cutoff=r_max, heads=list(heads)) for c in configurations]


def loader(items: Sequence[data.AtomicData], batch_size: int, order: Sequence[int] | None = None) -> Any:
    """Batches of `items` in the given order (as they are by default)."""
    return torch_geometric.dataloader.DataLoader(list(items), batch_size=batch_size, sampler=order)


def build_model(options: Mapping[str, Any], e0_eV: Mapping[int, float], frames: Sequence[Any]) -> torch.nn.Module:
    """A new model for the elements of `e0_eV` (atomic number -> isolated-atom energy, eV).

    `options` has `channels`, `max_L`, `layers`, `correlation`, `r_max_A`, `zbl`. Scale (rms force) and shift
    (mean energy per atom beyond E0) of the interaction energy and the mean number of neighbors come from
    `frames`.
    """
    elements = sorted(e0_eV)
    energies = np.array([e0_eV[z] for z in elements])
    batches = loader(graphs(frames, elements, options["r_max_A"]), 16)
    mean, rms = modules.compute_mean_rms_energy_forces(batches, energies)
    hidden = "+".join(f"{options['channels']}x{l}{'eo'[l % 2]}" for l in range(options["max_L"] + 1))
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    return modules.ScaleShiftMACE(
        r_max=options["r_max_A"],
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=options["layers"],
        num_elements=len(elements),
        hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=energies,
        avg_num_neighbors=modules.compute_avg_num_neighbors(batches),
        atomic_numbers=elements,
        correlation=options["correlation"],
        gate=modules.gate_dict["silu"],
        pair_repulsion=options["zbl"],
        radial_MLP=[64, 64, 64],
        radial_type="bessel",
        atomic_inter_scale=rms.item(),
        atomic_inter_shift=mean.item(),
    )


def learning_rate(step: int, steps_per_epoch: int, steps: int, peak: float) -> float:
    """Rate at `step` of `steps`: linear rise in the first epoch (a tenth of the fit at most), then a cosine.

    The cosine ends at 1 % of `peak` (Loshchilov & Hutter, arXiv:1608.03983, without restarts).
    """
    rise = max(1, min(steps_per_epoch, steps // 10))
    if step < rise:
        return peak * (step + 1) / rise
    turn = (step - rise) / max(1, steps - rise)
    return peak * (_FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * turn)))


def _optimizer(model: torch.nn.Module, options: Mapping[str, Any]) -> torch.optim.Optimizer:
    if options["optimizer"] == "soap":
        return Soap(model, options["learning_rate"])
    rates = SimpleNamespace(
        lr=options["learning_rate"],
        weight_decay=_WEIGHT_DECAY,
        amsgrad=True,
        beta=0.9,
        freeze=None,
        lr_params_factors="{}",
    )
    return torch.optim.Adam(**get_params_options(rates, model))


class Fit:
    """The state of a fit: model, optimiser, moving average of the weights, and the history of the epochs."""

    def __init__(self, model: torch.nn.Module, options: Mapping[str, Any], train: Sequence[data.AtomicData], seed: int):
        self.model = model
        self.options = options
        self.train = train
        self.seed = seed
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.optimizer = _optimizer(model, options)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.ema = ExponentialMovingAverage(model.parameters(), decay=_EMA_DECAY)
        self.with_stress = options["stress_weight"] > 0
        terms = ["energy_weight", "forces_weight"]
        kind = modules.WeightedEnergyForcesLoss
        if self.with_stress:
            terms.append("stress_weight")
            kind = modules.WeightedEnergyForcesStressLoss
        self.loss = kind(**{term: options[term] for term in terms})

    def run_epoch(self) -> float:
        """One pass over the frames; returns the mean loss. Raises LossNotFinite."""
        batch_size = self.options["batch_size"]
        per_epoch = math.ceil(len(self.train) / batch_size)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.train)).tolist()
        total = 0.0
        self.model.train()
        for number, batch in enumerate(loader(self.train, batch_size, order)):
            rate = learning_rate(
                self.epoch * per_epoch + number,
                per_epoch,
                self.options["epochs"] * per_epoch,
                self.options["learning_rate"],
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            total += self._step(batch, f"at epoch {self.epoch + 1}, batch {number + 1} of {per_epoch}")
        if not all(torch.isfinite(p).all() for p in self.model.parameters()):
            raise LossNotFinite(f"a parameter is not finite after epoch {self.epoch + 1}")
        self.epoch += 1
        return total / per_epoch

    def _step(self, batch: Any, place: str) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        output = self.model(batch.to_dict(), training=True, compute_force=True, compute_stress=self.with_stress)
        loss = self.loss(pred=output, ref=batch)
        if not torch.isfinite(loss):
            raise LossNotFinite(f"the loss is {loss.item()} {place}")
        # no gradient by positions, which would be computed, too
        loss.backward(inputs=self.parameters)
        most = self.optimizer.largest_norm() if isinstance(self.optimizer, Soap) else _MAX_GRADIENT
        # it may overflow although the loss it comes from is finite
        if not torch.isfinite(torch.nn.utils.clip_grad_norm_(self.parameters, most)):
            raise LossNotFinite(f"the gradient of the loss is not finite {place}")
        self.optimizer.step()
        self.ema.update()
        return loss.item()

    def averaged(self) -> Any:
        """Context in which the model carries the moving average of its weights."""
        return self.ema.average_parameters()

    def save(self, path: Path) -> None:
        """Write the whole state under a temporary name and rename it to `path`."""
        state = {
            "epoch": self.epoch,
            "history": self.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
        }
        temporary = path.with_name(f".{path.name}.new")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def load(self, path: Path) -> None:
        """Go on from a state written by `save` for the same settings and frames."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        self.epoch, self.history = state["epoch"], state["history"]


def make_double(model: torch.nn.Module, e0_eV: torch.Tensor) -> None:
    """Make `model` float64 with the exact E0 (eV, by element, or by head and element), whatever it was trained in."""
    model.double()
    own = model.atomic_energies_fn.atomic_energies
    own.copy_(e0_eV.view_as(own))


def predict(model: torch.nn.Module, items: Sequence[data.AtomicData], batch_size: int) -> dict[str, np.ndarray]:
    """Energies (F, eV), forces (ΣN×3, eV/Å) and stresses (F×3×3, eV/Å³) of the model for F graphs."""
    parts: dict[str, list[np.ndarray]] = {"energy": [], "forces": [], "stress": []}
    model.eval()
    with faster(model):
        for batch in loader(items, batch_size):
            output = model(batch.to_dict(), training=False, compute_force=True, compute_stress=True)
            for key, values in parts.items():
                values.append(output[key].detach().numpy())
    return {key: np.concatenate(values) for key, values in parts.items()}


def fit(
    state: Fit, checkpoint: Path, measure: Callable[[], dict[str, float]], report: Callable[[dict[str, float]], None]
) -> None:
    """Run the epochs that are left; after each one write `checkpoint` and report its record.

    `measure` gives the held-out errors of the averaged weights; they are recorded about twenty times in a fit
    and steer nothing, so that they stay held out.
    """
    epochs = state.options["epochs"]
    every = max(1, epochs // 20)
    with faster(state.model):
        while state.epoch < epochs:
            record: dict[str, float] = {"loss": state.run_epoch()}
            record["epoch"] = state.epoch
            if state.epoch % every == 0 or state.epoch == epochs:
                with state.averaged():
                    record |= measure()
            state.history.append(record)
            state.save(checkpoint)
            report(record)
