"""A network in an ONNX file that `refer export` wrote, run without PyTorch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer.datasets.decode import Recipe
from refer.errors import UserError
from refer.live import optional

FORMAT = 1
"""Of the metadata: raised when an older reader would misread them."""
KEY, INPUT, OUTPUT = "refer", "faces", "probabilities"


@dataclass(frozen=True)
class Model:
    """A network, and what it says of itself: `about` is what `refer.live.export.export` returns."""

    path: Path
    about: dict[str, Any]
    session: Any

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of the probabilities."""
        return list(self.about["classes"])

    @property
    def recipe(self) -> Recipe:
        """What a face becomes before the network sees it."""
        wanted = self.about["input"]
        return Recipe((wanted["height"], wanted["width"], wanted["channels"]), wanted["fit"], resize=True)

    def __call__(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, H, W, C) uint8, as `recipe` says → probabilities (B, classes)."""
        found: NDArray[np.float32] = self.session.run([OUTPUT], {INPUT: faces})[0]
        return found


def load_model(path: Path, threads: int = 0) -> Model:
    """Read an ONNX file.

    Args:
        path: the file.
        threads: of the CPU; 0 leaves it to onnxruntime, which takes all cores.

    Raises:
        UserError: onnxruntime is not installed, there is no such file, or `refer export` did not write it.
    """
    runtime = optional("onnxruntime", "live")
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected an ONNX file of `refer export`.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class
        said = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: not a whole ONNX file ({said}); export it again.") from None
    try:
        about = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
        known = about["format"], about["classes"], about["input"]["height"], about["stand_in"]
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{path}: says nothing of its classes and input; expected a file of `refer export`.") from None
    if known[0] != FORMAT:
        raise UserError(f"{path}: written by refer {about.get('refer')} in format {known[0]}, expected {FORMAT}; "
                        "export it again.")  # fmt: skip
    return Model(path, about, session)
