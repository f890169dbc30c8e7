"""What pixels tell of what was done to them: drawn images, equalised or compressed, and as they are."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_fixtures import as_zip, folders, rows, table
from prepared_fixtures import picture
from refer.datasets.audit import audit
from refer.datasets.pixel_traces import COEFFICIENTS, traces
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain

IMAGES = np.stack([picture(seed) for seed in range(60)])


def each(change) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(image[..., 0])))[..., None] for image in IMAGES])


def equalised(image: Image.Image) -> Image.Image:
    """Equalise the histogram: each grey level becomes the share of pixels up to it, stretched to 0..255."""
    pixels = np.asarray(image)
    below = np.bincount(pixels.ravel(), minlength=256).cumsum()
    lowest = below[below > 0][0]
    return Image.fromarray(np.rint((below - lowest) / (below[-1] - lowest) * 255).astype(np.uint8)[pixels])


def compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_equalised_images_are_told_from_others() -> None:
    assert traces(IMAGES, resized=False) == {"equalised_share": 0.0, "jpeg_steps": [None] * 6, "said": ""}
    found = traces(each(equalised), resized=False)
    assert found["equalised_share"] > 0.9
    assert found["said"] == "histogram-equalised"
    half = np.concatenate([each(equalised)[:29], IMAGES[29:]])
    assert traces(half, resized=False)["said"] == "", "a minority does not make a set"


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_the_steps_are_those_of_the_files_quantisation_table(quality: int) -> None:
    table_of_file = compressed(Image.fromarray(IMAGES[0, ..., 0]), quality).quantization[0]
    expected = [table_of_file[8 * down + right] for down, right in COEFFICIENTS]
    found = traces(each(lambda image: compressed(image, quality)), resized=False)
    assert found["said"] == "decoded from JPEG"
    right = sum(step == wanted for step, wanted in zip(found["jpeg_steps"], expected, strict=True))
    assert right >= 5


def test_images_that_were_resized_here_are_not_asked_for_jpeg() -> None:
    images = each(lambda image: compressed(equalised(image), 75))
    assert traces(images, resized=False)["said"] == "histogram-equalised and decoded from JPEG"
    assert traces(images, resized=True)["said"] == "histogram-equalised"
    assert traces(images, resized=True)["jpeg_steps"] is None


def test_small_and_coloured_images_do_no_harm() -> None:
    assert traces(np.zeros((3, 4, 4, 3), np.uint8), resized=False)["jpeg_steps"] == [None] * 6


@pytest.mark.parametrize("as_files", [True, False])
def test_prepare_and_audit_pass_it_on(tmp_path: Path, as_files: bool) -> None:
    content = folders(8) if as_files else {"fer2013.csv": table(rows(8))}
    obtain("fer2013", str(as_zip(tmp_path / "raw.zip", content)), tmp_path / "raw", stand_in=True)
    prepare("fer2013", tmp_path / "raw", tmp_path / "prepared", workers=1)
    audit("fer2013", tmp_path / "prepared", tmp_path / "audit")
    said = json.loads((tmp_path / "audit/audit.json").read_text())["pixels"]
    assert said == json.loads((tmp_path / "prepared/prepare.json").read_text())["pixels"]
    # Noise has evenly spread grey levels, compressed or not.
    assert said["said"] == "histogram-equalised" + (" and decoded from JPEG" if as_files else "")
