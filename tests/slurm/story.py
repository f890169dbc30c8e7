"""Snakemake on a Slurm that breaks in every way at once: what happens to which training, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cluster import Cluster, wait
from filelock import SoftFileLease

FER = "khalid2025/fer2013-standin/audited"
VIRI = "naseem2025/viri-standin/audited"
RUNS = {
    **{method: f"{FER}/{method}/seed0" for method in ("region", "backbone", "full", "self")},
    **{method: f"{VIRI}/{method}/seed0" for method in ("visible", "infrared", "fused")},
}
ON_CPU = ("region", "backbone", "visible", "infrared")
ON_GPU = ("full", "self")
"""These two want the only GPU. `fused` begins with two others when all is over."""
GPU = f"1 if wildcards.method in {ON_GPU} else 0"
ARGUMENTS = ["--profile", "profiles/slurm", "--configfile", "small.yaml"]


def configure(clone: Path) -> None:
    """Write a configuration of the demo's kind, with trainings of some seconds."""
    demo = yaml.safe_load((clone / "config.yaml").read_text(encoding="utf-8"))
    khalid, naseem = (demo["reproduce"][paper] for paper in ("khalid2025", "naseem2025"))
    khalid |= {"protocols": ["audited"], "seeds": [0]}
    khalid["override"] |= {"recipe.epochs": 12, "recipe.batch_size": 16, "recipe.image_size": 24}
    naseem |= {"data": ["viri"]}
    naseem["override"] |= {"recipe.epochs": 4, "recipe.batch_size": 32, "recipe.image_size": 24}
    images = {"Training": 160, "PublicTest": 40, "PrivateTest": 40}
    small = {
        "preset": "small",
        "title": "Small",
        "subject_pattern": demo["subject_pattern"],
        "standin": {
            "fer2013": demo["standin"]["fer2013"] | {"images": images, "subjects": 30},
            "viri": {"images": {"all": 60}, "subjects": 20},
        },
        "reproduce": {"khalid2025": khalid, "naseem2025": naseem},
        "matrix": {"methods": {"khalid2025": ["full"]}, "data": ["fer2013"], "seeds": [0]},
        "ambiguity": {paper: demo["ambiguity"][paper] for paper in ("khalid2025", "naseem2025")},
        "realtime_seconds": 0.02,
        "train_mem_mb": 1000,
        "device": "cpu",
    }
    (clone / "small.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")


def hurry(clone: Path) -> None:
    """Give the profile less patience than a site wants, and some trainings a GPU although they use none."""
    path = clone / "profiles/slurm/config.yaml"
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    profile |= {"cores": 2, "latency-wait": 5, "slurm-init-seconds-before-status-checks": 1}
    profile["set-resources"]["train"]["gpu"] = GPU
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")


@dataclass
class Story:
    """Snakemake on Slurm in one folder, and what happened to which training."""

    cluster: Cluster
    clone: Path
    local: Path
    killed: str = ""
    cancelled: str = ""
    preempted: list[str] = field(default_factory=list)
    limited: str = ""
    orphan: str = ""
    lost: list[str] = field(default_factory=list)
    """Jobs that the controller accepted and forgot."""
    lives: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {method: [] for method in RUNS})
    """Who owned a run's lock, one after the other, with what was last seen in the log of each."""
    resumed: subprocess.CompletedProcess[str] | None = None

    @property
    def said(self) -> str:
        """What Snakemake printed until it was killed."""
        return (self.clone / "snakemake.log").read_text(encoding="utf-8")

    def tell(self) -> None:
        """Run it, break it, and go on."""
        with (self.clone / "snakemake.log").open("wb") as log:
            process = subprocess.Popen(
                ["snakemake", *ARGUMENTS], cwd=self.clone, env=self.cluster.environment, stdout=log, stderr=log
            )
        try:
            with Freezer(self, process) as frozen:
                self._end_jobs(frozen)
                self._lose_the_controller(frozen)
                self._lose_a_node(frozen)
        finally:
            process.kill()
            process.wait()
        self.resumed = subprocess.run(
            [sys.executable, "-m", "refer.cli", "resume", "--", *ARGUMENTS],
            cwd=self.clone,
            env=self.cluster.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1200,
        )

    def _end_jobs(self, frozen: Freezer) -> None:
        """Time limit, preemption, a kill and a cancellation, with the gate shut for what is submitted after them."""
        cluster = self.cluster
        self.limited = str(
            wait(lambda: next((name for name in ON_GPU if self.lives[name]), None), 300, "the GPU's job")
        )
        self.orphan = next(name for name in ON_GPU if name != self.limited)
        limited = frozen.life(self.limited)
        # Slurm looks at limits twice a minute. Frozen, the job cannot end before; Slurm thaws what it signals.
        cluster.run("scontrol", "update", f"jobid={limited['slurm_job']}", "EndTime=now+100")
        jobs = {method: str(frozen.life(method)["slurm_job"]) for method in ON_CPU}
        nodes = {job["id"]: job["node"] for job in cluster.jobs("running")}
        node = nodes[jobs["region"]]
        self.preempted = [method for method in ON_CPU if nodes[jobs[method]] == node]
        self.killed, self.cancelled = (method for method in ON_CPU if method not in self.preempted)
        cluster.run("sbatch", "--partition=urgent", f"--nodelist={node}", "--cpus-per-task=2", "--wrap=true")
        cluster.shut_gate()
        os.kill(self.lives[self.killed][0]["pid"], signal.SIGKILL)
        cluster.run("scancel", jobs[self.cancelled])
        ended = {str(limited["slurm_job"]), jobs[self.killed], jobs[self.cancelled]}
        preempted = {jobs[method] for method in self.preempted}
        wait(lambda: not ended & cluster.ids("running,completing"), 120, "the end of three jobs")
        wait(lambda: preempted <= cluster.ids("completed"), 300, "the end of the preempted jobs, in their second life")
        frozen.life(self.orphan)

    def _lose_the_controller(self, frozen: Freezer) -> None:
        """Stop it and start it again, then kill it just after it has accepted a job: of that one it knows nothing."""
        cluster = self.cluster
        wait(cluster.somebody_waits, 60, "a submission at the gate")
        for partition in ("main", "gpu"):  # nothing starts that will be forgotten
            cluster.run("scontrol", "update", f"partitionname={partition}", "state=down")
        cluster.stop_controller()
        cluster.keep_state()
        wait(lambda: "squeue" in cluster.asked_in_vain(), 60, "a look at jobs in vain")
        before = self.accepted()
        cluster.open_gate()
        wait(lambda: "sbatch" in cluster.asked_in_vain(), 60, "a submission in vain")
        cluster.start_controller()
        wait(lambda: len(self.accepted()) > len(before), 60, "an accepted job")
        cluster.kill_controller()
        self.lost = self.accepted()[len(before) :]
        cluster.restore_state()
        cluster.start_controller()
        for partition in ("main", "gpu"):
            cluster.run("scontrol", "update", f"partitionname={partition}", "state=up")

    def _lose_a_node(self, frozen: Freezer) -> None:
        """Cut a node's power; Slurm starts what ran on it elsewhere or later."""
        again = str(frozen.life(self.cancelled, 2)["slurm_job"])
        node = next(job["node"] for job in self.cluster.jobs("running") if job["id"] == again)
        self.cluster.lose_node(node)
        self.cluster.start_node(node)
        frozen.life(self.cancelled, 3)

    def accepted(self) -> list[str]:
        """The numbers of Snakemake's jobs, as profiles/slurm/bin/sbatch wrote them down."""
        return [line for path in (self.clone / ".snakemake/slurm").glob("*") for line in path.read_text().splitlines()]


class Freezer(threading.Thread):
    """Sees each job that begins to train, and stops some as soon as they have saved an epoch, to have time for them."""

    def __init__(self, story: Story, snakemake: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.story = story
        self.snakemake = snakemake
        self.done = threading.Event()

    def __enter__(self) -> Freezer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()

    def run(self) -> None:
        since: dict[str, int] = {}
        while not self.done.wait(0.02):
            for method, run in RUNS.items():
                with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                    self._look(method, self.story.clone / "results/small/runs" / run, since)

    def _look(self, method: str, run: Path, since: dict[str, int]) -> None:
        # All nodes are of this machine, so the job of a lock's owner stands in its environment.
        record = SoftFileLease(run / ".lock", lease_duration=180, heartbeat_interval=30).owner
        if record is None:
            return
        environment = Path(f"/proc/{record.pid}/environ").read_bytes().split(b"\0")
        job = next(each.partition(b"=")[2] for each in environment if each.startswith(b"SLURM_JOB_ID="))
        owner = {"token": record.token, "pid": record.pid, "slurm_job": int(job)}
        began = since.setdefault(owner["token"], (run / ".lock").stat().st_mtime_ns)
        lives = self.story.lives[method]
        if lives and owner["token"] == lives[-1]["token"]:
            log = (self.story.clone / "logs/small/runs" / RUNS[method] / "train.log").read_text(encoding="utf-8")
            # Of a dead owner the lock stays until the next one has it, which begins the log anew before.
            lives[-1]["log"] = max(lives[-1].get("log", ""), log, key=len)
            return
        # The first life of each, and the second of the one to which two things happen.
        frozen = len(lives) < (2 if method == self.story.cancelled else 1)
        if frozen and (run / "resume.safetensors").stat().st_mtime_ns <= began:
            return
        if frozen:
            os.kill(owner["pid"], signal.SIGSTOP)
        lives.append(owner)

    def life(self, method: str, number: int = 1) -> dict[str, Any]:
        """Wait for one of a run's owners, counted from 1."""

        def lives() -> bool:
            assert self.snakemake.poll() is None, self.story.said[-5000:]
            return len(self.story.lives[method]) >= number

        wait(lives, 600, f"life {number} of {method}")
        return self.story.lives[method][number - 1]
