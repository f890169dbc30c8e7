"""What stays in float32 when the rest of a network learns in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

HALF = (torch.bfloat16, torch.float16)


def in_fp32(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function or method compute in float32 also under autocast: its tensors are converted first.

    Meant for a softmax over tokens and for exponentials, whose differences bfloat16's eight bits would lose. Without
    autocast nothing changes, to the bit.
    """

    @wraps(compute)
    def computed(*values: Any, **options: Any) -> Any:
        device = next(value.device.type for value in values if isinstance(value, Tensor))
        with torch.autocast(device, enabled=False):
            return compute(*(_full(value) for value in values), **options)

    return computed


def _full(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value
