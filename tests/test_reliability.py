"""A minute of benchmarks/reliability.py, and what it and others found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml as plain

from refer import cli, files, papers, yaml
from refer.errors import UserError
from refer.evaluation.trained import load_trained
from refer.plan import Run
from refer.training import checkpoint
from refer.training.task import network_of
from snakemake_logger_plugin_refer import mistakes
from task_fixtures import cell, recipe

ROOT = Path(__file__).resolve().parents[1]


def test_a_minute_of_faults_and_inputs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/reliability.py"), "--inputs", "40", "--kills", "0"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out.json")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = files.read_json(tmp_path / "out.json")
    assert told["wrong"] == []
    assert sum(sum(of.values()) for of in told["faults"].values()) > 300
    assert sum(about["inputs"] for about in told["inputs"].values()) > 700
    assert max(about["largest_mb"] for about in told["inputs"].values()) < 2_000


def trained(folder: Path, run: Run, /, **change: object) -> Path:
    """Save a network that learnt nothing, as a training saves it."""
    network = network_of(run, 3, {})
    about = {"run": run.as_dict(), "classes": ["a", "b", "c"], "data_fingerprint": "f" * 64, **change}
    checkpoint.save(folder / "checkpoint.safetensors", {"network": network.state_dict()}, about)
    return folder / "checkpoint.safetensors"


SMALL = {"name": "cnn", "backbone": "compact-resnet8", "weights": "none"}


def test_a_checkpoint_is_that_of_its_network_its_folder_and_its_record(tmp_path: Path) -> None:
    run = cell("one", SMALL, recipe())
    where = torch.device("cpu")
    folder = tmp_path / "runs" / run.path
    assert load_trained(trained(folder, run), where).run == run
    other = tmp_path / "runs" / run.path.replace("one", "two")
    with pytest.raises(UserError, match=r"found the checkpoint of .*, expected that of the folder"):
        load_trained(trained(other, run), where)
    wider = {**run.as_dict(), "network": {**run.as_dict()["network"], "backbone": "compact"}}
    with pytest.raises(UserError, match="its weights are not those of the network that it names") as caught:
        load_trained(trained(folder, run, run=wider), where)
    assert len(str(caught.value).splitlines()) == 1
    for change in ({"run": {}}, {"run": None}, {"classes": []}, {"classes": "abc"}, {"run": {"paper": 3}}):
        with pytest.raises(UserError, match="checkpoint"):
            load_trained(trained(folder, run, **change), where)
    record = files.read_json(ROOT / "results/fer2013-cpu/runs/khalid2025/fer2013/audited/backbone/seed0/run.json")
    path = trained(folder, run)
    files.write_json(folder / "run.json", record | {"checkpoint_sha256": "0" * 64})
    with pytest.raises(UserError, match=r"but run\.json beside it tells of 000000000000"):
        load_trained(path, where)
    files.write_json(folder / "run.json", record | {"checkpoint_sha256": files.sha256(path)})
    load_trained(path, where)


def test_folds_that_leave_nobody_to_train_on_are_found_by_refer_check(tmp_path: Path) -> None:
    content = yaml.read(ROOT / "papers/feratt2019.yaml")
    content["data"]["bu3dfe"]["folds"]["count"] = 2
    (tmp_path / "feratt2019.yaml").write_text(plain.safe_dump(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"data\.bu3dfe under audited: 2 folds leave nobody to train on"):
        papers.load_paper(tmp_path / "feratt2019.yaml")
    assert cli.main(["check", str(tmp_path / "feratt2019.yaml")]) == 1


@pytest.mark.parametrize(
    ("content", "message", "words"),
    [
        (b"a: " + b"[" * 3_000, "RecursionError: maximum recursion depth exceeded", "nested more than 40 deep"),
        ("a: 1".encode("utf-16"), "UnicodeDecodeError: 'utf-8' codec", "cannot be read as UTF-8 text"),
        (b"a: [", "Config file is not valid JSON or YAML.", "not valid YAML"),
    ],
)
def test_what_snakemake_cannot_read_is_said_in_a_line(tmp_path: Path, content: bytes, message: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    said = mistakes.in_plain_words(message, ["-n", "--configfile", str(path)])
    assert said is not None
    assert said.startswith(f"error: {path}")
    assert words in said
    assert len(said.splitlines()) == 1


def test_a_picture_of_another_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["faces", str(tmp_path / "x.jpg")]) == 1
    assert "ends in .png" in capsys.readouterr().err
