"""Error messages of pair_style mace, and that torch keeps its own BLAS inside LAMMPS."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ase import Atoms

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from naglass_drv.paths import plugin_folder
from support.lammps_runs import PREFIX, WHEEL, environment, run_lammps, write_data
from support.mace_models import ELEMENTS, build_model

pytestmark = pytest.mark.mpi

ROOT = Path(__file__).parents[2]
GOOD = {"units": "metal", "options": "", "file": "good.naglass", "elements": "O Na P V", "data": "two.data", "more": ""}
TORCH = {"file": "torch.naglass", "options": "trust yes", "style": "atomic"}
SCRIPT = """
units {units}
atom_style {style}
read_data {data}
pair_style mace {options}
pair_coeff * * {file} {elements}
{more}
run 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny model, the same damaged in several ways, and two pairs of atoms."""
    folder = tmp_path_factory.mktemp("mace_errors")
    with default_dtype("float64"):
        model = build_model("4x0e", layers=2, max_ell=1, correlation=1)
    good = export_module(model, folder / "good.naglass")
    export_module(model, folder / "single.naglass", dtype="float32")
    export_module(model, folder / "torch.naglass", with_torch=True)
    data = good.read_bytes()
    (folder / "cut.naglass").write_bytes(data[: len(data) // 2])
    (folder / "empty.naglass").write_bytes(b"")
    (folder / "text.naglass").write_text("this is not a model\n" * 20)
    middle = data.index(b"weights.bin") + 200
    (folder / "flipped.naglass").write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    repack(good, folder / "packed.naglass", zipfile.ZIP_DEFLATED)
    repack(good, folder / "future.naglass", format_version=7)
    repack(good, folder / "other.naglass", format="zoo")
    repack(folder / "torch.naglass", folder / "lost.naglass", layers=[{"up_width": 4}] * 3)
    repack(good, folder / "both.naglass", extra={"pieces/edge.pt": b"code"})
    repack(good, folder / "bare.naglass", extra={"model.json": b"{}"})
    weights = json.loads(zipfile.ZipFile(good).read("metadata.json"))["weights"]
    repack(good, folder / "beyond.naglass", weights=[row | {"offset": 1 << 40} for row in weights])
    repack(good, folder / "fewer.naglass", weights=weights[:-1])
    repack(good, folder / "odd.naglass", elements=["O"], states=[1])
    write_data(folder / "two.data", Atoms("NaO", positions=[[1, 1, 1], [3, 1, 1]], cell=[9, 9, 9], pbc=True), ELEMENTS)
    write_data(folder / "same.data", Atoms("NaO", positions=[[1, 1, 1], [1, 1, 1]], cell=[9, 9, 9], pbc=True), ELEMENTS)
    return folder


def repack(source: Path, target: Path, compression=zipfile.ZIP_STORED, extra=None, **changes) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "metadata.json":
                data = json.dumps(json.loads(data) | changes).encode()
            if name not in (extra or {}):
                new.writestr(name, data)
        for name, data in (extra or {}).items():
            new.writestr(name, data)


FAULTS = [
    ({"options": "dtype"}, "dtype needs a value"),
    ({"options": "dtype float16"}, "'float16' is neither float64 nor float32"),
    ({"options": "fast"}, "unknown keyword 'fast'"),
    ({"file": "torch.naglass"}, "torch.naglass: it contains TorchScript, which can run arbitrary code"),
    ({"file": "torch.naglass", "options": "trust no"}, "if you trust its source, use 'pair_style mace trust yes'"),
    ({"file": "both.naglass"}, "both.naglass: it contains TorchScript"),
    ({"file": "bare.naglass"}, "bare.naglass: JSON of the model: no entry 'harmonics'"),
    ({"file": "beyond.naglass"}, "the description of the model is inconsistent: array radial.values"),
    ({"file": "fewer.naglass"}, "the description of the model is inconsistent: no array layers.1.readout"),
    ({"options": "trust"}, "trust needs a value"),
    ({"options": "trust maybe"}, "trust 'maybe' is neither yes nor no"),
    ({"elements": "O Na P"}, "names 3 elements for 4 atom types"),
    ({"elements": "O Na P V V"}, "names 5 elements for 4 atom types"),
    ({"elements": "O Na P Fe"}, "good.naglass has no element 'Fe' (atom type 4); it has O Na P V"),
    ({"elements": "NULL NULL NULL NULL"}, "maps every atom type to NULL"),
    ({"file": "absent.naglass"}, "absent.naglass: No such file"),
    ({"file": "empty.naglass"}, "empty.naglass: not a naglass model, or damaged: the file has 0 bytes"),
    ({"file": "text.naglass"}, "text.naglass: not a naglass model, or damaged: no zip directory"),
    ({"file": "cut.naglass"}, "cut.naglass: not a naglass model, or damaged"),
    ({"file": "flipped.naglass"}, "flipped.naglass: not a naglass model, or damaged: wrong checksum for weights.bin"),
    ({"file": "packed.naglass"}, "packed.naglass: not a naglass model, or damaged: metadata.json is compressed"),
    ({"file": "future.naglass"}, "archive format version 7, but this pair style reads version 6"),
    ({"file": "other.naglass"}, "its format is 'zoo'"),
    ({"file": "lost.naglass", "options": "trust yes"}, "no entry pieces/pre_2.pt"),
    ({"file": "odd.naglass"}, "metadata.json is inconsistent"),
    ({"file": "single.naglass"}, "exported in float32"),
    ({"units": "real"}, "units are 'real'"),
    ({"data": "same.data"}, "step 0: energy or forces are not finite; shortest distance 0.000000 Angstrom"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=[" ".join(change.values()) for change, _ in FAULTS])
def test_messages(folder, change, message):
    done = run_lammps(folder, SCRIPT.format(**(GOOD | {"style": "atomic"} | change)))
    assert done.returncode != 0
    error = next(line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR"))
    assert "Pair style mace" in error and message in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file": "cut.naglass"}, "cut.naglass: not a naglass model"),
        ({"file": "torch.naglass"}, "torch.naglass: it contains TorchScript"),
        ({"data": "same.data"}, "step 0: energy or forces are"),
    ],
)
def test_all_ranks_stop(folder, change, message):
    done = run_lammps(folder, SCRIPT.format(**(GOOD | {"style": "atomic"} | change)), 2)
    text = done.stdout + done.stderr
    # a rank that stopped alone would take the whole job with it, and perhaps the message
    assert done.returncode != 0 and message in text and "on proc" not in text


def test_what_lies_inside_the_package_is_trusted(folder, tmp_path):
    """With its links resolved: a link that points outside the package is not inside it."""
    package = tmp_path / "naglass_drv"
    shutil.copytree(plugin_folder(), package / "plugins")
    shutil.copy(folder / "torch.naglass", package / "inside.naglass")
    (package / "link.naglass").symlink_to(folder / "torch.naglass")
    for name, said in (("inside", None), ("link", "contains TorchScript"), ("../naglass_drv/inside", None)):
        change = {"options": "", "file": f"{package}/{name}.naglass", "style": "atomic"}
        done = run_lammps(folder, SCRIPT.format(**(GOOD | change)), plugins=package / "plugins")
        text = done.stdout + done.stderr
        assert (done.returncode == 0) == (said is None) and (said or "") in text, text[-2000:]


def test_without_torch(folder, monkeypatch, tmp_path):
    """An archive of numbers needs no libtorch; for one with TorchScript, one sentence says what is missing."""
    script = SCRIPT.format(**(GOOD | TORCH))
    monkeypatch.setenv("NAGLASS_TORCH_LIB", str(tmp_path))
    done = run_lammps(folder, script)
    assert f"NAGLASS_TORCH_LIB is '{tmp_path}', which does not contain libtorch_cpu.so" in done.stdout + done.stderr
    assert run_lammps(folder, SCRIPT.format(**(GOOD | {"style": "atomic"}))).returncode == 0
    library = tmp_path / "torch" / "lib"
    library.mkdir(parents=True)
    (library / "libtorch_cpu.so").touch()
    (tmp_path / "torch" / "version.py").write_text("__version__ = '1.9.0+cpu'\n")
    monkeypatch.setenv("NAGLASS_TORCH_LIB", str(library))
    done = run_lammps(folder, script)
    assert f"libtorch 1.9.0 at {library} is not version" in done.stdout + done.stderr


def dgemm_providers(folder: Path, command: list) -> set[str]:
    """The library from which the loader resolved dgemm_ for libtorch_cpu.so."""
    trace = folder / "bindings"
    debug = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(trace)}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment() | debug,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    found = set()
    for file in folder.glob("bindings.*"):
        with open(file) as lines:
            for line in lines:
                if "symbol `dgemm_'" in line and "libtorch_cpu.so [0] to" in line:
                    found.add(Path(line.partition(" to ")[2].split(" [")[0]).name)
        file.unlink()
    return found


def test_torch_keeps_its_blas(folder):
    """liblammps exports a slow dgemm_ of its own, which must not replace torch's inside LAMMPS."""
    (folder / "blas.lmp").write_text(SCRIPT.format(**(GOOD | TORCH)))
    assert dgemm_providers(folder, [WHEEL / "lmp", "-in", "blas.lmp", "-log", "none"]) == {"libtorch_cpu.so"}


def test_torch_keeps_its_blas_where_lammps_ran_before(folder):
    """A driver that makes the glass and then runs the model has LAMMPS loaded long before torch."""
    commands = SCRIPT.format(**(GOOD | TORCH)).split("\n")
    code = (
        "from pathlib import Path\nfrom mpi4py import MPI\n"
        "from naglass_drv.engines.lammps.session import open_session\n"
        "open_session(MPI.COMM_SELF, Path('first.log')).__enter__()\n"
        "with open_session(MPI.COMM_SELF, Path('second.log'), plugins=['maceplugin']) as session:\n"
        f"    session.commands([line for line in {commands} if line])\n"
    )
    assert dgemm_providers(folder, [sys.executable, "-c", code]) == {"libtorch_cpu.so"}


def test_the_blas_trap_is_real(folder):
    """The same check without the protection finds LAMMPS's dgemm_: the test above can fail."""
    torch = next(Path(p) for p in sys.path if Path(p, "torch", "lib").is_dir()) / "torch" / "lib" / "libtorch_cpu.so"
    code = (
        f"import ctypes; ctypes.CDLL({str(PREFIX / 'lib' / 'libmpi.so.12')!r}, ctypes.RTLD_GLOBAL);"
        f"ctypes.CDLL({str(WHEEL / 'liblammps.so')!r}, ctypes.RTLD_GLOBAL); ctypes.CDLL({str(torch)!r})"
    )
    assert dgemm_providers(folder, [sys.executable, "-c", code]) == {"liblammps.so"}


def test_shipped_example(folder, tmp_path):
    """lammps_inputs/mace/in.mace runs as described in its first lines."""
    text = (ROOT / "lammps_inputs" / "mace" / "in.mace").read_text()
    (tmp_path / "model.naglass").write_bytes((folder / "good.naglass").read_bytes())
    done = run_lammps(tmp_path, text, 2)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert (tmp_path / "mace.dump").stat().st_size > 0
