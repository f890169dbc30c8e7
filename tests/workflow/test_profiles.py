"""Profiles name rules and options that exist; what each does on its machines is tested elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

PROFILES = ("default", "gpus", "slurm", "kubernetes")
TELLING = """
import sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler
begin = JobScheduler.__init__
def telling(self, workflow, *rest, **others):
    dag = workflow.dag
    jobs = [job for job in dag.needrun_jobs() if job.rule.name not in ("all", "default")]
    sent = [job for job in jobs if job.rule.name not in workflow._localrules]
    together = {id(dag.get_job_group(job) or job) for job in sent}
    print(len(jobs), "jobs, sent", len(sent), "as", len(together), file=sys.stderr)
    begin(self, workflow, *rest, **others)
JobScheduler.__init__ = telling
sys.exit(main(sys.argv[1:]))
"""
"""Snakemake that says how many jobs a scheduler would see."""


def profile(root: Path, name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((root / f"profiles/{name}/config.yaml").read_text(encoding="utf-8")))


def telling(root: Path, *arguments: str, **environment: str) -> str:
    """Plan, and return what Snakemake says of itself."""
    done = subprocess.run(
        [sys.executable, "-c", TELLING, "-n", "--nolock", "--forceall", *arguments],
        cwd=root,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def rules(root: Path) -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "workflow/rules").glob("*.smk")))
    return set(re.findall(r"^rule (\w+):", text, re.MULTILINE))


@pytest.mark.parametrize("name", PROFILES)
def test_rules_that_a_profile_names_exist(root: Path, rules: set[str], name: str) -> None:
    content = profile(root, name)
    named = {*content.get("set-resources", {}), *content.get("set-threads", {})}
    named |= {entry.split("=")[0] for entry in content.get("groups", [])}
    assert named <= rules


def test_what_stays_on_the_login_node_exists_and_nothing_that_is_much_work_does(root: Path, rules: set[str]) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((root / "workflow/rules").glob("*.smk")))
    local = {re.match(r"\w+", rule)[0] for rule in text.split("\nrule ")[1:] if "    localrule: True\n" in rule}
    submitted = {"draw", "obtain", "prepare", "audit", "backgrounds", "train", "infer", "explain", "realtime",
                 "batch_tokens", "links"}  # fmt: skip
    named = {"prepared", "predicted"}  # these make nothing
    assert rules - local - named == submitted


def test_a_group_of_predictions_is_as_large_as_the_plan_says(root: Path) -> None:
    from refer.planning.estimate import GROUPED

    assert f"infer={GROUPED}" in profile(root, "slurm")["group-components"]


@pytest.mark.workflow
def test_a_site_sees_as_few_jobs_of_the_demo_as_the_docs_say(root: Path) -> None:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed (the extra `cluster`)")
    said = telling(root, "--profile", "profiles/slurm")
    found = re.search(r"^(\d+) jobs, sent (\d+) as (\d+)$", said, re.MULTILINE)
    assert found, said
    everything, sent, seen = found.groups()
    text = " ".join((root / "docs/cluster.md").read_text(encoding="utf-8").split())
    assert f"Of the demo's {everything} jobs {sent} are sent, as {seen} Slurm jobs" in text, found[0]
