"""MACE models on disk without pickle: constructor arguments as JSON, arrays as .npy, in one zip file.

mace-torch saves a model as a pickled Python object, which runs code when it is read. The portable file made
here holds data only: ``config.json`` (arguments of the mace-torch constructor) and ``state/<name>.npy`` for
every parameter and buffer. ``load_portable`` rebuilds the model through mace-torch and fills in the arrays.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from contextlib import contextmanager, redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...files import write_zip
from .filekind import PORTABLE, UNREADABLE, check_size, kind_of, read_json
from .filekind import PORTABLE_FORMAT as FORMAT
from .whole import portable_arrays

if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 1
_IRREPS = ("hidden_irreps", "edge_irreps", "MLP_irreps")
_CLASSES = ("interaction_cls", "interaction_cls_first", "readout_cls")
_UNSUPPORTED = {
    "embedding_specs": "embedding_specs (charge, spin or other input embeddings)",
    "cueq_config": "cueq_config (cuequivariance layout; convert with mace_cueq_to_e3nn first)",
}


def save_portable(model: torch.nn.Module, path: str | Path) -> Path:
    """Write a ScaleShiftMACE to `path` (suffix ``.mace`` by custom) and return the path.

    Raises InputError, naming the block, when the model cannot be described by its constructor's arguments.
    """
    path = Path(path)
    config = describe(model)
    state = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "class": type(model).__name__,
        "dtype": str(model.atomic_energies_fn.atomic_energies.dtype).removeprefix("torch."),
        "config": config,
        # an entry that is lost is named before torch is started
        "arrays": {name: list(array.shape) for name, array in state.items()},
        "versions": versions(),
    }
    arrays = {f"state/{name}.npy": npy_bytes(array) for name, array in state.items()}
    write_zip(path, {"config.json": json.dumps(head, indent=1)} | arrays)
    return path


def load_portable(path: str | Path, dtype: str | None = None) -> torch.nn.Module:
    """Rebuild the model of a portable file, in evaluation mode, on the CPU.

    `dtype` is ``"float32"``, ``"float64"`` or None (as saved). Raises InputError for a file that is not a
    portable model, is damaged, or does not fit the installed mace-torch.
    """
    path = Path(path)
    head, state = _read(path)
    with default_dtype(head["dtype"]), _quietly():
        model = _build(path, head)
    _fill(path, model, state)
    if dtype is not None:
        model = model.to(torch_dtype(dtype))
    return model.eval()


def load_model(path: str | Path, *, trust: bool = False) -> torch.nn.Module:
    """Load a portable model or, with ``trust=True``, a pickled mace-torch ``.model`` file, on the CPU.

    Unpickling can run any code of the file's author; therefore it needs explicit consent.
    """
    path = Path(path)
    if kind_of(path) == PORTABLE:
        return load_portable(path)
    if not trust:
        raise InputError(
            f"{path}: a pickled model, which can run code when it is loaded; if you trust its author, "
            "repeat with --trust (trust=True)"
        )
    torch = import_torch()
    try:
        with _quietly():
            model = torch.load(path, map_location="cpu", weights_only=False)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: needs the Python package {error.name}; install it, or convert the model on a machine that has it "
            "to plain e3nn blocks (mace_cueq_to_e3nn)"
        ) from error
    except Exception as error:
        raise InputError(f"{path}: not a model that torch can load ({one_line(error)})") from error
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"{path}: contains a {type(model).__name__}, not a complete model; use the .model file")
    return model.eval()


def one_line(error: Exception) -> str:
    """What an exception says, without line breaks and at most 300 characters of it."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def read_config(path: str | Path) -> dict[str, Any]:
    """Constructor arguments of a portable file (elements as ``atomic_numbers``), read without torch."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _head(path, archive)["config"]
    except UNREADABLE as error:
        raise InputError(f"{path}: not a portable MACE model, or damaged ({one_line(error)})") from error


def describe(model: torch.nn.Module) -> dict[str, Any]:
    """Constructor arguments of a ScaleShiftMACE as JSON types (names for classes and functions)."""
    kind = type(model).__name__
    if kind != "ScaleShiftMACE":
        raise InputError(f"{kind}: only ScaleShiftMACE can be written as a portable model")
    radial = type(model.radial_embedding.bessel_fn).__name__
    if radial != "BesselBasis":
        raise InputError(f"{radial}: only the Bessel radial basis can be written as a portable model")
    from mace.tools.scripts_utils import extract_config_mace_model

    config = extract_config_mace_model(model)
    for key, name in _UNSUPPORTED.items():
        if config.pop(key, None) is not None:
            raise InputError(f"{name}: not supported in a portable model")
    config["correlation"] = [len(p.symmetric_contractions.contractions[0].weights) + 1 for p in model.products]
    config["distance_transform"] = config["distance_transform"] or "None"
    config["keep_last_layer_irreps"] = _keeps_last_irreps(model)
    neighbors = {float(block.avg_num_neighbors) for block in model.interactions}
    if len(neighbors) > 1:
        raise InputError(f"avg_num_neighbors differs between layers ({sorted(neighbors)}): not supported")
    config["avg_num_neighbors"] = neighbors.pop()
    config["gate"] = _gate_name(config["gate"])
    for key in _IRREPS:
        config[key] = None if config[key] is None else str(config[key])
    for key in _CLASSES:
        config[key] = config[key].__name__
    return {key: _plain(value) for key, value in config.items()}


def versions() -> dict[str, str]:
    """Versions of the packages that shape a model file."""
    return {name: metadata.version(name) for name in ("mace-torch", "torch", "e3nn")}


def import_torch():
    """torch, with what e3nn 0.4.4 needs on torch >= 2.6: slices among the safe pickled types."""
    import torch

    torch.serialization.add_safe_globals([slice])
    return torch


def torch_dtype(name: str):
    """The torch dtype called ``float32`` or ``float64``; InputError for any other name."""
    if name not in ("float32", "float64"):
        raise InputError(f"dtype {name!r}: must be float32 or float64")
    return getattr(import_torch(), name)


@contextmanager
def default_dtype(name: str):
    """Make `name` torch's default dtype for a while: mace-torch and e3nn build their tensors in it."""
    torch = import_torch()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch_dtype(name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _quietly():
    """Without what mace-torch prints and e3nn warns of on import: neither is about the model at hand."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _head(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """What ``config.json`` says: ``dtype``, ``config``, ``versions``."""
    head = read_json(path, archive, "config.json")
    if head.get("format") != FORMAT or head.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format {head.get('format')} {head.get('format_version')}, "
            f"this program reads {FORMAT} {FORMAT_VERSION}"
        )
    if head["class"] != "ScaleShiftMACE" or head["dtype"] not in ("float32", "float64"):
        raise ValueError(f"a {head['class']} in {head['dtype']}")
    if not isinstance(head["config"], dict):
        raise ValueError("config is not an object")
    return head


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with zipfile.ZipFile(path) as archive:
            check_size(path, archive)
            head = _head(path, archive)
            state = dict(portable_arrays(path, archive))
    except UNREADABLE as error:
        raise InputError(f"{path}: not a portable MACE model, or damaged ({one_line(error)})") from error
    return head, state


def build(config: dict[str, Any]) -> torch.nn.Module:
    """The model with these constructor arguments (see `describe`), in torch's default dtype, with weights by chance."""
    from e3nn import o3
    from mace import modules

    config = dict(config)
    for key in _IRREPS:
        config[key] = None if config[key] is None else o3.Irreps(config[key])
    for key in ("interaction_cls", "interaction_cls_first"):
        config[key] = modules.interaction_classes[config[key]]
    config["readout_cls"] = modules.readout_classes[config["readout_cls"]]
    config["gate"] = modules.gate_dict[config["gate"]]
    for key in ("atomic_energies", "atomic_inter_scale", "atomic_inter_shift"):
        config[key] = np.array(config[key])
    return modules.ScaleShiftMACE(**config)


def _build(path: Path, head: dict[str, Any]) -> torch.nn.Module:
    try:
        return build(head["config"])
    except Exception as error:
        raise InputError(
            f"{path}: mace-torch {versions()['mace-torch']} cannot build this model "
            f"({type(error).__name__}: {one_line(error)}); "
            f"it was written with {head.get('versions')}"
        ) from error


def _fill(path: Path, model: torch.nn.Module, state: dict[str, np.ndarray]) -> None:
    torch = import_torch()
    try:
        # np.asarray would turn 0-d arrays read from .npy into read-only views
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()}, strict=True)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{path}: arrays do not fit the model ({one_line(error)})") from error


def _keeps_last_irreps(model: torch.nn.Module) -> bool:
    # without it the last layer keeps the first part of the hidden features only
    first, last = (product.linear.irreps_out for product in (model.products[0], model.products[-1]))
    return len(first) > 1 and first == last and len(model.products) > 1


def _gate_name(gate) -> str:
    from mace.modules import gate_dict

    names = [name for name, function in gate_dict.items() if function is gate]
    if not names:
        raise InputError(f"gate {gate}: not a named gate of mace-torch")
    return names[0]


def npy_bytes(array: np.ndarray) -> bytes:
    """An array as a ``.npy`` file, without pickle."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def _plain(value):
    """numpy and torch numbers and arrays as JSON types."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
