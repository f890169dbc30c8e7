"""A Slurm of its own in a temporary folder: one controller, two nodes of two CPUs, one with a GPU that is none."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
NODES = ("cpu1", "cpu2", "gpu1")
PROGRAMS = ("slurmctld", "slurmd", "munged", "srun", "sbatch", "squeue", "scancel", "scontrol")
CONFIG = """\
ClusterName=ci
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={at}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={at}/ctld
SlurmdSpoolDir={at}/spool/%n
SlurmctldPidFile={at}/run/slurmctld.pid
SlurmdPidFile={at}/run/slurmd.%n.pid
SlurmctldLogFile={at}/log/slurmctld.log
SlurmdLogFile={at}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={at}/log/jobs.log
MinJobAge=86400
KillWait=5
InactiveLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
DefMemPerCPU=100
NodeName=cpu[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{cpu1}-{cpu2}] CPUs=2 RealMemory=40000 State=UNKNOWN
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port={gpu1} CPUs=4 RealMemory=40000 Gres=gpu:fake:1 State=UNKNOWN
PartitionName=main Nodes=cpu[1-2] Default=YES PriorityTier=1 GraceTime=60 MaxTime=3000 DefaultTime=5 State=UP
PartitionName=urgent Nodes=cpu[1-2] PriorityTier=2 PreemptMode=OFF MaxTime=3000 DefaultTime=5 State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=3000 DefaultTime=5 State=UP
"""


def why_not() -> str | None:
    """Return why a Slurm cannot be started here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"no {', '.join(missing)} here (tests/slurm/install.sh installs them)"
    if os.getuid() != 0:
        return "Slurm's daemons want to be started by root"
    try:
        import snakemake_executor_plugin_slurm  # noqa: F401
    except ImportError:
        return "snakemake-executor-plugin-slurm is not installed (the extra `cluster`)"
    return None


class Cluster:
    """The daemons, and what to ask them."""

    def __init__(self, at: Path) -> None:
        self.at = at
        port = _free_ports(5)
        for name in ("munge", "ctld", "run", "log", *(f"spool/{node}" for node in NODES)):
            (at / name).mkdir(parents=True, exist_ok=True)
        host = socket.gethostname().split(".")[0]
        ports = {"port": port, "cpu1": port + 1, "cpu2": port + 2, "gpu1": port + 3}
        self.config = at / "slurm.conf"
        self.config.write_text(CONFIG.format(at=at, host=host, **ports), encoding="utf-8")
        gres = "AutoDetect=off\nNodeName=gpu1 Name=gpu Type=fake File=/dev/null\n"
        (at / "gres.conf").write_text(gres, encoding="utf-8")
        (at / "munge/key").write_bytes(secrets.token_bytes(1024))
        (at / "munge/key").chmod(0o400)
        (at / "munge").chmod(0o711)

    @property
    def environment(self) -> dict[str, str]:
        """For Snakemake and Slurm's commands."""
        # Every job would compile its imports anew.
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        path = f"{HERE / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{_path()}"
        config = str(self.config)
        return kept | {"PATH": path, "SLURM_CONF": config, "REFER_TEST_SLURM_CONF": config}

    def start(self) -> None:
        """Start everything; returns when all nodes are idle."""
        munge = self.at / "munge"
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self.run("munged", "--force", *(f"--{name}={munge / file}" for name, file in options.items()))
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        wait(
            lambda: set(self.run("sinfo", "-h", "-t", "idle", "-N", "-o", "%N").split()) == set(NODES), 30, "idle nodes"
        )

    def start_controller(self) -> None:
        """Start the controller, which remembers what it knew."""
        self.run("slurmctld")
        wait(lambda: "UP" in self.run("scontrol", "ping", check=False), 30, "the controller")

    def stop_controller(self) -> None:
        """Stop the controller, which writes down what it knows; jobs run on."""
        _end(self.at / "run/slurmctld.pid")

    def kill_controller(self) -> None:
        """Kill the controller, which forgets what it has not written down."""
        os.kill(int((self.at / "run/slurmctld.pid").read_text(encoding="ascii")), signal.SIGKILL)

    def keep_state(self) -> None:
        """Keep what the controller has written down."""
        shutil.copytree(self.at / "ctld", self.at / "kept")

    def restore_state(self) -> None:
        """Have the controller know no more than was kept: as if it had been killed before it wrote anything down."""
        shutil.rmtree(self.at / "ctld")
        shutil.copytree(self.at / "kept", self.at / "ctld")

    def shut_gate(self) -> None:
        """Have submissions wait (bin/sbatch)."""
        Path(f"{self.config}.gate").touch()

    def open_gate(self) -> None:
        """Let submissions go on."""
        Path(f"{self.config}.gate").unlink()

    def somebody_waits(self) -> bool:
        """Whether a submission waits at the gate."""
        return Path(f"{self.config}.waiting").exists()

    def asked_in_vain(self) -> list[str]:
        """Commands that could not reach the controller."""
        log = Path(f"{self.config}.vain")
        return log.read_text(encoding="ascii").split() if log.exists() else []

    def start_node(self, node: str) -> None:
        """Start a node's daemon, and have the controller take the node back if it was down."""
        self.run("slurmd", "-N", node)
        self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)

    def lose_node(self, node: str) -> None:
        """Kill all that runs on a node, as a power cut would, and let the controller know."""
        daemon = int((self.at / f"run/slurmd.{node}.pid").read_text(encoding="ascii"))
        minders, jobs = self._on_node(node)
        for process in (daemon, *minders, *jobs):  # first of all those that could still say something
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def _on_node(self, node: str) -> tuple[set[int], set[int]]:
        """The daemons that mind jobs on a node, and every process of these jobs."""
        wanted = {f"SLURMD_NODENAME={node}".encode(), f"REFER_TEST_SLURM_CONF={self.config}".encode()}
        minders, jobs = set(), set()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError):
                if wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                    jobs.add(int(folder.name))
                    parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                    if b"slurmstepd" in Path(f"/proc/{parent}/cmdline").read_bytes():
                        minders.add(parent)
        return minders, jobs

    def run(self, *command: str, check: bool = True) -> str:
        """Run one of Slurm's commands; returns what it printed."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self, states: str = "all") -> list[dict[str, str]]:
        """What the controller knows of jobs."""
        keys = {"id": "%i", "state": "%T", "comment": "%k", "node": "%N", "name": "%j", "gres": "%b"}
        listed = self.run("squeue", "-h", f"--states={states}", "-o", "|".join(keys.values()))
        return [dict(zip(keys, line.split("|"), strict=True)) for line in listed.splitlines()]

    def ids(self, states: str) -> set[str]:
        """The numbers of jobs in these states."""
        return {job["id"] for job in self.jobs(states)}

    def stop(self) -> None:
        """Stop everything that was started, jobs first."""
        with suppress(Exception):
            self.run("scancel", "--signal=KILL", "--full", "--user=root", check=False)
            wait(lambda: not self.jobs("running,completing"), 10, "the end of all jobs")
        for pid in (*(self.at / "run").glob("*.pid"), self.at / "munge/pid"):
            _end(pid)


def wait(until: Callable[[], object], seconds: float, what: str) -> object:
    """Return what `until` returns as soon as it is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)
    return found


def _end(pid_file: Path) -> None:
    """Have a daemon end, and make sure of it."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        process = int(pid_file.read_text(encoding="ascii"))
        os.kill(process, signal.SIGTERM)
        with suppress(AssertionError):
            wait(lambda: not _lives(process), 3, "an end")
        os.kill(process, signal.SIGKILL)


def _lives(process: int) -> bool:
    return process > 0 and Path(f"/proc/{process}").exists()


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _free_ports(number: int) -> int:
    """Return the first of so many neighbouring ports that nobody listens on."""
    for first in range(17817, 30000, number):
        with suppress(OSError):
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no free ports")
