"""How prepared data are put together: the fingerprint, gaps, processes, a disk without room."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import resource
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data_fixtures import encoded, folders, jpeg
from reader_fixtures import through
from refer.datasets.catalog import DATASETS
from refer.datasets.model import Dataset, ImageRow, Listing
from refer.datasets.raw.obtain import read_receipt
from refer.datasets.readers.fer2013 import CLASSES
from refer.errors import UserError

ONE = "train/angry/Training_1.jpg"


# --- the fingerprint --------------------------------------------------------------------------------------------


def fake(rows: list[ImageRow], **facts: Any) -> Dataset:
    """Return FER2013's facts with these rows, each a 48x48 image."""

    def listing(raw: object, **told: object) -> Listing:
        return Listing(rows, notes={"said": 3})

    return dataclasses.replace(DATASETS["fer2013"], read=listing, **facts)


def test_fields_at_their_defaults_add_nothing_to_the_fingerprint(tmp_path: Path) -> None:
    """As it was before there were modalities, pairs, levels and outlines: what was trained names it."""
    prepared = through(tmp_path, "fer2013", {ONE: jpeg(1)})
    expected = hashlib.sha256(json.dumps(["fer2013", CLASSES, [48, 48, 1]]).encode())
    expected.update(json.dumps([ONE, 0, "Training", None, prepared.index["sha256"].iloc[0]]).encode())
    assert prepared.about["fingerprint"] == expected.hexdigest()


def test_the_fingerprint_knows_the_other_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = ImageRow(ONE, 0, "Training", None, ONE)
    triangle = ((1.0, 2.0), (30.0, 4.0), (20.0, 40.0))
    variants = [
        row,
        row._replace(pair="a"),
        row._replace(level=0),
        row._replace(level=1),
        row._replace(outline=triangle),
    ]
    variants += [row._replace(modality="infrared"), row._replace(pair="infrared")]
    found = set()
    for variant in variants:
        monkeypatch.setitem(DATASETS, "fer2013", fake([variant], modalities=("visible", "infrared")))
        about = through(tmp_path, "fer2013", {ONE: jpeg(1)}).about
        found.add(about["fingerprint"])
        assert about["notes"] == {"said": 3}
    assert len(found) == len(variants)


@pytest.mark.real
def test_the_fingerprint_that_the_released_results_name(real_prepared: Path, root: Path) -> None:
    named = set(pd.read_csv(root / "results/fer2013-cpu/tables/runs.csv")["data_fingerprint"])
    assert named == {json.loads((real_prepared / "prepared/prepare.json").read_text())["fingerprint"]}


# --- pixels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@given(bad=st.sets(st.integers(0, 20)), most=st.integers(1, 8))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_images_that_are_left_out_leave_no_gap(tmp_path: Path, workers: int, bad: set[int], most: int) -> None:
    files = folders()
    broken = {name: b"x" if number in bad else it for number, (name, it) in enumerate(sorted(files.items()))}
    with mock.patch("refer.datasets.pixels.TOGETHER", most):
        if len(bad) == 21:
            return
        left = through(tmp_path, "fer2013", broken, tolerate=["unreadable"], workers=workers)
    assert left.about["images"] == 21 - len(bad)
    (written,) = tmp_path.glob("*/out/images.npy")
    assert written.stat().st_size == 128 + 2304 * (21 - len(bad))
    for key in left.index["id"]:
        assert (left[key][:, :, 0] == np.asarray(Image.open(io.BytesIO(files[key])))).all()
    shutil.rmtree(written.parents[1])


def test_files_that_are_packed_are_unpacked(tmp_path: Path) -> None:
    flat = np.full((48, 48), 7, np.uint8)
    deflated = through(tmp_path, "fer2013", {ONE.replace(".jpg", ".bmp"): encoded(flat, "BMP")})
    with zipfile.ZipFile(next(tmp_path.glob("*/raw/files.zip"))) as archive:
        assert [info.compress_type for info in archive.infolist()] == [zipfile.ZIP_DEFLATED]
    assert (deflated.images == 7).all()
    with pytest.raises(UserError, match="it is empty"):
        through(tmp_path, "fer2013", {ONE.replace(".jpg", ".bmp"): b""})


def test_an_absurdly_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.datasets.pixels.MAX_BYTES", len(jpeg(1)) - 1)
    with pytest.raises(UserError, match=r"bytes are no face image"):
        through(tmp_path, "fer2013", {ONE: jpeg(1)})


def test_a_process_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.datasets.pixels.TOGETHER", 5)
    monkeypatch.setattr("refer.datasets.pixels.decode", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(UserError, match="was killed, most likely for want of memory"):
        through(tmp_path, "fer2013", folders(), workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr("refer.datasets.pixels.TOGETHER", 5)
    files = folders(3)
    through(tmp_path, "fer2013", files)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The same error as a full disk gives, in this process and its children.
    limit = next(tmp_path.glob("*/out/images.npy")).stat().st_size - 1
    monkeypatch.setattr("refer.datasets.prepare.read_receipt", limited(limit, hard))
    try:
        with pytest.raises(UserError, match=r"There is no room left on the disk for .*/out"):
            through(tmp_path, "fer2013", files, workers=workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limited(limit: int, hard: int) -> Callable[..., dict[str, Any]]:
    """Return read_receipt, after which no file may become larger than `limit` bytes."""

    def read(raw: Path, dataset: str) -> dict[str, Any]:
        receipt = read_receipt(raw, dataset)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        return receipt

    return read
