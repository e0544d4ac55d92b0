"""Fits in a child process that is killed, and the models that come of them."""

import io
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from naglass_drv.engines.mace.train import PROGRESS
from naglass_drv.runtime.launch import scrubbed_environment


def killed_after(epochs: int, folder: Path) -> Callable[..., int]:
    """A child for `train` that gets SIGKILL once it has told of so many epochs."""

    def child(argv, *, env, log, on_poll):
        with open(folder / log, "wb") as output:
            process = subprocess.Popen(argv, cwd=folder, env=scrubbed_environment() | env, stdout=output, stderr=output)
        deadline = time.monotonic() + 120
        while not ((folder / PROGRESS).exists() and (folder / PROGRESS).read_text().count("\n") >= epochs):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        return process.wait()

    return child


def arrays(model: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(model) as archive:
        return {
            name: np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
            if name.endswith(".npy")
        }


def assert_same(model: Path, other: Path) -> None:
    """Equal to rounding: where memory happens to lie moves a BLAS sum by its last bit, now and then."""
    one, two = arrays(model), arrays(other)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-9, atol=1e-9, err_msg=name)
