"""A training that is told to end saves where it is, within an epoch too, and goes on with the same bits."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from conftest import Prepared
from refer import files, yaml
from refer.errors import UserError
from refer.plan import Run, load_plan
from refer.recipe import Augmentation
from refer.training.run_folder import RESUME
from refer.training.stopping import StoppedError, Stopping, requeue_if_preempted
from refer.training.train import Training, train


@pytest.fixture
def run(root: Path) -> Run:
    found = load_plan(yaml.read(root / "config.yaml"), base=root).run("khalid2025", "fer2013", "audited", "full", 0)
    return dataclasses.replace(found, recipe=found.recipe.model_copy(update={"epochs": 3, "batch_size": 16}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "report_of", "where", "precision"),
    [
        # There are 7 steps an epoch, and one report at its end.
        (signal.SIGTERM, 12, "epoch 1 and 4 steps", "fp32"),
        (signal.SIGUSR1, 12, "epoch 1 and 4 steps", "bf16"),
        (signal.SIGTERM, 3, "epoch 0 and 3 steps", "bf16"),
    ],
)
def test_told_to_end_within_an_epoch_it_ends_with_the_same_bits(
    prepared: Prepared, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals,
    report_of: int, where: str, precision: str,
) -> None:  # fmt: skip
    change = {"rotation": 10.0, "perspective": 0.2, "mixup": 0.4, "brightness": 0.2, "erase": 0.3, "flip": True}
    update = {"precision": precision, "ema": 0.95, "optimizer": "adam", "lr": 0.01}
    update["augmentation"] = Augmentation(**change)
    run = dataclasses.replace(run, recipe=run.recipe.model_copy(update=update))
    train(run, prepared.path, prepared.split, tmp_path / "whole")
    out = tmp_path / "ended"
    steps = 0

    def report(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == report_of:
            os.kill(os.getpid(), number)

    with pytest.raises(StoppedError, match=rf"told to end by {number.name}.* {where}, which is saved"):
        train(run, prepared.path, prepared.split, out, report=report)
    assert (out / RESUME).exists()
    assert not (out / ".lock").exists()
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    train(run, prepared.path, prepared.split, out)
    assert f"going on after {where}" in capsys.readouterr().out
    assert json.loads((out / "run.json").read_text())["resumed"] == 1
    assert files.sha256(out / "checkpoint.safetensors") == files.sha256(tmp_path / "whole/checkpoint.safetensors")
    curves = [pd.read_csv(tmp_path / name / "training.csv") for name in ("whole", "ended")]
    assert list(curves[0]) == list(curves[1])
    same = [curve.loc[:, ~curve.columns.str.contains("seconds|per_s")] for curve in curves]
    pd.testing.assert_frame_equal(*same, check_exact=True)


@pytest.mark.slow
def test_told_to_end_while_an_epoch_is_looked_at_no_step_is_made_twice(
    prepared: Prepared, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run, prepared.path, prepared.split, tmp_path / "whole")
    validate, looks = Training.validate, []

    def told_to_end(*given: object) -> tuple[float, float]:
        looks.append(1)
        if len(looks) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Training, "validate", told_to_end)
    with pytest.raises(StoppedError, match="epoch 1 and 7 steps"):
        train(run, prepared.path, prepared.split, tmp_path / "ended")
    train(run, prepared.path, prepared.split, tmp_path / "ended")
    hashes = {files.sha256(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "ended")}
    assert len(hashes) == 1


def test_a_complete_run_that_nobody_noticed_is_complete_at_once(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    train(run, prepared.path, prepared.split, tmp_path / "out", keep_state=True)
    before = files.sha256(tmp_path / "out/checkpoint.safetensors")
    for name in (
        "checkpoint.safetensors",
        "run.json",
        "training.csv",
    ):  # as Snakemake does before it starts a job again
        (tmp_path / "out" / name).unlink()
    steps: list[int] = []
    train(run, prepared.path, prepared.split, tmp_path / "out", report=lambda done, *_: steps.append(done))
    assert steps == []
    assert files.sha256(tmp_path / "out/checkpoint.safetensors") == before
    assert not (tmp_path / "out" / RESUME).exists()


def test_a_run_that_lost_its_lock_writes_nothing_more(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    def report(done: int, *_: object) -> None:
        (tmp_path / "out/.lock").unlink(missing_ok=True)

    with pytest.raises(UserError, match="nothing more is written"):
        train(run, prepared.path, prepared.split, tmp_path / "out", report=report)
    assert list((tmp_path / "out").iterdir()) == []


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stopping() as stopping:
        stopping.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StoppedError, match="SIGTERM"):
            stopping.check()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("shown", "requeued"),
    [
        (
            "StartTime=2026-01-01T10:00:00 PreemptEligibleTime=2026-01-01T10:00:00 PreemptTime=None",
            False,
        ),
        ("StartTime=2026-01-01T10:00:00 PreemptEligibleTime=2026-01-01T10:00:00 PreemptTime=2026-01-01T10:05:00", True),
        ("StartTime=2026-01-01T10:09:00 PreemptTime=2026-01-01T10:05:00", False),  # in its life before
        ("slurm_load_jobs error: Unable to contact slurm controller", False),
    ],
)
def test_a_preempted_job_asks_for_its_next_life_and_no_other_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, requeued: bool
) -> None:
    command = tmp_path / "scontrol"
    command.write_text(f"#!/bin/sh\necho \"$*\" >>{tmp_path}/calls\n[ $1 = show ] && echo '{shown}'; true\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert not requeue_if_preempted()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert requeue_if_preempted() is requeued
    assert (tmp_path / "calls").read_text().splitlines() == ["show job 7", *(["requeue 7"] if requeued else [])]


def test_where_slurm_cannot_be_asked_nothing_is_requeued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not requeue_if_preempted()
