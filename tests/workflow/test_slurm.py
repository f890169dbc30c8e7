"""The demo's DAG on a real Slurm that loses jobs, processes, a node and its controller: nothing is lost, bit for bit.

One story, told once (tests/slurm/story.py) and looked at from all sides: a local run for comparison, then the same on
Slurm, from drawing to the front page, while things break; then Snakemake itself is killed, and `refer resume` goes on.
"""

from __future__ import annotations

import itertools
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from refer import files
from refer.training import checkpoint
from workflow_fixtures import copy_of, snakemake

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from cluster import Cluster, why_not
from story import FER, RUNS, Story, configure, hurry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(why_not() is not None, reason=f"no Slurm: {why_not()}"),
]

PRESET = Path("results/small")
TIMED = r"seconds|per_s"
"""Columns of training.csv that are times."""
TELLS_TIMES = (
    r"runs/.*/(run\.json|training\.csv)",  # looked at by themselves
    r"realtime/.*",
    r"tables/(realtime|runs)\.\w+",
    r"report\.html",
)
"""Files in which times, hosts or numbers of jobs stand."""


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
        local = snakemake(clones["local"], "--cores", "2", "--configfile", "small.yaml")
        assert local.returncode == 0, local.stdout + local.stderr
        told = Story(cluster, clones["cluster"], clones["local"])
        told.tell()
        yield told
    finally:
        cluster.stop()
        signal.signal(signal.SIGTERM, before)


def record(story: Story, method: str) -> dict[str, Any]:
    return dict(files.read_json(story.clone / PRESET / "runs" / RUNS[method] / "run.json"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, without what tables say of the time that training took."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {
        name: re.sub(rb"Cost: .*", b"", content) if name.startswith("tables/") else content
        for name, content in found.items()
    }


def log_of(story: Story, method: str) -> str:
    return (story.clone / "logs/small/runs" / RUNS[method] / "train.log").read_text(encoding="utf-8")


def test_snakemake_goes_on_after_its_own_death(story: Story) -> None:
    assert story.resumed is not None
    assert story.resumed.returncode == 0, story.resumed.stdout + story.resumed.stderr
    said = story.resumed.stdout
    orphan = str(story.lives[story.orphan][0]["slurm_job"])
    assert re.search(rf"^Ending orphaned Slurm jobs .*\b{orphan}\b", said, re.MULTILINE), said
    states = {job["id"]: job["state"] for job in story.cluster.jobs()}
    assert states[orphan] == "CANCELLED"


@pytest.mark.parametrize("method", RUNS)
def test_whatever_was_lost_the_results_are_those_of_a_local_run(story: Story, method: str) -> None:
    there, here = (clone / PRESET / "runs" / RUNS[method] for clone in (story.clone, story.local))
    tensors, expected = (checkpoint.load(run / "checkpoint.safetensors")[0]["network"] for run in (there, here))
    assert tensors.keys() == expected.keys()
    assert all(tensors[name].equal(expected[name]) for name in expected)
    assert (there / "predictions.parquet").read_bytes() == (here / "predictions.parquet").read_bytes()
    curves = [pd.read_csv(run / "training.csv") for run in (there, here)]
    curves = [curve.loc[:, ~curve.columns.str.contains(TIMED)] for curve in curves]
    pd.testing.assert_frame_equal(*curves, check_exact=True)


def test_every_file_is_that_of_a_local_run_byte_for_byte_but_those_that_tell_times(story: Story) -> None:
    there, here = (contents(clone / PRESET) for clone in (story.clone, story.local))
    assert there.keys() == here.keys()
    differing = [name for name in here if there[name] != here[name]]
    assert [name for name in differing if not any(re.fullmatch(known, name) for known in TELLS_TIMES)] == []
    for kind in ("tables/khalid2025.fer2013-standin.csv", "tables/naseem2025.viri-standin.tex", "tables/matrix.md"):
        assert kind in here
    kinds = Counter(name.split("/")[0] for name in here if name not in differing)
    assert kinds.keys() >= {"data", "figures", "metrics", "plots", "runs", "results.parquet", "tables"}


def test_every_run_went_on_where_it_was_interrupted(story: Story) -> None:
    broken = {story.killed, story.cancelled, story.limited, story.orphan, *story.preempted}
    assert broken == RUNS.keys() - {"fused"}
    resumed = {method: record(story, method)["resumed"] for method in broken}
    assert all(resumed[method] >= (2 if method == story.cancelled else 1) for method in broken), resumed
    assert all("going on after epoch" in log_of(story, method) for method in broken)
    dead = story.lives[story.killed][1]["log"]
    assert "is dead; its lock is taken over" in dead, dead
    partial = log_of(story, story.limited)
    assert re.search(r"going on after epoch \d+ and \d+ steps", partial), partial
    left = [path for path in (story.clone / PRESET).rglob("*") if path.name.startswith((".lock", "resume"))]
    assert left == []


def test_a_job_near_its_time_limit_saves_its_state_and_fails(story: Story) -> None:
    wildcards = "_".join([*FER.split("/"), story.limited, "0"])
    assert list((story.clone / "logs/slurm/rule_train" / wildcards).glob("*.log")), "of a job that failed it stays"
    assert re.search(rf"failed train .*audited {story.limited} seed0", story.said)


def test_a_preempted_job_and_one_that_lost_its_node_go_on_as_the_same_job(story: Story) -> None:
    lives = {method: [life["slurm_job"] for life in story.lives[method]] for method in RUNS}
    for method in story.preempted:
        assert lives[method][0] == lives[method][1], "no attempt is spent"
    assert lives[story.cancelled][0] != lives[story.cancelled][1] == lives[story.cancelled][2]


def test_a_controller_that_is_away_costs_no_attempt_and_what_it_forgot_is_done_again(story: Story) -> None:
    assert {"sbatch", "squeue"} <= set(story.cluster.asked_in_vain())
    assert "Unable to contact slurm controller" not in story.said
    assert story.lost
    assert all(re.search(rf"SLURM-job '{job}' failed", story.said) for job in story.lost), story.said


def test_two_jobs_never_had_the_one_gpu_at_once(story: Story) -> None:
    text = (story.cluster.at / "log/jobs.log").read_text(encoding="utf-8")
    jobs = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in text.splitlines()]
    times = sorted((job["StartTime"], job["EndTime"]) for job in jobs if job["NodeList"] == "gpu1")
    assert len(times) >= 4
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(times)), times


def test_the_cluster_sees_only_what_needs_it(story: Story) -> None:
    comments = [job["comment"] for job in story.cluster.jobs() if job["comment"] != "(null)"]  # no test's own
    jobs = Counter(re.sub(r"_wildcards.*", "", comment.removeprefix("rule_")) for comment in comments)
    assert jobs.keys() == {
        "raw_draw_obtain",
        "data_audit_prepare",
        "train",
        "infer_infer",
        "explain_explain",
        "realtime",
    }
    assert jobs["raw_draw_obtain"] == jobs["data_audit_prepare"] == 2, "one for each data set"
    assert jobs["realtime"] == 1
