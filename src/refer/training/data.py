"""Prepared images on the device: uint8, all of them, once; streamed where they are too many."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from refer import files
from refer.datasets.prepared import check, open_images, read_parquet
from refer.errors import UserError
from refer.networks.registry import Standard
from refer.networks.standard import standard_of
from refer.run import Run

LUMA = (0.299, 0.587, 0.114)
"""Of ITU-R BT.601, as everywhere in this project."""
MEAN, SPREAD = 127.5, 63.75
"""Pixels 0..255 become -2..2: about zero mean and unit variance, without a look at the data."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_SPREAD = (58.395, 57.12, 57.375)
"""What torchvision's ImageNet weights were trained with, for pixels 0..255."""
SMALL = 64
"""Side in pixels up to which channels_last pays on a CPU (docs/performance.md, `benchmarks/layout.py`)."""
LIMIT = "REFER_RESIDENT_MB"
"""Environment variable: how much of a part's images may lie on the device; without it, half of what is free."""


class Streamed:
    """Images that are too many for the device: a batch is gathered on the host and copied when it is asked for.

    Indexed with host's numbers or a slice, it gives what resident images give, (B, C, H, W) uint8 on the device, to
    the bit. On a GPU the copy runs beside the step before it: the host is ahead of the GPU, and has its own stream.
    """

    def __init__(self, images: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device, size: int) -> None:
        """Take prepared images (N, H, W, C), mapped from their file; which of them; and the side that is wanted."""
        self.images, self.rows, self.device, self.size = images, rows, device, size
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, order: NDArray[np.int64]) -> Streamed:
        """Return those of these numbers, in their order."""
        return Streamed(self.images, self.rows[order], self.device, self.size)

    def __getitem__(self, which: Tensor | slice) -> Tensor:
        rows = self.rows[which if isinstance(which, slice) else which.cpu().numpy()]
        batch = self._moved(torch.from_numpy(self.images[rows])).permute(0, 3, 1, 2)
        return (batch if batch.shape[-2] <= self.size else shrunk(batch, self.size)).contiguous()

    def _moved(self, batch: Tensor) -> Tensor:
        if self._stream is None:
            return batch.to(self.device)
        pinned = batch.pin_memory()
        with torch.cuda.stream(self._stream):
            moved = pinned.to(self.device, non_blocking=True)
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self._stream)
        moved.record_stream(current)
        return moved


Images = Tensor | Streamed
"""Of one input of the network, one for each sample: (N, C, H, W) uint8, or features (N, …)."""


@dataclass(frozen=True)
class Part:
    """The samples of one part: for each input of the network what gives tensors on the device, by number of sample.

    Inputs are images (N, C, H, W) uint8, or features (N, …) float32 that frozen branches made of them. `labels`
    (N,) are int64; `ids`, `kept` and `rows` say what the samples are, `rows` (N, inputs) in the prepared index.
    """

    inputs: tuple[Images, ...]
    labels: Tensor
    ids: list[str]
    kept: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def taken(self, numbers: NDArray[np.int64]) -> Part:
        """Return the samples of these numbers, in their order."""
        there = torch.from_numpy(numbers)
        return replace(
            self,
            inputs=tuple(
                picked(each, there) if isinstance(each, Tensor) else each.taken(numbers) for each in self.inputs
            ),
            labels=self.labels[there.to(self.labels.device)],
            ids=[self.ids[number] for number in numbers],
            kept=self.kept[numbers],
            rows=self.rows[numbers],
        )


def load_index(prepared: Path, split: Path, fold: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """The prepared index with the columns of one fold of the split beside it, and the classes in code order.

    Raises:
        UserError: the prepared data are not as they were prepared, or the split is damaged, was made for another
            index, or has no such fold.
    """
    check(prepared)
    index = pd.read_parquet(prepared / "index.parquet")
    parts = read_parquet(split)
    if fold not in set(parts["fold"]):
        raise UserError(f"{split}: there is no fold {fold}; it has {parts['fold'].nunique()}, counted from 0.")
    parts = parts[parts["fold"] == fold].reset_index(drop=True)
    if not index["id"].equals(parts["id"]):
        raise UserError(f"{split}: its rows are not those of {prepared / 'index.parquet'}; delete it and run again.")
    classes = files.read_json(prepared / "prepare.json")["classes"]
    columns = [name for name in ("part", "kept", "twin") if name in parts]
    return index.assign(**{name: parts[name] for name in columns}), list(classes)


def without(index: pd.DataFrame, leave_out: str, seed: int) -> pd.DataFrame:
    """Return the index with training images marked as not kept, as `recipe.leave_out` says.

    Args:
        index: as `load_index` returns it.
        leave_out: `none`, `twins`, or `as-many-others`: of each class as many as there are twins, that are none.
        seed: of what is drawn; the order of the images does not matter.

    Raises:
        UserError: the split was made by a version that did not look for twins, or a class has too few others.
    """
    if leave_out == "none":
        return index
    if "twin" not in index:
        raise UserError("The split says nothing of twins, an older version made it: delete it and run again.")
    trained = index[(index["part"] == "train") & index["kept"]]
    twin = trained["twin"].to_numpy(dtype=bool)
    gone = trained.index[twin]
    if leave_out == "as-many-others":
        gone = pd.Index([])
        for label, count in trained["label"][twin].value_counts().sort_index().items():
            others = trained[~twin & (trained["label"] == label)]
            if len(others) < count:
                raise UserError(
                    f"Of class {label} {count:,} training images are twins and {len(others):,} are not: there are not "
                    "as many others to leave out."
                )
            drawn = others["id"].map(lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
            gone = gone.union(drawn.sort_values().index[:count])
    return index.assign(kept=index["kept"] & ~index.index.isin(gone))


def load_part(
    prepared: Path,
    index: pd.DataFrame,
    name: str,
    device: torch.device,
    *,
    kept_only: bool,
    inputs: Sequence[str] = ("visible",),
    size: int | None = None,
    pairing: str = "names",
) -> Part:
    """Copy one part of the prepared images to the device.

    Args:
        prepared: folder of images.npy.
        index: as `load_index` returns it.
        name: the part.
        device: where the tensors lie.
        kept_only: leave out what an audit removed.
        inputs: the modalities that the network reads. Of several, a sample is a pair, and has its id; a data set
            with several modalities names also the samples of one of them by their pairs, so that predictions of
            all methods are about the same samples.
        size: images that are larger are averaged down to this side once, not in every step.
        pairing: as `recipe.pairing`.

    Raises:
        UserError: the part holds no image of these modalities, or no pair of them.
    """
    chosen = (index["part"] == name).to_numpy(dtype=bool)
    if kept_only:
        chosen = chosen & index["kept"].to_numpy(dtype=bool)
    rows = _samples(index, chosen, inputs, pairing)
    if len(rows) == 0:
        what = f"no pair of {' and '.join(inputs)} images" if len(inputs) > 1 else f"no {inputs[0]} image"
        raise UserError(f"{prepared}: the part {name!r} holds {what}.")
    images = open_images(prepared / "images.npy")
    frame = index.iloc[rows[:, 0]]
    ids = frame["id"]
    if "pair" in index and index["modality"].nunique() > 1:
        ids = frame["pair"].where(frame["pair"].notna(), ids)
    return Part(
        inputs=_inputs(images, rows, device, size),
        labels=torch.from_numpy(frame["label"].to_numpy(dtype=np.int64)).to(device),
        ids=ids.astype(str).tolist(),
        kept=np.logical_and.reduce([index["kept"].to_numpy(dtype=bool)[column] for column in rows.T]),
        rows=rows,
    )


def _samples(index: pd.DataFrame, chosen: np.ndarray, inputs: Sequence[str], pairing: str) -> np.ndarray:
    """Return the rows of each sample (N, inputs), in the order of its first input in the index."""
    if "modality" not in index:
        return np.flatnonzero(chosen)[:, None]
    modality = index["modality"].to_numpy()
    if len(inputs) == 1:
        return np.flatnonzero(chosen & (modality == inputs[0]))[:, None]
    if pairing == "order":
        return _in_order(index, chosen, inputs)
    paired = chosen & index["pair"].notna().to_numpy()
    tables = []
    for one in inputs:
        rows = np.flatnonzero(paired & (modality == one))
        tables.append(pd.Series(rows, index=index["pair"].to_numpy()[rows], name=one))
    joined = pd.concat(tables, axis=1, join="inner").sort_values(inputs[0])
    return joined.to_numpy(dtype=np.int64).reshape(-1, len(inputs))


def _in_order(index: pd.DataFrame, chosen: np.ndarray, inputs: Sequence[str]) -> np.ndarray:
    """Return as samples (N, inputs) the k-th images of each class in the order of their ids, which are paths.

    As of two folders that are read in step; what one of them has more of is left out.
    """
    labels, modality = index["label"].to_numpy(), index["modality"].to_numpy()
    found = []
    for label in np.unique(labels[chosen]):
        lists = []
        for one in inputs:
            rows = np.flatnonzero(chosen & (labels == label) & (modality == one))
            lists.append(rows[np.argsort(index["id"].to_numpy()[rows], kind="stable")])
        least = min(map(len, lists))
        found.append(np.stack([rows[:least] for rows in lists], axis=1))
    joined = np.concatenate(found) if found else np.empty((0, len(inputs)), np.int64)
    return joined[np.argsort(joined[:, 0], kind="stable")]


def _inputs(images: np.ndarray, rows: np.ndarray, device: torch.device, size: int | None) -> tuple[Images, ...]:
    """Return the images of each column of rows (N, inputs): on the device, if all of them have room there."""
    side = images.shape[1] if size is None else min(size, images.shape[1])
    needed = rows.size * images.shape[3] * side**2
    if fits(needed, device):
        return tuple(_resident(images, column, device, side) for column in rows.T)
    print(f"{rows.size} images, {needed / 2**20:,.0f} MB: too many for the device, so they are streamed.", flush=True)
    return tuple(Streamed(images, column, device, side) for column in rows.T)


def _resident(images: np.ndarray, rows: np.ndarray, device: torch.device, side: int) -> Tensor:
    """(N, C, H, W) uint8 on the device; no larger than `side`."""
    found = torch.empty((len(rows), images.shape[3], side, side), dtype=torch.uint8, device=device)
    for start in range(0, len(rows), 256):  # piece by piece, for the host may have less room than the device
        part = torch.from_numpy(images[rows[start : start + 256]]).to(device).permute(0, 3, 1, 2)
        found[start : start + 256] = shrunk(part, side) if images.shape[1] > side else part
    return found


def standardise(
    images: Tensor,
    channels: int,
    size: int,
    imagenet: bool = False,
    unit: bool = False,
    standard: Standard | None = None,
) -> Tensor:
    """(B, C, H, W) uint8 0..255 → (B, channels, size, size) float32, centred and scaled, or with `unit` 0..1.

    `standard` is what a library's weights were trained with; a network of one channel takes the means of its numbers.

    Grey images are repeated where the network wants three channels; colour images become grey by the
    luma of ITU-R BT.601 where it wants one.
    """
    result = images.float()
    if result.shape[1] == 3 and channels == 1:
        result = (result * constant(LUMA, result.device)).sum(dim=1, keepdim=True)
    result = resized(result, size)
    if unit:
        return (result / 255).expand(-1, channels, -1, -1)
    if standard is not None:
        each = standard if channels > 1 else tuple((sum(numbers) / len(numbers),) for numbers in standard)
        mean, spread = (constant(numbers, result.device) for numbers in each)
        return (result.expand(-1, channels, -1, -1) / 255 - mean) / spread
    if imagenet:
        mean, spread = (constant(each, result.device) for each in (IMAGENET_MEAN, IMAGENET_SPREAD))
        return (result.expand(-1, 3, -1, -1) - mean) / spread
    return ((result - MEAN) / SPREAD).expand(-1, channels, -1, -1)


def resized(images: Tensor, size: int) -> Tensor:
    """(B, C, H, W) float → (B, C, size, size), smoothed where it becomes smaller."""
    if images.shape[-2:] == (size, size):
        return images
    return functional.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


class Reader:
    """Turns uint8 images into what one network expects."""

    def __init__(
        self,
        network: nn.Module,
        weights: str,
        size: int,
        layout: torch.memory_format = torch.channels_last,
        standard: Standard | None = None,
    ) -> None:
        self.channels = int(getattr(network, "channels", 3))
        self.unit = getattr(network, "pixels", "by-weights") == "unit"
        self.imagenet = weights == "imagenet"
        self.standard = standard
        self.size = size
        self.layout = layout

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 (or float32, 0..255) → (B, channels, size, size) float32."""
        ready = standardise(images, self.channels, self.size, self.imagenet, self.unit, self.standard)
        return ready.contiguous(memory_format=self.layout)


def memory_format(where: torch.device, size: int) -> torch.memory_format:
    """The quicker order for images of `size` pixels a side: on a CPU it depends on them, elsewhere channels_last is."""
    return torch.contiguous_format if where.type == "cpu" and size > SMALL else torch.channels_last


def placed(network: nn.Module, run: Run, where: torch.device) -> tuple[nn.Module, Reader]:
    """A network on a device, and what reads images for it, in the order of memory that is quickest there."""
    layout = memory_format(where, run.recipe.image_size)
    network = network.to(where).to(memory_format=layout)
    weights, standard = str(run.network.get("weights", "none")), standard_of(run.network)
    return network, Reader(network, weights, run.recipe.image_size, layout, standard)


# --- between host and device --------------------------------------------------------------------------------------


def sent(values: NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """Copy to the device. A GPU takes it from pinned memory, so that the host goes on at once with the next batch."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(values)
    if device.type != "cuda" or tensor.device.type == "cuda":
        return tensor.to(device)
    return (tensor if tensor.is_pinned() else tensor.pin_memory()).to(device, non_blocking=True)


@cache
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return a few numbers on the device, (1, n, 1, 1) float32: sent once, for a GPU stops at every such copy."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


def fits(needed: int, device: torch.device) -> bool:
    """Whether so many bytes of images may lie on the device.

    Raises:
        UserError: the environment variable is no number.
    """
    given = os.environ.get(LIMIT)
    if given is not None:
        try:
            return needed <= float(given) * 2**20
        except ValueError:
            raise UserError(f"{LIMIT}: found {given!r}, expected a number of megabytes.") from None
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available()
    return needed <= free / 2


def available(groups: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that this process may still take: the machine's, or what its control groups leave a job of it.

    Args:
        groups: where the control groups (version 2) are mounted.
        mine: which one this process is in, as the kernel writes it.
    """
    found = [int(psutil.virtual_memory().available)]
    try:
        lines = mine.read_text(encoding="utf-8").splitlines()
        own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
        for group in (groups / own, *(groups / own).parents):
            if groups not in (group, *group.parents):
                break
            limit = group / "memory.max"
            if limit.is_file() and (most := limit.read_text().strip()) != "max":
                used = int((group / "memory.current").read_text())
                stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                found.append(int(most) - used + int(stat.get("inactive_file", 0)))  # a cache gives way
    except (OSError, ValueError):
        pass  # another system, or groups that may not be looked at
    return max(min(found), 0)


def shrunk(images: Tensor, size: int) -> Tensor:
    """(B, C, H, H) uint8, averaged down to (B, C, size, size) uint8."""
    part = functional.interpolate(images.float(), (size, size), mode="bilinear", antialias=True, align_corners=False)
    return part.round_().clamp_(0, 255).to(torch.uint8)


def picked(images: Images, items: Tensor) -> Tensor:
    """Return the images of `items` (B,), numbers on the host."""
    return images[sent(items, images.device)] if isinstance(images, Tensor) else images[items]
