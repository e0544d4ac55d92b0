"""The check of a machine: what the ranks of a job find, and what is refused, with the line to use."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import naglass_drv
from naglass_drv.cli.sitecheck import network
from naglass_drv.errors import SetupError
from naglass_drv.runtime.disk import lock_fault, speed
from naglass_drv.runtime.gpus import Seen, fault, showing
from naglass_drv.runtime.mpi import check_size, world
from naglass_drv.runtime.probe import Link, Place, fabric_of, far_pair, is_tcp, ping_pong
from support.jobs import MPIRUN, called, environment, naglass

STAND_IN = str(Path(__file__).parents[1] / "support" / "gpu_stand_in")
UCX = (
    "[1.2] [vm:1:0] ucp_worker.c:1912 UCX  INFO    ucp_context_0 self cfg#0 tag(self/memory cma/memory)  rma()\n"
    "[1.3] [vm:1:0] ucp_worker.c:1912 UCX  INFO    ucp_context_0 intra-node cfg#1 tag(sysv/memory cma/memory)  rma()\n"
)
FAR = "[1.4] [vm:1:0] ucp_worker.c:1912 UCX  INFO    ucp_context_0 inter-node cfg#2 tag(tcp/eth0)  am(tcp/eth0)\n"
OFI = "==== Capability set configuration ====\nlibfabric provider: sockets - 192.0.2.0/24\nMPIDI_OFI_ENABLE_DATA: 1\n"


@pytest.mark.mpi
def test_two_ranks_of_this_machine(tmp_path):
    made = naglass("site", "check", "--here", cwd=tmp_path, ranks=2, NAGLASS_SITE=_site(tmp_path, "threads: 1\n"))
    assert made.returncode == 0, made.stderr
    for line in (
        r"ok +launcher +2 ranks of one MPI on 1 node",
        r"ok +MPI +MPICH \S+, MPI_THREAD_MULTIPLE",
        r"ok +network +within one node: [\d.]+ µs, [\d.e-]+ GB/s",
        r"ok +scratch +\S+: [\d.]+ MB/s written, [\d.]+ MB/s read",
        r"ok +locks +a lock \(flock\) is seen",
        r"ok +walltime +not in a job",
    ):
        assert re.search(line, made.stdout), made.stdout
    host = os.uname().nodename
    assert re.search(rf"\n0 +{host} +\d+ +-\n1 +{host} +\d+ +-\n$", made.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["site.yaml"]


class _Slowed:
    """The other rank sends back what it is sent: four trips at once, and the rest after it has lost its core."""

    def __init__(self):
        self.trips = 0

    def Send(self, message, other):
        self.kept = message.copy()

    def Recv(self, message, other):
        self.trips += 1
        time.sleep(0.01 if self.trips > 4 else 0)
        message[:] = self.kept

    def Get_rank(self):
        return 0

    def Ibarrier(self):
        return self

    def Test(self):
        return True

    def bcast(self, value, root):
        return value


def test_ranks_that_share_a_core_do_not_measure_for_minutes():
    slowed = _Slowed()
    link = ping_pong(slowed, 0, 1)
    assert 0.004 < link.latency_s < 0.02
    assert slowed.trips <= 260


def test_what_the_profile_promises_and_the_machine_does_not_give(tmp_path):
    site = _site(tmp_path, "slurm: {gpus_per_node: 4, scratch: $NOWHERE}\n")
    made = naglass("site", "check", "--here", cwd=tmp_path, NAGLASS_SITE=site, CUDA_VISIBLE_DEVICES="")
    assert made.returncode == 5
    assert re.search(r"PROBLEM +GPU .*slurm\.gpus_per_node is 4: ask for --gres=gpu:4", made.stdout)
    assert re.search(r"PROBLEM +scratch .*slurm\.scratch: \$NOWHERE is .*: no such folder", made.stdout)


def test_a_single_rank_claims_nothing_of_others(tmp_path):
    made = naglass("site", "check", "--here", cwd=tmp_path, NAGLASS_SITE=_site(tmp_path, "threads: 1\n"))
    assert made.returncode == 0, made.stderr
    assert "a single rank does not tell whether other nodes see it" in made.stdout
    assert "seen by the others" not in made.stdout


def _site(folder, text):
    (folder / "site.yaml").write_text(text)
    return str(folder / "site.yaml")


@pytest.mark.parametrize("library, said", [("MPICH", "srun --mpi=pmi2 python"), ("Open MPI", "srun --mpi=pmix python")])
def test_lone_ranks_of_slurm_are_told_the_line_to_use(library, said):
    with pytest.raises(SetupError, match=f"MPI sees 1 rank, but srun says 4 .*{said}"):
        check_size(1, {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "4"}, library)
    with pytest.raises(SetupError, match="mpirun -n N python"):
        check_size(1, {"PMI_SIZE": "4"}, library)


def job(tmp_path, devices, **more):
    """Two ranks on which these devices are passed on, with a stand-in of torch."""
    package = str(Path(naglass_drv.__file__).parents[1])
    site = _site(tmp_path, "slurm: {gpus_per_node: 2, compute_capability: '8.0', torch: cu126, scratch: .}\n")
    words = [MPIRUN]
    for number, shown in enumerate(devices):
        words += ([":"] if number else []) + ["-n", "1", "env", f"CUDA_VISIBLE_DEVICES={shown}", sys.executable]
        words += ["-m", "naglass_drv", "site", "check", "--here"]
    variables = environment(NAGLASS_SITE=site, PYTHONPATH=os.pathsep.join((STAND_IN, package)), **more)
    return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=variables, timeout=90)


@pytest.mark.mpi
def test_gpus_are_seen_by_all_ranks_and_used_one_by_one(tmp_path):
    made = job(tmp_path, ["0,1", "0,1"])
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"ok +GPU +2 GPUs A100 seen by rank 0, torch 2\.13\.0\+cu126; by all ranks", made.stdout)
    assert re.search(r"\n0 .* A100 GPU-0\n1 .* A100 GPU-1\n$", made.stdout)


@pytest.mark.mpi
def test_a_launcher_that_hides_gpus_is_refused_with_the_line_to_use(tmp_path):
    made = job(tmp_path, ["0", "1"])
    assert made.returncode == 5
    assert "the launcher hides GPUs" in made.stdout and "launcher: srun --mpi=pmi2 --gpu-bind=none" in made.stdout


@pytest.mark.mpi
def test_a_gpu_that_computes_wrongly_is_named(tmp_path):
    made = job(tmp_path, ["0,1", "0,1"], BROKEN_GPU="1")
    assert made.returncode == 5 and re.search(r"PROBLEM +GPU .*a sum of squares on it is", made.stdout)


@pytest.mark.mpi
def test_a_torch_without_kernels_for_the_gpu_is_named(tmp_path):
    made = job(tmp_path, ["0"], NO_KERNEL="1")
    assert made.returncode == 5
    assert "RuntimeError: no kernel image is available" in made.stdout


def seen(all_of, alone, problem=""):
    return Seen("2.13.0", all_of, alone, "A100", "8.0", problem)


@pytest.mark.parametrize(
    "ranks, wanted, said",
    [
        ([seen(("a", "b"), ("a",)), seen(("a", "b"), ("b",))], 2, ""),
        ([seen(("a", "b"), ("a",))], 0, ""),
        ([seen(("a", "b"), ("a",)), seen(("b", "a"), ("b",))], 2, ""),
        ([seen(("a",), ("a",)), seen(("b",), ("b",))], 2, "n1: the launcher hides GPUs"),
        ([seen(("a",), ("a",)), seen(("a",), ("a",))], 4, "n1: 1 of 4 GPUs are seen. Ask for them with --gres=gpu:4"),
        ([seen(("a", "b"), ("a",)), seen(("a", "b"), ("a",))], 2, "n1: ranks that were given different GPUs"),
        ([seen(("a", "b"), ("a",)), seen(("a", "b"), (), "no kernel image")], 2, "n1: no kernel image"),
    ],
)
def test_rules_of_binding(ranks, wanted, said):
    found = fault(ranks, ["n1"] * len(ranks), wanted, "srun --mpi=pmi2")
    assert found.startswith(said) and bool(found) == bool(said)


def test_nodes_are_judged_one_by_one():
    ranks = [seen(("a",), ("a",)), seen(("b",), ("b",))]
    assert fault(ranks, ["n1", "n2"], 1, "srun") == ""


@pytest.mark.parametrize(
    "launcher, line",
    [
        ("srun --mpi=pmi2", "srun --mpi=pmi2 --gpu-bind=none"),
        ("srun --gpus-per-task=1 --gpu-bind=closest --mpi=pmi2", "srun --mpi=pmi2 --gpu-bind=none"),
        ("mpirun -n 4", "mpirun -n 4"),
    ],
)
def test_the_line_that_shows_all_gpus(launcher, line):
    assert showing(launcher) == line


@pytest.mark.parametrize(
    "summary, ucx, fabric, tcp",
    [
        ("", UCX, "UCX sysv/memory cma/memory", False),
        ("", UCX + FAR, "UCX tcp/eth0", True),
        (OFI, "", "libfabric sockets", True),
        ("libfabric provider: verbs;ofi_rxm - x\n", "", "libfabric verbs;ofi_rxm", False),
        ("==== UCX netmod Capability ====\n", "", "", False),
    ],
)
def test_the_name_of_the_fabric(summary, ucx, fabric, tcp):
    """Texts as MPICH 5.0.2 and UCX 1.20.1 print them."""
    assert fabric_of(summary, ucx) == fabric and is_tcp(fabric) == tcp


def test_a_slow_network_between_nodes_is_refused_unless_forced():
    slow, quick = Link(2e-5, 0.99e9), Link(1.3e-6, 12e9)
    refused = network("n1", "n2", slow, "UCX tcp/eth0", False)
    assert refused.remedy.startswith("less than 1 GB/s; put the site's MPICH-ABI library")
    assert refused.text == "n1 to n2: 20 µs, 0.99 GB/s by UCX tcp/eth0, not the fabric of a cluster"
    assert not network("n1", "n2", slow, "UCX tcp/eth0", True).remedy
    assert not network("n1", "n1", slow, "", False).remedy
    assert network("n1", "n2", quick, "libfabric verbs", False).text == "n1 to n2: 1.3 µs, 12 GB/s by libfabric verbs"


def place(rank, node):
    return Place(rank, node, node, 1, None)


def test_the_network_is_that_between_the_first_ranks_of_two_nodes():
    assert far_pair([place(0, "a"), place(1, "a"), place(2, "b"), place(3, "c")]) == (0, 2)
    assert far_pair([place(0, "a"), place(1, "a")]) == (0, 1)
    assert far_pair([place(0, "a")]) is None


def test_speed_and_locks_of_a_folder(tmp_path):
    measured = speed(tmp_path)
    assert measured.write > 0 and measured.read > 0
    # two openings of one file keep each other out, even within one process
    assert lock_fault(world(), tmp_path, 0) == ""
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SetupError, match="nowhere"):
        speed(tmp_path / "nowhere")
    with pytest.raises(SetupError, match="nowhere"):
        lock_fault(world(), tmp_path / "nowhere", 0)


def test_a_folder_that_the_other_node_does_not_see_or_that_does_not_lock(tmp_path, monkeypatch):
    from naglass_drv.runtime import disk

    monkeypatch.setattr(disk, "_take", lambda file: True)
    assert "is not seen by the other one" in lock_fault(world(), tmp_path, 0)
    monkeypatch.setattr(disk, "_take", lambda file: False)
    assert lock_fault(world(), tmp_path, 0) == "the file system has no locks (flock)"


def test_the_job_that_would_be_submitted(tmp_path):
    site = _site(tmp_path, "threads: 1\n")
    made = called(
        "site", "check", "jean-zay-v100", "--account", "abc@v100", "--nodes", "2", "--dry-run", cwd=tmp_path,
        NAGLASS_SITE=site,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for line in ("--time=00:02:00", "--nodes=2", "--ntasks=8", "--gres=gpu:4", "--constraint=v100-32g"):
        assert f"#SBATCH {line}\n" in made.stdout
    assert "srun --mpi=pmi2 " in made.stdout and " site check jean-zay-v100 --here" in made.stdout
    assert subprocess.run(["bash", "-n"], input=made.stdout, text=True).returncode == 0


@pytest.mark.parametrize(
    "words, said",
    [
        (("check", "nowhere"), "site 'nowhere': no such profile"),
        (("check", "jean-zay-cpu"), "jean-zay-cpu.yaml:6: slurm.account: is needed here"),
        (("check", "slurm"), "slurm.yaml:7: slurm.cores_per_node: is not known"),
        (("check", "jean-zay-cpu", "--account", "a b"), "--account 'a b'"),
        (("check", "workstation", "--nodes", "0"), "--nodes 0: must be from 1 to 64"),
        (("jean-zay-cpu", "more"), "site jean-zay-cpu more: only check takes a second name"),
    ],
)
def test_bad_input_is_named_before_a_job_is_written(tmp_path, words, said):
    made = called("site", *words, cwd=tmp_path, NAGLASS_SITE=_site(tmp_path, "threads: 1\n"))
    assert made.returncode == 2 and said in made.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["site.yaml"]
