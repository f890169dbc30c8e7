"""The content of explanations.safetensors, as figures need it; refer.evaluation.explanations writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from refer.errors import UserError
from refer.files import seal
from refer.reporting.figures.canvas import described
from refer.spec import Paper

DIGITS = 4
"""Decimals that are drawn: what lies beyond differs from one processor to another."""


@dataclass(frozen=True)
class Explained:
    """The content of one explanations.safetensors: `about` is its metadata, `tensors` as `explanations` lists them."""

    path: Path
    about: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]

    @property
    def cell(self) -> tuple[str, str, str]:
        """Data, protocol and method."""
        return self.about["data"], self.about["protocol"], self.about["method"]

    @property
    def has_examples(self) -> bool:
        """Whether it holds drawn faces and what the network made of them."""
        return "examples/input" in self.tensors


def read_explained(path: str | Path) -> Explained:
    """Read one explanations.safetensors.

    Raises:
        UserError: the file is damaged or was not written by this project.
    """
    try:
        with safe_open(path, framework="numpy") as handle:
            about = json.loads(handle.metadata()["refer"])
            tensors = {key: handle.get_tensor(key) for key in sorted(handle.keys())}
        content = ((name, np.ascontiguousarray(value).reshape(-1).view(np.uint8)) for name, value in tensors.items())
        stated, shapes = about.pop("seal", None), {name: list(value.shape) for name, value in tensors.items()}
        if stated is not None and stated != seal(content, {**about, "shapes": shapes}):
            raise ValueError("its content is not what its seal states")
        known = about["classes"], about["part"], tensors["test/features"], tensors["classes/means"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not whole explanations of this project ({error}); explain the run again.") from None
    if not all(np.isfinite(values).all() for values in known[2:]):
        raise UserError(f"{path}: the representation is not finite; the run that it explains is of no use.")
    return Explained(Path(path), about, tensors)


def whose(paper: Paper, about: Mapping[str, Any]) -> str:
    """Return whose images are shown, and under which protocol the network was trained."""
    split = paper.parts[about["dataset"]][about["part"]]
    fold = "" if about["fold"] is None else f", fold {about['fold']}"
    composed = ", composed on backgrounds" if about["composed"] else ""
    return (
        f"{described(about['dataset'], about['stand_in'])}{composed} · {paper.id}, {about['protocol']} protocol, seed "
        f"{about['seed']}{fold} · {split}"
    )
