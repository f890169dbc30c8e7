"""Runs in trouble: a loss that runs away, a full disk, a folder that is not theirs, a kill at any moment."""

from __future__ import annotations

import dataclasses
import errno
import json
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import Prepared
from refer import files, yaml
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.plan import Run, load_plan
from refer.training import checkpoint
from refer.training import train as training
from refer.training.data import LIMIT, Streamed, available, load_index, load_part, picked
from refer.training.run_folder import FAILED, OUTPUTS, RESUME
from refer.training.train import FailedError, Progress, Training, train

CPU = torch.device("cpu")


@pytest.fixture
def run(root: Path) -> Run:
    found = load_plan(yaml.read(root / "config.yaml"), base=root).run("khalid2025", "fer2013", "audited", "full", 0)
    return dataclasses.replace(found, recipe=found.recipe.model_copy(update={"epochs": 3, "batch_size": 16}))


# --- a loss that runs away ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "words"), [(float("nan"), "nan"), (float("inf"), "inf"), (1e7, r"[\d.]+e.\d+")])
def test_a_loss_that_runs_away_ends_the_run_where_it_does(
    prepared: Prepared, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, words: str
) -> None:
    train(run, prepared.path, prepared.split, tmp_path)  # an earlier result, which must not stand for this one
    objective, calls = training.objective, []

    def ran_away(*given: Any) -> torch.Tensor:
        calls.append(1)
        return objective(*given) * (value if len(calls) == 11 else 1.0)

    monkeypatch.setattr(training, "objective", ran_away)
    other = dataclasses.replace(run, seed=1)
    with pytest.raises(FailedError, match=rf"the loss became {words} in epoch 2, step 4 of 7, at a learning rate of"):
        train(other, prepared.path, prepared.split, tmp_path)
    facts = json.loads((tmp_path / FAILED).read_text())
    assert (facts["epoch"], facts["step"]) == (2, 4)
    assert not any((tmp_path / name).exists() for name in OUTPUTS)
    assert checkpoint.load(tmp_path / RESUME)[1]["epoch"] == 1, "the epoch before is kept"
    monkeypatch.setattr(training, "objective", objective)
    train(other, prepared.path, prepared.split, tmp_path)
    assert not (tmp_path / FAILED).exists()
    assert json.loads((tmp_path / "run.json").read_text())["resumed"] == 1


def test_weights_that_are_no_numbers_after_the_last_step_are_noticed(
    prepared: Prepared, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "validate", lambda *_: (float("nan"), 0.2))
    with pytest.raises(FailedError, match="the loss became nan on public after epoch 1"):
        train(run, prepared.path, prepared.split, tmp_path)
    assert not any((tmp_path / name).exists() for name in (*OUTPUTS, RESUME))


def test_predictions_that_are_no_numbers_are_not_written(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    train(run, prepared.path, prepared.split, tmp_path)
    groups, about = checkpoint.load(tmp_path / "checkpoint.safetensors")
    groups["network"]["head.1.bias"][0] = float("nan")
    checkpoint.save(tmp_path / "checkpoint.safetensors", groups, about)
    record = files.read_json(tmp_path / "run.json")
    digest = files.sha256(tmp_path / "checkpoint.safetensors")
    files.write_json(tmp_path / "run.json", record | {"checkpoint_sha256": digest})
    with pytest.raises(UserError, match="its predictions are no numbers"):
        infer(tmp_path / "checkpoint.safetensors", prepared.path, prepared.split, tmp_path / "p.parquet")
    assert not (tmp_path / "p.parquet").exists()


def test_losses_on_a_gpu_are_looked_at_now_and_then_and_the_step_is_still_told(run: Run) -> None:
    training = SimpleNamespace(run=run, classes=7, progress=Progress(epoch=2), _losses=[])
    training._failed = partial(Training._failed, training)
    for step in range(1, 10):
        training._losses.append((step, 0.5 / step, torch.tensor(float("inf") if step >= 5 else 1.0)))
    with pytest.raises(FailedError, match=r"inf in epoch 3, step 5 of 100, at a learning rate of 0\.1"):
        Training.check_losses(cast(Training, training), 100)


# --- a disk without room, a folder that is not ours --------------------------------------------------------------


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Give the same error as a full disk for larger ones."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_disk_without_room_loses_no_earlier_epoch(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    train(run, prepared.path, prepared.split, tmp_path / "whole")
    out = tmp_path / "out"
    with ExitStack() as full:

        def report(_done: int, _total: int, note: str) -> None:
            if note.startswith("epoch 3/"):
                full.enter_context(files_of_at_most(100_000))

        with pytest.raises(UserError, match=r"There is no room left on the disk for .*out\..*epochs before are saved"):
            train(run, prepared.path, prepared.split, out, report=report)
    assert checkpoint.load(out / RESUME)[1]["epoch"] == 2
    assert sorted(path.name for path in out.iterdir()) == [RESUME], "no half file, no lock"
    train(run, prepared.path, prepared.split, out)
    assert len({files.sha256(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "out")}) == 1


def test_a_folder_that_cannot_be_written_is_named(prepared: Prepared, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"file/out: nothing can be written there \(Not a directory\)"):
        train(run, prepared.path, prepared.split, tmp_path / "file/out")


def test_a_file_system_that_became_read_only_is_named(
    prepared: Prepared, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("refer.training.train.save", refused)
    with pytest.raises(UserError, match=r"nothing can be written there \(Read-only file system\)"):
        train(run, prepared.path, prepared.split, tmp_path / "out")


# --- killed at any moment ----------------------------------------------------------------------------------------

KILLED = """
    import json, os, signal, sys
    from pathlib import Path
    import torch
    from refer import files
    from refer.plan import Run
    from refer.training.train import train
    torch.set_num_threads(1)
    run = Run.from_dict(json.loads(sys.argv[1]))
    prepared, split, out = map(Path, sys.argv[2:5])

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def child(moment, number):
        # In a process of its own, which shares the imports; nothing was computed yet, so that no threads are lost.
        steps, saved = [], []
        def report(*_):
            steps.append(1)
            if moment == "step" and len(steps) == number:
                die()
        replace = Path.replace
        def replaced(self, target):
            if Path(target).name == "resume.safetensors":
                saved.append(1)
                if moment == "before" and len(saved) == number:
                    die()
            done = None if moment == "end" and Path(target).name == number else replace(self, target)
            if moment == "end" and Path(target).name == number or moment == "after" and len(saved) == number:
                die()
            return done
        Path.replace = replaced
        train(run, prepared, split, out, report=report)

    for moment, number in json.loads(sys.argv[5]):
        pid = os.fork()
        if pid == 0:
            child(moment, number)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(moment, number, os.WTERMSIG(status) if os.WIFSIGNALED(status) else "ended", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_killed_at_many_moments_it_ends_with_the_same_bits(
    prepared: Prepared, run: Run, tmp_path: Path, precision: str
) -> None:
    update = {"epochs": 4, "ema": 0.9, "precision": precision, "freeze_epochs": 1, "head_rate": 2.0}
    recipe = run.recipe.model_copy(update=update)
    run = dataclasses.replace(run, recipe=recipe)
    train(run, prepared.path, prepared.split, tmp_path / "whole")
    out = tmp_path / "killed"
    # Within epochs, between an epoch's last step and its look, while the state is written, while the results are.
    moments: list[tuple[str, Any]] = [
        *[("step", 1), ("step", 5), ("before", 1), ("step", 8), ("after", 1), ("step", 7), ("before", 1)],
        *[("after", 2), ("step", 2), ("after", 1), ("end", "training.csv")],
        *[("end", "checkpoint.safetensors"), ("end", "run.json"), ("last", 0)],
    ]
    arguments = [json.dumps(run.as_dict()), prepared.path, prepared.split, out, json.dumps(moments)]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *map(str, arguments)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    ends = [line.split()[-1] for line in told.stdout.splitlines() if line.split()[0] in {m for m, _ in moments}]
    assert ends == ["9"] * (len(moments) - 1) + ["ended"], told.stderr
    assert files.sha256(out / "checkpoint.safetensors") == files.sha256(tmp_path / "whole/checkpoint.safetensors")
    curves = [pd.read_csv(tmp_path / name / "training.csv") for name in ("whole", "killed")]
    same = [curve.loc[:, ~curve.columns.str.contains("seconds|per_s")] for curve in curves]
    pd.testing.assert_frame_equal(*same, check_exact=True)
    assert sorted(path.name for path in out.iterdir()) == sorted(OUTPUTS), "nothing half is left"


# --- more images than the device holds ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [48, 32])
def test_streamed_images_are_the_resident_ones_to_the_bit(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    index, _ = load_index(prepared.path, prepared.split)
    resident = load_part(prepared.path, index, "train", CPU, kept_only=True, size=size).inputs[0]
    monkeypatch.setenv(LIMIT, "0.1")
    streamed = load_part(prepared.path, index, "train", CPU, kept_only=True, size=size).inputs[0]
    assert isinstance(resident, torch.Tensor)
    assert isinstance(streamed, Streamed)
    assert "too many for the device, so they are streamed" in capsys.readouterr().out
    assert len(streamed) == len(resident) == 120
    items = torch.randperm(120)[:50]
    assert torch.equal(picked(streamed, items), picked(resident, items))
    assert torch.equal(streamed[7:30], resident[7:30])


def test_a_run_on_streamed_images_ends_with_the_bits_of_a_resident_one(
    prepared: Prepared, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("resident", "streamed"):
        if name == "streamed":
            monkeypatch.setenv(LIMIT, "0")
        train(run, prepared.path, prepared.split, tmp_path / name)
        infer(tmp_path / name / "checkpoint.safetensors", prepared.path, prepared.split, tmp_path / name / "p.parquet")
    assert len({files.sha256(tmp_path / name / "checkpoint.safetensors") for name in ("resident", "streamed")}) == 1
    scores = [pd.read_parquet(tmp_path / name / "p.parquet").filter(like="p_") for name in ("resident", "streamed")]
    np.testing.assert_array_equal(*scores)


def test_a_limit_that_is_no_number_is_named(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT, "lots")
    index, _ = load_index(prepared.path, prepared.split)
    with pytest.raises(UserError, match=r"REFER_RESIDENT_MB: found 'lots', expected a number of megabytes"):
        load_part(prepared.path, index, "train", CPU, kept_only=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_images_are_streamed_to_a_gpu_beside_its_work(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    index, _ = load_index(prepared.path, prepared.split)
    device = torch.device("cuda")
    resident = load_part(prepared.path, index, "train", device, kept_only=True).inputs[0]
    monkeypatch.setenv(LIMIT, "0")
    streamed = load_part(prepared.path, index, "train", device, kept_only=True).inputs[0]
    busy = torch.randn(2048, 2048, device=device)
    for _ in range(20):
        items = torch.randperm(120)[:64]
        busy = (busy @ busy).clamp(-1, 1)
        assert torch.equal(picked(streamed, items), picked(resident, items))


def test_a_jobs_own_limit_of_memory_counts(tmp_path: Path) -> None:
    mine, groups = tmp_path / "cgroup", tmp_path / "groups"
    job = groups / "slurm/job_7"
    (job / "step").mkdir(parents=True)
    mine.write_text("0::/slurm/job_7/step\n")
    assert available(groups, mine) > 100
    (job / "step/memory.max").write_text("max\n")
    for name, value in (("max", "1000"), ("current", "950"), ("stat", "anon 900\ninactive_file 50")):
        (job / f"memory.{name}").write_text(f"{value}\n")
    assert available(groups, mine) == 100
    assert available(groups, tmp_path / "none") > 100
