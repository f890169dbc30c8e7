"""The job that trained predicts too: `infer` takes over what is the same to the byte, and makes the rest anew."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from refer import BEHAVIOUR, files
from refer.evaluation import inference
from refer.evaluation.ahead import Asked, predict_ahead, stands_ready, take_over
from refer.training import run_folder
from refer.training.run_folder import AHEAD, BEGUN, FAILED, OUTPUTS, RECORD, RESUME, forget
from refer.training.stopping import StoppedError
from refer.training.train import train
from task_fixtures import Paired
from test_every_method import data, folder, of, trained  # noqa: F401 - fixtures
from workflow_fixtures import copy_of, small, snakemake

KINDS = {
    "another run's network, through ten windows": ("peers", "audited", "compact-ten-crop"),
    "a trained network on composed faces": ("feratt2019", "audited", "rep-synthetic"),
}
INFER = """
import sys
from pathlib import Path
from refer.evaluation.inference import infer
prepared, split, backgrounds, *folders = map(Path, sys.argv[1:])
for folder in folders:
    infer(folder / "checkpoint.safetensors", prepared, split, folder / "alone.parquet", backgrounds=backgrounds)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from refer.evaluation.ahead import Asked, predict_ahead
Asked.predict = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
predict_ahead(Asked(*map(Path, sys.argv[1:4]), sys.argv[4:]))
"""
LIGHT = """
import sys
from pathlib import Path
from refer.evaluation.ahead import Asked, take_over
from refer.training.run_folder import forget
from refer.workflow import gpus, job
assert take_over(Asked(*map(Path, sys.argv[1:4]), sys.argv[5:]), Path(sys.argv[4]))
print(sorted({"torch", "pandas", "numpy", "pyarrow", "pydantic"} & sys.modules.keys()))
"""
TELLING = """
import sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler
def telling(self):
    limiter = self.job_rate_limiter
    open("limit", "w").write(f"{limiter.max_jobs} in {limiter.timespan} s" if limiter else "none")
    return True
JobScheduler.schedule = telling
sys.exit(main(sys.argv[1:]))
"""
"""Snakemake that says how many jobs it would start at once, and starts none."""
PARTS = ("val", "test")


@pytest.fixture(scope="module")
def complete(data: Paired, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A run's folder after its training, with all that is kept for going on."""
    out = tmp_path_factory.mktemp("complete") / "seed0"
    train(of("khalid2025", "audited", "backbone"), data.path, data.split, out, keep_state=True)
    return out


@pytest.fixture
def asked(complete: Path, data: Paired, tmp_path: Path) -> Asked:  # noqa: F811
    """What `infer` is asked for, of a copy of that folder and of data that a test may change."""
    run, prepared, split = tmp_path / "seed0", tmp_path / "prepared", tmp_path / "split.parquet"
    shutil.copytree(complete, run)
    shutil.copytree(data.path, prepared)
    shutil.copy(data.split, split)
    return Asked(run / "checkpoint.safetensors", prepared, split, PARTS, preset="t", device="cpu")


def names(asked: Asked) -> set[str]:
    return {path.name for path in asked.checkpoint.parent.iterdir()}


def test_what_is_taken_over_is_what_another_process_makes(data: Paired, folder: Path) -> None:  # noqa: F811
    runs = [trained(*kind, data, folder) for kind in KINDS.values()]
    for run in runs:
        asked = Asked(run / "checkpoint.safetensors", data.path, data.split, PARTS, backgrounds=data.backgrounds)
        assert predict_ahead(asked)
        assert take_over(asked, run / "predictions.parquet")
    places = map(str, (data.path, data.split, data.backgrounds, *runs))
    subprocess.run([sys.executable, "-c", INFER, *places], check=True, timeout=600)
    made, alone = ([files.sha256(run / f"{name}.parquet") for run in runs] for name in ("predictions", "alone"))
    assert made == alone
    assert len(set(made)) == len(KINDS)


def test_taking_over_starts_neither_pytorch_nor_pandas(asked: Asked) -> None:
    plain = dataclasses.replace(asked, preset="", device="auto")
    assert predict_ahead(plain)
    out = asked.checkpoint.with_name("predictions.parquet")
    given = [*map(str, (asked.checkpoint, asked.prepared, asked.split, out)), *PARTS]
    done = subprocess.run([sys.executable, "-c", LIGHT, *given], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert set(pq.read_table(out).column("part").to_pylist()) == set(PARTS)


def turn_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def restate(path: Path, **change: object) -> None:
    files.write_json(path, {**files.read_json(path), **change})


CHANGES: dict[str, Callable[[Path, Asked], object]] = {
    "checkpoint": lambda run, asked: turn_a_bit(asked.checkpoint),
    "predictions": lambda run, asked: turn_a_bit(run / AHEAD),
    "split": lambda run, asked: turn_a_bit(asked.split),
    "data": lambda run, asked: restate(asked.prepared / "prepare.json", fingerprint="1" * 64),
    "torch": lambda run, asked: restate(run / RECORD, torch="1.0"),
    "valid JSON": lambda run, asked: (run / RECORD).write_text('{"checkpoint": '),
    RECORD: lambda run, asked: (run / RECORD).unlink(),
    AHEAD: lambda run, asked: (run / AHEAD).unlink(),
    FAILED: lambda run, asked: files.write_json(run / FAILED, {}),
}
ASKED: dict[str, object] = {
    "evaluated": ("test",),
    "preset": "another",
    "device": "cuda",
    "threads": 2,
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_made_of_other_files_is_not_taken_over(
    what: str, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict_ahead(asked)
    run, out = asked.checkpoint.parent, asked.checkpoint.with_name("predictions.parquet")
    CHANGES[what](run, asked)
    assert not take_over(asked, out)
    assert not out.exists()
    said = capsys.readouterr().out
    assert what in (AHEAD, FAILED) or what in said.splitlines()[-1], said


@pytest.mark.parametrize("what", [*ASKED, "behaviour"])
def test_what_answers_another_question_is_not_taken_over(
    what: str, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict_ahead(asked)
    if what == "behaviour":
        monkeypatch.setitem(BEHAVIOUR, "inference", BEHAVIOUR["inference"] + 1)
    else:
        asked = dataclasses.replace(asked, **{what: ASKED[what]})
    assert not take_over(asked, asked.checkpoint.with_name("predictions.parquet"))
    assert f"of another {what}." in capsys.readouterr().out


def test_threads_of_the_host_do_not_count_where_a_gpu_predicted(asked: Asked) -> None:
    assert predict_ahead(asked)
    run = asked.checkpoint.parent
    assert files.read_json(run / RECORD)["threads"] == 1
    restate(run / RECORD, threads=None)  # as it is written beside a GPU
    assert take_over(dataclasses.replace(asked, threads=4), run / "predictions.parquet")


@pytest.mark.parametrize("what", ["evaluated", "preset", "device", "behaviour"])
def test_who_asks_another_question_is_told_before_that_it_takes_a_gpu(
    what: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not stands_ready(asked)
    assert predict_ahead(asked)
    assert stands_ready(asked)
    if what == "behaviour":
        monkeypatch.setitem(BEHAVIOUR, "inference", BEHAVIOUR["inference"] + 1)
    else:
        asked = dataclasses.replace(asked, **{what: ASKED[what]})
    assert not stands_ready(asked)
    asked.checkpoint.with_name(RECORD).write_text("[]")
    assert not stands_ready(asked)


def test_other_backgrounds_are_another_test_set(data: Paired, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    run = trained(*KINDS["a trained network on composed faces"], data, folder)
    asked = Asked(run / "checkpoint.safetensors", data.path, data.split, PARTS, backgrounds=data.backgrounds)
    assert predict_ahead(asked)
    shutil.copytree(data.backgrounds, tmp_path / "other")
    turn_a_bit(tmp_path / "other/backgrounds.npy")
    other = dataclasses.replace(asked, backgrounds=tmp_path / "other")
    assert not take_over(other, tmp_path / "p.parquet")
    assert take_over(asked, tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "p.parquet"), "p.parquet: No space left on device"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out of memory"),
        (ValueError("a defect"), "a defect"),
    ],
)
def test_what_goes_wrong_is_left_to_infer_and_the_training_stays_complete(
    error: Exception, said: str, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(asked)

    def fails(*given: object, **how: object) -> None:
        asked.checkpoint.with_name(AHEAD).write_bytes(b"half")
        raise error

    monkeypatch.setattr(inference, "infer", fails)
    assert not predict_ahead(asked)
    printed = capsys.readouterr().out
    assert "left to infer" in printed
    assert said in printed
    assert names(asked) == before
    assert before == {*OUTPUTS, RESUME}


def test_told_to_end_while_it_predicts_it_ends_and_is_complete_at_once_when_it_starts_again(
    asked: Asked, data: Paired, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    evaluated_part = inference.evaluated_part

    def told_to_end(*given: object, **how: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluated_part(*given, **how)  # type: ignore[arg-type]

    run, before = asked.checkpoint.parent, files.sha256(asked.checkpoint)
    monkeypatch.setattr(inference, "evaluated_part", told_to_end)
    with pytest.raises(StoppedError, match=r"told to end by SIGTERM.*training is complete"):
        predict_ahead(asked)
    assert names(asked) == {*OUTPUTS, RESUME}
    monkeypatch.undo()

    for name in OUTPUTS:  # as Snakemake does with those of a job that failed
        (run / name).unlink()
    steps: list[object] = []
    train(of("khalid2025", "audited", "backbone"), data.path, data.split, run,
          keep_state=True, report=lambda *now: steps.append(now))  # fmt: skip
    assert steps == []
    assert files.sha256(asked.checkpoint) == before
    assert predict_ahead(asked)


def test_an_attempt_that_was_killed_is_not_made_again(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*map(str, (asked.checkpoint, asked.prepared, asked.split)), *PARTS]
    done = subprocess.run([sys.executable, "-c", KILLED, *given], check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(asked) == {*OUTPUTS, RESUME, BEGUN}
    assert not predict_ahead(asked)
    assert "the last attempt to make them here was cut off" in capsys.readouterr().out
    assert not take_over(asked, asked.checkpoint.with_name("predictions.parquet"))
    forget(asked.checkpoint.parent)
    assert names(asked) == set(OUTPUTS)
    assert predict_ahead(asked)


def test_what_is_forgotten_is_all_that_no_rule_declares(tmp_path: Path) -> None:
    known = [value for name, value in vars(run_folder).items() if name.isupper() and value != OUTPUTS]
    for name in (*known, *OUTPUTS, "resume.stale", "predictions.parquet"):
        (tmp_path / name).touch()
    forget(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*OUTPUTS, "predictions.parquet", FAILED}


@pytest.mark.slow
@pytest.mark.workflow
def test_a_run_starts_pytorch_once_and_can_be_predicted_without_being_trained_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = copy_of(root, tmp_path)
    run = clone / "results/small/runs/khalid2025/fer2013-standin/audited/backbone/seed0"
    log = clone / "logs/small/runs/khalid2025/fer2013-standin/audited/backbone/seed0/infer.log"
    out = run / "predictions.parquet"
    target = (str(out.relative_to(clone)), "--cores", "2", "--configfile", small(clone))

    # Of a run that stands ready `infer` asks for no GPU.
    trained_only = str((run / "checkpoint.safetensors").relative_to(clone))
    done = snakemake(clone, trained_only, *target[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in run.iterdir()} == {*OUTPUTS, RESUME, AHEAD, RECORD}
    with monkeypatch.context() as patched:
        patched.setenv("CUDA_VISIBLE_DEVICES", "0")  # as on a machine with a GPU
        for device, asked in (("auto", 0), ("cuda", 1)):  # what was predicted on another device is not taken over
            wanted = snakemake(clone, "-n", *target, "--config", f"device={device}", "--rerun-triggers", "mtime")
            told = wanted.stdout + wanted.stderr
            assert re.search(rf"^rule infer:(\n    .*)* gpu={asked},", told, re.M), told
            assert "rule train" not in told

    began = (run / "checkpoint.safetensors").stat().st_mtime_ns
    done = snakemake(clone, *target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert log.read_text() == "taken over from the job that trained.\n"
    assert {path.name for path in run.iterdir()} == {*OUTPUTS, out.name}
    made = files.sha256(out)
    assert "Nothing to be done" in (again := snakemake(clone, *target)).stdout + again.stderr

    out.unlink()
    done = snakemake(clone, *target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "taken over" not in log.read_text()
    assert files.sha256(out) == made
    assert (run / "checkpoint.safetensors").stat().st_mtime_ns == began
    wanted = snakemake(clone, "-n", *target, "--forcerun", "infer", "--config", "device=cuda")
    assert "gpu=1" in wanted.stdout + wanted.stderr
    assert json.loads((run / "run.json").read_text())["resumed"] == 0


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("given", "left"), [([], "none"), (["--max-jobs-per-timespan", "5/1m"], "5 in 60.0 s")], ids=["default", "given"]
)
def test_snakemakes_own_limit_of_jobs_is_lifted_and_a_users_kept(
    root: Path, tmp_path: Path, given: list[str], left: str
) -> None:
    clone = copy_of(root, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", TELLING, "--cores", "1", *given, "--", "data/standin/fer2013.tar.gz"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (clone / "limit").is_file(), done.stdout + done.stderr
    assert (clone / "limit").read_text() == left
