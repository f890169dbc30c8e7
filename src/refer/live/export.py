"""A run's network as an ONNX file that says of itself what it is, compared with PyTorch before it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from refer import __version__, files
from refer.datasets.catalog import dataset
from refer.errors import UserError
from refer.evaluation.intervals import wilson
from refer.evaluation.predictions import Predictions, read_predictions
from refer.evaluation.trained import Trained, load_trained
from refer.live import optional
from refer.live.model import FORMAT, INPUT, KEY, OUTPUT, load_model
from refer.networks import catalog
from refer.networks.weights import portable
from refer.release.cards import card
from refer.release.runs import Finished, find_preset
from refer.run import Run
from refer.training.data import Reader
from refer.training.run_folder import FAILED
from refer.training.testing import averaged, views_of

TOLERANCE = 1e-4
"""By which a probability may differ from PyTorch's."""
FINE = 4096
"""Steps of a grey level that a shrunk image is computed to."""
CUT_OUT = 128
"""Pixels of a cut-out face that `Composition.pad` is counted in."""
USE = (
    "For research on facial expression recognition. Not to judge people: in the EU, systems that infer emotions at "
    "work and in schools are prohibited, except for medical or safety reasons (Regulation (EU) 2024/1689, Article "
    "5(1)(f))."
)


class Whole(nn.Module):
    """Prepared images to probabilities as `refer.evaluation.inference` goes: size, views, normalisation, network.

    Images are resized by matrices that PyTorch's own resizing gives, for ONNX's operator is not near enough to it where
    grey levels are rounded: probabilities differed by 3e-4. Prepared images larger than the network's are rounded after
    they are shrunk; there a level that lies halfway may become another one than in PyTorch.
    """

    def __init__(self, trained: Trained, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.recipe = trained.run.recipe
        self.network = trained.network.to(memory_format=torch.contiguous_format)
        self.reader = trained.reader
        self.reader.layout = torch.contiguous_format
        self.side = round(self.recipe.image_size / self.recipe.cut)
        self.eval()(torch.zeros((1, *shape), dtype=torch.uint8))  # makes the matrices

    @torch.no_grad()
    def forward(self, faces: Tensor) -> Tensor:
        """(B, H, W, C) uint8 → (B, classes), 0..1."""
        images = faces.permute(0, 3, 1, 2).float()
        if images.shape[-2] > self.side:  # as refer.training.data.shrunk
            exact = self._resized(images.double(), self.side).mul(FINE).round().div(FINE)  # so that halves are halves
            images = exact.round().clamp(0, 255).float()
        seen = [self._resized(view(images), self.reader.size) for view in views_of(self.recipe)]
        return averaged([self.network(self.reader(each)) for each in seen]).softmax(dim=1)

    def _resized(self, images: Tensor, size: int) -> Tensor:
        """(B, C, H, W) → (B, C, size, size), as refer.training.data.resized."""
        high, wide = images.shape[-2:]
        if (high, wide) == (size, size):
            return images
        return self._matrix(high, size, images.dtype) @ images @ self._matrix(wide, size, images.dtype).T

    def _matrix(self, side: int, size: int, dtype: torch.dtype) -> Tensor:
        """Return what makes `size` pixels of `side`, (size, side); made once, so that ONNX has it as a constant."""
        name = f"from_{side}_to_{size}"
        if not hasattr(self, name):
            each = torch.eye(side, dtype=dtype)[None, None]
            made = functional.interpolate(each, (size, side), mode="bilinear", antialias=True)[0, 0]
            self.register_buffer(name, made)
        found: Tensor = getattr(self, name)
        return found


def export(folder: Path, out: Path) -> dict[str, Any]:
    """Write the network of a finished run as an ONNX file.

    The file takes `faces` (B, H, W, C), uint8 in the size of the data set's prepared images, B as one likes, and gives
    `probabilities` (B, classes), float32. Resizing, normalisation and the recipe's views are inside. Its metadata, key
    `refer`, says as JSON what it is, and key `model_card` has the run's model card in Markdown.

    Args:
        folder: the run's, with checkpoint.safetensors and run.json.
        out: the ONNX file.

    Returns:
        What the metadata say, with `difference`, the largest one from PyTorch's probabilities.

    Raises:
        UserError: the run is not whole, its network takes more than one image by itself, or ONNX cannot express it; the
            file differs from PyTorch by more than `TOLERANCE`.
    """
    optional("onnxscript", "export")
    optional("onnxruntime", "live")
    checkpoint, record = _whole(folder)
    trained = load_trained(checkpoint, torch.device("cpu"))
    _refuse(folder, trained)
    shape = shape_of(trained.run)
    module = Whole(trained, shape)
    predictions = _predictions(folder, record)
    about = _about(trained, shape, record, predictions)
    with files.whole(out) as temporary:
        _write(module, shape, temporary, about, _card(folder, trained.run, record, predictions))
        about["difference"] = difference(temporary, module, shape)
        if not about["difference"] <= TOLERANCE:
            raise UserError(
                f"{out}: its probabilities differ from PyTorch's by {about['difference']:.1e}, expected at most "
                f"{TOLERANCE:g}; nothing was written. Please report the network: {record['network']}"
            )
    return about


def shape_of(run: Run) -> tuple[int, int, int]:
    """Height, width and channels of an image as the run's network is given it."""
    how = run.recipe
    if how.compose is not None and how.compose_test:
        return (how.compose.size, how.compose.size, 1)
    return dataset(run.dataset).shape


def difference(path: Path, module: nn.Module, shape: tuple[int, int, int]) -> float:
    """Return the largest difference of an ONNX file's probabilities from a module's, for one image and for several.

    The images are noise, fine and coarse, dark and bright, of `shape` (height, width, channels).
    """
    model, rng = load_model(path), np.random.default_rng(0)
    high, wide, channels = shape
    fine = rng.integers(0, 256, (4, *shape))
    coarse = (
        rng.integers(0, 256, (4, 6, 6, channels)).repeat(-(-high // 6), 1).repeat(-(-wide // 6), 2)[:, :high, :wide]
    )
    batch = np.concatenate([fine, coarse, fine // 4, 255 - coarse // 4]).astype(np.uint8)
    found = []
    for images in (batch[:1], batch):
        with torch.no_grad():
            expected = module(torch.from_numpy(images)).numpy()
        found.append(float(np.abs(model(images) - expected).max()))
    return max(found)


def _whole(folder: Path) -> tuple[Path, dict[str, Any]]:
    checkpoint = folder / "checkpoint.safetensors"
    for path in (checkpoint, folder / "run.json"):
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected the folder of a finished run, "
                            "results/<preset>/runs/<paper>/<data>/<protocol>/<method>/seed<k>")  # fmt: skip
    if (folder / FAILED).exists():
        raise UserError(f"{folder}: its training failed, as {FAILED} says; train it again.")
    record = files.read_section(folder / "run.json", "checkpoint_sha256", "network", "preset")
    if (found := files.sha256(checkpoint)) != record["checkpoint_sha256"]:
        stated = record["checkpoint_sha256"][:12]
        raise UserError(f"{checkpoint}: its SHA-256 is {found[:12]}, but {stated} in run.json beside it; pull or train "
                        "this run again.")  # fmt: skip
    return checkpoint, record


def _refuse(folder: Path, trained: Trained) -> None:
    """Refuse a network that cannot tell the class of one image by itself."""
    if len(trained.run.inputs) > 1:
        raise UserError(f"{folder}: its network reads pairs of {' and '.join(trained.run.inputs)} images; "
                        "only networks of one image can be exported.")  # fmt: skip
    if getattr(trained.network, "reads_batch", False):
        raise UserError(f"{folder}: its network predicts an image with the help of the others in its batch, so "
                        "that one face alone has none; only networks of one image can be exported.")  # fmt: skip


def _write(module: nn.Module, shape: tuple[int, int, int], out: Path, about: Mapping[str, Any], text: str) -> None:
    images = torch.zeros((2, *shape), dtype=torch.uint8)
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                module,
                (images,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, torch.onnx.OnnxExporterError) as error:
        said = " ".join(str(error.__cause__ or error).split())[:200]
        raise UserError(f"{about['network']['name']}: PyTorch cannot express this network in ONNX ({said}).") from error
    assert program is not None
    program.model.metadata_props.update({KEY: json.dumps(about, ensure_ascii=False), "model_card": text})
    program.model.producer_name, program.model.producer_version = "refer", __version__
    program.save(out)


def _about(
    trained: Trained, shape: tuple[int, int, int], record: Mapping[str, Any], predictions: Predictions | None
) -> dict[str, Any]:
    run, data = trained.run, dataset(trained.run.dataset)
    compose = run.recipe.compose if run.recipe.compose_test else None
    names = ("paper", "dataset", "data", "protocol", "method", "seed", "fold", "stand_in")
    return {
        "format": FORMAT,
        "refer": __version__,
        **{name: getattr(run, name) for name in names},
        "preset": record["preset"],
        "network": portable(run.network),
        "backbones": catalog.backbones_of(run.network),
        "classes": list(trained.metadata["classes"]),
        "input": {
            "height": shape[0],
            "width": shape[1],
            "channels": shape[2],
            "colours": "grey" if shape[2] == 1 else "RGB",
            "values": "uint8, 0 to 255",
            "modality": run.inputs[0],
            "fit": "square" if data.fit == "square" else "squash",
            "margin": 0.0 if compose is None else compose.pad / CUT_OUT,
        },
        "inside": {
            "image_size": run.recipe.image_size,
            "crop": run.recipe.cut,
            "views": run.recipe.views,
            **normalisation(trained.reader, shape[2]),
        },
        "accuracy": _accuracy(run, predictions),
        "licence": "code: MIT; learnt from " + ("ReFER's own drawings" if run.stand_in else f"data: {data.licence}"),
        "use": USE,
        "checkpoint_sha256": record["checkpoint_sha256"],
    }


def normalisation(reader: Reader, channels: int) -> dict[str, list[float]]:
    """Return the mean and standard deviation, one a channel of the network, that pixels 0..1 are normalised by."""
    flat = (torch.full((1, channels, reader.size, reader.size), level, dtype=torch.uint8) for level in (0, 255))
    black, white = (reader(images)[0, :, 0, 0].double() for images in flat)
    spread = 1 / (white - black)
    return {"mean": (-black * spread).tolist(), "std": spread.tolist()}


def _predictions(folder: Path, record: Mapping[str, Any]) -> Predictions | None:
    """Return what the run predicted, if it did; not what another checkpoint predicted."""
    path = folder / "predictions.parquet"
    if not path.is_file():
        return None
    found = read_predictions(path)
    if found.checkpoint_sha256 != record["checkpoint_sha256"]:
        raise UserError(f"{path}: made by another checkpoint than the one beside it; predict this run again.")
    return found


def _accuracy(run: Run, predictions: Predictions | None) -> list[dict[str, Any]]:
    """Return one entry a predicted part, the test set last; none where nothing was predicted."""
    if predictions is None:
        return []
    found = []
    for part in run.evaluated:
        counted = predictions.of(part)
        n, right = int(counted.sum()), int((predictions.predicted == predictions.label)[counted].sum())
        if n:
            low, high, _ = wilson(right, n)
            found.append({"data": run.data, "part": part, "accuracy": right / n, "low": low, "high": high, "images": n,
                          "test_set": part == run.test, "chose_the_epoch": part == run.select})  # fmt: skip
    return found


def _card(folder: Path, run: Run, record: Mapping[str, Any], predictions: Predictions | None) -> str:
    """Return the run's model card; a line that says why there is none, where preset or predictions are not there."""
    if predictions is None:
        return "No model card: there are no predictions beside the checkpoint.\n"
    above = len(Path("results", record["preset"], "runs", run.path).parts)
    root = Path(*folder.absolute().parts[:-above])
    try:  # papers lie beside the configuration, or where the workflow is, as for .test
        base = root if (root / "papers").is_dir() else "."
        preset = find_preset(record["preset"], root, base=base)
    except UserError as error:
        return f"No model card: {error}\n"
    each = Finished(run, record, predictions)
    return card(preset, each, [each], included=False)
