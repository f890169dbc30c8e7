"""Training curves as TensorBoard's event files, read back record by record."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from refer import cli

CURVES = "epoch,lr,train_loss,public_accuracy,images_per_s\n1,0.5,1.25,0.5,100.0\n2,0.25,0.75,,90.0\n"
RUN = "khalid2025/fer2013/audited/full/seed0"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "results/mine/runs" / RUN / "training.csv"
    path.parent.mkdir(parents=True)
    path.write_text(CURVES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scalars(file: Path) -> set[tuple[str, int, float]]:
    """Read an event file: records of a length (8 bytes) with its checksum (4), an event, and its checksum (4)."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    data, found = file.read_bytes(), set()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = event_pb2.Event.FromString(data[12 : 12 + length])
        found |= {(value.tag, event.step, value.simple_value) for value in event.summary.value}
        data = data[16 + length :]
    return found


def test_every_number_of_a_curve_is_an_event(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install 'refer[tensorboard]'")
    assert cli.main(["curves", "mine", "--tensorboard", "events"]) == 0
    (file,) = (results / "events" / RUN).iterdir()
    assert scalars(file) == {
        ("lr", 1, 0.5), ("lr", 2, 0.25), ("loss/train", 1, 1.25), ("loss/train", 2, 0.75),
        ("accuracy/public", 1, 0.5), ("images_per_s", 1, 100.0), ("images_per_s", 2, 90.0),
    }  # fmt: skip
    assert "1 runs" in capsys.readouterr().out


@pytest.mark.parametrize(("preset", "said"), [("none", "no training.csv below it"), ("mine", "is not empty")])
def test_what_cannot_be_written_is_said(
    results: Path, preset: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "events").mkdir()
    (results / "events/old").touch()
    assert cli.main(["curves", preset, "--tensorboard", "events"]) != 0
    assert said in capsys.readouterr().err
