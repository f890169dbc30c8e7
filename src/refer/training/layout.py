"""In which order a network's weights and images lie in memory."""

from __future__ import annotations

import torch

SMALL = 64
"""Side in pixels up to which channels_last pays on a CPU (docs/performance.md, `benchmarks/layout.py`)."""


def memory_format(where: torch.device, size: int) -> torch.memory_format:
    """The quicker order for images of `size` pixels a side: on a CPU it depends on them, elsewhere channels_last is."""
    return torch.contiguous_format if where.type == "cpu" and size > SMALL else torch.channels_last
