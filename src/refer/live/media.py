"""Pictures from image files, films and cameras; and films and windows that show what was found in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from refer import files
from refer.datasets.decode import BROKEN, DEEP, FORMATS, MAX_PIXELS
from refer.errors import UserError
from refer.live import optional

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
RATE = 25.0
"""Frames per second of a film whose source tells none."""
ENDS = (27, ord("q"))
"""Keys that end a window: Escape and q."""


class Frame(NamedTuple):
    """A picture (RGB, upright), where it is from, its number there from 0, and when: seconds, None of a file."""

    source: str
    number: int
    seconds: float | None
    picture: Image.Image


class Moving(NamedTuple):
    """The frames of a film or camera, and how many it has a second."""

    frames: Iterator[Frame]
    rate: float


def pictures(paths: Iterable[Path]) -> Iterator[Frame]:
    """Yield image files.

    Raises:
        UserError: one cannot be read, or has more than 8 bits a pixel and colour.
    """
    for number, path in enumerate(paths):
        try:
            image: Image.Image = Image.open(path, formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels, expected at most {MAX_PIXELS:,} in all")
            if image.mode in (*DEEP, "F"):
                raise ValueError(f"pixels of mode {image.mode}, expected 8 bits a colour")
            picture = ImageOps.exif_transpose(image).convert("RGB")
        except BROKEN as error:
            raise UserError(f"{path}: no image that can be read ({error}).") from None
        yield Frame(str(path), number, None, picture)


def film(path: Path) -> Moving:
    """Open a film.

    Raises:
        UserError: there is no such file, or OpenCV reads no picture of it.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such film.")
    cv2 = optional("cv2", "live")
    capture = _opened(cv2, str(path.absolute()), f"{path}: OpenCV reads no picture of it; expected a film.")
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    rate = rate if 0 < rate < 1000 else RATE
    return Moving(_frames(cv2, capture, str(path), rate, None), rate)


def camera(number: int, seconds: float | None = None) -> Moving:
    """Open a camera: for so many seconds, or until Ctrl-C.

    Raises:
        UserError: there is no such camera, or it gives no picture.
    """
    cv2 = optional("cv2", "live")
    what = f"--camera {number}: there is no such camera here, or it gives no picture"
    capture = _opened(cv2, number, f"{what} (on Linux: ls /dev/video*).")
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    end = monotonic() + seconds if seconds is not None else float("inf")
    return Moving(_frames(cv2, capture, f"camera {number}", None, end), rate if 0 < rate < 1000 else RATE)


@contextmanager
def film_of(path: Path, rate: float) -> Iterator[Any]:
    """Yield a function that takes the pictures (RGB) of a film, all of one size; the file appears whole or not at all.

    Raises:
        UserError: its name does not end as a film's, or it cannot be written.
    """
    cv2 = optional("cv2", "live")
    if path.suffix.lower() not in CODECS:
        raise UserError(f"--out {path}: expected a name that ends in {' or '.join(CODECS)}.")
    with files.whole(path) as temporary:
        writer: Any = None

        def add(picture: Image.Image) -> None:
            nonlocal writer
            if writer is None:
                code = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
                writer = cv2.VideoWriter(str(temporary.absolute()), code, rate, picture.size)
                if not writer.isOpened():
                    raise UserError(f"--out {path}: this OpenCV cannot write {path.suffix}; try "
                                    f"{' or '.join(CODECS)}.")  # fmt: skip
            writer.write(_bgr(picture))

        try:
            yield add
        finally:
            if writer is not None:
                writer.release()
        if writer is None:
            raise UserError(f"--out {path}: there was no picture to write.")


def window() -> Any:
    """Return a function that shows a picture in a window, and says whether to go on: Escape and q end it.

    Raises:
        UserError: this OpenCV has no windows, or there is no screen.
    """
    cv2 = optional("cv2", "live")
    drawn_by = next((line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI:")), "")
    if drawn_by.split()[-1:] in ([], ["NONE"]):
        raise UserError("--show: this OpenCV has no windows. Write a film with --out, or: pip uninstall "
                        "opencv-python-headless && pip install 'opencv-python<5'")  # fmt: skip
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError("--show: there is no screen here (DISPLAY is not set). Write a film with --out.")

    def show(picture: Image.Image) -> bool:
        cv2.imshow("refer predict", _bgr(picture))
        return cv2.waitKey(1) & 0xFF not in ENDS

    return show


def _opened(cv2: Any, what: str | int, otherwise: str) -> Any:
    # OpenCV tells of its attempts on the standard error, at length.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    capture = cv2.VideoCapture(what)
    if not capture.isOpened() or not capture.grab():
        raise UserError(otherwise)
    return capture


def _frames(cv2: Any, capture: Any, source: str, rate: float | None, end: float | None) -> Iterator[Frame]:
    """Yield pictures, the one that was grabbed first; `rate` of a film tells their time, a camera's is the clock's."""
    began, number = monotonic(), 0
    try:
        while end is None or monotonic() < end:
            there, pixels = capture.retrieve()
            if not there:
                break
            seconds = number / rate if rate is not None else monotonic() - began
            yield Frame(source, number, seconds, Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)))
            number += 1
            if not capture.grab():
                break
    finally:
        capture.release()


def _bgr(picture: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
