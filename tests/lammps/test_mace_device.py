"""Where pair_style mace computes: the CPU by default here, a GPU if libtorch supports it and the machine has one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support.lammps_runs import read_dump, run_lammps, write_data
from support.mace_models import ELEMENTS, build_model, packing

pytestmark = pytest.mark.mpi

SCRIPT = """
units metal
read_data glass.data
pair_style mace trust yes device {device}
pair_coeff * * {model}.naglass O Na P V
compute virial all stress/atom NULL virial
dump atoms all custom 1 out.dump id fx fy fz c_virial[*]
dump_modify atoms sort id format float %.15g
run 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("device")
    with default_dtype("float64"):
        model = build_model(hidden="8x0e+8x1o", r_max=3.5, max_ell=2)
    export_module(model, path / "m.naglass", with_torch=True)
    export_module(model, path / "numbers.naglass")
    write_data(path / "glass.data", packing(26, 14.0, tilt=True, seed=1), ELEMENTS)
    return path


def run(folder, device, ranks=1, model="m"):
    return run_lammps(folder, SCRIPT.format(device=device, model=model), ranks)


def gpus() -> int:
    import torch

    return torch.cuda.device_count()


def need_gpu() -> None:
    if not gpus():
        pytest.skip("no CUDA or HIP device that libtorch sees: the GPU path was not run")


def test_cpu_is_what_auto_takes_without_a_gpu(folder):
    tables = []
    for device in ("cpu", "auto"):
        done = run(folder, device, 2)
        assert done.returncode == 0, done.stdout[-1500:]
        tables.append(read_dump(folder / "out.dump")[0][1])
        if not gpus():
            assert "GPU of each rank" not in done.stdout
    assert tables[0] == pytest.approx(tables[1], abs=0 if not gpus() else 1e-9)


def test_gpu_is_refused_by_name(folder):
    if gpus():
        pytest.skip("this machine has a GPU")
    for ranks in (1, 2):
        done = run(folder, "gpu", ranks)
        assert done.returncode != 0
        assert "Pair style mace: m.naglass: device gpu: " in done.stdout + done.stderr


def test_numbers_alone_are_evaluated_on_the_cpu(folder):
    assert run(folder, "auto", model="numbers").returncode == 0
    done = run(folder, "gpu", model="numbers")
    assert done.returncode != 0 and "device gpu needs an archive with TorchScript: export the model with --torch" in (
        done.stdout + done.stderr
    )


def test_unknown_device(folder):
    done = run(folder, "tpu")
    assert done.returncode != 0 and "device 'tpu' is not auto, cpu or gpu" in done.stdout


def test_a_gpu_part_that_cannot_be_opened(folder, tmp_path, monkeypatch):
    """As on a login node without the driver: requesting the GPU gives an error; otherwise the CPU is used."""
    import torch

    library = tmp_path / "torch" / "lib"
    library.mkdir(parents=True)
    for source in (Path(torch.__file__).parent / "lib").iterdir():
        (library / source.name).symlink_to(source)
    shutil.copy(Path(torch.__file__).parent / "version.py", library.parent)
    if not (library / "libtorch_cuda.so").exists():
        (library / "libtorch_cuda.so").write_text("no library")
    else:
        pytest.skip("this libtorch has a GPU part of its own")
    monkeypatch.setenv("NAGLASS_TORCH_LIB", str(library))
    done = run(folder, "gpu")
    assert done.returncode != 0 and "cannot open" in done.stdout and "libtorch_cuda.so" in done.stdout
    assert run(folder, "auto").returncode == 0


def test_gpu_equals_cpu(folder):
    need_gpu()
    tables = []
    for device, ranks in (("cpu", 1), ("gpu", 1), ("gpu", 2)):
        done = run(folder, device, ranks)
        assert done.returncode == 0, done.stdout[-1500:]
        assert ("GPU of each rank" in done.stdout) == (device == "gpu")
        tables.append(read_dump(folder / "out.dump")[0][1])
    for table in tables[1:]:
        assert table == pytest.approx(tables[0], abs=1e-9 * np.abs(tables[0]).max())


def test_one_gpu_per_rank(folder):
    need_gpu()
    done = run(folder, "gpu", 2)
    words = done.stdout.partition("GPU of each rank:")[2].splitlines()[0].split()
    assert words == ["0", str(1 % gpus())]
