"""Magnetic moments from a frozen MACE model: a readout on its invariant node features, |moment| per atom in µB.

The potential is fitted first and never changes; the readout is a ridge regression for each element, or one hidden layer
shared by all. It predicts the absolute moment: which way an atom's moment points is not a function of its
surroundings. Labels are Hirshfeld (``REF_spin``) or Mulliken moments (``REF_spin_mulliken``).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...files import write_zip
from ...wording import counted
from .filekind import UNREADABLE, read_json
from .modelfile import default_dtype, import_torch, npy_bytes

if TYPE_CHECKING:
    import torch
    from ase import Atoms

    from .networks import Arrays

NAME, UNIT = "spin", "muB"
FORMAT = "naglass-spin-readout"
LABELS = {"hirshfeld": "REF_spin", "mulliken": "REF_spin_mulliken"}
_RIDGES = tuple(10.0**k for k in range(-9, 3))
_EPOCHS, _PATIENCE, _RATE = 400, 40, 0.01
_HELD_OUT = 0.2
_BATCH = 16
_MAX_BYTES = 1 << 28
_ARRAYS = {"linear": ("columns", "mean", "scale", "weight", "bias"),
           "hidden": ("columns", "mean", "scale", "weight", "bias", "inner_weight", "inner_bias")}  # fmt: skip


@dataclass(frozen=True)
class SpinReadout:
    """A fitted readout: `elements` (symbols, the model's order), `labels` it was fitted to, and its arrays.

    With F invariant features, Z elements and H hidden units: columns F, mean F, scale F; linear: weight Z×F, bias Z;
    hidden: inner_weight H×(F+Z), inner_bias H, weight Z×H, bias Z.
    """

    kind: str
    elements: tuple[str, ...]
    labels: str
    arrays: dict[str, np.ndarray]

    def piece(self) -> torch.nn.Module:
        """The module (node features of all layers N×ΣF, one-hot N×Z) -> |moment| N×1 (µB), never below zero."""
        from .spin_piece import HiddenSpin, LinearSpin

        return (LinearSpin if self.kind == "linear" else HiddenSpin)(self.arrays)

    def describe(self, arrays: Arrays) -> dict[str, Any]:
        """JSON for the native backend: features are given as they are, so that `mean` and `scale` go into weights."""
        a = self.arrays
        elements, count = len(self.elements), len(a["columns"])
        inner_weight = inner_bias = None
        if self.kind == "linear":
            weight = a["weight"] / a["scale"]
            bias = a["bias"] - weight @ a["mean"]
        else:
            own = a["inner_weight"][:, :count] / a["scale"]
            inner_weight = arrays.add("spin.inner_weight", own)
            constant = a["inner_bias"] - own @ a["mean"]
            by_element = a["inner_weight"][:, count : count + elements].T
            inner_bias = arrays.add("spin.inner_bias", constant + by_element)
            weight, bias = a["weight"], a["bias"]
        return {
            "columns": arrays.add("spin.columns", np.asarray(a["columns"], dtype=np.int64)),
            "inner_weight": inner_weight,
            "inner_bias": inner_bias,
            "weight": arrays.add("spin.weight", weight),
            "bias": arrays.add("spin.bias", bias),
        }

    def save(self, path: str | Path) -> Path:
        """Write a zip of JSON and ``.npy`` arrays; returns the path."""
        head = {"format": FORMAT, "kind": self.kind, "elements": list(self.elements), "labels": self.labels}
        arrays = {f"{name}.npy": npy_bytes(array) for name, array in self.arrays.items()}
        write_zip(Path(path), {"readout.json": json.dumps(head, indent=1)} | arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> SpinReadout:
        """Read what `save` wrote. Raises InputError for anything else."""
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES:
                    raise InputError(f"{path}: larger than any spin readout")
                head = read_json(path, archive, "readout.json")
                if head["format"] != FORMAT or head["kind"] not in _ARRAYS:
                    raise InputError(f"{path}: format {head['format']} {head.get('kind')}, not a {FORMAT}")
                arrays = {
                    name: np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
                    for name in _ARRAYS[head["kind"]]
                }
            return cls(head["kind"], tuple(head["elements"]), head["labels"], arrays)
        except UNREADABLE as error:
            raise InputError(f"{path}: not a spin readout, or damaged ({error})") from error


@dataclass(frozen=True)
class _Table:
    """Rows of atoms: node features (all columns), element index, label (µB), frame and group number."""

    features: np.ndarray
    element: np.ndarray
    label: np.ndarray
    group: np.ndarray

    def of(self, rows: np.ndarray) -> _Table:
        return _Table(self.features[rows], self.element[rows], self.label[rows], self.group[rows])


def fit_readout(
    model: torch.nn.Module,
    frames: Sequence[Atoms],
    *,
    labels: str = "hirshfeld",
    hidden: int = 0,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> SpinReadout:
    """Fit a readout for `model` (float64, on the CPU) to the moments of `frames`.

    `hidden` is the number of hidden units, 0 for the linear readout. The strength of the ridge, or when to stop, is
    chosen on a fifth of the groups, which then join the fit of the ridge. `report` hears of the progress. Raises
    InputError when no frame carries the labels.
    """
    from ase.data import chemical_symbols

    elements = tuple(chemical_symbols[int(z)] for z in model.atomic_numbers)
    table = _table(model, frames, LABELS[labels], elements)
    columns = np.array(invariant_columns(model))
    part = table.features[:, columns]
    mean, scale = part.mean(axis=0), part.std(axis=0)
    scale[scale < 1e-10] = 1.0
    x = (part - mean) / scale
    held = _held_out(table.group, seed)
    fixed = {"columns": columns, "mean": mean, "scale": scale}
    if hidden == 0:
        arrays = _ridges(x, table, held, elements, report)
        return SpinReadout("linear", elements, labels, fixed | arrays)
    arrays = _network(x, table, held, len(elements), hidden, seed, report)
    return SpinReadout("hidden", elements, labels, fixed | arrays)


def predict(model: torch.nn.Module, readout: SpinReadout, frames: Sequence[Atoms]) -> list[np.ndarray]:
    """|moment| (µB) of every atom, per frame, by mace-torch's own features."""
    torch = import_torch()
    with default_dtype("float64"), torch.no_grad():
        piece = readout.piece().double()
        out = []
        for features, attributes in node_features(model, frames):
            out.append(piece(features, attributes).squeeze(1).numpy())
    return out


def invariant_columns(model: torch.nn.Module) -> list[int]:
    """Columns of the scalars (0e) in the node features of all layers side by side."""
    columns, start = [], 0
    for product in model.products:
        irreps = product.linear.irreps_out
        for (_, ir), part in zip(irreps, irreps.slices(), strict=True):
            if ir.l == 0 and ir.p == 1:
                columns += range(start + part.start, start + part.stop)
        start += irreps.dim
    return columns


def node_features(model: torch.nn.Module, frames: Sequence[Atoms]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Node features N×ΣF (all layers side by side) and one-hot elements N×Z of each frame, labeled or not."""
    from .fit import graphs, loader

    torch = import_torch()
    elements = [int(z) for z in model.atomic_numbers]
    for batch in loader(graphs(frames, elements, float(model.r_max)), _BATCH):
        with torch.no_grad():
            found = model(batch.to_dict(), compute_force=False)["node_feats"]
        sizes = batch.ptr.diff().tolist()
        yield from zip(found.split(sizes), batch.node_attrs.split(sizes), strict=True)


def _table(model: torch.nn.Module, frames: Sequence[Atoms], key: str, elements: Sequence[str]) -> _Table:
    carrying = [frame for frame in frames if key in frame.arrays and len(frame) > 1]
    if not carrying:
        raise InputError(f"spin readout: no frame has {key}")
    unknown = sorted({e for frame in carrying for e in frame.symbols} - set(elements))
    if unknown:
        raise InputError(
            f"spin readout: the model covers {' '.join(elements)}, but not {', '.join(unknown)} in the frames"
        )
    with default_dtype("float64"):
        features = np.concatenate([f.numpy() for f, _ in node_features(model, carrying)])
    names = {name: k for k, name in enumerate(dict.fromkeys(str(f.info.get("group", "")) for f in carrying))}
    return _Table(
        features,
        np.concatenate([[elements.index(e) for e in frame.symbols] for frame in carrying]),
        np.concatenate([np.abs(frame.arrays[key]) for frame in carrying]),
        np.concatenate([np.full(len(f), names[str(f.info.get("group", ""))]) for f in carrying]),
    )


def _held_out(group: np.ndarray, seed: int) -> np.ndarray:
    """Mask of the atoms to choose by: a fifth of the groups, or of the atoms where there is one group."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(group))
    if len(names) < 2:
        return rng.random(len(group)) < _HELD_OUT
    return np.isin(group, names[: max(1, round(_HELD_OUT * len(names)))])


def _ridges(x, table: _Table, held, elements: Sequence[str], report) -> dict[str, np.ndarray]:
    """Ridge regression for each element; its strength is that of the least error on the held-out atoms."""
    weight, bias = np.zeros((len(elements), x.shape[1])), np.zeros(len(elements))
    for z, element in enumerate(elements):
        own = table.element == z
        if not own.any():
            continue
        errors_of = {}
        for ridge in _RIDGES:
            w, b = _solve(x[own & ~held], table.label[own & ~held], ridge)
            rest = own & held
            errors_of[ridge] = float(np.square(x[rest] @ w + b - table.label[rest]).mean()) if rest.any() else ridge
        best = min(errors_of, key=errors_of.__getitem__)
        weight[z], bias[z] = _solve(x[own], table.label[own], best)
        report(f"{element}: {counted(int(own.sum()), 'atom')}, ridge {best:g}")
    return {"weight": weight, "bias": bias}


def _solve(x: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    if not len(y):
        return np.zeros(x.shape[1]), 0.0
    center, mean = x.mean(axis=0), float(y.mean())
    a = x - center
    w = np.linalg.solve(a.T @ a + ridge * len(y) * np.eye(x.shape[1]), a.T @ (y - mean))
    return w, mean - float(center @ w)


def _network(x, table: _Table, held, count: int, hidden: int, seed: int, report) -> dict[str, np.ndarray]:
    """One hidden layer, fitted with Adam; the weights of the epoch with the least held-out error."""
    torch = import_torch()
    generator = torch.Generator().manual_seed(seed)
    one_hot = np.eye(count)[table.element]
    inputs = torch.tensor(np.hstack([x, one_hot]), dtype=torch.float64)
    z, y = torch.tensor(table.element), torch.tensor(table.label, dtype=torch.float64)
    # rare magnetic atoms weigh as much as many oxygens
    variance = np.array([table.label[table.element == k].var() + 1e-3 if (table.element == k).any() else 1.0
                         for k in range(count)])  # fmt: skip
    share = np.bincount(table.element, minlength=count) / len(y)
    importance = torch.tensor(variance / np.maximum(share, 1e-9))[z]
    inner = torch.randn(hidden, inputs.shape[1], dtype=torch.float64, generator=generator) / inputs.shape[1] ** 0.5
    arrays = [inner, torch.zeros(hidden, dtype=torch.float64), torch.zeros(count, hidden, dtype=torch.float64),
              torch.tensor([float(table.label[table.element == k].mean()) if (table.element == k).any() else 0.0
                            for k in range(count)], dtype=torch.float64)]  # fmt: skip
    for array in arrays:
        array.requires_grad_()
    optimizer = torch.optim.Adam(arrays, lr=_RATE, weight_decay=1e-5)
    keep, aside = torch.tensor(~held), torch.tensor(held)

    def loss(rows):
        a = torch.nn.functional.silu(inputs[rows] @ arrays[0].T + arrays[1])
        value = (a * arrays[2][z[rows]]).sum(dim=1) + arrays[3][z[rows]]
        return (importance[rows] * (value - y[rows]) ** 2).mean() / importance[rows].mean()

    best, saved, since = float("inf"), [a.detach().clone() for a in arrays], 0
    for epoch in range(_EPOCHS):
        optimizer.zero_grad()
        loss(keep).backward()
        optimizer.step()
        with torch.no_grad():
            now = float(loss(aside if held.any() else keep))
        since += 1
        if now < best:
            best, saved, since = now, [a.detach().clone() for a in arrays], 0
        if since > _PATIENCE:
            break
        if epoch % 50 == 0:
            report(f"epoch {epoch}: held-out weighted RMSE {now**0.5:.4f} muB")
    names = ("inner_weight", "inner_bias", "weight", "bias")
    return {name: array.numpy() for name, array in zip(names, saved, strict=True)}
