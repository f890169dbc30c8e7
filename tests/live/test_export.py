"""A run as an ONNX file: the probabilities that inference writes, whatever the method; what the file says of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from refer import files
from refer.cli import main
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.live.export import export, shape_of
from refer.live.model import load_model
from refer.networks import catalog
from refer.plan import Run
from refer.recipe import Augmentation
from refer.training import checkpoint
from test_every_method import CELLS, of
from test_realtime import REGIONS, a_run

CLASSES = ["angry", "happy", "sad"]
PLAIN = {"name": "cnn", "backbone": "compact", "channels": 1, "weights": "none"}


def a_folder(path: Path, run: Run) -> Path:
    """Write a run's folder; its network is random, and normalises as if it had seen images."""
    path.mkdir(parents=True)
    torch.manual_seed(0)
    network = catalog.build(run.network, len(CLASSES))
    for each in network.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.momentum = 1.0
        if isinstance(each, torch.nn.Linear) and each.out_features == len(CLASSES):
            each.weight.data *= 3
    noise = torch.randn(16, network.channels, run.recipe.image_size, run.recipe.image_size)
    with torch.no_grad():
        network.train()(*[noise] * len(run.inputs))
    metadata = {"run": run.as_dict(), "classes": CLASSES, "epoch": 1, "data_fingerprint": "0" * 64}
    checkpoint.save(path / "checkpoint.safetensors", {"network": network.state_dict()}, metadata)
    digest = files.sha256(path / "checkpoint.safetensors")
    files.write_json(path / "run.json", recorded(run, digest))
    return path


def recorded(run: Run, digest: str) -> dict[str, Any]:
    """Return what run.json says of a run of a second on these weights."""
    told = {key: value for key, value in run.as_dict().items() if key not in ("evaluated", "select")}
    return {
        **told, "preset": "t", "checkpoint_sha256": digest, "data_fingerprint": "0" * 64, "classes": CLASSES,
        "versions": {}, "epochs": 1, "selected_epoch": 1, "selection": "last epoch",
        "seconds": 1.0, "images_per_s": 1.0, "device": "cpu", "device_name": "a processor", "threads": 1,
        "parts": {}, "parameters": 1, "initial_weights": "none", "resumed": 0, "started": "2026-01-01T10:00:00+00:00",
        "finished": "2026-01-01T10:00:01+00:00",
    }  # fmt: skip


class Prepared:
    """Grey images of 48 pixels as FER2013's are prepared; every fourth is removed by the audit."""

    def __init__(self, folder: Path, count: int = 12) -> None:
        self.path, self.split = folder / "prepared", folder / "split.parquet"
        self.path.mkdir(parents=True)
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (count, 6, 6, 1), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
        np.save(self.path / "images.npy", self.images)
        index = pd.DataFrame({"id": [f"{number:02d}" for number in range(count)], "label": np.arange(count) % 3})
        index.astype({"label": np.int8}).to_parquet(self.path / "index.parquet")
        split = index[["id"]].assign(part="private", fold=np.int8(0), kept=np.arange(count) % 4 > 0, reason="")
        split.to_parquet(self.split)
        files.write_json(self.path / "prepare.json", {"fingerprint": "0" * 64, "classes": CLASSES})


def one_of_each() -> list[Any]:
    """Cells whose network, inputs, views and composition no cell before them has."""
    seen, found = [], []
    for cell in CELLS:
        run = of(*cell)
        key = (run.network, run.inputs, run.recipe.compose_test and run.recipe.compose, run.recipe.views)
        if key not in seen:
            seen.append(key)
            found.append(pytest.param(run, id="-".join(cell)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("run", one_of_each())
def test_every_method_is_exported_or_refused_with_the_reason(run: Run, tmp_path: Path) -> None:
    folder, out = a_folder(tmp_path / "run", run), tmp_path / "model.onnx"
    if len(run.inputs) > 1 or catalog.reads_batch(run.network):
        why = "reads pairs of visible and infrared images" if len(run.inputs) > 1 else "with the help of the others"
        with pytest.raises(UserError, match=why):
            export(folder, out)
        assert not out.exists()
        return
    assert export(folder, out)["difference"] <= 1e-4
    onnx.checker.check_model(out)
    faces = np.random.default_rng(7).integers(0, 256, (3, *shape_of(run)), dtype=np.uint8)
    found = load_model(out)(faces)
    assert found.shape == (3, 3)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("change", "least"), [
    ({}, 1e-4), ({"views": "flip", "image_size": 64}, 1e-4), ({"augmentation": Augmentation(crop=0.75)}, 1e-4),
    ({"views": "ten-crop", "image_size": 40}, 1e-3),
], ids=["half the size", "flip", "crop", "ten"])  # fmt: skip
def test_it_says_of_prepared_images_what_inference_says(change: dict[str, Any], least: float, tmp_path: Path) -> None:
    """Of 48 pixels that become 44, levels that lie halfway are rounded either way."""
    data = Prepared(tmp_path)
    run = a_run(PLAIN, evaluated=("private",), select="last")
    run = dataclasses.replace(run, recipe=run.recipe.model_copy(update=change))
    folder = a_folder(tmp_path / "runs" / run.path, run)
    infer(folder / "checkpoint.safetensors", data.path, data.split, folder / "predictions.parquet", device="cpu")
    about = export(folder, tmp_path / "model.onnx")
    table = pd.read_parquet(folder / "predictions.parquet")
    expected = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert np.ptp(expected, axis=0).max() > 1e-2, "images that a wrong picture would be seen by"
    model = load_model(tmp_path / "model.onnx", threads=1)
    assert np.abs(model(data.images) - expected).max() <= least
    assert np.abs(np.concatenate([model(data.images[:1]), model(data.images[1:])]) - expected).max() <= least
    right = (expected.argmax(axis=1) == table["label"])[table["kept"]]
    (stated,) = about["accuracy"]
    assert (stated["data"], stated["part"], stated["images"]) == ("fer2013-standin", "private", 9)
    assert stated["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize(("network", "mean", "std"), [
    (PLAIN, (127.5 / 255,), (63.75 / 255,)),
    ({**PLAIN, "channels": 3, "backbone": "resnet18", "weights": "imagenet"},
     (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
], ids=["ours", "ImageNet's"])  # fmt: skip
def test_its_metadata_say_what_it_is(
    network: dict[str, Any], mean: Any, std: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read with the package onnx, as other programs do; ImageNet's numbers are those of torchvision's documentation."""
    run = a_run(network)
    folder = a_folder(tmp_path / "run", dataclasses.replace(run, network={**network, "weights": "none"}))
    digest = rewritten(folder, run)
    assert main(["export", str(folder), "-o", str(tmp_path / "model.onnx")]) == 0
    proto = onnx.load(tmp_path / "model.onnx")
    assert {entry.key for entry in proto.metadata_props} == {"refer", "model_card"}
    about = load_model(tmp_path / "model.onnx").about
    assert about["classes"] == CLASSES
    assert about["checkpoint_sha256"] == digest
    assert tuple(about["inside"]["mean"]) == pytest.approx(mean, abs=1e-5)
    assert tuple(about["inside"]["std"]) == pytest.approx(std, abs=1e-5)
    expected = {"height": 48, "width": 48, "channels": 1, "colours": "grey", "modality": "visible", "margin": 0.0}
    assert {key: about["input"][key] for key in expected} == expected
    assert (about["paper"], about["method"], about["data"]) == ("khalid2025", "full", "fer2013-standin")
    assert "Article 5(1)(f)" in about["use"]
    assert "ReFER's own drawings" in about["licence"]
    assert about["accuracy"] == [], "nothing was predicted, so nothing is stated"
    (faces,) = proto.graph.input
    sizes = [each.dim_param or each.dim_value for each in faces.type.tensor_type.shape.dim]
    assert isinstance(sizes[0], str), "as many faces as there are"
    assert sizes[1:] == [48, 48, 1]


def rewritten(folder: Path, run: Run) -> str:
    """State another run in a checkpoint, e.g. one whose weights began with a download."""
    groups, metadata = checkpoint.load(folder / "checkpoint.safetensors")
    checkpoint.save(folder / "checkpoint.safetensors", groups, {**metadata, "run": run.as_dict()})
    digest = files.sha256(folder / "checkpoint.safetensors")
    files.write_json(folder / "run.json", recorded(run, digest))
    return digest


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path), "-o", str(out)]) == 1
    assert "expected the folder of a finished run" in capsys.readouterr().err
    folder = a_folder(tmp_path / "run", a_run(REGIONS))
    files.write_json(folder / "run.json", {**files.read_json(folder / "run.json"), "checkpoint_sha256": "f" * 64})
    with pytest.raises(UserError, match=r"SHA-256 is [0-9a-f]{12}, but f{12} in run\.json"):
        export(folder, out)
    assert not out.exists()


def test_a_file_that_differs_from_pytorch_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from refer.live import export as module

    folder, out = a_folder(tmp_path / "run", a_run(REGIONS)), tmp_path / "model.onnx"
    honest = module.load_model
    monkeypatch.setattr(module, "load_model", lambda path: lambda faces: honest(path)(faces) + 2e-4)
    with pytest.raises(UserError, match=r"differ from PyTorch's by [12]\.\de-04, expected at most 0\.0001; nothing"):
        export(folder, out)
    assert list(tmp_path.glob("*.onnx")) == []


@pytest.mark.parametrize(("content", "said"), [
    (None, "no such file"), (b"no graph", "not a whole ONNX file"),
])  # fmt: skip
def test_what_is_no_model_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        load_model(path)


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    make = onnx.helper
    kind = (
        make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1]),
        make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1]),
    )
    graph = make.make_graph([make.make_node("Identity", ["x"], ["y"])], "g", [kind[0]], [kind[1]])
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9), tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"expected a file of `refer export`"):
        load_model(tmp_path / "model.onnx")
