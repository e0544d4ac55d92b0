"""A torch without a GPU, for tests of what is passed on to ranks: it has the devices that the variable names."""

import os
from types import SimpleNamespace

__version__ = "2.13.0+cu126"
float64 = "float64"


def _devices() -> list[str]:
    return [entry for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry]


def _properties(number: int) -> SimpleNamespace:
    return SimpleNamespace(name="A100", uuid=f"GPU-{_devices()[number]}", major=8, minor=0)


class _Row(list):
    def __mul__(self, other):
        return _Row(a * b for a, b in zip(self, other, strict=True))

    def sum(self):
        wrong = _devices()[0] == os.environ.get("BROKEN_GPU")
        return float(sum(self[:-1] if wrong else self))


def arange(count: int, dtype: str, device: str) -> _Row:
    """The whole numbers from zero."""
    assert device == "cuda:0" and dtype == float64
    if os.environ.get("NO_KERNEL"):
        raise RuntimeError("no kernel image is available for execution on the device")
    return _Row(range(count))


cuda = SimpleNamespace(device_count=lambda: len(_devices()), get_device_properties=_properties)
