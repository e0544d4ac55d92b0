"""Elements, heads and E0 of a pickled mace-torch model, read without executing anything in it and without torch.

An unpickler that finds no class but stand-ins rebuilds the tree of the model as names, numbers and places of arrays.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from .filekind import read_entry

_DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}
_HARMLESS = {("collections", "OrderedDict"): OrderedDict, ("builtins", "set"): set, ("__builtin__", "set"): set}


class _StandIn:
    """Whatever the pickle names: takes any arguments, state or items, and does nothing with them."""

    def __new__(cls, *args: Any, **more: Any) -> "_StandIn":
        return super().__new__(cls)

    def __init__(self, *args: Any, **more: Any) -> None:
        pass

    def __call__(self, *args: Any, **more: Any) -> "_StandIn":
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """As a list takes the items of its pickle."""


def _tensor(storage: Any, offset: int, size: tuple[int, ...], *_: Any) -> tuple[Any, int, tuple[int, ...]]:
    return storage, offset, size


# the one in C makes room for as many objects as the file says that it has numbered, up to all memory
class _Reader(pickle._Unpickler):  # type: ignore[name-defined]
    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins for all but plain containers and tensors, which become the places of their arrays."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        return _HARMLESS.get((module, name)) or type(name, (_StandIn,), {})

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        """Type and key of a storage."""
        return pid[1].__name__, str(pid[2])


def pickled_config(path: Path) -> dict[str, Any] | None:
    """``atomic_numbers``, ``heads`` and ``atomic_energies`` (eV) of a model as `modelfile.read_config` gives them; None
    for a file of another form, of which nothing is known before it is loaded.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            model = vars(_Reader(io.BytesIO(read_entry(path, archive, name))).load())
            folder = name.removesuffix("data.pkl")
            energies = vars(model["_modules"]["atomic_energies_fn"])["_buffers"]["atomic_energies"]
            return {
                "atomic_numbers": _values(path, archive, folder, model["_buffers"]["atomic_numbers"]),
                "heads": list(model.get("heads") or ["Default"]),
                "atomic_energies": _values(path, archive, folder, energies),
            }
    # a pickle of another form may raise anything
    except Exception:
        return None


def _values(path: Path, archive: zipfile.ZipFile, folder: str, tensor: Any) -> Any:
    (kind, key), offset, size = tensor
    data = np.frombuffer(read_entry(path, archive, f"{folder}data/{key}"), _DTYPES[kind])
    return data[offset : offset + int(np.prod(size))].reshape(size).tolist()
