"""Between host and device: copies that nobody waits for, and images that stay with the host for want of room."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from refer.errors import UserError

LIMIT = "REFER_RESIDENT_MB"
"""Environment variable: how much of a part's images may lie on the device; without it, half of what is free."""


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


def picked(images: Images, items: Tensor) -> Tensor:
    """Return the images of `items` (B,), numbers on the host."""
    return images[sent(items, images.device)] if isinstance(images, Tensor) else images[items]
