"""A full disk, missing rights, little memory: one message, exit code 5 (2 for a wrong argument), nothing left over."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from naglass_drv import files
from naglass_drv.errors import InputError, SetupError, TaskFailed, of_system
from naglass_drv.runtime import mpi
from naglass_drv.runtime.failure import blame
from support.jobs import MPIRUN, called, environment, naglass

pytestmark = [pytest.mark.mpi, pytest.mark.cp2k]

SHARED = Path("/dev/shm")
INPUT = """\
name: small
system:
  composition: {Na: 2, O: 1}
  density_g_cm3: 2.0
"""
FRAME = """\
2
Lattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy=-1.0 charge=0 multiplicity=1 \
level=gfn1-xtb-h1234567 group=a source=s pbc="T T T"
Na 0 0 0 0 0 0
F 0 3 3 0 0 0
"""
MOUNT = ["unshare", "--mount", "--map-root-user"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    (tmp_path / "frames.extxyz").write_text(FRAME * 3)
    return tmp_path


@pytest.fixture(scope="module")
def mounts():
    """Skips where a test may not mount a file system of its own."""
    if subprocess.run([*MOUNT, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        pytest.skip("no right to mount")


def inside(script: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    """A shell script with mounts of its own; $NAGLASS is the program, $MPIRUN its launcher."""
    names = {"NAGLASS": f"{sys.executable} -m naglass_drv", "MPIRUN": MPIRUN, "PYTHON": sys.executable}
    return subprocess.run(
        [*MOUNT, "sh", "-c", script], cwd=cwd, capture_output=True, text=True, env=environment(**names, **variables),
        timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def check(done, code, *words):
    """One message without a traceback."""
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], done.stderr


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".part")]


MODEL = str(Path(__file__).parents[2] / "examples" / "quickstart" / "start" / "model.mace")
VERBS = {
    "init": ["init", "{}"],
    "run": ["run", "input.yaml", "--folder", "{}"],
    "import-frames": ["import-frames", "frames.extxyz", "--level-name", "x", "--settings", "s", "-o", "{}"],
    "select-frames": ["select-frames", "frames.extxyz", "-n", "1", "-o", "{}"],
    "audit": ["audit", "frames.extxyz", "-o", "{}"],
    "export-frames": ["export-frames", "frames.extxyz", "-o", "{}"],
    "export-model": ["export-model", MODEL, "-o", "{}"],
    "fit-spin": ["fit-spin", MODEL, "frames.extxyz", "-o", "{}"],
    "calibrate-cutoff": ["calibrate-cutoff", "frames.extxyz", "--folder", "{}"],
}
FOLDERS = {"init", "run", "audit", "export-frames", "calibrate-cutoff"}


@pytest.mark.parametrize("verb", VERBS)
def test_output_that_cannot_be(folder, verb):
    """Before any work: a file where a folder is expected and the other way round, a file on the way, a long name."""
    (folder / "file").write_text("mine")
    (folder / "directory").mkdir()
    (folder / "nowhere").symlink_to("absent")
    targets = ["file/deeper/x", "n" * 300, "file" if verb in FOLDERS else "directory", "nowhere"]
    before = sorted(folder.rglob("*"))
    for target in targets:
        argv = [text.format(target) for text in VERBS[verb]]
        check(called(*argv, cwd=folder), 2, target)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "file").read_text() == "mine"


def test_output_on_a_read_only_file_system(folder, mounts):
    calls = [[text.format("locked/out") for text in argv] for argv in VERBS.values()]
    code = "import sys; from naglass_drv.cli.main import main\n" + "".join(
        f"print('code', main({argv}), file=sys.stderr)\n" for argv in calls
    )
    (folder / "verbs.py").write_text(code)
    done = inside("mkdir locked && mount -t tmpfs -o ro none locked && $PYTHON verbs.py", folder)
    lines = done.stderr.splitlines()
    assert lines[1::2] == ["code 5"] * len(calls), done.stderr
    assert all("Read-only file system" in line for line in lines[::2]), done.stderr


def test_output_on_a_full_disk(folder, mounts):
    """What does not fit leaves the old file, and no temporary one; with room it is made."""
    script = """
        mkdir disk && mount -t tmpfs -o size=64k none disk && echo old > disk/out.extxyz
        head -c 100k /dev/zero > disk/filler
        $NAGLASS select-frames frames.extxyz -n 2 -o disk/out.extxyz; echo code $? >&2
        $NAGLASS init disk/new; echo code $? >&2
        cat disk/out.extxyz; ls -A disk
        rm disk/filler
        $NAGLASS select-frames frames.extxyz -n 2 -o disk/out.extxyz > /dev/null; echo code $? >&2; ls -A disk
    """
    done = inside(script, folder)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("head:")]
    assert errors[1::2] == ["code 5", "code 5"] and errors[-1] == "code 0", done.stderr
    assert all("No space left on device; free up disk space" in line for line in errors[:4:2])
    assert done.stdout.split() == ["old", "filler", "new", "out.extxyz", "new", "out-selection.json", "out.extxyz"]


@pytest.mark.mpi
def test_run_on_a_full_disk_is_resumable(folder, mounts):
    """The disk is filled behind the first step of a glass; with room again the same command ends the run."""
    text = INPUT.replace("{Na: 2, O: 1}", "{Na: 2, P: 2, O: 6}")
    (folder / "input.yaml").write_text(text + "glass: {melt_ps: 1, quench_rate_K_per_ps: 4000, hold_ps: 0.1}\n")
    script = """
        mkdir disk && mount -t tmpfs -o size=100k none disk && cp input.yaml disk && cd disk
        $MPIRUN -n 2 $NAGLASS run input.yaml > ../out; echo code $? >&2
        mount -o remount,size=20m .
        $MPIRUN -n 2 $NAGLASS run input.yaml > ../out; echo code $? >&2
        find . -name '.?*' -o -name '*.part'
        ls run/products/glass
    """
    done = inside(script, folder)
    lines = done.stderr.splitlines()
    assert lines[1:] == ["code 5", "code 0"], done.stderr
    assert "No space left on device" in lines[0]
    made = ["g0-made.json", "g0-melt.extxyz", "g0-quench.json", "g0.extxyz", "manifest.json"]
    assert done.stdout.split() == made


@pytest.mark.parametrize("size", [2_000, 20_000])
def test_limit_on_the_size_of_files(folder, size):
    """As a quota: the write fails in the middle of a file."""
    (folder / "frames.extxyz").write_text("".join(FRAME.replace("0 3 3", f"0 {k / 100} 3") for k in range(1, 401)))

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [sys.executable, "-m", "naglass_drv", "select-frames", "frames.extxyz", "-n", "300", "-o", "out.extxyz"],
        cwd=folder, env=environment(), capture_output=True, text=True, preexec_fn=limited, timeout=100,
    )  # fmt: skip
    check(done, 5, "out.extxyz", "File too large")
    assert hidden(folder) == [] and not (folder / "out.extxyz").exists()


def test_limit_on_memory(folder):
    """The frames do not fit."""

    (folder / "frames.extxyz").write_text(FRAME * 40_000)
    code = (
        "import sys, resource, numpy, scipy.spatial, ase.io.extxyz\n"
        "from naglass_drv.cli.main import main\n"
        "numpy.linalg.inv(numpy.ones((300, 300)) @ numpy.ones((300, 300)) + numpy.eye(300))\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + 20_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "sys.exit(main(['select-frames', 'frames.extxyz', '-n', '1', '-o', 'out.extxyz']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=100
    )
    check(done, 5, "not enough memory")
    assert hidden(folder) == []


def test_standard_output_that_is_full(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "naglass_drv", "validate", "input.yaml"],
            cwd=folder, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 5
    assert done.stderr == "No space left on device; free up disk space\n"


def test_folder_that_is_gone(tmp_path):
    (tmp_path / "gone").mkdir()
    code = (
        "import os, sys, shutil; from naglass_drv.cli.main import main; os.chdir('gone'); os.rmdir('../gone')\n"
        "sys.exit(main(['init']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    check(done, 5, "No such file or directory")


def test_what_a_killed_verb_has_left_is_gone_after_the_next(folder):
    dead = subprocess.Popen(["true"])
    dead.wait()
    (folder / f".out.extxyz.{dead.pid}.tmp").write_text("half")
    (folder / f".out.extxyz.{os.getpid()}.tmp").write_text("of a living process")
    assert naglass("select-frames", "frames.extxyz", "-n", "1", "-o", "out.extxyz", cwd=folder).returncode == 0
    assert [path.name for path in hidden(folder)] == [f".out.extxyz.{os.getpid()}.tmp"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    target = tmp_path / "out.txt"
    files.write_bytes(target, b"old")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError) as caught:
        files.write_bytes(target, b"new")
    assert caught.value.filename == str(target)
    assert target.read_bytes() == b"old" and hidden(tmp_path) == []
    # a link at the temporary name is not followed
    monkeypatch.undo()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f".out.txt.{os.getpid()}.tmp").symlink_to(tmp_path / "precious")
    files.write_bytes(target, b"new")
    assert (tmp_path / "precious").read_text() == "precious" and target.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device", "a/b"), "a/b: No space left on device; free up disk space"),
        (OSError(30, "Read-only file system"), "Read-only file system; choose a writable folder"),
        (PermissionError(13, "Permission denied", b"x"), "x: Permission denied; check the permissions"),
        (MemoryError("3 GB"), "not enough memory (3 GB); use a machine with more memory, or raise the limit"),
        (ImportError("no symbol", name="torch"), "torch: cannot be loaded: no symbol"),
        (
            ModuleNotFoundError("No module named 'pydantic'", name="pydantic"),
            "pydantic: cannot be loaded: No module named 'pydantic'; install naglass with '.[driver]' instead of '.'",
        ),
        (
            ModuleNotFoundError("No module named 'mace.tools'", name="mace.tools"),
            "mace.tools: cannot be loaded: No module named 'mace.tools'; install naglass with '.[mace]' instead of '.'",
        ),
        (OSError("odd"), "odd"),
    ],
)
def test_words_for_what_the_system_refuses(error, text):
    found = of_system(error)
    assert (str(found), found.exit_code) == (text, 5)


@pytest.mark.parametrize(
    ("message", "log"),
    [
        ("LAMMPS: ERROR: Failed to reallocate 123 bytes for array neigh", ""),
        ("training ended with exit status 1", "x\nRuntimeError: DefaultCPUAllocator: can't allocate memory\n"),
        ("training ended with exit status 1", "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3 GiB\n"),
        ("CP2K ended", "Fortran runtime error: No space left on device\n"),
    ],
)
def test_a_program_that_finds_no_space_or_memory_is_not_to_blame(tmp_path, message, log):
    (tmp_path / "tool.log").write_text(log)
    found = blame(TaskFailed("CHILD_DIED", message, log="tool.log"), tmp_path)
    assert isinstance(found, SetupError) and str(found).startswith("CHILD_DIED: ")
    plain = TaskFailed("CHILD_DIED", "it just died")
    assert blame(plain, tmp_path) is plain
    assert isinstance(blame(plain, tmp_path / "gone"), SetupError)


@pytest.mark.mpi
def test_a_run_leaves_no_shared_memory(folder, mounts):
    """Neither one that ends, nor one that is refused, nor one that is killed."""
    text = INPUT.replace("{Na: 2, O: 1}", "{Na: 2, P: 2, O: 6}")
    (folder / "glass.yaml").write_text(text + "glass: {}\n")
    script = """
        mount -t tmpfs -o size=100m none /dev/shm
        $NAGLASS run input.yaml; $MPIRUN -n 2 $NAGLASS run input.yaml
        $MPIRUN -n 2 $NAGLASS run input.yaml --walltime x
        ls /dev/shm >&2
        $NAGLASS run glass.yaml --folder killed & process=$!
        until [ -e killed/tasks/glass/g0/attempt-1/segments ]; do sleep 0.05; done
        kill -9 $process; wait $process 2> /dev/null
        ls /dev/shm >&2
    """
    done = inside(script, folder)
    assert [line for line in done.stderr.splitlines() if line not in ("Killed", "") and "walltime" not in line] == [], (
        done.stderr
    )


def test_the_program_of_the_console_finalizes_mpi_too():
    from importlib.metadata import entry_points

    (command,) = entry_points(group="console_scripts", name="naglass")
    assert command.value == "naglass_drv.__main__:run"


@pytest.mark.mpi
@pytest.mark.parametrize("mount", ["-o size=64k", "-o ro", "-o size=12m", "-o size=16m"])
def test_too_little_shared_memory(folder, mounts, mount):
    done = inside(f"mount -t tmpfs {mount} none /dev/shm && $MPIRUN -n 2 $NAGLASS run input.yaml", folder)
    if mount.endswith("m"):
        assert done.returncode == 0, "enough for MPICH, and UCX does without its share"
    else:
        check(done, 5, "/dev/shm: ")
        assert not (folder / "run").exists()


def test_shared_memory_that_is_not_there(tmp_path):
    with pytest.raises(SetupError, match="No such file or directory; MPI needs it for shared memory"):
        mpi.check_shared_memory(tmp_path / "none", {})
    variables = {"MPI_LOCALNRANKS": "4"}
    mpi.check_shared_memory(tmp_path, variables)
    with pytest.raises(SetupError, match="for 1000000000 ranks"):
        mpi.check_shared_memory(tmp_path, {"MPI_LOCALNRANKS": "1000000000"})


def caught(process: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal (proc(5))."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    mask = int(re.search(r"SigCgt:\s*([0-9a-f]+)", status)[1], 16)
    return bool(mask >> (number - 1) & 1)


@pytest.mark.mpi
def test_a_signal_at_the_very_start_is_a_wish_to_stop(folder):
    """As soon as the ranks are Python, long before they are MPI."""
    import signal

    text = INPUT.replace("{Na: 2, O: 1}", "{Na: 2, P: 2, O: 6}")
    (folder / "input.yaml").write_text(text + "glass: {}\n")
    argv = [MPIRUN, "-n", "2", sys.executable, "-m", "naglass_drv", "run", "input.yaml"]
    job = subprocess.Popen(
        argv, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    ready: list[int] = []
    while len(ready) < 2:
        assert time.monotonic() < deadline and job.poll() is None
        ready = [pid for pid in ranks_in(folder) if caught(pid, signal.SIGTERM)]
    job.terminate()
    out, error = job.communicate(timeout=60)
    assert job.returncode == 3, out + error
    assert error.splitlines()[-1].startswith("stopped by signal SIGTERM; can be restarted as is")


def ranks_in(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"-m", b"naglass_drv"] and Path(os.readlink(entry / "cwd")) == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.mpi
def test_more_ranks_than_the_job_has_are_named_all_at_once(folder):
    text = INPUT + "glass: {ranks: 3}\nreference:\n- {name: a, level: pbe, ranks: 4}\n- {name: b, level: gfn1-xtb}\n"
    (folder / "input.yaml").write_text(text.replace("{Na: 2, O: 1}", "{Na: 2, P: 2, O: 6}"))
    done = naglass("run", "input.yaml", cwd=folder, ranks=2)
    check(
        done,
        5,
        "glass.ranks: 3, reference[0].ranks: 4 ranks requested, but the job has only 2; start it with mpirun -n 4",
    )
    assert not (folder / "run").exists()


def test_stale_files_are_those_of_dead_processes_and_of_this_target(tmp_path):
    for name in (".out.1.tmp", ".out.x.tmp", ".other.99999999.tmp", ".out.99999999.tmp"):
        (tmp_path / name).touch()
    files.remove_stale(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.99999999.tmp", ".out.1.tmp", ".out.x.tmp"]
    with pytest.raises(InputError, match="is a folder, not a file"):
        files.check_target(tmp_path, "--output")
