"""A real Slurm on this machine, two virtual nodes of four CPUs each, for as long as a test module needs it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
_READY_S = 40.0
_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
KillWait=5
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.txt
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=4 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=60 State=UP
"""


def lacking() -> str:
    """Why no Slurm can be started here, or an empty text."""
    if os.geteuid() != 0:
        return "only root can start a Slurm of its own"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Cluster:
    """munged, slurmctld and two slurmd, all files in `folder`; commands find them by `environment`. `more` are further
    lines of slurm.conf.
    """

    def __init__(self, folder: Path, more: str = ""):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen] = {}
        host = socket.gethostname().split(".")[0]
        ports = _free_ports(3)
        (folder / "state").mkdir()
        text = _CONF.format(host=host, folder=folder, port=ports[0], first=ports[1], last=ports[2])
        (folder / "slurm.conf").write_text(text + more)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        folder.chmod(0o755)

    def __enter__(self) -> "Cluster":
        inside = [f"--{word}={self.folder}/munge.{word.split('-')[0]}" for word in ("socket", "pid-file", "log-file")]
        seed, key = f"--seed-file={self.folder}/munge.seed", f"--key-file={self.folder}/munge.key"
        self._start("munged", ["munged", "--force", "--foreground", key, seed, *inside])
        self._start("slurmctld", ["slurmctld", "-D"])
        for node in ("n1", "n2"):
            self.start_node(node)
        end = time.monotonic() + _READY_S
        while "idle" not in self.command("sinfo", "--noheader", "--format=%T", check=False) or self._down():
            if time.monotonic() > end:
                raise RuntimeError((self.folder / "slurmctld.log").read_text()[-2000:])
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["scancel", "--user=root"], env=os.environ | self.environment, check=False, capture_output=True)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._start(node, ["slurmd", "-D", "-N", node])

    def kill_node(self, node: str) -> None:
        """Take the daemon of a node away, as a crash does; what runs there goes on."""
        self._daemons[node].send_signal(signal.SIGKILL)
        self._daemons[node].wait()

    def command(self, *words: str, check: bool = True) -> str:
        """Output of a command of Slurm."""
        done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{words}: {done.stderr}")
        return done.stdout

    def state(self, job: str) -> str:
        """State of a job, such as PENDING or COMPLETED."""
        text = self.command("scontrol", "show", "job", "-o", job, check=False)
        return next((word.partition("=")[2] for word in text.split() if word.startswith("JobState=")), "UNKNOWN")

    def wait(self, job: str, *states: str, patience_s: float = 90.0) -> str:
        """Wait until a job is in one of `states`; returns that."""
        end = time.monotonic() + patience_s
        while (state := self.state(job)) not in states:
            assert time.monotonic() < end, f"job {job} is {state}, not {states}"
            time.sleep(0.3)
        return state

    def _down(self) -> bool:
        return self.command("sinfo", "--noheader", "--Node", "--format=%T", check=False).split() != ["idle", "idle"]

    def _start(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.out", "ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=os.environ | self.environment, stdout=log, stderr=log, start_new_session=True
            )
        if name == "munged":
            end = time.monotonic() + 10
            while not (self.folder / "munge.socket").exists():
                assert time.monotonic() < end, (self.folder / "munged.out").read_text()
                time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    """Ports next to each other that nothing listens on."""
    for first in range(17000 + os.getpid() % 1000, 60000, 7):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for number, each in enumerate(sockets):
                each.bind(("127.0.0.1", first + number))
            return list(range(first, first + count))
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    raise RuntimeError("no free ports")
