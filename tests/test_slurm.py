"""The workflow on a real Slurm that loses jobs, processes, a node and its controller: nothing is lost, bit for bit.

One story, told once and looked at from all sides: a local run for comparison, then the same on Slurm, from drawing to
the table, while things break; then Snakemake itself is killed, and `refer resume` goes on.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from refer import files
from refer.training import checkpoint
from test_workflow import copy_of, snakemake

sys.path.insert(0, str(Path(__file__).with_name("slurm")))

from cluster import Cluster, wait, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(why_not() is not None, reason=f"no Slurm: {why_not()}"),
]

PRESET = "results/small"
LOGS = "logs/small/runs/khalid2025/fer2013-standin/audited"
RUNS = f"{PRESET}/runs/khalid2025/fer2013-standin/audited"
METHODS = ("region", "backbone", "full", "self")
TABLE = f"{PRESET}/tables/khalid2025.fer2013-standin.csv"
GPU = "1 if wildcards.method in ('full', 'self') else 0"
"""Two of the trainings want the only GPU."""


def configure(clone: Path) -> None:
    """Write a configuration of four trainings of some seconds."""
    config = yaml.safe_load((clone / "config.yaml").read_text(encoding="utf-8"))
    wanted = config["reproduce"]["khalid2025"] | {"protocols": ["audited"], "seeds": [0]}
    wanted["override"] |= {"recipe.epochs": 12, "recipe.batch_size": 16, "recipe.image_size": 24}
    images = {"Training": 160, "PublicTest": 40, "PrivateTest": 40}
    small = {
        "preset": "small",
        "title": "Small",
        "standin": {"fer2013": config["standin"]["fer2013"] | {"images": images, "subjects": 30}},
        "reproduce": {"khalid2025": wanted},
        "ambiguity": {"khalid2025": config["ambiguity"]["khalid2025"]},
        "realtime_seconds": 0,
        "train_mem_mb": 1000,
        "device": "cpu",
    }
    (clone / "small.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")


ARGUMENTS = [TABLE, "--profile", "profiles/slurm", "--configfile", "small.yaml"]


def hurry(clone: Path) -> None:
    """Give the profile less patience than a site wants, and some trainings a GPU although they use none."""
    path = clone / "profiles/slurm/config.yaml"
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    profile |= {"cores": 2, "latency-wait": 5, "slurm-init-seconds-before-status-checks": 1}
    profile["set-resources"]["train"]["gpu"] = GPU
    path.write_text(yaml.safe_dump(profile), encoding="utf-8")


@dataclass
class Story:
    """Snakemake on Slurm in one folder, and what happened to it."""

    cluster: Cluster
    clone: Path
    local: Path
    limited: str = ""
    orphan: str = ""
    resumed: subprocess.CompletedProcess[str] | None = None

    def tell(self) -> None:
        """Run it, break it, and go on."""
        with (self.clone / "snakemake.log").open("wb") as log:
            process = subprocess.Popen(
                ["snakemake", *ARGUMENTS], cwd=self.clone, env=self.cluster.environment, stdout=log, stderr=log
            )
        try:
            self._break(process)
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
            timeout=240,
        )

    def _break(self, snakemake: subprocess.Popen[bytes]) -> None:
        cluster = self.cluster
        with Freezer(self, snakemake) as frozen:
            region, backbone = frozen.job("region"), frozen.job("backbone")
            os.kill(frozen.payload("region"), signal.SIGKILL)
            cluster.run("scancel", backbone)
            first = wait(lambda: frozen.any_of("full", "self"), 120, "the GPU's first job")
            second = {"full": "self", "self": "full"}[first]
            limited = frozen.job(first)
            cluster.run("scontrol", "update", f"jobid={limited}", "EndTime=now+100")
            wait(lambda: not {region, backbone} & self.running(), 30, "the end of two jobs")
            cluster.stop_controller()
            polled = time.monotonic() + 4  # so long that Snakemake has asked it in vain
            wait(lambda: time.monotonic() > polled, 10, "some polls")
            cluster.start_controller()
            again = frozen.job("backbone", attempt=2)
            node = next(job["node"] for job in cluster.jobs() if job["id"] == again)
            cluster.lose_node(node)
            cluster.start_node(node)
            # Frozen, it cannot end before its time; Slurm thaws what it sends a signal to.
            wait(lambda: not Path(f"/proc/{frozen.payload(first)}").exists(), 90, "the warning before the time limit")
            self.limited, self.orphan = first, frozen.job(second)

    def running(self) -> set[str]:
        """The numbers of Slurm's jobs that run."""
        return {job["id"] for job in self.cluster.jobs("running,completing")}


class Freezer(threading.Thread):
    """Stops a training as soon as it has saved an epoch, so that something can happen to it just then."""

    def __init__(self, story: Story, snakemake: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.story = story
        self.snakemake = snakemake
        self.attempts: dict[str, list[dict[str, Any]]] = {method: [] for method in METHODS}
        self.done = threading.Event()

    def __enter__(self) -> Freezer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()

    def run(self) -> None:
        seen: dict[str, int] = {}
        while not self.done.wait(0.02):
            for method, attempts in self.attempts.items():
                with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                    self._look(method, attempts, seen)

    def _look(self, method: str, attempts: list[dict[str, Any]], seen: dict[str, int]) -> None:
        run = self.story.clone / RUNS / method / "seed0"
        owner = files.read_json(run / ".lock")
        since = seen.setdefault(owner["token"], (run / ".lock").stat().st_mtime_ns)
        new = owner["token"] not in [each["token"] for each in attempts]
        # The first attempt of each, and the second of the one to which two things happen.
        wanted = len(attempts) < (2 if method == "backbone" else 1)
        if new and wanted and (run / "resume.safetensors").stat().st_mtime_ns > since:
            os.kill(owner["pid"], signal.SIGSTOP)
            attempts.append(owner)

    def any_of(self, *methods: str) -> str | None:
        return next((method for method in methods if self.attempts[method]), None)

    def job(self, method: str, attempt: int = 1) -> str:
        """Wait until an attempt is frozen; returns the number of its Slurm job."""

        def frozen() -> bool:
            assert self.snakemake.poll() is None, (self.story.clone / "snakemake.log").read_text("utf-8")[-5000:]
            return len(self.attempts[method]) >= attempt

        wait(frozen, 180, f"attempt {attempt} of {method}")
        return str(self.attempts[method][attempt - 1]["slurm_job"])

    def payload(self, method: str) -> int:
        return int(self.attempts[method][-1]["pid"])


@pytest.fixture(scope="module")
def story(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Everything, once: on Slurm, and for comparison on this machine alone."""
    folder = tmp_path_factory.mktemp("slurm")
    clones = {name: copy_of(root, folder / name) for name in ("cluster", "local")}
    for clone in clones.values():
        configure(clone)
    hurry(clones["cluster"])
    cluster = Cluster(folder / "daemons")
    # Daemons outlive what started them: a test that is told to end must still take them down.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cluster.start()
        local = snakemake(clones["local"], TABLE, "--cores", "2", "--configfile", "small.yaml")
        assert local.returncode == 0, local.stdout + local.stderr
        # That obtaining works there too takes minutes to show; the audit stands for all of it.
        shutil.copytree(clones["local"] / "data", clones["cluster"] / "data")
        for made in ("audit", "splits"):
            shutil.rmtree(clones["cluster"] / "data" / made)
        told = Story(cluster, clones["cluster"], clones["local"])
        told.tell()
        yield told
    finally:
        cluster.stop()
        signal.signal(signal.SIGTERM, before)


def record(story: Story, method: str) -> dict[str, Any]:
    return dict(files.read_json(story.clone / RUNS / method / "seed0/run.json"))


def test_snakemake_goes_on_after_its_own_death(story: Story) -> None:
    assert story.resumed is not None
    assert story.resumed.returncode == 0, story.resumed.stdout + story.resumed.stderr
    said = story.resumed.stdout
    assert re.search(rf"^Ending orphaned Slurm jobs .*\b{story.orphan}\b", said, re.MULTILINE), said
    states = {job["id"]: job["state"] for job in story.cluster.jobs()}
    assert states[story.orphan] == "CANCELLED"


@pytest.mark.parametrize("method", METHODS)
def test_whatever_was_lost_the_results_are_those_of_a_local_run(story: Story, method: str) -> None:
    there, here = (clone / RUNS / method / "seed0" for clone in (story.clone, story.local))
    tensors, expected = (checkpoint.load(run / "checkpoint.safetensors")[0]["network"] for run in (there, here))
    assert tensors.keys() == expected.keys()
    assert all(tensors[name].equal(expected[name]) for name in expected)
    assert (there / "predictions.parquet").read_bytes() == (here / "predictions.parquet").read_bytes()
    curves = [pd.read_csv(run / "training.csv") for run in (there, here)]
    curves = [curve.loc[:, ~curve.columns.str.contains(r"seconds|per_s")] for curve in curves]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


def test_the_table_is_that_of_a_local_run(story: Story) -> None:
    assert (story.clone / TABLE).read_bytes() == (story.local / TABLE).read_bytes()


def test_every_run_went_on_where_it_was_interrupted(story: Story) -> None:
    resumed = {method: record(story, method)["resumed"] for method in METHODS}
    assert all(resumed[method] >= (2 if method == "backbone" else 1) for method in METHODS), resumed
    log = (story.clone / LOGS / "region/seed0/train.log").read_text(encoding="utf-8")
    assert "is dead; its lock is taken over" in log
    assert "going on after epoch" in log
    partial = (story.clone / LOGS / f"{story.limited}/seed0/train.log").read_text(encoding="utf-8")
    assert re.search(r"going on after epoch \d+ and \d+ steps", partial), partial
    left = [path.name for path in (story.clone / RUNS).rglob("*") if path.name.startswith((".lock", "resume"))]
    assert left == []


def test_a_job_near_its_time_limit_saves_its_state_and_fails(story: Story) -> None:
    log = story.clone / f"logs/slurm/rule_train/khalid2025_fer2013-standin_audited_{story.limited}_0"
    said = (story.clone / "snakemake.log").read_text(encoding="utf-8")
    assert list(log.glob("*.log")), "of a job that failed, Slurm's log stays"
    assert re.search(rf"failed train audited {story.limited} seed0", said)


def test_two_jobs_never_had_the_one_gpu_at_once(story: Story) -> None:
    text = (story.cluster.at / "log/jobs.log").read_text(encoding="utf-8")
    jobs = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines()]
    times = sorted((job["StartTime"], job["EndTime"]) for job in jobs if job["NodeList"] == "gpu1")
    assert len(times) >= 4
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(times)), times


def test_the_cluster_sees_only_what_needs_it(story: Story) -> None:
    rules = {re.sub(r"_wildcards.*", "", job["comment"]) for job in story.cluster.jobs()}
    assert rules == {"rule_audit", "rule_train", "rule_infer_infer"}
